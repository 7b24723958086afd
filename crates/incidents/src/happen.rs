//! What happened to a charger, for the rules that count it or look back on it.

use std::sync::Arc;

use mendpoint_model::{ChargerKey, ConnectorRef, Fact, Transaction};

use crate::alert::Alert;
use crate::case::Watch;
use crate::cohort::Cohorts;
use crate::engine::{Cx, Engine};
use crate::memory::number_of;
use crate::news::Happening;
use crate::predicate::{Subject, is_at};
use crate::rule::{ClearWay, Condition, Distinct, Occurrence, Scope};

impl Engine {
    /// Counts what happened, for the rules that count it, and for what ends what fires.
    pub(crate) fn happen(&mut self, cx: &Cx<'_>, key: ChargerKey, happened: &[Happening]) {
        if happened.is_empty() {
            return;
        }
        let program = Arc::clone(&self.program);
        for item in happened {
            self.remember(cx, key, item);
            for place in program.hearers(item.kind) {
                let rule = &program.rules[usize::from(*place)];
                let at = match rule.unit {
                    Scope::Connector => item.connector,
                    _ => ConnectorRef::CHARGER,
                };
                self.happen_to(cx, key, *place, at, item);
                if rule.unit == Scope::Connector && at.is_charger() {
                    self.happen_to_connectors(cx, key, *place, item);
                }
            }
            if program.is_recalled(item.kind) {
                self.evaluate_kind(cx, key, item.connector, item.kind);
            }
        }
    }

    /// What happens to the whole charger happens to the connectors that wait for it, too.
    fn happen_to_connectors(&mut self, cx: &Cx<'_>, key: ChargerKey, place: u16, item: &Happening) {
        let condition = &self.program.rules[usize::from(place)].condition;
        if !matches!(condition, Condition::Sequence { .. } | Condition::NotFollowed { .. }) {
            return;
        }
        let Some(watch) = self.watches.get(&key) else { return };
        let waiting: Vec<ConnectorRef> = watch
            .alerts
            .iter()
            .filter(|alert| alert.rule == place && !alert.at.is_charger())
            .map(|alert| alert.at)
            .collect();
        for at in waiting {
            self.happen_to(cx, key, place, at, item);
        }
    }

