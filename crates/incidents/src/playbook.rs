//! A playbook: which rungs of the healing ladder are tried for which code, in which order.

use std::collections::BTreeMap;

use mendpoint_model::Rung;
use serde::Deserialize;
use serde_spanned::Spanned;

use crate::duration::{paced, parse_duration};
use crate::expression::check_code;
use crate::parse::ID_MAX;
use crate::problem::{Reader, nearest, suggestion};

/// A compiled playbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playbook {
    /// Its id, as rules name it.
    pub id: String,
    /// Counts up with every change of meaning.
    pub version: u32,
    /// Name for people.
    pub title: String,
    /// What it does, in plain words.
    pub description: String,
    /// The name of its file, as given.
    pub file: String,
    /// Its text, as it was read.
    pub source: std::sync::Arc<str>,
    /// The ladder for codes without one of their own.
    ladder: Vec<Rung>,
    by_code: Vec<(String, Vec<Rung>)>,
    wait_ms: i64,
    wait_by_code: Vec<(String, i64)>,
}

impl Playbook {
    /// The rungs for a code, in order. None: a person at once.
    pub fn ladder(&self, code: &str) -> &[Rung] {
        find(&self.by_code, code).map_or(&self.ladder, |ladder| ladder)
    }

    /// Every code with a ladder of its own.
    pub fn ladders(&self) -> impl Iterator<Item = (&str, &[Rung])> {
        self.by_code.iter().map(|(code, ladder)| (code.as_str(), ladder.as_slice()))
    }

    /// How long L0 waits for a code, in milliseconds.
    pub fn wait_ms(&self, code: &str) -> i64 {
        find(&self.wait_by_code, code).copied().unwrap_or(self.wait_ms)
    }

    pub(crate) fn paced(&self, pace: f64) -> Self {
        let mut playbook = self.clone();
        playbook.wait_ms = paced(playbook.wait_ms, pace);
        for (_, ms) in &mut playbook.wait_by_code {
            *ms = paced(*ms, pace);
        }
        playbook
    }
}

