//! The strict reading of 1.6. The messages of the security whitepaper, which `rust-ocpp` does not
//! have for 1.6, were taken over from 2.0.1 word for word and are read as such.

use rust_ocpp::v1_6::messages;
use rust_ocpp::v2_0_1::messages as whitepaper;

use crate::strict::{Check, reads_as};

/// Every message of a charger.
pub(crate) const CHECKS: &[Check] = &[
    Check {
        action: "Authorize",
        read: reads_as::<messages::authorize::AuthorizeRequest>,
        len_max: &[("idTag", 20)],
    },
    Check {
        action: "BootNotification",
        read: reads_as::<messages::boot_notification::BootNotificationRequest>,
        len_max: &[
            ("chargePointVendor", 20),
            ("chargePointModel", 20),
            ("chargePointSerialNumber", 25),
            ("chargeBoxSerialNumber", 25),
            ("firmwareVersion", 50),
            ("iccid", 20),
            ("imsi", 20),
            ("meterType", 25),
            ("meterSerialNumber", 25),
        ],
    },
    Check {
        action: "DataTransfer",
        read: reads_as::<messages::data_transfer::DataTransferRequest>,
        len_max: &[("vendorId", 255), ("messageId", 50)],
    },
    Check {
        action: "DiagnosticsStatusNotification",
        read: reads_as::<
            messages::diagnostics_status_notification::DiagnosticsStatusNotificationRequest,
        >,
        len_max: &[],
    },
    Check {
        action: "FirmwareStatusNotification",
        read: reads_as::<messages::firmware_status_notification::FirmwareStatusNotificationRequest>,
        len_max: &[],
    },
    Check {
        action: "Heartbeat",
        read: reads_as::<messages::heart_beat::HeartbeatRequest>,
        len_max: &[],
    },
    Check {
        action: "MeterValues",
        read: reads_as::<messages::meter_values::MeterValuesRequest>,
        len_max: &[],
    },
    Check {
        action: "StartTransaction",
        read: reads_as::<messages::start_transaction::StartTransactionRequest>,
        len_max: &[("idTag", 20)],
    },
    Check {
        action: "StatusNotification",
        read: reads_as::<messages::status_notification::StatusNotificationRequest>,
        len_max: &[("info", 50), ("vendorId", 255), ("vendorErrorCode", 50)],
    },
    Check {
        action: "StopTransaction",
        read: reads_as::<messages::stop_transaction::StopTransactionRequest>,
        len_max: &[("idTag", 20)],
    },
    Check {
        action: "LogStatusNotification",
        read: reads_as::<whitepaper::log_status_notification::LogStatusNotificationRequest>,
        len_max: &[],
    },
    Check {
        action: "SecurityEventNotification",
        read: reads_as::<whitepaper::security_event_notification::SecurityEventNotificationRequest>,
        len_max: &[("type", 50), ("techInfo", 255)],
    },
    Check {
        action: "SignCertificate",
        read: reads_as::<whitepaper::sign_certificate::SignCertificateRequest>,
        len_max: &[("csr", 5_500)],
    },
    Check {
        action: "SignedFirmwareStatusNotification",
        read: reads_as::<whitepaper::firmware_status_notification::FirmwareStatusNotificationRequest>,
        len_max: &[],
    },
];
