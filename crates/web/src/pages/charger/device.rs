//! The settings of one charger: every variable it told with its changes, setting one, its monitors,
//! what its model can do, and how far the upkeep is.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect};
use mendpoint_model::{
    AttributeKind, ChargerRecord, ChargerState, DesiredFor, DesiredKey, Mutability, Protocol,
    UnixMs, Verdict,
};
use mendpoint_store::{SignalKeyRow, VariableRow};
use mendpoint_upkeep::{Progress, Stage};
use serde::Deserialize;

use super::find;
use super::history::{self, Told};
use crate::device::{self, Candidate};
use crate::pages::errors::{Page, PageError, back, render};
use crate::pages::extract::{Form, Query};
use crate::place::{Moment, charger_href};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;
use crate::{AppState, url};

/// Rows on one page.
const ROWS: u32 = 200;
/// Changes that are listed.
const CHANGES: u32 = 50;
/// Monitors that are listed.
const MONITORS: u32 = 300;
/// Variables that are looked through for keys that may tell of a radio link.
const LOOKED_THROUGH: u32 = 2_000;

/// What the address may carry.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// Part of a name or a value.
    q: String,
    /// `changed`: what changed last comes first.
    sort: String,
    /// The name and attribute after which the page begins, `NAME|Actual`.
    after: String,
    /// The variable whose form and history are open, `NAME|Actual`.
    of: String,
    /// A command whose answer is shown on top.
    command: String,
    done: Option<String>,
    error: Option<String>,
}

struct Row {
    name: String,
    attribute: &'static str,
    value: String,
    /// What is shown in the place of a value that is not kept.
    instead: &'static str,
    /// "cut, it had 4,000 characters"
    cut: String,
    kind: String,
    can_set: bool,
    since: Moment,
    changed_by: String,
    href: String,
}

struct ChangeLine {
    name: String,
    before: String,
    value: String,
    at: Moment,
    by: String,
}

struct MonitorLine {
    name: String,
    kind: String,
    value: String,
    severity: u8,
    status: String,
    is_installed: bool,
}

struct CapabilityLine {
    name: String,
    token: &'static str,
    verdict: &'static str,
    words: String,
    last: Moment,
}

/// A value that a setting should have.
struct WantedLine {
    name: String,
    wanted: String,
    told: String,
    is_known: bool,
    drifts: bool,
    from: String,
    /// Whether it is wanted of this charger alone.
    is_own: bool,
    by: String,
}

/// How far the upkeep is, a line each.
struct UpkeepLines {
    lines: Vec<(String, String)>,
    refused: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "charger_device.html")]
struct DevicePage {
    shell: Shell,
    name: String,
    href: String,
    home: String,
    is_v16: bool,
    online: bool,
    q: String,
    sort: String,
    total: u64,
    rows: Vec<Row>,
    next: String,
    open: Option<Row>,
    changes: Vec<ChangeLine>,
    monitors: Vec<MonitorLine>,
    capabilities: Vec<CapabilityLine>,
    model: String,
    candidates: Vec<Candidate>,
    wanted: Vec<WantedLine>,
    upkeep: UpkeepLines,
    answer: Option<Told>,
}

/// The page of a charger's settings.
pub(super) fn href(identity: &str) -> String {
    format!("{}/settings", charger_href(identity))
}

fn split(text: &str) -> Option<(String, AttributeKind)> {
    let (name, kind) = text.rsplit_once('|')?;
    Some((name.to_owned(), AttributeKind::from_name(kind)?))
}

