//! From a read text to the table that everybody uses. It lives as long as the program, so that a
//! field can be passed around without counting.

use super::notation::{Draft, DraftField, DraftKind};
use super::shape::{Choice, Field, Kind, Message, Shape};

/// The object that 2.x allows everywhere: the vendor's name, and whatever the vendor likes.
fn custom_data() -> Field {
    let vendor =
        Field { name: "vendorId", required: true, many: None, kind: Kind::Text { max: Some(255) } };
    let shape = Shape { name: "CustomData", fields: vec![vendor], is_open: true };
    Field {
        name: "customData",
        required: false,
        many: None,
        kind: Kind::Object(Box::leak(Box::new(shape))),
    }
}

/// Turns a draft into messages.
pub(super) fn publish(draft: Draft<'static>, has_custom_data: bool) -> Vec<Message> {
    let choices: Vec<&'static Choice> = draft
        .choices
        .into_iter()
        .map(|(name, words)| &*Box::leak(Box::new(Choice { name, words })))
        .collect();
    let mut builder =
        Builder { choices, shapes: Vec::new(), custom_data: has_custom_data.then(custom_data) };
    for (name, fields) in draft.shapes {
        let shape = builder.shape(name, &fields);
        builder.shapes.push(Box::leak(Box::new(shape)));
    }
    draft
        .messages
        .into_iter()
        .map(|message| Message {
            action: message.action,
            sender: message.sender,
            is_send: message.is_send,
            request: builder.shape(message.action, &message.request),
            response: builder.shape(message.action, &message.response),
        })
        .collect()
}

struct Builder {
    choices: Vec<&'static Choice>,
    /// Those before the one that is built: a name stands before its use.
    shapes: Vec<&'static Shape>,
    custom_data: Option<Field>,
}

impl Builder {
    fn shape(&self, name: &'static str, fields: &[DraftField<'static>]) -> Shape {
        let own = fields.iter().map(|field| self.field(field));
        Shape { name, fields: own.chain(self.custom_data).collect(), is_open: false }
    }

    fn field(&self, field: &DraftField<'static>) -> Field {
        let kind = match field.kind {
            DraftKind::Text(max) => Kind::Text { max },
            DraftKind::Integer(bounds) => Kind::Integer { min: bounds.min, max: bounds.max },
            DraftKind::Decimal(bounds) => Kind::Decimal { min: bounds.min, max: bounds.max },
            DraftKind::Boolean => Kind::Boolean,
            DraftKind::DateTime => Kind::DateTime,
            DraftKind::Choice(index) => Kind::Choice(self.choices[index]),
            DraftKind::Shape(index) => Kind::Object(self.shapes[index]),
            DraftKind::Any => Kind::Any,
        };
        Field { name: field.name, required: field.required, many: field.many, kind }
    }
}
