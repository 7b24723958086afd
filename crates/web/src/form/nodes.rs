//! From a definition to the parts of a form, in the order in which they are drawn.

use std::collections::BTreeMap;

use mendpoint_ocpp::definition::{Field, Kind, Many, Message, Shape};

use super::{Filled, ITEMS_MAX, LEFT_OUT, joined};

/// Objects within objects that are drawn; none of the definitions is as deep.
const DEPTH_MAX: usize = 10;

/// A part of a form.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// An object that must be there begins.
    Group {
        /// Its name.
        name: String,
        /// What is wrong with it.
        wrong: String,
    },
    /// The end of a group.
    GroupEnd,
    /// An object or list that may be left out begins.
    Option(OptionNode),
    /// The end of it.
    OptionEnd,
    /// A list begins.
    List(ListNode),
    /// The end of a list, with the way to one more item: its path, when one more is allowed.
    ListEnd(Option<String>),
    /// An item of a list of objects begins; its number from 1.
    Item(usize),
    /// The end of an item.
    ItemEnd,
    /// A field.
    Field(Box<FieldNode>),
}

/// An object or a list that may be left out.
#[derive(Clone, Debug)]
pub(crate) struct OptionNode {
    pub(crate) name: String,
    /// Whether something in it is filled in or wrong.
    pub(crate) is_open: bool,
}

/// A list.
#[derive(Clone, Debug)]
pub(crate) struct ListNode {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) items: usize,
    /// "1 to 4", "at least 1", or nothing.
    pub(crate) bounds: String,
    pub(crate) wrong: String,
}

/// A field.
#[derive(Clone, Debug)]
pub(crate) struct FieldNode {
    pub(crate) path: String,
    pub(crate) label: String,
    pub(crate) value: String,
    /// Whether the message needs it wherever its object is there.
    pub(crate) required: bool,
    /// Whether the form cannot be sent without it: every object around it is required too.
    pub(crate) must: bool,
    pub(crate) control: Control,
    /// What is allowed, in a few words.
    pub(crate) hint: String,
    pub(crate) wrong: String,
}

/// How a field is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// A line of text of at most so many characters.
    Line(Option<u32>),
    /// Several lines.
    Lines(Option<u32>),
    /// A whole number.
    Whole { min: Option<i64>, max: Option<i64> },
    /// A number.
    Decimal { min: Option<i64>, max: Option<i64> },
    /// One of these words.
    Words(Vec<&'static str>),
    /// Date and time.
    Time,
    /// Any JSON.
    Json,
}

/// The parts of the form of a message. `wrong` is what is wrong, by the path of the field.
pub(crate) fn nodes(
    message: &Message,
    filled: &Filled,
    wrong: &BTreeMap<String, String>,
) -> Vec<Node> {
    let mut drawer = Drawer { filled, wrong, nodes: Vec::new() };
    drawer.shape(&message.request, "", true, 0);
    drawer.nodes
}

struct Drawer<'a> {
    filled: &'a Filled,
    wrong: &'a BTreeMap<String, String>,
    nodes: Vec<Node>,
}