pub(super) async fn page(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    let record = find(&state, &identity)?;
    let handle = state.handle();
    let (store, now) = (handle.store(), handle.now());
    let live = handle.charger(record.key).await;
    let protocol = live.as_ref().and_then(|live| live.link.protocol).unwrap_or(Protocol::V16);
    let (rows, next) = if asked.sort == "changed" {
        (store.recent_variables(record.key, &asked.q, ROWS).await?, None)
    } else {
        store.variables(record.key, &asked.q, split(&asked.after), ROWS).await?
    };
    let open = match split(&asked.of) {
        Some((name, kind)) => one(&state, &record, &name, kind).await?,
        None => None,
    };
    let of = open.as_ref().map(|row| row.name.as_str());
    let changes = store.variable_changes(record.key, of, CHANGES).await?;
    let looked_through = store.variables(record.key, "", None, LOOKED_THROUGH).await?.0;
    let progress = handle.upkeep(record.key).await.unwrap_or_default();
    let home = href(&record.identity);
    let show = |row: &VariableRow| show_row(now, &home, &asked, row);
    let page = DevicePage {
        shell: Shell::new(&state, &viewer, "chargers", &*format!("Settings of {}", record.name))
            .await
            .with_messages(asked.done.clone(), asked.error.clone()),
        name: record.name.clone(),
        home: charger_href(&record.identity),
        is_v16: protocol == Protocol::V16,
        online: live.as_ref().is_some_and(|live| live.link.connected),
        total: store.variable_count(record.key).await?,
        rows: rows.iter().map(show).collect(),
        next: next
            .map(|(name, kind)| {
                format!(
                    "{home}?q={}&after={}",
                    url::encode(&asked.q),
                    url::encode(&format!("{name}|{}", kind.name()))
                )
            })
            .unwrap_or_default(),
        open: open.as_ref().map(show),
        changes: changes
            .into_iter()
            .map(|row| ChangeLine {
                name: row.name,
                before: row.before.unwrap_or_default(),
                value: row.value.unwrap_or_default(),
                at: Moment::new(now, row.at),
                by: row.changed_by,
            })
            .collect(),
        monitors: monitors(&state, &record).await?,
        capabilities: capabilities(&state, now, &record),
        model: format!("{} {} {}", record.vendor, record.model, record.firmware).trim().to_owned(),
        candidates: device::candidates(handle, &record.vendor, &record.model, &looked_through),
        wanted: wanted(&state, live.as_deref()),
        upkeep: upkeep_lines(now, &progress, protocol),
        answer: history::answer(&state, record.key, protocol, "", &viewer, &asked.command)
            .await?
            .map(|answer| answer.told),
        q: asked.q.clone(),
        sort: asked.sort.clone(),
        href: home.clone(),
    };
    render(page)
}

/// What is wanted of the charger's settings.
fn wanted(state: &AppState, live: Option<&ChargerState>) -> Vec<WantedLine> {
    let desired = state.handle().desired();
    let values = live.map(|live| desired.of(live)).unwrap_or_default();
    let line = |value: &mendpoint_model::DesiredValue<'_>| WantedLine {
        name: value.wanted.name.clone(),
        wanted: value.wanted.value.clone(),
        told: value.actual.unwrap_or_default().to_owned(),
        is_known: value.is_known,
        drifts: value.drifts(),
        from: device::words_of_target(state, value.wanted),
        is_own: matches!(value.wanted.target, DesiredFor::Charger(_)),
        by: value.wanted.set_by.clone(),
    };
    values.iter().map(line).collect()
}

/// What a setting should be, as a form tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WantedValue {
    name: String,
    value: String,
    /// `charger`, `site` or `model`.
    scope: String,
    /// `want` or `forget`.
    #[serde(rename = "do")]
    what: String,
}

/// Says what a setting should be, or that nothing is wanted of it any more.
pub(super) async fn want(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(form): Form<WantedValue>,
) -> Page {
    let record = find(&state, &identity)?;
    let home = format!("{}#wanted", href(&record.identity));
    let handle = state.handle();
    let name = form.name.trim();
    if name.is_empty() || name.len() > 500 || form.value.len() > 2_500 {
        return Ok(back(&home, Err("Say which setting, and its value.".to_owned())));
    }
    if mendpoint_model::is_secret_name(name) {
        return Ok(back(&home, Err(format!("{name} is a secret: its value is never kept."))));
    }
    let target = match form.scope.as_str() {
        "model" => DesiredFor::Model(record.vendor.clone(), record.model.clone()),
        "site" => DesiredFor::Site(record.site),
        "charger" => DesiredFor::Charger(record.key),
        _ => return Ok(back(&home, Err("Say for whom: charger, site or model.".to_owned()))),
    };
    let row = DesiredKey {
        target,
        name: name.to_owned(),
        value: form.value.clone(),
        set_by: viewer.name.clone(),
        set_at: handle.now(),
    };
    let subject = format!("{name} for {}", device::words_of_target(&state, &row));
    let done = if form.what == "forget" {
        handle.unwant_key(&row.target, &row.name).await?;
        handle.audit(&viewer.name, "desired key taken back", &subject).await;
        format!("Nothing is wanted of {subject} any more.")
    } else {
        let done = format!("{subject} should be {} from now on.", form.value);
        handle.want_key(row).await?;
        handle.audit(&viewer.name, "desired key", &format!("{subject} = {}", form.value)).await;
        done
    };
    handle.settle(record.site).await;
    Ok(back(&home, Ok(done)))
}

