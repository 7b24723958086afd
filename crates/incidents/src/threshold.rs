//! Named thresholds of a rule: its numbers that may be set otherwise for a site, a model or a charger.
//!
//! ```toml
//! [thresholds]
//! offline_for = { default = "10m", min = "2m", max = "24h", about = "how long without a connection" }
//! weak_dbm = -80
//! ```
//!
//! A name stands wherever the rule would have a duration or a number: `for = "offline_for"`,
//! `median(signal.wifi.dbm, 15m, 3) <= weak_dbm`. Only what a rule declares can be set otherwise.

use std::collections::{BTreeMap, BTreeSet};

use mendpoint_model::{ChargerKey, SiteKey};
use serde::Deserialize;
use serde_spanned::Spanned;

use crate::duration::{duration_words, parse_duration};
use crate::problem::{Reader, suggestion};
use crate::rule::Scope;

/// What a threshold is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Quantity {
    /// A time in milliseconds.
    Duration(i64),
    Number(f64),
}

impl Quantity {
    /// Reads a value as a person writes it.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match parse_duration(text) {
            Some(ms) => Some(Self::Duration(ms)),
            None => text.parse().ok().filter(|n: &f64| n.is_finite()).map(Self::Number),
        }
    }

    fn of(value: &toml::Value) -> Option<Self> {
        match value {
            // A number in quotes is a number, too.
            toml::Value::String(text) => Self::parse(text),
            toml::Value::Integer(number) => Some(Self::Number(*number as f64)),
            toml::Value::Float(number) => Some(*number).filter(|n| n.is_finite()).map(Self::Number),
            _ => None,
        }
    }

    fn is_like(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Duration(_), Self::Duration(_)) | (Self::Number(_), Self::Number(_))
        )
    }

    fn size(self) -> f64 {
        match self {
            Self::Duration(ms) => ms as f64,
            Self::Number(number) => number,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Duration(_) => "a duration such as 90s, 10m or 24h",
            Self::Number(_) => "a number such as 3 or -80",
        }
    }
}

/// A number that a rule gives a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// Its name in the rule.
    pub name: String,
    /// What holds where nothing else is set, as it is written.
    pub default: String,
    /// The least it may be set to; empty for no limit.
    pub min: String,
    /// The most; empty for no limit.
    pub max: String,
    /// The threshold that it must be more than; empty for none.
    pub above: String,
    /// What it is, for people.
    pub about: String,
    /// What holds here, as it is written: the default, or what is set in its place.
    holds: String,
    value: Quantity,
    limits: (Option<Quantity>, Option<Quantity>),
}

impl Threshold {
    /// Whether it is a time, and not a number.
    pub fn is_duration(&self) -> bool {
        matches!(self.value, Quantity::Duration(_))
    }

    /// What holds, as people say it: "10 min", "3".
    fn words(&self) -> String {
        match self.value {
            Quantity::Duration(ms) => duration_words(ms),
            Quantity::Number(_) => self.holds.clone(),
        }
    }

    /// Reads a value for it.
    ///
    /// # Errors
    /// What is wrong with the value, and what was expected.
    pub fn check(&self, text: &str) -> Result<(), String> {
        self.read(text).map(|_| ())
    }

    fn read(&self, text: &str) -> Result<Quantity, String> {
        let expected = self.value.expected();
        let value = Quantity::parse(text)
            .filter(|value| value.is_like(self.value))
            .ok_or_else(|| format!("{} is {expected}; \"{text}\" is none", self.name))?;
        let (least, most) = self.limits;
        if least.is_some_and(|least| value.size() < least.size()) {
            return Err(format!("{} is at least {}; {text} is less", self.name, self.min));
        }
        if most.is_some_and(|most| value.size() > most.size()) {
            return Err(format!("{} is at most {}; {text} is more", self.name, self.max));
        }
        Ok(value)
    }
}

