//! Reading what 1.6 chargers send.

use std::borrow::Cow;

use mendpoint_model::{
    Authorize, Boot, ConnectorRef, ConnectorStatus, ErrorReport, EventKind, Events, FirmwareReport,
    Protocol, StatusReport, TransactionEnded, TransactionId, TransactionStarted,
};

use crate::action::ActionList;
use crate::meter::MeterBook;
use crate::payload::Payload;
use crate::reply::Reply;
use crate::shared::{data_transfer, read_security_event, read_status, status_word, used};

/// The number that stands for a transaction that the charger did not name (behaviour 45).
const UNKNOWN_TRANSACTION: TransactionId = TransactionId(-1);

/// Reads one message. Leaves `events` empty when it changes nothing here.
pub(crate) fn decode(action: &str, payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let read: fn(&mut Payload<'_>, &mut Events) -> Reply = match action {
        "Heartbeat" => |payload, events| {
            payload.skip_fields();
            events.push(EventKind::Heartbeat);
            Reply::Heartbeat
        },
        "StatusNotification" => status,
        "MeterValues" => meter_values,
        "BootNotification" => boot,
        "Authorize" => authorize,
        "StartTransaction" => start_transaction,
        "StopTransaction" => stop_transaction,
        "DataTransfer" => data_transfer,
        "DiagnosticsStatusNotification" | "LogStatusNotification" => diagnostics,
        "FirmwareStatusNotification" | "SignedFirmwareStatusNotification" => firmware,
        "SecurityEventNotification" => security_event,
        // We have no certificate authority, and to say so is an answer (whitepaper A02).
        "SignCertificate" => |payload, _| {
            payload.skip_fields();
            Reply::literal("{\"status\":\"Rejected\"}")
        },
        _ => return unknown(action),
    };
    if !payload.open() {
        return reply_to_nothing(action);
    }
    let reply = read(payload, events);
    payload.close();
    reply
}

/// The answer to an action that is not the charger's to send (behaviour 47).
fn unknown(action: &str) -> Reply {
    let is_ours = ActionList::of(Protocol::V16).find_sendable(action).is_some();
    Reply::Error {
        code: if is_ours { "NotSupported" } else { "NotImplemented" },
        description: if is_ours {
            "this action goes from the central system to the charger".to_owned()
        } else {
            "OCPP 1.6 has no such action".to_owned()
        },
    }
}

/// The answer to a payload that is no object: the normal one wherever it can be given, as a
/// refusal would be sent again for ever. Nothing of it is worth keeping, so none is durable.
fn reply_to_nothing(action: &str) -> Reply {
    match action {
        "Heartbeat" => Reply::Heartbeat,
        "BootNotification" => Reply::Boot,
        "Authorize" => Reply::literal("{\"idTagInfo\":{\"status\":\"Invalid\"}}"),
        // There is nothing to give a transaction number to.
        "StartTransaction" => Reply::Error {
            code: "FormationViolation",
            description: "the payload is not a JSON object".to_owned(),
        },
        "DataTransfer" => Reply::literal("{\"status\":\"UnknownVendorId\"}"),
        "SignCertificate" => Reply::literal("{\"status\":\"Rejected\"}"),
        _ => Reply::Empty,
    }
}

fn boot(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut boot = Boot::default();
    let mut box_serial = None;
    while let Some(key) = payload.key() {
        match &*key {
            "chargePointVendor" => {
                boot.vendor = payload.filled("chargePointVendor").unwrap_or_default();
            }
            "chargePointModel" => {
                boot.model = payload.filled("chargePointModel").unwrap_or_default();
            }
            "chargePointSerialNumber" => boot.serial = payload.filled("chargePointSerialNumber"),
            "chargeBoxSerialNumber" => box_serial = payload.filled("chargeBoxSerialNumber"),
            "firmwareVersion" => boot.firmware = payload.filled("firmwareVersion"),
            "iccid" => boot.iccid = payload.filled("iccid"),
            "imsi" => boot.imsi = payload.filled("imsi"),
            _ => payload.skip(),
        }
    }
    // The old name of the serial number, the only one that some chargers fill in.
    boot.serial = boot.serial.or(box_serial);
    if boot.vendor.is_empty() {
        payload.missing("chargePointVendor");
    }
    if boot.model.is_empty() {
        payload.missing("chargePointModel");
    }
    events.push(EventKind::Boot(boot));
    Reply::Boot
}

fn status(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut connector = None;
    let mut status = None;
    let mut code = None;
    let mut error = ErrorReport::default();
    let mut at = None;
    while let Some(key) = payload.key() {
        match &*key {
            "connectorId" => connector = payload.number("connectorId"),
            "status" => status = payload.text("status"),
            "errorCode" => code = payload.text("errorCode"),
            "info" => error.info = payload.filled("info"),
            "vendorId" => error.vendor_id = payload.filled("vendorId"),
            "vendorErrorCode" => error.vendor_code = payload.filled("vendorErrorCode"),
            "timestamp" => at = payload.time("timestamp"),
            _ => payload.skip(),
        }
    }
    // A missing number must not become 0, which is the whole charger (behaviours 49, 54).
    let Some(connector) = connector else {
        payload.missing("connectorId");
        return Reply::Empty;
    };
    let status = status.unwrap_or_else(|| {
        payload.missing("status");
        Cow::default()
    });
    let (status, raw_status) = read_status(payload, &status, STATUS_WORDS);
    let code = code.unwrap_or_default();
    let code = code.trim();
    let is_error = !code.is_empty() && !code.eq_ignore_ascii_case("NoError");
    if is_error {
        code.clone_into(&mut error.code);
        if !ERROR_CODES.contains(&code) {
            payload.note("errorCode", "not one of OCPP's", code);
        }
    }
    let has_detail = error.vendor_code.is_some() || error.info.is_some();
    let is_vague = !is_error && status == ConnectorStatus::Faulted && has_detail;
    if is_vague {
        // Faulted without an error, all the truth in the vendor's fields (behaviour 56): that is
        // what OtherError is for.
        "OtherError".clone_into(&mut error.code);
        payload.note("errorCode", "Faulted without an error", code);
    }
    events.push(EventKind::Status(StatusReport {
        connector: ConnectorRef::v16(connector),
        status,
        raw_status,
        error: (is_error || is_vague).then_some(error),
        at,
    }));
    Reply::Empty
}

