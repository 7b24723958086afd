//! From journal entries to multi-row statements. No database here: this can be tested alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_model::{ChargerKey, Command, ConnectorRef, Incident, Transaction, UnixMs};

use crate::audit_chain::Line;
use crate::db::json;
use crate::device_sheet::DeviceBatch;
use crate::{Entry, Result, row_id};

/// A value of a cell. `NULL` keeps its type, which PostgreSQL wants to know.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Int(Option<i64>),
    Real(Option<f64>),
    /// One of our own words.
    Word(&'static str),
    Text(Option<String>),
    Bytes(Arc<[u8]>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<UnixMs> for Value {
    fn from(value: UnixMs) -> Self {
        Self::Int(Some(value.0))
    }
}

impl From<ChargerKey> for Value {
    fn from(value: ChargerKey) -> Self {
        Self::Int(Some(i64::from(value.0)))
    }
}

impl From<u16> for Value {
    fn from(value: u16) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(text(value)))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(if value.contains('\0') { text(&value) } else { value }))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value.map(|value| text(&value)))
    }
}

impl From<Option<f64>> for Value {
    fn from(value: Option<f64>) -> Self {
        Self::Real(value)
    }
}

/// PostgreSQL keeps no NUL in a text; chargers do send it.
pub(crate) fn text(value: &str) -> String {
    value.replace('\0', "\u{fffd}")
}

/// A statement that takes any number of rows: head, rows in brackets, tail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) head: &'static str,
    pub(crate) columns: usize,
    pub(crate) tail: &'static str,
}

/// Rows for one statement.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) form: &'static Form,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// What a batch of entries becomes.
#[derive(Debug)]
pub(crate) struct Sheets {
    /// The statements, in the order they must run in.
    pub(crate) sheets: Vec<Sheet>,
    /// Lines of the audit log, which are chained one by one.
    pub(crate) audit: Vec<Line>,
}

