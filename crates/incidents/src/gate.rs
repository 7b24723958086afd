//! What must be so of a subject before a rule's condition can hold at all: a few bits, so that most
//! rules are passed over without being worked out.

use crate::predicate::{Elapsed, Flag, Number, Predicate, Subject, Text, status_bit};
use crate::rule::{Condition, Rule};
use crate::vitals::{VitalFlag, VitalTime};

/// What is so of a subject, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traits {
    /// The bit of its status; all of them where it has none of its own.
    status: u16,
    had: u16,
}

/// A transaction is open.
const TRANSACTION: u16 = 1;
/// None is.
const NO_TRANSACTION: u16 = 2;
/// Something was traced of the connector.
const TRACE: u16 = 4;
/// Something is remembered of the charger.
const MEMORY: u16 = 8;
/// Its signal was told.
const SIGNALS: u16 = 16;
/// An error stands, or a fault.
const TROUBLE: u16 = 32;
/// A firmware update was told of.
const FIRMWARE: u16 = 64;
/// It has a connection.
const CONNECTED: u16 = 128;
/// It has none.
const NOT_CONNECTED: u16 = 256;

impl Traits {
    pub(crate) fn of(subject: &Subject<'_>) -> Self {
        let bit = |yes: bool, bit: u16| if yes { bit } else { 0 };
        let has_transaction = subject.transactions().next().is_some();
        let is_connected = subject.charger.link.connected;
        let connector = subject.connector;
        let had = if has_transaction { TRANSACTION } else { NO_TRANSACTION }
            | if is_connected { CONNECTED } else { NOT_CONNECTED }
            | bit(connector.is_some_and(|state| state.trace.is_some()), TRACE)
            | bit(subject.memory.is_some(), MEMORY)
            | bit(subject.signals.is_some(), SIGNALS)
            | bit(
                connector.is_some_and(|state| state.error.is_some() || !state.faults.is_empty()),
                TROUBLE,
            )
            | bit(subject.charger.firmware_status.is_some(), FIRMWARE);
        Self { status: connector.map_or(u16::MAX, |state| status_bit(state.status)), had }
    }
}

/// What a condition needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    statuses: u16,
    needs: u16,
}

impl Gate {
    const OPEN: Self = Self { statuses: u16::MAX, needs: 0 };
    /// Of a part that can never hold.
    const SHUT: Self = Self { statuses: 0, needs: u16::MAX };

    /// The gate of a rule.
    pub(crate) fn of_rule(rule: &Rule) -> Self {
        match &rule.condition {
            Condition::State { when, .. } => Self::of(when),
            _ => Self::OPEN,
        }
    }

    /// Whether the condition may hold for a subject, now or later.
    pub(crate) fn lets(self, traits: Traits) -> bool {
        self.statuses & traits.status != 0 && self.needs & !traits.had == 0
    }

    fn needing(needs: u16) -> Self {
        Self { needs, ..Self::OPEN }
    }

