//! What holds for every history of a site whatever: nothing panics, the same history gives the same
//! effects, no deadline is left behind, and no driver is ever disturbed (G1).

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::{Catalogue, Effect, EngineSettings, IdSequence};
use mendpoint_model::{
    Action, Authorize, Boot, ChargerEvent, ChargerKey, ChargerState, Chargers, Command,
    CommandAnswered, CommandOutcome, Connected, ConnectorRef, ConnectorStatus, Disconnected,
    ErrorReport, EventKind, MINUTE_MS, MeterReading, Protocol, SignalReading, SignalUnit, SiteKey,
    StatusReport, Transaction, TransactionEnded, TransactionId, TransactionStarted, Transport,
    UnixMs,
};
use proptest::prelude::*;

use crate::tests::{FIRES, SILENT, catalogue, delivered};
use crate::{Outputs, Shard};

const START: UnixMs = UnixMs(1_790_000_000_000);
const SITE: SiteKey = SiteKey(1);

/// One thing that happens at one charger.
#[derive(Clone, Debug)]
enum Doing {
    Connects,
    Leaves,
    Boots,
    Beats,
    Reports(u16, ConnectorStatus, bool),
    Authorizes,
    Starts(u16),
    /// Ends the oldest open transaction.
    Ends(i64),
    Measures(f64),
    Signals(f64),
    /// Answers the oldest command.
    Answers(CommandOutcome),
}

fn doing() -> impl Strategy<Value = Doing> {
    let status = proptest::sample::select(vec![
        ConnectorStatus::Available,
        ConnectorStatus::Preparing,
        ConnectorStatus::Charging,
        ConnectorStatus::Finishing,
        ConnectorStatus::Unavailable,
        ConnectorStatus::Faulted,
    ]);
    let answer = |accepted, status: &str| CommandOutcome::Answered {
        accepted,
        status: status.to_owned(),
        payload: String::new(),
    };
    let outcome = proptest::sample::select(vec![
        answer(true, "Accepted"),
        answer(false, "Rejected"),
        CommandOutcome::TimedOut,
        CommandOutcome::NotConnected,
    ]);
    prop_oneof![
        2 => Just(Doing::Connects),
        1 => Just(Doing::Leaves),
        1 => Just(Doing::Boots),
        2 => Just(Doing::Beats),
        6 => (0_u16..3, status, any::<bool>()).prop_map(|(c, s, e)| Doing::Reports(c, s, e)),
        1 => Just(Doing::Authorizes),
        2 => (1_u16..3).prop_map(Doing::Starts),
        2 => (0_i64..20_000).prop_map(Doing::Ends),
        2 => (0.0..20_000.0_f64).prop_map(Doing::Measures),
        1 => (-110.0..-40.0_f64).prop_map(Doing::Signals),
        4 => outcome.prop_map(Doing::Answers),
    ]
}

fn history() -> impl Strategy<Value = Vec<(i64, u32, Doing)>> {
    let step_ms = prop_oneof![0_i64..5_000, 0_i64..600_000, 0_i64..7_200_000];
    proptest::collection::vec((step_ms, 1_u32..4, doing()), 0..120)
}

struct World {
    shard: Shard,
    /// Whether signs of life take the short way where they may.
    in_short: bool,
    now: UnixMs,
    epoch: u64,
    commands: Vec<Command>,
    /// When transactions were asked to stop.
    asked_to_stop: BTreeMap<TransactionId, UnixMs>,
    log: Vec<String>,
}

