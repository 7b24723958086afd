//! The fault mix: a data file.

use mendpoint_incidents::parse_duration;
use mendpoint_simulator::{Cure, Fault, Shows};
use serde::Deserialize;

/// The mix that is built in.
const BUILT_IN: &str = include_str!("../mix.toml");

/// What breaks, how often, and what mends it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// Failures of a charger in 30 days.
    pub failures_per_charger: f64,
    /// Sessions of a charger in a day.
    pub sessions_per_day: f64,
    /// The chance that a reset by command leaves the charger worse than before.
    pub reset_harms: f64,
    /// How long after a ticket a person is there, from and to, ms.
    pub person_after_ms: (i64, i64),
    /// The causes.
    pub causes: Vec<Cause>,
    /// What is mended otherwise on some models.
    pub differs: Vec<Differs>,
}

/// A model on which faults that show need another remedy than elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differs {
    /// The model.
    pub model: String,
    /// What mends the fault elsewhere.
    pub(crate) cure: Cure,
    /// What mends it here.
    pub(crate) needs: Cure,
}

/// One cause of failures.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// What it is called in reports.
    pub name: String,
    /// Its part of all failures.
    pub share: f64,
    /// What happens.
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// A fault of one connector.
    Fault { fault: Box<Fault>, lasts_ms: (i64, i64) },
    /// No connection; `None`: until a person comes.
    Offline { lasts_ms: Option<(i64, i64)>, power: bool, site: bool },
    /// The connection comes and goes.
    Flap { times: u32, lasts_ms: (i64, i64) },
}

impl Cause {
    /// Whether a command mends it, and it shows: what healing is there for.
    pub(crate) fn is_heal_eligible(&self) -> bool {
        let What::Fault { fault, .. } = &self.what else { return false };
        fault.shows != Shows::Silent
            && matches!(
                fault.cure,
                Cure::SoftReset | Cure::HardReset | Cure::Unlock | Cure::AvailabilityCycle
            )
    }

    pub(crate) fn shows(&self) -> Option<Shows> {
        match &self.what {
            What::Fault { fault, .. } => Some(fault.shows),
            _ => None,
        }
    }

