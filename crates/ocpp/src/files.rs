//! Commands that move files: logs and firmware. Our own shapes, because `rust-ocpp` has no security
//! extension of 1.6, and writes times with fractions that some chargers refuse (behaviour 43).

use mendpoint_model::{FirmwareRequest, LogRequest, UnixMs};
use serde::Serialize;

use crate::command::to_json;

/// An action and its payload.
type Written = Result<(&'static str, String), String>;

/// `GetDiagnostics` of 1.6.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Diagnostics<'a> {
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_interval: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_time: Option<String>,
}

/// `GetLog` of 2.x and of the security extension of 1.6.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogCall<'a> {
    log_type: &'static str,
    request_id: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_interval: Option<u32>,
    log: LogParameters<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogParameters<'a> {
    remote_location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_timestamp: Option<String>,
}

/// `UpdateFirmware` of 1.6.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlainFirmware<'a> {
    location: &'a str,
    retrieve_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_interval: Option<u32>,
}

/// `UpdateFirmware` of 2.x and `SignedUpdateFirmware` of 1.6.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedFirmware<'a> {
    request_id: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_interval: Option<u32>,
    firmware: Firmware<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Firmware<'a> {
    location: &'a str,
    retrieve_date_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    install_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_certificate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
}

/// Diagnostics are asked for with 1.6's own action, which every 1.6 charger knows; only the
/// security log needs the extension.
pub(crate) fn v16_log(request: &LogRequest) -> Written {
    has_location("GetDiagnostics", &request.location)?;
    if request.security {
        return v201_log(request);
    }
    let diagnostics = Diagnostics {
        location: &request.location,
        retries: request.retries,
        retry_interval: request.retry_interval_s,
        start_time: request.from.map(UnixMs::rfc3339),
        stop_time: request.to.map(UnixMs::rfc3339),
    };
    Ok(("GetDiagnostics", to_json(&diagnostics)?))
}

pub(crate) fn v201_log(request: &LogRequest) -> Written {
    has_location("GetLog", &request.location)?;
    let log = LogCall {
        log_type: if request.security { "SecurityLog" } else { "DiagnosticsLog" },
        request_id: request.request_id,
        retries: request.retries,
        retry_interval: request.retry_interval_s,
        log: LogParameters {
            remote_location: &request.location,
            oldest_timestamp: request.from.map(UnixMs::rfc3339),
            latest_timestamp: request.to.map(UnixMs::rfc3339),
        },
    };
    Ok(("GetLog", to_json(&log)?))
}

pub(crate) fn v16_firmware(request: &FirmwareRequest) -> Written {
    if request.is_signed() {
        let (_, payload) = v201_firmware(request)?;
        return Ok(("SignedUpdateFirmware", payload));
    }
    has_location("UpdateFirmware", &request.location)?;
    half_signed(request)?;
    if request.install_at.is_some() {
        return Err(
            "OCPP 1.6 installs unsigned firmware when it has it; leave the install time out"
                .to_owned(),
        );
    }
    let firmware = PlainFirmware {
        location: &request.location,
        retrieve_date: request.retrieve_at.rfc3339(),
        retries: request.retries,
        retry_interval: request.retry_interval_s,
    };
    Ok(("UpdateFirmware", to_json(&firmware)?))
}

pub(crate) fn v201_firmware(request: &FirmwareRequest) -> Written {
    has_location("UpdateFirmware", &request.location)?;
    half_signed(request)?;
    let firmware = SignedFirmware {
        request_id: request.request_id,
        retries: request.retries,
        retry_interval: request.retry_interval_s,
        firmware: Firmware {
            location: &request.location,
            retrieve_date_time: request.retrieve_at.rfc3339(),
            install_date_time: request.install_at.map(UnixMs::rfc3339),
            signing_certificate: request.signing_certificate.as_deref(),
            signature: request.signature.as_deref(),
        },
    };
    Ok(("UpdateFirmware", to_json(&firmware)?))
}

fn has_location(action: &str, location: &str) -> Result<(), String> {
    if location.trim().is_empty() {
        return Err(format!(
            "{action} needs a location, an address such as https://.. or ftp://.."
        ));
    }
    Ok(())
}

/// A certificate without a signature, or the other way round, proves nothing.
fn half_signed(request: &FirmwareRequest) -> Result<(), String> {
    match (&request.signing_certificate, &request.signature) {
        (Some(_), None) => Err("signed firmware needs the signature beside the certificate"),
        (None, Some(_)) => Err("signed firmware needs the certificate beside the signature"),
        _ => Ok(()),
    }
    .map_err(str::to_owned)
}
