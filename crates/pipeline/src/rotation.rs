//! Giving a charger a new password, or a stronger profile, over its own connection.
//!
//! A new password lies beside the old one before the charger is told (S5): whatever is lost on the
//! way, an answer, a connection or this program, one of the two it has opens the door.

use mendpoint_model::{Action, ChargerKey, CommandOutcome, Protocol, SecurityProfile};
use mendpoint_store::Slot;
use serde_json::{Value, json};

use crate::keyring::new_secret;
use crate::{Error, Handle};

/// What became of a new password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The charger has it; the old one is dead.
    Accepted,
    /// The charger did not take it; the old one stays. Its answer.
    Rejected(String),
    /// The charger did not say: both are good until it comes in with one of them.
    Unknown(String),
}

/// The word of a charger that has a change after its next restart.
const REBOOT: &str = "RebootRequired";

/// One step of changing a charger's profile, with what the charger said to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeStep {
    /// What was asked, for people.
    pub what: String,
    /// Whether it was done.
    pub done: bool,
    /// The charger's answer, or why there is none.
    pub said: String,
}

/// Where a charger is to connect with its new profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeTo {
    /// The profile.
    pub profile: SecurityProfile,
    /// The address (2.x), as `wss://HOST:PORT/ocpp`.
    pub url: String,
    /// The slot of the network profile to write (2.x).
    pub slot: u32,
    /// The interface (2.x): `Wired0`, `Wireless0`, ..
    pub interface: String,
    /// The root certificate that the charger is to know us by (PEM), installed first; empty when it
    /// has one.
    pub root_certificate: String,
}