async fn one(
    state: &AppState,
    record: &ChargerRecord,
    name: &str,
    kind: AttributeKind,
) -> Result<Option<VariableRow>, PageError> {
    let (rows, _) = state.handle().store().variables(record.key, name, None, ROWS).await?;
    Ok(rows.into_iter().find(|row| row.name == name && row.report.attribute == kind))
}

fn show_row(now: UnixMs, home: &str, asked: &Asked, row: &VariableRow) -> Row {
    let report = &row.report;
    let is_secret = report.at.is_secret() || report.mutability == Some(Mutability::WriteOnly);
    let instead = match &report.value {
        _ if is_secret => "not kept: a secret",
        None => "not told",
        Some(value) if value.is_empty() => "empty",
        Some(_) => "",
    };
    let mut kind = report.data_type.clone();
    if !report.unit.is_empty() {
        format!("{kind} {}", report.unit).trim().clone_into(&mut kind);
    }
    let of = format!("{}|{}", row.name, report.attribute.name());
    Row {
        value: report.value.clone().unwrap_or_default(),
        instead,
        cut: report
            .cut_from
            .map(|length| format!("cut here: it had {length} characters"))
            .unwrap_or_default(),
        kind,
        // Chargers that do not say it are asked: their own answer tells.
        can_set: report.mutability != Some(Mutability::ReadOnly),
        since: Moment::new(now, row.since),
        changed_by: row.changed_by.clone(),
        href: format!(
            "{home}?q={}&sort={}&of={}#variable",
            url::encode(&asked.q),
            url::encode(&asked.sort),
            url::encode(&of)
        ),
        attribute: report.attribute.name(),
        name: row.name.clone(),
    }
}

async fn monitors(state: &AppState, record: &ChargerRecord) -> Result<Vec<MonitorLine>, PageError> {
    let rows = state.handle().store().monitors(record.key, MONITORS).await?;
    Ok(rows
        .into_iter()
        .map(|(name, monitor)| MonitorLine {
            name,
            value: match monitor.kind.as_str() {
                "Delta" => String::new(),
                _ => monitor.value.map(|value| value.to_string()).unwrap_or_default(),
            },
            kind: monitor.kind,
            severity: monitor.severity,
            is_installed: matches!(monitor.status.as_str(), "Accepted" | "Duplicate"),
            status: monitor.status,
        })
        .collect())
}

fn capabilities(state: &AppState, now: UnixMs, record: &ChargerRecord) -> Vec<CapabilityLine> {
    let rows = state.handle().capabilities_of(record);
    rows.into_iter()
        .map(|(name, counts)| CapabilityLine {
            name: name.into(),
            token: device::verdict_token(counts.verdict()),
            verdict: counts.verdict().label(),
            words: device::counts_words(&counts),
            last: Moment::new(now, counts.last_at),
        })
        .collect()
}

/// What this model is known not to do, for a hint beside the commands.
pub(super) fn unsupported(state: &AppState, record: &ChargerRecord) -> Vec<String> {
    let rows = state.handle().capabilities_of(record);
    rows.into_iter()
        .filter(|(_, counts)| counts.verdict() == Verdict::Unsupported)
        .map(|(name, counts)| format!("{name} ({})", counts.refusal()))
        .collect()
}

fn upkeep_lines(now: UnixMs, progress: &Progress, protocol: Protocol) -> UpkeepLines {
    let ago = |at: Option<UnixMs>| at.map_or_else(String::new, |at| crate::show::ago(now, at));
    let mut lines = Vec::new();
    let what = if protocol == Protocol::V16 { "Configuration" } else { "Inventory" };
    let mut read = match progress.read_at {
        None => "not read yet".to_owned(),
        at => format!("read {}", ago(at)),
    };
    if progress.values > 0 {
        read = format!("{read}, {} values", progress.values);
    }
    if progress.parts_missing > 0 {
        read = format!("{read}, {} parts did not come", progress.parts_missing);
    }
    lines.push((what.to_owned(), read));
    if protocol != Protocol::V16 {
        let wanted = progress.monitors.wanted.len();
        let words = match progress.monitors.stage {
            _ if progress.inventory_at.is_none() => "after the inventory".to_owned(),
            Stage::Done if wanted == 0 => "nothing it reported can be watched".to_owned(),
            Stage::Done => format!("{} of {wanted} installed", progress.installed()),
            _ => format!("{} of {wanted} installed so far", progress.installed()),
        };
        lines.push(("Monitors".to_owned(), words));
    }
    if let Some((_, at)) = progress.signal_asked.iter().max_by_key(|(_, at)| **at) {
        lines.push(("Radio link".to_owned(), format!("asked {}", ago(Some(*at)))));
    }
    if progress.dropped > 0 {
        let words = format!("{} values too many were told within an hour", progress.dropped);
        lines.push(("Not kept".to_owned(), words));
    }
    if let Some(last) = &progress.last {
        lines.push(("Last".to_owned(), format!("{}, {}", last.words, ago(Some(last.at)))));
    }
    let refused = progress
        .refused
        .iter()
        .map(|(task, refusal)| {
            let who = if refusal.by_model { ", said by others of this model" } else { "" };
            (task.clone(), format!("{}{who}; not asked again with this firmware", refusal.word))
        })
        .chain(progress.monitors_refused().map(|wanted| {
            (
                format!("Monitor {} ({})", wanted.at, wanted.kind),
                format!("refused: {}", wanted.status),
            )
        }))
        .collect();
    UpkeepLines { lines, refused }
}

