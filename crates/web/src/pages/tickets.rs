//! The list of tickets, and the form for a new one.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use mendpoint_model::{ChargerRecord, Priority, UnixMs};
use mendpoint_pipeline::Directory;
use mendpoint_store::{Cursor, TicketFilter, TicketOrder, TicketRow};
use mendpoint_tickets::{Status, Ticket};
use serde::Deserialize;

use super::errors::{Page, back, render};
use crate::pages::extract::{Form, Query};
use crate::place::{Moment, Place};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;
use crate::{AppState, url};

/// Rows of a page of the list.
const ROWS: u32 = 50;
/// Up to so many chargers the form offers all of them; more would make the page heavy.
const OFFERED_MAX: usize = 2_000;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/tickets", get(list)).route("/tickets/new", get(form).post(open))
}

/// A part of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Active,
    Waiting,
    Done,
}

impl Tab {
    const ALL: [Self; 3] = [Self::Active, Self::Waiting, Self::Done];

    fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Done => "done",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Waiting => "Waiting",
            Self::Done => "Done",
        }
    }

    /// The tab of a word; what is none of them is the first.
    fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|tab| tab.name() == word).unwrap_or(Self::Active)
    }

    fn has(self, status: Status) -> bool {
        let waits = matches!(status, Status::Waiting { .. });
        match self {
            Self::Active => !status.is_over() && !waits,
            Self::Waiting => waits,
            Self::Done => status.is_over(),
        }
    }

    fn statuses(self) -> Vec<String> {
        Status::ALL
            .into_iter()
            .filter(|status| self.has(*status))
            .map(|status| status.name().to_owned())
            .collect()
    }

    /// What is still to be done, by when it is due; what is over, the newest first.
    fn order(self) -> TicketOrder {
        match self {
            Self::Active | Self::Waiting => TicketOrder::Due,
            Self::Done => TicketOrder::Newest,
        }
    }

    /// The words on the ways to the first page and to the next one.
    fn ways(self) -> (&'static str, &'static str) {
        match self.order() {
            TicketOrder::Due => ("Due first", "Due later"),
            TicketOrder::Newest => ("Newest", "Older"),
        }
    }

    fn empty(self) -> &'static str {
        match self {
            Self::Active => {
                "No ticket is open. When the system cannot repair a charger from afar, it opens \
                 one here with everything it tried."
            }
            Self::Waiting => "No ticket waits for parts, access or an answer.",
            Self::Done => "No ticket is over yet.",
        }
    }
}

/// The filter, as it stands in the address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    tab: String,
    /// Words of the title, or a charger's identity.
    q: String,
    assignee: String,
    cursor: String,
    fragment: String,
    done: Option<String>,
    error: Option<String>,
}

impl Filter {
    fn is_narrowed(&self) -> bool {
        !self.q.trim().is_empty() || !self.assignee.trim().is_empty()
    }

    fn href(&self, tab: Tab, cursor: &str) -> String {
        let fields = [
            ("tab", tab.name()),
            ("q", self.q.trim()),
            ("assignee", self.assignee.trim()),
            ("cursor", cursor.trim()),
        ];
        url::with_fields("/tickets", &fields)
    }

    fn for_store(&self, tab: Tab, directory: &Directory) -> TicketFilter {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let charger = directory.by_identity(self.q.trim()).map(|record| record.key);
        TicketFilter {
            statuses: tab.statuses(),
            assignee: given(&self.assignee),
            // An identity is meant as one, not as words of a title.
            text: if charger.is_some() { None } else { given(&self.q) },
            charger,
            order: tab.order(),
            ..TicketFilter::default()
        }
    }
}

/// A tab as it is drawn.
struct TabView {
    label: &'static str,
    href: String,
    count: u64,
    current: bool,
}

/// A row of the list.
#[derive(Clone, Debug)]
struct Row {
    id: String,
    href: String,
    priority: Priority,
    title: String,
    incident: String,
    reopened: bool,
    place: Place,
    status: &'static str,
    waiting: String,
    assignee: String,
    due: Option<Moment>,
    overdue: bool,
    opened: Moment,
}

impl Row {
    /// A row of a ticket; `None` when it cannot be read, which the log of the store tells.
    fn new(row: &TicketRow, directory: &Directory, now: UnixMs) -> Option<Self> {
        let ticket: Ticket = serde_json::from_str(&row.json).ok()?;
        let due_at = ticket.due_at().filter(|_| !ticket.status.is_over());
        Some(Self {
            id: ticket.id.to_string(),
            href: format!("/tickets/{}", ticket.id),
            priority: ticket.priority,
            incident: ticket.incident.map(|id| id.to_string()).unwrap_or_default(),
            reopened: ticket.reopen_count > 0,
            place: Place::new(directory, ticket.charger, ticket.site, ticket.connector),
            status: ticket.status.label(),
            waiting: ticket.waiting_reason.clone(),
            assignee: ticket.assignee.map(|assignee| assignee.name).unwrap_or_default(),
            overdue: due_at.is_some_and(|due| due < now),
            due: due_at.map(|due| Moment::new(now, due)),
            opened: Moment::new(now, ticket.opened_at),
            title: ticket.title,
        })
    }
}

/// What the list shows.
struct List {
    tabs: Vec<TabView>,
    rows: Vec<Row>,
    empty: &'static str,
    refresh: String,
    unfiltered: String,
    narrowed: bool,
    ways: (&'static str, &'static str),
    first: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "tickets.html")]
struct TicketsPage {
    shell: Shell,
    list: List,
    tab: &'static str,
    q: String,
    assignee: String,
    assignees: Vec<String>,
}