impl UpgradeTo {
    /// What a charger would take and could not use is not sent to it.
    fn check(&self, protocol: Protocol) -> Result<(), Error> {
        let url = self.url.trim();
        let scheme = if self.profile.is_encrypted() { "wss://" } else { "ws://" };
        let has_host =
            || url[scheme.len()..].split('/').next().is_some_and(|host| !host.is_empty());
        let fits = url.starts_with(scheme) && has_host();
        if protocol != Protocol::V16 && !fits {
            return Err(Error::Unfit(format!(
                "profile {} is reached at an address that begins with {scheme}, as in \
                 {scheme}csms.example/ocpp, not {url:?}",
                self.profile.number()
            )));
        }
        let root = self.root_certificate.trim();
        let is_pem = root.starts_with("-----BEGIN CERTIFICATE-----")
            && root.ends_with("-----END CERTIFICATE-----");
        if !root.is_empty() && !is_pem {
            return Err(Error::Unfit(
                "the root certificate is PEM text, from -----BEGIN CERTIFICATE----- to -----END \
                 CERTIFICATE-----"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

impl Handle {
    /// Gives a connected charger a new password of 160 bits. Nobody sees it: the charger has it,
    /// and we keep its hash.
    ///
    /// # Errors
    /// When the charger is unknown or not connected, one is on its way already, or the database
    /// does not take it.
    pub async fn rotate_password(&self, charger: ChargerKey, user: &str) -> Result<Rotated, Error> {
        let protocol = self.protocol_of(charger).await?;
        // A task of its own: whoever asked may close the page in the middle.
        let (handle, user) = (self.clone(), user.to_owned());
        let work = tokio::spawn(async move { handle.rotate(charger, protocol, &user).await });
        work.await.map_err(|_| Error::Stopping)?
    }

    async fn rotate(
        &self,
        charger: ChargerKey,
        protocol: Protocol,
        user: &str,
    ) -> Result<Rotated, Error> {
        let keyring = &self.0.keyring;
        let secret = new_secret()?;
        let sealed = keyring.seal(secret.as_bytes()).await?;
        let mut was_rotating = false;
        keyring.change(charger, |access| {
            was_rotating = std::mem::replace(&mut access.rotating, true);
        });
        if was_rotating {
            return Err(Error::Refused("a new password is on its way already".to_owned()));
        }
        let result = async {
            if keyring.of(charger).next.is_some() {
                // A third password would take the place of the second, which it may have by now.
                return Err(Error::Refused(
                    "it is not known yet which of two passwords the charger has; a new one can be \
                     sent once it has connected anew"
                        .to_owned(),
                ));
            }
            // On disk before it leaves: a crash after that finds both.
            self.store().add_credential(charger, &sealed).await?;
            keyring.change(charger, |access| access.next = Some(sealed));
            let action = match protocol {
                Protocol::V16 => raw(
                    "ChangeConfiguration",
                    &json!({ "key": "AuthorizationKey", "value": secret }),
                ),
                Protocol::V201 | Protocol::V21 => {
                    set_variable("SecurityCtrlr", "BasicAuthPassword", &secret)
                }
            };
            let said = self.ask(charger, action, user).await?;
            match said {
                Said::Yes => {
                    self.0.settle_password(charger, Slot::Next).await;
                    Ok(Rotated::Accepted)
                }
                Said::No(why) => {
                    self.0.settle_password(charger, Slot::Current).await;
                    Ok(Rotated::Rejected(why))
                }
                Said::Nothing(why) => Ok(Rotated::Unknown(why)),
            }
        }
        .await;
        keyring.change(charger, |access| access.rotating = false);
        self.audit(user, "rotate charger password", &self.name_of(charger)).await;
        result
    }

    /// Leads a charger to a stronger profile, step by step, and stops at the first that it does
    /// not do. Nothing changes on our side until it has come in with the new profile; from then on
    /// it is refused with the old one.
    ///
    /// # Errors
    /// When the charger is unknown or not connected, or the profile is not a stronger one.
    pub async fn upgrade_profile(
        &self,
        charger: ChargerKey,
        to: UpgradeTo,
        user: &str,
    ) -> Result<Vec<UpgradeStep>, Error> {
        let protocol = self.protocol_of(charger).await?;
        let access = self.0.keyring.of(charger);
        let now = access.last.unwrap_or(access.reached);
        if to.profile <= now.max(access.least()) {
            return Err(Error::Refused(format!(
                "the charger is on security profile {} already; only a stronger one can be set",
                now.max(access.least()).number()
            )));
        }
        if to.profile == SecurityProfile::Mutual && !now.is_encrypted() {
            return Err(Error::Refused(
                "profile 3 needs a certificate, which a charger can only get on profile 2: go \
                 there first"
                    .to_owned(),
            ));
        }
        to.check(protocol)?;
        self.audit(user, "upgrade security profile", &self.name_of(charger)).await;
        let mut steps = Vec::new();
        if to.profile != SecurityProfile::Mutual && !access.has_password() {
            let rotated = self.rotate_password(charger, user).await?;
            let (done, said) = match rotated {
                Rotated::Accepted => (true, "Accepted".to_owned()),
                Rotated::Rejected(why) | Rotated::Unknown(why) => (false, why),
            };
            steps.push(UpgradeStep { what: "give it a password".to_owned(), done, said });
        }
        let number = to.profile.number();
        let mut plan: Vec<(String, Action)> = match protocol {
            Protocol::V16 => vec![(
                format!("set SecurityProfile to {number}"),
                raw(
                    "ChangeConfiguration",
                    &json!({ "key": "SecurityProfile", "value": number.to_string() }),
                ),
            )],
            Protocol::V201 | Protocol::V21 => vec![
                (
                    format!("write network profile {}", to.slot),
                    raw("SetNetworkProfile", &network_profile(&to)),
                ),
                (
                    format!("use network profile {} first", to.slot),
                    set_variable(
                        "OCPPCommCtrlr",
                        "NetworkConfigurationPriority",
                        &to.slot.to_string(),
                    ),
                ),
                (
                    "restart when idle, to connect with it".to_owned(),
                    raw("Reset", &json!({ "type": "OnIdle" })),
                ),
            ],
        };
        let root = to.root_certificate.trim();
        if !root.is_empty() {
            plan.insert(0, ("install the root certificate".to_owned(), install(protocol, root)));
        }
        for (what, action) in plan {
            if steps.last().is_some_and(|step| !step.done) {
                break;
            }
            let (done, said) = match self.ask(charger, action, user).await? {
                Said::Yes => (true, "Accepted".to_owned()),
                // It took it, and has it after its restart.
                Said::Nothing(why) if why == REBOOT => (true, why),
                Said::No(why) | Said::Nothing(why) => (false, why),
            };
            steps.push(UpgradeStep { what, done, said });
        }
        // 1.6 connects anew by itself, unless it says that it restarts first.
        if protocol == Protocol::V16 && steps.last().is_some_and(|step| step.said == REBOOT) {
            let charges =
                self.charger(charger).await.is_some_and(|state| !state.transactions.is_empty());
            let what = "restart, to connect with it".to_owned();
            let (done, said) = if charges {
                (false, "a car charges: restart it when none does".to_owned())
            } else {
                match self.ask(charger, raw("Reset", &json!({ "type": "Soft" })), user).await? {
                    Said::Yes => (true, "Accepted".to_owned()),
                    Said::No(why) | Said::Nothing(why) => (false, why),
                }
            };
            steps.push(UpgradeStep { what, done, said });
        }
        Ok(steps)
    }

    async fn protocol_of(&self, charger: ChargerKey) -> Result<Protocol, Error> {
        let state = self.charger(charger).await.ok_or(Error::UnknownCharger)?;
        let protocol = state.link.protocol.filter(|_| state.link.connected);
        protocol.ok_or_else(|| {
            Error::Refused("the charger is not connected; try again when it is".to_owned())
        })
    }

    fn name_of(&self, charger: ChargerKey) -> String {
        let record = self.directory().charger(charger);
        record.map(|record| record.identity.to_string()).unwrap_or_default()
    }

    async fn ask(&self, charger: ChargerKey, action: Action, user: &str) -> Result<Said, Error> {
        Ok(Said::from(&self.command(charger, action, user).await?.outcome))
    }
}

impl crate::pipeline::Inner {
    /// Why an action is not sent: it would lead a charger to a weaker security profile than the one
    /// it may come in with, and so lock it out.
    pub(crate) fn weakening(&self, charger: ChargerKey, action: &Action) -> Option<String> {
        let Action::Raw { action, payload } = action else { return None };
        let to = profile_in(action, payload)?;
        let least = self.keyring.of(charger).least().number();
        (to < i64::from(least)).then(|| {
            format!(
                "it would lead the charger to security profile {to}, and it is let in with profile \
                 {least} or a stronger one only. An administrator can allow a weaker one first"
            )
        })
    }
}

/// The security profile that a message leads a charger to, if it does.
fn profile_in(action: &str, payload: &str) -> Option<i64> {
    let wanted = matches!(action, "ChangeConfiguration" | "SetNetworkProfile" | "SetVariables");
    let payload = wanted.then(|| serde_json::from_str::<Value>(payload).ok())??;
    let number = |value: &Value| match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    };
    let is_profile = |name: Option<&Value>| {
        name.and_then(Value::as_str)
            .is_some_and(|name| name.trim().eq_ignore_ascii_case("SecurityProfile"))
    };
    match action {
        "ChangeConfiguration" if is_profile(payload.get("key")) => number(payload.get("value")?),
        "SetNetworkProfile" => number(payload.pointer("/connectionData/securityProfile")?),
        "SetVariables" => payload
            .get("setVariableData")?
            .as_array()?
            .iter()
            .filter(|one| is_profile(one.pointer("/variable/name")))
            .filter_map(|one| number(one.get("attributeValue")?))
            .min(),
        _ => None,
    }
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// It is in force.
    Yes,
    /// It is not; why.
    No(String),
    /// It may be, now or later; why that is not known.
    Nothing(String),
}

impl From<&CommandOutcome> for Said {
    fn from(outcome: &CommandOutcome) -> Self {
        match outcome {
            CommandOutcome::Answered { status, payload, .. } => {
                let inner = serde_json::from_str::<Value>(payload).ok();
                let inner = inner.as_ref().and_then(|payload| {
                    payload.pointer("/setVariableResult/0/attributeStatus")?.as_str()
                });
                match inner.unwrap_or(status) {
                    "Accepted" | "Scheduled" => Self::Yes,
                    // It goes on with the old one until it has restarted.
                    REBOOT => Self::Nothing(REBOOT.to_owned()),
                    other => Self::No(other.to_owned()),
                }
            }
            CommandOutcome::Refused { code, description } => {
                let said = format!("{code} {description}").trim().to_owned();
                // What went wrong inside the charger may have gone wrong after it took it.
                let is_clear = !["InternalError", "GenericError"].contains(&code.as_str());
                if is_clear { Self::No(said) } else { Self::Nothing(said) }
            }
            CommandOutcome::Unsupported(why) | CommandOutcome::Dropped(why) => {
                Self::No(why.clone())
            }
            CommandOutcome::TimedOut => Self::Nothing("no answer".to_owned()),
            CommandOutcome::NotConnected => Self::Nothing("the connection was lost".to_owned()),
            CommandOutcome::QueueFull | CommandOutcome::Expired => {
                Self::No("it was not sent in time".to_owned())
            }
        }
    }
}

fn raw(action: &str, payload: &Value) -> Action {
    Action::Raw { action: action.to_owned(), payload: payload.to_string() }
}

/// 2.x and 1.6 have two names for the same root.
fn install(protocol: Protocol, root: &str) -> Action {
    let kind = match protocol {
        Protocol::V16 => "CentralSystemRootCertificate",
        Protocol::V201 | Protocol::V21 => "CSMSRootCertificate",
    };
    raw("InstallCertificate", &json!({ "certificateType": kind, "certificate": root }))
}

fn set_variable(component: &str, variable: &str, value: &str) -> Action {
    raw(
        "SetVariables",
        &json!({ "setVariableData": [{
            "component": { "name": component },
            "variable": { "name": variable },
            "attributeValue": value,
        }] }),
    )
}

fn network_profile(to: &UpgradeTo) -> Value {
    json!({
        "configurationSlot": to.slot,
        "connectionData": {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": to.url,
            "messageTimeout": 30,
            "securityProfile": to.profile.number(),
            "ocppInterface": to.interface,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: &str, payload: &str) -> Said {
        Said::from(&CommandOutcome::Answered {
            accepted: true,
            status: status.to_owned(),
            payload: payload.to_owned(),
        })
    }

    #[test]
    fn s05_only_a_clear_yes_kills_the_old_password_and_only_a_clear_no_the_new_one() {
        assert_eq!(said("Accepted", "{}"), Said::Yes);
        assert!(matches!(said("RebootRequired", "{}"), Said::Nothing(_)));
        assert!(matches!(said("NotSupported", "{}"), Said::No(_)));
        // 2.x: the word is inside.
        let inside = |word: &str| {
            said("", &format!(r#"{{"setVariableResult":[{{"attributeStatus":"{word}"}}]}}"#))
        };
        assert_eq!(inside("Accepted"), Said::Yes);
        assert!(matches!(inside("Rejected"), Said::No(_)));
        for unclear in [CommandOutcome::TimedOut, CommandOutcome::NotConnected] {
            assert!(matches!(Said::from(&unclear), Said::Nothing(_)), "{unclear:?}");
        }
        for never_sent in [
            CommandOutcome::Expired,
            CommandOutcome::QueueFull,
            CommandOutcome::Dropped("why".to_owned()),
            CommandOutcome::Unsupported("why".to_owned()),
        ] {
            assert!(matches!(Said::from(&never_sent), Said::No(_)), "{never_sent:?}");
        }
        let refused = |code: &str| {
            let (code, description) = (code.to_owned(), String::new());
            Said::from(&CommandOutcome::Refused { code, description })
        };
        assert!(matches!(refused("NotSupported"), Said::No(_)));
        assert!(
            matches!(refused("InternalError"), Said::Nothing(_)),
            "before or after it took it?"
        );
    }
}
