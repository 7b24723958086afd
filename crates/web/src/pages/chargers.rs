//! The list of chargers: search first, those that wait for a decision on top.

mod add;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use mendpoint_model::{
    Admission, CellState, ChargerRecord, ChargerState, ConnectorState, ConnectorStatus,
    IncidentState, UnixMs,
};
use mendpoint_store::IncidentFilter;
use serde::Deserialize;

use self::add::Form;
use super::errors::{Page, render};
use crate::pages::extract::Query;
use crate::place::{Moment, charger_href};
use crate::session::Viewer;
use crate::shell::{Glyph, Shell};
use crate::{AppState, show, url};

/// Rows of a page.
const ROWS: usize = 50;
/// Chargers that wait for a decision and are shown on top; the filter shows all of them.
const WAITING: usize = 8;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/chargers", get(list).post(add::add))
}

/// The filter, as it stands in the address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    q: String,
    /// A state's word (`fault`, ..).
    state: String,
    /// A site's number.
    site: String,
    admission: String,
    /// Pages from 1.
    page: String,
    /// Whether the form for a new charger is open.
    add: String,
    fragment: String,
    done: Option<String>,
    error: Option<String>,
}

impl Filter {
    /// The address of this list with another state or page.
    fn href(&self, state: &str, page: usize) -> String {
        let page = if page > 1 { page.to_string() } else { String::new() };
        let fields = [
            ("q", self.q.trim()),
            ("state", state),
            ("site", self.site.as_str()),
            ("admission", &self.admission),
            ("page", &page),
        ];
        url::with_fields("/chargers", &fields)
    }

    fn is_narrowed(&self) -> bool {
        [&self.q, &self.state, &self.site, &self.admission]
            .into_iter()
            .any(|field| !field.trim().is_empty())
    }
}

/// A state with its count: the legend, and the filter by it.
struct Legend {
    glyph: Glyph,
    count: String,
    href: String,
    chosen: bool,
}

struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

/// A row of the list.
struct Row {
    key: String,
    name: String,
    identity: String,
    href: String,
    glyph: Glyph,
    site: String,
    model: String,
    firmware: String,
    admission: &'static str,
    incident: String,
    incident_href: String,
    since: Option<Moment>,
    lasted: String,
}

/// A charger that came by itself.
struct Waiting {
    name: String,
    identity: String,
    href: String,
    model: String,
    came: Moment,
}

struct List {
    legend: Vec<Legend>,
    rows: Vec<Row>,
    total: String,
    /// "51 to 100 of 240", empty when one page holds all.
    range: String,
    refresh: String,
    narrowed: bool,
    previous: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "chargers.html")]
struct ChargersPage {
    shell: Shell,
    list: List,
    waiting: Vec<Waiting>,
    waiting_more: usize,
    is_admin: bool,
    q: String,
    state: String,
    sites: Vec<Choice>,
    admissions: Vec<Choice>,
    add_open: bool,
    form: Form,
    problem: String,
    ws_url: String,
    here: String,
}

#[derive(Template)]
#[template(path = "chargers.html", block = "list")]
struct ListFragment {
    list: List,
}

async fn list(viewer: Viewer, State(state): State<AppState>, Query(filter): Query<Filter>) -> Page {
    if filter.fragment == "list" {
        return render(ListFragment { list: find(&state, &filter).await? });
    }
    whole(&state, &viewer, filter, Form::default(), String::new()).await
}

