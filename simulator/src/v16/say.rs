//! Messages of a 1.6 charger.

use mendpoint_model::ConnectorStatus;
use rust_ocpp::v1_6::messages::{
    authorize::AuthorizeRequest, boot_notification::BootNotificationRequest,
    data_transfer::DataTransferRequest,
    diagnostics_status_notification::DiagnosticsStatusNotificationRequest,
    firmware_status_notification::FirmwareStatusNotificationRequest, heart_beat::HeartbeatRequest,
    meter_values::MeterValuesRequest, start_transaction::StartTransactionRequest,
    status_notification::StatusNotificationRequest, stop_transaction::StopTransactionRequest,
};
use rust_ocpp::v1_6::types::{
    ChargePointErrorCode, ChargePointStatus, DiagnosticsStatus, FirmwareStatus, Location,
    Measurand, MeterValue, ReadingContext, Reason, SampledValue, UnitOfMeasure,
};

use super::time;
use crate::core::ChargerCore;
use crate::core::connector::StopReason;
use crate::core::outbox::{Body, Message, Purpose};
use crate::core::transfer_words::{FirmwareWord, UploadWord};
use crate::{Current, Fault, LinkKind};

pub(crate) fn boot(core: &mut ChargerCore) -> Message {
    let firmware = core.boot_firmware();
    let spec = &core.spec;
    let sim = (spec.link == LinkKind::Cellular).then(|| sim_of(&spec.identity));
    let request = BootNotificationRequest {
        charge_box_serial_number: None,
        charge_point_model: cut(&spec.model, 20),
        charge_point_serial_number: Some(cut(&spec.serial, 25)),
        charge_point_vendor: cut(&spec.vendor, 20),
        firmware_version: Some(cut(&firmware, 50)),
        iccid: sim.as_ref().map(|(iccid, _)| iccid.clone()),
        imsi: sim.map(|(_, imsi)| imsi),
        meter_serial_number: None,
        meter_type: Some("ModbusTCP".to_owned()),
    };
    Message::new("BootNotification", Purpose::Boot, &request)
}

/// ICCID and IMSI of a Romanian test network, the same for the same charger.
pub(crate) fn sim_of(identity: &str) -> (String, String) {
    let number = crate::seed::mix(1, identity) % 1_000_000_000;
    (format!("8940010{number:012}"), format!("226010{number:09}"))
}

pub(crate) fn heartbeat(_core: &ChargerCore) -> Message {
    Message::new("Heartbeat", Purpose::Heartbeat, &HeartbeatRequest {})
}

pub(crate) fn status(
    core: &ChargerCore,
    number: u16,
    status: ConnectorStatus,
    fault: Option<&Fault>,
) -> Message {
    let request = StatusNotificationRequest {
        connector_id: u32::from(number),
        error_code: fault.map_or(ChargePointErrorCode::NoError, |fault| error_code(&fault.code)),
        info: fault.and_then(|fault| fault.info.as_deref()).map(|info| cut(info, 50)),
        status: match status {
            ConnectorStatus::Available | ConnectorStatus::Unknown => ChargePointStatus::Available,
            ConnectorStatus::Preparing => ChargePointStatus::Preparing,
            ConnectorStatus::Charging => ChargePointStatus::Charging,
            ConnectorStatus::SuspendedEvse => ChargePointStatus::SuspendedEVSE,
            ConnectorStatus::SuspendedEv => ChargePointStatus::SuspendedEV,
            ConnectorStatus::Finishing => ChargePointStatus::Finishing,
            ConnectorStatus::Reserved => ChargePointStatus::Reserved,
            ConnectorStatus::Unavailable => ChargePointStatus::Unavailable,
            ConnectorStatus::Faulted => ChargePointStatus::Faulted,
        },
        timestamp: Some(time(core.now)),
        vendor_id: fault.and_then(|fault| fault.vendor_code.as_deref()).map(|code| {
            // MREC codes travel under the consortium's id, a maker's own under the maker's.
            if code.starts_with("CX") {
                "https://chargex.inl.gov".to_owned()
            } else {
                core.spec.vendor.clone()
            }
        }),
        vendor_error_code: fault.and_then(|fault| fault.vendor_code.clone()),
    };
    Message::new("StatusNotification", Purpose::Status { connector: number }, &request)
}

/// The code as the type knows it; a word of a vendor's own is sent as `OtherError`.
fn error_code(code: &str) -> ChargePointErrorCode {
    serde_json::from_value(serde_json::Value::String(code.to_owned()))
        .unwrap_or(ChargePointErrorCode::OtherError)
}

pub(crate) fn authorize(core: &ChargerCore, index: usize, turn: u32) -> Message {
    let connector = &core.connectors[index];
    let token = connector.session.as_ref().map(|session| session.token.clone());
    let request = AuthorizeRequest { id_tag: token.unwrap_or_default() };
    Message::new("Authorize", Purpose::Authorize { connector: connector.number, turn }, &request)
}

pub(crate) fn started(core: &ChargerCore, index: usize) -> Message {
    let connector = &core.connectors[index];
    let (token, tx) = match &connector.tx {
        Some(tx) => (tx.token.clone(), tx.local),
        None => (String::new(), 0),
    };
    let request = StartTransactionRequest {
        connector_id: u32::from(connector.number),
        id_tag: token,
        meter_start: connector.register_wh as i32,
        reservation_id: None,
        timestamp: time(core.now),
    };
    Message::with_body("StartTransaction", Purpose::Start { tx }, Body::Start16(Box::new(request)))
}