    /// Keeps what happened, for the rules that look back.
    fn remember(&mut self, cx: &Cx<'_>, key: ChargerKey, item: &Happening) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        if self.program.is_missed(item.kind) {
            watch.note(item.kind, cx.now);
        }
        self.cohorts.note(cx.now, watch.cohort, item.kind);
        let wants = &self.wants;
        let kept = wants.kept(item.kind);
        if kept > 0 {
            let memory = watch.memory.get_or_insert_default();
            memory.note(cx.now, item.kind, item.connector, &item.id_token, kept);
        }
        if wants.usage
            && item.kind == Occurrence::AttemptSucceeded
            && let Some(charger) = cx.fleet.charger(key)
        {
            let memory = watch.memory.get_or_insert_default();
            memory.used(cx.now, item.connector, wants, charger);
        }
    }

    /// Facts that make something restless, or a silence longer; and what a charger is.
    pub(crate) fn note_memory(&mut self, cx: &Cx<'_>, key: ChargerKey, facts: &[Fact]) {
        for fact in facts {
            if let Fact::Booted { .. } = fact {
                self.note_cohort(cx, key);
                self.note_variants(cx, key);
            }
            let wants = &self.wants;
            let Some(watch) = self.watches.get_mut(&key) else { return };
            if wants.is_restless(fact) {
                watch.memory.get_or_insert_default().note_restless(cx.now, fact, wants);
            }
            if wants.power {
                note_power(cx, key, fact, watch, &mut self.cohorts);
            }
            let changes = matches!(
                fact,
                Fact::LinkUp { .. } | Fact::LinkDown { .. } | Fact::StatusChanged { .. }
            );
            if wants.usage
                && changes
                && let Some(memory) = watch.memory.as_mut()
                && let Some(charger) = cx.fleet.charger(key)
            {
                memory.note_free(cx.now, charger);
            }
        }
    }

    /// A charger said what it is, or is taken up from the store: it belongs to its kind.
    pub(crate) fn note_cohort(&mut self, cx: &Cx<'_>, key: ChargerKey) {
        let boot = cx.fleet.charger(key).and_then(|charger| charger.boot.as_deref());
        let id = boot.and_then(|boot| self.cohorts.id_of(cx.now, boot));
        let Some(watch) = self.watches.get_mut(&key) else { return };
        if watch.cohort != id {
            self.cohorts.move_charger(cx.now, watch.cohort, id);
            watch.cohort = id;
        }
    }

    fn happen_to(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
        item: &Happening,
    ) {
        let program = Arc::clone(&self.program);
        let Some(charger) = cx.fleet.charger(key) else { return };
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let rule = watch.rule(&program, place);
        let found = watch.alert(place, at);
        if let Some(index) = found
            && watch.alerts[index].incident().is_some()
        {
            let mut concerned = false;
            for (n, clear) in rule.clears.iter().enumerate() {
                match &clear.way {
                    ClearWay::Count { kind, .. } if *kind == item.kind => {
                        watch.alerts[index].clear_counts[n] += 1;
                        concerned = true;
                    }
                    ClearWay::Absent(kind) => concerned |= *kind == item.kind,
                    _ => {}
                }
            }
            if concerned && let Some(id) = watch.alerts[index].incident() {
                self.evaluate_firing(cx, key, place, at, id);
            }
        }
        match &rule.condition {
            Condition::Absent { kind, .. } if *kind == item.kind => {
                self.evaluate(cx, key, place, at);
            }
            Condition::Sequence { .. } | Condition::NotFollowed { .. } => {
                self.moment(cx, key, place, at, item);
            }
            Condition::Count(count)
                if count.kind == item.kind && program.enabled[usize::from(place)] =>
            {
                let Some(watch) = self.watches.get_mut(&key) else { return };
                let subject = Subject::watched(
                    cx.now,
                    charger,
                    item.connector,
                    watch.signals.as_deref(),
                    watch.calls,
                )
                .remembering(watch.memory.as_deref(), self.cohorts.get(watch.cohort));
                let counts = count.filter.as_ref().is_none_or(|f| f.holds(&subject).at(cx.now));
                let excluded = rule.exclusions.iter().any(|part| part.holds(&subject).at(cx.now));
                if !counts || excluded {
                    return;
                }
                if rule.scope.is_wide() {
                    self.tell_counted(cx, key, place);
                    return;
                }
                let index = watch.alert(place, at).unwrap_or_else(|| {
                    watch.alerts.push(Alert::new(place, at, rule.clears.len()));
                    watch.alerts.len() - 1
                });
                let connector = item.connector.to_string();
                let mark = match count.distinct_by {
                    Some(Distinct::Connector) => connector.as_str(),
                    _ => &item.id_token,
                };
                let alert = &mut watch.alerts[index];
                let (many, distinct) = alert.count(cx.now, count.within_ms, mark);
                if let Some(id) = alert.incident() {
                    self.counted_again(cx, id, many, distinct);
                    return;
                }
                if many >= count.at_least && distinct >= count.distinct_at_least {
                    watch.cooling.retain(|(_, _, until)| *until > cx.now);
                    if watch.cooling.iter().any(|(rule, of, _)| (*rule, *of) == (place, at)) {
                        return;
                    }
                    if count.cooldown_ms > 0 {
                        watch.cooling.push((place, at, cx.now + count.cooldown_ms));
                    }
                    let Some(index) = watch.alert(place, at) else { return };
                    let alert = &watch.alerts[index];
                    let began = alert.counted.front().map_or(cx.now, |(at, _)| *at);
                    self.fire_counted(cx, key, place, at, began, (many, distinct));
                }
            }
            _ => {}
        }
    }
}

/// Facts that tell how much power a session gets.
fn note_power(cx: &Cx<'_>, key: ChargerKey, fact: &Fact, watch: &mut Watch, cohorts: &mut Cohorts) {
    match fact {
        Fact::Metered { connector, power_w: Some(power_w) } => {
            let Some(charger) = cx.fleet.charger(key) else { return };
            let is_here = |tx: &Transaction| is_at(tx, *connector);
            if !charger.transactions.iter().any(is_here) {
                return;
            }
            let state = charger.connectors.iter().find(|state| state.at == *connector);
            let soc = state.and_then(|state| state.soc_percent);
            let memory = watch.memory.get_or_insert_default();
            memory.power.get_or_insert_default().read(*connector, *power_w, soc);
        }
        Fact::TransactionClosed { transaction, energy_wh, historical: false, .. } => {
            let power = watch.memory.as_mut().and_then(|memory| memory.power.as_mut());
            let card = number_of(&transaction.id_token);
            let class = power.and_then(|log| log.over(transaction.connector, *energy_wh, card));
            if let Some(class) = class {
                cohorts.note_power(cx.now, watch.cohort, class);
            }
        }
        _ => {}
    }
}
