//! Which certificate messages of ours leave on which security profile (S6).

use mendpoint_model::{Action, SecurityProfile};
use serde_json::{Map, Value};

/// What 1.6 and 2.x call the root that a charger knows our own certificate by.
const OUR_ROOT: [&str; 2] = ["CentralSystemRootCertificate", "CSMSRootCertificate"];

/// Whether a command may be sent on a connection of this profile. What changes a charger's
/// certificates needs encryption: on a plain connection anybody on the way may have written it. One
/// exception: the way from profile 1 to 2 begins with the root that the charger is to know us by
/// (A05.FR.02), so that one may be installed on profile 1 (docs/decisions/005).
///
/// # Errors
/// Why not, in a sentence.
pub(super) fn may_send(profile: SecurityProfile, action: &Action) -> Result<(), String> {
    if profile.is_encrypted() {
        return Ok(());
    }
    let number = profile.number();
    match action.name() {
        "InstallCertificate" if profile == SecurityProfile::Basic => {
            let kind = certificate_type(action);
            if OUR_ROOT.contains(&kind.as_str()) {
                return Ok(());
            }
            Err(format!(
                "only the root certificate of the central system ({}) is installed on security \
                 profile {number}, and not {}: the connection is not encrypted",
                OUR_ROOT.join(", in OCPP 2.x "),
                if kind.is_empty() { "an unnamed one" } else { &kind },
            ))
        }
        "CertificateSigned" | "InstallCertificate" | "DeleteCertificate" => Err(format!(
            "certificates are not changed on security profile {number}: the connection is not \
             encrypted"
        )),
        _ => Ok(()),
    }
}

/// What kind of certificate a command brings; empty when it does not say.
fn certificate_type(action: &Action) -> String {
    let Action::Raw { payload, .. } = action else { return String::new() };
    let payload = serde_json::from_str::<Map<String, Value>>(payload).unwrap_or_default();
    let kind = payload.get("certificateType").and_then(Value::as_str);
    kind.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use SecurityProfile::{Basic, Mutual, Open, Tls};

    fn command(action: &str, kind: &str) -> Action {
        let payload = format!(r#"{{"certificateType":"{kind}","certificate":"PEM"}}"#);
        Action::Raw { action: action.to_owned(), payload }
    }

    #[test]
    fn s06_only_our_own_root_is_installed_on_profile_1_and_nothing_on_profile_0() {
        for kind in OUR_ROOT {
            let root = command("InstallCertificate", kind);
            assert!(may_send(Open, &root).is_err(), "nobody knows who is there");
            for profile in [Basic, Tls, Mutual] {
                assert_eq!(may_send(profile, &root), Ok(()));
            }
        }
        for kind in [
            "ManufacturerRootCertificate",
            "V2GRootCertificate",
            "MORootCertificate",
            "OEMRootCertificate",
            "centralsystemrootcertificate",
            "",
        ] {
            let other = command("InstallCertificate", kind);
            let why = may_send(Basic, &other).expect_err("it decides what is trusted");
            assert!(why.contains("profile 1"), "{why}");
            assert!(may_send(Open, &other).is_err());
            assert_eq!(may_send(Tls, &other), Ok(()));
        }
        for action in ["CertificateSigned", "DeleteCertificate"] {
            for profile in [Open, Basic] {
                assert!(may_send(profile, &command(action, OUR_ROOT[0])).is_err());
            }
            assert_eq!(may_send(Mutual, &command(action, OUR_ROOT[0])), Ok(()));
        }
        // To ask is no change.
        for action in ["GetInstalledCertificateIds", "Reset"] {
            assert_eq!(may_send(Open, &command(action, "")), Ok(()));
        }
        let broken =
            Action::Raw { action: "InstallCertificate".to_owned(), payload: "[".to_owned() };
        assert!(may_send(Basic, &broken).is_err());
    }
}
