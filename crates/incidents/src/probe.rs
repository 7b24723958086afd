//! The sign of life that is asked for before the silence of an open connection becomes an incident.

use mendpoint_model::{
    Action, ChargerKey, Command, CommandId, CommandOutcome, ConnectorRef, Origin, TriggeredMessage,
    UnixMs,
};

use crate::alert::Phase;
use crate::effect::Effect;
use crate::engine::{Cx, Engine};
use crate::timers::Timer;

impl Engine {
    /// Asks for a sign of life before silence becomes an incident (`CP_OFFLINE`).
    pub(crate) fn probe(&mut self, cx: &Cx<'_>, key: ChargerKey, place: u16, at: ConnectorRef) {
        let timeout_ms = self.settings.probe_timeout_ms;
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let Some(index) = watch.alert(place, at) else { return };
        let alert = &mut watch.alerts[index];
        let command = CommandId(format!("p{}-{}", key.0, cx.now.0).into());
        alert.phase = Phase::Probing { command: command.clone(), sent_at: cx.now };
        let until = cx.now + timeout_ms + 2_000;
        self.timers.set(&mut alert.armed, Timer::Alert(key, place, at), Some(until));
        self.tail.push(Effect::Send(Command {
            id: command,
            charger: key,
            action: Action::Trigger { message: TriggeredMessage::Heartbeat, connector: None },
            origin: Origin::System,
            created_at: cx.now,
            timeout_ms,
            not_after: until,
        }));
    }

    pub(crate) fn probe_answered(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        command: &CommandId,
        outcome: &CommandOutcome,
    ) {
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let found = watch.alerts.iter_mut().find_map(|alert| match &alert.phase {
            Phase::Probing { command: id, sent_at } if id == command => {
                Some((alert.rule, alert.at, *sent_at))
            }
            _ => None,
        });
        let Some((place, at, sent_at)) = found else { return };
        let alive =
            matches!(outcome, CommandOutcome::Answered { .. } | CommandOutcome::Refused { .. });
        if alive {
            // Any answer is a sign of life, also a refusal.
            if let Some(index) = watch.alert(place, at) {
                let alert = &mut watch.alerts[index];
                self.timers.set(&mut alert.armed, Timer::Alert(key, place, at), None);
                watch.alerts.remove(index);
            }
            self.evaluate(cx, key, place, at);
            return;
        }
        self.probe_failed(cx, key, place, at, sent_at, cx.now);
    }

    /// No sign of life: it fires, unless something was heard since the probe was sent.
    pub(crate) fn probe_failed(
        &mut self,
        cx: &Cx<'_>,
        key: ChargerKey,
        place: u16,
        at: ConnectorRef,
        sent_at: UnixMs,
        heard_before: UnixMs,
    ) {
        let heard = cx.fleet.charger(key).is_some_and(|charger| {
            charger.link.last_seen_at.is_some_and(|seen| seen > sent_at && seen < heard_before)
        });
        let Some(watch) = self.watches.get_mut(&key) else { return };
        let Some(index) = watch.alert(place, at) else { return };
        let began = watch.alerts[index].began.unwrap_or(sent_at);
        watch.alerts[index].phase = Phase::Pending;
        if heard {
            self.evaluate(cx, key, place, at);
        } else {
            self.fire(cx, key, place, at, began);
        }
    }
}
