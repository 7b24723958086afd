//! Rules that go by one thing and another: a sequence, and something that is not followed.

use mendpoint_model::{ChargerKey, ConnectorRef, UnixMs};

use crate::alert::{Alert, Phase};
use crate::engine::{Cx, Engine};
use crate::evaluate::LATE_POLL_MS;
use crate::news::Happening;
use crate::rule::{Condition, Moment};
use crate::timers::Timer;

impl Engine {
    /// Something happened that such a rule listens to.
    pub(crate) fn moment(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
        item: &Happening,
    ) {
        let program = std::sync::Arc::clone(&self.program);
        if !program.enabled[usize::from(place)] {
            return;
        }
        let Some(watch) = self.watches.get(&key) else { return };
        let rule = watch.rule(&program, place);
        let condition = &rule.condition;
        let (Condition::Sequence { first, then: second, within_ms }
        | Condition::NotFollowed { first, by: second, within_ms }) = condition
        else {
            return;
        };
        let is_sequence = matches!(condition, Condition::Sequence { .. });
        let begins = self.is_meant(cx, key, place, item, first);
        let ends = self.is_meant(cx, key, place, item, second);
        let Some(watch) = self.watches.get(&key) else { return };
        let found = watch.alert(place, at).map(|index| &watch.alerts[index]);
        if found.is_some_and(|alert| alert.incident().is_some()) {
            return;
        }
        let began = found.and_then(|alert| alert.began);
        if ends && let Some(began) = began {
            if !is_sequence {
                self.leave_place(key, place, at);
            } else if cx.now.since_ms(began) <= *within_ms {
                self.fire(cx, key, place, at, began);
                return;
            }
        }
        // Of a sequence the newest beginning counts; what is not followed is asked from the first.
        if begins && (is_sequence || began.is_none()) {
            self.begin_moment(cx, key, place, at, *within_ms + i64::from(is_sequence));
        }
    }

    fn is_meant(
        &self,
        cx: &Cx<'_>,
        key: ChargerKey,
        place: u16,
        item: &Happening,
        moment: &Moment,
    ) -> bool {
        if moment.kind != item.kind {
            return false;
        }
        let Some(charger) = cx.fleet.charger(key) else { return false };
        let subject = self.subject(cx, charger, item.connector);
        let Some(watch) = self.watches.get(&key) else { return false };
        let rule = watch.rule(&self.program, place);
        moment.filter.as_ref().is_none_or(|filter| filter.holds(&subject).at(cx.now))
            && !rule.exclusions.iter().any(|part| part.holds(&subject).at(cx.now))
    }

    fn begin_moment(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
        wait_ms: i64,
    ) {
        let clears = self.program.rules[usize::from(place)].clears.len();
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let index = watch.alert(place, at).unwrap_or_else(|| {
            watch.alerts.push(Alert::new(place, at, clears));
            watch.alerts.len() - 1
        });
        let alert = &mut watch.alerts[index];
        alert.began = Some(cx.now);
        alert.phase = Phase::Pending;
        self.timers.set(&mut alert.armed, Timer::Alert(key, place, at), Some(cx.now + wait_ms));
    }

    /// Time passed for a rule that waits for its second moment.
    pub(crate) fn moment_due(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
    ) {
        let program = std::sync::Arc::clone(&self.program);
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let rule = watch.rule(&program, place);
        let Some(index) = watch.alert(place, at) else { return };
        let alert = &mut watch.alerts[index];
        let Some(began) = alert.began else { return };
        let timer = Timer::Alert(key, place, at);
        let due = |due: UnixMs| if due > cx.now { Some(due) } else { None };
        match &rule.condition {
            Condition::Sequence { within_ms, .. } => match due(began + *within_ms + 1) {
                Some(later) => self.timers.set(&mut alert.armed, timer, Some(later)),
                None => self.leave_place(key, place, at),
            },
            Condition::NotFollowed { within_ms, .. } => {
                // While we are late, what follows may wait for us.
                let late = self.lag.holds().map(|_| cx.now + LATE_POLL_MS);
                match due(began + *within_ms).or(late) {
                    Some(later) => self.timers.set(&mut alert.armed, timer, Some(later)),
                    None => {
                        let charger = cx.fleet.charger(key);
                        let excluded = charger.is_some_and(|charger| {
                            let subject = self.subject(cx, charger, at);
                            rule.exclusions.iter().any(|part| part.holds(&subject).at(cx.now))
                        });
                        if excluded {
                            self.leave_place(key, place, at);
                        } else {
                            self.fire(cx, key, place, at, began);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}
