//! What a rule waits for: a state, a count, an absence, a sequence.

use serde_spanned::Spanned;

use super::number::whole;
use super::raw::{RawCondition, RawCount, RawMoment, RawNotFollowed, RawSequence};
use super::{choice, expression};
use crate::expression::check_code;
use crate::playbook::duration;
use crate::problem::Reader;
use crate::rule::{Condition, Count, Distinct, Moment, Occurrence, SAFETY, Scope};

/// The most things that are counted.
pub(super) const MOST: u32 = 1_000;

pub(super) fn occurrence(reader: &mut Reader<'_>, word: &Spanned<String>) -> Option<Occurrence> {
    choice(reader, word, "kind", &Occurrence::NAMES)
}

pub(super) fn read_condition(
    reader: &mut Reader<'_>,
    offset: usize,
    raw: &RawCondition,
    scope: Scope,
) -> Option<(Condition, i64, String)> {
    let before = reader.problems.len();
    let for_ms = raw.lasting.as_ref().map_or(0, |text| duration(reader, text));
    let is_time_read = reader.problems.len() == before;
    let keep_ms = raw.keep_firing_for.as_ref().map_or(0, |text| duration(reader, text));
    let lasting = raw.lasting.as_ref().map_or("0s", |text| text.get_ref());
    let lasting = reader.thresholds.spell(lasting);
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
        let text = format!("{} for {lasting}", reader.thresholds.spell(when.get_ref().trim()));
        (Condition::State { when: predicate, for_ms, for_by_code }, text)
    } else if let Some(count) = &raw.count {
        read_count(reader, count, scope)?
    } else if let Some(absent) = &raw.absent {
        let kind = occurrence(reader, absent);
        if for_ms == 0 && is_time_read {
            let at = raw.lasting.as_ref().map_or(absent.span().start, |text| text.span().start);
            let message = "what is missed is missed for some time: add for = \"24h\" (longer than \
                           nothing)";
            reader.refuse(at, message);
        }
        let text = format!("no {} for {lasting}", absent.get_ref());
        (Condition::Absent { kind: kind?, for_ms }, text)
    } else if let Some(sequence) = &raw.sequence {
        let RawSequence { first, then, within } = sequence.get_ref();
        let (first, then) = (read_moment(reader, first, scope), read_moment(reader, then, scope));
        let within_ms = window(reader, within);
        let within = reader.thresholds.spell(within.get_ref());
        let ((first, first_text), (then, then_text)) = (first?, then?);
        let text = format!("{first_text}, then {then_text} within {within}");
        (Condition::Sequence { first, then, within_ms }, text)
    } else {
        let RawNotFollowed { first, by, within } = raw.not_followed.as_ref()?.get_ref();
        if first.kind.get_ref() == by.kind.get_ref() && by.filter.is_none() {
            let message = "what is waited for must differ from what it is to follow";
            reader.refuse(by.kind.span().start, message);
        }
        let (first, by) = (read_moment(reader, first, scope), read_moment(reader, by, scope));
        let within_ms = window(reader, within);
        let within = reader.thresholds.spell(within.get_ref());
        let ((first, first_text), (by, by_text)) = (first?, by?);
        let text = format!("{first_text}, not followed by {by_text} within {within}");
        (Condition::NotFollowed { first, by, within_ms }, text)
    };
    Some((condition, keep_ms, text))
}

/// A time within which something happens: longer than nothing.
fn window(reader: &mut Reader<'_>, word: &Spanned<String>) -> i64 {
    let before = reader.problems.len();
    let ms = duration(reader, word);
    if ms == 0 && reader.problems.len() == before {
        reader.refuse(word.span().start, "`within` must be longer than nothing, as in 10m");
    }
    ms
}

fn read_moment(reader: &mut Reader<'_>, raw: &RawMoment, scope: Scope) -> Option<(Moment, String)> {
    let kind = occurrence(reader, &raw.kind);
    let mut text = raw.kind.get_ref().clone();
    let mut filter = None;
    if let Some(condition) = &raw.filter {
        filter = Some(expression(reader, condition, scope)?);
        text = format!("{text} (where {})", reader.thresholds.spell(condition.get_ref().trim()));
    }
    Some((Moment { kind: kind?, filter }, text))
}

fn read_count(
    reader: &mut Reader<'_>,
    raw: &RawCount,
    scope: Scope,
) -> Option<(Condition, String)> {
    let kind = occurrence(reader, &raw.kind);
    let filter = raw.filter.as_ref().map(|text| expression(reader, text, scope));
    let within_ms = window(reader, &raw.within);
    let at_least = whole(reader, &raw.at_least, "at_least", 1..=MOST);
    let distinct_by =
        raw.distinct_by.as_ref().and_then(|word| choice(reader, word, "field", &Distinct::NAMES));
    let distinct_at_least = raw
        .at_least_distinct
        .as_ref()
        .map_or(0, |least| whole(reader, least, "at_least_distinct", 1..=MOST));
    if let Some(least) = &raw.at_least_distinct {
        if raw.distinct_by.is_none() {
            let message = "at_least_distinct needs to know what is told apart; add distinct_by = \
                           \"id_token\" or \"connector\"";
            reader.refuse(least.span().start, message);
        } else if distinct_at_least > at_least {
            let message = format!("at_least_distinct goes from 1 to at_least, which is {at_least}");
            reader.refuse(least.span().start, message);
        }
    }
    let cooldown_ms = raw.cooldown.as_ref().map_or(0, |text| duration(reader, text));
    let within = reader.thresholds.spell(raw.within.get_ref());
    let mut text = format!("{at_least} x {} within {within}", raw.kind.get_ref());
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
