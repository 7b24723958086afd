//! A rule from a sentence: "When ... for ... on a ..., then ..., heal with ...". The form's choices
//! become the text of a rule, with a test in which it opens and one in which it does not.

use std::fmt::Write as _;

use mendpoint_incidents::{Catalogue, code_info, duration_words, parse_duration};

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
}

/// A value in a text of TOML between quotes.
fn quoted(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
}

impl Sentence {
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
        let time = parse_duration(&self.lasting).map(duration_words).unwrap_or_default();
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
        let _ = write!(
            words,
            " {joint} {time} on a {}, then severity {}; {heal}.",
            field.scope, self.severity
        );
        words
    }

    /// The text of the rule.
    ///
    /// # Errors
    /// What is wrong with a choice, as a sentence.
    pub(crate) fn rule(&self, catalogue: &Catalogue) -> Result<String, String> {
        let field = self.field().ok_or("Choose what the rule looks at.")?;
        let id = self.id.trim();
        let is_word = !id.is_empty()
            && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if !is_word {
            return Err("The id is written in capitals, digits and _, as in PLUG_FORGOTTEN.".into());
        }
        if catalogue.rule(id).is_some() {
            return Err(format!(
                "There is a rule {id} already. Take another id, or edit that one."
            ));
        }
        if !field.ops.is_empty() && !field.ops.contains(&self.op.as_str()) {
            return Err(format!("For {}, choose \"{}\".", field.words, field.ops.join("\" or \"")));
        }
        let lasting_ms = parse_duration(self.lasting.trim())
            .filter(|ms| *ms >= 1_000)
            .ok_or("The time is written as 90s, 10m, 1h30m or 7d, and is a second or more.")?;
        let severity: u8 = self
            .severity
            .trim()
            .parse()
            .ok()
            .filter(|severity| *severity <= 9)
            .ok_or("The severity goes from 0 (danger) to 9 (debug).")?;
        if !self.playbook.is_empty() && catalogue.playbook(&self.playbook).is_none() {
            return Err(format!("There is no playbook {}.", self.playbook));
        }
        let made = self.made(field, lasting_ms)?;
        let title =
            if self.title.trim().is_empty() { made.title } else { self.title.trim().into() };
        let lasting = self.lasting.trim();
        let heal = if self.playbook.is_empty() {
            "auto_heal = \"off\"\n".to_owned()
        } else {
            // A new rule only writes down what it would do (G10).
            format!("auto_heal = \"shadow\"\nplaybook = \"{}\"\n", quoted(&self.playbook))
        };
        let hold = if field.is_window { "0s" } else { lasting };
        Ok(format!(
            "id = \"{id}\"\nversion = 1\ntitle = \"{title}\"\ndescription = \"{}\"\nseverity = \
             {severity}\nscope = \"{}\"\n{heal}proof = \"clear\"\n{}\n[condition]\nwhen = '{}'\nfor = \
             \"{hold}\"\nkeep_firing_for = \"60s\"\n\n[[test]]\nname = \"it opens\"\nsteps = [\n  {{ at \
             = \"0s\", connect = true }},\n{}  {{ at = \"{}s\", expect = {{ has = [\"{id}\"] }} }},\n]\n\n\
             [[test]]\nname = \"it stays silent\"\nsteps = [\n  {{ at = \"0s\", connect = true }},\n{}  {{ \
             at = \"{}s\", expect = {{ has_not = [\"{id}\"] }} }},\n]\n",
            quoted(&self.words()),
            field.scope,
            made.more,
            made.condition,
            made.fires,
            made.fires_at_s,
            made.silent,
            made.silent_at_s,
            title = quoted(&title),
        ))
    }

    fn made(&self, field: &Field, lasting_ms: i64) -> Result<Made, String> {
        let value = self.value.trim();
        let seconds = lasting_ms / 1_000 + 62;
        let status =
            |word: &str| format!("  {{ at = \"60s\", status = {{ status = \"{word}\" }} }},\n");
        let number = |least: f64, most: f64| {
            let fits = |n: &f64| (least..=most).contains(n);
            value
                .parse::<f64>()
                .ok()
                .filter(fits)
                .ok_or(format!("The value is a number from {least} to {most}."))
        };
        let mut made = Made { fires_at_s: seconds, silent_at_s: seconds, ..Made::default() };
        match field.key {
            "status" => {
                if !STATUSES.contains(&value) {
                    return Err(format!("A status is one of {}.", STATUSES.join(", ")));
                }
                let is = self.op == "is";
                let other = if value == "Available" { "Unavailable" } else { "Available" };
                let (good, bad) = if is { (other, value) } else { (value, other) };
                // The charger as a whole has no status of its own most of the time.
                made.condition = if is {
                    format!("status == \"{value}\"")
                } else {
                    format!("connector >= 1 and status not in [\"{value}\", \"Unknown\"]")
                };
                made.title = format!("{}{value}", if is { "" } else { "Not " });
                (made.fires, made.silent) = (status(bad), status(good));
            }
            "error" => {
                let info = code_info(value)
                    .ok_or(format!("{value} is no error code that Mendpoint knows."))?;
                made.condition = format!("error.code == \"{}\"", info.name);
                info.name.clone_into(&mut made.title);
                made.fires = format!(
                    "  {{ at = \"60s\", status = {{ status = \"Faulted\", error = \"{}\" }} }},\n",
                    info.name
                );
                made.silent = status("Available");
            }
            "power" => {
                let watts = number(0.0, 1_000_000.0)?;
                made.condition = format!("status == \"Charging\" and power_w <= {watts}");
                made.title = format!("Charges with {watts} W or less");
                let meter = |power: f64| {
                    format!(
                        "{}  {{ at = \"60s\", transaction_start = {{ connector = 1 }} }},\n  {{ at = \
                         \"61s\", meter = {{ connector = 1, power_w = {power:?} }} }},\n",
                        status("Charging")
                    )
                };
                (made.fires, made.silent) = (meter(watts), meter(watts + 1_000.0));
            }
            "offline" => {
                "not connected".clone_into(&mut made.condition);
                "No connection".clone_into(&mut made.title);
                "exclusions = [\"not ever_connected\"]\n".clone_into(&mut made.more);
                "  { at = \"60s\", disconnect = true },\n".clone_into(&mut made.fires);
            }
            "wifi" | "cell" => {
                let dbm = number(-150.0, 0.0)?;
                let (series, transport, unit) = if field.key == "wifi" {
                    ("signal.wifi.dbm", "wifi", "dbm")
                } else {
                    ("signal.cell.rsrp_dbm", "cell", "rsrp_dbm")
                };
                made.condition = format!("{series} <= {dbm}");
                made.title = format!("Signal of {dbm} dBm or less");
                let signal = |value: f64| {
                    format!(
                        "  {{ at = \"60s\", signal = {{ transport = \"{transport}\", unit = \
                         \"{unit}\", value = {value:?} }} }},\n"
                    )
                };
                (made.fires, made.silent) = (signal(dbm), signal(dbm + 30.0));
            }
            "flap" => {
                let percent = number(1.0, 100.0)?;
                made.condition = format!("flap(link, 3m) >= {percent}");
                "Its connection comes and goes".clone_into(&mut made.title);
                made.fires = (0..20).fold(String::new(), |steps, n| {
                    let (off, on) = (60 + n * 180, 61 + n * 180);
                    format!(
                        "{steps}  {{ at = \"{off}s\", disconnect = true }},\n  {{ at = \"{on}s\", \
                         connect = true }},\n"
                    )
                });
                if lasting_ms > 10 * 60_000 {
                    return Err("A link that flaps is told within 10 minutes or not at all.".into());
                }
                made.fires_at_s = 60 + 19 * 180 + 2;
            }
            "silence" => {
                let condition = "status == \"Available\" and expected_usage_silence(0.001)";
                condition.clone_into(&mut made.condition);
                "Nobody charges here any more".clone_into(&mut made.title);
                made.fires = format!(
                    "{}  {{ at = \"61s\", used = {{ every = \"1h\", days = 28 }} }},\n",
                    status("Available")
                );
                made.silent = status("Available");
                made.fires_at_s = 8 * 3_600 + seconds;
            }
            kind => {
                let times = number(1.0, 50.0)?.trunc() as u32;
                made.condition = format!("count({kind}, {}) >= {times}", self.lasting.trim());
                let times_words =
                    if times == 1 { "once".to_owned() } else { format!("{times} times") };
                made.title = match kind {
                    "boot" => format!("Restarts {times_words}"),
                    "faulted" => format!("Faulted {times_words}"),
                    "refused" => format!("Cards refused {times_words}"),
                    _ => format!("Lost its connection {times_words}"),
                };
                let step_ms = (lasting_ms / i64::from(times) / 3).clamp(1, 20_000);
                made.fires = (0..i64::from(times)).fold(String::new(), |steps, n| {
                    let at = |part: i64| format!("{}ms", 60_000 + n * step_ms * 2 + part * step_ms / 2);
                    let happens = match kind {
                        "boot" => format!("  {{ at = \"{}\", boot = {{ vendor = \"ACME\", model = \"X\" }} }},\n", at(0)),
                        "faulted" => format!(
                            "  {{ at = \"{}\", status = {{ status = \"Available\" }} }},\n  {{ at = \"{}\", \
                             status = {{ status = \"Faulted\" }} }},\n",
                            at(0),
                            at(1)
                        ),
                        "refused" => format!(
                            "  {{ at = \"{}\", authorize = {{ id_token = \"CARD-{n}\", accepted = false }} }},\n",
                            at(0)
                        ),
                        _ => format!(
                            "  {{ at = \"{}\", connect = true }},\n  {{ at = \"{}\", disconnect = true }},\n",
                            at(0),
                            at(1)
                        ),
                    };
                    format!("{steps}{happens}")
                });
                let end_ms = 60_000 + i64::from(times) * step_ms * 2;
                if kind == "disconnect" {
                    let _ = writeln!(made.fires, "  {{ at = \"{end_ms}ms\", connect = true }},");
                }
                made.fires_at_s = end_ms / 1_000 + 1;
                if made.fires_at_s * 1_000 - 60_000 >= lasting_ms {
                    return Err("This window is too short for so many.".into());
                }
            }
        }
        Ok(made)
    }
}

