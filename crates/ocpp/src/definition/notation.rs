//! The notation of the definitions.
//!
//! A line starts a list of words, an object or a message; indented lines are its fields.
//!
//! ```text
//! choice ResetType = Hard Soft
//! shape IdTagInfo
//!   parentIdTag text 20          a field; with `!` behind its name it is required
//!   status! AuthorizationStatus  a choice or a shape that was named before
//! message Authorize charger      sent by `charger`, `system` or `both`; `send`: without an answer
//!   > idTag! text 20             a field of the request
//!   < idTagInfo! IdTagInfo       a field of the answer
//! ```
//!
//! A list has its bounds behind the name: `key[0..] text 50`, `cost![1..3] Cost`. The kinds are
//! `text [LONGEST]`, `integer [LEAST..MOST]`, `decimal [LEAST..MOST]`, `boolean`, `time` and `any`.

use std::collections::HashMap;

use super::shape::{Many, Sender};

/// Why a text is no definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct NotationError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// Everything that a text defines; what it names is an index.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    pub(super) choices: Vec<(&'a str, Vec<&'a str>)>,
    pub(super) shapes: Vec<(&'a str, Vec<DraftField<'a>>)>,
    pub(super) messages: Vec<DraftMessage<'a>>,
}

#[derive(Debug)]
pub(super) struct DraftMessage<'a> {
    pub(super) action: &'a str,
    pub(super) sender: Sender,
    pub(super) is_send: bool,
    pub(super) request: Vec<DraftField<'a>>,
    pub(super) response: Vec<DraftField<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct DraftField<'a> {
    pub(super) name: &'a str,
    pub(super) required: bool,
    pub(super) many: Option<Many>,
    pub(super) kind: DraftKind,
}

/// A kind whose choice or shape is the place in the draft.
#[derive(Clone, Copy, Debug)]
pub(super) enum DraftKind {
    Text(Option<u32>),
    Integer(Bounds),
    Decimal(Bounds),
    Boolean,
    DateTime,
    Choice(usize),
    Shape(usize),
    Any,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
}

/// Reads definitions in the notation and counts their messages: for tests of the notation itself.
///
/// # Errors
/// The first line that cannot be read.
pub fn check_notation(text: &str) -> Result<usize, NotationError> {
    read(text).map(|draft| draft.messages.len())
}

/// Reads a text. A name must stand before the line that uses it, so that nothing can hold itself.
pub(super) fn read(text: &str) -> Result<Draft<'_>, NotationError> {
    let mut reader = Reader { draft: Draft::default(), names: HashMap::new(), part: Part::None };
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if !line.is_empty() && !line.starts_with('#') {
            reader.line(line).map_err(|why| NotationError { line: index + 1, why })?;
        }
    }
    let mut draft = reader.draft;
    draft.messages.sort_by_key(|message| message.action);
    Ok(draft)
}

/// What the indented lines belong to.
#[derive(Clone, Copy, Debug)]
enum Part {
    None,
    Shape,
    Message,
}

struct Reader<'a> {
    draft: Draft<'a>,
    names: HashMap<&'a str, DraftKind>,
    part: Part,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str) -> Result<(), String> {
        if line.starts_with(' ') {
            return self.field_line(line.trim_start());
        }
        let mut words = line.split_whitespace();
        let (Some(first), Some(name)) = (words.next(), words.next()) else {
            return Err("a word and a name were expected".to_owned());
        };
        match first {
            "choice" => {
                if words.next() != Some("=") {
                    return Err("`=` was expected behind the name of the choice".to_owned());
                }
                self.name(name, DraftKind::Choice(self.draft.choices.len()))?;
                let words: Vec<_> = words.collect();
                if words.is_empty() {
                    return Err(format!("{name} has no words"));
                }
                self.draft.choices.push((name, words));
                self.part = Part::None;
            }
            "shape" => {
                self.name(name, DraftKind::Shape(self.draft.shapes.len()))?;
                self.draft.shapes.push((name, Vec::new()));
                self.part = Part::Shape;
            }
            "message" => {
                let sender = match words.next() {
                    Some("charger") => Sender::Charger,
                    Some("system") => Sender::CentralSystem,
                    Some("both") => Sender::Both,
                    other => return Err(format!("{other:?} is not a sender")),
                };
                if self.draft.messages.iter().any(|message| message.action == name) {
                    return Err(format!("{name} is defined twice"));
                }
                self.draft.messages.push(DraftMessage {
                    action: name,
                    sender,
                    is_send: words.next() == Some("send"),
                    request: Vec::new(),
                    response: Vec::new(),
                });
                self.part = Part::Message;
            }
            other => return Err(format!("{other:?} is not choice, shape or message")),
        }
        Ok(())
    }

    fn name(&mut self, name: &'a str, kind: DraftKind) -> Result<(), String> {
        match self.names.insert(name, kind) {
            None => Ok(()),
            Some(_) => Err(format!("{name} is defined twice")),
        }
    }

    fn field_line(&mut self, line: &'a str) -> Result<(), String> {
        match self.part {
            Part::None => Err("a field stands outside of a shape or a message".to_owned()),
            Part::Shape => {
                let field = self.field(line)?;
                let own = self.draft.shapes.len() - 1;
                if matches!(field.kind, DraftKind::Shape(index) if index == own) {
                    return Err(format!("{} holds itself", field.name));
                }
                let Some((_, fields)) = self.draft.shapes.last_mut() else { return Ok(()) };
                push(fields, field)
            }
            Part::Message => {
                let (is_request, rest) = match (line.strip_prefix("> "), line.strip_prefix("< ")) {
                    (Some(rest), _) => (true, rest),
                    (_, Some(rest)) => (false, rest),
                    _ => return Err("`>` or `<` was expected".to_owned()),
                };
                let field = self.field(rest)?;
                let Some(message) = self.draft.messages.last_mut() else { return Ok(()) };
                if message.is_send && !is_request {
                    return Err("a send has no answer".to_owned());
                }
                push(if is_request { &mut message.request } else { &mut message.response }, field)
            }
        }
    }

    fn field(&self, text: &'a str) -> Result<DraftField<'a>, String> {
        let mut words = text.split_whitespace();
        let head = words.next().unwrap_or_default();
        let (head, many) = match head.split_once('[') {
            None => (head, None),
            Some((head, bounds)) => {
                let bounds = bounds.strip_suffix(']').and_then(|bounds| bounds.split_once(".."));
                let many = bounds.and_then(|(min, max)| {
                    let max = if max.is_empty() { None } else { Some(max.parse().ok()?) };
                    Some(Many { min: min.parse().ok()?, max })
                });
                (head, Some(many.ok_or("the bounds of the list cannot be read")?))
            }
        };
        let (name, required) = match head.strip_suffix('!') {
            Some(name) => (name, true),
            None => (head, false),
        };
        if name.is_empty() {
            return Err("a field has no name".to_owned());
        }
        let kind = words.next().ok_or_else(|| format!("{name} has no kind"))?;
        let limit = words.next();
        if let Some(extra) = words.next() {
            return Err(format!("{extra:?} is one word too many"));
        }
        let kind = match kind {
            "text" => DraftKind::Text(limit.map(read_limit).transpose()?),
            "integer" => {
                DraftKind::Integer(limit.map(read_bounds).transpose()?.unwrap_or_default())
            }
            "decimal" => {
                DraftKind::Decimal(limit.map(read_bounds).transpose()?.unwrap_or_default())
            }
            _ if limit.is_some() => return Err(format!("{kind} has no limits")),
            "boolean" => DraftKind::Boolean,
            "time" => DraftKind::DateTime,
            "any" => DraftKind::Any,
            other => *self.names.get(other).ok_or_else(|| format!("{other:?} is not defined"))?,
        };
        Ok(DraftField { name, required, many, kind })
    }
}

