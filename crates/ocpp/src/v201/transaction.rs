//! `TransactionEvent`: started, updated, ended.

use std::borrow::Cow;

use mendpoint_model::{
    ConnectorRef, EventKind, TransactionEnded, TransactionId, TransactionStarted,
    TransactionUpdated,
};

use super::parts::{Evse, read_id_token};
use crate::meter::MeterBook;
use crate::payload::Payload;
use crate::reply::Reply;
use crate::shared::used;
use mendpoint_model::Events;

#[derive(Debug, Default)]
struct Info {
    id: Option<String>,
    charging_state: Option<String>,
    stopped_reason: Option<String>,
}

impl Info {
    fn read(payload: &mut Payload<'_>) -> Self {
        let mut info = Self::default();
        if !payload.object("transactionInfo") {
            return info;
        }
        while let Some(key) = payload.key() {
            match &*key {
                "transactionId" => info.id = payload.filled("transactionId"),
                "chargingState" => info.charging_state = payload.filled("chargingState"),
                "stoppedReason" => info.stopped_reason = payload.filled("stoppedReason"),
                _ => payload.skip(),
            }
        }
        info
    }
}

/// Reads a `TransactionEvent`. Its measured values come as an event of their own: behind the start
/// and the update, but before the end, while there is a transaction to attach them to.
///
/// A message without an EVSE (they need to tell it once only, E02.FR.13) has its values at
/// [`ConnectorRef::CHARGER`]: they belong to the transaction of the event beside them.
pub(super) fn transaction_event(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut event_type = None;
    let mut at = None;
    let mut trigger = None;
    let mut seq_no = None;
    let mut offline = None;
    let mut reservation = None;
    let mut info = Info::default();
    let mut id_token = None;
    let mut evse = Evse::default();
    let mut book = MeterBook::default();
    while let Some(key) = payload.key() {
        match &*key {
            "eventType" => event_type = payload.text("eventType"),
            "timestamp" => at = payload.time("timestamp"),
            "triggerReason" => trigger = payload.filled("triggerReason"),
            "seqNo" => seq_no = payload.int("seqNo"),
            "offline" => offline = payload.flag("offline"),
            "reservationId" => reservation = payload.int("reservationId"),
            "transactionInfo" => info = Info::read(payload),
            "idToken" => id_token = read_id_token(payload),
            "evse" => evse = Evse::read(payload),
            "meterValue" => book.read(payload),
            _ => payload.skip(),
        }
    }
    let reply = match id_token {
        Some(_) => Reply::TransactionEventWithToken,
        None => Reply::TransactionEvent,
    };
    let event_type = event_type.unwrap_or_else(|| {
        payload.missing("eventType");
        Cow::default()
    });
    let seq_no = seq_no.unwrap_or_else(|| {
        payload.missing("seqNo");
        0
    });
    if info.id.is_none() {
        payload.missing("transactionId");
    }
    let external_id = info.id.unwrap_or_default();
    let offline = offline.unwrap_or_default();
    let connector = evse.at();
    let meter_wh = book.energy_wh().map(|energy| energy.round() as i64);
    let reading = book.reading(connector.unwrap_or(ConnectorRef::CHARGER), None);
    let reading = reading.map(EventKind::Meter);
    match event_type.trim() {
        "Started" => {
            events.push(EventKind::TransactionStarted(TransactionStarted {
                id: TransactionId(0),
                external_id,
                connector: connector.unwrap_or(ConnectorRef::CHARGER),
                id_token: id_token.unwrap_or_default(),
                meter_wh,
                at,
                seq_no,
                offline,
                charging_state: info.charging_state,
            }));
            events.extend(reading);
            events.extend(reservation.map(used));
        }
        "Ended" => {
            events.extend(reading);
            events.push(EventKind::TransactionEnded(TransactionEnded {
                id: TransactionId(0),
                external_id,
                connector,
                id_token,
                meter_wh,
                reason: info.stopped_reason.unwrap_or_else(|| "Local".to_owned()),
                at,
                seq_no,
                offline,
            }));
        }
        word => {
            if word != "Updated" {
                payload.note("eventType", "not one of OCPP's", word);
            }
            events.push(EventKind::TransactionUpdated(TransactionUpdated {
                external_id,
                connector,
                id_token,
                seq_no,
                offline,
                charging_state: info.charging_state,
                trigger: trigger.unwrap_or_default(),
                at,
            }));
            events.extend(reading);
            events.extend(reservation.map(used));
        }
    }
    reply
}
