//! The security of chargers' connections, as far as it concerns more than one part: what goes into
//! the security log, certificates that are signed, certificates that end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mendpoint_gateway::{Authority, CertificateStatus, Certificates, GatewayEvent, SigningRequest};
use mendpoint_model::{Action, ChargerKey, DAY_MS, SECOND_MS, SecurityProfile, UnixMs};
use mendpoint_pipeline::{Handle, SecurityNote};
use mendpoint_web::{ListenerCertificate, SecurityFacts};
use prometheus::{IntGaugeVec, Opts};
use serde_json::{Map, Value};
use tokio::sync::watch;

/// How often certificates are looked at for their end.
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// So many days before its end a certificate is warned of, the last first (S4).
const WARN_DAYS: [i64; 3] = [3, 14, 30];

/// What the authority is called in a warning.
const AUTHORITY: &str = "the authority (ocpp.ca_certificate)";

/// Says which listeners take in chargers without a password (profile 0).
pub(crate) fn warn_of_open_listeners(listeners: &[(SocketAddr, SecurityProfile)]) {
    for (address, profile) in listeners {
        if *profile == SecurityProfile::Open {
            tracing::warn!(
                listener = %address,
                "chargers without a password are taken in, not encrypted (security profile 0); \
                 set ocpp.profile = 1 or use [[ocpp.listeners]] with TLS"
            );
        }
    }
}

/// Where chargers connect, for people: the best way in with a password, up to the identity.
pub(crate) fn address_for_people(listeners: &[(SocketAddr, SecurityProfile)]) -> String {
    let with_password = |profile: &SecurityProfile| *profile < SecurityProfile::Mutual;
    let best = listeners.iter().max_by_key(|(_, profile)| (with_password(profile), *profile));
    best.map_or_else(String::new, |(address, profile)| {
        let scheme = if profile.is_encrypted() { "wss" } else { "ws" };
        format!("{scheme}://{address}/ocpp/")
    })
}

/// What the pages say of the security of chargers' connections.
pub(crate) fn facts(
    listeners: Vec<(SocketAddr, SecurityProfile)>,
    certificates: &Certificates,
    signs_certificates: bool,
) -> SecurityFacts {
    let certificates = certificates.clone();
    let read = move || {
        let presented = certificates.status().into_iter();
        presented
            .map(|it| ListenerCertificate {
                listener: it.listener,
                file: it.file,
                not_after: it.not_after,
            })
            .collect()
    };
    SecurityFacts { listeners, certificates: Some(Arc::new(read)), signs_certificates }
}

/// A certificate of ours, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// What it is, fit for a label and for "the certificate of ..".
    pub(crate) of: String,
    /// When it ends.
    pub(crate) at: UnixMs,
}

/// The certificates of the listeners, and the one of the authority.
pub(crate) fn endings(statuses: Vec<CertificateStatus>, authority: Option<UnixMs>) -> Vec<Ending> {
    let of_listeners = statuses.into_iter().map(|status| Ending {
        of: format!("the listener {}", status.listener),
        at: status.not_after,
    });
    let of_authority = authority.map(|at| Ending { of: AUTHORITY.to_owned(), at });
    of_listeners.chain(of_authority).collect()
}

/// Which warnings were given already: what, its end, and the step.
#[derive(Debug, Default)]
pub(crate) struct Warned(Vec<(Ending, i64)>);

impl Warned {
    /// The warnings that are due now, each once for each step (S4).
    pub(crate) fn due(&mut self, all: &[Ending], now: UnixMs) -> Vec<String> {
        let mut sentences = Vec::new();
        for ending in all {
            let left_ms = ending.at.since_ms(now);
            let Some(step) = step_of(left_ms) else { continue };
            let same = (ending.clone(), step);
            if !self.0.contains(&same) {
                sentences.push(sentence(ending, left_ms));
                self.0.push(same);
            }
        }
        // What was renewed is not warned of again, and need not be remembered.
        self.0.retain(|(known, _)| all.contains(known));
        sentences
    }
}

