//! Weeks of virtual time: what is kept in memory does not grow (behaviour 71).

use std::sync::Arc;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::{EngineSettings, IdSequence};
use mendpoint_model::{
    Authorize, Boot, ChargerEvent, ChargerKey, CommandAnswered, CommandId, CommandOutcome,
    ConfigurationValue, Connected, ConnectorRef, ConnectorStatus, DAY_MS, Disconnected,
    ErrorReport, EventKind, FaultReport, IdentityContest, MINUTE_MS, Protocol, SignalReading,
    SignalUnit, SiteKey, StatusReport, TransactionEnded, TransactionId, TransactionStarted,
    Transport, UnixMs,
};

use crate::tests::delivered;
use crate::{Outputs, Shard};

const START: UnixMs = UnixMs(1_790_000_000_000);
const CHARGERS: u32 = 4;

/// What a broken charger that makes up new words every time sends at a moment.
fn event(n: i64) -> EventKind {
    let connector = ConnectorRef::v16(1 + (n / 17 % 3) as u16);
    let word = format!("Word{n}");
    match n % 13 {
        0 => EventKind::Connected(Connected {
            protocol: Protocol::V16,
            remote: format!("192.0.2.{}", n % 250),
            replaced: false,
            certificate_ends: None,
        }),
        1 => EventKind::Boot(Boot { firmware: Some(word), ..Boot::default() }),
        2 | 3 => EventKind::Status(StatusReport {
            connector,
            status: ConnectorStatus::Faulted,
            raw_status: None,
            error: Some(ErrorReport { code: word, ..ErrorReport::default() }),
            at: None,
        }),
        4 => EventKind::Status(StatusReport {
            connector,
            status: ConnectorStatus::Available,
            raw_status: None,
            error: None,
            at: None,
        }),
        5 => EventKind::Fault(FaultReport {
            connector,
            component: word,
            variable: "Problem".to_owned(),
            active: n % 2 == 0,
            code: None,
            info: None,
            severity: Some((n % 10) as u8),
            at: None,
        }),
        6 => EventKind::Authorize(Authorize { id_token: word, accepted: true, connector: None }),
        7 => EventKind::TransactionStarted(TransactionStarted {
            id: TransactionId(0),
            external_id: word.clone(),
            connector,
            id_token: word,
            meter_wh: Some(n),
            at: None,
            seq_no: 0,
            offline: false,
            charging_state: None,
        }),
        8 => EventKind::TransactionEnded(TransactionEnded {
            id: TransactionId(n),
            external_id: format!("Word{}", n - 1 - 13 * (n % 2)),
            connector: Some(connector),
            id_token: None,
            meter_wh: Some(n + 50),
            reason: "Other".to_owned(),
            at: None,
            seq_no: 1,
            offline: false,
        }),
        9 => EventKind::Signal(SignalReading {
            transport: Transport::Wifi,
            value: -90.0,
            unit: SignalUnit::RssiDbm,
        }),
        10 => EventKind::Configuration(vec![ConfigurationValue {
            key: word.clone(),
            value: Some(word),
            readonly: false,
        }]),
        11 if n % 3 == 0 => {
            EventKind::IdentityContested(IdentityContest { parties: vec![word], swaps: 2 })
        }
        11 => EventKind::CommandAnswered(CommandAnswered {
            command: CommandId(word.into()),
            outcome: CommandOutcome::TimedOut,
            late: n % 2 == 0,
        }),
        _ => EventKind::Disconnected(Disconnected { reason: word, replaced: false }),
    }
}

/// What the shard keeps, as the length of everything it would print of itself.
fn kept(shard: &Shard) -> (usize, usize) {
    (format!("{:?}", shard.fleet()).len(), format!("{:?}", shard.engine()).len())
}

#[test]
fn b71_weeks_of_ever_new_words_do_not_fill_the_memory() {
    let numbers = IdSequence { next: 1, step: 1 };
    // Small limits are reached within three weeks; then nothing may grow any more.
    let settings = FleetSettings {
        configuration_keys_max: 4,
        faults_max: 4,
        open_transactions_max: 4,
        ..FleetSettings::default()
    };
    let mut shard = Shard::new(settings, delivered(), EngineSettings::default(), numbers, numbers);
    for key in 1..=CHARGERS {
        shard.register(ChargerKey(key), SiteKey(1), Arc::from(format!("CP-{key}")));
    }
    let mut out = Outputs::default();
    let mut sizes = Vec::new();
    let (mut n, mut now) = (0_i64, START);
    for week in 1..=6 {
        while now < START + week * 7 * DAY_MS {
            n += 1;
            now = now + 11 * MINUTE_MS;
            shard.handle(
                ChargerEvent {
                    charger: ChargerKey(1 + (n / 13) as u32 % CHARGERS),
                    site: SiteKey(1),
                    received_at: now,
                    epoch: n.unsigned_abs() / 13,
                    frame: 0,
                    kind: event(n),
                },
                &mut out,
            );
            out = Outputs::default();
        }
        sizes.push(kept(&shard));
    }
    let first = sizes[2];
    let last = sizes[5];
    assert!(last.0 * 10 < first.0 * 12, "the fleet grows: {sizes:?}");
    assert!(last.1 * 10 < first.1 * 12, "the engine grows: {sizes:?}");
}
