//! Reads a rule's file. Every mistake is told with its place and what was expected.

mod clear;
mod condition;
mod number;
mod raw;
#[cfg(test)]
mod tests;
mod wide;

use std::collections::BTreeMap;

use mendpoint_model::HealMode;
use serde_spanned::Spanned;

use self::clear::read_clear;
use self::condition::{MOST, read_condition};
use self::number::{severity, whole};
use self::raw::RawRule;
use self::wide::{WIDE_KEEP_MS, WIDE_PLACES, read_together, unit_of};
use crate::contradiction;
use crate::duration::duration_words;
use crate::expression::{check_code, look, parse_with};
use crate::playbook::duration;
use crate::predicate::{Compiled, Flag, Predicate};
use crate::problem::{Named, Reader, nearest, suggestion};
use crate::rule::{Clear, ClearWay, Condition, Proof, Rule, Scope};
use crate::threshold::read_thresholds;
use crate::timeline_parse::{RawTest, parse_test};
use crate::timeline_test::TimelineTest;

/// The route of a rule that names none: the first that fits.
const ROUTE: &str = "default";

/// What a headline may contain.
const PLACES: [&str; 6] = ["code", "where", "for", "count", "within", "value"];

/// Reads a rule's file; `None` when something is wrong with it.
pub(crate) fn parse_rule(reader: &mut Reader<'_>) -> Option<Rule> {
    parse_rule_with(reader, &BTreeMap::new())
}