    fn of(predicate: &Predicate) -> Self {
        match predicate {
            Predicate::All(parts) => parts.iter().map(Self::of).fold(Self::OPEN, |all, part| {
                Self { statuses: all.statuses & part.statuses, needs: all.needs | part.needs }
            }),
            Predicate::Any(parts) => parts.iter().map(Self::of).fold(Self::SHUT, |any, part| {
                Self { statuses: any.statuses | part.statuses, needs: any.needs & part.needs }
            }),
            Predicate::Not(part) => match part.as_ref() {
                Predicate::Status { whole: false, set } => Self { statuses: !set, ..Self::OPEN },
                Predicate::Flag(Flag::TransactionOpen) => Self::needing(NO_TRANSACTION),
                Predicate::Flag(Flag::Connected) => Self::needing(NOT_CONNECTED),
                _ => Self::OPEN,
            },
            Predicate::Status { whole: false, set } => Self { statuses: *set, ..Self::OPEN },
            Predicate::Flag(flag) => Self::needing(match flag {
                Flag::TransactionOpen | Flag::Vital(VitalFlag::CarWaits) => TRANSACTION,
                Flag::Connected => CONNECTED,
                Flag::FaultActive => TROUBLE,
                Flag::Vital(
                    VitalFlag::Authorised | VitalFlag::DirectCurrent | VitalFlag::RegisterStill,
                ) => TRACE,
                _ => 0,
            }),
            Predicate::Text { field: Text::ErrorCode, any_of } => {
                Self::needing(if any_of.iter().any(|word| word.is_empty()) { 0 } else { TROUBLE })
            }
            Predicate::Text { field: Text::FirmwareStatus, .. } => Self::needing(FIRMWARE),
            Predicate::Elapsed { field, .. } => Self::needing(match field {
                Elapsed::TransactionAge
                | Elapsed::TransactionIdle
                | Elapsed::Vital(VitalTime::NoProgress) => TRANSACTION,
                Elapsed::Offline => NOT_CONNECTED,
                Elapsed::Vital(VitalTime::MeterOverdue) => TRACE | TRANSACTION,
                Elapsed::Vital(VitalTime::Firmware) => FIRMWARE,
                Elapsed::Vital(
                    VitalTime::Authorised
                    | VitalTime::Error
                    | VitalTime::ErrorTold
                    | VitalTime::RegisterFell
                    | VitalTime::RegisterStill
                    | VitalTime::SocUnchanged,
                ) => TRACE,
                _ => 0,
            }),
            Predicate::Number { field, .. } | Predicate::Known(field) => {
                Self::needing(match field {
                    Number::Signal(_) => SIGNALS,
                    Number::Burn(_) => MEMORY,
                    _ => 0,
                })
            }
            Predicate::Median { .. } | Predicate::Weak { .. } => Self::needing(SIGNALS),
            Predicate::Happened { .. }
            | Predicate::Ratio { .. }
            | Predicate::BelowCohort { .. }
            | Predicate::TimesCohort { .. }
            | Predicate::PowerOfKind { .. }
            | Predicate::Flap { at_least: true, .. }
            | Predicate::Silence { .. } => Self::needing(MEMORY),
            _ => Self::OPEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{
        ChargerKey, ChargerState, ConnectorRef, ConnectorState, ConnectorStatus, ConnectorTrace,
        ErrorReport, Link, SiteKey, StillRegister, Transaction, UnixMs,
    };

    use super::*;
    use crate::catalogue::Catalogue;
    use crate::expression::{STATUSES, parse_expression};
    use crate::predicate::{Compiled, Holds};

    const NOW: UnixMs = UnixMs(1_795_305_600_000);
    const ONE: ConnectorRef = ConnectorRef { evse: 1, connector: 1 };
    /// How many different things a subject may have; each is a bit of its number.
    const PARTS: u32 = 9;

    /// The conditions that are shipped, and some that say no to what others ask for.
    fn conditions() -> Vec<Compiled> {
        let read = |folder: &str| -> Vec<(String, String)> {
            let config = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
            let entries = std::fs::read_dir(config.join(folder)).expect("it is shipped");
            entries
                .map(|entry| entry.expect("an entry").path())
                .filter(|path| path.extension().is_some_and(|of| of == "toml"))
                .map(|path| {
                    let text = std::fs::read_to_string(&path).expect("a text");
                    (path.display().to_string(), text)
                })
                .collect()
        };
        let catalogue = Catalogue::parse(&read("rules"), &read("playbooks")).expect("it is right");
        let shipped = catalogue.rules().iter().filter_map(|rule| match &rule.condition {
            Condition::State { when, .. } => Some(when.clone()),
            _ => None,
        });
        let own = [
            "not transaction.open and not connected",
            r#"not status == "Available" or transaction.open_for >= 1h"#,
            r#"not (status == "Faulted" and transaction.open)"#,
            r#"fault.active or firmware.status in ["Installing"]"#,
            "not known(signal.wifi.dbm) and flap(link, 3m) <= 5",
            r#"error.code in ["GroundFailure"] or register.still"#,
        ];
        shipped.chain(own.map(|text| parse_expression(text).expect("it is right").into())).collect()
    }

    fn charger(status: ConnectorStatus, parts: u32) -> ChargerState {
        let has = |part: u32| parts & (1 << part) != 0;
        let earlier = NOW - 40_000_000;
        let trace = ConnectorTrace {
            authorised_at: has(3).then_some(earlier),
            error_since: has(4).then_some(earlier),
            error_told_at: has(4).then_some(earlier),
            metered_at: Some(earlier),
            meter_gap_ms: 60_000,
            offered_a: has(3).then_some(0.0),
            register_at: Some(earlier),
            still: has(4).then_some(StillRegister {
                since: earlier,
                until: NOW,
                missing_wh: 5_000.0,
            }),
            register_fell_at: has(3).then_some(earlier),
            soc_span: has(4).then_some((earlier, NOW)),
            is_dc: has(3),
        };
        let error = ErrorReport { code: "GroundFailure".to_owned(), ..ErrorReport::default() };
        let connector = ConnectorState {
            at: ONE,
            status,
            since: Some(earlier),
            error: has(2).then(|| Box::new(error)),
            plugged_at: status.is_plugged().then_some(earlier),
            power_w: has(5).then_some(if has(6) { 0.0 } else { 7_000.0 }),
            energy_wh: has(5).then_some(1_000.0),
            soc_percent: has(6).then_some(40.0),
            trace: has(1).then(|| Box::new(trace)),
            ..ConnectorState::default()
        };
        let transaction = Transaction {
            connector: ONE,
            opened_at: earlier,
            idle_since: has(6).then_some(earlier),
            charging_state: has(6).then(|| "EVConnected".into()),
            ..Transaction::default()
        };
        ChargerState {
            key: ChargerKey(1),
            site: SiteKey(1),
            identity: "CP-1".into(),
            link: Link { connected: !has(7), since: Some(earlier), ..Link::default() },
            boot: None,
            booted_at: None,
            whole: ConnectorState::default(),
            connectors: std::iter::once(connector).collect(),
            transactions: has(0).then_some(transaction).into_iter().collect(),
            signals: smallvec::SmallVec::new(),
            firmware_status: has(8).then(|| (earlier, "Installing".into())),
            diagnostics_status: None,
            configuration: std::collections::BTreeMap::new(),
            clock_skew_ms: None,
            carded_at: None,
            drift: None,
        }
    }

    #[test]
    fn a_shut_gate_never_hides_a_condition_that_may_hold() {
        let conditions = conditions();
        let (mut shut, mut looked, mut held) = (0, 0, 0);
        for status in STATUSES {
            for parts in 0..1 << PARTS {
                let charger = charger(status, parts);
                for at in [ONE, ConnectorRef::CHARGER] {
                    let subject = Subject::new(NOW, &charger, at);
                    let traits = Traits::of(&subject);
                    for when in &conditions {
                        looked += 1;
                        let holds = when.holds(&subject);
                        held += usize::from(holds != Holds::NEVER);
                        if !Gate::of(when).lets(traits) {
                            shut += 1;
                            assert_eq!(
                                holds,
                                Holds::NEVER,
                                "{when:?} at {at} with {status:?} and {parts:b}"
                            );
                        }
                    }
                }
            }
        }
        assert!(held > looked / 20, "conditions that hold are among them: {held} of {looked}");
        assert!(shut > looked / 3, "many are passed over: {shut} of {looked}");
    }
}
