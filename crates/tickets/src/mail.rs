//! Who is told of an event by mail, and with which words.

use std::fmt::Write as _;

use mendpoint_model::{Actor, Contact, escape};

use crate::clock::time_words;
use crate::event::{EvidenceKind, TicketEvent, TicketEventKind};
use crate::ticket::Ticket;

/// A mail to be put into the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// The subject: one line.
    pub subject: String,
    /// The text.
    pub text_body: String,
    /// The same as HTML, with everything that was not written by us escaped.
    pub html_body: String,
    /// The same for the same event and address: the outbox keeps it once.
    pub dedupe_key: String,
}

/// What the ticket itself does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailContext {
    /// The site's name.
    pub site_name: String,
    /// Its postal address.
    pub site_address: String,
    /// The charger's name.
    pub charger_name: String,
    /// Manufacturer and model, as far as known.
    pub charger_model: String,
    /// Where the web pages are, without a slash at the end.
    pub base_url: String,
    /// The name in the greeting line at the end.
    pub operator: String,
    /// Addresses of those who plan the work.
    pub dispatch: Vec<String>,
}

/// The mails that an event leads to. `ticket` is the ticket after the event.
///
/// The installer gets one mail when the ticket becomes theirs, with all that is needed to set out
/// (feature B-13), and then only what changes their plans. Dispatchers are told of every step of the
/// work (feature I-04).
pub fn mails(event: &TicketEvent, ticket: &Ticket, context: &MailContext) -> Vec<Mail> {
    let mut mails = Vec::new();
    match &event.kind {
        TicketEventKind::Assigned { assignee, .. } => {
            let letter = assignment(ticket, assignee, context);
            mails.extend(letter.to(event, &assignee.email));
        }
        TicketEventKind::Accepted
        | TicketEventKind::Declined { .. }
        | TicketEventKind::TravelStarted { .. }
        | TicketEventKind::Arrived
        | TicketEventKind::WorkStarted
        | TicketEventKind::WaitingBegan { .. }
        | TicketEventKind::Resumed
        | TicketEventKind::Resolved { .. } => {
            let letter = news(event, ticket, context);
            for address in &context.dispatch {
                mails.extend(letter.to(event, address));
            }
        }
        TicketEventKind::SelfHealed
        | TicketEventKind::Reopened { .. }
        | TicketEventKind::Cancelled { .. }
        | TicketEventKind::ProgressAsked => {
            if let Some(assignee) = &ticket.assignee {
                mails.extend(news(event, ticket, context).to(event, &assignee.email));
            }
        }
        TicketEventKind::EvidenceSeen { kind, .. } => {
            // Resolved ones hear of it by the event that follows.
            let is_news = ticket.status.has_somebody_at_it() && *kind != EvidenceKind::Proven;
            if let (Some(assignee), true) = (&ticket.assignee, is_news) {
                mails.extend(news(event, ticket, context).to(event, &assignee.email));
            }
        }
        TicketEventKind::Opened(_)
        | TicketEventKind::Unassigned
        | TicketEventKind::Noted { .. }
        | TicketEventKind::VerificationBegan
        | TicketEventKind::Closed { .. } => {}
    }
    mails
}

/// A letter before it has an address.
struct Letter {
    subject: String,
    intro: String,
    rows: Vec<(&'static str, String)>,
    tried: Vec<String>,
    link: String,
    sign: String,
}

impl Letter {
    fn to(&self, event: &TicketEvent, address: &str) -> Option<Mail> {
        let address = address.trim();
        // An address with a line break in it is an attempt to write headers.
        if address.is_empty() || !address.contains('@') || address.contains(char::is_control) {
            return None;
        }
        Some(Mail {
            to: address.to_owned(),
            subject: self.subject.clone(),
            text_body: self.text(),
            html_body: self.html(),
            dedupe_key: format!("ticket:{}:{}:{address}", event.ticket, event.seq),
        })
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.intro);
        for (label, value) in &self.rows {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{label}: {value}");
        }
        if !self.tried.is_empty() {
            text.push_str("\nTried from afar:\n");
            for line in &self.tried {
                let _ = writeln!(text, "- {line}");
            }
        }
        let _ = write!(text, "\nOpen the ticket: {}\n\n{}\n", self.link, self.sign);
        text
    }