/// The words of 1.6 s7.7.
const STATUS_WORDS: &[ConnectorStatus] = &[
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

/// The words of 1.6 s7.6, without `NoError`.
const ERROR_CODES: &[&str] = &[
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "OtherError",
    "OverCurrentFailure",
    "OverVoltage",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "WeakSignal",
];

fn meter_values(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut connector = None;
    let mut transaction = None;
    let mut book = MeterBook::default();
    while let Some(key) = payload.key() {
        match &*key {
            "connectorId" => connector = payload.number("connectorId"),
            "transactionId" => transaction = payload.transaction("transactionId"),
            "meterValue" => book.read(payload),
            _ => payload.skip(),
        }
    }
    if connector.is_none() {
        payload.missing("connectorId");
    }
    // Without a connector the transaction alone says where (behaviour 61).
    if connector.is_some() || transaction.is_some() {
        let connector = ConnectorRef::v16(connector.unwrap_or_default());
        events.extend(book.reading(connector, transaction).map(EventKind::Meter));
    }
    Reply::Empty
}

fn authorize(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut id_token = None;
    while let Some(key) = payload.key() {
        match &*key {
            "idTag" => id_token = payload.filled("idTag"),
            _ => payload.skip(),
        }
    }
    let Some(id_token) = id_token else {
        payload.missing("idTag");
        return reply_to_nothing("Authorize");
    };
    events.push(EventKind::Authorize(Authorize { id_token, accepted: true, connector: None }));
    Reply::Authorize
}

fn start_transaction(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut reservation = None;
    let mut connector = None;
    let mut id_token = None;
    let mut meter_wh = None;
    let mut at = None;
    while let Some(key) = payload.key() {
        match &*key {
            "connectorId" => connector = payload.number("connectorId"),
            "idTag" => id_token = payload.filled("idTag"),
            "meterStart" => meter_wh = payload.int("meterStart"),
            "reservationId" => reservation = payload.int("reservationId"),
            "timestamp" => at = payload.time("timestamp"),
            _ => payload.skip(),
        }
    }
    if connector.is_none() {
        payload.missing("connectorId");
    }
    if id_token.is_none() {
        payload.missing("idTag");
    }
    if meter_wh.is_none() {
        payload.missing("meterStart");
    }
    events.push(EventKind::TransactionStarted(TransactionStarted {
        id: TransactionId(0),
        external_id: String::new(),
        connector: ConnectorRef::v16(connector.unwrap_or_default()),
        id_token: id_token.unwrap_or_default(),
        meter_wh,
        at,
        seq_no: 0,
        offline: false,
        charging_state: None,
    }));
    events.extend(reservation.map(used));
    Reply::StartTransaction
}

fn stop_transaction(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    let mut transaction = None;
    let mut id_token = None;
    let mut meter_wh = None;
    let mut reason = None;
    let mut at = None;
    let mut book = MeterBook::default();
    while let Some(key) = payload.key() {
        match &*key {
            "transactionId" => transaction = payload.transaction("transactionId"),
            "idTag" => id_token = payload.filled("idTag"),
            "meterStop" => meter_wh = payload.int("meterStop"),
            "timestamp" => at = payload.time("timestamp"),
            "reason" => reason = payload.filled("reason"),
            "transactionData" => book.read(payload),
            _ => payload.skip(),
        }
    }
    if transaction.is_none() {
        payload.missing("transactionId");
    }
    if meter_wh.is_none() {
        payload.missing("meterStop");
    }
    // First the values, while there is a transaction to attach them to (behaviour 61).
    let reading = transaction.and_then(|id| book.reading(ConnectorRef::CHARGER, Some(id)));
    events.extend(reading.map(EventKind::Meter));
    let has_token = id_token.is_some();
    events.push(EventKind::TransactionEnded(TransactionEnded {
        id: transaction.unwrap_or(UNKNOWN_TRANSACTION),
        external_id: String::new(),
        connector: None,
        id_token,
        meter_wh: meter_wh.or_else(|| book.energy_wh().map(|energy| energy.round() as i64)),
        reason: reason.unwrap_or_else(|| "Local".to_owned()),
        at,
        seq_no: 0,
        offline: false,
    }));
    if has_token { Reply::StopTransactionWithToken } else { Reply::StopTransaction }
}

fn diagnostics(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    events.extend(status_word(payload).map(EventKind::Diagnostics));
    Reply::Empty
}

fn firmware(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    events
        .extend(status_word(payload).map(|status| EventKind::Firmware(FirmwareReport { status })));
    Reply::Empty
}

fn security_event(payload: &mut Payload<'_>, events: &mut Events) -> Reply {
    events.extend(read_security_event(payload).map(EventKind::Security));
    Reply::Empty
}
