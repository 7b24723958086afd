//! One charger: how it is, how it was, and everything that can be asked of it.

mod action;
mod commands;
mod device;
mod frames;
mod history;
mod ledger;
mod live;
pub(super) mod now;
mod past;
mod sample;
mod sentence;
mod signal;
mod validation;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use mendpoint_incidents::KillScope;
use mendpoint_model::{
    Action, Admission, ChargerKey, ChargerRecord, ChargerState, ConnectorRef, DAY_MS, HOUR_MS,
    Protocol, UnixMs,
};
use mendpoint_store::{
    CommandRow, IncidentFilter, ModelKey, TicketFilter, TransactionFilter, TransactionRow,
};
use serde::Deserialize;

use self::frames::{Links, Log, Which};
use self::history::{Answer, AnswerFragment, History, HistoryFragment};
use self::now::{Now, NowFragment};
use self::signal::Signal;
use self::validation::ValidationChoice;
use super::conformance::{self, Line};
use super::errors::{Page, PageError, back, render};
use crate::pages::extract::{Form, Query};
use crate::place::{Moment, charger_href};
use crate::scope::{StoppedHere, stopped};
use crate::session::{Admin, Viewer};
use crate::shell::Shell;
use crate::{AppState, show, url};

/// Sessions, incidents and tickets that are shown.
const SESSIONS: u32 = 10;
const INCIDENTS: u32 = 8;
const TICKETS: u32 = 6;
const CHANGES: u32 = 5;
/// Deviations that are shown.
const DEVIATIONS: u32 = 12;
/// Flags on the ribbon.
const MARKS: usize = 6;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/chargers/{identity}", get(page))
        .route("/chargers/{identity}/frames", get(frames::fragment))
        .route("/chargers/{identity}/frames.{format}", get(frames::download))
        .route("/chargers/{identity}/qr.svg", get(qr_code))
        .route("/chargers/{identity}/live", get(live::stream))
        .route("/chargers/{identity}/command", post(commands::send))
        .route("/chargers/{identity}/command/take-back", post(commands::take_back))
        .route("/chargers/{identity}/actions", get(action::show).post(action::send))
        .route("/chargers/{identity}/settings", get(device::page).post(device::set))
        .route("/chargers/{identity}/settings.csv", get(device::export))
        .route("/chargers/{identity}/settings/signal-key", post(device::decide))
        .route("/chargers/{identity}/settings/wanted", post(device::want))
        .route("/chargers/{identity}/admission", post(admit))
        .route("/chargers/{identity}/validation", post(validation::change))
}

/// Finds a charger by its OCPP identity.
pub(super) fn find(state: &AppState, identity: &str) -> Result<Arc<ChargerRecord>, PageError> {
    state.handle().directory().by_identity(identity).ok_or_else(|| {
        PageError::not_found(format!(
            "No charger has the identity {identity:?}. Look for it in the list of chargers."
        ))
    })
}

/// What the address may carry.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    fragment: String,
    /// A command whose answer is shown on top.
    command: String,
    done: Option<String>,
    error: Option<String>,
}

/// What does not change while one looks.
struct Facts {
    model: String,
    serial: String,
    firmware: String,
    /// The last firmware update's status and when.
    firmware_status: String,
    diagnostics_status: String,
    booted: Option<Moment>,
    boot_reason: String,
    sim: String,
    skew: String,
    registered: Moment,
    site: String,
    site_href: String,
    ticket_href: String,
    region: String,
    operator: String,
    installer: String,
}

/// A session that was.
struct Session {
    number: String,
    connector: String,
    started: Moment,
    /// "34 min", or "now".
    lasted: String,
    energy: String,
    reason: String,
    suspect: String,
    is_open: bool,
}

/// A line of a short list with a link: an incident, a ticket.
struct Linked {
    id: String,
    href: String,
    title: String,
    state: String,
    opened_at: UnixMs,
    at: Moment,
    is_over: bool,
}

/// A setting that changed.
struct Changed {
    key: String,
    value: String,
    at: Moment,
}

