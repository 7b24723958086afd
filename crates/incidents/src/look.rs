//! Which rules are worth a look: most have nothing to say most of the time, and that is found out
//! without touching anything.

use mendpoint_model::{ChargerKey, ConnectorRef};
use smallvec::SmallVec;

use crate::case::Watch;
use crate::engine::{Cx, Engine};
use crate::gate::Traits;
use crate::predicate::{Holds, Subject};
use crate::program::{News, Program};
use crate::rule::{Condition, Scope};

impl Engine {
    /// The rules that some news may matter to, and where, in the order in which they are looked at.
    pub(crate) fn due(
        &self,
        cx: &Cx<'_>,
        program: &Program,
        key: ChargerKey,
        focus: Option<ConnectorRef>,
        news: News,
    ) -> SmallVec<[(u16, ConnectorRef); 8]> {
        let mut due = SmallVec::new();
        let Some(watch) = self.watches.get(&key) else { return due };
        let Some(charger) = cx.fleet.charger(key) else { return due };
        let cohort = self.cohorts.get(watch.cohort);
        let subject = |at| {
            Subject::watched(cx.now, charger, at, watch.signals.as_deref(), watch.calls)
                .remembering(watch.memory.as_deref(), cohort)
        };
        let places = program.concerned(news, &watch.alerts);
        let is_of_connectors =
            |place: u16| program.rules[usize::from(place)].unit == Scope::Connector;
        let looks_at_connectors = places.iter().any(is_of_connectors);
        let mut subjects: SmallVec<[(Subject<'_>, Traits); 3]> = SmallVec::new();
        let seen = |at| {
            let subject = subject(at);
            (subject, Traits::of(&subject))
        };
        for connector in charger.connectors.iter().filter(|_| looks_at_connectors) {
            if focus.is_none_or(|at| at.is_charger() || at == connector.at) {
                subjects.push(seen(connector.at));
            }
        }
        let whole = seen(ConnectorRef::CHARGER);
        if focus.is_none_or(ConnectorRef::is_charger) {
            subjects.push(whole);
        }
        for place in places.iter() {
            let subjects = match program.rules[usize::from(place)].unit {
                Scope::Connector => &subjects[..],
                _ => std::slice::from_ref(&whole),
            };
            for (subject, traits) in subjects {
                if may_matter(program, watch, place, subject, *traits) {
                    due.push((place, subject.at));
                }
            }
        }
        due
    }
}

/// Whether a look at a rule can change anything: there is an alert, or its condition may hold.
fn may_matter(
    program: &Program,
    watch: &Watch,
    place: u16,
    subject: &Subject<'_>,
    traits: Traits,
) -> bool {
    let index = usize::from(place);
    if watch.alert(place, subject.at).is_some() {
        return true;
    }
    if program.is_blind(place, subject.charger, subject.at)
        || !program.enabled[index]
        || !program.gates[index].lets(traits)
    {
        return false;
    }
    let own = watch.own_rule(place);
    let rule = own.as_deref().unwrap_or_else(|| &program.rules[index]);
    match &rule.condition {
        Condition::State { when, .. } => {
            let holds = when.holds(subject);
            holds != Holds::NEVER && holds.until > subject.now
        }
        Condition::Absent { .. } => true,
        // These begin with what happens, not with a look.
        Condition::Count(_) | Condition::Sequence { .. } | Condition::NotFollowed { .. } => false,
    }
}