/// Warns of certificates of ours that end soon: in the log, in the security log, and in the metrics.
pub(crate) async fn watch_certificates(
    certificates: Certificates,
    authority_ends: Option<UnixMs>,
    handle: Handle,
    registry: prometheus::Registry,
    mut stop: watch::Receiver<bool>,
) {
    let gauge = IntGaugeVec::new(
        Opts::new(
            "mendpoint_certificate_seconds_left",
            "Seconds until a certificate of ours ends; negative when it has ended",
        ),
        &["certificate"],
    );
    // A second one of that name would be a mistake of ours; the warnings matter more.
    let gauge = gauge.ok().filter(|gauge| registry.register(Box::new(gauge.clone())).is_ok());
    let mut warned = Warned::default();
    loop {
        let all = endings(certificates.status(), authority_ends);
        for ending in &all {
            if let Some(gauge) = &gauge {
                let left_s = ending.at.since_ms(now()) / SECOND_MS;
                gauge.with_label_values(&[&ending.of]).set(left_s);
            }
        }
        for sentence in warned.due(&all, now()) {
            tracing::warn!("{sentence}");
            handle.note_security(SecurityNote {
                charger: None,
                identity: String::new(),
                kind: "CertificateEnds",
                info: sentence,
                remote: String::new(),
            });
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Which of the warnings is due: the days of the step, 0 after the end.
fn step_of(left_ms: i64) -> Option<i64> {
    if left_ms <= 0 {
        return Some(0);
    }
    WARN_DAYS.into_iter().find(|days| left_ms <= days * DAY_MS)
}

fn sentence(ending: &Ending, left_ms: i64) -> String {
    let Ending { of, .. } = ending;
    let consequence =
        if of == AUTHORITY { "no certificate is signed" } else { "chargers refuse it" };
    if left_ms <= 0 {
        return format!("the certificate of {of} has ended: {consequence}");
    }
    format!(
        "the certificate of {of} ends in {}; {consequence} then",
        mendpoint_store::counted(left_ms / DAY_MS, "day")
    )
}

fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMs(since.map_or(0, |since| since.as_millis() as i64))
}

/// Looks at a `SignCertificate` and signs it: the command that brings the certificate.
pub(crate) fn sign(
    authority: &Authority,
    handle: &Handle,
    charger: ChargerKey,
    profile: SecurityProfile,
    payload: &str,
) -> Result<Action, String> {
    let record = handle.directory().charger(charger).ok_or("the charger is not registered")?;
    let asked: Map<String, Value> = serde_json::from_str(payload)
        .map_err(|error| format!("the request is unreadable: {error}"))?;
    let text = |name: &str| asked.get(name).and_then(Value::as_str);
    if text("certificateType").is_some_and(|kind| kind != "ChargingStationCertificate") {
        return Err("only certificates of the charging station are signed here".to_owned());
    }
    let csr = text("csr").ok_or("there is no csr in the request")?;
    let bound_to = handle.security(charger).certificate_name;
    let request = SigningRequest { csr, profile, serial: &record.serial, bound_to: &bound_to };
    let chain = authority.sign(&request, now().0 / SECOND_MS)?;
    let mut answer = Map::new();
    answer.insert("certificateChain".to_owned(), Value::String(chain));
    // What belongs to the request comes back as it was sent (2.x).
    for name in ["certificateType", "requestId"] {
        if let Some(value) = asked.get(name) {
            answer.insert(name.to_owned(), value.clone());
        }
    }
    let payload = Value::Object(answer).to_string();
    Ok(Action::Raw { action: "CertificateSigned".to_owned(), payload })
}

/// What the gateway noticed, as a row of the security log.
pub(crate) fn note(event: GatewayEvent) -> SecurityNote {
    let at_the_door = |kind, identity, info: String, remote: SocketAddr| SecurityNote {
        charger: None,
        identity,
        kind,
        info,
        remote: remote.ip().to_string(),
    };
    let of = |kind, charger, info: String, remote: String| SecurityNote {
        charger: Some(charger),
        identity: String::new(),
        kind,
        info,
        remote,
    };
    match event {
        GatewayEvent::UnknownCharger { identity, remote } => {
            let info = "no charger of this identity is registered".to_owned();
            at_the_door("UnknownCharger", identity, info, remote)
        }
        GatewayEvent::LoginRefused { identity, remote, why } => {
            at_the_door("LoginRefused", identity, why.to_owned(), remote)
        }
        GatewayEvent::TooManyAttempts { identity, remote } => {
            at_the_door("TooManyAttempts", identity, "has to wait".to_owned(), remote)
        }
        GatewayEvent::BadRequest { remote, why } => {
            at_the_door("BadRequest", String::new(), why, remote)
        }
        GatewayEvent::TlsRefused { remote, why } => {
            at_the_door("TlsRefused", String::new(), why, remote)
        }
        GatewayEvent::NoCommonProtocol { charger, remote, offered } => {
            let info = format!("offers {}", offered.join(", "));
            of("NoCommonProtocol", charger, info, remote.ip().to_string())
        }
        GatewayEvent::Replaced { charger, old, new } => {
            let info = format!("a connection from {} took the place of one", new.ip());
            of("Replaced", charger, info, old.ip().to_string())
        }
        GatewayEvent::IdentityContested { charger, parties } => {
            let info = format!("two devices with one identity: {}", parties.join(" and "));
            of("IdentityContested", charger, info, String::new())
        }
        GatewayEvent::CertificateRefused { charger, why } => {
            of("CertificateRefused", charger, why, String::new())
        }
        GatewayEvent::ProtocolError { charger, why, .. } => {
            of("ProtocolError", charger, why, String::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s04_a_certificate_is_warned_of_once_at_30_at_14_at_3_days_and_at_its_end() {
        let start = UnixMs(1_790_000_000_000);
        let listener = Ending { of: "the listener 192.0.2.1:9443".into(), at: start + 40 * DAY_MS };
        let authority = Ending { of: AUTHORITY.into(), at: start + 400 * DAY_MS };
        let all = [listener.clone(), authority.clone()];
        let mut warned = Warned::default();
        let mut told = Vec::new();
        for hour in 0..45 * 24 {
            let now = start + hour * 3_600 * SECOND_MS;
            told.extend(warned.due(&all, now).into_iter().map(|sentence| (hour / 24, sentence)));
        }
        let days: Vec<i64> = told.iter().map(|(day, _)| *day).collect();
        assert_eq!(days, [10, 26, 37, 40], "{told:?}");
        assert!(told[0].1.contains("ends in 30 days"), "{told:?}");
        assert!(told[3].1.contains("has ended: chargers refuse it"), "{told:?}");
        // A new one: silence, until it ends in its turn.
        let renewed = Ending { at: start + 130 * DAY_MS, ..listener };
        let all = [renewed, authority];
        assert_eq!(warned.due(&all, start + 45 * DAY_MS), [""; 0]);
        assert_eq!(warned.due(&all, start + 100 * DAY_MS).len(), 1);
        assert_eq!(warned.due(&all, start + 371 * DAY_MS).len(), 2, "the authority's too");
    }

    #[test]
    fn s04_the_steps_are_30_14_and_3_days() {
        for (days, step) in [(31, None), (30, Some(30)), (15, Some(30)), (14, Some(14))] {
            assert_eq!(step_of(days * DAY_MS), step, "{days}");
        }
        assert_eq!(step_of(3 * DAY_MS), Some(3));
        assert_eq!(step_of(-1), Some(0));
    }
}
