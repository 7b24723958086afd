//! The history of a ticket as a conversation.

use mendpoint_model::{Actor, UnixMs};
use mendpoint_tickets::{TicketEvent, TicketEventKind, Visibility};

use crate::place::Moment;

/// A line of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Class: `sys` for what happened, `int` and `pub` for what somebody wrote.
    pub(super) class: &'static str,
    /// Letters of the avatar; empty where an icon stands.
    pub(super) initials: String,
    pub(super) icon: &'static str,
    pub(super) name: String,
    pub(super) at: Moment,
    pub(super) title: String,
    pub(super) text: String,
    /// Whether the requester can read it.
    pub(super) public: bool,
}

impl Message {
    pub(super) fn new(event: &TicketEvent, now: UnixMs) -> Self {
        let (initials, icon, name) = match &event.actor {
            Actor::Engine => (String::new(), "zap", "Mendpoint".to_owned()),
            Actor::Charger => (String::new(), "plug-zap", "The charger".to_owned()),
            Actor::User(name) => (initials(name), "", name.clone()),
        };
        let public = event.visibility == Visibility::Customer;
        let is_note = matches!(event.kind, TicketEventKind::Noted { .. });
        let class = match (is_note, public) {
            (false, _) => "sys",
            (true, true) => "pub",
            (true, false) => "int",
        };
        // What is wrong stands above the conversation already.
        let text = match event.kind {
            TicketEventKind::Opened(_) => String::new(),
            _ => event.kind.text(),
        };
        Self {
            class,
            initials,
            icon,
            name,
            at: Moment::new(now, event.at),
            title: if is_note { String::new() } else { event.kind.title() },
            text,
            public,
        }
    }
}

/// Two letters of a name.
pub(super) fn initials(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let letters: String = words.filter_map(|word| word.chars().next()).take(2).collect();
    if letters.is_empty() { "?".to_owned() } else { letters.to_uppercase() }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::TicketId;

    use super::*;

    fn message(actor: Actor, kind: TicketEventKind, visibility: Visibility) -> Message {
        let at = UnixMs(1_790_000_000_000);
        let event = TicketEvent { ticket: TicketId(1), seq: 2, at, actor, kind, visibility };
        Message::new(&event, at)
    }

    #[test]
    fn who_may_read_a_note_is_seen_by_its_look() {
        let note = || TicketEventKind::Noted { text: "one cable in the van".to_owned() };
        let radu = || Actor::User("Radu Pop".to_owned());
        let internal = message(radu(), note(), Visibility::Internal);
        assert_eq!((internal.class, internal.public), ("int", false));
        assert_eq!(internal.initials, "RP");
        let public = message(radu(), note(), Visibility::Customer);
        assert_eq!((public.class, public.public), ("pub", true));
        let moved = message(radu(), TicketEventKind::Arrived, Visibility::Customer);
        assert_eq!(moved.class, "sys");
        assert_eq!(moved.title, "Arrived on site");
    }

    #[test]
    fn initials_come_from_any_name() {
        assert_eq!(initials("ana@x.example"), "AX");
        assert_eq!(initials("Électro"), "É");
        assert_eq!(initials("<>"), "?");
    }
}