const TRANSACTION: Form = Form {
    head: "INSERT INTO charge_transaction (transaction_id, charger_key, external_id, evse,
        connector, id_token, opened_at_ms, started_at_ms, meter_start_wh, ended_at_ms, energy_wh,
        reason, json) VALUES ",
    columns: 13,
    // What is closed stays closed: a late change of an open state must not open it again.
    tail: " ON CONFLICT (transaction_id) DO UPDATE SET
        charger_key = excluded.charger_key, external_id = excluded.external_id,
        evse = excluded.evse, connector = excluded.connector, id_token = excluded.id_token,
        opened_at_ms = excluded.opened_at_ms, started_at_ms = excluded.started_at_ms,
        meter_start_wh = excluded.meter_start_wh, ended_at_ms = excluded.ended_at_ms,
        energy_wh = excluded.energy_wh, reason = excluded.reason, json = excluded.json
        WHERE charge_transaction.ended_at_ms IS NULL OR excluded.ended_at_ms IS NOT NULL",
};
const ORPHAN: Form = Form {
    head: "INSERT INTO transaction_orphan
        (id, charger_key, at_ms, transaction_id, external_id, frame, json) VALUES ",
    columns: 7,
    tail: " ON CONFLICT (id) DO NOTHING",
};
const ORPHAN_JOINED: Form = Form {
    head: "UPDATE transaction_orphan SET joined = v.column4 FROM (VALUES ",
    columns: 4,
    tail: ") AS v WHERE transaction_orphan.charger_key = v.column1
        AND transaction_orphan.transaction_id = v.column2
        AND transaction_orphan.external_id = v.column3 AND transaction_orphan.joined IS NULL",
};
const NOTE: Form = Form {
    head: "INSERT INTO transaction_note (id, transaction_id, at_ms, frame, json) VALUES ",
    columns: 5,
    tail: " ON CONFLICT (id) DO NOTHING",
};
const FINDING: Form = Form {
    head: "INSERT INTO transaction_finding
        (transaction_id, code, hard, sentence, found_at_ms, cleared_at_ms) VALUES ",
    columns: 6,
    // What was cleared and is found again is news; what is known already is not.
    tail: " ON CONFLICT (transaction_id, code) DO UPDATE SET sentence = excluded.sentence,
        found_at_ms = excluded.found_at_ms, cleared_at_ms = excluded.cleared_at_ms
        WHERE transaction_finding.cleared_at_ms IS NOT NULL
        OR excluded.cleared_at_ms IS NOT NULL",
};
const CLEARED: Form = Form {
    head: "UPDATE transaction_finding SET cleared_at_ms = v.column3 FROM (VALUES ",
    columns: 3,
    tail: ") AS v WHERE transaction_finding.transaction_id = v.column1
        AND transaction_finding.code = v.column2 AND transaction_finding.cleared_at_ms IS NULL",
};
/// The worst that is found of a transaction, after its findings were written. Whoever looked at it
/// did not see what was found since.
const SEVERITY: Form = Form {
    head: "UPDATE charge_transaction SET
        severity = COALESCE((SELECT MAX(f.hard) + 1 FROM transaction_finding f
            WHERE f.transaction_id = v.column1 AND f.cleared_at_ms IS NULL), 0),
        findings = (SELECT COUNT(*) FROM transaction_finding f
            WHERE f.transaction_id = v.column1 AND f.cleared_at_ms IS NULL),
        suspect = (SELECT f.sentence FROM transaction_finding f
            WHERE f.transaction_id = v.column1 AND f.cleared_at_ms IS NULL
            ORDER BY f.hard DESC, f.found_at_ms, f.code LIMIT 1),
        looked_at_ms = CASE WHEN EXISTS (SELECT 1 FROM transaction_finding f
            WHERE f.transaction_id = v.column1 AND f.cleared_at_ms IS NULL
            AND f.found_at_ms > charge_transaction.looked_at_ms) THEN NULL ELSE looked_at_ms END
        FROM (VALUES ",
    columns: 1,
    tail: ") AS v WHERE charge_transaction.transaction_id = v.column1",
};
/// What is over stays over, except that a start may come after the charger's word of the end.
const RESERVATION: Form = Form {
    head: "UPDATE reservation SET state = v.column3, changed_at_ms = v.column5,
        transaction_id = COALESCE(v.column4, reservation.transaction_id) FROM (VALUES ",
    columns: 5,
    tail: ") AS v WHERE reservation.reservation_id = v.column1
        AND reservation.charger_key = v.column2 AND (v.column3 = 'used'
        OR reservation.state IN ('requested', 'accepted'))",
};
const INCIDENT: Form = Form {
    head: "INSERT INTO incident (incident_id, state, rule, code, severity, source, charger_key,
        site_key, needs_person, had_person, healed, title, opened_at_ms, updated_at_ms,
        resolved_at_ms, ticket_id, json, breadth, parent_id, quiet) VALUES ",
    columns: 20,
    tail: " ON CONFLICT (incident_id) DO UPDATE SET
        state = excluded.state, rule = excluded.rule, code = excluded.code,
        severity = excluded.severity, source = excluded.source,
        charger_key = excluded.charger_key, site_key = excluded.site_key,
        needs_person = excluded.needs_person, had_person = excluded.had_person,
        healed = excluded.healed, title = excluded.title,
        opened_at_ms = excluded.opened_at_ms, updated_at_ms = excluded.updated_at_ms,
        resolved_at_ms = excluded.resolved_at_ms, ticket_id = excluded.ticket_id,
        json = excluded.json, breadth = excluded.breadth, parent_id = excluded.parent_id,
        quiet = excluded.quiet",
};
const TRIAL: Form = Form {
    head: "INSERT INTO rule_trial (rule, charger_key, evse, connector, opened_at_ms, ended_at_ms, asks,
        json) VALUES ",
    columns: 8,
    tail: " ON CONFLICT (rule, charger_key, evse, connector, opened_at_ms) DO UPDATE SET
        ended_at_ms = excluded.ended_at_ms, json = excluded.json,
        asks = CASE WHEN excluded.asks = 1 THEN excluded.asks ELSE rule_trial.asks END",
};
const TIMELINE: Form = Form {
    head: "INSERT INTO timeline (id, incident_id, at_ms, kind, json) VALUES ",
    columns: 5,
    tail: " ON CONFLICT (id) DO NOTHING",
};
const STATE_CHANGE: Form = Form {
    head: "INSERT INTO state_change
        (id, charger_key, evse, connector, at_ms, status, error) VALUES ",
    columns: 7,
    tail: " ON CONFLICT (id) DO NOTHING",
};
const LINK_CHANGE: Form = Form {
    head: "INSERT INTO link_change (id, charger_key, at_ms, online, reason) VALUES ",
    columns: 5,
    tail: " ON CONFLICT (id) DO NOTHING",
};
const STATE: Form = Form {
    head: "INSERT INTO charger_state (charger_key, saved_at_ms, connectors, json) VALUES ",
    columns: 4,
    tail: " ON CONFLICT (charger_key) DO UPDATE SET saved_at_ms = excluded.saved_at_ms,
        connectors = excluded.connectors, json = excluded.json",
};
const BOOT: Form = Form {
    head: "INSERT INTO boot (id, charger_key, at_ms, json) VALUES ",
    columns: 4,
    tail: " ON CONFLICT (id) DO NOTHING",
};
/// What a charger says of itself replaces what was known; what it leaves out does not.
const BOOTED_CHARGER: Form = Form {
    head: "UPDATE charger SET
        vendor = CASE WHEN v.column2 = '' THEN vendor ELSE v.column2 END,
        model = CASE WHEN v.column3 = '' THEN model ELSE v.column3 END,
        serial = CASE WHEN v.column4 = '' THEN serial ELSE v.column4 END,
        firmware = CASE WHEN v.column5 = '' THEN firmware ELSE v.column5 END
        FROM (VALUES ",
    columns: 5,
    tail: ") AS v WHERE charger.charger_key = v.column1",
};
const FRAMES: Form = Form {
    head: "INSERT INTO frame_block (first_seq, bucket, last_seq, first_at_ms, last_at_ms,
        presence, records, data) VALUES ",
    columns: 8,
    tail: " ON CONFLICT (first_seq) DO NOTHING",
};
const COMMAND: Form = Form {
    head: "INSERT INTO command (command_id, row_id, charger_key, action, origin, created_at_ms,
        json, late, wait_until_ms) VALUES ",
    columns: 9,
    tail: " ON CONFLICT (command_id) DO NOTHING",
};
const OUTCOME: Form = Form {
    head: "UPDATE command SET outcome = v.column2, answered_at_ms = v.column3, late = v.column4
        FROM (VALUES ",
    columns: 4,
    tail: ") AS v WHERE command.command_id = v.column1",
};
const COMMAND_SENT: Form = Form {
    head: "UPDATE command SET sent_at_ms = v.column2 FROM (VALUES ",
    columns: 2,
    tail: ") AS v WHERE command.command_id = v.column1",
};
const SIGNAL: Form = Form {
    head: "INSERT INTO signal_reading (id, charger_key, at_ms, json) VALUES ",
    columns: 4,
    tail: " ON CONFLICT (id) DO NOTHING",
};
const SECURITY: Form = Form {
    head: "INSERT INTO security_event
        (id, charger_key, identity, at_ms, kind, info, charger_at_ms, remote) VALUES ",
    columns: 8,
    tail: " ON CONFLICT (id) DO NOTHING",
};
const EXCLUSION: Form = Form {
    head: "INSERT INTO exclusion_proposal
        (incident_id, charger_key, from_ms, until_ms, cause, evidence) VALUES ",
    columns: 6,
    tail: " ON CONFLICT (incident_id, charger_key, from_ms) DO UPDATE SET
        until_ms = excluded.until_ms, cause = excluded.cause, evidence = excluded.evidence",
};
const VEHICLE: Form = Form {
    head: "INSERT INTO vehicle_suspect
        (token, since_ms, last_at_ms, failures, sites, cleared_at_ms) VALUES ",
    columns: 6,
    tail: " ON CONFLICT (token) DO UPDATE SET since_ms = excluded.since_ms,
        last_at_ms = excluded.last_at_ms, failures = excluded.failures, sites = excluded.sites,
        cleared_at_ms = excluded.cleared_at_ms",
};
const FIRMWARE: Form = Form {
    head: "INSERT INTO charger_firmware (charger_key, since_ms, vendor, model, firmware) VALUES ",
    columns: 5,
    tail: " ON CONFLICT (charger_key, since_ms) DO NOTHING",
};
/// Collects entries by table. Rows that replace each other are kept once, the newest: a statement
/// may not touch a row twice, and writing it once is cheaper.
#[derive(Debug, Default)]
struct Batch {
    transactions: BTreeMap<i64, (bool, Vec<Value>)>,
    orphans: Vec<Vec<Value>>,
    joined: Vec<Vec<Value>>,
    notes: Vec<Vec<Value>>,
    /// By transaction and code: a statement may not touch a row twice.
    findings: BTreeMap<(i64, &'static str), Vec<Value>>,
    cleared: BTreeMap<(i64, &'static str), Vec<Value>>,
    judged: BTreeMap<i64, Vec<Value>>,
    /// By number; the start that used one comes before all else that is said of it.
    reservations: BTreeMap<i64, Vec<Value>>,
    incidents: BTreeMap<i64, Vec<Value>>,
    trials: BTreeMap<(String, ChargerKey, ConnectorRef, UnixMs), Vec<Value>>,
    timeline: Vec<Vec<Value>>,
    state_changes: Vec<Vec<Value>>,
    link_changes: Vec<Vec<Value>>,
    states: BTreeMap<ChargerKey, Vec<Value>>,
    boots: Vec<Vec<Value>>,
    booted_chargers: BTreeMap<ChargerKey, Vec<Value>>,
    frames: BTreeMap<u64, Vec<Value>>,
    commands: BTreeMap<Arc<str>, Vec<Value>>,
    commands_sent: BTreeMap<Arc<str>, Vec<Value>>,
    outcomes: BTreeMap<Arc<str>, Vec<Value>>,
    signals: Vec<Vec<Value>>,
    security: Vec<Vec<Value>>,
    exclusions: BTreeMap<(i64, ChargerKey, i64), Vec<Value>>,
    vehicles: BTreeMap<String, Vec<Value>>,
    firmware: BTreeMap<(ChargerKey, i64), Vec<Value>>,
    audit: Vec<Line>,
    device: DeviceBatch,
}

/// The statements that write these entries down, in the order they must run in. An entry's row
/// number is made from its own, so the same call for the same entries may run twice.
pub(crate) fn sheets<'a>(entries: impl Iterator<Item = (i64, &'a Entry)>) -> Result<Sheets> {
    let mut batch = Batch::default();
    for (id, entry) in entries {
        batch.add(id, entry)?;
    }
    Ok(batch.into_sheets())
}

macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$(Value::from($value)),*] };
}

