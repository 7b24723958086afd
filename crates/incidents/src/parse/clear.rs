//! What ends an incident of a rule.

use serde_spanned::Spanned;

use super::condition::{MOST, occurrence};
use super::number::whole;
use super::raw::RawClear;
use super::{choice, expression};
use crate::playbook::duration;
use crate::problem::Reader;
use crate::rule::{Clear, ClearWay, Scope};

pub(super) fn read_clear(
    reader: &mut Reader<'_>,
    raw: &Spanned<RawClear>,
    scope: Scope,
) -> Option<(Clear, String)> {
    let offset = raw.span().start;
    let raw = raw.get_ref();
    let before = reader.problems.len();
    let for_ms = raw.lasting.as_ref().map_or(0, |text| duration(reader, text));
    let is_time_read = reader.problems.len() == before;
    let lasting = raw
        .lasting
        .as_ref()
        .map(|text| format!(" for {}", reader.thresholds.spell(text.get_ref())))
        .unwrap_or_default();
    let becomes = raw.becomes.as_ref().and_then(|word| {
        choice(reader, word, "state", &[("resolved", false), ("recovered_unproven", true)])
    });
    let (way, text) = match (&raw.when, &raw.count, &raw.absent) {
        (None, None, None) if raw.person => (ClearWay::Person, "when a person says so".to_owned()),
        (Some(when), None, None) => {
            let predicate = expression(reader, when, scope)?;
            let when = reader.thresholds.spell(when.get_ref().trim());
            (ClearWay::When(predicate), format!("{when}{lasting}"))
        }
        (None, Some(count), None) => {
            let kind = occurrence(reader, &count.kind);
            let at_least = whole(reader, &count.at_least, "at_least", 1..=MOST);
            let text = format!("{at_least} x {}", count.kind.get_ref());
            (ClearWay::Count { kind: kind?, at_least }, text)
        }
        (None, None, Some(absent)) => {
            if for_ms == 0 && is_time_read {
                let message = "what is missed is missed for some time: add for = \"1h\" (longer than \
                               nothing), or it would be over at once";
                reader.refuse(absent.span().start, message);
            }
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