fn find<'a, T>(table: &'a [(String, T)], code: &str) -> Option<&'a T> {
    table.iter().find(|(name, _)| name.eq_ignore_ascii_case(code)).map(|(_, value)| value)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlaybook {
    id: Spanned<String>,
    version: Spanned<u32>,
    title: String,
    #[serde(default)]
    description: String,
    ladder: Vec<Spanned<String>>,
    #[serde(default)]
    by_code: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    wait: Option<Spanned<String>>,
    #[serde(default)]
    wait_by_code: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// How long L0 waits where nothing says otherwise.
const WAIT_MS: i64 = 10 * mendpoint_model::MINUTE_MS;

/// What may stand in a ladder: diagnostics come by themselves.
const RUNGS: [Rung; 14] = [
    Rung::L0,
    Rung::L1,
    Rung::L1M,
    Rung::L1S,
    Rung::S,
    Rung::C,
    Rung::L2,
    Rung::L3,
    Rung::L4,
    Rung::L5,
    Rung::L6,
    Rung::L6P,
    Rung::L7,
    Rung::Q,
];

/// Reads a playbook's file.
pub(crate) fn parse_playbook(reader: &mut Reader<'_>) -> Option<Playbook> {
    let raw: RawPlaybook = reader.toml()?;
    let id = raw.id.get_ref();
    let is_word =
        !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if !is_word || id.len() > ID_MAX {
        let told = format!(
            "the id of a playbook has letters, digits, _ and -, at most {ID_MAX} of them, as in \
             soft_reset_once"
        );
        reader.refuse(raw.id.span().start, told);
    }
    if *raw.version.get_ref() == 0 {
        reader.refuse(raw.version.span().start, "version counts from 1");
    }
    let ladder = rungs(reader, &raw.ladder);
    let mut by_code = Vec::new();
    for (code, ladder) in &raw.by_code {
        if let Err(message) = check_code(code.get_ref()) {
            reader.refuse(code.span().start, message);
        }
        by_code.push((code.get_ref().clone(), rungs(reader, ladder)));
    }
    let mut wait_by_code = Vec::new();
    for (code, wait) in &raw.wait_by_code {
        if let Err(message) = check_code(code.get_ref()) {
            reader.refuse(code.span().start, message);
        }
        wait_by_code.push((code.get_ref().clone(), duration(reader, wait)));
    }
    let wait_ms = raw.wait.as_ref().map_or(WAIT_MS, |wait| duration(reader, wait));
    reader.problems.is_empty().then(|| Playbook {
        id: raw.id.into_inner(),
        version: raw.version.into_inner(),
        title: raw.title,
        description: raw.description,
        file: reader.file.to_owned(),
        source: reader.text.into(),
        ladder,
        by_code,
        wait_ms,
        wait_by_code,
    })
}

fn rungs(reader: &mut Reader<'_>, words: &[Spanned<String>]) -> Vec<Rung> {
    let mut rungs = Vec::new();
    for word in words {
        let Some(rung) = RUNGS.into_iter().find(|rung| rung.name() == word.get_ref()) else {
            let names = RUNGS.map(Rung::name);
            let hint = if word.get_ref().to_lowercase().contains("reset") {
                "; a Soft reset is L4, a Hard reset L5".to_owned()
            } else {
                suggestion(word.get_ref(), &names)
            };
            reader.refuse(word.span().start, format!("unknown rung \"{}\"{hint}", word.get_ref()));
            continue;
        };
        if rungs.contains(&rung) {
            let message = format!("{} stands twice in this ladder", rung.name());
            reader.refuse(word.span().start, message);
        }
        rungs.push(rung);
    }
    rungs
}

/// The longest time that a rule or a playbook waits for or looks back on, in milliseconds: a year.
pub(crate) const LONGEST_MS: i64 = 366 * mendpoint_model::DAY_MS;

/// What is said of a longer one.
pub(crate) fn too_long(word: &str) -> String {
    format!("{word} is longer than a year (366d), which nothing here waits for; write less")
}

/// Reads a duration, or notes what was expected.
pub(crate) fn duration(reader: &mut Reader<'_>, word: &Spanned<String>) -> i64 {
    let known = parse_duration(word.get_ref());
    let known = known.or_else(|| reader.thresholds.duration(word.get_ref())?.ok());
    if let Some(ms) = known {
        if ms > LONGEST_MS {
            reader.refuse(word.span().start, too_long(word.get_ref()));
        }
        return ms.min(LONGEST_MS);
    }
    let message = match reader.thresholds.duration(word.get_ref()) {
        Some(Ok(ms)) => return ms,
        Some(Err(message)) => message,
        None => {
            let names = reader.thresholds.names();
            let hint = nearest(word.get_ref(), names)
                .map(|near| format!("; did you mean the threshold `{near}`?"));
            format!(
                "\"{}\" is no duration; write it as 90s, 10m, 1h30m or 7d{}",
                word.get_ref(),
                hint.unwrap_or_default()
            )
        }
    };
    reader.refuse(word.span().start, message);
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
id = "err_faulted"
version = 1
title = "Faulted"
ladder = ["L1", "L4", "L5"]
[by_code]
GroundFailure = ["Q"]
[wait_by_code]
HighTemperature = "30m"
"#;

    #[test]
    fn a_code_may_have_its_own_ladder() {
        let mut reader = Reader::new("p.toml", GOOD);
        let playbook = parse_playbook(&mut reader).expect("it is well formed");
        assert_eq!(playbook.ladder("groundfailure"), [Rung::Q]);
        assert_eq!(playbook.ladder("InternalError"), [Rung::L1, Rung::L4, Rung::L5]);
        assert_eq!(playbook.wait_ms("HighTemperature"), 1_800_000);
        assert_eq!(playbook.wait_ms("OverVoltage"), 600_000);
    }

    #[test]
    fn mistakes_are_placed() {
        let wrong = GOOD.replace("\"L5\"", "\"L9\"").replace("GroundFailure", "GroundFault");
        let mut reader = Reader::new("p.toml", &wrong);
        assert!(parse_playbook(&mut reader).is_none());
        let shown: Vec<_> = reader.problems.iter().map(ToString::to_string).collect();
        assert!(shown[0].starts_with("p.toml:5:23: unknown rung \"L9\""), "{}", shown[0]);
        assert!(shown[1].starts_with("p.toml:7:1:"), "{}", shown[1]);
        assert!(shown[1].contains("GroundFailure"), "{}", shown[1]);
    }
}
