//! Writing frames: by appending to a buffer that the caller keeps.

use mendpoint_model::Protocol;

use crate::frame::{BadFrame, BadFrameKind};
use crate::json::push_json_string;

/// Appends a request: `[2,"id","Action",payload]`. The payload is JSON text already.
pub fn write_call(out: &mut String, id: &str, action: &str, payload: &str) {
    out.push_str("[2,");
    push_json_string(out, id);
    out.push(',');
    push_json_string(out, action);
    out.push(',');
    out.push_str(payload);
    out.push(']');
}

/// Appends the answer to a request: `[3,"id",payload]`. The payload is JSON text already.
pub fn write_call_result(out: &mut String, id: &str, payload: &str) {
    out.push_str("[3,");
    push_json_string(out, id);
    out.push(',');
    out.push_str(payload);
    out.push(']');
}

/// The longest description that OCPP-J allows, in characters (J16 s4.2.3).
const DESCRIPTION_LEN_MAX: usize = 255;

/// Appends the refusal of a request: `[4,"id","code","description",{}]`.
pub fn write_call_error(out: &mut String, id: &str, code: &str, description: &str) {
    write_error(out, "[4,", id, code, description);
}

/// Appends the refusal of an answer, which OCPP 2.1 has:
/// `[5,"id","code","description",{}]` (P4 of 2.1, s4.2.4).
pub fn write_call_result_error(out: &mut String, id: &str, code: &str, description: &str) {
    write_error(out, "[5,", id, code, description);
}

fn write_error(out: &mut String, start: &str, id: &str, code: &str, description: &str) {
    out.push_str(start);
    push_json_string(out, id);
    out.push(',');
    push_json_string(out, code);
    out.push(',');
    let end = description.char_indices().nth(DESCRIPTION_LEN_MAX);
    let description = end.map_or(description, |(end, _)| &description[..end]);
    push_json_string(out, description);
    out.push_str(",{}]");
}

/// Appends the answer to a text that is no frame, as the version wants it (behaviour 33), or says
/// `false` where the version stays silent:
///
/// - nothing was sent (behaviour 35), or it cannot have been a request: silence;
/// - an unknown message type: 2.0.1 `MessageTypeNotSupported`, else silence (P4 s4.1.3);
/// - malformed: 2.x `RpcFrameworkError`, with the id `-1` where none could be read (P4 s4.2.3);
///   1.6 `FormationViolation` where the id could be read, else silence.
pub fn write_bad_frame_answer(out: &mut String, protocol: Protocol, bad: &BadFrame) -> bool {
    if !bad.expects_answer {
        return false;
    }
    let (id, code) = match (bad.kind, protocol, bad.id.as_deref()) {
        (BadFrameKind::Empty, ..)
        | (BadFrameKind::UnknownType(_), Protocol::V16 | Protocol::V21, _)
        | (BadFrameKind::Malformed, Protocol::V16, None) => return false,
        (BadFrameKind::UnknownType(_), Protocol::V201, id) => {
            (id.unwrap_or("-1"), "MessageTypeNotSupported")
        }
        (BadFrameKind::Malformed, Protocol::V16, Some(id)) => (id, "FormationViolation"),
        (BadFrameKind::Malformed, Protocol::V201 | Protocol::V21, id) => {
            (id.unwrap_or("-1"), "RpcFrameworkError")
        }
    };
    write_call_error(out, id, code, &bad.why);
    true
}
