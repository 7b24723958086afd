//! The list of incidents: who has what, and what happens next.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use mendpoint_incidents::Catalogue;
use mendpoint_model::{Incident, IncidentState, Priority, Source, UnixMs};
use mendpoint_pipeline::Directory;
use mendpoint_store::{Cursor, IncidentCounts, IncidentFilter, PAGE_MAX};
use serde::Deserialize;

use super::errors::{Page, render};
use super::incident::ties::{Flag, flags, scope_words};
use crate::pages::extract::Query;
use crate::place::{Moment, Place};
use crate::session::Viewer;
use crate::shell::{Glyph, Shell};
use crate::{AppState, show, url};

/// Rows of a page of the list.
const ROWS: u32 = 50;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/incidents", get(list))
}

/// A part of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    NeedsYou,
    Healing,
    InHand,
    Closed,
    All,
}

impl Tab {
    const ALL: [Self; 5] = [Self::NeedsYou, Self::Healing, Self::InHand, Self::Closed, Self::All];

    fn name(self) -> &'static str {
        match self {
            Self::NeedsYou => "needs-you",
            Self::Healing => "self-healing",
            Self::InHand => "in-hand",
            Self::Closed => "closed",
            Self::All => "all",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::NeedsYou => "Needs you",
            Self::Healing => "Self-healing",
            Self::InHand => "In hand",
            Self::Closed => "Closed",
            Self::All => "All",
        }
    }

    /// The tab of a word; what is none of them is the one that matters most.
    fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|tab| tab.name() == word).unwrap_or(Self::NeedsYou)
    }

    fn states(self) -> Vec<IncidentState> {
        IncidentState::ALL.into_iter().filter(|state| self.has(*state)).collect()
    }

    fn has(self, state: IncidentState) -> bool {
        match self {
            Self::NeedsYou => !state.is_over(),
            Self::Healing => matches!(
                state,
                IncidentState::Open
                    | IncidentState::Healing
                    | IncidentState::Verifying
                    | IncidentState::RecoveredUnproven
            ),
            Self::InHand => matches!(
                state,
                IncidentState::Escalated | IncidentState::Acknowledged | IncidentState::InProgress
            ),
            Self::Closed => state.is_over(),
            Self::All => true,
        }
    }

    /// An incident that waits for a person is on the first tab and on no other but "All".
    fn needs_person(self) -> Option<bool> {
        match self {
            Self::NeedsYou => Some(true),
            Self::Healing | Self::InHand => Some(false),
            Self::Closed | Self::All => None,
        }
    }

    /// How many are on it. `waiting` are those that need a person.
    fn count(self, counts: &IncidentCounts, waiting: &[Incident]) -> u64 {
        let of_states: u64 = counts
            .by_state
            .iter()
            .filter(|(state, _)| self.has(**state))
            .map(|(_, count)| count)
            .sum();
        match self.needs_person() {
            Some(true) => counts.needs_person,
            Some(false) => {
                let waiting = waiting.iter().filter(|incident| self.has(incident.state)).count();
                of_states.saturating_sub(waiting as u64)
            }
            None => of_states,
        }
    }

    /// What an empty list means.
    fn empty(self) -> &'static str {
        match self {
            Self::NeedsYou => {
                "Nothing needs you. What the system cannot repair by itself appears here."
            }
            Self::Healing => {
                "Nothing is being repaired. When a rule finds a fault that a command can heal, \
                 it is worked on here before anybody is called."
            }
            Self::InHand => {
                "Nobody is at work. Incidents that somebody took or that have a ticket appear here."
            }
            Self::Closed => "No incident is over yet.",
            Self::All => {
                "No incident yet. Rules open them when chargers fail; drivers open them with the \
                 QR code on the charger."
            }
        }
    }
}

/// The filter, as it stands in the address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    tab: String,
    rule: String,
    source: String,
    /// Text in the title, the charger or the site.
    q: String,
    /// `no` shows what another incident explains, too.
    hide: String,
    cursor: String,
    fragment: String,
    done: Option<String>,
    error: Option<String>,
}

impl Filter {
    /// Whether what another incident explains is left out.
    fn hides(&self) -> bool {
        self.hide != "no"
    }

    fn is_narrowed(&self) -> bool {
        [&self.rule, &self.source, &self.q].into_iter().any(|field| !field.trim().is_empty())
    }