impl Batch {
    fn command(&mut self, id: i64, command: &Command, wait_until: Option<i64>) -> Result<()> {
        let cells = row![
            &*command.id.0,
            id,
            command.charger,
            command.action.name(),
            json(&command.origin, "a command's origin")?,
            command.created_at,
            json(command, "a command")?,
            false,
            wait_until,
        ];
        self.commands.insert(Arc::clone(&command.id.0), cells);
        Ok(())
    }

    fn add(&mut self, id: i64, entry: &Entry) -> Result<()> {
        match entry {
            Entry::TransactionOpened { charger, transaction }
            | Entry::TransactionChanged { charger, transaction } => {
                let key = transaction.id.0;
                if !matches!(self.transactions.get(&key), Some((true, _))) {
                    let cells = transaction_row(*charger, transaction, None)?;
                    self.transactions.insert(key, (false, cells));
                }
            }
            Entry::TransactionClosed { charger, transaction, reason, ended_at, energy_wh } => {
                let end = (reason.as_str(), *ended_at, *energy_wh);
                let cells = transaction_row(*charger, transaction, Some(end))?;
                self.transactions.insert(transaction.id.0, (true, cells));
            }
            Entry::TransactionNote { transaction, at, frame, note } => {
                let body = json(note, "a note on a transaction")?;
                self.notes.push(row![id, transaction.0, *at, *frame as i64, body]);
            }
            Entry::TransactionFinding { transaction, at, finding } => {
                let key = (transaction.0, finding.code.name());
                self.cleared.remove(&key);
                let cells = self.findings.entry(key).or_insert(row![
                    transaction.0,
                    key.1,
                    finding.code.is_hard(),
                    finding.sentence.as_str(),
                    *at,
                    None::<i64>,
                ]);
                cells[5] = Value::Int(None);
                self.judged.insert(transaction.0, row![transaction.0]);
            }
            Entry::TransactionCleared { transaction, at, code } => {
                let key = (transaction.0, code.name());
                // What came and went within the batch is written as gone.
                match self.findings.get_mut(&key) {
                    Some(cells) => cells[5] = Value::from(at.0),
                    None => {
                        self.cleared.insert(key, row![transaction.0, key.1, *at]);
                    }
                }
                self.judged.insert(transaction.0, row![transaction.0]);
            }
            Entry::TransactionOrphan {
                charger,
                id: transaction,
                external_id,
                at,
                frame,
                ended,
            } => {
                self.orphans.push(row![
                    id,
                    *charger,
                    *at,
                    transaction.0,
                    external_id.as_str(),
                    *frame as i64,
                    json(ended, "the end of a transaction")?,
                ]);
            }
            Entry::OrphanJoined { charger, sent, external_id, transaction } => {
                self.joined.push(row![*charger, sent.0, external_id.as_str(), transaction.0]);
            }
            Entry::Reservation { charger, reservation, state, transaction, at } => {
                let is_used = *state == crate::ReservationState::Used;
                if is_used || !self.reservations.contains_key(reservation) {
                    self.reservations.insert(
                        *reservation,
                        row![*reservation, *charger, state.name(), transaction.map(|id| id.0), *at],
                    );
                }
            }
            Entry::Incident(incident) => {
                self.incidents.insert(incident.id.0, incident_row(incident)?);
            }
            Entry::Trial { incident, asks } => {
                let at = incident.connector;
                let key = (incident.rule.clone(), incident.charger, at, incident.opened_at);
                let body = json(incident, "what a rule on trial found")?;
                self.trials.insert(
                    key,
                    row![
                        incident.rule.as_str(),
                        incident.charger,
                        at.evse,
                        at.connector,
                        incident.opened_at,
                        incident.resolved_at.map(|at| at.0),
                        *asks,
                        body,
                    ],
                );
            }
            Entry::Timeline(line) => {
                let body = json(line, "a timeline entry")?;
                self.timeline.push(row![id, line.incident.0, line.at, line.kind.as_str(), body]);
            }
            Entry::StateChange { charger, connector, at, status, error } => {
                self.state_changes.push(row![
                    id,
                    *charger,
                    connector.evse,
                    connector.connector,
                    *at,
                    Value::Word(status.name()),
                    error.as_str(),
                ]);
            }
            Entry::LinkChange { charger, at, online, reason } => {
                self.link_changes.push(row![id, *charger, *at, *online, reason.as_str()]);
            }
            Entry::State(state) => {
                let connectors = state.connectors.len() as i64;
                let body = json(state, "a charger's state")?;
                let saved_at = row_id::time_of(id);
                self.states.insert(state.key, row![state.key, saved_at, connectors, body]);
            }
            Entry::Boot { charger, boot } => {
                let body = json(boot, "a boot")?;
                self.boots.push(row![id, *charger, row_id::time_of(id), body]);
                let told = |text: &Option<String>| text.clone().unwrap_or_default();
                self.booted_chargers.insert(
                    *charger,
                    row![
                        *charger,
                        boot.vendor.as_str(),
                        boot.model.as_str(),
                        told(&boot.serial),
                        told(&boot.firmware),
                    ],
                );
            }
            Entry::Frames(block) => {
                let mut cells = row![
                    block.first_seq as i64,
                    i64::from(block.bucket),
                    block.last_seq as i64,
                    block.first_at,
                    block.last_at,
                    block.presence,
                    i64::from(block.records),
                ];
                cells.push(Value::Bytes(Arc::clone(&block.data)));
                self.frames.insert(block.first_seq, cells);
            }
            Entry::Command(command) => self.command(id, command, None)?,
            Entry::CommandWaiting(command) => {
                self.command(id, command, Some(command.not_after.0))?;
            }
            Entry::CommandSent { id: command, at } => {
                self.commands_sent.insert(Arc::clone(&command.0), row![&*command.0, *at]);
            }
            Entry::CommandOutcome { charger: _, id: command, outcome, at, late } => {
                let body = json(outcome, "a command's outcome")?;
                self.outcomes.insert(Arc::clone(&command.0), row![&*command.0, body, *at, *late]);
            }
            Entry::Signal { charger, at, reading } => {
                self.signals.push(row![id, *charger, *at, json(reading, "a signal")?]);
            }
            Entry::Security { charger, at, report, remote } => {
                self.security.push(row![
                    id,
                    *charger,
                    "",
                    *at,
                    report.kind.as_str(),
                    report.info.clone().unwrap_or_default(),
                    report.at.map(|at| at.0),
                    remote.as_str(),
                ]);
            }
            Entry::Noted { charger, identity, at, kind, info, remote } => {
                self.security.push(row![
                    id,
                    charger.map(|charger| i64::from(charger.0)),
                    identity.as_str(),
                    *at,
                    *kind,
                    info.as_str(),
                    None::<i64>,
                    remote.as_str(),
                ]);
            }
            Entry::Variables { charger, at, by, variables } => {
                for variable in variables {
                    self.device.variable(*charger, *at, by, variable);
                }
            }
            Entry::Monitors { charger, at, all_since, monitors } => {
                for monitor in monitors {
                    self.device.monitor(*charger, *at, monitor);
                }
                if let Some(began_at) = all_since {
                    self.device.monitors_are_all(*charger, *began_at);
                }
            }
            Entry::Memory(memory) => self.device.memory(memory),
            Entry::Upkeep { charger, at, json } => self.device.upkeep(*charger, *at, json),
            Entry::Capability { model, name, counts } => {
                self.device.capability(model, name, counts);
            }
            Entry::Exclusion(proposal) => {
                let key = (proposal.incident.0, proposal.charger, proposal.from.0);
                let cells = row![
                    proposal.incident.0,
                    proposal.charger,
                    proposal.from,
                    proposal.until,
                    proposal.cause.name(),
                    proposal.evidence.as_str(),
                ];
                self.exclusions.insert(key, cells);
            }
            Entry::Vehicle { token, since, last_at, seen, cleared_at } => {
                let cells = row![
                    token.as_str(),
                    *since,
                    *last_at,
                    i64::from(seen.0),
                    i64::from(seen.1),
                    cleared_at.map(|at| at.0),
                ];
                self.vehicles.insert(token.clone(), cells);
            }
            Entry::Firmware { charger, at, cohort } => {
                let cells = row![
                    *charger,
                    *at,
                    cohort.vendor.as_str(),
                    cohort.model.as_str(),
                    cohort.firmware.as_str(),
                ];
                self.firmware.insert((*charger, at.0), cells);
            }
            Entry::Audit { at, actor, action, subject, detail } => {
                self.audit.push(Line::new(id, *at, [actor, action, subject, detail]));
            }
        }
        Ok(())
    }