    fn html(&self) -> String {
        let mut html = format!("<p>{}</p>\n<table>\n", escape(&self.intro));
        for (label, value) in &self.rows {
            let _ = writeln!(
                html,
                "<tr><td style=\"padding-right:1em;vertical-align:top\">{label}</td>\
                 <td style=\"white-space:pre-line\">{}</td></tr>",
                escape(value)
            );
        }
        html.push_str("</table>\n");
        if !self.tried.is_empty() {
            html.push_str("<p>Tried from afar:</p>\n<ul>\n");
            for line in &self.tried {
                let _ = writeln!(html, "<li>{}</li>", escape(line));
            }
            html.push_str("</ul>\n");
        }
        let link = escape(&self.link);
        let _ = write!(
            html,
            "<p><a href=\"{link}\">Open the ticket</a></p>\n<p>{}</p>\n",
            escape(&self.sign)
        );
        html
    }
}

fn assignment(ticket: &Ticket, assignee: &Contact, context: &MailContext) -> Letter {
    let greeting = if assignee.name.is_empty() { "Hello" } else { assignee.name.as_str() };
    let mut rows = vec![("Charger", charger(ticket, context))];
    rows.extend(filled("Site", &context.site_name));
    rows.extend(filled("Address", &context.site_address));
    rows.push(("What is wrong", ticket.title.clone()));
    rows.extend(filled("How we know", &ticket.description));
    rows.push(("Priority", ticket.priority.name().to_owned()));
    rows.extend(ticket.respond_by().map(|at| ("Please accept by", time_words(at))));
    rows.extend(ticket.repair_by().map(|at| ("To be mended by", time_words(at))));
    Letter {
        subject: subject(ticket, context, &ticket.title),
        intro: format!("{greeting}, ticket {} is yours.", ticket.id),
        rows,
        tried: ticket.tried.clone(),
        link: link(ticket, context),
        sign: sign(context),
    }
}

fn news(event: &TicketEvent, ticket: &Ticket, context: &MailContext) -> Letter {
    let title = event.kind.title();
    let intro = match (&event.actor, &event.kind) {
        (_, TicketEventKind::SelfHealed) => {
            "The charger recovered by itself. There is no need to go; it is being watched."
                .to_owned()
        }
        (
            _,
            TicketEventKind::EvidenceSeen {
                kind: EvidenceKind::Recovered | EvidenceKind::Cleared,
                ..
            },
        ) => "The charger works again. Please confirm on site what mended it.".to_owned(),
        (Actor::User(name), _) => format!("{name}: {title}."),
        _ => format!("{title}."),
    };
    let mut rows = vec![("Ticket", format!("{} {}", ticket.id, ticket.title))];
    rows.push(("Status", ticket.status.label().to_owned()));
    rows.push(("Charger", charger(ticket, context)));
    rows.extend(filled("Site", &context.site_name));
    rows.extend(filled("Details", &event.kind.text()));
    Letter {
        subject: subject(ticket, context, &title),
        intro,
        rows,
        tried: Vec::new(),
        link: link(ticket, context),
        sign: sign(context),
    }
}

/// `[T-1882] P2 Harbour 3: Soft reset did not help`: one line, whatever a charger put into it.
fn subject(ticket: &Ticket, context: &MailContext, what: &str) -> String {
    let text =
        format!("[{}] {} {}: {what}", ticket.id, ticket.priority.name(), context.charger_name);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

fn charger(ticket: &Ticket, context: &MailContext) -> String {
    let mut text = context.charger_name.clone();
    if !context.charger_model.is_empty() {
        let _ = write!(text, " ({})", context.charger_model);
    }
    if !ticket.connector.is_charger() {
        let _ = write!(text, ", connector {}", ticket.connector);
    }
    text
}

fn link(ticket: &Ticket, context: &MailContext) -> String {
    format!("{}/tickets/{}", context.base_url.trim_end_matches('/'), ticket.id)
}

fn sign(context: &MailContext) -> String {
    if context.operator.is_empty() { "Mendpoint".to_owned() } else { context.operator.clone() }
}

fn filled(label: &'static str, value: &str) -> Option<(&'static str, String)> {
    (!value.trim().is_empty()).then(|| (label, value.to_owned()))
}
