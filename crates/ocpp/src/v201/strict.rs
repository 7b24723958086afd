//! The strict reading of 2.x, by the types of `rust-ocpp`.

use rust_ocpp::v2_0_1::messages;

use crate::strict::{Check, reads_as};

/// Every message of a charger.
pub(crate) const CHECKS: &[Check] = &[
    Check {
        action: "Authorize",
        read: reads_as::<messages::authorize::AuthorizeRequest>,
        len_max: &[],
    },
    Check {
        action: "BootNotification",
        read: reads_as::<messages::boot_notification::BootNotificationRequest>,
        len_max: &[],
    },
    Check {
        action: "ClearedChargingLimit",
        read: reads_as::<messages::cleared_charging_limit::ClearedChargingLimitRequest>,
        len_max: &[],
    },
    Check {
        action: "DataTransfer",
        read: reads_as::<messages::datatransfer::DataTransferRequest>,
        len_max: &[("vendorId", 255), ("messageId", 50)],
    },
    Check {
        action: "FirmwareStatusNotification",
        read: reads_as::<messages::firmware_status_notification::FirmwareStatusNotificationRequest>,
        len_max: &[],
    },
    Check {
        action: "Get15118EVCertificate",
        read: reads_as::<messages::get_15118ev_certificate::Get15118EVCertificateRequest>,
        len_max: &[("iso15118SchemaVersion", 50), ("exiRequest", 5_600)],
    },
    Check {
        action: "GetCertificateStatus",
        read: reads_as::<messages::get_certificate_status::GetCertificateStatusRequest>,
        len_max: &[],
    },
    Check {
        action: "Heartbeat",
        read: reads_as::<messages::heartbeat::HeartbeatRequest>,
        len_max: &[],
    },
    Check {
        action: "LogStatusNotification",
        read: reads_as::<messages::log_status_notification::LogStatusNotificationRequest>,
        len_max: &[],
    },
    Check {
        action: "MeterValues",
        read: reads_as::<messages::meter_values::MeterValuesRequest>,
        len_max: &[],
    },
    Check {
        action: "NotifyChargingLimit",
        read: reads_as::<messages::notify_charging_limit::NotifyChargingLimitRequest>,
        len_max: &[],
    },
    Check {
        action: "NotifyCustomerInformation",
        read: reads_as::<messages::notify_customer_information::NotifyCustomerInformationRequest>,
        len_max: &[],
    },
    Check {
        action: "NotifyDisplayMessages",
        read: reads_as::<messages::notify_display_messages::NotifyDisplayMessagesRequest>,
        len_max: &[],
    },
    Check {
        action: "NotifyEVChargingNeeds",
        read: reads_as::<messages::notify_ev_charging_needs::NotifyEVChargingNeedsRequest>,
        len_max: &[],
    },
    Check {
        action: "NotifyEVChargingSchedule",
        read: reads_as::<messages::notify_ev_charging_schedule::NotifyEVChargingScheduleRequest>,
        len_max: &[],
    },
    Check {
        action: "NotifyEvent",
        read: reads_as::<messages::notify_event::NotifyEventRequest>,
        len_max: &[],
    },
    Check {
        action: "NotifyMonitoringReport",
        read: reads_as::<messages::notify_monitoring_report::NotifyMonitoringReportRequest>,
        len_max: &[],
    },
    Check {
        action: "NotifyReport",
        read: reads_as::<messages::notify_report::NotifyReportRequest>,
        len_max: &[],
    },
    Check {
        action: "PublishFirmwareStatusNotification",
        read: reads_as::<messages::publish_firmware_status_notification::PublishFirmwareStatusNotificationRequest>,
        len_max: &[],
    },
    Check {
        action: "ReportChargingProfiles",
        read: reads_as::<messages::report_charging_profiles::ReportChargingProfilesRequest>,
        len_max: &[],
    },
    Check {
        action: "ReservationStatusUpdate",
        read: reads_as::<messages::reservation_status_update::ReservationStatusUpdateRequest>,
        len_max: &[],
    },
    Check {
        action: "SecurityEventNotification",
        read: reads_as::<messages::security_event_notification::SecurityEventNotificationRequest>,
        len_max: &[("type", 50), ("techInfo", 255)],
    },
    Check {
        action: "SignCertificate",
        read: reads_as::<messages::sign_certificate::SignCertificateRequest>,
        len_max: &[("csr", 5_500)],
    },
    Check {
        action: "StatusNotification",
        read: reads_as::<messages::status_notification::StatusNotificationRequest>,
        len_max: &[],
    },
    Check {
        action: "TransactionEvent",
        read: reads_as::<messages::transaction_event::TransactionEventRequest>,
        len_max: &[],
    },
];
