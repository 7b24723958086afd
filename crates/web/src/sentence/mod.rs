//! A rule from a sentence: "When ... for ... on a ..., then ..., heal with ...". The form's choices
//! become the text of a rule, with a test in which it opens and one in which it does not.

mod made;
mod many;
mod steps;

use std::fmt::Write as _;

use mendpoint_incidents::{Catalogue, duration_words, parse_duration};

use many::Many;
pub(crate) use many::WIDE;

/// What a sentence may begin with.
pub(crate) struct Field {
    /// Its name in the form.
    pub(crate) key: &'static str,
    /// After "When".
    pub(crate) words: &'static str,
    /// How it is compared.
    pub(crate) ops: &'static [&'static str],
    /// What to write as the value; empty where there is none.
    pub(crate) hint: &'static str,
    /// What it is of.
    pub(crate) scope: &'static str,
    /// Whether the time is a window in which it happens so often.
    pub(crate) is_window: bool,
}

const IS: &[&str] = &["is", "is not"];
const COUNT: &[&str] = &["at least"];

/// All of them.
pub(crate) const FIELDS: [Field; 12] = [
    field("status", "the status", IS, "Unavailable", "connector", false),
    field("error", "the error code", &["is"], "ReaderFailure", "connector", false),
    field("power", "the power while charging, in W,", &["at most"], "50", "connector", false),
    field("offline", "there is no connection", &[], "", "charger", false),
    field("wifi", "the Wi-Fi signal in dBm", &["at most"], "-80", "charger", false),
    field("cell", "the mobile signal (RSRP) in dBm", &["at most"], "-115", "charger", false),
    field("disconnect", "the number of lost connections", COUNT, "5", "charger", true),
    field("boot", "the number of restarts", COUNT, "3", "charger", true),
    field("faulted", "the number of faults", COUNT, "3", "connector", true),
    field("refused", "the number of refused cards", COUNT, "5", "charger", true),
    field("flap", "the restlessness of the link in %", COUNT, "20", "charger", false),
    field("silence", "nobody charges although that is usual", &[], "", "connector", false),
];

const fn field(
    key: &'static str,
    words: &'static str,
    ops: &'static [&'static str],
    hint: &'static str,
    scope: &'static str,
    is_window: bool,
) -> Field {
    Field { key, words, ops, hint, scope, is_window }
}

/// The words of statuses, as a charger of OCPP 1.6 sends them.
pub(crate) const STATUSES: [&str; 9] = [
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEV",
    "SuspendedEVSE",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
];

/// What was chosen.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Sentence {
    /// The id of the rule.
    pub(crate) id: String,
    /// Its title; empty for one made of the sentence.
    pub(crate) title: String,
    /// A field's key.
    pub(crate) field: String,
    /// How it is compared.
    pub(crate) op: String,
    /// With what.
    pub(crate) value: String,
    /// How long, or within how long.
    pub(crate) lasting: String,
    /// 0 to 9.
    pub(crate) severity: String,
    /// A playbook's id; empty for none.
    pub(crate) playbook: String,
    /// A word of [`WIDE`]; empty for a rule about one connector or charger.
    pub(crate) scope: String,
    /// So many chargers at least; empty for any.
    pub(crate) chargers: String,
    /// And so many percent of them; empty for any.
    pub(crate) percent: String,
    /// And so many times what is usual; empty for any.
    pub(crate) times_usual: String,
}

/// A value in a text of TOML between quotes.
fn quoted(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
}

/// A time as rules write it, from words too: "15 minutes" is `15m`. What cannot be read stays.
fn duration_of(text: &str) -> String {
    let text = text.trim();
    if parse_duration(text).is_some() {
        return text.to_owned();
    }
    let unit = |word: &str| {
        Some(match word {
            "ms" => "ms",
            "s" | "sec" | "secs" | "second" | "seconds" => "s",
            "m" | "min" | "mins" | "minute" | "minutes" => "m",
            "h" | "hr" | "hrs" | "hour" | "hours" => "h",
            "d" | "day" | "days" => "d",
            _ => return None,
        })
    };
    let lower = text.to_lowercase().replace(" and ", " ");
    let mut rest = lower.trim_start();
    let mut made = String::new();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (word, next) = after.split_at(letters);
        let Some(letter) = unit(word).filter(|_| !number.is_empty()) else {
            return text.to_owned();
        };
        made.push_str(number);
        made.push_str(letter);
        rest = next.trim_start_matches(['.', ',', ' ']);
    }
    if parse_duration(&made).is_some() { made } else { text.to_owned() }
}

impl Sentence {
    /// The same with its time as rules write it.
    pub(crate) fn tidied(self) -> Self {
        Self { lasting: duration_of(&self.lasting), ..self }
    }

    /// What stands in the form at the beginning.
    pub(crate) fn example() -> Self {
        let text = str::to_owned;
        Self {
            field: text("status"),
            op: text("is"),
            value: text("Unavailable"),
            lasting: text("15m"),
            severity: text("4"),
            ..Self::default()
        }
    }