#[derive(Template)]
#[template(path = "charger.html")]
struct ChargerPage {
    shell: Shell,
    now: Now,
    facts: Facts,
    admission: &'static str,
    is_admin: bool,
    /// The state ribbon, SVG.
    ribbon: String,
    ribbon_title: &'static str,
    signals: Vec<Signal>,
    sessions: Vec<Session>,
    /// The last 90 days.
    past: past::Past,
    /// The figures of its uptime.
    uptime: Vec<ledger::Row>,
    uptime_href: String,
    transactions_href: String,
    incidents: Vec<Linked>,
    tickets: Vec<Linked>,
    /// How many settings are known.
    settings: u64,
    settings_href: String,
    /// Those that changed last.
    changed: Vec<Changed>,
    /// What this model is known not to do.
    unsupported: Vec<String>,
    /// The connectors that can be unlocked and switched.
    connectors: Vec<String>,
    /// Every action of the charger's version.
    actions: Vec<&'static str>,
    answer: Option<Answer>,
    history: History,
    log: Log,
    /// Actions that the filter of the messages offers.
    heard: Vec<String>,
    public_href: String,
    public_url: String,
    /// What it sends that is not as OCPP says.
    deviations: Vec<Line>,
    conformance_href: String,
    validations: Vec<ValidationChoice>,
    /// The form value of healing's switch for this charger.
    scope: String,
    healing_stopped: Option<StoppedHere>,
    /// What stops it here too: "the whole site", "everywhere"; empty for nothing.
    stopped_above: &'static str,
    /// Planned work that is going on: "until 14:00, Cables".
    maintenance: String,
    maintenance_href: String,
    qr_href: String,
}

/// The QR code of the driver's page, for a label on the charger.
async fn qr_code(_: Viewer, State(state): State<AppState>, Path(identity): Path<String>) -> Page {
    let record = find(&state, &identity)?;
    let text = format!("{}/c/{}", state.settings().public_url, record.public_id);
    let svg = crate::qr::svg(&text)
        .ok_or_else(|| PageError::conflict("The public address is too long for a QR code."))?;
    let kind = HeaderValue::from_static("image/svg+xml");
    Ok(([(header::CONTENT_TYPE, kind)], svg).into_response())
}

