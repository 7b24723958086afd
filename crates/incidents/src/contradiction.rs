//! Conditions that say nothing: what never holds whatever a charger does, and what always does.
//!
//! A condition is tried with every value that could make a difference to it: all statuses, the words that
//! it names and one more, numbers at, between and beside those that it compares with, and not knowing. So
//! nothing is refused that could be true and false.

use mendpoint_model::ConnectorStatus;

use crate::expression::{STATUSES, number_bounds};
use crate::predicate::{Compare, Predicate, status_bit};

/// A part of a condition: where it is, its words, and what became of them.
#[derive(Clone, Debug)]
pub(crate) struct Part<'t> {
    pub(crate) at: usize,
    pub(crate) text: &'t str,
    pub(crate) predicate: Predicate,
}

/// The most combinations of values that are tried; what has more is let through.
const TRIED_MAX: usize = 20_000;

/// The most parts that are tried two and two.
const PAIRED_MAX: usize = 50;

/// What a field is, when a condition is tried.
#[derive(Clone, Debug, PartialEq)]
enum Value<'p> {
    /// Nobody knows: no comparison holds.
    Unknown,
    Yes(bool),
    Status(ConnectorStatus),
    Number(f64),
    Word(&'p str),
    /// A word that the condition does not name.
    OtherWord,
}