fn push<'a>(fields: &mut Vec<DraftField<'a>>, field: DraftField<'a>) -> Result<(), String> {
    if fields.iter().any(|other| other.name == field.name) {
        return Err(format!("{} stands there twice", field.name));
    }
    fields.push(field);
    Ok(())
}

fn read_limit(word: &str) -> Result<u32, String> {
    word.parse().map_err(|_| format!("{word:?} is not a number of characters"))
}

fn read_bounds(word: &str) -> Result<Bounds, String> {
    let side = |side: &str| match side {
        "" => Some(None),
        side => side.parse().ok().map(Some),
    };
    let bounds = word.split_once("..").and_then(|(min, max)| Some((side(min)?, side(max)?)));
    let (min, max) = bounds.ok_or_else(|| format!("{word:?} are not bounds"))?;
    Ok(Bounds { min, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, line, why) in [
            ("choice A B", 1, "`=` was expected behind the name of the choice"),
            ("choice A =", 1, "A has no words"),
            ("shape A\n  a text 5\n  a text", 3, "a stands there twice"),
            ("# a\n\nshape A\n  a B", 4, "\"B\" is not defined"),
            ("shape A\n  a A", 2, "a holds itself"),
            ("shape A\n  a", 2, "a has no kind"),
            ("shape A\n  a[1..x] text", 2, "the bounds of the list cannot be read"),
            ("shape A\n  a integer 5", 2, "\"5\" are not bounds"),
            ("shape A\n  a boolean 5", 2, "boolean has no limits"),
            ("shape A\n  a text 5 6", 2, "\"6\" is one word too many"),
            ("shape A\nchoice A = b", 2, "A is defined twice"),
            ("  a text", 1, "a field stands outside of a shape or a message"),
            ("message A nobody", 1, "Some(\"nobody\") is not a sender"),
            ("message A both\n  a text", 2, "`>` or `<` was expected"),
            ("message A both send\n  < a text", 2, "a send has no answer"),
            ("message A both\nmessage A both", 2, "A is defined twice"),
            ("message", 1, "a word and a name were expected"),
            ("record A", 1, "\"record\" is not choice, shape or message"),
        ] {
            let error = check_notation(text).expect_err(text);
            assert_eq!((error.line, error.why.as_str()), (line, why), "{text}");
        }
    }

    #[test]
    fn a_small_text_is_read_whole() {
        let text = "choice C = a b\nshape S\n  c! C\nmessage M charger send\n  > s[1..2] S\n  > n integer ..5\n";
        let draft = read(text).expect("can be read");
        assert_eq!(draft.choices, [("C", vec!["a", "b"])]);
        let message = &draft.messages[0];
        assert!(message.is_send && message.response.is_empty());
        assert_eq!(message.request[0].many, Some(Many { min: 1, max: Some(2) }));
        assert!(matches!(message.request[0].kind, DraftKind::Shape(0)));
        let DraftKind::Integer(bounds) = message.request[1].kind else { panic!("{message:?}") };
        assert_eq!((bounds.min, bounds.max), (None, Some(5)));
    }
}