impl World {
    fn new(catalogue: Arc<Catalogue>) -> Self {
        let numbers = IdSequence { next: 1, step: 1 };
        let mut shard = Shard::new(
            FleetSettings::default(),
            catalogue,
            EngineSettings::default(),
            numbers,
            numbers,
        );
        for key in 1..4 {
            shard.register(ChargerKey(key), SITE, Arc::from("CP"));
        }
        Self {
            shard,
            in_short: false,
            now: START,
            epoch: 0,
            commands: Vec::new(),
            asked_to_stop: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    fn step(&mut self, step_ms: i64, key: u32, doing: &Doing) -> Result<(), TestCaseError> {
        let until = self.now + step_ms;
        let mut turns = 0;
        while let Some(due) = self.shard.next_deadline().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            let mut out = Outputs::default();
            self.shard.advance(self.now, &mut out);
            self.take(&out)?;
            prop_assert!(
                self.shard.next_deadline().is_none_or(|next| next > self.now),
                "what was due at {} is due again",
                self.now
            );
            turns += 1;
            prop_assert!(turns < 10_000, "no end of deadlines");
        }
        self.now = until;
        let charger = ChargerKey(key);
        let Some(kind) = self.event(charger, doing) else { return Ok(()) };
        let mut out = Outputs::default();
        if self.in_short
            && matches!(kind, EventKind::Heartbeat)
            && self.shard.heard(charger, self.epoch, self.now)
        {
            return self.take(&out);
        }
        let event = ChargerEvent {
            charger,
            site: SITE,
            received_at: self.now,
            epoch: self.epoch,
            frame: 1,
            kind,
        };
        self.shard.handle(event, &mut out);
        self.take(&out)
    }

    fn event(&mut self, charger: ChargerKey, doing: &Doing) -> Option<EventKind> {
        let state = self.shard.fleet().charger(charger)?;
        let oldest = state.transactions.first();
        Some(match doing {
            Doing::Connects => {
                self.epoch += 1;
                EventKind::Connected(Connected {
                    protocol: Protocol::V16,
                    remote: String::new(),
                    replaced: state.link.connected,
                    certificate_ends: None,
                })
            }
            Doing::Leaves => {
                EventKind::Disconnected(Disconnected { reason: String::new(), replaced: false })
            }
            Doing::Boots => EventKind::Boot(Boot::default()),
            Doing::Beats => EventKind::Heartbeat,
            Doing::Reports(connector, status, error) => EventKind::Status(StatusReport {
                connector: ConnectorRef::v16(*connector),
                status: *status,
                raw_status: None,
                error: error.then(|| ErrorReport {
                    code: "InternalError".to_owned(),
                    ..ErrorReport::default()
                }),
                at: Some(self.now),
            }),
            Doing::Authorizes => EventKind::Authorize(Authorize {
                id_token: "TAG".to_owned(),
                accepted: true,
                connector: None,
            }),
            Doing::Starts(connector) => EventKind::TransactionStarted(TransactionStarted {
                id: TransactionId(0),
                external_id: String::new(),
                connector: ConnectorRef::v16(*connector),
                id_token: "TAG".to_owned(),
                meter_wh: Some(0),
                at: Some(self.now),
                seq_no: 0,
                offline: false,
                charging_state: None,
            }),
            Doing::Ends(meter_wh) => EventKind::TransactionEnded(TransactionEnded {
                id: oldest.map_or(TransactionId(-1), |open| open.id),
                external_id: String::new(),
                connector: None,
                id_token: None,
                meter_wh: Some(*meter_wh),
                reason: "Local".to_owned(),
                at: Some(self.now),
                seq_no: 0,
                offline: false,
            }),
            Doing::Measures(power_w) => EventKind::Meter(MeterReading {
                connector: oldest.map_or(ConnectorRef::v16(1), |open| open.connector),
                at: Some(self.now),
                power_w: Some(*power_w),
                ..MeterReading::default()
            }),
            Doing::Signals(value) => EventKind::Signal(SignalReading {
                transport: Transport::Wifi,
                value: *value,
                unit: SignalUnit::RssiDbm,
            }),
            Doing::Answers(outcome) => {
                let index = self.commands.iter().position(|command| command.charger == charger)?;
                let command = self.commands.remove(index).id;
                let outcome = outcome.clone();
                EventKind::CommandAnswered(CommandAnswered { command, outcome, late: false })
            }
        })
    }

    fn take(&mut self, out: &Outputs) -> Result<(), TestCaseError> {
        for effect in &out.effects {
            let Effect::Send(command) = effect else { continue };
            let state = self.shard.fleet().charger(command.charger);
            let is_disturbing = state.is_some_and(|state| {
                let mut open = state.transactions.iter();
                open.any(|open| {
                    disturbs(&command.action, open.connector) && !self.is_stuck(state, open)
                })
            });
            prop_assert!(!is_disturbing, "{command:?} while a driver charges");
            if let Action::RemoteStop { transaction, .. } = command.action {
                self.asked_to_stop.insert(transaction, self.now);
            }
            self.commands.push(command.clone());
        }
        self.log.push(format!("{} {out:?}", self.now));
        Ok(())
    }
}

impl World {
    /// What G1 lets pass: for half an hour no power flowed, the connector finished or is faulted, and
    /// two minutes ago the charge was asked to stop.
    fn is_stuck(&self, state: &ChargerState, open: &Transaction) -> bool {
        let is_over = state.connectors.iter().any(|connector| {
            let over = [ConnectorStatus::Finishing, ConnectorStatus::Faulted];
            connector.at == open.connector && over.contains(&connector.status)
        });
        let since_ms = |at: Option<UnixMs>| at.map_or(0, |at| self.now.since_ms(at));
        is_over
            && since_ms(open.idle_since) >= 30 * MINUTE_MS
            && since_ms(self.asked_to_stop.get(&open.id).copied()) >= 2 * MINUTE_MS
    }
}

/// Whether an action disturbs whoever charges at a place (G1).
fn disturbs(action: &Action, at: ConnectorRef) -> bool {
    match action {
        Action::Reset { .. } => true,
        Action::Unlock { connector } => *connector == at,
        Action::SetAvailability { connector, operative: false } => {
            connector.is_charger() || *connector == at
        }
        _ => false,
    }
}

/// One rule with every rung, and the rules that are delivered.
fn catalogues() -> [Arc<Catalogue>; 2] {
    [catalogue(&[FIRES, SILENT], r#""L1", "L2", "L3", "L4", "L5", "L6""#), delivered()]
}

proptest! {
    // Two whole catalogues a case: fewer cases than usual, each of them long.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_history_panics_hangs_or_disturbs_a_driver(history in history()) {
        for catalogue in catalogues() {
            let mut world = World::new(catalogue);
            for (step_ms, key, doing) in &history {
                world.step(*step_ms, *key, doing)?;
            }
        }
    }

    #[test]
    fn the_same_history_gives_the_same_effects(history in history()) {
        for catalogue in catalogues() {
            let mut one = World::new(Arc::clone(&catalogue));
            let mut other = World::new(catalogue);
            for (step_ms, key, doing) in &history {
                one.step(*step_ms, *key, doing)?;
                other.step(*step_ms, *key, doing)?;
            }
            prop_assert_eq!(one.log, other.log);
        }
    }

    #[test]
    fn a_sign_of_life_in_short_is_the_same_as_a_heartbeat(history in history()) {
        for catalogue in catalogues() {
            let mut whole = World::new(Arc::clone(&catalogue));
            let mut short = World { in_short: true, ..World::new(catalogue) };
            for (step_ms, key, doing) in &history {
                whole.step(*step_ms, *key, doing)?;
                short.step(*step_ms, *key, doing)?;
            }
            prop_assert_eq!(whole.log, short.log);
            for key in (1..4).map(ChargerKey) {
                let state = whole.shard.fleet().charger(key);
                prop_assert_eq!(state, short.shard.fleet().charger(key));
            }
        }
    }
}