/// The thresholds of the file that is being read.
#[derive(Debug, Default)]
pub(crate) struct Thresholds {
    all: Vec<Threshold>,
    /// Names of those that are declared wrongly: nothing more is told of them.
    broken: BTreeSet<String>,
    used: std::cell::RefCell<BTreeSet<String>>,
}

impl Thresholds {
    fn get(&self, name: &str) -> Option<Quantity> {
        let found = self.all.iter().find(|threshold| threshold.name == name)?;
        self.used.borrow_mut().insert(name.to_owned());
        Some(found.value)
    }

    /// A duration by its name; of one that is declared wrongly a mistake without words.
    pub(crate) fn duration(&self, name: &str) -> Option<Result<i64, String>> {
        if self.broken.contains(name) {
            return Some(Err(String::new()));
        }
        Some(match self.get(name)? {
            Quantity::Duration(ms) => Ok(ms),
            Quantity::Number(_) => Err(format!("{name} is a number, and here belongs a duration")),
        })
    }

    /// A number by its name; of one that is declared wrongly a mistake without words.
    pub(crate) fn number(&self, name: &str) -> Option<Result<f64, String>> {
        if self.broken.contains(name) {
            return Some(Err(String::new()));
        }
        Some(match self.get(name)? {
            Quantity::Number(number) => Ok(number),
            Quantity::Duration(_) => {
                Err(format!("{name} is a duration, and here belongs a number"))
            }
        })
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        let known = self.all.iter().map(|threshold| threshold.name.as_str());
        known.chain(self.broken.iter().map(String::as_str)).collect()
    }

    /// A condition with what holds in place of the names: `silent_for >= 120s` of
    /// `silent_for >= quiet`. What stands in quotes stays.
    pub(crate) fn spell(&self, text: &str) -> String {
        let mut spelt = String::with_capacity(text.len());
        let mut quote = None;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            let length = match quote {
                None if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                _ => first.len_utf8(),
            };
            let (part, after) = rest.split_at(length);
            match quote {
                Some(open) if open == first => quote = None,
                None if first == '"' || first == '\'' => quote = Some(first),
                _ => {}
            }
            let named = self.all.iter().find(|known| quote.is_none() && known.name == part);
            spelt.push_str(named.map_or(part, |known| &known.holds));
            rest = after;
        }
        spelt
    }

    /// A sentence for people with what holds in place of `{name}`.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for known in &self.all {
            let place = format!("{{{}}}", known.name);
            if filled.contains(&place) {
                filled = filled.replace(&place, &known.words());
            }
        }
        filled
    }

    /// Refuses those that nothing reads, and hands them over.
    pub(crate) fn finish(self, reader: &mut Reader<'_>, raw: &RawThresholds) -> Vec<Threshold> {
        let used = self.used.into_inner();
        // A condition that is wrong may read it behind its mistake.
        let is_named = |name: &str| {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            reader.text.split(|c| !is_word(c)).filter(|word| *word == name).count() > 1
        };
        let is_all_read = reader.problems.is_empty();
        let unread: Vec<_> = raw
            .keys()
            .filter(|name| !used.contains(name.get_ref()))
            .filter(|name| is_all_read || !is_named(name.get_ref()))
            .collect();
        for name in unread {
            let message = format!(
                "nothing in this rule reads the threshold {0}; write for = \"{0}\" or compare a \
                 field with it",
                name.get_ref()
            );
            reader.refuse(name.span().start, message);
        }
        self.all
    }
}

/// The table `[thresholds]` as it is written.
pub(crate) type RawThresholds = BTreeMap<Spanned<String>, Spanned<toml::Value>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawThreshold {
    default: toml::Value,
    min: Option<toml::Value>,
    max: Option<toml::Value>,
    #[serde(default)]
    above: String,
    #[serde(default)]
    about: String,
}

