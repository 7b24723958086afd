//! Messages of a 2.0.1 charger. Each EVSE has one connector, number 1.

use mendpoint_model::ConnectorStatus;
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;
use rust_ocpp::v2_0_1::datatypes::{
    charging_station_type::ChargingStationType, component_type::ComponentType,
    event_data_type::EventDataType, evse_type::EVSEType, id_token_type::IdTokenType,
    meter_value_type::MeterValueType, modem_type::ModemType, sampled_value_type::SampledValueType,
    transaction_type::TransactionType, unit_of_measure_type::UnitOfMeasureType,
    variable_type::VariableType,
};
use rust_ocpp::v2_0_1::enumerations::{
    boot_reason_enum_type::BootReasonEnumType, charging_state_enum_type::ChargingStateEnumType,
    connector_status_enum_type::ConnectorStatusEnumType,
    event_notification_enum_type::EventNotificationEnumType,
    event_trigger_enum_type::EventTriggerEnumType,
    firmware_status_enum_type::FirmwareStatusEnumType, id_token_enum_type::IdTokenEnumType,
    location_enum_type::LocationEnumType, measurand_enum_type::MeasurandEnumType,
    monitor_enum_type::MonitorEnumType, reading_context_enum_type::ReadingContextEnumType,
    reason_enum_type::ReasonEnumType,
    reservation_update_status_enum_type::ReservationUpdateStatusEnumType,
    transaction_event_enum_type::TransactionEventEnumType,
    trigger_reason_enum_type::TriggerReasonEnumType,
    upload_log_status_enum_type::UploadLogStatusEnumType,
};
use rust_ocpp::v2_0_1::messages::{
    authorize::AuthorizeRequest, boot_notification::BootNotificationRequest,
    firmware_status_notification::FirmwareStatusNotificationRequest, heartbeat::HeartbeatRequest,
    log_status_notification::LogStatusNotificationRequest, meter_values::MeterValuesRequest,
    notify_event::NotifyEventRequest, reservation_status_update::ReservationStatusUpdateRequest,
    status_notification::StatusNotificationRequest, transaction_event::TransactionEventRequest,
};

use super::time;
use crate::core::ChargerCore;
use crate::core::connector::{Phase, StopReason};
use crate::core::link_words::BootReason;
use crate::core::outbox::{Message, Purpose};
use crate::core::transfer_words::{FirmwareWord, UploadWord};
use crate::v16::say::{cut, sim_of};
use crate::{Current, Fault, LinkKind};

pub(crate) fn boot(core: &mut ChargerCore) -> Message {
    let firmware = core.boot_firmware();
    let spec = &core.spec;
    let modem = (spec.link == LinkKind::Cellular).then(|| {
        let (iccid, imsi) = sim_of(&spec.identity);
        ModemType { iccid: Some(iccid), imsi: Some(imsi) }
    });
    let request = BootNotificationRequest {
        reason: match core.link.boot_reason {
            BootReason::PowerUp => BootReasonEnumType::PowerUp,
            BootReason::RemoteReset => BootReasonEnumType::RemoteReset,
            BootReason::FirmwareUpdate => BootReasonEnumType::FirmwareUpdate,
            BootReason::Triggered => BootReasonEnumType::Triggered,
        },
        charging_station: ChargingStationType {
            serial_number: Some(cut(&spec.serial, 25)),
            model: cut(&spec.model, 20),
            vendor_name: cut(&spec.vendor, 50),
            firmware_version: Some(cut(&firmware, 50)),
            modem,
        },
    };
    Message::new("BootNotification", Purpose::Boot, &request)
}

pub(crate) fn heartbeat(_core: &ChargerCore) -> Message {
    Message::new("Heartbeat", Purpose::Heartbeat, &HeartbeatRequest {})
}

/// The five statuses of 2.0.1: what a car does is told by its transaction.
pub(crate) fn coarse(status: ConnectorStatus) -> ConnectorStatus {
    match status {
        ConnectorStatus::Charging
        | ConnectorStatus::SuspendedEv
        | ConnectorStatus::SuspendedEvse
        | ConnectorStatus::Finishing => ConnectorStatus::Preparing,
        other => other,
    }
}

pub(crate) fn status(core: &ChargerCore, number: u16, status: ConnectorStatus) -> Message {
    let request = StatusNotificationRequest {
        timestamp: time(core.now),
        connector_status: match coarse(status) {
            ConnectorStatus::Reserved => ConnectorStatusEnumType::Reserved,
            ConnectorStatus::Unavailable => ConnectorStatusEnumType::Unavailable,
            ConnectorStatus::Faulted => ConnectorStatusEnumType::Faulted,
            ConnectorStatus::Preparing => ConnectorStatusEnumType::Occupied,
            _ => ConnectorStatusEnumType::Available,
        },
        evse_id: i32::from(number),
        connector_id: 1,
    };
    Message::new("StatusNotification", Purpose::Status { connector: number }, &request)
}