/// The page. `form` and `problem` are what was typed and what was wrong with it.
async fn whole(
    state: &AppState,
    viewer: &Viewer,
    filter: Filter,
    form: Form,
    problem: String,
) -> Page {
    let handle = state.handle();
    let directory = handle.directory();
    let now = handle.now();
    let mut quarantined: Vec<_> = directory
        .chargers()
        .into_iter()
        .filter(|record| record.admission == Admission::Quarantined)
        .collect();
    quarantined.sort_by_key(|record| std::cmp::Reverse(record.created_at));
    let sites = directory
        .sites()
        .iter()
        .map(|site| Choice {
            value: site.key.to_string(),
            label: site.name.clone(),
            chosen: filter.site == site.key.to_string(),
        })
        .collect();
    let admissions = [Admission::Accepted, Admission::Quarantined, Admission::Blocked]
        .into_iter()
        .map(|admission| Choice {
            value: admission.name().to_owned(),
            label: admission_label(admission).to_owned(),
            chosen: filter.admission == admission.name(),
        })
        .collect();
    let page = ChargersPage {
        list: find(state, &filter).await?,
        waiting_more: quarantined.len().saturating_sub(WAITING),
        waiting: quarantined
            .iter()
            .take(WAITING)
            .map(|record| Waiting {
                name: record.name.clone(),
                identity: identity_beside(record),
                href: charger_href(&record.identity),
                model: model(record),
                came: Moment::new(now, record.created_at),
            })
            .collect(),
        is_admin: viewer.is_admin(),
        q: filter.q.clone(),
        state: filter.state.clone(),
        sites,
        admissions,
        add_open: !filter.add.is_empty() || !problem.is_empty(),
        form,
        problem,
        ws_url: state.settings().ocpp_url.clone(),
        here: filter.href(&filter.state, 1),
        shell: Shell::new(state, viewer, "chargers", "Chargers")
            .await
            .with_messages(filter.done, filter.error),
    };
    render(page)
}

fn admission_label(admission: Admission) -> &'static str {
    match admission {
        Admission::Accepted => "Accepted",
        Admission::Quarantined => "Waiting for a decision",
        Admission::Blocked => "Blocked",
    }
}

/// Finds the chargers of a filter and makes the rows of one page of them.
async fn find(state: &AppState, filter: &Filter) -> Result<List, super::errors::PageError> {
    let handle = state.handle();
    let directory = handle.directory();
    let board = handle.board();
    let text = filter.q.trim().to_lowercase();
    let mut counts = [0_usize; CellState::ALL.len()];
    let mut found: Vec<(CellState, Arc<ChargerRecord>)> = Vec::new();
    for record in directory.chargers() {
        let fits = (filter.site.is_empty() || filter.site == record.site.to_string())
            && (filter.admission.is_empty() || filter.admission == record.admission.name())
            && (text.is_empty()
                || crate::search::matches(&record, &text)
                || directory
                    .site(record.site)
                    .is_some_and(|site| site.name.to_lowercase().contains(&text)));
        if !fits {
            continue;
        }
        let cell = board.get(record.key).unwrap_or(CellState::NeverSeen);
        counts[cell as usize] += 1;
        if filter.state.is_empty() || filter.state == cell.token() {
            found.push((cell, record));
        }
    }
    // What needs somebody first, then by name.
    found.sort_by(|(cell, record), (other_cell, other)| {
        urgency(*cell).cmp(&urgency(*other_cell)).then_with(|| record.name.cmp(&other.name))
    });
    let pages = found.len().div_ceil(ROWS).max(1);
    let page = filter.page.trim().parse().unwrap_or(1_usize).clamp(1, pages);
    let first = (page - 1) * ROWS;
    let mut rows = Vec::new();
    for (cell, record) in found.iter().skip(first).take(ROWS) {
        rows.push(row(state, *cell, record).await?);
    }
    Ok(List {
        legend: legend(filter, &counts),
        total: crate::number::grouped(found.len()),
        range: if pages > 1 {
            format!(
                "{} to {} of {}",
                first + 1,
                first + rows.len(),
                crate::number::grouped(found.len())
            )
        } else {
            String::new()
        },
        rows,
        refresh: {
            let href = filter.href(&filter.state, page);
            let joint = if href.contains('?') { '&' } else { '?' };
            format!("{href}{joint}fragment=list")
        },
        narrowed: filter.is_narrowed(),
        previous: (page > 1).then(|| filter.href(&filter.state, page - 1)),
        next: (page < pages).then(|| filter.href(&filter.state, page + 1)),
    })
}

fn urgency(cell: CellState) -> usize {
    let order = [
        CellState::Faulted,
        CellState::Offline,
        CellState::Degraded,
        CellState::Healing,
        CellState::Planned,
        CellState::NeverSeen,
        CellState::PluggedIn,
        CellState::Charging,
        CellState::Available,
    ];
    order.iter().position(|one| *one == cell).unwrap_or(order.len())
}

