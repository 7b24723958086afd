//! What messages of several versions have in common.

use mendpoint_model::{
    ConnectorStatus, EventKind, Events, ReservationReport, ReservationStatus, SecurityReport,
};

use crate::payload::Payload;
use crate::reply::Reply;
use crate::signal;

/// Every status that OCPP of any version knows.
const EVERY_STATUS: [ConnectorStatus; 9] = [
    ConnectorStatus::Available,
    ConnectorStatus::Preparing,
    ConnectorStatus::Charging,
    ConnectorStatus::SuspendedEvse,
    ConnectorStatus::SuspendedEv,
    ConnectorStatus::Finishing,
    ConnectorStatus::Reserved,
    ConnectorStatus::Unavailable,
    ConnectorStatus::Faulted,
];

/// The status of a word, and the word itself when it is none of the version's own: another
/// version's word is understood all the same, anything else is unknown (behaviour 40).
pub(crate) fn read_status(
    payload: &mut Payload<'_>,
    word: &str,
    own: &[ConnectorStatus],
) -> (ConnectorStatus, Option<String>) {
    let trimmed = word.trim();
    let named = EVERY_STATUS.into_iter().find(|status| status.name().eq_ignore_ascii_case(trimmed));
    if let Some(status) = named.filter(|status| own.contains(status)) {
        return (status, None);
    }
    // Plugged in, and whether energy flows is told elsewhere: what 2.x and 1.5 say.
    let occupied = trimmed.eq_ignore_ascii_case("Occupied").then_some(ConnectorStatus::Preparing);
    let status = named.or(occupied).unwrap_or(ConnectorStatus::Unknown);
    payload.note("status", "not a word of this version", word);
    (status, Some(word.to_owned()))
}

/// The field `status` of a message that has little else.
pub(crate) fn status_word(payload: &mut Payload<'_>) -> Option<String> {
    let mut status = None;
    while let Some(key) = payload.key() {
        match &*key {
            "status" => status = payload.filled("status"),
            _ => payload.skip(),
        }
    }
    if status.is_none() {
        payload.missing("status");
    }
    status
}

/// `SecurityEventNotification`, the same in 1.6 and 2.x.
pub(crate) fn read_security_event(payload: &mut Payload<'_>) -> Option<SecurityReport> {
    let mut kind = None;
    let mut info = None;
    let mut at = None;
    while let Some(key) = payload.key() {
        match &*key {
            "type" => kind = payload.filled("type"),
            "techInfo" => info = payload.filled("techInfo"),
            "timestamp" => at = payload.time("timestamp"),
            _ => payload.skip(),
        }
    }
    if kind.is_none() {
        payload.missing("type");
    }
    Some(SecurityReport { kind: kind?, info, at })
}

/// `DataTransfer`, the same in every version. A signal strength is read (design 2.2c) and accepted;
/// no other vendor message is known here (behaviour 47).
pub(crate) fn data_transfer(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut vendor = None;
    let mut message = None;
    let mut data = None;
    while let Some(key) = payload.key() {
        match &*key {
            "vendorId" => vendor = payload.text("vendorId"),
            "messageId" => message = payload.text("messageId"),
            // Text by the specification, an object or a list from some chargers.
            "data" if payload.is_nested() => data = Some(payload.raw().into()),
            "data" => data = payload.loose_text(),
            _ => payload.skip(),
        }
    }
    if vendor.is_none() {
        payload.missing("vendorId");
    }
    let vendor = vendor.unwrap_or_default();
    let message = message.unwrap_or_default();
    let reading = data.and_then(|data| signal::from_vendor_data(&vendor, &message, &data));
    match reading {
        Some(reading) => {
            events.push(EventKind::Signal(reading));
            Reply::literal("{\"status\":\"Accepted\"}")
        }
        None => Reply::literal("{\"status\":\"UnknownVendorId\"}"),
    }
}

/// A transaction began with a reservation.
pub(crate) fn used(id: i64) -> EventKind {
    EventKind::Reservation(ReservationReport { id, status: ReservationStatus::Used })
}

/// Reads a `ReservationStatusUpdate`.
pub(crate) fn read_reservation_status(payload: &mut Payload<'_>) -> Option<EventKind> {
    let mut id = None;
    let mut status = None;
    while let Some(key) = payload.key() {
        match &*key {
            "reservationId" => id = payload.int("reservationId"),
            "reservationUpdateStatus" => status = payload.filled("reservationUpdateStatus"),
            _ => payload.skip(),
        }
    }
    if id.is_none() {
        payload.missing("reservationId");
    }
    let status = match status.as_deref().map(str::trim)? {
        "Expired" => ReservationStatus::Expired,
        // 2.1: nobody came, and the charger charges for that or not.
        "NoTransaction" | "Removed" => ReservationStatus::Removed,
        other => {
            payload.note("reservationUpdateStatus", "not one of OCPP's", other);
            return None;
        }
    };
    Some(EventKind::Reservation(ReservationReport { id: id?, status }))
}