fn token_of(text: &str) -> IdTokenType {
    IdTokenType {
        id_token: text.to_owned(),
        kind: IdTokenEnumType::ISO14443,
        additional_info: None,
    }
}

pub(crate) fn authorize(core: &ChargerCore, index: usize, turn: u32) -> Message {
    let connector = &core.connectors[index];
    let token = connector.session.as_ref().map_or("", |session| session.token.as_str());
    let request = AuthorizeRequest {
        certificate: None,
        id_token: token_of(token),
        iso_15118_certificate_hash_data: None,
    };
    Message::new("Authorize", Purpose::Authorize { connector: connector.number, turn }, &request)
}

/// What differs between the events of one transaction.
struct Event {
    kind: TransactionEventEnumType,
    trigger: TriggerReasonEnumType,
    state: ChargingStateEnumType,
    reason: Option<ReasonEnumType>,
    with_token: bool,
    context: ReadingContextEnumType,
}

fn event(core: &mut ChargerCore, index: usize, event: Event) -> Option<Message> {
    let offline = !core.is_online();
    let values = vec![sample(core, index, &event.context)];
    let (now, purpose_start) = (core.now, event.kind == TransactionEventEnumType::Started);
    let connector = &mut core.connectors[index];
    let number = connector.number;
    let tx = connector.tx.as_mut()?;
    let ended = event.kind == TransactionEventEnumType::Ended;
    let request = TransactionEventRequest {
        event_type: event.kind,
        timestamp: time(now),
        trigger_reason: event.trigger,
        seq_no: tx.next_seq(),
        offline: offline.then_some(true),
        number_of_phases_used: None,
        cable_max_current: None,
        reservation_id: None,
        transaction_info: TransactionType {
            transaction_id: tx.external.clone(),
            charging_state: Some(event.state),
            time_spent_charging: ended
                .then(|| i32::try_from(now.since_ms(tx.started_at) / 1_000).unwrap_or(i32::MAX)),
            stopped_reason: event.reason,
            remote_start_id: tx.remote_start.filter(|_| purpose_start),
        },
        id_token: event.with_token.then(|| token_of(&tx.token)),
        evse: Some(EVSEType { id: i32::from(number), connector_id: Some(1) }),
        meter_value: Some(values),
    };
    let purpose = match (purpose_start, ended) {
        (true, _) => Purpose::Start { tx: tx.local },
        (_, true) => Purpose::Stop { tx: tx.local },
        _ => Purpose::During { tx: tx.local },
    };
    Some(Message::new("TransactionEvent", purpose, &request))
}

/// The start of a transaction: plugged in and known, then charging.
pub(crate) fn started(core: &mut ChargerCore, index: usize) -> Vec<Message> {
    let remote = core.connectors[index].tx.as_ref().is_some_and(|tx| tx.remote_start.is_some());
    let trigger = if remote {
        TriggerReasonEnumType::RemoteStart
    } else {
        TriggerReasonEnumType::CablePluggedIn
    };
    let begins = Event {
        kind: TransactionEventEnumType::Started,
        trigger,
        state: ChargingStateEnumType::EVConnected,
        reason: None,
        with_token: true,
        context: ReadingContextEnumType::TransactionBegin,
    };
    let flows = Event {
        kind: TransactionEventEnumType::Updated,
        trigger: TriggerReasonEnumType::ChargingStateChanged,
        state: ChargingStateEnumType::Charging,
        reason: None,
        with_token: false,
        context: ReadingContextEnumType::Other,
    };
    let begins = event(core, index, begins);
    let flows = event(core, index, flows);
    begins.into_iter().chain(flows).collect()
}

fn state_of(core: &ChargerCore, index: usize) -> ChargingStateEnumType {
    let connector = &core.connectors[index];
    match connector.phase() {
        Some(Phase::Full) => ChargingStateEnumType::SuspendedEV,
        _ if connector.tx.as_ref().is_some_and(|tx| tx.power_w < 1.0) => {
            ChargingStateEnumType::SuspendedEVSE
        }
        _ => ChargingStateEnumType::Charging,
    }
}

pub(crate) fn charging_state(core: &mut ChargerCore, index: usize) -> Option<Message> {
    let update = Event {
        kind: TransactionEventEnumType::Updated,
        trigger: TriggerReasonEnumType::ChargingStateChanged,
        state: state_of(core, index),
        reason: None,
        with_token: false,
        context: ReadingContextEnumType::Other,
    };
    event(core, index, update)
}