/// The same with other values for some of its thresholds.
pub(crate) fn parse_rule_with(
    reader: &mut Reader<'_>,
    values: &BTreeMap<String, String>,
) -> Option<Rule> {
    let raw: RawRule = reader.toml()?;
    reader.thresholds = read_thresholds(reader, &raw.thresholds, values);
    check_identity(reader, &raw);
    let told = choice(reader, &raw.scope, "scope", &Scope::NAMES);
    // What is wrong besides is told of the scope that was probably meant.
    let scope = told.unwrap_or_else(|| {
        let names = Scope::NAMES.iter().map(|(name, _)| *name);
        let near = nearest(raw.scope.get_ref(), names).and_then(|near| look(&Scope::NAMES, near));
        near.unwrap_or(Scope::Connector)
    });
    let auto_heal = choice(
        reader,
        &raw.auto_heal,
        "mode",
        &[
            ("off", HealMode::Off),
            ("shadow", HealMode::Shadow),
            ("approve", HealMode::Approve),
            ("on", HealMode::On),
        ],
    )
    .unwrap_or_default();
    if auto_heal != HealMode::Off && raw.playbook.is_none() {
        let message = format!(
            "rule {} heals (auto_heal = \"{}\") but names no playbook, so it could do nothing; name \
             one, as in playbook = \"soft_reset_once\", or write auto_heal = \"off\"",
            raw.id.get_ref(),
            raw.auto_heal.get_ref()
        );
        reader.refuse(raw.auto_heal.span().start, message);
    }
    let proof = raw.proof.as_ref().and_then(|proof| {
        choice(reader, proof, "proof", &[("session", Proof::Session), ("clear", Proof::Clear)])
    });
    let together = read_together(reader, &raw, scope);
    let condition_at = raw.condition.span().start;
    let read = read_condition(reader, condition_at, raw.condition.get_ref(), scope);
    let is_read = read.is_some();
    // In place of one that cannot be read: the rule comes to nothing, and the rest is looked at.
    let (condition, keep_firing_ms, condition_text) = read.unwrap_or_else(|| {
        let when = Predicate::Flag(Flag::Connected).into();
        (Condition::State { when, for_ms: 0, for_by_code: Vec::new() }, 0, String::new())
    });
    let condition_text = format!("{condition_text}{}", together.words(scope));
    let keep_firing_ms = match (&raw.condition.get_ref().keep_firing_for, scope.is_wide()) {
        (None, true) => WIDE_KEEP_MS,
        _ => keep_firing_ms,
    };
    let mut clears = Vec::new();
    let mut clear_text = Vec::new();
    for clear in &raw.clear {
        let at = clear.span().start;
        if let Some((clear, text)) = read_clear(reader, clear, scope) {
            // With a time of its own it may mean "long enough": a link that held for an hour.
            if let (Condition::State { when, .. }, ClearWay::When(over), 0, true) =
                (&condition, &clear.way, clear.for_ms, is_read)
                && contradiction::implies(when, over)
            {
                let message = "this clear holds whenever the condition of the rule does, so its \
                               incidents would end while the trouble lasts; write what is true when \
                               it is over";
                reader.refuse(at, message);
            }
            clears.push(clear);
            clear_text.push(text);
        }
    }
    if let Some(keep) = raw.condition.get_ref().keep_firing_for.as_ref()
        && (!raw.clear.is_empty() || !matches!(condition, Condition::State { .. }))
        && !scope.is_wide()
        && is_read
    {
        let message = "keep_firing_for has no effect here: it is for a rule with `when` and without \
                       [[clear]]; give the [[clear]] a `for` instead";
        reader.refuse(keep.span().start, message);
    }
    // How long it must be over, in words; of many chargers it is a minute where the rule does not say.
    let lasting = match &raw.condition.get_ref().keep_firing_for {
        Some(keep) if keep_firing_ms > 0 => Some(reader.thresholds.spell(keep.get_ref())),
        _ => (keep_firing_ms > 0).then(|| duration_words(keep_firing_ms)),
    };
    if clears.is_empty() {
        match &condition {
            Condition::State { when, .. } => {
                clears.push(Clear {
                    way: ClearWay::When(Predicate::Not(Box::new(Predicate::clone(when))).into()),
                    // Of many chargers it is the whole that keeps on, not each of them.
                    for_ms: if scope.is_wide() { 0 } else { keep_firing_ms },
                    unproven: false,
                });
                clear_text.push(match &lasting {
                    Some(lasting) => format!("the condition is gone for {lasting}"),
                    None => "as soon as the condition is gone".to_owned(),
                });
            }
            Condition::Count(_) if scope.is_wide() => {
                let within = raw.condition.get_ref().count.as_ref();
                let within = within.map_or("", |count| count.within.get_ref());
                let within = reader.thresholds.spell(within);
                let lasting = lasting.as_ref().map(|lasting| format!(", for {lasting}"));
                clear_text.push(format!("fewer within {within}{}", lasting.unwrap_or_default()));
            }
            _ => reader.refuse(condition_at, "a rule that counts or misses needs a [[clear]]"),
        }
    }
    let exclusions =
        raw.exclusions.iter().filter_map(|text| expression(reader, text, scope)).collect();
    let severity_by_code = raw
        .severity_by_code
        .iter()
        .map(|(code, serious)| {
            if let Err(message) = check_code(code.get_ref()) {
                reader.refuse(code.span().start, message);
            }
            (code.get_ref().clone(), severity(reader, serious))
        })
        .collect();
    let severity_by_distinct = raw.severity_by_distinct.as_ref().map(|distinct| {
        let at_least = whole(reader, &distinct.at_least, "at_least", 1..=MOST);
        (at_least, severity(reader, &distinct.severity))
    });
    let escalate_after_ms = raw.escalate_after.as_ref().map_or(0, |text| duration(reader, text));
    let serious = severity(reader, &raw.severity);
    // What people read names the numbers that hold.
    let filled = |text: &str| reader.thresholds.fill(text.trim());
    let title = filled(raw.title.get_ref());
    let headline =
        raw.headline.as_ref().map_or_else(|| title.clone(), |text| filled(text.get_ref()));
    let description = filled(raw.description.get_ref());
    let thresholds = std::mem::take(&mut reader.thresholds).finish(reader, &raw.thresholds);
    let id = raw.id.get_ref().clone();
    let tests_at = raw.test.iter().map(RawTest::at).min();
    let tests: Vec<_> = raw.test.into_iter().map(|test| parse_test(reader, test)).collect();
    let id_at = raw.id.span().start;
    // A test that is not understood is perhaps the one that would be missed.
    if !tests_at.is_some_and(|at| reader.is_wrong_from(at)) && !reader.is_torn() {
        if !tests.iter().any(|test| test.fires(&id)) {
            reader.refuse(id_at, format!("rule {id} needs a [[test]] in which it fires"));
        }
        if !tests.iter().any(|test| test.is_silent(&id)) {
            reader.refuse(id_at, format!("rule {id} needs a [[test]] in which it stays silent"));
        }
    }
    reader.named = Named {
        playbook: raw.playbook.as_ref().map(|word| (word.span().start, word.get_ref().clone())),
        route: raw.route.as_ref().map(|word| (word.span().start, word.get_ref().clone())),
        expected: tests
            .iter()
            .flat_map(TimelineTest::expected)
            .map(|(line, id)| (line, id.to_owned()))
            .collect(),
    };
    let rule = (reader.problems.is_empty() && is_read).then(|| Rule {
        id,
        version: raw.version.into_inner(),
        headline,
        title,
        description,
        severity: serious,
        scope,
        labels: raw.labels,
        playbook: raw.playbook.map(Spanned::into_inner),
        route: raw.route.map_or_else(|| ROUTE.to_owned(), Spanned::into_inner),
        auto_heal,
        escalate_after_ms,
        proof: proof.unwrap_or(Proof::Session),
        tests,
        condition_text,
        clear_text,
        file: reader.file.to_owned(),
        source: reader.text.into(),
        enabled: true,
        on_trial: false,
        thresholds,
        unit: Scope::Charger,
        together,
        raises_others: raw.raises_others,
        probe: raw.probe,
        forbids_reset: raw.forbids_reset,
        condition,
        clears,
        keep_firing_ms,
        exclusions,
        severity_by_code,
        severity_by_distinct,
        memory_ms: 0,
    });
    rule.map(|rule| Rule { unit: unit_of(&rule), ..rule })
}