    /// The address of this list with another tab or page.
    fn href(&self, tab: Tab, cursor: &str) -> String {
        let mut href = format!("/incidents?tab={}", tab.name());
        let fields = [
            ("rule", &*self.rule),
            ("source", &self.source),
            ("q", &self.q),
            ("hide", &self.hide),
            ("cursor", cursor),
        ];
        for (name, value) in fields {
            if !value.trim().is_empty() {
                href = format!("{href}&{name}={}", url::encode(value.trim()));
            }
        }
        href
    }

    fn for_store(&self, tab: Tab) -> IncidentFilter {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        IncidentFilter {
            states: tab.states(),
            needs_person: tab.needs_person(),
            rule: given(&self.rule),
            source: Source::from_name(&self.source),
            text: given(&self.q),
            hide_quiet: self.hides(),
            ..IncidentFilter::default()
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
pub(super) struct Row {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) priority: Priority,
    pub(super) glyph: Glyph,
    pub(super) state: &'static str,
    pub(super) title: String,
    pub(super) place: Place,
    pub(super) source: &'static str,
    pub(super) opened: Moment,
    /// How long it has been open, or was.
    pub(super) age: String,
    /// What happens next, or how it ended.
    pub(super) next: String,
    pub(super) due: Option<Moment>,
    pub(super) owner: String,
    pub(super) ticket: String,
    pub(super) came_back: bool,
    pub(super) over: bool,
    pub(super) flags: Vec<Flag>,
    /// What a wide incident is about; empty for one of a charger.
    pub(super) scope: String,
}

impl Row {
    pub(super) fn new(incident: &Incident, directory: &Directory, now: UnixMs) -> Self {
        let is_over = incident.state.is_over();
        let until = incident.resolved_at.filter(|_| is_over).unwrap_or(now);
        let place = Place::new(directory, incident.charger, incident.site, incident.connector);
        Self {
            flags: flags(incident, None),
            scope: scope_words(incident, &place.site),
            id: incident.id.to_string(),
            href: format!("/incidents/{}", incident.id),
            priority: Priority::of_severity(incident.severity),
            glyph: glyph_of(incident),
            state: state_label(incident),
            title: incident.title.clone(),
            place,
            source: source_label(incident.source),
            opened: Moment::new(now, incident.opened_at),
            age: show::duration(until.since_ms(incident.opened_at)),
            next: if is_over { incident.resolution.clone() } else { incident.next.clone() },
            due: incident.next_at.filter(|at| !is_over && *at > now).map(|at| Moment::new(now, at)),
            owner: incident.owner.clone().unwrap_or_default(),
            ticket: incident.ticket.map(|ticket| ticket.to_string()).unwrap_or_default(),
            over: is_over,
            came_back: incident.previous.is_some() && !is_over,
        }
    }
}

/// The glyph and colour of where an incident stands.
pub(super) fn glyph_of(incident: &Incident) -> Glyph {
    let token = match incident.state {
        IncidentState::Healing | IncidentState::Verifying => "heal",
        IncidentState::RecoveredUnproven | IncidentState::Resolved | IncidentState::Closed => "ok",
        _ if incident.blind => "offline",
        _ if incident.severity <= 4 => "fault",
        _ => "warn",
    };
    Glyph { token, label: incident.state.label() }
}

/// Where an incident stands, in the words of its queue.
pub(super) fn state_label(incident: &Incident) -> &'static str {
    let gave_up = incident.healing.as_ref().is_some_and(|healing| {
        healing.stopped_by.is_none() && healing.steps.iter().any(|step| step.state.is_over())
    });
    match incident.state {
        IncidentState::Escalated if gave_up => "Not healed",
        state => state.label(),
    }
}

/// Who found it, for people.
pub(super) fn source_label(source: Source) -> &'static str {
    match source {
        Source::System => "System",
        Source::User => "Driver",
        Source::Support => "Support",
        Source::External => "API",
    }
}

/// Cards and vehicles whose failures are not the chargers'.
fn vehicles(state: &AppState, viewer: &Viewer) -> Vec<(String, String)> {
    let suspects = state.handle().vehicle_suspects();
    suspects
        .iter()
        .map(|suspect| {
            let words = format!(
                "failed {} times at {} sites while others charged there, last {}",
                suspect.failures,
                suspect.sites,
                show::date_time(suspect.last_at)
            );
            (viewer.token_words(&suspect.token), words)
        })
        .collect()
}

