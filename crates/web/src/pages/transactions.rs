//! The list of charging sessions, with the suspect ones and the ends without a start.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use mendpoint_model::{DAY_MS, ONLY_UPDATES, TransactionId, UnixMs};
use mendpoint_store::{
    Cursor, Look, OrphanRow, Severity, TransactionFilter, TransactionRow, TransactionState,
};
use serde::Deserialize;

use super::errors::{Page, PageError, back, render};
use crate::pages::extract::{Form, Query};
use crate::place::{Moment, Place};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;
use crate::{AppState, show, url};

/// Rows of a page.
const ROWS: u32 = 50;
/// The longest note, in characters.
pub(super) const NOTE_MAX: usize = 2_000;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/transactions", get(list))
        .route("/transactions.csv", get(file))
        .route("/transactions/{id}/look", post(look))
        .route("/transactions/orphans/{id}/look", post(look_at_orphan))
}

/// Which list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tab {
    #[default]
    All,
    Open,
    Suspect,
    Unseen,
    Hard,
    Orphans,
}

impl Tab {
    const ALL: [Self; 6] =
        [Self::All, Self::Open, Self::Suspect, Self::Unseen, Self::Hard, Self::Orphans];

    fn name(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Open => "open",
            Self::Suspect => "suspect",
            Self::Unseen => "unseen",
            Self::Hard => "hard",
            Self::Orphans => "orphans",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Open => "Charging now",
            Self::Suspect => "Suspect",
            Self::Unseen => "Nobody looked yet",
            Self::Hard => "Money is wrong",
            Self::Orphans => "Without a start",
        }
    }

    fn state(self) -> TransactionState {
        match self {
            Self::All | Self::Orphans => TransactionState::Any,
            Self::Open => TransactionState::Open,
            Self::Suspect => TransactionState::Suspect,
            Self::Unseen => TransactionState::Unseen,
            Self::Hard => TransactionState::Hard,
        }
    }
}

/// The filter, as it stands in the address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    tab: String,
    /// `1`: the same as the tab of suspect ones.
    suspect: String,
    /// An OCPP identity.
    charger: String,
    /// A site's number.
    site: String,
    /// `2026-11-21`, UTC.
    from: String,
    /// The last day that is shown, UTC.
    until: String,
    cursor: String,
    fragment: String,
    done: Option<String>,
    error: Option<String>,
}

impl Filter {
    fn tab(&self) -> Tab {
        if self.tab.is_empty() && !matches!(self.suspect.as_str(), "" | "0") {
            return Tab::Suspect;
        }
        Tab::ALL.into_iter().find(|tab| tab.name() == self.tab).unwrap_or_default()
    }

    fn href(&self, page: &str, tab: Tab, cursor: &str) -> String {
        let fields = [
            ("tab", tab.name()),
            ("charger", self.charger.trim()),
            ("site", &self.site),
            ("from", &self.from),
            ("until", &self.until),
            ("cursor", cursor),
        ];
        url::with_fields(page, &fields)
    }

    fn is_narrowed(&self) -> bool {
        [&self.charger, &self.site, &self.from, &self.until]
            .into_iter()
            .any(|field| !field.trim().is_empty())
    }

    /// What the database is asked for; a sentence when a field makes no sense.
    fn wanted(&self, state: &AppState) -> Result<TransactionFilter, String> {
        let charger = match self.charger.trim() {
            "" => None,
            text => Some(charger_of(state, text)?),
        };
        let until = day("until", &self.until)?.map(|day| day + DAY_MS);
        Ok(TransactionFilter {
            charger,
            site: match self.site.trim() {
                "" => None,
                text => Some(text.parse().map_err(|_| format!("There is no site {text:?}."))?),
            },
            state: self.tab().state(),
            from: day("from", &self.from)?,
            until,
        })
    }
}

/// A charger by its identity, or by its name when only one has it.
fn charger_of(state: &AppState, text: &str) -> Result<mendpoint_model::ChargerKey, String> {
    let directory = state.handle().directory();
    if let Some(record) = directory.by_identity(text) {
        return Ok(record.key);
    }
    let named: Vec<_> = directory
        .chargers()
        .into_iter()
        .filter(|record| record.name.eq_ignore_ascii_case(text))
        .collect();
    match &named[..] {
        [one] => Ok(one.key),
        [] => Err(format!("No charger has the identity or name {text:?}.")),
        _ => Err(format!("Several chargers are named {text:?}; give the identity.")),
    }
}

