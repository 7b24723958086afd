//! The live feed of the pages: one byte a charger, and which lists changed.
//!
//! A page reads `fleet.idx.json` (who stands where; cached until the register changes), then
//! `fleet.bin` (the states), then listens to `events`. A charger's place is its handle, so that
//! registering one moves no other.

pub(crate) mod kpis;
pub(crate) mod queue;
pub(crate) mod strip;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response, Sse};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::Stream;
use mendpoint_model::{CellState, ChargerKey};
use mendpoint_pipeline::{Directory, Versions};
use serde::{Deserialize, Serialize};

use crate::AppState;
use crate::pages::errors::{Page, render};
use crate::pages::extract::Query;
use crate::session::Viewer;
use crate::shell::{Shell, trouble_words};

/// How often changes are looked for; changes within it travel together.
const EVERY: Duration = Duration::from_millis(250);
/// How often the page hears that the server is there. A page that hears nothing for ten seconds
/// says that it is stale.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long one connection lives. The browser comes again by itself and is asked anew who it is,
/// so that a session that ended does not go on listening.
const LIFE: Duration = Duration::from_mins(10);
/// A place where no charger is.
const EMPTY: u8 = u8::MAX;

/// The routes of this file.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/live/events", get(events))
        .route("/live/fleet.bin", get(snapshot))
        .route("/live/fleet.idx.json", get(index))
        .route("/live/rail", get(rail))
        .route("/live/trouble", get(trouble))
}

/// `u32` number of the newest change, `u32` count, then a byte a place; little-endian.
fn pack_snapshot(seq: u64, states: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + states.len());
    bytes.extend_from_slice(&(seq as u32).to_le_bytes());
    bytes.extend_from_slice(&(states.len() as u32).to_le_bytes());
    bytes.extend_from_slice(states);
    bytes
}

/// Changes as base64 of four bytes each: the place in three, little-endian, and the state.
fn pack_changes(changes: &[(ChargerKey, CellState)]) -> String {
    let mut bytes = Vec::with_capacity(changes.len() * 4);
    for (charger, state) in changes {
        let place = charger.0.to_le_bytes();
        bytes.extend_from_slice(&[place[0], place[1], place[2], *state as u8]);
    }
    STANDARD.encode(bytes)
}

async fn snapshot(_: Viewer, State(state): State<AppState>) -> Response {
    let handle = state.handle();
    let (seq, cells) = handle.board().snapshot();
    let chargers = handle.directory().chargers();
    let count = chargers.last().map_or(0, |last| last.key.0 as usize + 1);
    let mut states = vec![EMPTY; count];
    for charger in &chargers {
        states[charger.key.0 as usize] = CellState::NeverSeen as u8;
    }
    for (charger, cell) in cells {
        // A charger that was removed may still have a cell.
        if let Some(place) = states.get_mut(charger.0 as usize).filter(|place| **place != EMPTY) {
            *place = cell as u8;
        }
    }
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    (kind, pack_snapshot(seq, &states)).into_response()
}

/// Who stands where; by place: identity, name, place of the site, place of the model. Identity and
/// name are `null` where nobody stands.
#[derive(Debug, Default, Serialize)]
struct Index {
    ids: Vec<Option<String>>,
    names: Vec<Option<String>>,
    site: Vec<usize>,
    model: Vec<usize>,
    sites: Vec<IndexSite>,
    regions: Vec<String>,
    models: Vec<String>,
}

#[derive(Debug, Serialize)]
struct IndexSite {
    name: String,
    region: usize,
}

/// The place of a text in a list, at its end when it is new.
fn intern(known: &mut BTreeMap<String, usize>, list: &mut Vec<String>, text: String) -> usize {
    *known.entry(text).or_insert_with_key(|text| {
        list.push(text.clone());
        list.len() - 1
    })
}

impl Index {
    fn new(directory: &Directory) -> Self {
        let mut index = Self::default();
        let mut regions = BTreeMap::new();
        let mut site_places = BTreeMap::new();
        for (place, site) in directory.sites().into_iter().enumerate() {
            let region = intern(&mut regions, &mut index.regions, site.region.clone());
            index.sites.push(IndexSite { name: site.name.clone(), region });
            site_places.insert(site.key, place);
        }
        let chargers = directory.chargers();
        let count = chargers.last().map_or(0, |last| last.key.0 as usize + 1);
        index.ids.resize(count, None);
        index.names.resize(count, None);
        index.site.resize(count, 0);
        index.model.resize(count, 0);
        let mut models = BTreeMap::new();
        for charger in chargers {
            let Some(site) = site_places.get(&charger.site) else { continue };
            let model = format!("{} {}", charger.vendor, charger.model).trim().to_owned();
            let place = charger.key.0 as usize;
            index.ids[place] = Some(charger.identity.to_string());
            index.names[place] = Some(charger.name.clone());
            index.site[place] = *site;
            index.model[place] = intern(&mut models, &mut index.models, model);
        }
        index
    }
}

async fn index(_: Viewer, State(state): State<AppState>, headers: HeaderMap) -> Response {
    let directory = state.handle().directory();
    // Read before the index is made: a change in between makes the next reader ask again. The
    // count starts anew with the program, so the time of its start is part of it.
    let started = state.handle().vitals().started_at;
    let etag = format!("\"{}-{}\"", started.0, directory.version());
    let common = [(header::ETAG, etag.as_str()), (header::CACHE_CONTROL, "private, no-cache")];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    if known == Some(etag.as_str()) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, axum::Json(Index::new(directory))).into_response()
}