async fn page(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Query(asked): Query<Asked>,
    Query(which): Query<Which>,
) -> Page {
    which.check().map_err(PageError::bad_request)?;
    let record = find(&state, &identity)?;
    let handle = state.handle();
    let live = handle.charger(record.key).await;
    let live = live.as_deref();
    let shown = Now::new(&state, &record, live);
    if asked.fragment == "now" {
        return render(NowFragment { now: shown });
    }
    let now = handle.now();
    let store = handle.store();
    let home = charger_href(&record.identity);
    let protocol = crate::commands::protocol_of(live);
    if asked.fragment == "answer" {
        let id = &asked.command;
        let answer = history::answer(&state, record.key, protocol, &home, &viewer, id).await?;
        let answer = answer.ok_or_else(|| PageError::not_found("There is no such command."))?;
        return render(AnswerFragment { answer });
    }
    let rows = history::rows(&state, record.key).await?;
    let history = History::new(&viewer, now, protocol, home.clone(), &rows);
    if asked.fragment == "history" {
        return render(HistoryFragment { history });
    }
    let filter = TransactionFilter::of(record.key);
    let (sessions, _) = store.transactions(&filter, None, SESSIONS).await?;
    let past = past::Past::read(&state, record.key).await?;
    let day = store.signals(record.key, now - DAY_MS, now).await?;
    let scope = KillScope::Charger(record.key);
    let switches = handle.healing_stopped();
    let incidents = incidents(&state, record.key).await?;
    let (ribbon, ribbon_title) = ribbon(&state, record.key, &rows, &incidents).await?;
    let links = links(&state, &incidents).await?;
    let log = frames::log(&state, &viewer, record.key, home.clone(), which, &links).await?;
    let of = ModelKey {
        vendor: record.vendor.clone(),
        model: record.model.clone(),
        firmware: record.firmware.clone(),
    };
    let deviations = store.conformance_of_charger(record.key, &of, DEVIATIONS).await?;
    let page = ChargerPage {
        past,
        uptime: ledger::rows(&state, record.key).await?,
        uptime_href: format!("/uptime?charger={}", url::encode(&record.identity)),
        conformance_href: if deviations.is_empty() {
            "/conformance".to_owned()
        } else {
            conformance::href(&of)
        },
        deviations: deviations.into_iter().map(|row| Line::new(now, row)).collect(),
        validations: validation::choices(&record),
        shell: Shell::new(&state, &viewer, "chargers", &*record.name)
            .await
            .with_messages(asked.done, asked.error),
        facts: facts(&state, &record, live),
        admission: record.admission.name(),
        is_admin: viewer.is_admin(),
        ribbon,
        ribbon_title,
        signals: live.map_or_else(Vec::new, |live| signal::of(now, live, &day)),
        sessions: sessions.iter().map(|row| session(now, row)).collect(),
        transactions_href: format!("/transactions?charger={}", url::encode(&record.identity)),
        incidents,
        tickets: tickets(&state, record.key).await?,
        settings: store.variable_count(record.key).await?,
        settings_href: device::href(&record.identity),
        changed: store
            .variable_changes(record.key, None, CHANGES)
            .await?
            .into_iter()
            .map(|row| Changed {
                key: row.name,
                value: row.value.unwrap_or_default(),
                at: Moment::new(now, row.at),
            })
            .collect(),
        unsupported: device::unsupported(&state, &record),
        connectors: live.map_or_else(Vec::new, |live| {
            live.connectors.iter().map(|connector| connector.at.to_string()).collect()
        }),
        actions: mendpoint_ocpp::sendable_actions(protocol),
        answer: history::answer(&state, record.key, protocol, &home, &viewer, &asked.command)
            .await?,
        history,
        heard: heard(protocol),
        log,
        public_href: format!("/c/{}", record.public_id),
        public_url: format!("{}/c/{}", state.settings().public_url, record.public_id),
        scope: format!("charger:{}", record.key),
        healing_stopped: stopped(&switches, &scope, now),
        stopped_above: if switches.contains_key(&KillScope::Global) {
            "everywhere"
        } else if switches.contains_key(&KillScope::Site(record.site)) {
            "at the whole site"
        } else {
            ""
        },
        maintenance: handle
            .maintenance(record.site, Some(record.key))
            .map_or_else(String::new, |one| {
                format!("until {} UTC, {}", crate::show::date_time(one.until), one.title)
            }),
        maintenance_href: format!("/duty/maintenance?charger={}", url::encode(&record.identity)),
        qr_href: format!("{}/qr.svg", crate::place::charger_href(&record.identity)),
        now: shown,
    };
    render(page)
}

fn facts(state: &AppState, record: &ChargerRecord, live: Option<&ChargerState>) -> Facts {
    let now = state.handle().now();
    let site = state.handle().directory().site(record.site);
    let boot = live.and_then(|live| live.boot.as_deref());
    let sim: Vec<&str> = boot
        .map(|boot| [&boot.iccid, &boot.imsi])
        .into_iter()
        .flatten()
        .filter_map(|text| text.as_deref())
        .collect();
    let status = |status: Option<&(UnixMs, Box<str>)>| {
        status.map(|(at, word)| format!("{word}, {}", show::ago(now, *at))).unwrap_or_default()
    };
    Facts {
        model: format!("{} {}", record.vendor, record.model).trim().to_owned(),
        serial: record.serial.clone(),
        firmware: record.firmware.clone(),
        firmware_status: status(live.and_then(|live| live.firmware_status.as_ref())),
        diagnostics_status: status(live.and_then(|live| live.diagnostics_status.as_ref())),
        booted: live.and_then(|live| live.booted_at).map(|at| Moment::new(now, at)),
        boot_reason: boot.and_then(|boot| boot.reason.clone()).unwrap_or_default(),
        sim: sim.join(" / "),
        skew: live.and_then(|live| live.clock_skew_ms).map(skew).unwrap_or_default(),
        registered: Moment::new(now, record.created_at),
        site: site.as_ref().map(|site| site.name.clone()).unwrap_or_default(),
        site_href: format!("/chargers?site={}", record.site),
        ticket_href: format!("/tickets/new?charger={}", url::encode(&record.identity)),
        region: site.as_ref().map(|site| site.region.clone()).unwrap_or_default(),
        operator: site.as_ref().map(|site| site.operator.clone()).unwrap_or_default(),
        installer: site
            .and_then(|site| site.installer.as_ref().map(|installer| installer.name.clone()))
            .unwrap_or_default(),
    }
}