pub(crate) fn meter(core: &ChargerCore, index: usize, triggered: bool) -> Message {
    let connector = &core.connectors[index];
    let context = if triggered { ReadingContext::Trigger } else { ReadingContext::SamplePeriodic };
    let request = MeterValuesRequest {
        connector_id: u32::from(connector.number),
        transaction_id: None,
        meter_value: vec![sample(core, index, &context)],
    };
    match &connector.tx {
        Some(tx) => Message::with_body(
            "MeterValues",
            Purpose::During { tx: tx.local },
            Body::Meter16(Box::new(request)),
        ),
        None => Message::new("MeterValues", Purpose::Other, &request),
    }
}

fn sample(core: &ChargerCore, index: usize, context: &ReadingContext) -> MeterValue {
    let connector = &core.connectors[index];
    let value = |value: String, measurand: Measurand, unit: UnitOfMeasure| SampledValue {
        value,
        context: Some(context.clone()),
        format: None,
        measurand: Some(measurand),
        phase: None,
        location: Some(Location::Outlet),
        unit: Some(unit),
    };
    let power_w = connector.tx.as_ref().map_or(0.0, |tx| tx.power_w);
    let volts = if core.spec.current == Current::Ac { 230.0 } else { 398.0 };
    let phases = if core.spec.current == Current::Ac { 3.0 } else { 1.0 };
    let mut values = vec![
        value(
            format!("{:.0}", connector.register_wh),
            Measurand::EnergyActiveImportRegister,
            UnitOfMeasure::Wh,
        ),
        value(format!("{power_w:.0}"), Measurand::PowerActiveImport, UnitOfMeasure::W),
        value(
            format!("{:.1}", power_w / volts / phases),
            Measurand::CurrentImport,
            UnitOfMeasure::A,
        ),
        value(format!("{volts:.1}"), Measurand::Voltage, UnitOfMeasure::V),
    ];
    if core.spec.current == Current::Dc
        && let Some(session) = &connector.session
    {
        let mut soc =
            value(format!("{:.0}", session.battery.soc), Measurand::SoC, UnitOfMeasure::Percent);
        soc.location = Some(Location::Ev);
        values.push(soc);
    }
    MeterValue { timestamp: time(core.now), sampled_value: values }
}

pub(crate) fn stopped(core: &ChargerCore, index: usize, reason: StopReason) -> Option<Message> {
    let connector = &core.connectors[index];
    let tx = connector.tx.as_ref()?;
    let request = StopTransactionRequest {
        id_tag: (reason == StopReason::Local).then(|| tx.token.clone()),
        meter_stop: connector.register_wh as i32,
        timestamp: time(core.now),
        transaction_id: 0,
        reason: Some(match reason {
            StopReason::Local => Reason::Local,
            StopReason::Remote => Reason::Remote,
            StopReason::EvDisconnected => Reason::EVDisconnected,
            StopReason::DeAuthorized => Reason::DeAuthorized,
            StopReason::UnlockCommand => Reason::UnlockCommand,
            StopReason::SoftReset => Reason::SoftReset,
            StopReason::HardReset => Reason::HardReset,
            StopReason::PowerLoss => Reason::PowerLoss,
            StopReason::Other => Reason::Other,
        }),
        transaction_data: None,
    };
    let purpose = Purpose::Stop { tx: tx.local };
    Some(Message::with_body("StopTransaction", purpose, Body::Stop16(Box::new(request))))
}

/// The strength of the radio link. 1.6 has no message for it; makers send it as a `DataTransfer`.
pub(crate) fn signal(core: &ChargerCore, dbm: i32) -> Message {
    let transport = if core.spec.link == LinkKind::Wifi { "wifi" } else { "cellular" };
    let request = DataTransferRequest {
        vendor_string: core.spec.vendor.clone(),
        message_id: Some("SignalStrength".to_owned()),
        data: Some(format!("{{\"transport\":\"{transport}\",\"rssi\":{dbm}}}")),
    };
    Message::new("DataTransfer", Purpose::Other, &request)
}

pub(crate) fn upload(word: UploadWord) -> Message {
    let status = match word {
        UploadWord::Idle => DiagnosticsStatus::Idle,
        UploadWord::Uploading => DiagnosticsStatus::Uploading,
        UploadWord::Uploaded => DiagnosticsStatus::Uploaded,
        UploadWord::Failed => DiagnosticsStatus::UploadFailed,
    };
    let request = DiagnosticsStatusNotificationRequest { status };
    Message::new("DiagnosticsStatusNotification", Purpose::Other, &request)
}

pub(crate) fn firmware(word: FirmwareWord) -> Message {
    let status = match word {
        FirmwareWord::Idle => FirmwareStatus::Idle,
        FirmwareWord::Downloading => FirmwareStatus::Downloading,
        FirmwareWord::Downloaded | FirmwareWord::SignatureVerified => FirmwareStatus::Downloaded,
        FirmwareWord::DownloadFailed => FirmwareStatus::DownloadFailed,
        FirmwareWord::Installing | FirmwareWord::InstallRebooting => FirmwareStatus::Installing,
        FirmwareWord::Installed => FirmwareStatus::Installed,
    };
    let request = FirmwareStatusNotificationRequest { status };
    Message::new("FirmwareStatusNotification", Purpose::Other, &request)
}

/// The text, no longer than the version allows.
pub(crate) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