/// The parts of a rule that depend on its field.
#[derive(Default)]
struct Made {
    condition: String,
    title: String,
    more: String,
    fires: String,
    fires_at_s: i64,
    silent: String,
    silent_at_s: i64,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn of(field: &Field, op: &str) -> Sentence {
        Sentence {
            id: "FROM_A_SENTENCE".to_owned(),
            field: field.key.to_owned(),
            op: op.to_owned(),
            value: field.hint.to_owned(),
            lasting: "10m".to_owned(),
            severity: "5".to_owned(),
            ..Sentence::default()
        }
    }

    #[test]
    fn every_sentence_becomes_a_rule_that_passes_its_own_tests() {
        for field in &FIELDS {
            let ops = if field.ops.is_empty() { &[""][..] } else { field.ops };
            for op in ops {
                let sentence = of(field, op);
                let text = sentence.rule(&Catalogue::default()).expect("the hint is a good value");
                let files = [("new.toml".to_owned(), text.clone())];
                let catalogue = match Catalogue::parse(&files, &[]) {
                    Ok(catalogue) => Arc::new(catalogue),
                    Err(problems) => panic!("{}: {problems:?}\n{text}", field.key),
                };
                for outcome in mendpoint_pipeline::run_rule_tests(&catalogue) {
                    let told: Vec<_> = outcome.failures.iter().map(ToString::to_string).collect();
                    assert!(outcome.passed(), "{}: {told:?}\n{text}", field.key);
                }
            }
        }
    }