    fn into_sheets(mut self) -> Sheets {
        let audit = std::mem::take(&mut self.audit);
        let transactions = self.transactions.into_values().map(|(_, cells)| cells).collect();
        let sheets = [
            (&TRANSACTION, transactions),
            (&ORPHAN, self.orphans),
            (&ORPHAN_JOINED, self.joined),
            (&NOTE, self.notes),
            (&FINDING, self.findings.into_values().collect()),
            (&CLEARED, self.cleared.into_values().collect()),
            (&SEVERITY, self.judged.into_values().collect()),
            (&RESERVATION, self.reservations.into_values().collect()),
            (&INCIDENT, self.incidents.into_values().collect()),
            (&TRIAL, self.trials.into_values().collect()),
            (&TIMELINE, self.timeline),
            (&STATE_CHANGE, self.state_changes),
            (&LINK_CHANGE, self.link_changes),
            (&STATE, self.states.into_values().collect()),
            (&BOOT, self.boots),
            (&BOOTED_CHARGER, self.booted_chargers.into_values().collect()),
            (&FRAMES, self.frames.into_values().collect()),
            (&COMMAND, self.commands.into_values().collect()),
            (&COMMAND_SENT, self.commands_sent.into_values().collect()),
            (&OUTCOME, self.outcomes.into_values().collect()),
            (&SIGNAL, self.signals),
            (&SECURITY, self.security),
            (&EXCLUSION, self.exclusions.into_values().collect()),
            (&VEHICLE, self.vehicles.into_values().collect()),
            (&FIRMWARE, self.firmware.into_values().collect()),
        ];
        let sheets = sheets
            .into_iter()
            .filter(|(_, rows): &(_, Vec<Vec<Value>>)| !rows.is_empty())
            .map(|(form, rows)| Sheet { form, rows })
            .chain(self.device.into_sheets().into_iter().filter(|sheet| !sheet.rows.is_empty()))
            .collect();
        Sheets { sheets, audit }
    }
}

