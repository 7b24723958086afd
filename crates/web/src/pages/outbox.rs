//! The outbox: every mail that was written, and whether it has left.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use mendpoint_model::UnixMs;
use mendpoint_store::{Cursor, MailRow, MailState};
use serde::Deserialize;

use super::errors::{Page, back, render};
use crate::AppState;
use crate::pages::extract::Query;
use crate::place::Moment;
use crate::session::{Acting, Viewer};
use crate::shell::Shell;

/// Mails of a page.
const ROWS: u32 = 50;
/// Letters of the text that the list shows.
const PREVIEW: usize = 140;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/outbox", get(list)).route("/outbox/{id}/retry", post(retry))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    state: String,
    cursor: String,
    fragment: String,
    done: Option<String>,
    error: Option<String>,
}

struct Chip {
    label: &'static str,
    count: String,
    href: String,
    chosen: bool,
}

struct Mail {
    id: i64,
    state: &'static str,
    /// The word of the style sheet.
    token: &'static str,
    label: &'static str,
    to: String,
    subject: String,
    ticket: String,
    preview: String,
    text: String,
    written: Moment,
    sent: Option<Moment>,
    attempts: u32,
    error: String,
}

struct List {
    chips: Vec<Chip>,
    mails: Vec<Mail>,
    refresh: String,
    narrowed: bool,
    first: Option<String>,
    next: Option<String>,
    can_act: bool,
}

#[derive(Template)]
#[template(path = "outbox.html")]
struct OutboxPage {
    shell: Shell,
    list: List,
    mail_is_sent: bool,
}

#[derive(Template)]
#[template(path = "outbox.html", block = "list")]
struct ListFragment {
    list: List,
}

async fn list(viewer: Viewer, State(state): State<AppState>, Query(filter): Query<Filter>) -> Page {
    let store = state.handle().store();
    let now = state.handle().now();
    let wanted = MailState::from_name(&filter.state);
    let cursor = match filter.cursor.trim() {
        "" => None,
        text => Some(text.parse::<Cursor>()?),
    };
    let (rows, next) = store.mails(wanted, None, cursor, ROWS).await?;
    let counts = store.mail_counts().await?;
    let list = List {
        chips: chips(wanted, &counts),
        mails: rows.iter().map(|row| Mail::new(now, row)).collect(),
        refresh: {
            let href = href(wanted, &filter.cursor);
            let joint = if href.contains('?') { '&' } else { '?' };
            format!("{href}{joint}fragment=list")
        },
        narrowed: wanted.is_some(),
        first: cursor.map(|_| href(wanted, "")),
        next: next.map(|next| href(wanted, &next.to_string())),
        can_act: viewer.can_act(),
    };
    if filter.fragment == "list" {
        return render(ListFragment { list });
    }
    let shell = Shell::new(&state, &viewer, "outbox", "Outbox").await;
    render(OutboxPage {
        shell: shell.with_messages(filter.done, filter.error),
        list,
        mail_is_sent: state.settings().mail_is_sent,
    })
}

fn href(state: Option<MailState>, cursor: &str) -> String {
    let mut href = "/outbox".to_owned();
    for (name, value) in [("state", state.map_or("", MailState::name)), ("cursor", cursor)] {
        if !value.is_empty() {
            let joint = if href.contains('?') { '&' } else { '?' };
            href = format!("{href}{joint}{name}={}", crate::url::encode(value));
        }
    }
    href
}

fn chips(wanted: Option<MailState>, counts: &[(String, u64)]) -> Vec<Chip> {
    let count = |state: MailState| {
        counts.iter().find(|(word, _)| word == state.name()).map_or(0, |(_, count)| *count)
    };
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let states = [MailState::Queued, MailState::Held, MailState::Sent, MailState::Failed];
    let all = Chip {
        label: "All",
        count: crate::number::grouped(all),
        href: href(None, ""),
        chosen: wanted.is_none(),
    };
    let each = states.into_iter().map(|state| Chip {
        label: look(state).1,
        count: crate::number::grouped(count(state)),
        href: href(Some(state), ""),
        chosen: wanted == Some(state),
    });
    std::iter::once(all).chain(each).collect()
}

/// The word of the style sheet and the word for people.
fn look(state: MailState) -> (&'static str, &'static str) {
    match state {
        MailState::Queued => ("busy", "Queued"),
        MailState::Held => ("maint", "Held"),
        MailState::Sent => ("ok", "Sent"),
        MailState::Failed => ("fault", "Failed"),
    }
}

impl Mail {
    fn new(now: UnixMs, row: &MailRow) -> Self {
        let (token, label) = look(row.state);
        Self {
            id: row.id,
            state: row.state.name(),
            token,
            label,
            to: row.mail.recipient.clone(),
            subject: row.mail.subject.clone(),
            ticket: row.mail.ticket.map(|ticket| ticket.to_string()).unwrap_or_default(),
            preview: preview(&row.mail.text),
            text: row.mail.text.clone(),
            written: Moment::new(now, row.created_at),
            sent: row.sent_at.map(|at| Moment::new(now, at)),
            attempts: row.attempts,
            error: row.last_error.clone(),
        }
    }
}

/// The beginning of a text in one line.
fn preview(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= PREVIEW {
        return line;
    }
    let cut: String = line.chars().take(PREVIEW).collect();
    format!("{}…", cut.trim_end())
}

async fn retry(Acting(viewer): Acting, State(state): State<AppState>, Path(id): Path<i64>) -> Page {
    let handle = state.handle();
    if !handle.store().retry_mail(id, handle.now()).await? {
        let error = "This mail is not one that failed; look at its state.".to_owned();
        return Ok(back("/outbox", Err(error)));
    }
    handle.audit(&viewer.name, "retry mail", &id.to_string()).await;
    handle.topics().touch(|versions| versions.outbox += 1);
    Ok(back("/outbox", Ok("It is queued again.".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_one_short_line() {
        assert_eq!(preview("Hello,\n\n  a  ticket"), "Hello, a ticket");
        let long = preview(&"wort ".repeat(100));
        assert!(long.ends_with('…') && long.chars().count() <= PREVIEW + 1, "{long}");
    }

    #[test]
    fn chips_count_every_state() {
        let counts = [("held".to_owned(), 3), ("sent".to_owned(), 40)];
        let chips = chips(Some(MailState::Held), &counts);
        let shown: Vec<_> =
            chips.iter().map(|chip| (chip.label, &*chip.count, chip.chosen)).collect();
        assert_eq!(
            shown,
            [
                ("All", "43", false),
                ("Queued", "0", false),
                ("Held", "3", true),
                ("Sent", "40", false),
                ("Failed", "0", false),
            ]
        );
        assert_eq!(chips[2].href, "/outbox?state=held");
    }
}