/// Why parts that are joined by `and` never hold together, and where.
pub(crate) fn never(parts: &[Part<'_>], at: usize) -> Option<(usize, String)> {
    let holds = |chosen: &[&Predicate]| {
        outcomes(&Predicate::All(chosen.iter().copied().cloned().collect()))
    };
    let all: Vec<&Predicate> = parts.iter().map(|part| &part.predicate).collect();
    // Where all together are too much to try, two and two are not.
    let whole = holds(&all);
    if whole.is_some_and(|whole| whole != Outcomes::NEVER) || parts.len() > PAIRED_MAX {
        return None;
    }
    for (n, part) in parts.iter().enumerate() {
        if holds(&[&part.predicate]) == Some(Outcomes::NEVER) {
            return Some((part.at, format!("`{}` never holds", part.text)));
        }
        let other = parts[..n]
            .iter()
            .find(|other| holds(&[&other.predicate, &part.predicate]) == Some(Outcomes::NEVER));
        if let Some(other) = other {
            let message = format!(
                "`{}` and `{}` never hold together, so this never holds; did you mean `or`?",
                other.text, part.text
            );
            return Some((part.at, message));
        }
    }
    whole.map(|_| (at, "these parts never hold together, so this never holds".to_owned()))
}

/// Why of parts that are joined by `or` one always holds, and where.
pub(crate) fn always(parts: &[Part<'_>], at: usize) -> Option<(usize, String)> {
    let any = |chosen: &[&Part<'_>]| {
        outcomes(&Predicate::Any(chosen.iter().map(|one| one.predicate.clone()).collect()))
    };
    let all: Vec<&Part<'_>> = parts.iter().collect();
    let whole = any(&all)?;
    let asks_whether_known = || {
        let mut asks = false;
        for part in parts {
            part.predicate.each(&mut |test| asks |= matches!(test, Predicate::Known(_)));
        }
        asks
    };
    let what = match whole {
        Outcomes::ALWAYS => "always holds; did you mean `and`?",
        Outcomes::WHEN_KNOWN if !asks_whether_known() => {
            "holds as soon as it is known at all; did you mean `and`, or known(..)?"
        }
        _ => return None,
    };
    for (n, part) in parts.iter().enumerate().take(PAIRED_MAX) {
        if let Some(other) = parts[..n].iter().find(|other| any(&[other, part]) == Some(whole)) {
            let message = format!("`{} or {}` {what}", other.text, part.text);
            return Some((part.at, message));
        }
    }
    Some((at, format!("one of these parts is always true, so this {what}")))
}

/// Whether a condition never holds without another one; `false` where there is too much to try.
pub(crate) fn implies(condition: &Predicate, other: &Predicate) -> bool {
    let without = Predicate::All(vec![condition.clone(), Predicate::Not(Box::new(other.clone()))]);
    outcomes(&without).is_some_and(|without| !without.yes)
}

/// What can come of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcomes {
    /// It can hold.
    yes: bool,
    /// It can fail although everything is known.
    no: bool,
    /// It can fail when something is not known.
    no_unknown: bool,
}

impl Outcomes {
    const NEVER: Self = Self { yes: false, no: true, no_unknown: true };
    const ALWAYS: Self = Self { yes: true, no: false, no_unknown: false };
    const WHEN_KNOWN: Self = Self { yes: true, no: false, no_unknown: true };
}

/// Tries a condition; `None` when there is too much to try.
fn outcomes(predicate: &Predicate) -> Option<Outcomes> {
    let mut fields: Vec<(Predicate, Vec<Value<'_>>)> = Vec::new();
    gather(predicate, &mut fields);
    for (field, values) in &mut fields {
        complete(field, values);
    }
    let tried = fields.iter().try_fold(1_usize, |all, (_, values)| {
        all.checked_mul(values.len()).filter(|all| *all <= TRIED_MAX)
    })?;
    let mut outcomes = Outcomes { yes: false, no: false, no_unknown: false };
    let mut is_any_unknown = false;
    for number in 0..tried {
        let mut rest = number;
        let chosen: Vec<(&Predicate, &Value<'_>)> = fields
            .iter()
            .map(|(field, values)| {
                let value = &values[rest % values.len()];
                rest /= values.len();
                (field, value)
            })
            .collect();
        let is_unknown = chosen.iter().any(|(_, value)| **value == Value::Unknown);
        is_any_unknown |= is_unknown;
        match (holds(predicate, &chosen), is_unknown) {
            (true, _) => outcomes.yes = true,
            (false, false) => outcomes.no = true,
            (false, true) => outcomes.no_unknown = true,
        }
    }
    // Where nothing can be unknown there is nothing to tell apart.
    if !outcomes.yes && !is_any_unknown {
        outcomes.no_unknown = outcomes.no;
    }
    Some(outcomes)
}

/// A test without what it compares with: what is the same for two tests is about the same thing.
fn field_of(test: &Predicate) -> Predicate {
    let mut field = test.clone();
    match &mut field {
        Predicate::Status { set, .. } => *set = 0,
        Predicate::Text { any_of, .. } => any_of.clear(),
        Predicate::Known(number) => {
            field = Predicate::Number { field: *number, compare: Compare::Equal, value: 0.0 };
        }
        Predicate::Number { compare, value, .. }
        | Predicate::Median { compare, value, .. }
        | Predicate::Ratio { compare, value, .. }
        | Predicate::TimesCohort { compare, value, .. }
        | Predicate::CohortExpects { compare, value, .. }
        | Predicate::PowerOfKind { compare, value, .. } => {
            (*compare, *value) = (Compare::Equal, 0.0);
        }
        Predicate::Elapsed { at_least, ms, .. } => (*at_least, *ms) = (true, 0),
        Predicate::Happened { at_least, .. } => *at_least = 0,
        Predicate::Flap { at_least, percent, .. } => (*at_least, *percent) = (true, 0.0),
        _ => {}
    }
    field
}

/// The number that a test compares with.
fn compared_with(test: &Predicate) -> Option<f64> {
    match test {
        Predicate::Number { value, .. }
        | Predicate::Median { value, .. }
        | Predicate::Ratio { value, .. }
        | Predicate::TimesCohort { value, .. }
        | Predicate::CohortExpects { value, .. }
        | Predicate::PowerOfKind { value, .. } => Some(*value),
        Predicate::Elapsed { ms, .. } => Some(*ms as f64),
        Predicate::Happened { at_least, .. } => Some(f64::from(*at_least)),
        Predicate::Flap { percent, .. } => Some(*percent),
        _ => None,
    }
}

/// What a condition is about, with the values that it names.
fn gather<'p>(predicate: &'p Predicate, fields: &mut Vec<(Predicate, Vec<Value<'p>>)>) {
    match predicate {
        Predicate::All(parts) | Predicate::Any(parts) => {
            for part in parts {
                gather(part, fields);
            }
        }
        Predicate::Not(inner) => gather(inner, fields),
        test => {
            let field = field_of(test);
            let found = fields.iter().position(|(known, _)| *known == field);
            let at = found.unwrap_or_else(|| {
                fields.push((field, Vec::new()));
                fields.len() - 1
            });
            let values = &mut fields[at].1;
            values.extend(compared_with(test).map(Value::Number));
            if let Predicate::Text { any_of, .. } = test {
                values.extend(any_of.iter().map(|word| Value::Word(word)));
            }
        }
    }
}

/// Adds the values that a condition does not name and that could make a difference.
fn complete(field: &Predicate, values: &mut Vec<Value<'_>>) {
    match field {
        Predicate::Status { .. } => {
            *values = STATUSES.iter().map(|status| Value::Status(*status)).collect();
            values.push(Value::Unknown);
        }
        Predicate::Text { .. } => values.extend([Value::OtherWord, Value::Unknown]),
        Predicate::Number { .. }
        | Predicate::Median { .. }
        | Predicate::Ratio { .. }
        | Predicate::TimesCohort { .. }
        | Predicate::CohortExpects { .. }
        | Predicate::PowerOfKind { .. }
        | Predicate::Elapsed { .. }
        | Predicate::Happened { .. }
        | Predicate::Flap { .. } => {
            let mut named: Vec<f64> = values
                .iter()
                .filter_map(|value| match value {
                    Value::Number(number) => Some(*number),
                    _ => None,
                })
                .collect();
            if named.is_empty() {
                named.push(0.0);
            }
            named.sort_by(f64::total_cmp);
            named.dedup();
            let (least, most) = bounds(field);
            let (first, last) = (named[0], named[named.len() - 1]);
            let below =
                if first - 1.0 >= least { first - 1.0 } else { f64::midpoint(least, first) };
            let beyond = if last + 1.0 <= most { last + 1.0 } else { f64::midpoint(last, most) };
            let beside = [below, beyond];
            let between: Vec<f64> =
                named.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect();
            let can_be = |number: &f64| (least..=most).contains(number);
            let numbers = named.into_iter().chain(between).chain(beside).filter(can_be);
            *values = numbers.map(Value::Number).collect();
            // What is counted is always known.
            if !matches!(field, Predicate::Happened { .. } | Predicate::Flap { .. }) {
                values.push(Value::Unknown);
            }
        }
        _ => *values = vec![Value::Yes(true), Value::Yes(false)],
    }
}

/// Between what a field lies.
fn bounds(field: &Predicate) -> (f64, f64) {
    match field {
        Predicate::Number { field, .. } => number_bounds(*field),
        Predicate::Ratio { .. } => (0.0, 1.0),
        Predicate::Flap { .. } => (0.0, 100.0),
        Predicate::Happened { .. }
        | Predicate::TimesCohort { .. }
        | Predicate::CohortExpects { .. }
        | Predicate::PowerOfKind { .. } => (0.0, f64::INFINITY),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

/// Whether a condition holds with these values.
fn holds(predicate: &Predicate, chosen: &[(&Predicate, &Value<'_>)]) -> bool {
    match predicate {
        Predicate::All(parts) => parts.iter().all(|part| holds(part, chosen)),
        Predicate::Any(parts) => parts.iter().any(|part| holds(part, chosen)),
        Predicate::Not(inner) => !holds(inner, chosen),
        test => {
            let field = field_of(test);
            let found = chosen.iter().find(|(known, _)| **known == field);
            found.is_some_and(|(_, value)| passes(test, value))
        }
    }
}

/// Whether a single test holds for a value.
fn passes(test: &Predicate, value: &Value<'_>) -> bool {
    let or_more = |at_least: bool, number: f64, named: f64| {
        if at_least { number >= named } else { number < named }
    };
    match (test, value) {
        (_, Value::Unknown) => false,
        (Predicate::Known(_), _) => true,
        (Predicate::Status { set, .. }, Value::Status(status)) => status_bit(*status) & set != 0,
        (Predicate::Text { any_of, .. }, Value::Word(is)) => {
            any_of.iter().any(|word| word.eq_ignore_ascii_case(is))
        }
        (
            Predicate::Number { compare, value, .. }
            | Predicate::Median { compare, value, .. }
            | Predicate::Ratio { compare, value, .. }
            | Predicate::TimesCohort { compare, value, .. }
            | Predicate::CohortExpects { compare, value, .. }
            | Predicate::PowerOfKind { compare, value, .. },
            Value::Number(number),
        ) => compare.holds(*number, *value),
        (Predicate::Elapsed { at_least, ms, .. }, Value::Number(number)) => {
            or_more(*at_least, *number, *ms as f64)
        }
        (Predicate::Happened { at_least, .. }, Value::Number(number)) => {
            *number >= f64::from(*at_least)
        }
        (Predicate::Flap { at_least, percent, .. }, Value::Number(number)) => {
            // `<=` is the other direction here.
            if *at_least { number >= percent } else { number <= percent }
        }
        (_, Value::Yes(yes)) => *yes,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::expression::parse_expression;

    #[test]
    fn what_never_holds_is_told_where_it_contradicts() {
        for (text, at, wanted) in [
            (
                "status == \"Faulted\" and status == \"Available\"",
                24,
                "`status == \"Faulted\"` and `status == \"Available\"` never hold together",
            ),
            ("connected and power_w > 5 and not connected", 30, "never hold together"),
            ("soc_percent < 20 and plugged and soc_percent >= 80", 33, "never hold together"),
            ("silent_for >= 10m and silent_for < 5m", 22, "never hold together"),
            ("count(boot, 1h) >= 5 and count(boot, 1h) < 3", 25, "never hold together"),
            ("vendor == \"ABB\" and vendor == \"Alfen\"", 20, "never hold together"),
            ("status == \"Faulted\" and status in [\"Available\", \"Charging\"]", 24, "never hold"),
            ("known(power_w) and not known(power_w)", 19, "never hold together"),
            (
                "(connected or plugged) and not connected and not plugged",
                0,
                "these parts never hold together",
            ),
            ("plugged or (connected and not connected)", 26, "so this never holds"),
            ("not (connected or not connected)", 18, "always holds; did you mean `and`?"),
        ] {
            let (found, message) = parse_expression(text).expect_err(text);
            assert!(message.contains(wanted), "{text}: {message}");
            assert_eq!(found, at, "{text}: {message}");
        }
    }

    #[test]
    fn what_always_holds_is_told() {
        for (text, wanted) in [
            ("status == \"Faulted\" or status != \"Faulted\"", "always holds; did you mean `and`?"),
            (
                "status != \"Faulted\" or status != \"Available\"",
                "always holds; did you mean `and`",
            ),
            ("connected or plugged or not connected", "`connected or not connected` always holds"),
            ("power_w < 50 or power_w >= 10", "holds as soon as it is known at all"),
            ("power_w == 5 or power_w != 5", "holds as soon as it is known at all"),
            ("silent_for >= 5m or silent_for < 10m", "as soon as it is known at all"),
        ] {
            let (_, message) = parse_expression(text).expect_err(text);
            assert!(message.contains(wanted), "{text}: {message}");
        }
    }

    #[test]
    fn what_can_be_true_and_false_is_let_through() {
        for text in [
            "status == \"Faulted\" or status == \"Available\"",
            "status != \"Faulted\" and status != \"Available\"",
            "power_w > 50 and power_w < 100",
            "not connected or power_w < 50",
            "connected and plugged or not connected and not plugged",
            "soc_percent < 20 or soc_percent > 80",
            "not (power_w > 5) or not known(power_w)",
            "count(boot, 1h) >= 3 and count(boot, 24h) < 10",
            "flap(link, 3m) <= 20 and flap(link, 3m) >= 20",
            "vendor == \"ABB\" and model == \"ABB\"",
            "known(power_w) or known(soc_percent)",
            "ratio(attempt_succeeded, attempt_failed, 20) < 0.7",
            "power_of_kind(5) < 0.5 and soc_percent > 99.5",
            "not known(power_w) or power_w > 5",
            "error.code == \"\" and error.code != \"GroundFailure\"",
        ] {
            assert!(parse_expression(text).is_ok(), "{text}: {:?}", parse_expression(text));
        }
    }

    #[test]
    fn every_mistake_of_a_condition_is_told() {
        let told = |text: &str| {
            let all = crate::expression::parse_with(text, &crate::threshold::Thresholds::default());
            all.expect_err(text).into_iter().map(|(at, _)| at).collect::<Vec<_>>()
        };
        assert_eq!(told("statsu == \"Faulted\" and powr_w > 5"), [0, 24]);
        assert_eq!(
            told("(statsu == \"A\" or count(disconect, 1h) >= 5) and lenght > 3"),
            [1, 24, 49]
        );
        assert_eq!(told("status in [\"Fautled\", \"Avaliable\"]"), [11, 22]);
        assert_eq!(told("power_w >= 1e400 and connected & plugged"), [11, 31]);
        assert_eq!(
            told("silent_for >= 5x and error.code in [\"GroundFalt\", \"OvrVoltage\"]"),
            [14, 36, 50]
        );
    }
}