#[derive(Template)]
#[template(path = "tickets.html", block = "list")]
struct ListFragment {
    list: List,
}

async fn list(viewer: Viewer, State(state): State<AppState>, Query(filter): Query<Filter>) -> Page {
    let handle = state.handle();
    let store = handle.store();
    let now = handle.now();
    let tab = Tab::of(&filter.tab);
    let cursor = match filter.cursor.trim() {
        "" => None,
        text => Some(text.parse::<Cursor>()?),
    };
    let wanted = filter.for_store(tab, handle.directory());
    let (rows, next) = store.tickets(&wanted, cursor, ROWS).await?;
    let counts = store.ticket_counts().await?;
    let count = |tab: Tab| {
        counts
            .iter()
            .filter(|(word, _)| Status::from_name(word).is_some_and(|status| tab.has(status)))
            .map(|(_, count)| count)
            .sum()
    };
    let list = List {
        tabs: Tab::ALL
            .into_iter()
            .map(|each| TabView {
                label: each.label(),
                href: filter.href(each, ""),
                count: count(each),
                current: each == tab,
            })
            .collect(),
        rows: rows.iter().filter_map(|row| Row::new(row, handle.directory(), now)).collect(),
        empty: if filter.is_narrowed() { "No ticket fits this filter." } else { tab.empty() },
        refresh: format!("{}&fragment=list", filter.href(tab, &filter.cursor)),
        unfiltered: format!("/tickets?tab={}", tab.name()),
        narrowed: filter.is_narrowed(),
        ways: tab.ways(),
        first: cursor.map(|_| filter.href(tab, "")),
        next: next.map(|next| filter.href(tab, &next.to_string())),
    };
    if filter.fragment == "list" {
        return render(ListFragment { list });
    }
    let shell = Shell::new(&state, &viewer, "tickets", "Tickets").await;
    render(TicketsPage {
        shell: shell.with_messages(filter.done, filter.error),
        list,
        tab: tab.name(),
        q: filter.q,
        assignee: filter.assignee,
        assignees: installers(handle.directory()),
    })
}

/// The installers bound to sites, each once: whom tickets are usually given to.
fn installers(directory: &Directory) -> Vec<String> {
    let mut names: Vec<String> = directory
        .sites()
        .iter()
        .filter_map(|site| site.installer.as_ref().map(|installer| installer.name.clone()))
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The form for a new ticket.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct NewForm {
    /// Identity or name.
    charger: String,
    title: String,
    description: String,
}

/// A field's id and what is wrong with it.
type FormProblem = (&'static str, String);

#[derive(Template)]
#[template(path = "ticket_new.html")]
struct NewPage {
    shell: Shell,
    form: NewForm,
    problems: Vec<FormProblem>,
    /// Identity and name.
    chargers: Vec<(String, String)>,
}

impl NewPage {
    fn is_wrong(&self, field: &str) -> bool {
        self.problems.iter().any(|(name, _)| *name == field)
    }
}

async fn new_page(
    state: &AppState,
    viewer: &Viewer,
    form: NewForm,
    problems: Vec<FormProblem>,
) -> Page {
    // The title of the window says it too, because it is read first.
    let title = if problems.is_empty() { "New ticket" } else { "Error: New ticket" };
    let shell = Shell::new(state, viewer, "tickets", title).await;
    let directory = state.handle().directory();
    let chargers = if directory.len() > OFFERED_MAX {
        Vec::new()
    } else {
        let pair = |record: &ChargerRecord| (record.identity.to_string(), record.name.clone());
        directory.chargers().iter().map(|record| pair(record)).collect()
    };
    render(NewPage { shell, form, problems, chargers })
}

async fn form(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Query(form): Query<NewForm>,
) -> Page {
    new_page(&state, &viewer, form, Vec::new()).await
}

async fn open(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(form): Form<NewForm>,
) -> Page {
    let handle = state.handle();
    let found = find(handle.directory(), form.charger.trim());
    let mut problems: Vec<FormProblem> = Vec::new();
    if let Err(why) = &found {
        problems.push(("charger", why.clone()));
    }
    if form.title.trim().is_empty() {
        problems.push(("title", "Say in a line what is wrong".to_owned()));
    }
    if let (Ok(charger), true) = (found, problems.is_empty()) {
        let title = form.title.trim().to_owned();
        let description = form.description.trim().to_owned();
        match handle.open_ticket(charger.key, title, description, &viewer.name).await {
            Ok(ticket) => {
                let done = Ok(format!("{} is open.", ticket.id));
                return Ok(back(&format!("/tickets/{}", ticket.id), done));
            }
            Err(error) => problems.push(("title", error.to_string())),
        }
    }
    let page: Response = new_page(&state, &viewer, form, problems).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The charger of an identity, or of a name that only one has.
fn find(directory: &Directory, text: &str) -> Result<std::sync::Arc<ChargerRecord>, String> {
    if text.is_empty() {
        return Err("Say which charger it is about".to_owned());
    }
    if let Some(record) = directory.by_identity(text) {
        return Ok(record);
    }
    let mut named =
        directory.chargers().into_iter().filter(|record| record.name.eq_ignore_ascii_case(text));
    match (named.next(), named.next()) {
        (Some(record), None) => Ok(record),
        (Some(_), Some(_)) => {
            Err(format!("Several chargers are called {text}: give the identity of one"))
        }
        (None, _) => Err(format!("There is no charger {text}: look it up in the list of chargers")),
    }
}

#[cfg(test)]
mod tests;