    /// A charger that a reset harmed: it is no part of what breaks, so it has no share.
    pub(crate) fn harm() -> Self {
        let fault = Fault::new("InternalError", 0, Cure::Never);
        let what = What::Fault { fault: Box::new(fault), lasts_ms: (0, 0) };
        Self { name: "left worse by a reset".to_owned(), share: 0.0, what }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rates: Rates,
    cause: Vec<CauseFile>,
    #[serde(default)]
    differs: Vec<DiffersFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiffersFile {
    model: String,
    cure: String,
    needs: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rates {
    failures_per_charger: f64,
    sessions_per_day: f64,
    reset_harms: f64,
    person_after: [String; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CauseFile {
    name: String,
    share: f64,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    code: String,
    vendor_code: Option<String>,
    #[serde(default)]
    cure: String,
    #[serde(default)]
    shows: String,
    lasts: Option<[String; 2]>,
    #[serde(default)]
    until_person: bool,
    #[serde(default)]
    power: bool,
    #[serde(default)]
    times: u32,
}

impl Mix {
    /// The published mix.
    ///
    /// # Panics
    /// Never: the file is read by a test.
    pub fn built_in() -> Self {
        match Self::parse(BUILT_IN) {
            Ok(mix) => mix,
            Err(why) => unreachable!("the built-in mix: {why}"),
        }
    }

    /// Reads a mix.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let causes = file.cause.into_iter().map(cause).collect::<Result<Vec<_>, _>>()?;
        if causes.iter().map(|cause| cause.share).sum::<f64>() <= 0.0 {
            return Err("at least one [[cause]] with a share above 0 is needed".to_owned());
        }
        let reset_harms = file.rates.reset_harms;
        if !(0.0..=1.0).contains(&reset_harms) {
            return Err(format!("`reset_harms = {reset_harms}` is no chance from 0 to 1"));
        }
        Ok(Self {
            reset_harms,
            failures_per_charger: file.rates.failures_per_charger,
            sessions_per_day: file.rates.sessions_per_day,
            person_after_ms: range(&file.rates.person_after)?,
            causes,
            differs: file.differs.into_iter().map(differs).collect::<Result<Vec<_>, _>>()?,
        })
    }

    /// What mends a fault on a model. Faults that do not show are in the software that every reset
    /// restarts: they are the same everywhere.
    pub(crate) fn cure_on(&self, model: &str, fault: &Fault) -> Cure {
        let other = self.differs.iter().find(|differs| {
            fault.shows == Shows::Faulted && differs.model == model && differs.cure == fault.cure
        });
        other.map_or(fault.cure, |differs| differs.needs)
    }
}

fn differs(file: DiffersFile) -> Result<Differs, String> {
    let remedy = |word: &str| {
        plain_cure(word).ok_or_else(|| format!("{word:?} is none of soft, hard, unlock, cycle"))
    };
    Ok(Differs { cure: remedy(&file.cure)?, needs: remedy(&file.needs)?, model: file.model })
}

/// The remedies that a command is.
fn plain_cure(word: &str) -> Option<Cure> {
    match word {
        "soft" => Some(Cure::SoftReset),
        "hard" => Some(Cure::HardReset),
        "unlock" => Some(Cure::Unlock),
        "cycle" => Some(Cure::AvailabilityCycle),
        _ => None,
    }
}

fn range([from, to]: &[String; 2]) -> Result<(i64, i64), String> {
    let read = |text: &str| {
        parse_duration(text).ok_or_else(|| format!("{text:?} is no duration such as 90s or 3h"))
    };
    Ok((read(from)?, read(to)?))
}

fn cause(file: CauseFile) -> Result<Cause, String> {
    let lasts = file.lasts.as_ref().map(range).transpose()?;
    let needs_lasts = || lasts.ok_or_else(|| format!("{:?} needs `lasts`", file.name));
    let what = match file.kind.as_str() {
        "offline" | "site_offline" => What::Offline {
            lasts_ms: if file.until_person { None } else { Some(needs_lasts()?) },
            power: file.power,
            site: file.kind == "site_offline",
        },
        "flap" => What::Flap { times: file.times, lasts_ms: needs_lasts()? },
        "" => {
            let cure = match file.cure.as_str() {
                word if plain_cure(word).is_some() => plain_cure(word).unwrap_or(Cure::Never),
                "never" => Cure::Never,
                "itself" => Cure::Itself { after_ms: needs_lasts()?.0 },
                other => return Err(format!("{:?}: `cure = {other:?}` is none", file.name)),
            };
            let shows = match file.shows.as_str() {
                "" | "faulted" => Shows::Faulted,
                "fails_sessions" => Shows::FailsSessions,
                "silent" => Shows::Silent,
                other => return Err(format!("{:?}: `shows = {other:?}` is none", file.name)),
            };
            let mut fault = Fault::new(&file.code, 1, cure).showing(shows);
            fault.vendor_code.clone_from(&file.vendor_code);
            What::Fault { fault: Box::new(fault), lasts_ms: lasts.unwrap_or_default() }
        }
        other => return Err(format!("{:?}: `kind = {other:?}` is none", file.name)),
    };
    Ok(Cause { name: file.name, share: file.share, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_mix_reads_and_keeps_the_published_shares() {
        let mix = Mix::parse(BUILT_IN).expect("it is built in");
        let total: f64 = mix.causes.iter().map(|cause| cause.share).sum();
        assert!((total - 100.0).abs() < 1e-6, "shares are percent: {total}");
        let linked: f64 = mix
            .causes
            .iter()
            .filter(|cause| !matches!(cause.what, What::Fault { .. }))
            .map(|cause| cause.share)
            .sum();
        assert!((linked - 55.0).abs() < 1e-6, "connectivity [1]: {linked}");
        let hidden: f64 = mix
            .causes
            .iter()
            .filter(|cause| matches!(cause.shows(), Some(Shows::FailsSessions | Shows::Silent)))
            .map(|cause| cause.share)
            .sum();
        assert!(hidden >= 38.0 / 3.0 - 0.2, "a third does not show [2]: {hidden}");
    }

    #[test]
    fn a_model_may_need_another_remedy_for_what_shows() {
        let mix = Mix::built_in();
        let soft = Fault::new("InternalError", 1, Cure::SoftReset);
        assert_eq!(mix.cure_on("D60", &soft), Cure::HardReset);
        assert_eq!(mix.cure_on("HYC150", &soft), Cure::SoftReset);
        let hidden = soft.showing(Shows::FailsSessions);
        assert_eq!(mix.cure_on("D60", &hidden), Cure::SoftReset);
    }

    #[test]
    fn a_mistake_is_told() {
        let text = BUILT_IN.replace("cure = \"cycle\"", "cure = \"magic\"");
        assert!(Mix::parse(&text).expect_err("no such cure").contains("magic"));
        let text = BUILT_IN.replace("reset_harms = 0.001", "reset_harms = 1.5");
        assert!(Mix::parse(&text).expect_err("no chance").contains("reset_harms"));
    }
}
