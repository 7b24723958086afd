//! Reads the past from the database and hands it to the replay.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mendpoint_escalation::Place;
use mendpoint_incidents::EngineSettings;
use mendpoint_model::{
    ChargerKey, ChargerRecord, ChargerState, ConnectorRef, ConnectorState, ConnectorStatus,
    ErrorReport, Incident, Link, SiteRecord, Source, UnixMs,
};
use mendpoint_replay::{
    DeskSettings, Direction, Found, Notes, PastFrame, PastLink, Replay, ReplaySettings, Report,
    Span, Start,
};
use mendpoint_store::{
    FrameView, IncidentFilter, LinkChangeRow, PAGE_MAX, PastLinks, Store, TransactionFilter,
};
use mendpoint_uptime::Stop;

use super::ReplayAsk;
use crate::duty::read_book;
use crate::rule_book::RuleEdits;
use crate::{Error, PipelineSettings};

/// Sessions of a charger before the range that are looked at for one that still ran.
const SESSIONS: u32 = 8;
/// Live incidents whose history is read to know when they were gone.
const HISTORIES_MAX: usize = 5_000;

/// How far a replay is. Written by its thread, read by whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    /// Frames in the range, about.
    pub total: AtomicU64,
    /// Frames taken in.
    pub frames: AtomicU64,
    /// The time it has come to, in milliseconds; 0 before it began.
    pub at: AtomicI64,
    /// Set to end it.
    pub stop: AtomicBool,
}

/// Replays a range of the stored past with other rules and holds it against what happened live.
/// Reads only. `gentle` rests as long as it works, for a server that has other things to do.
///
/// # Errors
/// When the database cannot be read, or it was stopped.
pub async fn replay_past(
    store: &Store,
    settings: &PipelineSettings,
    ask: &ReplayAsk,
    progress: &Progress,
    gentle: bool,
) -> Result<Report, Error> {
    let begin = ask.from - ask.lead_ms.max(0);
    let total = store.count_past_frames(begin, ask.until, ask.charger).await?;
    progress.total.store(total, Ordering::Relaxed);
    let chargers = cast(store, ask, begin).await?;
    // What is on trial, or is asked for by name, is tried as if it were on.
    let named: Vec<&str> = ask.only.as_deref().into_iter().collect();
    let rules = ask.rules.rehearsed(&named).map_or_else(|| Arc::clone(&ask.rules), Arc::new);
    let mut replay = Replay::new(
        rules,
        ReplaySettings {
            fleet: settings.fleet.clone(),
            engine: engine(settings, store).await?,
            profiles: Arc::new(settings.profiles.clone()),
            from: ask.from,
            thresholds: RuleEdits::read(store).await?.overrides(),
            desk: desk(settings, store).await?,
        },
    );
    replay.begin(begin, chargers);
    let stops = store.server_gaps(ask.until).await?;
    let mut links = Links::new(store.past_links(begin, ask.until), stops);
    let mut frames = store.past_frames(begin, ask.until, ask.charger);
    let mut counted = 0;
    loop {
        let began = Instant::now();
        let Some(piece) = frames.next().await? else { break };
        for frame in piece.iter() {
            links.before(frame.at, &mut replay).await?;
            replay.frame(past_frame(frame));
            counted += 1;
        }
        progress.frames.store(counted, Ordering::Relaxed);
        progress.at.store(replay.now().0, Ordering::Relaxed);
        if progress.stop.load(Ordering::Relaxed) {
            return Err(Error::Refused("it was stopped".to_owned()));
        }
        if gentle {
            tokio::time::sleep(began.elapsed().min(Duration::from_secs(1))).await;
        }
    }
    links.before(ask.until, &mut replay).await?;
    let run = replay.finish(ask.until);
    let live = live(store, ask).await?;
    let notes = Notes { reports: reports(store, ask).await? };
    let span = Span { from: ask.from, until: ask.until };
    Ok(Report::new(run, live, &notes, &ask.rules, span, ask.only.as_deref()))
}