type End<'a> = (&'a str, UnixMs, Option<f64>);

fn transaction_row(
    charger: ChargerKey,
    transaction: &Transaction,
    end: Option<End<'_>>,
) -> Result<Vec<Value>> {
    let (reason, ended_at, energy_wh) = match end {
        Some((reason, at, energy)) => (reason, Some(at.0), energy),
        None => ("", None, None),
    };
    Ok(row![
        transaction.id.0,
        charger,
        &*transaction.external_id,
        transaction.connector.evse,
        transaction.connector.connector,
        &*transaction.id_token,
        transaction.opened_at,
        transaction.started_at,
        transaction.meter_start_wh,
        ended_at,
        energy_wh,
        reason,
        json(transaction, "a transaction")?,
    ])
}

fn incident_row(incident: &Incident) -> Result<Vec<Value>> {
    Ok(row![
        incident.id.0,
        incident.state.name(),
        incident.rule.as_str(),
        incident.code.as_str(),
        i64::from(incident.severity),
        incident.source.name(),
        incident.charger,
        i64::from(incident.site.0),
        incident.needs_person,
        crate::incident::had_person(incident),
        crate::incident::is_healed(incident),
        incident.title.as_str(),
        incident.opened_at,
        incident.updated_at,
        incident.resolved_at.map(|at| at.0),
        incident.ticket.map(|ticket| ticket.0),
        json(incident, "an incident")?,
        incident.ties.breadth.name(),
        incident.ties.parent().map(|id| id.0),
        incident.ties.is_quiet(),
    ])
}