pub(crate) fn meter(core: &mut ChargerCore, index: usize, triggered: bool) -> Message {
    let context = if triggered {
        ReadingContextEnumType::Trigger
    } else {
        ReadingContextEnumType::SamplePeriodic
    };
    if core.connectors[index].tx.is_some() && !triggered {
        let update = Event {
            kind: TransactionEventEnumType::Updated,
            trigger: TriggerReasonEnumType::MeterValuePeriodic,
            state: state_of(core, index),
            reason: None,
            with_token: false,
            context: context.clone(),
        };
        if let Some(message) = event(core, index, update) {
            return message;
        }
    }
    let request = MeterValuesRequest {
        evse_id: i32::from(core.connectors[index].number),
        meter_value: vec![sample(core, index, &context)],
    };
    Message::new("MeterValues", Purpose::Other, &request)
}

/// The state of a running transaction, because the server asked for it.
pub(crate) fn triggered_transaction(core: &mut ChargerCore, index: usize) -> Option<Message> {
    let update = Event {
        kind: TransactionEventEnumType::Updated,
        trigger: TriggerReasonEnumType::Trigger,
        state: state_of(core, index),
        reason: None,
        with_token: false,
        context: ReadingContextEnumType::Trigger,
    };
    event(core, index, update)
}

fn sample(core: &ChargerCore, index: usize, context: &ReadingContextEnumType) -> MeterValueType {
    let connector = &core.connectors[index];
    let value =
        |value: f64, digits: u32, measurand: MeasurandEnumType, unit: &str| SampledValueType {
            value: Decimal::from_f64(value).unwrap_or_default().round_dp(digits),
            context: Some(context.clone()),
            measurand: Some(measurand),
            phase: None,
            location: Some(LocationEnumType::Outlet),
            signed_meter_value: None,
            unit_of_measure: Some(UnitOfMeasureType {
                unit: Some(unit.to_owned()),
                multiplier: None,
            }),
        };
    let power_w = connector.tx.as_ref().map_or(0.0, |tx| tx.power_w);
    let (volts, phases) =
        if core.spec.current == Current::Ac { (230.0, 3.0) } else { (398.0, 1.0) };
    let mut values = vec![
        value(connector.register_wh, 0, MeasurandEnumType::EnergyActiveImportRegister, "Wh"),
        value(power_w, 0, MeasurandEnumType::PowerActiveImport, "W"),
        value(power_w / volts / phases, 1, MeasurandEnumType::CurrentImport, "A"),
        value(volts, 0, MeasurandEnumType::Voltage, "V"),
    ];
    if core.spec.current == Current::Dc
        && let Some(session) = &connector.session
    {
        let mut soc = value(session.battery.soc, 0, MeasurandEnumType::SoC, "Percent");
        soc.location = Some(LocationEnumType::EV);
        values.push(soc);
    }
    MeterValueType { timestamp: time(core.now), sampled_value: values }
}

pub(crate) fn stopped(core: &mut ChargerCore, index: usize, reason: StopReason) -> Option<Message> {
    let (trigger, reason, with_token) = match reason {
        StopReason::Local => (TriggerReasonEnumType::StopAuthorized, ReasonEnumType::Local, true),
        StopReason::Remote => (TriggerReasonEnumType::RemoteStop, ReasonEnumType::Remote, false),
        StopReason::EvDisconnected => {
            (TriggerReasonEnumType::EVDeparted, ReasonEnumType::EVDisconnected, false)
        }
        StopReason::DeAuthorized => {
            (TriggerReasonEnumType::Deauthorized, ReasonEnumType::DeAuthorized, false)
        }
        StopReason::UnlockCommand => {
            (TriggerReasonEnumType::UnlockCommand, ReasonEnumType::Remote, false)
        }
        StopReason::SoftReset => {
            (TriggerReasonEnumType::ResetCommand, ReasonEnumType::Reboot, false)
        }
        StopReason::HardReset => {
            (TriggerReasonEnumType::ResetCommand, ReasonEnumType::ImmediateReset, false)
        }
        StopReason::PowerLoss => {
            (TriggerReasonEnumType::AbnormalCondition, ReasonEnumType::PowerLoss, false)
        }
        StopReason::Other => {
            (TriggerReasonEnumType::AbnormalCondition, ReasonEnumType::Other, false)
        }
    };
    let ended = Event {
        kind: TransactionEventEnumType::Ended,
        trigger,
        state: ChargingStateEnumType::EVConnected,
        reason: Some(reason),
        with_token,
        context: ReadingContextEnumType::TransactionEnd,
    };
    event(core, index, ended)
}