/// The engine's numbers as live, without what would reach out.
async fn engine(settings: &PipelineSettings, store: &Store) -> Result<EngineSettings, Error> {
    let sites = store.all_sites().await?;
    let unassigned = sites.iter().find(|site| site.name == crate::kept::UNASSIGNED);
    Ok(EngineSettings { unassigned: unassigned.map(|site| site.key), ..settings.engine.clone() })
}

/// Who is handed what: as people have set it now, with the silences and the planned work of the past.
async fn desk(settings: &PipelineSettings, store: &Store) -> Result<DeskSettings, Error> {
    let (book, _) = read_book(store, &settings.duty, "").await?;
    let sites = store.all_sites().await?;
    let site_of = |key| sites.iter().find(|site| site.key == key);
    let named = |charger: &ChargerRecord| {
        site_of(charger.site).filter(|site| site.name != crate::kept::UNASSIGNED)
    };
    let chargers = store.all_chargers().await?;
    let places = chargers.iter().map(|one| (one.key, Place::of(Some(one), named(one)))).collect();
    let installer = |site: &SiteRecord| Some((site.key, site.installer.clone()?));
    let installers = sites.iter().filter_map(installer).collect();
    Ok(DeskSettings { book: Arc::new(book), places, installers })
}

/// The chargers as they were when the range begins.
async fn cast(store: &Store, ask: &ReplayAsk, begin: UnixMs) -> Result<Vec<Start>, Error> {
    let records = store.all_chargers().await?;
    let mut starts = Vec::new();
    for mut state in store.states_of(ask.site, ask.charger).await? {
        let Ok(index) = records.binary_search_by_key(&state.key, |record| record.key) else {
            continue;
        };
        state.site = records[index].site;
        turn_back(store, &mut state, begin).await?;
        starts.push(Start { state });
    }
    Ok(starts)
}

/// Takes a state back to how it was at a time.
async fn turn_back(store: &Store, state: &mut ChargerState, at: UnixMs) -> Result<(), Error> {
    let last = store.link_history(state.key, at, at).await?.pop();
    state.link = Link {
        connected: last.as_ref().is_some_and(|row| row.online),
        since: last.as_ref().map(|row| row.at),
        protocol: state.link.protocol,
        last_seen_at: last.as_ref().map(|row| row.at),
        ..Link::default()
    };
    state.booted_at = state.booted_at.filter(|booted| *booted < at);
    state.firmware_status = None;
    state.diagnostics_status = None;
    state.signals.clear();
    state.transactions.clear();
    state.whole = ConnectorState::default();
    state.connectors.clear();
    for row in store.state_history(state.key, at, at).await? {
        let connector = ConnectorState {
            at: row.connector,
            status: status_of(&row.status),
            since: Some(row.at),
            error: Some(row.error)
                .filter(|code| !code.is_empty())
                .map(|code| Box::new(ErrorReport { code, ..ErrorReport::default() })),
            ..ConnectorState::default()
        };
        if row.connector == ConnectorRef::CHARGER {
            state.whole = connector;
        } else {
            state.connectors.push(connector);
        }
    }
    state.connectors.sort_by_key(|connector| connector.at);
    state.connectors.dedup_by_key(|connector| connector.at);
    let filter = TransactionFilter { until: Some(at), ..TransactionFilter::of(state.key) };
    let (rows, _) = store.transactions(&filter, None, SESSIONS).await?;
    for row in rows.into_iter().rev() {
        if row.ended_at.is_none_or(|ended| ended > at) {
            let mut transaction = row.transaction;
            transaction.meter_wh = None;
            transaction.power_w = None;
            transaction.idle_since = None;
            state.transactions.push(transaction);
        }
    }
    Ok(())
}

fn status_of(word: &str) -> ConnectorStatus {
    use ConnectorStatus as S;
    let every = [
        S::Available,
        S::Preparing,
        S::Charging,
        S::SuspendedEvse,
        S::SuspendedEv,
        S::Finishing,
        S::Reserved,
        S::Unavailable,
        S::Faulted,
    ];
    every.into_iter().find(|status| status.name() == word).unwrap_or_default()
}

