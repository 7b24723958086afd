//! Reads the past from the database and hands it to the replay.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mendpoint_escalation::Place;
use mendpoint_incidents::EngineSettings;
use mendpoint_model::{
    Actor, ChargerKey, ChargerRecord, ChargerState, ConnectorRef, ConnectorState, ConnectorStatus,
    DAY_MS, ErrorReport, Incident, Link, MINUTE_MS, SiteRecord, Source, TimelineEntry, UnixMs,
};
use mendpoint_replay::{
    BudgetSettings, Deed, DeskSettings, Direction, Found, Notes, PastAct, PastFrame, PastLink,
    PastSubject, Replay, ReplaySettings, Report, Span, Start,
};
use mendpoint_store::{
    ExclusionRow, FrameView, IncidentFilter, LinkChangeRow, PAGE_MAX, PastLinks, Store,
    TransactionFilter,
};
use mendpoint_uptime::{Stop, Unseen};

use super::ReplayAsk;
use crate::duty::read_book;
use crate::rule_book::RuleEdits;
use crate::uptime::{history, last_sign, opening_hours, unseen};
use crate::{Error, PipelineSettings};

/// Sessions of a charger before the range that are looked at for one that still ran.
const SESSIONS: u32 = 8;
/// How far budgets of uptime look back.
const BUDGET_BACK_MS: i64 = 3 * DAY_MS;
/// A program that gave no sign of life for so long does not run.
const ALIVE_MS: i64 = 5 * MINUTE_MS;
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

impl Progress {
    /// It has come so far. What was written down since it was counted is never more than all there is.
    fn came_to(&self, frames: u64, at: UnixMs) {
        self.total.fetch_max(frames, Ordering::Relaxed);
        self.frames.store(frames, Ordering::Relaxed);
        self.at.store(at.0, Ordering::Relaxed);
    }
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
    let unseen = unseen(store, ask.until).await?;
    let chargers = cast(store, ask, begin, &unseen).await?;
    let mut stops = unseen.stops.clone();
    stops.extend(stopped_now(store, ask.until).await?);
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
            budgets: budgets(store, ask, begin, unseen).await?,
        },
    );
    replay.begin(begin, chargers);
    let live = live(store, ask, begin).await?;
    let mut links = Links::new(store.past_links(begin, ask.until), stops, live.acts);
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
        progress.came_to(counted, replay.now());
        if progress.stop.load(Ordering::Relaxed) {
            return Err(Error::Refused("it was stopped".to_owned()));
        }
        if gentle {
            tokio::time::sleep(began.elapsed().min(Duration::from_secs(1))).await;
        }
    }
    links.before(ask.until, &mut replay).await?;
    let run = replay.finish(ask.until);
    let notes = Notes { reports: reports(store, ask).await? };
    let span = Span { from: ask.from, until: ask.until };
    Ok(Report::new(run, live.found, &notes, &ask.rules, span, ask.only.as_deref()))
}

/// The engine's numbers as live, without what would reach out.
async fn engine(settings: &PipelineSettings, store: &Store) -> Result<EngineSettings, Error> {
    let sites = store.all_sites().await?;
    let unassigned = sites.iter().find(|site| site.name == crate::kept::UNASSIGNED);
    Ok(EngineSettings { unassigned: unassigned.map(|site| site.key), ..settings.engine.clone() })
}

/// What is laid over the ledgers of uptime. Exclusions count from when they were approved.
async fn budgets(
    store: &Store,
    ask: &ReplayAsk,
    begin: UnixMs,
    unseen: Unseen,
) -> Result<BudgetSettings, Error> {
    let rows = store.exclusions(ask.site, begin - BUDGET_BACK_MS, ask.until).await?;
    let decided = |row: ExclusionRow| Some((row.decided_at?, row.exclusion));
    let exclusions = rows.into_iter().filter_map(decided).collect();
    Ok(BudgetSettings { unseen, hours: opening_hours(store).await?, exclusions })
}

/// Our own stop that goes on: no program runs, so none has written down when it ended.
async fn stopped_now(store: &Store, until: UnixMs) -> Result<Option<Stop>, Error> {
    let last = last_sign(store, until).await?;
    let stop = |from| Stop { from, until: UnixMs(i64::MAX), grace_until: UnixMs(i64::MAX) };
    Ok(last.filter(|from| until.since_ms(*from) > ALIVE_MS).map(stop))
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
async fn cast(
    store: &Store,
    ask: &ReplayAsk,
    begin: UnixMs,
    unseen: &Unseen,
) -> Result<Vec<Start>, Error> {
    let records = store.all_chargers().await?;
    let mut starts = Vec::new();
    for mut state in store.states_of(ask.site, ask.charger).await? {
        let Ok(index) = records.binary_search_by_key(&state.key, |record| record.key) else {
            continue;
        };
        state.site = records[index].site;
        turn_back(store, &mut state, begin).await?;
        let history = history(store, state.key, begin - BUDGET_BACK_MS, begin, unseen).await?;
        starts.push(Start { state, history });
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
    /// What people did, oldest first.
    acts: VecDeque<PastAct>,
}

impl Links {
    fn new(rows: PastLinks, stops: Vec<Stop>, acts: Vec<PastAct>) -> Self {
        let (stops, acts) = (stops.into(), acts.into());
        Self { rows, piece: VecDeque::new(), ended: false, stops, acts }
    }

    /// What people did before a time, and our own stops.
    fn others_before(&mut self, at: UnixMs, replay: &mut Replay) {
        while let Some(act) = self.acts.pop_front_if(|act| act.at < at) {
            self.stops_before(act.at, replay);
            replay.act(act);
        }
        self.stops_before(at, replay);
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
                    self.others_before(at, replay);
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
                self.others_before(at, replay);
                return Ok(());
            }
            if let Some((charger, row)) = self.piece.pop_front() {
                let LinkChangeRow { at, online, reason } = row;
                self.others_before(at, replay);
                replay.link(&PastLink { charger, at, online, reason });
            }
        }
    }
}