/// Midnight of a day in UTC.
fn day(name: &str, text: &str) -> Result<Option<UnixMs>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    UnixMs::parse_rfc3339(&format!("{text}T00:00:00Z"))
        .map(Some)
        .ok_or_else(|| format!("{name:?} is a day as 2026-11-21, not {text:?}."))
}

struct TabLink {
    label: &'static str,
    href: String,
    count: String,
    current: bool,
}

struct Row {
    id: String,
    href: String,
    place: Place,
    token: String,
    started: Moment,
    lasted: String,
    energy: String,
    is_open: bool,
    reason: String,
    /// `fault`, `warn`, `charge` or `ok`.
    glyph: &'static str,
    glyph_label: &'static str,
    suspect: String,
    more: u32,
    is_hard: bool,
    looked: Option<Looked>,
    look_href: String,
}

/// Who looked.
pub(super) struct Looked {
    pub(super) by: String,
    pub(super) at: Moment,
    pub(super) note: String,
}

impl Looked {
    pub(super) fn new(now: UnixMs, look: Option<&Look>) -> Option<Self> {
        look.map(|look| Self {
            by: look.by.clone(),
            at: Moment::new(now, look.at),
            note: look.note.clone(),
        })
    }
}

struct Orphan {
    id: i64,
    place: Place,
    at: Moment,
    sent: String,
    token: String,
    meter: String,
    reason: String,
    told: Option<Moment>,
    joined: Option<String>,
    looked: Option<Looked>,
}

struct List {
    tabs: Vec<TabLink>,
    rows: Vec<Row>,
    orphans: Vec<Orphan>,
    is_orphans: bool,
    is_suspect: bool,
    /// Why there is nothing to show.
    empty: String,
    narrowed: bool,
    unfiltered: String,
    refresh: String,
    here: String,
    first: Option<String>,
    next: Option<String>,
    can_act: bool,
}

struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "transactions.html")]
struct TransactionsPage {
    shell: Shell,
    list: List,
    tab: &'static str,
    charger: String,
    sites: Vec<Choice>,
    from: String,
    until: String,
    csv_href: String,
}

#[derive(Template)]
#[template(path = "transactions.html", block = "list")]
struct ListFragment {
    list: List,
}

async fn list(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(mut filter): Query<Filter>,
) -> Page {
    let list = match filter.wanted(&state) {
        Ok(wanted) => find(&state, &viewer, &filter, &wanted).await?,
        Err(sentence) => {
            let nothing = TransactionFilter {
                site: Some(mendpoint_model::SiteKey(0)),
                ..TransactionFilter::default()
            };
            let list = find(&state, &viewer, &filter, &nothing).await?;
            filter.error.get_or_insert_with(|| sentence.clone());
            List { empty: sentence, rows: Vec::new(), orphans: Vec::new(), ..list }
        }
    };
    if filter.fragment == "list" {
        return render(ListFragment { list });
    }
    let sites = state.handle().directory().sites();
    let sites = sites.iter().map(|site| Choice {
        value: site.key.to_string(),
        label: site.name.clone(),
        chosen: filter.site == site.key.to_string(),
    });
    render(TransactionsPage {
        tab: filter.tab().name(),
        charger: filter.charger.clone(),
        sites: sites.collect(),
        from: filter.from.clone(),
        until: filter.until.clone(),
        csv_href: filter.href("/transactions.csv", filter.tab(), ""),
        list,
        shell: Shell::new(&state, &viewer, "transactions", "Transactions")
            .await
            .with_messages(filter.done, filter.error),
    })
}