/// A new value.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NewValue {
    /// `NAME|Actual`.
    of: String,
    value: String,
}

/// Sets a value, and leads to the charger's own answer.
pub(super) async fn set(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(form): Form<NewValue>,
) -> Page {
    let record = find(&state, &identity)?;
    let home = href(&record.identity);
    let Some((name, kind)) = split(&form.of) else {
        return Ok(back(&home, Err("Say which setting.".to_owned())));
    };
    let Some(row) = one(&state, &record, &name, kind).await? else {
        return Ok(back(&home, Err(format!("{name} was never told by this charger."))));
    };
    if row.report.mutability == Some(Mutability::ReadOnly) {
        return Ok(back(&home, Err(format!("{name} can only be read."))));
    }
    let handle = state.handle();
    let live = handle.charger(record.key).await;
    let protocol = live.and_then(|live| live.link.protocol).unwrap_or(Protocol::V16);
    let action = device::set_action(protocol, &row.report.at, kind, &form.value);
    handle.audit(&viewer.name, "setting changed", &format!("{} {name}", record.identity)).await;
    let report = handle.command(record.key, action, &viewer.name).await?;
    handle.settle(record.site).await;
    let to =
        format!("{home}?of={}&command={}#answer", url::encode(&form.of), url::encode(&report.id.0));
    Ok(Redirect::to(&to).into_response())
}

/// What a person says of a key that may tell of a radio link.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SignalKey {
    name: String,
    unit: String,
    transport: String,
    /// `confirm`, `dismiss` or `forget`.
    #[serde(rename = "do")]
    what: String,
}

pub(super) async fn decide(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Form(form): Form<SignalKey>,
) -> Page {
    let record = find(&state, &identity)?;
    let home = href(&record.identity);
    let handle = state.handle();
    let (Some(unit), Some(transport)) =
        (device::unit_of(&form.unit), device::transport_of(&form.transport))
    else {
        return Ok(back(&home, Err("Choose a unit and a link.".to_owned())));
    };
    let model = format!("{} {}", record.vendor, record.model);
    let subject = format!("{model} {}", form.name);
    let done = match form.what.as_str() {
        "forget" => {
            handle.forget_signal_key(&record.vendor, &record.model, &form.name).await?;
            format!("{} is offered again.", form.name)
        }
        "confirm" | "dismiss" => {
            let confirmed = form.what == "confirm";
            handle
                .decide_signal_key(SignalKeyRow {
                    vendor: record.vendor.clone(),
                    model: record.model.clone(),
                    name: form.name.clone(),
                    confirmed,
                    unit,
                    transport,
                    decided_by: viewer.name.clone(),
                    decided_at: handle.now(),
                })
                .await?;
            if confirmed {
                format!("{} is read as the radio link of every {model}.", form.name)
            } else {
                format!("{} is not a radio link.", form.name)
            }
        }
        other => return Ok(back(&home, Err(format!("There is no button {other:?} here.")))),
    };
    handle.audit(&viewer.name, &format!("signal key: {}", form.what), &subject).await;
    Ok(back(&home, Ok(done)))
}

/// All variables as CSV.
pub(super) async fn export(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(identity): Path<String>,
) -> Page {
    let record = find(&state, &identity)?;
    let text = device::csv(&device::all_rows(&state, record.key).await?);
    let subject = format!("settings of {}", record.identity);
    state.handle().exported(&viewer.name, &subject).await?;
    Ok(crate::csv::file("settings.csv", text))
}