/// What happened live.
#[derive(Default)]
struct Live {
    /// What rules opened in the range.
    found: Vec<Found>,
    /// What people did, oldest first; also before the range.
    acts: Vec<PastAct>,
}

/// Reads what happened live, and what people did from `begin` on.
async fn live(store: &Store, ask: &ReplayAsk, begin: UnixMs) -> Result<Live, Error> {
    let filter =
        IncidentFilter { charger: ask.charger, site: ask.site, ..IncidentFilter::default() };
    let mut cursor = None;
    let mut live = Live::default();
    let mut histories = 0;
    'pages: loop {
        let (rows, next) = store.incidents(&filter, cursor, PAGE_MAX).await?;
        for incident in &rows {
            if incident.opened_at < begin {
                break 'pages;
            }
            if incident.opened_at >= ask.until {
                continue;
            }
            let is_meant = ask.only.as_ref().is_none_or(|only| *only == incident.rule);
            let counts =
                incident.source == Source::System && incident.opened_at >= ask.from && is_meant;
            let mut found = Found::of(incident);
            let is_read = (counts && may_be_false(incident)) || has_deeds(incident);
            if is_read && histories < HISTORIES_MAX {
                histories += 1;
                let lines = store.timeline(incident.id).await?;
                gone_at(incident, &lines, &mut found);
                live.acts.extend(deeds(incident, &lines));
            }
            if incident.source != Source::System {
                live.acts.push(reported(incident));
            }
            if counts {
                live.found.push(found);
            }
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    live.acts.sort_by_key(|act| act.at);
    Ok(live)
}

fn may_be_false(incident: &Incident) -> bool {
    incident.resolved_at.is_some() && incident.owner.is_none()
}

/// Whether a person took it, or ended it.
fn has_deeds(incident: &Incident) -> bool {
    incident.owner.is_some() || incident.resolution.starts_with("Resolved by ")
}

/// The incident's row says when it was resolved; its history says when it was first gone, and
/// whether a person did something.
fn gone_at(incident: &Incident, lines: &[TimelineEntry], found: &mut Found) {
    found.gone_at = incident.resolved_at;
    for line in lines {
        if line.kind == "recovered" {
            found.gone_at = found.gone_at.map(|at| at.min(line.at));
        }
        found.had_person |= person(line).is_some();
    }
}

/// Who wrote a line, if it was a person: tickets are opened and closed by the program, too.
fn person(line: &TimelineEntry) -> Option<&String> {
    match &line.actor {
        Actor::User(name) => {
            Some(name).filter(|name| !matches!(name.as_str(), "engine" | "charger" | "system"))
        }
        _ => None,
    }
}

/// What people did to an incident.
fn deeds(incident: &Incident, lines: &[TimelineEntry]) -> impl Iterator<Item = PastAct> {
    let subject = || PastSubject {
        rule: incident.rule.clone(),
        charger: incident.charger,
        connector: incident.connector,
    };
    lines.iter().filter_map(move |line| {
        let user = person(line)?.clone();
        let deed = match line.kind.as_str() {
            "taken" => Deed::Take(subject(), user),
            "released" => Deed::Release(subject(), user),
            "resolved" => Deed::Resolve(subject(), user),
            _ => return None,
        };
        Some(PastAct { at: line.at, deed })
    })
}

/// The report that became an incident of its own.
fn reported(incident: &Incident) -> PastAct {
    let deed = Deed::Report {
        charger: incident.charger,
        connector: Some(incident.connector).filter(|at| !at.is_charger()),
        reason: incident.code.clone(),
        text: incident.description.clone(),
        reporter: incident.reporter.clone(),
        source: incident.source,
    };
    PastAct { at: incident.opened_at, deed }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_fewer_frames_than_were_taken_in() {
        let progress = Progress::default();
        progress.total.store(130, Ordering::Relaxed);
        let stands = || [&progress.frames, &progress.total].map(|one| one.load(Ordering::Relaxed));
        progress.came_to(100, UnixMs(1));
        assert_eq!(stands(), [100, 130]);
        progress.came_to(156, UnixMs(2));
        assert_eq!(stands(), [156, 156]);
    }
}