/// How far the charger's clock is off; a few seconds are the way of the message.
fn skew(ms: i64) -> String {
    match ms {
        -10_000..=10_000 => "right".to_owned(),
        ms if ms > 0 => format!("{} behind", show::duration(ms)),
        ms => format!("{} ahead", show::duration(-ms)),
    }
}

/// The ribbon, and what to call the stretch of time it shows.
async fn ribbon(
    state: &AppState,
    key: ChargerKey,
    commands: &[CommandRow],
    incidents: &[Linked],
) -> Result<(String, &'static str), PageError> {
    let now = state.handle().now();
    let store = state.handle().store();
    let link = store.link_history(key, now - DAY_MS, now).await?;
    let states = store.state_history(key, now - DAY_MS, now).await?;
    if link.is_empty() && states.is_empty() {
        return Ok((String::new(), ""));
    }
    let first = link.iter().map(|row| row.at).chain(states.iter().map(|row| row.at)).min();
    let (length, title) = stretch(first.map_or(DAY_MS, |first| now.since_ms(first)));
    let from = now - length;
    let disruptive = commands.iter().filter_map(|row| {
        let word = match &row.command.action {
            Action::Reset { hard: true, .. } => "hard reset",
            Action::Reset { .. } => "soft reset",
            Action::SetAvailability { operative: false, .. } => "off",
            Action::SetAvailability { .. } => "on",
            _ => return None,
        };
        Some((row.command.created_at, word.to_owned()))
    });
    let opened = incidents.iter().map(|one| (one.opened_at, "incident".to_owned()));
    let mut marks: Vec<_> = disruptive.chain(opened).filter(|(at, _)| *at > from).collect();
    marks.sort_unstable();
    // More flags than this cover each other; the newest matter.
    let surplus = marks.len().saturating_sub(MARKS);
    Ok((crate::ribbon::ribbon(from, now, &link, &states, &marks[surplus..]), title))
}

/// How much of the last day is worth drawing: a charger that was registered a minute ago would be a
/// hair at the right edge.
fn stretch(known_ms: i64) -> (i64, &'static str) {
    match known_ms {
        ms if ms <= HOUR_MS / 4 => (HOUR_MS / 4, "Last 15 minutes"),
        ms if ms <= HOUR_MS => (HOUR_MS, "Last hour"),
        ms if ms <= 6 * HOUR_MS => (6 * HOUR_MS, "Last 6 hours"),
        _ => (DAY_MS, "Last 24 hours"),
    }
}

fn session(now: UnixMs, row: &TransactionRow) -> Session {
    let transaction = &row.transaction;
    let until = row.ended_at.unwrap_or(now);
    let energy = row.energy_wh.or_else(|| transaction.energy_wh());
    Session {
        number: transaction.id.to_string(),
        connector: connector_name(transaction.connector),
        started: Moment::new(now, transaction.started_at),
        lasted: show::duration(until.since_ms(transaction.started_at)),
        energy: energy.map(show::energy).unwrap_or_default(),
        reason: row.reason.clone(),
        suspect: row.suspect.clone().unwrap_or_default(),
        is_open: row.ended_at.is_none(),
    }
}

fn connector_name(at: ConnectorRef) -> String {
    if at.is_charger() { String::new() } else { at.to_string() }
}

