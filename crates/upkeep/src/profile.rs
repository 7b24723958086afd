//! Vendor profiles: where chargers without a standard word for it say how strong their radio link
//! is (2.2c). A file a vendor; a key that a person confirmed is a profile as well.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use mendpoint_model::{ModelKey, SignalUnit, Transport};
use serde::Deserialize;
use serde_spanned::Spanned;

use crate::alias::{Alias, Note, RawAlias};

/// A mistake in a profile file.
///
/// Displays as `vendors/x.toml:12: sentence`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileProblem {
    /// The file's name as it was given.
    pub file: String,
    /// Line from 1.
    pub line: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for ProfileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl std::error::Error for ProfileProblem {}

/// Where one kind of charger tells of its radio link.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Vendor pattern: without regard to case, `*` stands for anything.
    pub vendor: String,
    /// Model pattern.
    pub model: String,
    /// Where it is told.
    pub source: Source,
    /// What is read out of it.
    pub readings: Vec<ReadingRule>,
}

/// Where it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Beside the errorCode of a `StatusNotification`, in `info` or `vendorErrorCode`.
    ErrorCode(String),
    /// In a configuration key.
    ConfigKey(String),
    /// In the answer to a `DataTransfer`.
    DataTransfer {
        /// `vendorId`.
        vendor_id: String,
        /// `messageId`; empty for none.
        message_id: String,
        /// `data` that is sent along; empty for none.
        data: String,
    },
    /// In a `NotifyEvent` or a report of this variable (2.x), as `Component.Variable`.
    NotifyEvent(String),
}

/// What is read out of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadingRule {
    /// Names from the outside in, with dots; empty for the answer itself.
    pub path: String,
    /// The unit. `None`: bars, which are no measure and are not judged.
    pub unit: Option<SignalUnit>,
    /// The link.
    pub transport: Transport,
}

/// A key that a person confirmed for a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedKey {
    /// Vendor, exactly.
    pub vendor: String,
    /// Model, exactly.
    pub model: String,
    /// The configuration key (1.6) or the variable (2.x).
    pub key: String,
    /// Its unit.
    pub unit: SignalUnit,
    /// Its link.
    pub transport: Transport,
}

/// All profiles in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profiles {
    files: Vec<Profile>,
    confirmed: Vec<Profile>,
    aliases: Arc<[Alias]>,
    notes: Arc<[Note]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    profile: Vec<Spanned<RawProfile>>,
    #[serde(default)]
    alias: Vec<Spanned<RawAlias>>,
    #[serde(default)]
    note: Vec<Note>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    vendor: Spanned<String>,
    model: Option<Spanned<String>>,
    source: Spanned<String>,
    code: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    vendor_id: Option<Spanned<String>>,
    message_id: Option<Spanned<String>>,
    data: Option<Spanned<String>>,
    variable: Option<Spanned<String>>,
    #[serde(default)]
    reading: Vec<RawReading>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReading {
    path: Option<String>,
    unit: Spanned<String>,
    transport: Spanned<String>,
}