/// The longest id, title and description, in characters: they stand in lists, mails and columns.
pub(crate) const ID_MAX: usize = 64;
const TITLE_MAX: usize = 200;
const ABOUT_MAX: usize = 2_000;

fn check_identity(reader: &mut Reader<'_>, raw: &RawRule) {
    let id = raw.id.get_ref();
    let is_word = !id.is_empty()
        && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if !is_word {
        reader.refuse(raw.id.span().start, "an id is written in capitals, as in CP_OFFLINE");
    }
    if id.len() > ID_MAX {
        let told = format!("an id has at most {ID_MAX} characters; this one has {}", id.len());
        reader.refuse(raw.id.span().start, told);
    }
    if *raw.version.get_ref() == 0 {
        reader.refuse(raw.version.span().start, "version counts from 1");
    }
    let texts = [(&raw.title, "title", TITLE_MAX), (&raw.description, "description", ABOUT_MAX)];
    for (text, name, most) in texts {
        let length = text.get_ref().chars().count();
        if text.get_ref().trim().is_empty() {
            reader.refuse(text.span().start, format!("{name} must not be empty: people read it"));
        } else if length > most {
            let told = format!("{name} has at most {most} characters; this one has {length}");
            reader.refuse(text.span().start, told);
        }
    }
    let is_name = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    if let Some(route) = raw.route.as_ref().filter(|route| !is_name(route.get_ref())) {
        let message = format!(
            "\"{}\" is no name of a route: write one of the routes that are set, or leave route out",
            route.get_ref()
        );
        reader.refuse(route.span().start, message);
    }
    if let Some(headline) = &raw.headline {
        for place in headline.get_ref().split('{').skip(1) {
            let name = place.split('}').next().unwrap_or_default();
            let is_wide = ["site", "cohort", "fleet"].contains(&raw.scope.get_ref().as_str());
            let places = if is_wide { &WIDE_PLACES } else { &PLACES };
            let mut places = places.to_vec();
            let own = reader.thresholds.names();
            places.extend(own);
            if !places.contains(&name) {
                let hint = suggestion(name, &places);
                let message = format!("unknown place {{{name}}} in the headline{hint}");
                reader.refuse(headline.span().start, message);
            }
        }
    }
}

fn choice<T: Copy>(
    reader: &mut Reader<'_>,
    word: &Spanned<String>,
    what: &str,
    table: &[(&str, T)],
) -> Option<T> {
    let found = table.iter().find(|(name, _)| name == word.get_ref());
    if found.is_none() {
        let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
        let message =
            format!("unknown {what} \"{}\"{}", word.get_ref(), suggestion(word.get_ref(), &names));
        reader.refuse(word.span().start, message);
    }
    found.map(|(_, value)| *value)
}

/// Reads a condition's text; its mistakes are placed in the file.
fn expression(reader: &mut Reader<'_>, text: &Spanned<String>, scope: Scope) -> Option<Compiled> {
    let start = text.span().start;
    match parse_with(text.get_ref(), &reader.thresholds) {
        Ok(predicate) if scope == Scope::Charger && predicate.reads_connector() => {
            let message = "this rule is about chargers, but the condition reads the state of a \
                           connector; write scope = \"connector\", or use whole.status";
            reader.refuse(start, message);
            None
        }
        Ok(predicate) => Some(predicate.into()),
        Err(mistakes) => {
            let quoted = reader.text.get(text.span()).unwrap_or_default();
            let opening = if quoted.starts_with("\"\"\"") || quoted.starts_with("'''") {
                // The line that the quotes stand on is no part of the text.
                let rest = &quoted[3..];
                match (rest.starts_with('\n'), rest.starts_with("\r\n")) {
                    (true, _) => 4,
                    (_, true) => 5,
                    _ => 3,
                }
            } else {
                1
            };
            for (offset, message) in mistakes {
                reader.refuse(start + opening + offset, message);
            }
            None
        }
    }
}