    #[test]
    fn it_reads_as_a_sentence() {
        let sentence = Sentence { playbook: "err_faulted".to_owned(), ..of(&FIELDS[0], "is") };
        assert_eq!(
            sentence.words(),
            "When the status is Unavailable for 10 min on a connector, then severity 5; heal with \
             err_faulted."
        );
        let often = of(&FIELDS[6], "at least");
        assert!(
            often.words().contains("at least 5 within 10 min on a charger"),
            "{}",
            often.words()
        );
    }

    #[test]
    fn a_wrong_choice_is_told() {
        let none = Catalogue::default();
        let told = |change: fn(&mut Sentence)| {
            let mut sentence = of(&FIELDS[0], "is");
            change(&mut sentence);
            sentence.rule(&none).expect_err("it is wrong")
        };
        assert!(told(|s| s.id = "lower".to_owned()).contains("capitals"));
        assert!(told(|s| s.value = "Broken".to_owned()).contains("one of Available"));
        assert!(told(|s| s.lasting = "10".to_owned()).contains("90s"));
        assert!(told(|s| s.severity = "10".to_owned()).contains("0 (danger)"));
        assert!(told(|s| s.op = "at least".to_owned()).contains("\"is\" or \"is not\""));
        assert!(told(|s| s.playbook = "nothing".to_owned()).contains("no playbook nothing"));
    }
}
