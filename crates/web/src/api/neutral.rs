//! Commands in words that are the same for every OCPP version.
//!
//! Each has a shape of its own, so that the description for programs can say what it takes; none is
//! read through serde's tags, which numbers of any length do not survive.

use mendpoint_model::{
    Action, ConnectorRef, FirmwareRequest, LogRequest, Transaction, TransactionId,
    TriggeredMessage, UnixMs,
};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use utoipa::ToSchema;

use super::error::{ApiError, Result};
use super::json::text_or_number;

/// The commands there are, for whoever asks for another one.
const COMMANDS: [&str; 10] = [
    "reset",
    "set_availability",
    "unlock",
    "start",
    "stop",
    "trigger",
    "get_configuration",
    "get_log",
    "update_firmware",
    "clear_cache",
];

macro_rules! shape {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            #[schema(value_type = String)]
            #[serde(rename = "command")]
            _command: IgnoredAny,
            /// How many seconds it may wait for a charger that is not connected; not at all when
            /// left out.
            wait_s: Option<u64>,
            $($(#[$field_doc])* $field: $kind,)*
        }
    };
}

shape! {
    /// `reset`: restarts the charger, or one EVSE of it.
    ResetCommand {
        /// At once (`Hard`, `Immediate`) instead of when it is idle (`Soft`, `OnIdle`).
        #[serde(default)]
        hard: bool,
        /// One EVSE only; OCPP 2.x.
        evse: Option<u16>,
    }
}
shape! {
    /// `set_availability`: switches a connector or the whole charger on or off.
    SetAvailabilityCommand {
        /// On or off.
        operative: bool,
        /// `2`, or `2.1` for connector 1 of EVSE 2; the whole charger when left out.
        #[schema(value_type = Option<String>)]
        connector: Option<Place>,
    }
}
shape! {
    /// `unlock`: frees the cable of a connector.
    UnlockCommand {
        /// `2`, or `2.1` for connector 1 of EVSE 2.
        #[schema(value_type = String)]
        connector: Place,
    }
}
shape! {
    /// `start`: starts a session for a token.
    StartCommand {
        /// For whom: an idTag or idToken.
        id_token: String,
        /// `2`, or `2.1`; the charger chooses when left out.
        #[schema(value_type = Option<String>)]
        connector: Option<Place>,
    }
}
shape! {
    /// `stop`: ends a session.
    StopCommand {
        /// Our number of the session, as in `/transactions`.
        transaction: i64,
    }
}
shape! {
    /// `trigger`: asks the charger to send a message now.
    TriggerCommand {
        /// `BootNotification`, `StatusNotification`, `Heartbeat`, `MeterValues`,
        /// `FirmwareStatusNotification` or `LogStatusNotification`.
        message: String,
        /// Of which connector; of all when left out.
        #[schema(value_type = Option<String>)]
        connector: Option<Place>,
    }
}
shape! {
    /// `get_configuration`: configuration keys (1.6) or variables (2.x).
    GetConfigurationCommand {
        /// Keys, or `Component.Variable`; all of them when left out.
        #[serde(default)]
        keys: Vec<String>,
    }
}
shape! {
    /// `get_log`: the charger uploads its diagnostics, or its security log.
    GetLogCommand {
        /// Where it uploads to: `https://..`, `ftp://..`
        location: String,
        /// The security log instead of the diagnostics.
        #[serde(default)]
        security: bool,
        /// From when on, RFC 3339.
        from: Option<String>,
        /// Until when, RFC 3339.
        to: Option<String>,
        retries: Option<u16>,
        retry_interval_s: Option<u32>,
        /// The number its reports name; one is made when left out.
        request_id: Option<i32>,
    }
}
shape! {
    /// `update_firmware`; with certificate and signature also as 1.6 knows it (`SignedUpdateFirmware`).
    UpdateFirmwareCommand {
        /// Where the charger gets it from.
        location: String,
        /// When it is fetched, RFC 3339; now when left out.
        retrieve_at: Option<String>,
        /// When it is installed, RFC 3339; at once when left out.
        install_at: Option<String>,
        /// Certificate of whoever signed it, PEM.
        signing_certificate: Option<String>,
        /// Signature of the file, base64.
        signature: Option<String>,
        retries: Option<u16>,
        retry_interval_s: Option<u32>,
        /// The number its reports name; one is made when left out.
        request_id: Option<i32>,
    }
}
shape! {
    /// `clear_cache`: the charger forgets whom it let charge.
    ClearCacheCommand {}
}