async fn find(
    state: &AppState,
    viewer: &Viewer,
    filter: &Filter,
    wanted: &TransactionFilter,
) -> Result<List, PageError> {
    let handle = state.handle();
    let (store, now, tab) = (handle.store(), handle.now(), filter.tab());
    let cursor = match filter.cursor.trim() {
        "" => None,
        text => Some(text.parse::<Cursor>()?),
    };
    let (mut rows, mut orphans) = (Vec::new(), Vec::new());
    let next = if tab == Tab::Orphans {
        let (found, next) = store.orphans(wanted.charger, cursor, ROWS).await?;
        orphans = found.iter().map(|row| orphan(state, viewer, now, row)).collect();
        next
    } else {
        let (found, next) = store.transactions(wanted, cursor, ROWS).await?;
        rows = found.iter().map(|found| row(state, viewer, now, found)).collect();
        next
    };
    let (unseen, unseen_orphans) = store.unseen_suspects().await?;
    let here = filter.href("/transactions", tab, &filter.cursor);
    let joint = if here.contains('?') { '&' } else { '?' };
    let tabs = Tab::ALL.into_iter().map(|one| TabLink {
        label: one.label(),
        href: filter.href("/transactions", one, ""),
        count: match one {
            Tab::Unseen => count(unseen),
            Tab::Orphans => count(unseen_orphans),
            _ => String::new(),
        },
        current: one == tab,
    });
    Ok(List {
        tabs: tabs.collect(),
        rows,
        orphans,
        is_orphans: tab == Tab::Orphans,
        is_suspect: matches!(tab, Tab::Suspect | Tab::Unseen | Tab::Hard),
        empty: match tab {
            Tab::All => "Nobody has charged yet. A session appears here as soon as it begins.",
            Tab::Open => "Nobody is charging now.",
            Tab::Suspect => "Nothing is odd about any session.",
            Tab::Unseen => "Somebody has looked at every suspect session.",
            Tab::Hard => "No session with wrong money.",
            Tab::Orphans => "Every end had its start.",
        }
        .to_owned(),
        narrowed: filter.is_narrowed(),
        unfiltered: Filter::default().href("/transactions", tab, ""),
        refresh: format!("{here}{joint}fragment=list"),
        here,
        first: cursor.map(|_| filter.href("/transactions", tab, "")),
        next: next.map(|next| filter.href("/transactions", tab, &next.to_string())),
        can_act: viewer.can_act(),
    })
}

fn count(count: u64) -> String {
    match count {
        0 => String::new(),
        1_000.. => "1,000+".to_owned(),
        count => count.to_string(),
    }
}

fn place_of(
    state: &AppState,
    charger: mendpoint_model::ChargerKey,
    connector: mendpoint_model::ConnectorRef,
) -> Place {
    let directory = state.handle().directory();
    let site = directory.charger(charger).map(|record| record.site).unwrap_or_default();
    Place::new(directory, charger, site, connector)
}

/// The word of the style sheet and for people of a record's soundness.
pub(super) fn soundness(severity: Severity, is_open: bool) -> (&'static str, &'static str) {
    match (severity, is_open) {
        (Severity::Hard, _) => ("fault", "Money is wrong"),
        (Severity::Soft, _) => ("warn", "Worth a look"),
        (Severity::Sound, true) => ("charge", "Charging now"),
        (Severity::Sound, false) => ("ok", "Sound"),
    }
}

fn row(state: &AppState, viewer: &Viewer, now: UnixMs, row: &TransactionRow) -> Row {
    let transaction = &row.transaction;
    let until = row.ended_at.unwrap_or(now);
    let energy = row.energy_wh.or_else(|| transaction.energy_wh());
    let (glyph, glyph_label) = soundness(row.severity, row.ended_at.is_none());
    let href = format!("/transactions/{}", transaction.id);
    Row {
        id: transaction.id.to_string(),
        look_href: format!("{href}/look"),
        href,
        place: place_of(state, row.charger, transaction.connector),
        token: viewer.token_words(&transaction.id_token),
        started: Moment::new(now, transaction.started_at),
        lasted: show::duration(until.since_ms(transaction.started_at)),
        energy: energy.map(show::energy).unwrap_or_default(),
        is_open: row.ended_at.is_none(),
        reason: row.reason.clone(),
        glyph,
        glyph_label,
        suspect: row.suspect.clone().unwrap_or_default(),
        more: row.findings.saturating_sub(1),
        is_hard: row.severity == Severity::Hard,
        looked: Looked::new(now, row.look.as_ref()),
    }
}

