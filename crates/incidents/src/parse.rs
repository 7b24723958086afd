//! Reads a rule's file. Every mistake is told with its place and what was expected.

use std::collections::BTreeMap;

use mendpoint_model::HealMode;
use serde::Deserialize;
use serde_spanned::Spanned;

use crate::expression::{check_code, parse_with};
use crate::playbook::duration;
use crate::predicate::Predicate;
use crate::problem::{Reader, suggestion};
use crate::rule::{
    Clear, ClearWay, Condition, Count, Distinct, Moment, Occurrence, Proof, Rule, SAFETY, Scope,
    Together,
};
use crate::threshold::{RawThresholds, read_thresholds};
use crate::timeline_parse::{RawTest, parse_test};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: Spanned<String>,
    version: Spanned<u32>,
    title: Spanned<String>,
    description: Spanned<String>,
    headline: Option<Spanned<String>>,
    severity: Spanned<u8>,
    #[serde(default)]
    severity_by_code: BTreeMap<Spanned<String>, Spanned<u8>>,
    severity_by_distinct: Option<RawDistinct>,
    scope: Spanned<String>,
    #[serde(default)]
    labels: Vec<String>,
    playbook: Option<String>,
    route: Option<Spanned<String>>,
    auto_heal: Spanned<String>,
    #[serde(default)]
    probe: bool,
    #[serde(default)]
    forbids_reset: bool,
    #[serde(default)]
    raises_others: bool,
    proof: Option<Spanned<String>>,
    escalate_after: Option<Spanned<String>>,
    #[serde(default)]
    exclusions: Vec<Spanned<String>>,
    #[serde(default)]
    thresholds: RawThresholds,
    condition: Spanned<RawCondition>,
    #[serde(default)]
    clear: Vec<Spanned<RawClear>>,
    #[serde(default)]
    test: Vec<RawTest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDistinct {
    at_least: u32,
    severity: Spanned<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCondition {
    when: Option<Spanned<String>>,
    count: Option<RawCount>,
    absent: Option<Spanned<String>>,
    sequence: Option<Spanned<RawSequence>>,
    not_followed: Option<Spanned<RawNotFollowed>>,
    #[serde(rename = "for")]
    lasting: Option<Spanned<String>>,
    #[serde(default)]
    for_by_code: BTreeMap<Spanned<String>, Spanned<String>>,
    keep_firing_for: Option<Spanned<String>>,
    pub(crate) chargers: Option<Spanned<RawChargers>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSequence {
    first: RawMoment,
    then: RawMoment,
    within: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNotFollowed {
    first: RawMoment,
    by: RawMoment,
    within: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMoment {
    kind: Spanned<String>,
    #[serde(rename = "where")]
    filter: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCount {
    kind: Spanned<String>,
    #[serde(rename = "where")]
    filter: Option<Spanned<String>>,
    at_least: Spanned<toml::Value>,
    within: Spanned<String>,
    distinct_by: Option<Spanned<String>>,
    at_least_distinct: Option<Spanned<u32>>,
    cooldown: Option<Spanned<String>>,
    pub(crate) times_usual: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClear {
    when: Option<Spanned<String>>,
    count: Option<RawClearCount>,
    absent: Option<Spanned<String>>,
    #[serde(default)]
    person: bool,
    #[serde(rename = "for")]
    lasting: Option<Spanned<String>>,
    becomes: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClearCount {
    kind: Spanned<String>,
    at_least: u32,
}

/// How many chargers a rule about a site, a cohort or the fleet asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawChargers {
    pub(crate) at_least: Option<Spanned<u32>>,
    pub(crate) percent: Option<Spanned<u32>>,
}

/// The route of a rule that names none: the first that fits.
const ROUTE: &str = "default";

/// What a headline may contain.
const PLACES: [&str; 6] = ["code", "where", "for", "count", "within", "value"];
/// What the headline of a rule about many chargers may contain.
const WIDE_PLACES: [&str; 6] = ["place", "chargers", "of", "for", "count", "within"];

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
    let before = reader.problems.len();
    reader.thresholds = read_thresholds(reader, &raw.thresholds, values);
    check_identity(reader, &raw);
    let scope = choice(reader, &raw.scope, "scope", &Scope::NAMES).unwrap_or(Scope::Charger);
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
             one, as in playbook = \"RESET\", or write auto_heal = \"off\"",
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
    let (condition, keep_firing_ms, condition_text) =
        read_condition(reader, condition_at, raw.condition.get_ref(), scope)?;
    let condition_text = format!("{condition_text}{}", together.words(scope));
    let keep_firing_ms = match (&raw.condition.get_ref().keep_firing_for, scope.is_wide()) {
        (None, true) => WIDE_KEEP_MS,
        _ => keep_firing_ms,
    };
    let mut clears = Vec::new();
    let mut clear_text = Vec::new();
    for clear in &raw.clear {
        if let Some((clear, text)) = read_clear(reader, clear, scope) {
            clears.push(clear);
            clear_text.push(text);
        }
    }
    if let Some(keep) = raw.condition.get_ref().keep_firing_for.as_ref()
        && (!raw.clear.is_empty() || !matches!(condition, Condition::State { .. }))
        && !scope.is_wide()
    {
        let message = "keep_firing_for has no effect here: it is for a rule with `when` and without \
                       [[clear]]; give the [[clear]] a `for` instead";
        reader.refuse(keep.span().start, message);
    }
    if clears.is_empty() {
        match &condition {
            Condition::State { when, .. } => {
                clears.push(Clear {
                    way: ClearWay::When(Predicate::Not(Box::new(when.clone()))),
                    // Of many chargers it is the whole that keeps on, not each of them.
                    for_ms: if scope.is_wide() { 0 } else { keep_firing_ms },
                    unproven: false,
                });
                clear_text.push("as soon as the condition is gone".to_owned());
            }
            Condition::Count(_) if scope.is_wide() => {
                let within = raw.condition.get_ref().count.as_ref();
                let within = within.map_or("", |count| count.within.get_ref());
                clear_text.push(format!("fewer within {within}"));
            }
            _ => reader.refuse(condition_at, "a rule that counts or misses needs a [[clear]]"),
        }
    }
    let exclusions =
        raw.exclusions.iter().filter_map(|text| expression(reader, text, scope)).collect();
    let severity_by_code = raw
        .severity_by_code
        .iter()
        .map(|(code, severity)| {
            if let Err(message) = check_code(code.get_ref()) {
                reader.refuse(code.span().start, message);
            }
            check_severity(reader, severity);
            (code.get_ref().clone(), *severity.get_ref())
        })
        .collect();
    let severity_by_distinct = raw.severity_by_distinct.as_ref().map(|distinct| {
        check_severity(reader, &distinct.severity);
        (distinct.at_least, *distinct.severity.get_ref())
    });
    let escalate_after_ms = raw.escalate_after.as_ref().map_or(0, |text| duration(reader, text));
    let thresholds = std::mem::take(&mut reader.thresholds).finish(reader, &raw.thresholds);
    let id = raw.id.get_ref().clone();
    let tests: Vec<_> = raw.test.into_iter().map(|test| parse_test(reader, test)).collect();
    let id_at = raw.id.span().start;
    if !tests.iter().any(|test| test.fires(&id)) {
        reader.refuse(id_at, format!("rule {id} needs a [[test]] in which it fires"));
    }
    if !tests.iter().any(|test| test.is_silent(&id)) {
        reader.refuse(id_at, format!("rule {id} needs a [[test]] in which it stays silent"));
    }
    let title = raw.title.into_inner();
    let rule = (reader.problems.len() == before).then(|| Rule {
        id,
        version: raw.version.into_inner(),
        headline: raw.headline.map_or_else(|| title.clone(), Spanned::into_inner),
        title,
        description: raw.description.into_inner().trim().to_owned(),
        severity: raw.severity.into_inner(),
        scope,
        labels: raw.labels,
        playbook: raw.playbook,
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

/// What one alert of a rule is about.
fn unit_of(rule: &Rule) -> Scope {
    match rule.scope {
        Scope::Connector => Scope::Connector,
        Scope::Charger => Scope::Charger,
        _ if rule.predicates().any(Predicate::reads_connector) => Scope::Connector,
        _ => Scope::Charger,
    }
}

/// How long it must be over at a whole site, where a rule does not say.
const WIDE_KEEP_MS: i64 = 60_000;

/// How many chargers a rule asks for; what does not go with its scope is refused.
fn read_together(reader: &mut Reader<'_>, raw: &RawRule, scope: Scope) -> Together {
    let condition = raw.condition.get_ref();
    let times_usual = condition.count.as_ref().and_then(|count| count.times_usual.as_ref());
    if !scope.is_wide() {
        let about = "is for rules about many chargers: scope = \"site\", \"cohort\" or \"fleet\"";
        if let Some(chargers) = &condition.chargers {
            reader.refuse(chargers.span().start, format!("`chargers` {about}"));
        }
        if let Some(times) = times_usual {
            reader.refuse(times.span().start, format!("`times_usual` {about}"));
        }
        return Together::default();
    }
    let name = scope.name();
    if raw.auto_heal.get_ref() != "off" {
        let message = format!(
            "a rule about a {name} heals nothing: what many chargers show has one cause, and no \
             step at a single one removes it; write auto_heal = \"off\""
        );
        reader.refuse(raw.auto_heal.span().start, message);
    }
    for (is_there, key) in [
        (raw.probe, "probe"),
        (raw.forbids_reset, "forbids_reset"),
        (raw.raises_others, "raises_others"),
        (!raw.severity_by_code.is_empty(), "severity_by_code"),
        (raw.severity_by_distinct.is_some(), "severity_by_distinct"),
        (!condition.for_by_code.is_empty(), "for_by_code"),
    ] {
        if is_there {
            let message =
                format!("`{key}` is for rules about one charger, and this is about a {name}");
            reader.refuse(raw.scope.span().start, message);
        }
    }
    if let Some(count) = &condition.count {
        if let Some(word) = &count.distinct_by {
            let message = "a rule about many chargers counts all of them; for so many different \
                           chargers write chargers = { at_least = 3 } beside the count";
            reader.refuse(word.span().start, message);
        }
        if let Some(word) = &count.cooldown {
            let message = "`cooldown` is for rules about one charger; a wide one is over when fewer \
                           come, for `keep_firing_for`";
            reader.refuse(word.span().start, message);
        }
        if let Some(clear) = raw.clear.first() {
            let message = "a count over many chargers is over when fewer come: leave [[clear]] out, \
                           and say with `keep_firing_for` for how long";
            reader.refuse(clear.span().start, message);
        }
    }
    let mut together = Together::default();
    if let Some(times) = times_usual {
        let times = (*times.get_ref(), times.span().start);
        if !(times.0.is_finite() && (1.0..=1_000.0).contains(&times.0)) {
            reader.refuse(times.1, "times_usual goes from 1 to 1000");
        }
        together.times_usual = times.0;
    }
    let Some(chargers) = &condition.chargers else {
        if condition.count.is_none() {
            let message = format!(
                "a rule about a {name} says how many chargers must show it: chargers = {{ at_least \
                 = 3 }}, or chargers = {{ at_least = 3, percent = 30 }}"
            );
            reader.refuse(raw.condition.span().start, message);
        }
        return together;
    };
    let (at, chargers) = (chargers.span().start, chargers.get_ref());
    if let Some(least) = &chargers.at_least {
        if *least.get_ref() == 0 {
            reader.refuse(least.span().start, "at_least goes from 1 on: nobody is no group");
        }
        together.at_least = *least.get_ref();
    }
    if let Some(percent) = &chargers.percent {
        if !(1..=100).contains(percent.get_ref()) {
            reader.refuse(percent.span().start, "a percentage goes from 1 to 100");
        }
        together.percent = *percent.get_ref();
    }
    if chargers.at_least.is_none() && chargers.percent.is_none() {
        reader.refuse(at, "`chargers` has `at_least`, `percent` or both");
    }
    together
}

fn check_identity(reader: &mut Reader<'_>, raw: &RawRule) {
    let id = raw.id.get_ref();
    let is_word = !id.is_empty()
        && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if !is_word {
        reader.refuse(raw.id.span().start, "an id is written in capitals, as in CP_OFFLINE");
    }
    if *raw.version.get_ref() == 0 {
        reader.refuse(raw.version.span().start, "version counts from 1");
    }
    check_severity(reader, &raw.severity);
    for (text, name) in [(&raw.title, "title"), (&raw.description, "description")] {
        if text.get_ref().trim().is_empty() {
            reader.refuse(text.span().start, format!("{name} must not be empty: people read it"));
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
            if !places.contains(&name) {
                let hint = suggestion(name, places);
                let message = format!("unknown place {{{name}}} in the headline{hint}");
                reader.refuse(headline.span().start, message);
            }
        }
    }
}

fn check_severity(reader: &mut Reader<'_>, severity: &Spanned<u8>) {
    if *severity.get_ref() > 9 {
        let message = "a severity goes from 0 (danger) to 9 (debug)";
        reader.refuse(severity.span().start, message);
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
fn expression(reader: &mut Reader<'_>, text: &Spanned<String>, scope: Scope) -> Option<Predicate> {
    let start = text.span().start;
    match parse_with(text.get_ref(), &reader.thresholds) {
        Ok(predicate) if scope == Scope::Charger && predicate.reads_connector() => {
            let message = "this rule is about chargers, but the condition reads the state of a \
                           connector; write scope = \"connector\", or use whole.status";
            reader.refuse(start, message);
            None
        }
        Ok(predicate) => Some(predicate),
        Err((offset, message)) => {
            let quoted = &reader.text[text.span()];
            let opening = if quoted.starts_with("\"\"\"") || quoted.starts_with("'''") {
                let newline = quoted[3..].starts_with('\n');
                3 + usize::from(newline)
            } else {
                1
            };
            reader.refuse(start + opening + offset, message);
            None
        }
    }
}

fn occurrence(reader: &mut Reader<'_>, word: &Spanned<String>) -> Option<Occurrence> {
    choice(reader, word, "kind", &Occurrence::NAMES)
}

fn read_condition(
    reader: &mut Reader<'_>,
    offset: usize,
    raw: &RawCondition,
    scope: Scope,
) -> Option<(Condition, i64, String)> {
    let for_ms = raw.lasting.as_ref().map_or(0, |text| duration(reader, text));
    let keep_ms = raw.keep_firing_for.as_ref().map_or(0, |text| duration(reader, text));
    let lasting = raw.lasting.as_ref().map_or("0s", |text| text.get_ref());
    let mut for_by_code = Vec::new();
    for (code, text) in &raw.for_by_code {
        if code.get_ref() != SAFETY
            && let Err(message) = check_code(code.get_ref())
        {
            reader.refuse(code.span().start, message);
        }
        for_by_code.push((code.get_ref().clone(), duration(reader, text)));
    }
    let forms = [
        raw.when.is_some(),
        raw.count.is_some(),
        raw.absent.is_some(),
        raw.sequence.is_some(),
        raw.not_followed.is_some(),
    ];
    if forms.into_iter().filter(|is_there| *is_there).count() != 1 {
        let message = "a condition has exactly one of `when`, `count`, `absent`, `sequence` and \
                       `not_followed`";
        reader.refuse(offset, message);
        return None;
    }
    if let Some(lasting) = raw.lasting.as_ref()
        && raw.when.is_none()
        && raw.absent.is_none()
    {
        let name = if raw.count.is_some() { "count" } else { "sequence" };
        let message = format!("a {name} has a window (`within`), not a `for`");
        reader.refuse(lasting.span().start, message);
    }
    let (condition, text) = if let Some(when) = &raw.when {
        let predicate = expression(reader, when, scope)?;
        let text = format!("{} for {lasting}", when.get_ref().trim());
        (Condition::State { when: predicate, for_ms, for_by_code }, text)
    } else if let Some(count) = &raw.count {
        read_count(reader, count, scope)?
    } else if let Some(absent) = &raw.absent {
        let kind = occurrence(reader, absent)?;
        let text = format!("no {} for {lasting}", absent.get_ref());
        (Condition::Absent { kind, for_ms }, text)
    } else if let Some(sequence) = &raw.sequence {
        let RawSequence { first, then, within } = sequence.get_ref();
        let (first, first_text) = read_moment(reader, first, scope)?;
        let (then, then_text) = read_moment(reader, then, scope)?;
        let within_ms = window(reader, within);
        let text = format!("{first_text}, then {then_text} within {}", within.get_ref());
        (Condition::Sequence { first, then, within_ms }, text)
    } else {
        let RawNotFollowed { first, by, within } = raw.not_followed.as_ref()?.get_ref();
        if first.kind.get_ref() == by.kind.get_ref() && by.filter.is_none() {
            let message = "what is waited for must differ from what it is to follow";
            reader.refuse(by.kind.span().start, message);
        }
        let (first, first_text) = read_moment(reader, first, scope)?;
        let (by, by_text) = read_moment(reader, by, scope)?;
        let within_ms = window(reader, within);
        let text = format!("{first_text}, not followed by {by_text} within {}", within.get_ref());
        (Condition::NotFollowed { first, by, within_ms }, text)
    };
    Some((condition, keep_ms, text))
}

/// How many of a count: a number, or the name of a threshold.
fn whole_number(reader: &mut Reader<'_>, word: &Spanned<toml::Value>) -> u32 {
    let at = word.span().start;
    let number = match word.get_ref() {
        toml::Value::Integer(number) => Ok(*number as f64),
        toml::Value::String(name) => reader.thresholds.number(name).unwrap_or_else(|| {
            let names = reader.thresholds.names();
            let hint = if names.is_empty() {
                "; this rule declares none".to_owned()
            } else {
                suggestion(name, &names)
            };
            Err(format!("there is no threshold `{name}`{hint}"))
        }),
        _ => Err("at_least is a whole number, or the name of a threshold".to_owned()),
    };
    let whole = number.and_then(|number| {
        let is_fit = number.fract() == 0.0 && (1.0..=1_000.0).contains(&number);
        is_fit.then_some(number as u32).ok_or_else(|| "at_least goes from 1 to 1000".to_owned())
    });
    whole.unwrap_or_else(|message| {
        reader.refuse(at, message);
        1
    })
}

/// A time within which something happens: longer than nothing.
fn window(reader: &mut Reader<'_>, word: &Spanned<String>) -> i64 {
    let ms = duration(reader, word);
    if ms == 0 && reader.problems.is_empty() {
        reader.refuse(word.span().start, "`within` must be longer than nothing, as in 10m");
    }
    ms
}

fn read_moment(reader: &mut Reader<'_>, raw: &RawMoment, scope: Scope) -> Option<(Moment, String)> {
    let kind = occurrence(reader, &raw.kind)?;
    let mut text = raw.kind.get_ref().clone();
    let mut filter = None;
    if let Some(condition) = &raw.filter {
        filter = Some(expression(reader, condition, scope)?);
        text = format!("{text} (where {})", condition.get_ref().trim());
    }
    Some((Moment { kind, filter }, text))
}

fn read_count(
    reader: &mut Reader<'_>,
    raw: &RawCount,
    scope: Scope,
) -> Option<(Condition, String)> {
    let kind = occurrence(reader, &raw.kind);
    let filter = raw.filter.as_ref().map(|text| expression(reader, text, scope));
    let within_ms = duration(reader, &raw.within);
    let at_least = whole_number(reader, &raw.at_least);
    let distinct_by =
        raw.distinct_by.as_ref().and_then(|word| choice(reader, word, "field", &Distinct::NAMES));
    let distinct_at_least = raw.at_least_distinct.as_ref().map_or(0, |least| *least.get_ref());
    if let Some(least) = &raw.at_least_distinct {
        if raw.distinct_by.is_none() {
            let message = "at_least_distinct needs to know what is told apart; add distinct_by = \
                           \"id_token\" or \"connector\"";
            reader.refuse(least.span().start, message);
        } else if !(1..=at_least).contains(least.get_ref()) {
            let message = format!("at_least_distinct goes from 1 to at_least, which is {at_least}");
            reader.refuse(least.span().start, message);
        }
    }
    let cooldown_ms = raw.cooldown.as_ref().map_or(0, |text| duration(reader, text));
    let mut text = format!("{at_least} x {} within {}", raw.kind.get_ref(), raw.within.get_ref());
    if let (1.., Some(by)) = (distinct_at_least, &raw.distinct_by) {
        text = format!("{text}, by {distinct_at_least} different {}", by.get_ref());
    }
    let filter = match filter {
        Some(None) => return None,
        Some(Some(predicate)) => Some(predicate),
        None => None,
    };
    let count = Count {
        kind: kind?,
        filter,
        at_least,
        within_ms,
        distinct_by,
        distinct_at_least,
        cooldown_ms,
    };
    Some((Condition::Count(count), text))
}

fn read_clear(
    reader: &mut Reader<'_>,
    raw: &Spanned<RawClear>,
    scope: Scope,
) -> Option<(Clear, String)> {
    let offset = raw.span().start;
    let raw = raw.get_ref();
    let for_ms = raw.lasting.as_ref().map_or(0, |text| duration(reader, text));
    let lasting =
        raw.lasting.as_ref().map(|text| format!(" for {}", text.get_ref())).unwrap_or_default();
    let becomes = raw.becomes.as_ref().and_then(|word| {
        choice(reader, word, "state", &[("resolved", false), ("recovered_unproven", true)])
    });
    let (way, text) = match (&raw.when, &raw.count, &raw.absent) {
        (None, None, None) if raw.person => (ClearWay::Person, "when a person says so".to_owned()),
        (Some(when), None, None) => {
            let predicate = expression(reader, when, scope)?;
            (ClearWay::When(predicate), format!("{}{lasting}", when.get_ref().trim()))
        }
        (None, Some(count), None) => {
            let kind = occurrence(reader, &count.kind)?;
            let text = format!("{} x {}", count.at_least, count.kind.get_ref());
            (ClearWay::Count { kind, at_least: count.at_least.max(1) }, text)
        }
        (None, None, Some(absent)) => {
            let text = format!("no {}{lasting}", absent.get_ref());
            (ClearWay::Absent(occurrence(reader, absent)?), text)
        }
        _ => {
            reader.refuse(
                offset,
                "a clear has exactly one of `when`, `count`, `absent` and `person = true`",
            );
            return None;
        }
    };
    Some((Clear { way, for_ms, unproven: becomes.unwrap_or(false) }, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"id = "ERR_FAULTED"
version = 1
title = "Faulted"
headline = "{code}{where}"
description = "A connector is broken."
severity = 4
scope = "connector"
auto_heal = "on"
playbook = "RESET"
exclusions = ['whole.status == "Faulted"']
[condition]
when = 'status == "Faulted"'
for = "60s"
for_by_code = { safety = "0s" }
[[clear]]
when = 'status != "Faulted"'
for = "300s"
[severity_by_code]
GroundFailure = 1
[[test]]
name = "fires"
steps = [
  { at = "0s", connect = true },
  { at = "5s", status = { status = "Faulted", error = "InternalError" } },
  { every = "10s", times = 3, heartbeat = true },
  { at = "65s", expect = { incidents = ["ERR_FAULTED"] } },
]
[[test]]
name = "is silent"
steps = [{ at = "0s", connect = true }, { at = "1h", expect = { incidents = [] } }]
"#;

    fn problems(from: &str, to: &str) -> Vec<String> {
        assert!(GOOD.contains(from), "the test changes something");
        let text = GOOD.replace(from, to);
        let mut reader = Reader::new("r.toml", &text);
        assert!(parse_rule(&mut reader).is_none(), "{to} is refused");
        reader.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_that_heals_names_what_it_does() {
        let told = problems("playbook = \"RESET\"\n", "");
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("r.toml:8:13: rule ERR_FAULTED heals"), "{told:?}");
        assert!(told[0].contains("names no playbook"), "{told:?}");
    }

    #[test]
    fn a_good_rule_is_read() {
        let mut reader = Reader::new("r.toml", GOOD);
        let rule = parse_rule(&mut reader).expect("it is well formed");
        assert_eq!(rule.for_ms("InternalError"), 60_000);
        assert_eq!(rule.for_ms("GroundFailure"), 0);
        assert_eq!(rule.severity_of("groundfailure"), 1);
        assert_eq!(rule.severity_of("InternalError"), 4);
        assert_eq!(rule.condition_text, "status == \"Faulted\" for 60s");
        let beats: Vec<i64> = rule.tests[0].steps[2..5].iter().map(|step| step.at_ms).collect();
        assert_eq!(beats, [15_000, 25_000, 35_000]);
        assert_eq!(rule.tests[0].line, 21);
    }

    #[test]
    fn mistakes_have_a_place_and_a_way_out() {
        for (from, to, wanted) in [
            ("severity = 4", "sevrity = 4", "r.toml:6:1: unknown key `sevrity`"),
            ("severity = 4", "sevrity = 4", "did you mean `severity`?"),
            ("severity = 4", "severity = 10", "r.toml:6:12: a severity goes from 0"),
            (
                "\"connector\"",
                "\"conector\"",
                "r.toml:7:9: unknown scope \"conector\"; did you mean `connector`?",
            ),
            (
                "'status == \"Faulted\"'",
                "'statsu == \"Faulted\"'",
                "r.toml:12:9: unknown field `statsu`",
            ),
            ("'status == \"Faulted\"'", "'status == \"Fautled\"'", "r.toml:12:19: unknown status"),
            ("for = \"60s\"", "for = \"60\"", "r.toml:13:7: \"60\" is no duration"),
            ("GroundFailure = 1", "GroundFault = 1", "r.toml:19:1: unknown error code"),
            ("scope = \"connector\"", "scope = \"charger\"", "reads the state of a connector"),
            (
                "incidents = [\"ERR_FAULTED\"]",
                "incidents = []",
                "needs a [[test]] in which it fires",
            ),
            ("expect = { incidents = [] }", "expect = { tickets = 0 }", "in which it stays silent"),
            ("{code}{where}", "{cod}", "did you mean `code`?"),
            ("at = \"65s\"", "at = \"3s\"", "r.toml:26:3: this step lies before"),
            (
                "connect = true }, {",
                "connect = true, heartbeat = true }, {",
                "exactly one thing, this one does 2",
            ),
            ("version = 1", "version = \"1\"", "r.toml:2:11: invalid type"),
            ("severity = 4", "severity = 4\nroute = \"at night\"", "is no name of a route"),
            (
                "for = \"60s\"",
                "for = \"60s\"\nkeep_firing_for = \"5m\"",
                "r.toml:14:19: keep_firing_for has no effect here",
            ),
            (
                "[condition]",
                "[condition]\nabsent = \"boot\"",
                "exactly one of `when`, `count`, `absent`, `sequence` and",
            ),
        ] {
            let found = problems(from, to);
            assert!(found.iter().any(|text| text.contains(wanted)), "{to}: {found:?}");
        }
    }

    /// The good rule with another condition, between its own and `[[clear]]`.
    fn condition(text: &str) -> Vec<String> {
        let old = "[condition]\nwhen = 'status == \"Faulted\"'\nfor = \"60s\"\nfor_by_code = { \
                   safety = \"0s\" }\n";
        problems(old, text)
    }

    #[test]
    fn mistakes_in_what_looks_back_have_a_place_and_a_way_out() {
        for (text, wanted) in [
            (
                "[condition]\nwhen = 'count(disconect, 1h) >= 5'",
                "12:15: unknown kind `disconect`; did",
            ),
            ("[condition]\nwhen = 'count(boot, 1x) >= 5'", "12:21: `1x` is neither a number nor"),
            (
                "[condition]\nwhen = 'count(boot, 1h) == 5'",
                "expected one of >=, >, <, <= and a number",
            ),
            (
                "[condition]\nwhen = 'count(boot, 1h) >= 0'",
                "12:28: expected a whole number from 1 to",
            ),
            ("[condition]\nwhen = 'distinct(boot, 1h) >= 2'", "12:24: expected a field (one of"),
            (
                "[condition]\nwhen = 'ratio(boot, boot, 5) < 0.5'",
                "12:21: the two kinds must differ",
            ),
            (
                "[condition]\nwhen = 'ratio(attempt_succeeded, attempt_failed, 5) < 50'",
                "a ratio lies between 0 and 1",
            ),
            (
                "[condition]\nwhen = 'flap(lnk, 3m) >= 20'",
                "unknown thing that flaps `lnk`; did you",
            ),
            ("[condition]\nwhen = 'flap(link, 0s) >= 20'", "a look must last longer than nothing"),
            (
                "[condition]\nwhen = 'expected_usage_silence(2)'",
                "a probability lies between 0 and 1",
            ),
            (
                "[condition]\nsequence = { first = { kind = \"boot\" }, than = { kind = \"boot\" } }",
                "did you mean `then`?",
            ),
            (
                "[condition]\nfor = \"5m\"\nsequence = { first = { kind = \"boot\" }, then = { kind = \
                 \"faulted\" }, within = \"5m\" }",
                "12:7: a sequence has a window (`within`), not a `for`",
            ),
            (
                "[condition]\nnot_followed = { first = { kind = \"boot\" }, by = { kind = \"boot\" }, \
                 within = \"5m\" }",
                "must differ from what it is to follow",
            ),
            (
                "[condition]\ncount = { kind = \"boot\", at_least = 3, within = \"1h\", \
                 at_least_distinct = 2 }",
                "add distinct_by =",
            ),
            (
                "[condition]\ncount = { kind = \"boot\", at_least = \"many\", within = \"1h\" }",
                "12:37: there is no threshold `many`; this rule declares none",
            ),
        ] {
            let found = condition(&format!("{text}\n"));
            assert!(found.iter().any(|told| told.contains(wanted)), "{text}: {found:?}");
        }
    }

    #[test]
    fn mistakes_in_thresholds_have_a_place_and_a_way_out() {
        let with = |declared: &str, lasting: &str| {
            condition(&format!(
                "[thresholds]\n{declared}\n[condition]\nwhen = 'status == \"Faulted\"'\nfor = \
                 \"{lasting}\"\n"
            ))
        };
        for (declared, lasting, wanted) in [
            ("wait = \"10m\"", "wiat", "did you mean the threshold `wait`?"),
            ("wait = \"10m\"", "5m", "12:1: nothing in this rule reads the threshold wait"),
            ("wait = 10", "wait", "wait is a number, and here belongs a duration"),
            ("wait = \"10 m\"", "wait", "12:8: the threshold wait is neither a duration"),
            (
                "wait = { default = \"1m\", min = \"2m\" }",
                "wait",
                "out of its own limits: wait is at",
            ),
            (
                "wait = { defualt = \"1m\" }",
                "wait",
                "unknown key `defualt`; did you mean `default`?",
            ),
            ("wait = { default = \"1m\", max = 3 }", "wait", "`max` of wait must be a duration"),
            ("Wait = \"10m\"", "Wait", "12:1: \"Wait\" is no name for a threshold"),
        ] {
            let found = with(declared, lasting);
            assert!(found.iter().any(|told| told.contains(wanted)), "{declared}: {found:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_toml_has_a_place_too() {
        let found = problems("severity = 4", "severity = ");
        assert!(found[0].starts_with("r.toml:6:"), "{found:?}");
    }
}