/// A choice of a filter.
struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

fn rule_choices(catalogue: &Catalogue, chosen: &str) -> Vec<Choice> {
    let by_people = [("USER_REPORT", "Report of a driver"), ("MANUAL", "Report of the support")];
    let rules = catalogue.rules().iter().map(|rule| (&*rule.id, &*rule.title));
    let built_in =
        mendpoint_incidents::correlate::BUILT_IN.iter().map(|(id, title, _)| (*id, *title));
    rules
        .chain(built_in)
        .chain(by_people)
        .map(|(id, title)| Choice {
            value: id.to_owned(),
            label: title.to_owned(),
            chosen: id == chosen,
        })
        .collect()
}

fn source_choices(chosen: &str) -> Vec<Choice> {
    [Source::System, Source::User, Source::Support, Source::External]
        .into_iter()
        .map(|source| Choice {
            value: source.name().to_owned(),
            label: source_label(source).to_owned(),
            chosen: source.name() == chosen,
        })
        .collect()
}

/// What the list shows.
struct List {
    tabs: Vec<TabView>,
    rows: Vec<Row>,
    empty: &'static str,
    /// The address the list is read from again.
    refresh: String,
    /// The address of this tab without filters.
    unfiltered: String,
    narrowed: bool,
    first: Option<String>,
    next: Option<String>,
    closed: bool,
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    shell: Shell,
    list: List,
    tab: &'static str,
    q: String,
    rules: Vec<Choice>,
    sources: Vec<Choice>,
    hides: bool,
    /// Cards and vehicles that fail at several sites: whose, and what they did.
    vehicles: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "incidents.html", block = "list")]
struct ListFragment {
    list: List,
}

async fn list(viewer: Viewer, State(state): State<AppState>, Query(filter): Query<Filter>) -> Page {
    let handle = state.handle();
    let store = handle.store();
    let tab = Tab::of(&filter.tab);
    let cursor = match filter.cursor.trim() {
        "" => None,
        text => Some(text.parse::<Cursor>()?),
    };
    let (mut incidents, next) = store.incidents(&filter.for_store(tab), cursor, ROWS).await?;
    if tab == Tab::NeedsYou {
        // Most urgent first within the page; the newest of the same urgency first.
        incidents.sort_by_key(|incident| Priority::of_severity(incident.severity));
    }
    let counts = store.incident_counts().await?;
    let needing = IncidentFilter {
        states: Tab::NeedsYou.states(),
        needs_person: Some(true),
        ..IncidentFilter::default()
    };
    let (waiting, _) = store.incidents(&needing, None, PAGE_MAX).await?;
    let list = List {
        tabs: Tab::ALL
            .into_iter()
            .map(|each| TabView {
                label: each.label(),
                href: filter.href(each, ""),
                count: each.count(&counts, &waiting),
                current: each == tab,
            })
            .collect(),
        rows: incidents
            .iter()
            .map(|incident| {
                let held = handle.held(incident.id);
                let row = Row::new(incident, handle.directory(), handle.now());
                Row { flags: flags(incident, held.as_ref()), ..row }
            })
            .collect(),
        empty: if filter.is_narrowed() { "No incident fits this filter." } else { tab.empty() },
        refresh: format!("{}&fragment=list", filter.href(tab, &filter.cursor)),
        unfiltered: format!("/incidents?tab={}", tab.name()),
        narrowed: filter.is_narrowed(),
        first: cursor.map(|_| filter.href(tab, "")),
        next: next.map(|next| filter.href(tab, &next.to_string())),
        closed: tab == Tab::Closed,
    };
    if filter.fragment == "list" {
        return render(ListFragment { list });
    }
    let shell = Shell::new(&state, &viewer, "incidents", "Incidents").await;
    render(IncidentsPage {
        hides: filter.hides(),
        vehicles: vehicles(&state, &viewer),
        shell: shell.with_messages(filter.done, filter.error),
        list,
        tab: tab.name(),
        q: filter.q,
        rules: rule_choices(&handle.catalogue(), &filter.rule),
        sources: source_choices(&filter.source),
    })
}

#[cfg(test)]
pub(super) mod tests;