/// A connector as people write it: `2`, `"2"` or `"2.1"`.
pub(super) struct Place(ConnectorRef);

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        let text = text_or_number(deserializer)?;
        match crate::place::connector_of(&text) {
            Ok(Some(at)) => Ok(Self(at)),
            _ if text == "0" => Ok(Self(ConnectorRef::CHARGER)),
            _ => Err(serde::de::Error::custom(format!(
                "a connector is written 2, or 2.1 for connector 1 of EVSE 2, not {text}"
            ))),
        }
    }
}

/// Reads a body that is known to be JSON.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        ApiError::bad_request(format!(
            "the body is JSON, but not of the form that is wanted here: {}",
            super::extract::plain(&error.to_string())
        ))
    })
}

fn time(name: &str, text: Option<&String>) -> Result<Option<UnixMs>> {
    let Some(text) = text else { return Ok(None) };
    UnixMs::parse_rfc3339(text).map(Some).ok_or_else(|| {
        ApiError::bad_request(format!(
            "{name} is a time with a zone, 2026-09-21T14:00:00Z for instance, not {text:?}"
        ))
    })
}

/// The action that a neutral command asks for, and how long it may wait. `open` are the charger's
/// open sessions: one is stopped by our number, and 2.x chargers know it by their own id.
pub(super) fn action(
    command: &str,
    body: &str,
    now: UnixMs,
    open: &[Transaction],
) -> Result<(Action, Option<u64>)> {
    // Grows, fits into 31 bits, and never repeats within 68 years.
    let number = |given: Option<i32>| given.unwrap_or(((now.0 / 1_000) & 0x7fff_ffff) as i32);
    let at = |place: Option<Place>| place.map(|Place(at)| at);
    Ok(match command {
        "reset" => {
            let asked: ResetCommand = read(body)?;
            (Action::Reset { hard: asked.hard, evse: asked.evse }, asked.wait_s)
        }
        "set_availability" => {
            let asked: SetAvailabilityCommand = read(body)?;
            let connector = at(asked.connector).unwrap_or(ConnectorRef::CHARGER);
            (Action::SetAvailability { connector, operative: asked.operative }, asked.wait_s)
        }
        "unlock" => {
            let asked: UnlockCommand = read(body)?;
            (Action::Unlock { connector: asked.connector.0 }, asked.wait_s)
        }
        "start" => {
            let asked: StartCommand = read(body)?;
            let connector = at(asked.connector);
            (Action::RemoteStart { connector, id_token: asked.id_token }, asked.wait_s)
        }
        "stop" => {
            let asked: StopCommand = read(body)?;
            let transaction = TransactionId(asked.transaction);
            let known = open.iter().find(|open| open.id == transaction).ok_or_else(|| {
                ApiError::conflict(format!("session {transaction} is not open on this charger"))
            })?;
            let external_id = known.external_id.to_string();
            (Action::RemoteStop { transaction, external_id }, asked.wait_s)
        }
        "trigger" => {
            let asked: TriggerCommand = read(body)?;
            let message = TriggeredMessage::from_name(&asked.message).ok_or_else(|| {
                let names = TriggeredMessage::ALL.map(TriggeredMessage::name).join(", ");
                ApiError::bad_request(format!("message is one of {names}, not {:?}", asked.message))
            })?;
            (Action::Trigger { message, connector: at(asked.connector) }, asked.wait_s)
        }
        "get_configuration" => {
            let asked: GetConfigurationCommand = read(body)?;
            (Action::GetConfiguration { keys: asked.keys }, asked.wait_s)
        }
        "get_log" => {
            let asked: GetLogCommand = read(body)?;
            let request = LogRequest {
                security: asked.security,
                from: time("from", asked.from.as_ref())?,
                to: time("to", asked.to.as_ref())?,
                location: asked.location,
                request_id: number(asked.request_id),
                retries: asked.retries,
                retry_interval_s: asked.retry_interval_s,
            };
            (Action::GetLog(Box::new(request)), asked.wait_s)
        }
        "update_firmware" => {
            let asked: UpdateFirmwareCommand = read(body)?;
            let request = FirmwareRequest {
                retrieve_at: time("retrieve_at", asked.retrieve_at.as_ref())?.unwrap_or(now),
                install_at: time("install_at", asked.install_at.as_ref())?,
                location: asked.location,
                request_id: number(asked.request_id),
                signing_certificate: asked.signing_certificate,
                signature: asked.signature,
                retries: asked.retries,
                retry_interval_s: asked.retry_interval_s,
            };
            (Action::UpdateFirmware(Box::new(request)), asked.wait_s)
        }
        "clear_cache" => {
            let asked: ClearCacheCommand = read(body)?;
            (Action::ClearCache, asked.wait_s)
        }
        other => {
            return Err(ApiError::bad_request(format!(
                "command is one of {}, not {other:?}; any other action of the charger's OCPP \
                 version is sent with `action` and `payload`",
                COMMANDS.join(", ")
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn asked(body: &str) -> std::result::Result<(Action, Option<u64>), String> {
        let open = [Transaction {
            id: TransactionId(7),
            external_id: "T-7".into(),
            ..Transaction::default()
        }];
        let command = serde_json::from_str::<serde_json::Value>(body).expect("JSON");
        let command = command["command"].as_str().expect("a command");
        action(command, body, NOW, &open).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn every_command_is_understood() {
        for (body, expected) in [
            (r#"{"command":"reset","hard":true}"#, Action::Reset { hard: true, evse: None }),
            (
                r#"{"command":"set_availability","operative":false,"connector":"2.1"}"#,
                Action::SetAvailability {
                    connector: ConnectorRef { evse: 2, connector: 1 },
                    operative: false,
                },
            ),
            (
                r#"{"command":"unlock","connector":2}"#,
                Action::Unlock { connector: ConnectorRef::v16(2) },
            ),
            (
                r#"{"command":"start","id_token":"A"}"#,
                Action::RemoteStart { connector: None, id_token: "A".to_owned() },
            ),
            (
                r#"{"command":"stop","transaction":7}"#,
                Action::RemoteStop { transaction: TransactionId(7), external_id: "T-7".to_owned() },
            ),
            (
                r#"{"command":"trigger","message":"MeterValues","connector":1}"#,
                Action::Trigger {
                    message: TriggeredMessage::MeterValues,
                    connector: Some(ConnectorRef::v16(1)),
                },
            ),
            (r#"{"command":"clear_cache"}"#, Action::ClearCache),
        ] {
            assert_eq!(asked(body), Ok((expected, None)), "{body}");
        }
        let (log, wait_s) = asked(
            r#"{"command":"get_log","location":"ftp://x","from":"2026-09-21T14:13:20Z","wait_s":60}"#,
        )
        .expect("understood");
        let Action::GetLog(log) = log else { panic!("{log:?}") };
        assert_eq!((log.from, log.request_id, wait_s), (Some(NOW), 1_790_000_000, Some(60)));
    }

    #[test]
    fn what_is_wrong_gets_a_sentence_with_the_field() {
        for (body, part) in [
            (r#"{"command":"reset","hard":"yes"}"#, "expected true or false"),
            (r#"{"command":"reset","soft":true}"#, "unknown field `soft`"),
            (r#"{"command":"unlock"}"#, "missing field `connector`"),
            (r#"{"command":"unlock","connector":"one"}"#, "2.1 for connector 1 of EVSE 2"),
            (r#"{"command":"stop","transaction":8}"#, "session 8 is not open"),
            (r#"{"command":"trigger","message":"Dance"}"#, "StatusNotification"),
            (r#"{"command":"get_log","location":"x","to":"noon"}"#, "time with a zone"),
            (r#"{"command":"dance"}"#, "set_availability"),
        ] {
            let error = asked(body).expect_err(body);
            assert!(error.contains(part), "{body}: {error}");
        }
    }
}
