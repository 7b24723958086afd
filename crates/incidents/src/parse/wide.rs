//! What only rules about a site, a cohort or the fleet have, and what they cannot have.

use super::number::{number, whole};
use super::raw::RawRule;
use crate::predicate::Predicate;
use crate::problem::Reader;
use crate::rule::{Rule, Scope, Together};

/// What the headline of a rule about many chargers may contain.
pub(super) const WIDE_PLACES: [&str; 6] = ["place", "chargers", "of", "for", "count", "within"];

/// What one alert of a rule is about.
pub(super) fn unit_of(rule: &Rule) -> Scope {
    match rule.scope {
        Scope::Connector => Scope::Connector,
        Scope::Charger => Scope::Charger,
        _ if rule.predicates().any(Predicate::reads_connector) => Scope::Connector,
        _ => Scope::Charger,
    }
}

/// How long it must be over at a whole site, where a rule does not say.
pub(super) const WIDE_KEEP_MS: i64 = 60_000;

/// How many chargers a rule asks for; what does not go with its scope is refused.
pub(super) fn read_together(reader: &mut Reader<'_>, raw: &RawRule, scope: Scope) -> Together {
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
        together.times_usual = number(reader, times, "times_usual", 1.0..=1_000.0);
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
        together.at_least = whole(reader, least, "at_least", 1..=1_000_000);
    }
    if let Some(percent) = &chargers.percent {
        together.percent = whole(reader, percent, "percent", 1..=100);
    }
    if chargers.at_least.is_none() && chargers.percent.is_none() {
        reader.refuse(at, "`chargers` has `at_least`, `percent` or both");
    }
    together
}
