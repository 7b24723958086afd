//! What the specification says of every message, as data: for the strict reading, for reports about
//! chargers, for forms and for the documentation.
//!
//! Three short texts, one a version, in a notation of our own (see [`check_notation`]); they are
//! read once, when the first message is asked for, in about a millisecond. Field names, lengths,
//! bounds and words are the specification's. What is not here: what a field means, and rules that
//! join two fields.
//!
//! ```
//! use mendpoint_model::Protocol;
//! use mendpoint_ocpp::definition::{Kind, message};
//!
//! let reset = message(Protocol::V16, "Reset").expect("is an action of 1.6");
//! let kind = reset.request.field("type").expect("is a field of it");
//! assert!(kind.required);
//! assert!(matches!(&kind.kind, Kind::Choice(choice) if choice.words == ["Hard", "Soft"]));
//! ```

mod build;
mod notation;
mod shape;

use std::sync::OnceLock;

use mendpoint_model::Protocol;

pub use notation::{NotationError, check_notation};
pub use shape::{Choice, Field, Kind, Many, Message, Sender, Shape};

/// The texts, in the order of the versions.
const TEXTS: [&str; 3] =
    [include_str!("v16.txt"), include_str!("v201.txt"), include_str!("v21.txt")];

/// The messages of a version, in alphabetical order of their actions.
fn table(protocol: Protocol) -> &'static [Message] {
    static TABLES: [OnceLock<Vec<Message>>; 3] = [const { OnceLock::new() }; 3];
    let (index, has_custom_data) = match protocol {
        Protocol::V16 => (0, false),
        Protocol::V201 => (1, true),
        Protocol::V21 => (2, true),
    };
    TABLES[index].get_or_init(|| {
        let draft = notation::read(TEXTS[index]).expect("the embedded definitions can be read");
        build::publish(draft, has_custom_data)
    })
}

/// The definition of an action of a version, by its exact name.
pub fn message(protocol: Protocol, action: &str) -> Option<&'static Message> {
    let table = table(protocol);
    let found = table.binary_search_by(|message| message.action.cmp(action));
    found.ok().map(|index| &table[index])
}

/// Every message of a version, in alphabetical order of its action.
pub fn messages(protocol: Protocol) -> impl Iterator<Item = &'static Message> {
    table(protocol).iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_every_version_is_there() {
        for (protocol, count, from_charger) in
            [(Protocol::V16, 39, 14), (Protocol::V201, 64, 25), (Protocol::V21, 91, 37)]
        {
            assert_eq!(messages(protocol).count(), count, "{protocol:?}");
            let sent = messages(protocol).filter(|message| message.sender.is_charger()).count();
            assert_eq!(sent, from_charger, "{protocol:?}");
            for defined in messages(protocol) {
                let found = message(protocol, defined.action).expect("is found by its name");
                assert!(std::ptr::eq(found, defined));
            }
            assert!(message(protocol, "Nonsense").is_none());
        }
    }

    #[test]
    fn facts_from_all_over_the_specifications() {
        let field = |protocol, action, name| {
            message(protocol, action)
                .and_then(|message| message.request.field(name))
                .unwrap_or_else(|| panic!("{action}.{name}"))
        };
        let token = field(Protocol::V16, "Authorize", "idTag");
        assert!(token.required);
        assert!(matches!(token.kind, Kind::Text { max: Some(20) }));
        let values = field(Protocol::V16, "MeterValues", "meterValue");
        assert_eq!(values.many, Some(Many { min: 1, max: None }));
        let Kind::Object(moment) = &values.kind else { panic!("{values:?}") };
        let samples = moment.field("sampledValue").expect("is a field");
        let Kind::Object(sample) = &samples.kind else { panic!("{samples:?}") };
        let Some(Kind::Choice(unit)) = sample.field("unit").map(|unit| &unit.kind) else {
            panic!("{sample:?}")
        };
        assert!(unit.words.contains(&"Hertz") && unit.words.contains(&"Celcius"));
        let level = field(Protocol::V21, "NotifyPeriodicEventStream", "id");
        assert!(matches!(level.kind, Kind::Integer { min: Some(0), max: None }));
        assert!(message(Protocol::V21, "NotifyPeriodicEventStream").is_some_and(|m| m.is_send));
        let signing = field(Protocol::V16, "SignedUpdateFirmware", "firmware");
        assert!(matches!(&signing.kind, Kind::Object(shape) if shape.name == "Firmware"));
        assert!(matches!(field(Protocol::V201, "DataTransfer", "data").kind, Kind::Any));
    }

    #[test]
    fn custom_data_is_everywhere_in_2_x_and_nowhere_in_1_6() {
        for protocol in [Protocol::V201, Protocol::V21] {
            for message in messages(protocol) {
                let custom = message.request.field("customData").expect("is added");
                let Kind::Object(shape) = &custom.kind else { panic!("{custom:?}") };
                assert!(shape.is_open && !custom.required);
                assert!(shape.field("vendorId").is_some_and(|field| field.required));
            }
        }
        for message in messages(Protocol::V16) {
            assert!(message.request.field("customData").is_none());
        }
    }
}
