//! Reading what 2.x chargers send: which message goes to which reader.

use std::borrow::Cow;

use mendpoint_model::{
    Authorize, Boot, ConnectorStatus, EventKind, Events, FirmwareReport, Protocol, StatusReport,
};

use super::added_in_21::{self, certificate_chain_status, vat_number};
use super::device_model::{notify_event, notify_monitoring_report, notify_report};
use super::parts::{Evse, read_id_token};
use super::transaction::transaction_event;
use crate::action::ActionList;
use crate::meter::MeterBook;
use crate::payload::Payload;
use crate::reply::Reply;
use crate::shared::{
    data_transfer, read_reservation_status, read_security_event, read_status, status_word,
};

/// Reads one message. Leaves `events` empty when it changes nothing here.
pub(crate) fn decode(
    protocol: Protocol,
    action: &str,
    payload: &mut Payload<'_>,
    events: &mut Events,
) -> Reply {
    let read: fn(&mut Payload<'_>, &mut Events) -> Reply = match action {
        "Heartbeat" => |payload, events| {
            payload.skip_fields();
            events.push(EventKind::Heartbeat);
            Reply::Heartbeat
        },
        "StatusNotification" => status,
        "TransactionEvent" => transaction_event,
        "MeterValues" => meter_values,
        "NotifyEvent" => notify_event,
        "NotifyReport" => notify_report,
        "NotifyMonitoringReport" => notify_monitoring_report,
        "BootNotification" => boot,
        "Authorize" => authorize,
        "FirmwareStatusNotification" => firmware,
        "LogStatusNotification" => log_status,
        "SecurityEventNotification" => security_event,
        "ReservationStatusUpdate" => |payload, events| {
            events.extend(read_reservation_status(payload));
            Reply::Empty
        },
        "DataTransfer" => data_transfer,
        "GetCertificateChainStatus" if protocol == Protocol::V21 => certificate_chain_status,
        "VatNumberValidation" if protocol == Protocol::V21 => vat_number,
        _ => match fixed_reply(protocol, action) {
            Some(reply) => {
                if payload.open() {
                    payload.skip_fields();
                    payload.close();
                }
                return reply;
            }
            None => return unknown(protocol, action),
        },
    };
    if !payload.open() {
        return reply_to_nothing(action);
    }
    let reply = read(payload, events);
    payload.close();
    reply
}

/// The answer to a message that is kept as it is, because nothing here is decided by it.
fn fixed_reply(protocol: Protocol, action: &str) -> Option<Reply> {
    let reply = match action {
        "ClearedChargingLimit"
        | "NotifyChargingLimit"
        | "NotifyCustomerInformation"
        | "NotifyDisplayMessages"
        | "PublishFirmwareStatusNotification"
        | "ReportChargingProfiles" => Reply::Empty,
        // We do no smart charging and have no certificate authority: a car's needs (K15) and
        // certificate requests (A02) are refused. A car's own schedule is taken (K16).
        "NotifyEVChargingNeeds" | "SignCertificate" => Reply::literal("{\"status\":\"Rejected\"}"),
        "NotifyEVChargingSchedule" => Reply::literal("{\"status\":\"Accepted\"}"),
        // No ISO 15118 certificates and no OCSP responder here (M01, M06).
        "Get15118EVCertificate" => Reply::literal("{\"status\":\"Failed\",\"exiResponse\":\"\"}"),
        "GetCertificateStatus" => Reply::literal("{\"status\":\"Failed\"}"),
        _ if protocol == Protocol::V21 => return added_in_21::fixed_reply(action),
        _ => return None,
    };
    Some(reply)
}

/// The answer to an action that is not the charger's to send (behaviour 47).
fn unknown(protocol: Protocol, action: &str) -> Reply {
    let list = ActionList::of(protocol);
    if list.find_sendable(action).is_some() {
        return Reply::Error {
            code: "NotSupported",
            description: "this action goes from the CSMS to the charging station".to_owned(),
        };
    }
    Reply::Error {
        code: "NotImplemented",
        description: format!("{} has no such action here", list.version),
    }
}

/// The answer to a payload that is no object: the normal one, as a refusal would be sent again for
/// ever. Nothing of it is worth keeping, so none is durable.
fn reply_to_nothing(action: &str) -> Reply {
    match action {
        "Heartbeat" => Reply::Heartbeat,
        "BootNotification" => Reply::Boot,
        "Authorize" => Reply::literal("{\"idTokenInfo\":{\"status\":\"Invalid\"}}"),
        "DataTransfer" => Reply::literal("{\"status\":\"UnknownVendorId\"}"),
        "GetCertificateChainStatus" => added_in_21::no_certificate_named(),
        "VatNumberValidation" => added_in_21::vat_reply("", None),
        _ => Reply::Empty,
    }
}

