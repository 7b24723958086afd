//! The security events that the specifications name: what they mean and how much they weigh.
//!
//! Names and marks are those of the whitepaper "Improved security for OCPP 1.6-J", section 8, and of
//! the appendices of OCPP 2.0.1 and 2.1, part 2, chapter 1, held against three libraries that other
//! people made from these documents (`ocpp-kit`, `ocpp-types`, `libocpp` of the `EVerest` project). They do not call
//! the same events critical: a firmware or a certificate that is refused is critical in 2.x only.

use mendpoint_model::Protocol;

/// How urgent a security event is for whoever runs the charger. The specification only says which
/// events must be sent at once; this is our own reading of what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityRating {
    /// Belongs to ordinary work.
    Info,
    /// To be looked at when it repeats or when nobody expected it.
    Warning,
    /// To be looked at now.
    Alarm,
}

impl SecurityRating {
    /// The word in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Alarm => "alarm",
        }
    }
}

/// A security event of the specifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityEvent {
    /// The name on the wire.
    pub kind: &'static str,
    /// In which versions the specification calls it critical, which means that the charger must send
    /// it.
    pub critical: Critical,
    /// Our rating.
    pub rating: SecurityRating,
    /// What happened, in a sentence.
    pub means: &'static str,
}

/// Which versions call an event critical, of those that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Critical {
    /// None.
    Never,
    /// 2.0.1 and 2.1; the whitepaper for 1.6 does not.
    In2x,
    /// All.
    Always,
}

impl SecurityEvent {
    /// Whether a charger of this version must send it.
    pub fn is_critical(&self, protocol: Protocol) -> bool {
        match self.critical {
            Critical::Never => false,
            Critical::In2x => protocol != Protocol::V16,
            Critical::Always => true,
        }
    }
}

use Critical::{Always, In2x, Never};
use SecurityRating::{Alarm, Info, Warning};

/// The 18 events of the 1.6 security whitepaper under the names of 1.6 and of 2.x, and the three that
/// 2.x has besides.
const EVENTS: [SecurityEvent; 25] = [
    event("FirmwareUpdated", Always, Info, "the firmware was updated"),
    event(
        "FailedToAuthenticateAtCentralSystem",
        Never,
        Warning,
        "our system did not accept the charger's credentials",
    ),
    event(
        "FailedToAuthenticateAtCsms",
        Never,
        Warning,
        "our system did not accept the charger's credentials",
    ),
    event(
        "CentralSystemFailedToAuthenticate",
        Never,
        Warning,
        "the charger did not accept the certificate of our system",
    ),
    event(
        "CsmsFailedToAuthenticate",
        Never,
        Warning,
        "the charger did not accept the certificate of our system",
    ),
    event("SettingSystemTime", Always, Info, "the clock was set by more than a little"),
    event("StartupOfTheDevice", Always, Info, "the charger was started"),
    event("ResetOrReboot", Always, Info, "the charger was reset or rebooted"),
    event("SecurityLogWasCleared", Always, Alarm, "the charger's security log was emptied"),
    event("ReconfigurationOfSecurityParameters", Never, Warning, "keys or profiles were changed"),
    event("MemoryExhaustion", Always, Warning, "the charger's memory is full"),
    event("InvalidMessages", Never, Warning, "the charger got messages that it cannot read"),
    event("AttemptedReplayAttacks", Never, Alarm, "somebody sent the charger old messages again"),
    event("TamperDetectionActivated", Always, Alarm, "the charger was opened or moved"),
    event(
        "InvalidFirmwareSignature",
        In2x,
        Alarm,
        "the signature of a firmware file is wrong: it was not installed",
    ),
    event(
        "InvalidFirmwareSigningCertificate",
        In2x,
        Alarm,
        "the certificate that signed a firmware file is wrong: it was not installed",
    ),
    event(
        "InvalidCentralSystemCertificate",
        Never,
        Alarm,
        "the certificate of the system that the charger reached is wrong",
    ),
    event(
        "InvalidCsmsCertificate",
        In2x,
        Alarm,
        "the certificate of the system that the charger reached is wrong",
    ),
    event(
        "InvalidChargePointCertificate",
        Never,
        Warning,
        "the certificate that the charger was given is wrong",
    ),
    event(
        "InvalidChargingStationCertificate",
        In2x,
        Warning,
        "the certificate that the charger was given is wrong",
    ),
    event(
        "DiscardedRenewedClientCertificate",
        In2x,
        Warning,
        "the charger was given a new certificate of its own and did not take it",
    ),
    event("InvalidTLSVersion", In2x, Warning, "the TLS version on offer was too old"),
    event("InvalidTLSCipherSuite", In2x, Warning, "the TLS ciphers on offer were too weak"),
    event("MaintenanceLoginAccepted", Always, Warning, "somebody signed in at the charger itself"),
    event(
        "MaintenanceLoginFailed",
        Always,
        Alarm,
        "somebody failed to sign in at the charger itself",
    ),
];

