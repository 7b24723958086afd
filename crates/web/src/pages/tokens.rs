//! Cards: who may charge, until when, and who belongs together.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use mendpoint_model::{TokenStatus, UnixMs};
use mendpoint_store::{IdTokenRow, TokenFilter};
use serde::Deserialize;

use super::errors::{Page, PageError, back, render, wrong};
use crate::cards::{self, KINDS, Typed};
use crate::pages::extract::{Form, Query};
use crate::place::Moment;
use crate::session::{Acting, Admin, Viewer};
use crate::shell::Shell;
use crate::{AppState, url};

/// Rows of a page.
const ROWS: u32 = 50;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/tokens", get(list).post(put))
        .route("/tokens.csv", get(file))
        .route("/tokens/import", post(import))
        .route("/tokens/{reference}/status", post(change))
        .route("/tokens/{reference}/forget", post(forget))
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    q: String,
    status: String,
    cursor: String,
    /// A card whose form is filled in, by its reference.
    edit: String,
    done: Option<String>,
    error: Option<String>,
}

impl Filter {
    fn href(&self, status: &str, cursor: &str) -> String {
        let mut href = "/tokens".to_owned();
        for (name, value) in [("q", self.q.trim()), ("status", status), ("cursor", cursor)] {
            if !value.is_empty() {
                let joint = if href.contains('?') { '&' } else { '?' };
                href = format!("{href}{joint}{name}={}", url::encode(value));
            }
        }
        href
    }
}

/// What was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Typing {
    token: String,
    status: String,
    parent: String,
    expires_at: String,
    kind: String,
    note: String,
}

impl Typing {
    fn of(row: &IdTokenRow) -> Self {
        Self {
            token: row.token.clone(),
            status: row.status.name().to_owned(),
            parent: row.parent.clone().unwrap_or_default(),
            expires_at: row.expires_at.map(UnixMs::rfc3339).unwrap_or_default(),
            kind: row.kind.clone(),
            note: row.note.clone(),
        }
    }

    fn read(&self) -> Result<IdTokenRow, String> {
        Typed {
            token: &self.token,
            status: &self.status,
            parent: &self.parent,
            expires_at: &self.expires_at,
            kind: &self.kind,
            note: &self.note,
        }
        .read()
    }
}

struct Row {
    reference: String,
    token: String,
    glyph: &'static str,
    status: &'static str,
    is_blocked: bool,
    parent: String,
    expires: Option<Moment>,
    is_over: bool,
    kind: String,
    note: String,
    edit_href: String,
}