fn orphan(state: &AppState, viewer: &Viewer, now: UnixMs, row: &OrphanRow) -> Orphan {
    let ended = row.ended.as_ref();
    let connector = ended.and_then(|ended| ended.connector).unwrap_or_default();
    Orphan {
        id: row.id,
        place: place_of(state, row.charger, connector),
        at: Moment::new(now, row.at),
        sent: if row.external_id.is_empty() {
            row.sent.to_string()
        } else {
            row.external_id.clone()
        },
        token: ended
            .and_then(|ended| ended.id_token.as_deref())
            .map(|token| viewer.token_words(token))
            .unwrap_or_default(),
        meter: ended
            .and_then(|ended| ended.meter_wh)
            .map(|wh| show::energy(wh as f64))
            .unwrap_or_default(),
        reason: ended.map_or_else(String::new, |ended| {
            if ended.reason == ONLY_UPDATES {
                "updates without a start".to_owned()
            } else {
                ended.reason.clone()
            }
        }),
        told: ended.and_then(|ended| ended.at).map(|at| Moment::new(now, at)),
        joined: row.joined.map(|id| id.to_string()),
        looked: Looked::new(now, row.look.as_ref()),
    }
}

/// The list as a file for spreadsheets.
async fn file(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(filter): Query<Filter>,
) -> Result<Response, PageError> {
    let wanted = filter.wanted(&state).map_err(PageError::bad_request)?;
    let table = crate::api::transactions_table(&state, &wanted, viewer.is_admin()).await?;
    state.handle().exported(&viewer.name, "transactions").await?;
    Ok(table.into_file("transactions.csv"))
}

/// What was typed about a suspect record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LookForm {
    note: String,
    to: String,
}

impl LookForm {
    fn look(&self, state: &AppState, viewer: &Viewer) -> Look {
        Look {
            at: state.handle().now(),
            by: viewer.name.clone(),
            note: self.note.trim().chars().take(NOTE_MAX).collect(),
        }
    }
}

async fn look(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(id): Path<i64>,
    Form(form): Form<LookForm>,
) -> Page {
    let handle = state.handle();
    let look = form.look(&state, &viewer);
    if !handle.store().look_at_transaction(TransactionId(id), &look).await? {
        let sentence = format!("Nothing is odd about transaction {id}.");
        return Ok(back(&form.to, Err(sentence)));
    }
    handle.audit(&viewer.name, "looked at", &format!("transaction {id}")).await;
    Ok(back(&form.to, Ok(format!("Transaction {id} is marked as looked at."))))
}

async fn look_at_orphan(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(id): Path<i64>,
    Form(form): Form<LookForm>,
) -> Page {
    let handle = state.handle();
    let look = form.look(&state, &viewer);
    if !handle.store().look_at_orphan(id, &look).await? {
        return Ok(back("/transactions?tab=orphans", Err("There is no such end.".to_owned())));
    }
    handle.audit(&viewer.name, "looked at", &format!("orphan {id}")).await;
    Ok(back("/transactions?tab=orphans", Ok("The end is marked as looked at.".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_suspects_is_short() {
        let asked = Filter { suspect: "1".to_owned(), ..Filter::default() };
        assert_eq!(asked.tab(), Tab::Suspect);
        assert_eq!(Filter::default().tab(), Tab::All);
        let hard = Filter { tab: "hard".to_owned(), suspect: "1".to_owned(), ..Filter::default() };
        assert_eq!(hard.tab(), Tab::Hard);
        let narrowed = Filter { charger: " A&B ".to_owned(), ..Filter::default() };
        assert_eq!(
            narrowed.href("/transactions", Tab::Open, ""),
            "/transactions?tab=open&charger=A%26B"
        );
    }

    #[test]
    fn a_day_is_a_day_in_utc() {
        assert_eq!(day("from", "2026-09-21"), Ok(Some(UnixMs(1_789_948_800_000))));
        assert_eq!(day("from", " "), Ok(None));
        assert!(day("until", "yesterday").expect_err("no day").contains("2026-11-21"));
    }
}
