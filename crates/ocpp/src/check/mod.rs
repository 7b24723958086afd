//! A payload held against its definition: for the strict reading and for reports about chargers.
//!
//! Everything that deviates is told by its place, the rule it breaks, what is allowed and what
//! stood there, which is hidden where it may name a person or a secret.

mod deviation;
mod secret;
mod time;
mod walk;

use mendpoint_model::Protocol;

pub use deviation::{Deviation, Rule};

use crate::definition::{Shape, message};

/// Deviations that are looked for in one payload: a charger with one wrong habit shows it in every
/// sample of every phase.
pub const DEVIATIONS_MAX: usize = 32;

/// What in a charger's request is not as its version says. Empty as well for an action that the
/// version does not have: there is nothing to hold it against.
///
/// At most [`DEVIATIONS_MAX`], in the order of the text.
pub fn deviations(protocol: Protocol, action: &str, payload: &str) -> Vec<Deviation> {
    match message(protocol, action) {
        Some(message) => of_shape(protocol, &message.request, payload, DEVIATIONS_MAX),
        None => Vec::new(),
    }
}

/// As [`deviations`], for a charger's answer to one of our requests.
pub fn answer_deviations(protocol: Protocol, action: &str, payload: &str) -> Vec<Deviation> {
    match message(protocol, action) {
        Some(message) => of_shape(protocol, &message.response, payload, DEVIATIONS_MAX),
        None => Vec::new(),
    }
}

/// The deviations of a payload from a shape, at most `max`.
pub(crate) fn of_shape(
    protocol: Protocol,
    shape: &'static Shape,
    payload: &str,
    max: usize,
) -> Vec<Deviation> {
    if let Err(error) = is_json(payload) {
        // Its own words tell the line and the column.
        return vec![Deviation::of_whole(Rule::Json, "JSON", &error.to_string())];
    }
    if !payload.trim_start().starts_with('{') {
        return vec![Deviation::of_whole(Rule::Type, "an object", walk::kind_of_text(payload))];
    }
    walk::walk(protocol, shape, payload, max)
}

/// Whether a text is JSON that everybody can read.
pub(crate) fn is_json(text: &str) -> serde_json::Result<()> {
    // Reading without keeping does not look into escapes: half a surrogate pair is in the grammar
    // of JSON, and no text in any language. Few texts have such escapes at all.
    let has_surrogates = memchr::memmem::find(text.as_bytes(), b"\\u").is_some();
    if has_surrogates {
        return serde_json::from_str::<serde_json::Value>(text).map(drop);
    }
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop)
}
