//! The security events that the specifications name: what they mean and how much they weigh.

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

/// A security event of the specifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityEvent {
    /// The name on the wire.
    pub kind: &'static str,
    /// Whether the specification calls it critical, which means that the charger must send it.
    pub critical: bool,
    /// Our rating.
    pub rating: SecurityRating,
    /// What happened, in a sentence.
    pub means: &'static str,
}

use SecurityRating::{Alarm, Info, Warning};

/// The 18 events of the 1.6 security whitepaper under the names of 1.6 and of 2.x (part 2
/// appendices, "security events"), and the two that 2.x has besides.
const EVENTS: [SecurityEvent; 24] = [
    event("FirmwareUpdated", true, Info, "the firmware was updated"),
    event(
        "FailedToAuthenticateAtCentralSystem",
        false,
        Warning,
        "our system did not accept the charger's credentials",
    ),
    event(
        "FailedToAuthenticateAtCsms",
        false,
        Warning,
        "our system did not accept the charger's credentials",
    ),
    event(
        "CentralSystemFailedToAuthenticate",
        false,
        Warning,
        "the charger did not accept the certificate of our system",
    ),
    event(
        "CsmsFailedToAuthenticate",
        false,
        Warning,
        "the charger did not accept the certificate of our system",
    ),
    event("SettingSystemTime", true, Info, "the clock was set by more than a little"),
    event("StartupOfTheDevice", true, Info, "the charger was started"),
    event("ResetOrReboot", true, Info, "the charger was reset or rebooted"),
    event("SecurityLogWasCleared", true, Alarm, "the charger's security log was emptied"),
    event("ReconfigurationOfSecurityParameters", false, Warning, "keys or profiles were changed"),
    event("MemoryExhaustion", true, Warning, "the charger's memory is full"),
    event("InvalidMessages", false, Warning, "the charger got messages that it cannot read"),
    event("AttemptedReplayAttacks", false, Alarm, "somebody sent the charger old messages again"),
    event("TamperDetectionActivated", true, Alarm, "the charger was opened or moved"),
    event(
        "InvalidFirmwareSignature",
        false,
        Alarm,
        "the signature of a firmware file is wrong: it was not installed",
    ),
    event(
        "InvalidFirmwareSigningCertificate",
        false,
        Alarm,
        "the certificate that signed a firmware file is wrong: it was not installed",
    ),
    event(
        "InvalidCentralSystemCertificate",
        false,
        Alarm,
        "the certificate of the system that the charger reached is wrong",
    ),
    event(
        "InvalidCsmsCertificate",
        false,
        Alarm,
        "the certificate of the system that the charger reached is wrong",
    ),
    event(
        "InvalidChargePointCertificate",
        false,
        Warning,
        "the certificate that the charger was given is wrong",
    ),
    event(
        "InvalidChargingStationCertificate",
        false,
        Warning,
        "the certificate that the charger was given is wrong",
    ),
    event("InvalidTLSVersion", false, Warning, "the TLS version on offer was too old"),
    event("InvalidTLSCipherSuite", false, Warning, "the TLS ciphers on offer were too weak"),
    event("MaintenanceLoginAccepted", true, Warning, "somebody signed in at the charger itself"),
    event(
        "MaintenanceLoginFailed",
        true,
        Alarm,
        "somebody failed to sign in at the charger itself",
    ),
];

const fn event(
    kind: &'static str,
    critical: bool,
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

    #[test]
    fn the_events_of_the_whitepaper_are_rated() {
        let of_2_x = [
            "FailedToAuthenticateAtCsms",
            "CsmsFailedToAuthenticate",
            "InvalidCsmsCertificate",
            "InvalidChargingStationCertificate",
            "MaintenanceLoginAccepted",
            "MaintenanceLoginFailed",
        ];
        let of_1_6 = EVENTS.iter().filter(|event| !of_2_x.contains(&event.kind));
        assert_eq!(of_1_6.count(), 18);
        let tamper = security_event(" tamperdetectionactivated").expect("is one of them");
        assert_eq!((tamper.rating, tamper.critical), (Alarm, true));
        assert_eq!(security_event("FirmwareUpdated").map(|event| event.rating), Some(Info));
        assert_eq!(security_event("VendorThing"), None);
        for (index, event) in EVENTS.iter().enumerate() {
            assert!(EVENTS[..index].iter().all(|other| other.kind != event.kind), "{event:?}");
        }
    }
}