fn legend(filter: &Filter, counts: &[usize; CellState::ALL.len()]) -> Vec<Legend> {
    let mut cells = CellState::ALL;
    cells.sort_by_key(|cell| urgency(*cell));
    cells
        .into_iter()
        .filter(|cell| counts[*cell as usize] > 0 || filter.state == cell.token())
        .map(|cell| {
            let chosen = filter.state == cell.token();
            Legend {
                glyph: cell.into(),
                count: crate::number::grouped(counts[cell as usize]),
                // A second press takes the filter away.
                href: filter.href(if chosen { "" } else { cell.token() }, 1),
                chosen,
            }
        })
        .collect()
}

async fn row(
    state: &AppState,
    cell: CellState,
    record: &ChargerRecord,
) -> Result<Row, super::errors::PageError> {
    let handle = state.handle();
    let now = handle.now();
    let live = handle.charger(record.key).await;
    let since = live.as_deref().and_then(|live| since(cell, live));
    let filter = IncidentFilter {
        charger: Some(record.key),
        states: IncidentState::ALL.into_iter().filter(|state| !state.is_over()).collect(),
        ..IncidentFilter::default()
    };
    let (incidents, _) = handle.store().incidents(&filter, None, 1).await?;
    let incident = incidents.into_iter().next();
    Ok(Row {
        key: record.key.to_string(),
        name: record.name.clone(),
        identity: identity_beside(record),
        href: charger_href(&record.identity),
        glyph: cell.into(),
        site: handle
            .directory()
            .site(record.site)
            .map(|site| site.name.clone())
            .unwrap_or_default(),
        model: model(record),
        firmware: record.firmware.clone(),
        admission: match record.admission {
            Admission::Accepted => "",
            other => other.name(),
        },
        incident_href: incident
            .as_ref()
            .map(|incident| format!("/incidents/{}", incident.id))
            .unwrap_or_default(),
        incident: incident.map(|incident| incident.title).unwrap_or_default(),
        since: since.map(|at| Moment::new(now, at)),
        lasted: since.map(|at| show::duration(now.since_ms(at))).unwrap_or_default(),
    })
}

/// Since when the charger is as its row says: the connection's time when that is the matter, else
/// the newest change of the connectors.
fn since(cell: CellState, live: &ChargerState) -> Option<UnixMs> {
    if cell == CellState::Offline || live.connectors.is_empty() {
        return live.link.since;
    }
    let is_matter = |one: &ConnectorState| match cell {
        CellState::Faulted => one.status == ConnectorStatus::Faulted || !one.faults.is_empty(),
        CellState::Charging => one.status == ConnectorStatus::Charging,
        _ => true,
    };
    let all = || live.connectors.iter().chain([&live.whole]);
    let matter = all().filter(|one| is_matter(one)).filter_map(|one| one.since).max();
    // An open incident may say "faulted" while every connector says something else.
    matter.or_else(|| all().filter_map(|one| one.since).max())
}

fn identity_beside(record: &ChargerRecord) -> String {
    if record.name == *record.identity { String::new() } else { record.identity.to_string() }
}

fn model(record: &ChargerRecord) -> String {
    format!("{} {}", record.vendor, record.model).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_keeps_its_other_parts() {
        let filter =
            Filter { q: "Gara & co".to_owned(), site: "3".to_owned(), ..Filter::default() };
        assert_eq!(
            filter.href("fault", 2),
            "/chargers?q=Gara%20%26%20co&state=fault&site=3&page=2"
        );
        assert_eq!(Filter::default().href("", 1), "/chargers");
        assert!(filter.is_narrowed() && !Filter::default().is_narrowed());
    }

    #[test]
    fn the_legend_shows_what_there_is_and_what_is_chosen() {
        let mut counts = [0; CellState::ALL.len()];
        counts[CellState::Available as usize] = 1_200;
        counts[CellState::Faulted as usize] = 2;
        let filter = Filter { state: "offline".to_owned(), ..Filter::default() };
        let shown = legend(&filter, &counts);
        let tokens: Vec<_> = shown.iter().map(|one| one.glyph.token).collect();
        assert_eq!(tokens, ["fault", "offline", "ok"]);
        assert_eq!(shown[1].href, "/chargers", "a second press takes it away");
        assert_eq!(shown[2].count, "1,200");
    }
}
