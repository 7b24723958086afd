//! From a row of the outbox to a mail on the wire.

use std::time::{Duration, UNIX_EPOCH};

use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use mendpoint_store::MailRow;

/// Builds the mail. The same row gives the same `Message-ID` and `Date` every time, so that a mail
/// that was sent twice, because we died in between, is one mail for the receiver.
///
/// # Errors
/// A sentence about what is wrong with an address or the text; trying again does not help.
pub(crate) fn build(row: &MailRow, from: &Mailbox) -> Result<Message, String> {
    let mail = &row.mail;
    let host = from.email.domain();
    let address = |text: &str| {
        text.parse::<Mailbox>().map_err(|error| format!("the address \"{text}\" is wrong: {error}"))
    };
    let written_at = Duration::from_millis(row.created_at.0.max(0).unsigned_abs());
    let mut builder = Message::builder()
        .from(from.clone())
        .to(address(&mail.recipient)?)
        .subject(one_line(&mail.subject))
        .date(UNIX_EPOCH + written_at)
        .message_id(Some(format!("<mail.{}@{host}>", row.id)))
        // RFC 3834: no vacation answers to a program.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(address(reply_to)?);
    }
    if let Some(ticket) = mail.ticket {
        // All mails of a ticket hang on one root, so that mail programs show them together.
        builder = builder.references(format!("<ticket.{}@{host}>", ticket.0));
    }
    let built = if mail.html.is_empty() {
        builder.header(ContentType::TEXT_PLAIN).body(mail.text.clone())
    } else {
        let parts = MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone());
        builder.multipart(parts)
    };
    built.map_err(|error| format!("the mail cannot be written: {error}"))
}

/// A subject with a line break in it could bring headers of its own.
fn one_line(text: &str) -> String {
    text.split(['\r', '\n'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{TicketId, UnixMs};
    use mendpoint_store::{MailState, NewMail};

    use super::*;

    fn row() -> MailRow {
        MailRow {
            id: 77,
            mail: NewMail {
                dedupe_key: "t".to_owned(),
                recipient: "Șerban <serban@example.com>".to_owned(),
                subject: "Faulted: bay 3\r\nBcc: all@example.com".to_owned(),
                text: "Plain".to_owned(),
                html: "<p>Rich</p>".to_owned(),
                reply_to: Some("inbox@example.com".to_owned()),
                ticket: Some(TicketId(1882)),
                not_before: UnixMs(0),
            },
            created_at: UnixMs(1_790_000_000_000),
            attempts: 1,
            last_error: String::new(),
            state: MailState::Queued,
            sent_at: None,
        }
    }

    fn sender() -> Mailbox {
        "Mendpoint <mendpoint@op.example>".parse().expect("an address")
    }

    #[test]
    fn a_mail_has_both_bodies_and_a_stable_id() {
        let text = |row: &MailRow| {
            let message = build(row, &sender()).expect("it is whole");
            String::from_utf8(message.formatted()).expect("mail is ASCII")
        };
        let shown = text(&row());
        assert!(shown.contains("Message-ID: <mail.77@op.example>"), "{shown}");
        assert!(shown.contains("References: <ticket.1882@op.example>"), "{shown}");
        assert!(shown.contains("Auto-Submitted: auto-generated"), "{shown}");
        assert!(shown.contains("Reply-To: inbox@example.com"), "{shown}");
        assert!(shown.contains("multipart/alternative"), "{shown}");
        assert!(shown.contains("Plain") && shown.contains("<p>Rich</p>"), "{shown}");
        let id_of =
            |text: &str| text.lines().find(|l| l.starts_with("Message-ID")).map(str::to_owned);
        assert_eq!(id_of(&text(&row())), id_of(&shown));
    }

    #[test]
    fn a_subject_brings_no_header() {
        let message = build(&row(), &sender()).expect("it is whole");
        let text = String::from_utf8(message.formatted()).expect("mail is ASCII");
        assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
    }

    #[test]
    fn a_wrong_address_gets_a_sentence() {
        let mut row = row();
        row.mail.recipient = "nobody".to_owned();
        let error = build(&row, &sender()).expect_err("no address");
        assert!(error.contains("\"nobody\""), "{error}");
    }
}
