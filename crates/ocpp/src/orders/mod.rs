//! Orders that are the same in every version and differ in their payloads: local lists of cards,
//! reservations, charging profiles. Each is written as an [`Action::Raw`] of the charger's version.

mod limit;
mod local_list;
mod profile;
mod reservation;

use mendpoint_model::{Action, Protocol, TokenInfo, TokenStatus};
use serde_json::{Value, json};

pub use limit::{Limited, MessageLimit};
pub use local_list::{
    ListEntry, ListUpdate, get_local_list_version, list_version_of, local_list_parts,
    send_local_list,
};
pub use profile::{
    ChargingProfile, Period, ProfileKind, ProfilePurpose, RateUnit, clear_profile,
    get_composite_schedule, get_profiles, set_profile,
};
pub use reservation::{Reserve, cancel_reservation, reserve_now};

/// What 2.x calls a token of which nobody said what it is: nearly all are cards.
const DEFAULT_KIND: &str = "ISO14443";

fn raw(action: &str, payload: &Value) -> Action {
    Action::Raw { action: action.to_owned(), payload: payload.to_string() }
}

/// `IdTokenType` of 2.x.
fn id_token(token: &str, kind: &str) -> Value {
    let kind = if kind.is_empty() { DEFAULT_KIND } else { kind };
    json!({ "idToken": token, "type": kind })
}

/// `idTagInfo` of 1.6 or `idTokenInfo` of 2.x.
fn token_info(protocol: Protocol, info: &TokenInfo) -> Value {
    // A list knows no such thing as "charges elsewhere"; whoever may charge at all may be there.
    let status = match info.status {
        TokenStatus::ConcurrentTx => TokenStatus::Accepted,
        status => status,
    };
    let mut value = json!({ "status": status.ocpp_word() });
    let is_v16 = protocol == Protocol::V16;
    if let Some(until) = info.expires_at {
        let name = if is_v16 { "expiryDate" } else { "cacheExpiryDateTime" };
        value[name] = until.rfc3339().into();
    }
    if let Some(parent) = &info.parent {
        if is_v16 {
            value["parentIdTag"] = (**parent).into();
        } else {
            value["groupIdToken"] = id_token(parent, "Central");
        }
    }
    value
}