fn past_frame(frame: FrameView<'_>) -> PastFrame<'_> {
    PastFrame {
        seq: frame.seq,
        charger: frame.charger,
        at: frame.at,
        direction: match frame.direction {
            mendpoint_store::Direction::In => Direction::In,
            mendpoint_store::Direction::Out => Direction::Out,
        },
        text: frame.text,
    }
}

/// Connections, read as far as the frames have come.
struct Links {
    rows: PastLinks,
    piece: VecDeque<(ChargerKey, LinkChangeRow)>,
    ended: bool,
    /// When our own server did not run, oldest first.
    stops: VecDeque<Stop>,
}

impl Links {
    fn new(rows: PastLinks, stops: Vec<Stop>) -> Self {
        Self { rows, piece: VecDeque::new(), ended: false, stops: stops.into() }
    }

    fn stops_before(&mut self, at: UnixMs, replay: &mut Replay) {
        while let Some(stop) = self.stops.pop_front_if(|stop| stop.from < at) {
            replay.stop(stop.from, stop.until);
        }
    }

    /// Hands over what happened before a frame of this time. A connection opened before its first
    /// frame of the same millisecond, and ended after its last.
    async fn before(&mut self, at: UnixMs, replay: &mut Replay) -> Result<(), Error> {
        loop {
            if self.piece.is_empty() {
                if self.ended {
                    self.stops_before(at, replay);
                    return Ok(());
                }
                self.piece = self.rows.next().await?.into();
                self.ended = self.piece.is_empty();
                continue;
            }
            let is_due = self
                .piece
                .front()
                .is_some_and(|(_, row)| row.at < at || (row.online && row.at == at));
            if !is_due {
                self.stops_before(at, replay);
                return Ok(());
            }
            if let Some((charger, row)) = self.piece.pop_front() {
                let LinkChangeRow { at, online, reason } = row;
                self.stops_before(at, replay);
                replay.link(&PastLink { charger, at, online, reason });
            }
        }
    }
}

/// What rules opened live in the range.
async fn live(store: &Store, ask: &ReplayAsk) -> Result<Vec<Found>, Error> {
    let filter = IncidentFilter {
        charger: ask.charger,
        site: ask.site,
        rule: ask.only.clone(),
        source: Some(Source::System),
        ..IncidentFilter::default()
    };
    let mut cursor = None;
    let mut found = Vec::new();
    let mut histories = 0;
    loop {
        let (rows, next) = store.incidents(&filter, cursor, PAGE_MAX).await?;
        for incident in &rows {
            if incident.opened_at < ask.from {
                return Ok(found);
            }
            if incident.opened_at >= ask.until {
                continue;
            }
            let mut live = Found::of(incident);
            if may_be_false(incident) && histories < HISTORIES_MAX {
                histories += 1;
                gone_at(store, incident, &mut live).await?;
            }
            found.push(live);
        }
        cursor = next;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

fn may_be_false(incident: &Incident) -> bool {
    incident.resolved_at.is_some() && incident.owner.is_none()
}

/// The incident's row says when it was resolved; its history says when it was first gone, and
/// whether a person did something.
async fn gone_at(store: &Store, incident: &Incident, found: &mut Found) -> Result<(), Error> {
    found.gone_at = incident.resolved_at;
    for line in store.timeline(incident.id).await? {
        if line.kind == "recovered" {
            found.gone_at = found.gone_at.map(|at| at.min(line.at));
        }
        found.had_person |= matches!(line.actor, mendpoint_model::Actor::User(_));
    }
    Ok(())
}

async fn reports(store: &Store, ask: &ReplayAsk) -> Result<Vec<(UnixMs, ChargerKey)>, Error> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let (rows, next) = store.reports(ask.charger, None, cursor, PAGE_MAX).await?;
        for row in &rows {
            if row.created_at < ask.from {
                return Ok(found);
            }
            if row.created_at < ask.until {
                found.push((row.created_at, row.charger));
            }
        }
        cursor = next;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}