fn boot(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut boot = Boot::default();
    while let Some(key) = payload.key() {
        match &*key {
            "reason" => boot.reason = payload.filled("reason"),
            "chargingStation" => read_station(payload, &mut boot),
            _ => payload.skip(),
        }
    }
    if boot.vendor.is_empty() {
        payload.missing("vendorName");
    }
    if boot.model.is_empty() {
        payload.missing("model");
    }
    events.push(EventKind::Boot(boot));
    Reply::Boot
}

fn read_station(payload: &mut Payload<'_>, boot: &mut Boot) {
    if !payload.object("chargingStation") {
        return;
    }
    while let Some(key) = payload.key() {
        match &*key {
            "vendorName" => boot.vendor = payload.filled("vendorName").unwrap_or_default(),
            "model" => boot.model = payload.filled("model").unwrap_or_default(),
            "serialNumber" => boot.serial = payload.filled("serialNumber"),
            "firmwareVersion" => boot.firmware = payload.filled("firmwareVersion"),
            "modem" => {
                if payload.object("modem") {
                    while let Some(key) = payload.key() {
                        match &*key {
                            "iccid" => boot.iccid = payload.filled("iccid"),
                            "imsi" => boot.imsi = payload.filled("imsi"),
                            _ => payload.skip(),
                        }
                    }
                }
            }
            _ => payload.skip(),
        }
    }
}

/// The words of 2.x part 2 s3.16. Occupied becomes Preparing: whether energy flows is told by the
/// transaction's charging state.
pub(super) const STATUS_WORDS: &[ConnectorStatus] = &[
    ConnectorStatus::Available,
    ConnectorStatus::Reserved,
    ConnectorStatus::Unavailable,
    ConnectorStatus::Faulted,
];

/// The status of a word of 2.x.
pub(super) fn read_v201_status(
    payload: &mut Payload<'_>,
    word: &str,
) -> (ConnectorStatus, Option<String>) {
    if word == "Occupied" {
        return (ConnectorStatus::Preparing, None);
    }
    read_status(payload, word, STATUS_WORDS)
}

fn status(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut evse = Evse::default();
    let mut word = None;
    let mut at = None;
    while let Some(key) = payload.key() {
        match &*key {
            "evseId" => evse.id = payload.number("evseId"),
            "connectorId" => evse.connector = payload.number("connectorId"),
            "connectorStatus" => word = payload.text("connectorStatus"),
            "timestamp" => at = payload.time("timestamp"),
            _ => payload.skip(),
        }
    }
    let Some(connector) = evse.at() else {
        payload.missing("evseId");
        return Reply::Empty;
    };
    let word = word.unwrap_or_else(|| {
        payload.missing("connectorStatus");
        Cow::default()
    });
    let (status, raw_status) = read_v201_status(payload, &word);
    events.push(EventKind::Status(StatusReport { connector, status, raw_status, error: None, at }));
    Reply::Empty
}

fn meter_values(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut evse = Evse::default();
    let mut book = MeterBook::default();
    while let Some(key) = payload.key() {
        match &*key {
            "evseId" => evse.id = payload.number("evseId"),
            "meterValue" => book.read(payload),
            _ => payload.skip(),
        }
    }
    match evse.at() {
        Some(at) => events.extend(book.reading(at, None).map(EventKind::Meter)),
        None => payload.missing("evseId"),
    }
    Reply::Empty
}

fn authorize(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut id_token = None;
    while let Some(key) = payload.key() {
        match &*key {
            "idToken" => id_token = read_id_token(payload),
            _ => payload.skip(),
        }
    }
    let Some(id_token) = id_token else {
        payload.missing("idToken");
        return reply_to_nothing("Authorize");
    };
    events.push(EventKind::Authorize(Authorize { id_token, accepted: true, connector: None }));
    Reply::Authorize
}

fn firmware(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    events
        .extend(status_word(payload).map(|status| EventKind::Firmware(FirmwareReport { status })));
    Reply::Empty
}

fn log_status(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    events.extend(status_word(payload).map(EventKind::Diagnostics));
    Reply::Empty
}

fn security_event(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    events.extend(read_security_event(payload).map(EventKind::Security));
    Reply::Empty
}