impl Profiles {
    /// Reads the files, given as name and text.
    ///
    /// # Errors
    /// Every mistake, with its place and a sentence.
    pub fn parse(files: &[(String, String)]) -> Result<Self, Vec<ProfileProblem>> {
        let (mut profiles, mut aliases, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        let mut problems = Vec::new();
        for (file, text) in files {
            let at = |span: Range<usize>, message: String| ProfileProblem {
                file: file.clone(),
                line: line_of(text, span.start),
                message,
            };
            match toml::from_str::<RawFile>(text) {
                Ok(raw) => {
                    for profile in raw.profile {
                        let span = profile.span();
                        match read(profile.into_inner(), span) {
                            Ok(profile) => profiles.push(profile),
                            Err((span, message)) => problems.push(at(span, message)),
                        }
                    }
                    for alias in raw.alias {
                        let span = alias.span();
                        match crate::alias::read(alias.into_inner(), span) {
                            Ok(alias) => aliases.push(alias),
                            Err((span, message)) => problems.push(at(span, message)),
                        }
                    }
                    notes.extend(raw.note);
                }
                Err(error) => {
                    let message = error.message().replace("unknown field", "unknown key");
                    let message = message.replace("missing field", "missing key");
                    problems.push(at(error.span().unwrap_or(0..0), message));
                }
            }
        }
        if problems.is_empty() {
            let (aliases, notes) = (aliases.into(), notes.into());
            Ok(Self { files: profiles, confirmed: Vec::new(), aliases, notes })
        } else {
            Err(problems)
        }
    }

    /// The same with other confirmed keys.
    #[must_use]
    pub fn with_confirmed(&self, keys: &[ConfirmedKey]) -> Self {
        let confirmed = keys.iter().map(|key| Profile {
            vendor: key.vendor.clone(),
            model: key.model.clone(),
            source: if key.key.contains('.') {
                Source::NotifyEvent(key.key.clone())
            } else {
                Source::ConfigKey(key.key.clone())
            },
            readings: vec![ReadingRule {
                path: String::new(),
                unit: Some(key.unit),
                transport: key.transport,
            }],
        });
        Self { confirmed: confirmed.collect(), ..self.clone() }
    }

    /// The profiles that fit a model: those of files, then confirmed keys.
    pub fn of(&self, model: &ModelKey) -> impl Iterator<Item = &Profile> {
        let exactly =
            |profile: &&Profile| *profile.vendor == *model.vendor && *profile.model == *model.model;
        let fits = |profile: &&Profile| {
            matches(&profile.vendor, &model.vendor) && matches(&profile.model, &model.model)
        };
        self.files.iter().filter(fits).chain(self.confirmed.iter().filter(exactly))
    }

    /// What makers' own words mean.
    pub fn aliases(&self) -> &[Alias] {
        &self.aliases
    }

    /// What there is to know about makers.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// How many profiles the files hold.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether the files hold none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

pub(crate) type Mistake = (Range<usize>, String);

fn read(raw: RawProfile, whole: Range<usize>) -> Result<Profile, Mistake> {
    if raw.vendor.get_ref().trim().is_empty() {
        let message = "vendor is empty; write the vendor as chargers send it, or a pattern with *";
        return Err((raw.vendor.span(), message.to_owned()));
    }
    let source = read_source(&raw, &whole)?;
    let mut readings = Vec::new();
    for reading in raw.reading {
        let unit = read_unit(reading.unit.get_ref()).ok_or_else(|| {
            let message = format!(
                "the unit {:?} is none of dbm, rsrp, csq, percent, bars",
                reading.unit.get_ref()
            );
            (reading.unit.span(), message)
        })?;
        let transport = read_transport(reading.transport.get_ref()).ok_or_else(|| {
            let message = format!(
                "the transport {:?} is none of wifi, cellular",
                reading.transport.get_ref()
            );
            (reading.transport.span(), message)
        })?;
        readings.push(ReadingRule { path: reading.path.unwrap_or_default(), unit, transport });
    }
    if readings.is_empty() && !matches!(source, Source::ErrorCode(_)) {
        let message = "a profile needs at least one [[profile.reading]] with unit and transport";
        return Err((whole, message.to_owned()));
    }
    Ok(Profile {
        vendor: raw.vendor.into_inner(),
        model: raw.model.map_or_else(|| "*".to_owned(), Spanned::into_inner),
        source,
        readings,
    })
}

/// What each source needs, and may have besides.
fn read_source(raw: &RawProfile, whole: &Range<usize>) -> Result<Source, Mistake> {
    let source = raw.source.get_ref().as_str();
    let fields = [
        ("code", &raw.code, "errorCode"),
        ("key", &raw.key, "configKey"),
        ("vendor_id", &raw.vendor_id, "dataTransfer"),
        ("message_id", &raw.message_id, "dataTransfer"),
        ("data", &raw.data, "dataTransfer"),
        ("variable", &raw.variable, "notifyEvent"),
    ];
    if !["errorCode", "configKey", "dataTransfer", "notifyEvent"].contains(&source) {
        let message = format!(
            "the source {source:?} is none of errorCode, configKey, dataTransfer, notifyEvent"
        );
        return Err((raw.source.span(), message));
    }
    for (name, field, of) in fields {
        if let Some(field) = field
            && of != source
        {
            let message = format!("{name} belongs to the source {of}, and this one is {source}");
            return Err((field.span(), message));
        }
    }
    let text = |field: &Option<Spanned<String>>| {
        field.as_ref().map(|text| text.get_ref().clone()).unwrap_or_default()
    };
    let needed = |name: &str, field: &Option<Spanned<String>>| match text(field) {
        empty if empty.trim().is_empty() => {
            Err((whole.clone(), format!("the source {source} needs `{name}`")))
        }
        text => Ok(text),
    };
    Ok(match source {
        "errorCode" => Source::ErrorCode(needed("code", &raw.code)?),
        "configKey" => Source::ConfigKey(needed("key", &raw.key)?),
        "dataTransfer" => Source::DataTransfer {
            vendor_id: needed("vendor_id", &raw.vendor_id)?,
            message_id: text(&raw.message_id),
            data: text(&raw.data),
        },
        _ => Source::NotifyEvent(needed("variable", &raw.variable)?),
    })
}

/// The unit of a word; the inner `None` is bars.
#[expect(clippy::option_option, reason = "no such word, and a word that is no measure, differ")]
fn read_unit(word: &str) -> Option<Option<SignalUnit>> {
    Some(match word.to_ascii_lowercase().as_str() {
        "dbm" | "rssi" => Some(SignalUnit::RssiDbm),
        "rsrp" => Some(SignalUnit::RsrpDbm),
        "csq" => Some(SignalUnit::Csq),
        "percent" => Some(SignalUnit::Percent),
        "bars" => None,
        _ => return None,
    })
}

fn read_transport(word: &str) -> Option<Transport> {
    match word.to_ascii_lowercase().as_str() {
        "wifi" => Some(Transport::Wifi),
        "cellular" | "cell" => Some(Transport::Cellular),
        _ => None,
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// Whether a pattern with `*` fits a name, without regard to case.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let letters = |text: &str| text.trim().to_lowercase().chars().collect::<Vec<_>>();
    fits(&letters(pattern), &letters(name))
}

fn fits(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|skipped| fits(rest, &name[skipped..])),
        Some((letter, rest)) => {
            name.split_first().is_some_and(|(first, left)| first == letter && fits(rest, left))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(vendor: &str, model: &str) -> ModelKey {
        ModelKey { vendor: vendor.into(), model: model.into(), firmware: "1".into() }
    }

    fn parse(text: &str) -> Result<Profiles, Vec<ProfileProblem>> {
        Profiles::parse(&[("vendors/x.toml".to_owned(), text.to_owned())])
    }

    #[test]
    fn patterns_are_prefixes_with_stars() {
        for (pattern, name, fits) in [
            ("Evnex", "EVNEX", true),
            ("Evnex", "Evnex Ltd", false),
            ("Evnex*", "Evnex Ltd", true),
            ("R*", "R7-T2", true),
            ("R*", "E2", false),
            ("*", "", true),
            ("*Pro", "Zappi Pro", true),
            ("*Pro", "Pro 2", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxc", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} and {name}");
        }
    }

    #[test]
    fn a_profile_is_found_by_vendor_and_model() {
        let profiles = parse(
            "[[profile]]\nvendor = \"Evnex\"\nmodel = \"R*\"\nsource = \"dataTransfer\"\n\
             vendor_id = \"Evnex\"\nmessage_id = \"GetRSSI\"\n\
             [[profile.reading]]\nunit = \"dbm\"\ntransport = \"wifi\"\n",
        )
        .expect("valid");
        assert_eq!(profiles.of(&model("evnex", "R7")).count(), 1);
        assert_eq!(profiles.of(&model("evnex", "E2")).count(), 0);
        let confirmed = profiles.with_confirmed(&[ConfirmedKey {
            vendor: "ACME".into(),
            model: "W1".into(),
            key: "ModemRSSI".into(),
            unit: SignalUnit::RssiDbm,
            transport: Transport::Cellular,
        }]);
        assert_eq!(confirmed.of(&model("ACME", "W1")).count(), 1);
        assert_eq!(confirmed.of(&model("ACME", "W10")).count(), 0, "confirmed for one model only");
    }

    #[test]
    fn a_bad_profile_is_refused_with_line_and_sentence() {
        for (text, expected) in [
            (
                "[[profile]]\nvendor = \"A\"\nsource = \"telepathy\"\n",
                "vendors/x.toml:3: the source \"telepathy\" is none of",
            ),
            (
                "[[profile]]\nvendor = \"A\"\nsource = \"configKey\"\n",
                "vendors/x.toml:1: the source configKey needs `key`",
            ),
            (
                "[[profile]]\nvendor = \"A\"\nsource = \"configKey\"\nkey = \"x\"\ncode = \"y\"\n",
                "vendors/x.toml:5: code belongs to the source errorCode",
            ),
            (
                "[[profile]]\nvendor = \"A\"\nsource = \"configKey\"\nkey = \"x\"\n\
                 [[profile.reading]]\nunit = \"furlong\"\ntransport = \"wifi\"\n",
                "vendors/x.toml:6: the unit \"furlong\" is none of dbm",
            ),
            (
                "[[profile]]\nvendor = \"A\"\nsource = \"configKey\"\nkey = \"x\"\n",
                "vendors/x.toml:1: a profile needs at least one [[profile.reading]]",
            ),
            ("[[profile]]\nvendor = \"A\"\nsorce = \"x\"\n", "vendors/x.toml:3: unknown key"),
            ("[[profile\n", "vendors/x.toml:1:"),
        ] {
            let problems = parse(text).expect_err(text);
            assert!(problems[0].to_string().starts_with(expected), "{}", problems[0]);
        }
    }
}