/// Reads the thresholds of a rule; `values` are set in place of their defaults.
pub(crate) fn read_thresholds(
    reader: &mut Reader<'_>,
    raw: &RawThresholds,
    values: &BTreeMap<String, String>,
) -> Thresholds {
    let (mut all, mut broken) = (Vec::new(), BTreeSet::new());
    for (name, value) in raw {
        let at = value.span().start;
        check_name(reader, name);
        let Some(mut threshold) = read_one(reader, name.get_ref(), value) else {
            broken.insert(name.get_ref().clone());
            continue;
        };
        if let Some(text) = values.get(name.get_ref()) {
            match threshold.read(text) {
                Ok(value) => {
                    threshold.value = value;
                    text.trim().clone_into(&mut threshold.holds);
                }
                Err(message) => reader.refuse(at, message),
            }
        }
        all.push(threshold);
    }
    for (name, value) in raw {
        if let Some(message) = misplaced(&all, name.get_ref()) {
            reader.refuse(value.span().start, message);
            broken.insert(name.get_ref().clone());
        }
    }
    Thresholds { all, broken, used: std::cell::RefCell::default() }
}

/// Why a threshold does not lie above the one that it must: what is weak must not be good.
fn misplaced(all: &[Threshold], name: &str) -> Option<String> {
    let own = all.iter().find(|known| known.name == name)?;
    if own.above.is_empty() {
        return None;
    }
    let others = || all.iter().filter(|known| known.name != name);
    let Some(other) = others().find(|known| known.name == own.above) else {
        let names: Vec<&str> = others().map(|known| known.name.as_str()).collect();
        let is_own = own.above == name;
        return Some(match (names.as_slice(), is_own) {
            ([], _) => format!(
                "`above` of {name} names no other threshold, and this rule has no other; take it out"
            ),
            (names, true) => format!(
                "`above` of {name} names {name} itself; write another threshold of this rule ({}), or \
                 take it out",
                names.join(", ")
            ),
            (names, false) => format!(
                "`above` of {name} names no other threshold{}",
                suggestion(&own.above, names)
            ),
        });
    };
    if !own.value.is_like(other.value) {
        let expected = own.value.expected();
        return Some(format!(
            "{name} is {expected}, and {}, which it must be above, is none",
            own.above
        ));
    }
    (own.value.size() <= other.value.size()).then(|| {
        format!(
            "{name} must be more than {}, which is {}; {} is not",
            own.above, other.holds, own.holds
        )
    })
}

fn check_name(reader: &mut Reader<'_>, name: &Spanned<String>) {
    let at = name.span().start;
    let name = name.get_ref();
    let is_word = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !is_word {
        let message = format!("\"{name}\" is no name for a threshold; write it as offline_for");
        reader.refuse(at, message);
    } else if ["and", "or", "in", "not"].contains(&name.as_str()) {
        reader.refuse(at, format!("{name} is a word of conditions already; take another name"));
    }
}

fn read_one(
    reader: &mut Reader<'_>,
    name: &str,
    value: &Spanned<toml::Value>,
) -> Option<Threshold> {
    let at = value.span().start;
    let written = match value.get_ref() {
        toml::Value::Table(table) => match table.clone().try_into::<RawThreshold>() {
            Ok(written) => written,
            Err(error) => {
                let known = ["default", "min", "max", "above", "about"];
                let mut is_told = false;
                for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
                    reader.refuse(at, format!("unknown key `{key}`{}", suggestion(key, &known)));
                    is_told = true;
                }
                for key in ["above", "about"] {
                    if table.get(key).is_some_and(|value| !value.is_str()) {
                        reader.refuse(at, format!("`{key}` of {name} is a text in quotes"));
                        is_told = true;
                    }
                }
                if !is_told && !table.contains_key("default") {
                    let message = format!(
                        "the threshold {name} needs a `default`, as in {name} = {{ default = \"10m\" }}"
                    );
                    reader.refuse(at, message);
                    is_told = true;
                }
                if !is_told {
                    let message = error.message().trim();
                    reader.refuse(at, format!("the threshold {name} cannot be read: {message}"));
                }
                return None;
            }
        },
        other => RawThreshold {
            default: other.clone(),
            min: None,
            max: None,
            above: String::new(),
            about: String::new(),
        },
    };
    let Some(default) = Quantity::of(&written.default) else {
        let message = format!(
            "the threshold {name} is neither a duration such as \"10m\" nor a number such as 3"
        );
        reader.refuse(at, message);
        return None;
    };
    let mut limit = |which: &str, value: &Option<toml::Value>| {
        let value = value.as_ref()?;
        let quantity = Quantity::of(value).filter(|limit| limit.is_like(default));
        if quantity.is_none() {
            let message = format!("`{which}` of {name} must be {}", default.expected());
            reader.refuse(at, message);
        }
        quantity
    };
    let (least, most) = (limit("min", &written.min), limit("max", &written.max));
    let threshold = Threshold {
        name: name.to_owned(),
        default: words(&written.default),
        min: written.min.as_ref().map(words).unwrap_or_default(),
        max: written.max.as_ref().map(words).unwrap_or_default(),
        above: written.above,
        about: written.about,
        holds: words(&written.default),
        value: default,
        limits: (least, most),
    };
    if let Err(message) = threshold.read(&threshold.default) {
        reader.refuse(at, format!("the default is out of its own limits: {message}"));
    }
    Some(threshold)
}

