//! From what was filled in to a payload.

use std::collections::BTreeMap;

use mendpoint_model::Protocol;
use mendpoint_ocpp::definition::{Field, Kind, Message, Shape};
use serde_json::{Map, Number, Value};

use super::{Filled, LEFT_OUT, joined};

/// A payload and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Built {
    /// JSON text.
    pub(crate) payload: String,
    /// What is wrong, by the path of the field in the form.
    pub(crate) wrong: BTreeMap<String, String>,
    /// What is wrong and belongs to no field of the form.
    pub(crate) other: Vec<String>,
}

/// Makes the payload of a message from what was filled in, and checks it.
pub(crate) fn build(protocol: Protocol, message: &Message, filled: &Filled) -> Built {
    let mut builder = Builder { filled, places: BTreeMap::new() };
    let (fields, _) = builder.shape(&message.request, "", "");
    let payload = Value::Object(fields).to_string();
    let mut built = Built { payload, wrong: BTreeMap::new(), other: Vec::new() };
    for deviation in mendpoint_ocpp::deviations(protocol, message.action, &built.payload) {
        let said = deviation.to_string();
        // "path: what is wrong": the path is not said again beside the field.
        let words = said.strip_prefix(&format!("{}: ", deviation.path)).unwrap_or(&said);
        match builder.places.get(&deviation.path) {
            Some(place) => {
                built.wrong.entry(place.clone()).or_insert_with(|| words.to_owned());
            }
            None => built.other.push(said),
        }
    }
    built
}

struct Builder<'a> {
    filled: &'a Filled,
    /// Paths in the payload and in the form: they differ where items were left empty.
    places: BTreeMap<String, String>,
}

impl Builder<'_> {
    /// The fields of a shape, and whether any of them was filled in.
    fn shape(&mut self, shape: &Shape, at: &str, place: &str) -> (Map<String, Value>, bool) {
        let mut fields = Map::new();
        let mut is_filled = false;
        for field in shape.fields.iter().filter(|field| field.name != LEFT_OUT) {
            let (at, place) = (joined(at, field.name), joined(place, field.name));
            self.places.insert(at.clone(), place.clone());
            let (value, is_here) = if field.many.is_some() {
                self.list(field, &at, &place)
            } else {
                self.one(&field.kind, &at, &place)
            };
            is_filled |= is_here;
            // A required object without content is put in, so that what is missing in it is said
            // beside its fields.
            let is_group = matches!(field.kind, Kind::Object(_));
            if is_here || (field.required && is_group) {
                fields.insert(field.name.to_owned(), value);
            }
        }
        (fields, is_filled)
    }

    fn list(&mut self, field: &Field, at: &str, place: &str) -> (Value, bool) {
        let mut items = Vec::new();
        let mut is_filled = false;
        for index in 0..self.filled.items(place) {
            let at = format!("{at}[{}]", items.len());
            let place = format!("{place}[{index}]");
            self.places.insert(at.clone(), place.clone());
            let (value, is_here) = self.one(&field.kind, &at, &place);
            is_filled |= is_here;
            if is_here {
                items.push(value);
            }
        }
        if items.is_empty() && matches!(field.kind, Kind::Object(_)) {
            let (empty, _) = self.one(&field.kind, &format!("{at}[0]"), &format!("{place}[0]"));
            items.push(empty);
        }
        (Value::Array(items), is_filled)
    }

    fn one(&mut self, kind: &Kind, at: &str, place: &str) -> (Value, bool) {
        if let Kind::Object(shape) = kind {
            let (fields, is_filled) = self.shape(shape, at, place);
            return (Value::Object(fields), is_filled);
        }
        match self.filled.values.get(place) {
            Some(text) => (value(kind, text), true),
            None => (Value::Null, false),
        }
    }
}

/// What a text stands for. What is not of the kind stays text, and is then found to be wrong.
fn value(kind: &Kind, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match kind {
        Kind::Integer { .. } => text.parse::<i64>().map_or_else(|_| as_text(), Value::from),
        Kind::Decimal { .. } => text.parse::<Number>().map_or_else(|_| as_text(), Value::Number),
        Kind::Boolean => text.parse::<bool>().map_or_else(|_| as_text(), Value::Bool),
        Kind::DateTime => match crate::place::utc(text) {
            Some(at) => Value::String(at.rfc3339()),
            None => as_text(),
        },
        Kind::Any => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
        Kind::Text { .. } | Kind::Choice(_) | Kind::Object(_) => as_text(),
    }
}