async fn incidents(state: &AppState, key: ChargerKey) -> Result<Vec<Linked>, PageError> {
    let now = state.handle().now();
    let filter = IncidentFilter { charger: Some(key), ..IncidentFilter::default() };
    let (rows, _) = state.handle().store().incidents(&filter, None, INCIDENTS).await?;
    Ok(rows
        .into_iter()
        .map(|incident| Linked {
            id: incident.id.to_string(),
            href: format!("/incidents/{}", incident.id),
            state: incident.state.label().to_owned(),
            opened_at: incident.opened_at,
            at: Moment::new(now, incident.opened_at),
            is_over: incident.state.is_over(),
            title: incident.title,
        })
        .collect())
}

async fn tickets(state: &AppState, key: ChargerKey) -> Result<Vec<Linked>, PageError> {
    let now = state.handle().now();
    let filter = TicketFilter { charger: Some(key), ..TicketFilter::default() };
    let (rows, _) = state.handle().store().tickets(&filter, None, TICKETS).await?;
    Ok(rows
        .into_iter()
        .map(|ticket| Linked {
            id: ticket.id.to_string(),
            href: format!("/tickets/{}", ticket.id),
            is_over: !crate::tickets::is_active(&ticket.status),
            state: mendpoint_tickets::Status::from_name(&ticket.status)
                .map_or_else(|| ticket.status.clone(), |status| status.label().to_lowercase()),
            opened_at: ticket.opened_at,
            at: Moment::new(now, ticket.opened_at),
            title: ticket.title,
        })
        .collect())
}

/// The actions of a version, both ways.
fn heard(protocol: Protocol) -> Vec<String> {
    mendpoint_ocpp::definition::messages(protocol).map(|known| known.action.to_owned()).collect()
}

/// Where the messages lead to: the incidents that have a message as evidence.
async fn links(state: &AppState, incidents: &[Linked]) -> Result<Links, PageError> {
    let mut links = Links::default();
    for incident in incidents {
        let Ok(id) = incident.id.parse() else { continue };
        for entry in state.handle().store().timeline(id).await? {
            if entry.frame > 0 {
                links.incidents.entry(entry.frame).or_insert_with(|| incident.id.clone());
            }
        }
    }
    Ok(links)
}

/// Accept or block, from the list and from the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Admit {
    admission: String,
    /// The page to go back to.
    to: String,
}

async fn admit(
    Admin(viewer): Admin,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(form): Form<Admit>,
) -> Page {
    let record = find(&state, &identity)?;
    let to = if form.to.is_empty() { charger_href(&record.identity) } else { form.to };
    let Some(admission) = Admission::from_name(&form.admission) else {
        return Ok(back(&to, Err("A charger is accepted, quarantined or blocked.".to_owned())));
    };
    let changed = ChargerRecord { admission, ..ChargerRecord::clone(&record) };
    state.handle().update_charger(changed).await?;
    state.handle().audit(&viewer.name, admission.name(), &record.identity).await;
    let done = match admission {
        Admission::Accepted => {
            format!("{} is accepted. Its next boot is answered so.", record.name)
        }
        Admission::Quarantined => format!("{} waits until somebody accepts it.", record.name),
        Admission::Blocked => format!("{} is blocked and may not connect.", record.name),
    };
    Ok(back(&to, Ok(done)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_young_charger_gets_a_short_ribbon() {
        assert_eq!(stretch(120_000), (HOUR_MS / 4, "Last 15 minutes"));
        assert_eq!(stretch(HOUR_MS), (HOUR_MS, "Last hour"));
        assert_eq!(stretch(2 * HOUR_MS).1, "Last 6 hours");
        assert_eq!(stretch(20 * HOUR_MS).0, DAY_MS);
    }

    #[test]
    fn a_wrong_clock_is_said() {
        assert_eq!(skew(800), "right");
        assert_eq!(skew(3_600_000), "1 h behind");
        assert_eq!(skew(-120_000), "2 min ahead");
    }
}
