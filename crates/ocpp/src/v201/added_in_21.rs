//! What 2.1 added for chargers to send. Nothing here is decided by it yet: it is kept as it is and
//! gets the answer that 2.1 wants.

use std::borrow::Cow;

use mendpoint_model::Protocol;

use crate::check::of_shape;
use crate::definition::{Kind, Shape, message};
use crate::json::push_json_string;
use crate::payload::Payload;
use crate::reply::{Reply, push_number};
use mendpoint_model::Events;

/// The answer to a message of which nothing needs to be read.
pub(super) fn fixed_reply(action: &str) -> Option<Reply> {
    let reply = match action {
        // `NotifyPeriodicEventStream` is a SEND, which is not answered; the few that ask anyway
        // get the empty answer.
        "BatterySwap"
        | "ClosePeriodicEventStream"
        | "NotifyDERAlarm"
        | "NotifyDERStartStop"
        | "NotifyPeriodicEventStream"
        | "NotifyPriorityCharging"
        | "NotifySettlement"
        | "ReportDERControl" => Reply::Empty,
        // Somebody configured the stream at the charger; what comes stands in the message log.
        "OpenPeriodicEventStream" => Reply::literal("{\"status\":\"Accepted\"}"),
        // There are no dynamic charging profiles of ours to pull an update of.
        "PullDynamicScheduleUpdate" => Reply::literal("{\"status\":\"Rejected\"}"),
        _ => return None,
    };
    Some(reply)
}

/// Certificates that one message may ask about (`certificateStatusRequests`).
const CERTIFICATES_MAX: usize = 4;

/// `GetCertificateChainStatus`: each certificate gets its own line, and as there is no OCSP
/// responder behind us, the line says that nothing could be found out.
pub(super) fn certificate_chain_status(payload: &mut Payload<'_>, _events: &mut Events) -> Reply {
    let until = payload.received_at().rfc3339();
    let mut out = String::from("{\"certificateStatus\":[");
    let mut count = 0;
    while let Some(key) = payload.key() {
        if key != "certificateStatusRequests" {
            payload.skip();
            continue;
        }
        payload.list("certificateStatusRequests", |payload| {
            let Some((hash, source)) = read_request(payload) else { return };
            if count == CERTIFICATES_MAX {
                return;
            }
            if count > 0 {
                out.push(',');
            }
            count += 1;
            out.push_str("{\"certificateHashData\":");
            out.push_str(hash);
            out.push_str(",\"source\":");
            push_json_string(&mut out, &source);
            out.push_str(",\"status\":\"Failed\",\"nextUpdate\":\"");
            out.push_str(&until);
            out.push_str("\"}");
        });
    }
    if count == 0 {
        payload.missing("certificateHashData");
        return no_certificate_named();
    }
    out.push_str("]}");
    Reply::Literal(Cow::Owned(out))
}

/// The hash data as sent, and where the charger wants the status from.
fn read_request<'a>(payload: &mut Payload<'a>) -> Option<(&'a str, Cow<'a, str>)> {
    if !payload.object("certificateStatusRequests") {
        return None;
    }
    let mut hash = None;
    let mut source = None;
    while let Some(key) = payload.key() {
        match &*key {
            "certificateHashData" => hash = Some(payload.raw()),
            "source" => source = payload.text("source"),
            _ => payload.skip(),
        }
    }
    // It goes back as it came, so it must be in order.
    let hash = hash.filter(|hash| is_hash_data(hash))?;
    let source = source.filter(|source| matches!(&**source, "OCSP" | "CRL"));
    Some((hash, source.unwrap_or(Cow::Borrowed("OCSP"))))
}

fn is_hash_data(hash: &str) -> bool {
    let request =
        message(Protocol::V21, "GetCertificateChainStatus").map(|message| &message.request);
    let inner = |shape: Option<&'static Shape>, name| match shape?.field(name)?.kind {
        Kind::Object(shape) => Some(shape),
        _ => None,
    };
    inner(inner(request, "certificateStatusRequests"), "certificateHashData")
        .is_some_and(|shape| of_shape(Protocol::V21, shape, hash, 1).is_empty())
}

/// The answer when no certificate is named: the normal one must have at least one line.
pub(super) fn no_certificate_named() -> Reply {
    Reply::Error {
        code: "OccurrenceConstraintViolation",
        description: "certificateStatusRequests: no certificate is named".to_owned(),
    }
}

/// Longest VAT number, in characters.
const VAT_NUMBER_LEN_MAX: usize = 20;

/// `VatNumberValidation`: no register of companies is asked here.
pub(super) fn vat_number(payload: &mut Payload<'_>, _events: &mut Events) -> Reply {
    let mut number = None;
    let mut evse = None;
    while let Some(key) = payload.key() {
        match &*key {
            "vatNumber" => number = payload.text("vatNumber"),
            "evseId" => evse = payload.number("evseId"),
            _ => payload.skip(),
        }
    }
    if number.is_none() {
        payload.missing("vatNumber");
    }
    vat_reply(&number.unwrap_or_default(), evse)
}

/// The number goes back with the answer, which is how the charger knows what it is about.
pub(super) fn vat_reply(number: &str, evse: Option<u16>) -> Reply {
    let number: String = number.chars().take(VAT_NUMBER_LEN_MAX).collect();
    let mut out = String::from("{\"vatNumber\":");
    push_json_string(&mut out, &number);
    if let Some(evse) = evse {
        out.push_str(",\"evseId\":");
        push_number(&mut out, evse.into());
    }
    out.push_str(",\"status\":\"Rejected\"}");
    Reply::Literal(Cow::Owned(out))
}
