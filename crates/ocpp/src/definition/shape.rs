//! The words in which a message is described.

/// A message of one version of OCPP.
#[derive(Clone, Debug)]
pub struct Message {
    /// The action's name, as on the wire.
    pub action: &'static str,
    /// Who sends the request.
    pub sender: Sender,
    /// Whether it is sent as a SEND (type 6 of OCPP 2.1), which has no answer.
    pub is_send: bool,
    /// The fields of the request.
    pub request: Shape,
    /// The fields of the answer; none when there is no answer.
    pub response: Shape,
}

/// Who sends the request of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The charger (2.x: the charging station).
    Charger,
    /// The central system (2.x: the CSMS).
    CentralSystem,
    /// Either side: `DataTransfer`.
    Both,
}

impl Sender {
    /// Whether chargers send it.
    pub fn is_charger(self) -> bool {
        matches!(self, Self::Charger | Self::Both)
    }

    /// Whether the central system sends it.
    pub fn is_central_system(self) -> bool {
        matches!(self, Self::CentralSystem | Self::Both)
    }
}

/// The fields of a message or of an object in it.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The specification's name of the object; the action's name for a whole message.
    pub name: &'static str,
    /// The fields, in the order of the specification.
    pub fields: Vec<Field>,
    /// Whether fields that are not listed are allowed: only in `customData`.
    pub is_open: bool,
}

impl Shape {
    /// The field of this exact name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name, as on the wire.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// The number of items, when it is a list.
    pub many: Option<Many>,
    /// What it holds; for a list, what each item holds.
    pub kind: Kind,
}

/// How many items a list may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Many {
    /// At least so many.
    pub min: u32,
    /// At most so many; `None` when the specification sets no limit.
    pub max: Option<u32>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text.
    Text {
        /// Most characters; `None` when the specification sets no limit.
        max: Option<u32>,
    },
    /// A whole number.
    Integer {
        /// Smallest value.
        min: Option<i64>,
        /// Largest value.
        max: Option<i64>,
    },
    /// A number with or without a fraction.
    Decimal {
        /// Smallest value.
        min: Option<i64>,
        /// Largest value.
        max: Option<i64>,
    },
    /// `true` or `false`.
    Boolean,
    /// A date and time of RFC 3339.
    DateTime,
    /// One of a list of words.
    Choice(&'static Choice),
    /// An object.
    Object(&'static Shape),
    /// Any JSON value.
    Any,
}

/// A list of words of which one is to be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The specification's name of the list.
    pub name: &'static str,
    /// The words, in the order of the specification.
    pub words: Vec<&'static str>,
}