/// Where one listener stands.
struct Listener {
    state: AppState,
    /// Tells one run of the program from another.
    run: i64,
    seq: u64,
    told: Option<Versions>,
    began: Instant,
    heard: Option<Instant>,
}

#[derive(Serialize)]
struct Hello {
    /// The time of the server, in milliseconds, for countdowns.
    now: i64,
}

impl Listener {
    /// What there is to tell now.
    fn news(&mut self) -> Vec<Event> {
        let mut news = Vec::new();
        let handle = self.state.handle();
        let changes = handle.board().changes_since(self.seq);
        self.seq = changes.as_ref().map_or_else(|| handle.board().seq(), |(newest, _)| *newest);
        let event =
            |name: &str| Event::default().event(name).id(format!("{}.{}", self.run, self.seq));
        match changes {
            None => news.push(event("resync").data("{}")),
            Some((_, changes)) if !changes.is_empty() => {
                news.push(event("fleet").data(pack_changes(&changes)));
            }
            Some(_) => {}
        }
        let versions = handle.topics().now();
        if self.told != Some(versions) {
            self.told = Some(versions);
            news.extend(event("versions").json_data(versions));
        }
        if self.heard.is_none_or(|heard| heard.elapsed() >= HEARTBEAT) {
            self.heard = Some(Instant::now());
            news.extend(event("heartbeat").json_data(Hello { now: handle.now().0 }));
        }
        news
    }

    fn is_over(&self) -> bool {
        self.state.is_stopping() || self.began.elapsed() >= LIFE
    }
}

/// Where a listener goes on: after the change it has heard of last, or now. What was heard of
/// another run of the program leads nowhere, so that all is read anew.
fn resume(headers: &HeaderMap, run: i64, newest: u64) -> u64 {
    let Some(id) = headers.get("last-event-id") else { return newest };
    id.to_str()
        .ok()
        .and_then(|id| id.trim().split_once('.'))
        .filter(|(heard_run, _)| heard_run.parse() == Ok(run))
        .and_then(|(_, seq)| seq.parse().ok())
        .unwrap_or(u64::MAX)
}

async fn events(
    _: Viewer,
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let run = state.handle().vitals().started_at.0;
    let seq = resume(&headers, run, state.handle().board().seq());
    let began = Instant::now();
    let listener = Listener { state, run, seq, told: None, began, heard: None };
    let stream = futures_util::stream::unfold(
        (listener, VecDeque::new()),
        |(mut listener, mut waiting): (Listener, VecDeque<Event>)| async move {
            loop {
                if let Some(event) = waiting.pop_front() {
                    return Some((Ok(event), (listener, waiting)));
                }
                if listener.is_over() {
                    return None;
                }
                waiting.extend(listener.news());
                if waiting.is_empty() {
                    tokio::time::sleep(EVERY).await;
                }
            }
        },
    );
    Sse::new(stream)
}

#[derive(askama::Template)]
#[template(path = "layout.html", block = "rail")]
struct Rail {
    shell: Shell,
}

#[derive(Deserialize)]
struct RailQuery {
    #[serde(default)]
    section: String,
}

/// The sections of the rail, as [`Shell::section`] names them.
const SECTIONS: [&str; 11] = [
    "live",
    "incidents",
    "tickets",
    "chargers",
    "transactions",
    "tokens",
    "sites",
    "rules",
    "outbox",
    "duty",
    "system",
];

/// The rail with its counts, when something of it changed.
async fn rail(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(query): Query<RailQuery>,
) -> Page {
    let section =
        SECTIONS.into_iter().find(|section| *section == query.section).unwrap_or_default();
    render(Rail { shell: Shell::new(&state, &viewer, section, "").await })
}

/// As much of the frame around a page as the notice needs.
struct Told {
    trouble: String,
}

#[derive(askama::Template)]
#[template(path = "layout.html", block = "trouble")]
struct Trouble {
    shell: Told,
}

/// The notice about the database. For everybody, as `/readyz` is: who is signed in cannot be asked of a
/// database that is away.
async fn trouble(State(state): State<AppState>) -> Page {
    render(Trouble { shell: Told { trouble: trouble_words(&state) } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_a_byte_a_charger() {
        let bytes = pack_snapshot(0x0102_0304_0506, &[0, 5, EMPTY]);
        assert_eq!(bytes, [6, 5, 4, 3, 3, 0, 0, 0, 0, 5, 255]);
    }

    #[test]
    fn a_change_is_four_bytes() {
        let changes =
            [(ChargerKey(1), CellState::Faulted), (ChargerKey(0x01_02_03), CellState::Offline)];
        let bytes = STANDARD.decode(pack_changes(&changes)).expect("base64");
        assert_eq!(bytes, [1, 0, 0, 5, 3, 2, 1, 6]);
        assert_eq!(pack_changes(&[]), "");
    }

    #[test]
    fn a_listener_goes_on_where_it_was() {
        let mut headers = HeaderMap::new();
        assert_eq!(resume(&headers, 5, 9), 9, "a new one begins now");
        headers.insert("last-event-id", "5.7".parse().expect("a value"));
        assert_eq!(resume(&headers, 5, 9), 7);
        assert_eq!(resume(&headers, 6, 9), u64::MAX, "another run: read all anew");
        headers.insert("last-event-id", "x".parse().expect("a value"));
        assert_eq!(resume(&headers, 5, 9), u64::MAX);
    }
}