    pub(crate) fn field(&self) -> Option<&'static Field> {
        FIELDS.iter().find(|field| field.key == self.field)
    }

    /// The sentence, for people.
    pub(crate) fn words(&self) -> String {
        let Some(field) = self.field() else { return String::new() };
        let lasting = self.lasting.trim();
        // What cannot be read is shown as it was written; what is wrong stands beside it.
        let time = parse_duration(lasting).map_or_else(|| lasting.to_owned(), duration_words);
        let mut words = format!("When {}", field.words);
        if !field.ops.is_empty() {
            let _ = write!(words, " {} {}", self.op, self.value);
        }
        let joint = if field.is_window { "within" } else { "for" };
        let heal = if self.playbook.is_empty() {
            "a person is asked".to_owned()
        } else {
            format!("heal with {}", self.playbook)
        };
        let about = match self.many(field) {
            Ok(Some(many)) => many.words(),
            Ok(None) => format!(" on a {}", field.scope),
            // What is wrong stands beside it.
            Err(_) => String::new(),
        };
        let _ = write!(words, " {joint} {time}{about}, then severity {}; {heal}.", self.severity);
        words
    }

    /// The text of the rule.
    ///
    /// # Errors
    /// Everything that is wrong with the choices, a sentence each.
    pub(crate) fn rule(&self, catalogue: &Catalogue) -> Result<String, Vec<String>> {
        let Some(field) = self.field() else {
            return Err(vec!["Choose what the rule looks at.".to_owned()]);
        };
        let mut problems = self.problems(field, catalogue);
        let many = self.many(field).map_err(|why| problems.push(why)).ok();
        let lasting_ms = parse_duration(self.lasting.trim()).filter(|ms| *ms >= 1_000);
        let made = match (&many, lasting_ms) {
            (Some(many), Some(lasting_ms)) => {
                self.made(field, lasting_ms, many.as_ref()).map_err(|why| problems.push(why)).ok()
            }
            _ => None,
        };
        let severity = self.severity.trim().parse().unwrap_or(9);
        match (many, made) {
            (Some(many), Some(mut made)) if problems.is_empty() => {
                if let Some(many) = &many
                    && !field.is_window
                {
                    many.spread(&mut made);
                }
                Ok(self.text((self.id.trim(), severity), field, many.as_ref(), made))
            }
            _ => Err(problems),
        }
    }

    /// What is wrong with the choices that do not depend on each other.
    fn problems(&self, field: &Field, catalogue: &Catalogue) -> Vec<String> {
        let mut problems = Vec::new();
        let id = self.id.trim();
        let is_word = id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if id.is_empty() {
            problems.push("Give the rule an id, as in PLUG_FORGOTTEN.".to_owned());
        } else if !is_word {
            let words = "The id is written in capitals, digits and _, as in PLUG_FORGOTTEN.";
            problems.push(words.to_owned());
        }
        if catalogue.rule(id).is_some() {
            problems
                .push(format!("There is a rule {id} already. Take another id, or edit that one."));
        }
        if !field.ops.is_empty() && !field.ops.contains(&self.op.as_str()) {
            let ops = field.ops.join("\" or \"");
            problems.push(format!("For {}, choose \"{ops}\".", field.words.trim_end_matches(',')));
        }
        if parse_duration(self.lasting.trim()).is_none_or(|ms| ms < 1_000) {
            let words = "The time is written as 90s, 10m, 1h30m or 7d, and is a second or more.";
            problems.push(words.to_owned());
        }
        if self.severity.trim().parse::<u8>().ok().is_none_or(|severity| severity > 9) {
            problems.push("The severity goes from 0 (danger) to 9 (debug).".to_owned());
        }
        if !self.playbook.is_empty() && catalogue.playbook(&self.playbook).is_none() {
            problems.push(format!("There is no playbook {}.", self.playbook));
        }
        problems
    }

    /// All that was found to be good, as a file.
    fn text(
        &self,
        (id, severity): (&str, u8),
        field: &Field,
        many: Option<&Many>,
        made: made::Made,
    ) -> String {
        let title =
            if self.title.trim().is_empty() { made.title } else { self.title.trim().into() };
        let lasting = self.lasting.trim();
        let heal = if self.playbook.is_empty() {
            "auto_heal = \"off\"\n".to_owned()
        } else {
            // A new rule only writes down what it would do (G10).
            format!("auto_heal = \"shadow\"\nplaybook = \"{}\"\n", quoted(&self.playbook))
        };
        let headline = many
            .map(|_| format!("headline = \"{}\"\n", quoted(&Many::headline(&title))))
            .unwrap_or_default();
        let chargers = many.map(Many::chargers).unwrap_or_default();
        let condition = match (many, field.is_window) {
            (Some(_), true) => format!("count = {}\n", made.condition),
            (None, true) => format!("when = '{}'\nfor = \"0s\"\n", made.condition),
            (_, false) => format!("when = '{}'\nfor = \"{lasting}\"\n", made.condition),
        };
        let in_tests = many.map_or(1, Many::in_tests);
        let (has, has_not) = (format!("has = [\"{id}\"]"), format!("has_not = [\"{id}\"]"));
        let opens = steps::test("it opens", in_tests, made.fires, (made.fires_at_ms, has));
        let silent =
            steps::test("it stays silent", in_tests, made.silent, (made.silent_at_ms, has_not));
        format!(
            "id = \"{id}\"\nversion = 1\ntitle = \"{}\"\n{headline}description = \"{}\"\nseverity = \
             {severity}\nscope = \"{}\"\n{heal}proof = \"clear\"\n{}\n[condition]\n{condition}{chargers}\
             keep_firing_for = \"60s\"\n\n{opens}\n{silent}",
            quoted(&title),
            quoted(&self.words()),
            many.map_or(field.scope, |many| many.scope),
            made.more,
        )
    }
}

#[cfg(test)]
mod tests;