const fn event(
    kind: &'static str,
    critical: Critical,
    rating: SecurityRating,
    means: &'static str,
) -> SecurityEvent {
    SecurityEvent { kind, critical, rating, means }
}

/// The event of a `SecurityEventNotification`, without regard to case. `None` for a vendor's own,
/// which is kept all the same and best treated as a [`SecurityRating::Warning`].
pub fn security_event(kind: &str) -> Option<&'static SecurityEvent> {
    let kind = kind.trim();
    EVENTS.iter().find(|event| event.kind.eq_ignore_ascii_case(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 8 of the whitepaper: every name, and whether it is critical there.
    const OF_1_6: [(&str, bool); 18] = [
        ("FirmwareUpdated", true),
        ("FailedToAuthenticateAtCentralSystem", false),
        ("CentralSystemFailedToAuthenticate", false),
        ("SettingSystemTime", true),
        ("StartupOfTheDevice", true),
        ("ResetOrReboot", true),
        ("SecurityLogWasCleared", true),
        ("ReconfigurationOfSecurityParameters", false),
        ("MemoryExhaustion", true),
        ("InvalidMessages", false),
        ("AttemptedReplayAttacks", false),
        ("TamperDetectionActivated", true),
        ("InvalidFirmwareSignature", false),
        ("InvalidFirmwareSigningCertificate", false),
        ("InvalidCentralSystemCertificate", false),
        ("InvalidChargePointCertificate", false),
        ("InvalidTLSVersion", false),
        ("InvalidTLSCipherSuite", false),
    ];

    /// Chapter 1 of the appendices of part 2.
    const OF_2_X: [(&str, bool); 21] = [
        ("FirmwareUpdated", true),
        ("FailedToAuthenticateAtCsms", false),
        ("CsmsFailedToAuthenticate", false),
        ("SettingSystemTime", true),
        ("StartupOfTheDevice", true),
        ("ResetOrReboot", true),
        ("SecurityLogWasCleared", true),
        ("ReconfigurationOfSecurityParameters", false),
        ("MemoryExhaustion", true),
        ("InvalidMessages", false),
        ("AttemptedReplayAttacks", false),
        ("TamperDetectionActivated", true),
        ("InvalidFirmwareSignature", true),
        ("InvalidFirmwareSigningCertificate", true),
        ("InvalidCsmsCertificate", true),
        ("InvalidChargingStationCertificate", true),
        ("DiscardedRenewedClientCertificate", true),
        ("InvalidTLSVersion", true),
        ("InvalidTLSCipherSuite", true),
        ("MaintenanceLoginAccepted", true),
        ("MaintenanceLoginFailed", true),
    ];

    #[test]
    fn s08_every_event_of_every_version_is_known_with_its_mark() {
        for (protocol, events) in
            [(Protocol::V16, &OF_1_6[..]), (Protocol::V201, &OF_2_X), (Protocol::V21, &OF_2_X)]
        {
            for (kind, critical) in events {
                let event = security_event(kind).unwrap_or_else(|| panic!("{kind} is not known"));
                assert_eq!(event.is_critical(protocol), *critical, "{kind} in {protocol:?}");
            }
        }
        for event in &EVENTS {
            let named =
                |events: &[(&str, bool)]| events.iter().any(|(kind, _)| *kind == event.kind);
            assert!(named(&OF_1_6) || named(&OF_2_X), "{event:?} is nobody's");
        }
    }

    #[test]
    fn s08_names_are_found_in_any_case_and_a_vendors_own_is_none_of_them() {
        let tamper = security_event(" tamperdetectionactivated").expect("is one of them");
        assert_eq!((tamper.kind, tamper.rating), ("TamperDetectionActivated", Alarm));
        assert_eq!(security_event("FirmwareUpdated").map(|event| event.rating), Some(Info));
        assert_eq!(security_event("VendorThing"), None);
        for (index, event) in EVENTS.iter().enumerate() {
            assert!(EVENTS[..index].iter().all(|other| other.kind != event.kind), "{event:?}");
        }
    }
}