/// A fault that comes or goes: `NotifyEvent` (behaviour 63).
pub(crate) fn fault(core: &mut ChargerCore, fault: &Fault, active: bool) -> Message {
    core.next_event_id += 1;
    let monitor = core.device.monitor_of(&fault.component, fault.connector, &fault.variable);
    let trigger = match monitor {
        Some((_, MonitorEnumType::Delta)) => EventTriggerEnumType::Delta,
        _ => EventTriggerEnumType::Alerting,
    };
    let data = EventDataType {
        event_id: core.next_event_id,
        timestamp: time(core.now),
        trigger,
        cause: None,
        actual_value: active.to_string(),
        tech_code: Some(fault.vendor_code.clone().unwrap_or_else(|| fault.code.clone())),
        tech_info: Some(match &fault.info {
            Some(info) => format!("{}: {info}", fault.code),
            None => fault.code.clone(),
        }),
        cleared: (!active).then_some(true),
        transaction_id: None,
        variable_monitoring_id: monitor.as_ref().map(|(id, _)| *id),
        event_notification_type: if monitor.is_some() {
            EventNotificationEnumType::CustomMonitor
        } else {
            EventNotificationEnumType::HardWiredNotification
        },
        component: ComponentType {
            name: fault.component.clone(),
            instance: None,
            evse: (fault.connector > 0)
                .then(|| EVSEType { id: i32::from(fault.connector), connector_id: Some(1) }),
        },
        variable: VariableType { name: fault.variable.clone(), instance: None },
    };
    notify(core, data, Purpose::Kept)
}

fn notify(core: &ChargerCore, data: EventDataType, purpose: Purpose) -> Message {
    let request = NotifyEventRequest {
        generated_at: time(core.now),
        tbc: None,
        seq_no: 0,
        event_data: vec![data],
    };
    Message::new("NotifyEvent", purpose, &request)
}

/// The maker's own monitor of the radio link.
const PERIODIC_MONITOR: i32 = 1;

/// A reading of the radio link: `DataLink.SignalStrength`, in dBm.
pub(crate) fn signal(core: &mut ChargerCore, dbm: i32) -> Message {
    core.next_event_id += 1;
    let instance = if core.spec.link == LinkKind::Wifi { "WiFi" } else { "Cellular" };
    let below = core.device.threshold_of("DataLink", "SignalStrength");
    let below = below.filter(|(_, threshold)| f64::from(dbm) < *threshold);
    let data = EventDataType {
        event_id: core.next_event_id,
        timestamp: time(core.now),
        trigger: if below.is_some() {
            EventTriggerEnumType::Alerting
        } else {
            EventTriggerEnumType::Periodic
        },
        cause: None,
        actual_value: dbm.to_string(),
        tech_code: None,
        tech_info: None,
        cleared: None,
        transaction_id: None,
        variable_monitoring_id: Some(below.map_or(PERIODIC_MONITOR, |(id, _)| id)),
        event_notification_type: if below.is_some() {
            EventNotificationEnumType::CustomMonitor
        } else {
            EventNotificationEnumType::PreconfiguredMonitor
        },
        component: ComponentType {
            name: "DataLink".to_owned(),
            instance: Some(instance.to_owned()),
            evse: None,
        },
        variable: VariableType { name: "SignalStrength".to_owned(), instance: None },
    };
    notify(core, data, Purpose::Other)
}

pub(crate) fn reservation_expired(id: i32) -> Message {
    let request = ReservationStatusUpdateRequest {
        reservation_id: id,
        reservation_update_status: ReservationUpdateStatusEnumType::Expired,
    };
    Message::new("ReservationStatusUpdate", Purpose::Other, &request)
}

pub(crate) fn upload(word: UploadWord, request_id: Option<i32>) -> Message {
    let status = match word {
        UploadWord::Idle => UploadLogStatusEnumType::Idle,
        UploadWord::Uploading => UploadLogStatusEnumType::Uploading,
        UploadWord::Uploaded => UploadLogStatusEnumType::Uploaded,
        UploadWord::Failed => UploadLogStatusEnumType::UploadFailure,
    };
    let request = LogStatusNotificationRequest { status, request_id };
    Message::new("LogStatusNotification", Purpose::Other, &request)
}

pub(crate) fn firmware(word: FirmwareWord, request_id: Option<i32>) -> Message {
    let status = match word {
        FirmwareWord::Idle => FirmwareStatusEnumType::Idle,
        FirmwareWord::Downloading => FirmwareStatusEnumType::Downloading,
        FirmwareWord::Downloaded => FirmwareStatusEnumType::Downloaded,
        FirmwareWord::DownloadFailed => FirmwareStatusEnumType::DownloadFailed,
        FirmwareWord::SignatureVerified => FirmwareStatusEnumType::SignatureVerified,
        FirmwareWord::Installing => FirmwareStatusEnumType::Installing,
        FirmwareWord::InstallRebooting => FirmwareStatusEnumType::InstallRebooting,
        FirmwareWord::Installed => FirmwareStatusEnumType::Installed,
    };
    let request = FirmwareStatusNotificationRequest { status, request_id };
    Message::new("FirmwareStatusNotification", Purpose::Other, &request)
}