struct TabLink {
    label: &'static str,
    href: String,
    current: bool,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    shell: Shell,
    tabs: Vec<TabLink>,
    rows: Vec<Row>,
    q: String,
    status: String,
    narrowed: bool,
    first: Option<String>,
    next: Option<String>,
    is_admin: bool,
    /// Whether tokens are shown whole.
    sees_tokens: bool,
    may_change: bool,
    accepts_unknown: bool,
    form: Typing,
    form_open: bool,
    problem: String,
    file_errors: Vec<(usize, String)>,
    file_text: String,
    statuses: Vec<(&'static str, &'static str)>,
    kinds: [&'static str; KINDS.len()],
}

/// What a page shows besides the list.
#[derive(Default)]
struct Shown {
    form: Typing,
    form_open: bool,
    problem: String,
    file_errors: Vec<(usize, String)>,
    file_text: String,
}

fn look(status: TokenStatus) -> (&'static str, &'static str) {
    match status {
        TokenStatus::Accepted => ("ok", "Accepted"),
        TokenStatus::Blocked => ("fault", "Blocked"),
        TokenStatus::Expired => ("offline", "Expired"),
        TokenStatus::Invalid => ("warn", "Invalid"),
        TokenStatus::ConcurrentTx => ("busy", "Charges elsewhere"),
    }
}

async fn list(viewer: Viewer, State(state): State<AppState>, Query(filter): Query<Filter>) -> Page {
    let mut shown = Shown::default();
    if !filter.edit.is_empty() && viewer.is_admin() {
        let row = find(&state, &filter.edit).await?;
        shown.form = Typing::of(&row);
        shown.form_open = true;
    }
    whole(&state, &viewer, filter, shown).await
}

async fn whole(state: &AppState, viewer: &Viewer, filter: Filter, shown: Shown) -> Page {
    let handle = state.handle();
    let now = handle.now();
    let wanted = TokenFilter {
        status: TokenStatus::from_name(&filter.status),
        parent: None,
        text: Some(filter.q.trim().to_owned()).filter(|text| !text.is_empty()),
    };
    // Whoever sees only the ends of tokens must not find them by their other letters.
    let (rows, next) = if viewer.is_admin() || wanted.text.is_none() {
        handle.store().id_tokens_page(&wanted, &filter.cursor, ROWS).await?
    } else {
        let exact = handle.token(filter.q.trim()).await?;
        (exact.into_iter().collect(), None)
    };
    let next = match next {
        // A cursor is a token; those who may not see tokens get the first page only.
        Some(next) if viewer.is_admin() => Some(filter.href(&filter.status, &next)),
        _ => None,
    };
    let mut tabs = vec![("All", "")];
    tabs.extend(TokenStatus::ALL.map(|status| (look(status).1, status.name())));
    render(TokensPage {
        tabs: tabs
            .into_iter()
            .map(|(label, status)| TabLink {
                label,
                href: filter.href(status, ""),
                current: filter.status == status,
            })
            .collect(),
        rows: rows.iter().map(|one| row(viewer, now, one)).collect(),
        narrowed: !filter.q.trim().is_empty() || !filter.status.is_empty(),
        first: (!filter.cursor.is_empty()).then(|| filter.href(&filter.status, "")),
        next,
        is_admin: viewer.is_admin(),
        sees_tokens: viewer.sees_tokens(),
        may_change: viewer.manages_cards(),
        accepts_unknown: handle.accepts_unknown_tokens(),
        form: shown.form,
        form_open: shown.form_open || !shown.problem.is_empty(),
        problem: shown.problem,
        file_errors: shown.file_errors,
        file_text: shown.file_text,
        statuses: TokenStatus::ALL.map(|status| (status.name(), look(status).1)).to_vec(),
        kinds: KINDS,
        q: filter.q,
        status: filter.status,
        shell: Shell::new(state, viewer, "tokens", "Cards")
            .await
            .with_messages(filter.done, filter.error),
    })
}

fn row(viewer: &Viewer, now: UnixMs, row: &IdTokenRow) -> Row {
    let status = row.info().at(now);
    let (glyph, label) = look(status);
    let reference = cards::reference(&row.token);
    Row {
        token: viewer.token_words(&row.token),
        glyph,
        status: label,
        is_blocked: row.status == TokenStatus::Blocked,
        parent: row.parent.as_deref().map(|parent| viewer.token_words(parent)).unwrap_or_default(),
        expires: row.expires_at.map(|at| Moment::new(now, at)),
        is_over: row.expires_at.is_some_and(|at| at <= now),
        kind: row.kind.clone(),
        note: if viewer.is_admin() { row.note.clone() } else { String::new() },
        edit_href: format!("/tokens?edit={reference}#form"),
        reference,
    }
}

/// The card of a reference.
async fn find(state: &AppState, reference: &str) -> Result<IdTokenRow, PageError> {
    let handle = state.handle();
    let gone = || PageError::not_found("This card is not registered any more.");
    let token = handle.find_token(|token| cards::reference(token) == reference).ok_or_else(gone)?;
    handle.token(&token).await?.ok_or_else(gone)
}

/// Refuses those who may act on chargers and not on cards.
fn allowed(viewer: &Viewer) -> Result<(), PageError> {
    if viewer.manages_cards() {
        return Ok(());
    }
    let sentence = "Technicians do not say who may charge. An operator can.";
    Err(PageError::forbidden(sentence))
}

async fn put(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(form): Form<Typing>,
) -> Page {
    allowed(&viewer)?;
    let row = match form.read() {
        Ok(row) => row,
        Err(problem) => {
            let shown = Shown { form, form_open: true, problem, ..Shown::default() };
            return wrong(whole(&state, &viewer, Filter::default(), shown).await);
        }
    };
    let handle = state.handle();
    let masked = crate::search::masked(&row.token);
    let word = row.status.name();
    handle.put_tokens(vec![row]).await?;
    handle.audit(&viewer.name, word, &format!("card {masked}")).await;
    Ok(back("/tokens", Ok(format!("The card {masked} is {word}."))))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Change {
    status: String,
}

async fn change(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(reference): Path<String>,
    Form(form): Form<Change>,
) -> Page {
    allowed(&viewer)?;
    let row = find(&state, &reference).await?;
    let Some(status) = TokenStatus::from_name(&form.status) else {
        return Ok(back("/tokens", Err("A card is accepted or blocked.".to_owned())));
    };
    let handle = state.handle();
    let masked = crate::search::masked(&row.token);
    handle.put_tokens(vec![IdTokenRow { status, ..row }]).await?;
    handle.audit(&viewer.name, status.name(), &format!("card {masked}")).await;
    let word = look(status).1.to_lowercase();
    Ok(back("/tokens", Ok(format!("The card {masked} is {word} now."))))
}

async fn forget(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(reference): Path<String>,
) -> Page {
    allowed(&viewer)?;
    let row = find(&state, &reference).await?;
    let handle = state.handle();
    let masked = crate::search::masked(&row.token);
    handle.delete_token(&row.token).await?;
    handle.audit(&viewer.name, "forgotten", &format!("card {masked}")).await;
    Ok(back("/tokens", Ok(format!("The card {masked} is forgotten."))))
}

async fn file(Admin(viewer): Admin, State(state): State<AppState>) -> Result<Response, PageError> {
    let rows = state.handle().store().id_tokens().await?;
    state.handle().exported(&viewer.name, "all cards").await?;
    Ok(cards::file(&rows).into_file("tokens.csv"))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pasted {
    text: String,
}

async fn import(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(pasted): Form<Pasted>,
) -> Page {
    allowed(&viewer)?;
    match cards::read_file(&pasted.text) {
        Ok(rows) => {
            let count = rows.len();
            state.handle().put_tokens(rows).await?;
            state
                .handle()
                .audit(&viewer.name, "imported", &crate::number::counted(count, "card"))
                .await;
            Ok(back("/tokens", Ok(format!("Written: {}.", crate::number::counted(count, "card")))))
        }
        Err(file_errors) => {
            let shown = Shown { file_errors, file_text: pasted.text, ..Shown::default() };
            wrong(whole(&state, &viewer, Filter::default(), shown).await)
        }
    }
}