fn words(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        _ => String::new(),
    }
}

/// What a threshold is set otherwise for. The more particular wins: a charger before its site, a site
/// before a model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Every charger of a model, as told at boot; case does not matter.
    Model {
        /// Manufacturer.
        vendor: String,
        /// Model.
        model: String,
    },
    /// Every charger of a site.
    Site(SiteKey),
    /// One charger.
    Charger(ChargerKey),
}

impl Target {
    /// Whether a rule of this scope can have other numbers for it: of what is about a whole site
    /// they are the same for all chargers of that site.
    pub(crate) fn suits(&self, scope: Scope) -> bool {
        match scope {
            Scope::Connector | Scope::Charger => true,
            Scope::Site => matches!(self, Self::Site(_)),
            Scope::Cohort => matches!(self, Self::Model { .. }),
            Scope::Fleet => false,
        }
    }

    fn meets(&self, charger: &Placed<'_>) -> bool {
        match self {
            Self::Model { vendor, model } => charger.boot.is_some_and(|(of, named)| {
                vendor.trim().eq_ignore_ascii_case(of.trim())
                    && model.trim().eq_ignore_ascii_case(named.trim())
            }),
            Self::Site(site) => *site == charger.site,
            Self::Charger(key) => *key == charger.key,
        }
    }
}

/// What targets are looked up by.
pub(crate) struct Placed<'a> {
    pub(crate) key: ChargerKey,
    pub(crate) site: SiteKey,
    /// Vendor and model.
    pub(crate) boot: Option<(&'a str, &'a str)>,
}

/// One threshold of one rule, set otherwise for a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ThresholdOverride {
    /// The rule's id.
    pub rule: String,
    /// For what.
    pub target: Target,
    /// The threshold's name.
    pub name: String,
    /// Its value there, as a person writes it.
    pub value: String,
}

/// All of them, in the order in which the more particular comes later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides(Vec<ThresholdOverride>);

impl Overrides {
    pub(crate) fn new(mut all: Vec<ThresholdOverride>) -> Self {
        all.sort_by(|a, b| (&a.target, &a.rule, &a.name).cmp(&(&b.target, &b.rule, &b.name)));
        Self(all)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What holds for a charger: by rule, the values of its thresholds. `scope` is that of a rule.
    pub(crate) fn of(
        &self,
        charger: &Placed<'_>,
        scope: impl Fn(&str) -> Option<Scope>,
    ) -> BTreeMap<&str, BTreeMap<String, String>> {
        let mut found: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
        let meant = self.0.iter().filter(|own| {
            own.target.meets(charger) && scope(&own.rule).is_some_and(|of| own.target.suits(of))
        });
        for own in meant {
            found.entry(&own.rule).or_default().insert(own.name.clone(), own.value.clone());
        }
        found
    }
}