impl Drawer<'_> {
    fn shape(&mut self, shape: &Shape, path: &str, must: bool, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        let fields = || shape.fields.iter().filter(|field| field.name != LEFT_OUT);
        // What is needed first; the rest is seldom used.
        for field in fields().filter(|field| field.required) {
            self.field(field, &joined(path, field.name), must, depth);
        }
        for field in fields().filter(|field| !field.required) {
            self.field(field, &joined(path, field.name), false, depth);
        }
    }

    fn wrong_at(&self, path: &str) -> String {
        self.wrong.get(path).cloned().unwrap_or_default()
    }

    fn field(&mut self, field: &Field, path: &str, must: bool, depth: usize) {
        let must = must && field.required;
        let is_group = field.many.is_some() || matches!(field.kind, Kind::Object(_));
        let is_option = is_group && !field.required;
        if is_option {
            let is_wrong = self.wrong.keys().any(|known| known.starts_with(path));
            let is_open = is_wrong || self.filled.has(path);
            self.nodes.push(Node::Option(OptionNode { name: field.name.to_owned(), is_open }));
        }
        match field.many {
            Some(many) => self.list(field, many, path, must, depth),
            None => self.one(&field.kind, field.name, path, field.required, must, depth),
        }
        if is_option {
            self.nodes.push(Node::OptionEnd);
        }
    }

    fn list(&mut self, field: &Field, many: Many, path: &str, must: bool, depth: usize) {
        let items = self.filled.items(path);
        self.nodes.push(Node::List(ListNode {
            name: field.name.to_owned(),
            path: path.to_owned(),
            items,
            bounds: bounds(many),
            wrong: self.wrong_at(path),
        }));
        for index in 0..items {
            let path = format!("{path}[{index}]");
            // Only the first item is asked for; empty ones are left out.
            let must = must && index == 0;
            if let Kind::Object(shape) = &field.kind {
                self.nodes.push(Node::Item(index + 1));
                self.shape(shape, &path, must, depth + 1);
                self.nodes.push(Node::ItemEnd);
            } else {
                let label = format!("{} {}", field.name, index + 1);
                self.one(&field.kind, &label, &path, must, must, depth);
            }
        }
        let is_full = many.max.is_some_and(|max| items >= max as usize) || items >= ITEMS_MAX;
        self.nodes.push(Node::ListEnd((!is_full).then(|| path.to_owned())));
    }

    fn one(
        &mut self,
        kind: &Kind,
        label: &str,
        path: &str,
        required: bool,
        must: bool,
        depth: usize,
    ) {
        if let Kind::Object(shape) = kind {
            // What may be left out has its frame already.
            if required {
                let wrong = self.wrong_at(path);
                self.nodes.push(Node::Group { name: label.to_owned(), wrong });
            }
            self.shape(shape, path, must, depth + 1);
            if required {
                self.nodes.push(Node::GroupEnd);
            }
            return;
        }
        let value = self.filled.values.get(path).cloned().unwrap_or_default();
        let (control, hint) = control(kind);
        let value = if control == Control::Time { for_time_field(&value) } else { value };
        self.nodes.push(Node::Field(Box::new(FieldNode {
            path: path.to_owned(),
            label: label.to_owned(),
            value,
            required,
            must,
            control,
            hint,
            wrong: self.wrong_at(path),
        })));
    }
}

fn bounds(many: Many) -> String {
    match (many.min, many.max) {
        (0, None) => String::new(),
        (min, None) => format!("at least {min}"),
        (0, Some(max)) => format!("at most {max}"),
        (min, Some(max)) if min == max => min.to_string(),
        (min, Some(max)) => format!("{min} to {max}"),
    }
}

/// Texts longer than this get several lines.
const LINE_LEN_MAX: u32 = 255;

fn control(kind: &Kind) -> (Control, String) {
    match kind {
        Kind::Text { max: Some(max) } if *max > LINE_LEN_MAX => {
            (Control::Lines(Some(*max)), format!("at most {max} characters"))
        }
        Kind::Text { max: Some(max) } => {
            (Control::Line(Some(*max)), format!("at most {max} characters"))
        }
        Kind::Text { max: None } => (Control::Line(None), String::new()),
        Kind::Integer { min, max } => {
            (Control::Whole { min: *min, max: *max }, numbers("a whole number", *min, *max))
        }
        Kind::Decimal { min, max } => {
            (Control::Decimal { min: *min, max: *max }, numbers("a number", *min, *max))
        }
        Kind::Boolean => (Control::Words(vec!["true", "false"]), String::new()),
        Kind::DateTime => (Control::Time, "UTC".to_owned()),
        Kind::Choice(choice) => (Control::Words(choice.words.clone()), String::new()),
        Kind::Object(_) | Kind::Any => (Control::Json, "any JSON".to_owned()),
    }
}

fn numbers(what: &str, min: Option<i64>, max: Option<i64>) -> String {
    match (min, max) {
        (None, None) => what.to_owned(),
        (Some(min), None) => format!("{what} from {min}"),
        (None, Some(max)) => format!("{what} up to {max}"),
        (Some(min), Some(max)) => format!("{what} from {min} to {max}"),
    }
}

/// A time as the field of a browser wants it: UTC without saying so.
fn for_time_field(value: &str) -> String {
    match crate::place::utc(value) {
        Some(at) => at.rfc3339().trim_end_matches('Z').to_owned(),
        None => value.to_owned(),
    }
}
