//! Uptime: month by month, by site and by connector, and what is not counted.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use mendpoint_model::{DAY_MS, IncidentId, SiteKey, UnixMs};
use mendpoint_pipeline::{PortTally, UptimeScope};
use mendpoint_store::ExclusionRow;
use mendpoint_uptime::{Decision, Exclusion, Reason, Tally, formula};
use serde::Deserialize;

use super::errors::{Page, PageError, back, render, wrong};
use crate::pages::extract::{Form, Query};
use crate::place::{connector_of, utc};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;
use crate::uptime::{
    CALIFORNIA_PERCENT, EVIDENCE_MAX, Figures, Month, NEVI_PERCENT, UK_PERCENT, check_exclusion,
    percent, sum,
};
use crate::{AppState, show};

/// Up to so many chargers the months of the whole fleet stand on its page.
const YEAR_MAX: usize = 200;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/uptime", get(page))
        .route("/uptime.csv", get(file))
        .route("/uptime/exclusions", get(exclusions).post(add))
        .route("/uptime/exclusions/{id}/{decision}", post(decide))
        .route("/uptime/outages/{id}/{decision}", post(decide_outage))
        .route("/uptime/hours", post(hours))
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    month: String,
    site: String,
    charger: String,
    incident: String,
    done: Option<String>,
    error: Option<String>,
}

/// A figure, and what is to be said of it when it misses what the rule asks for.
struct Figure {
    text: String,
    low: &'static str,
}

impl Figure {
    fn of(value: Option<f64>, limit: f64, low: &'static str) -> Self {
        let is_low = value.is_some_and(|value| value < limit);
        Self { text: percent(value), low: if is_low { low } else { "" } }
    }

    fn nevi(value: Option<f64>) -> Self {
        Self::of(value, NEVI_PERCENT, "below the 97 % of NEVI")
    }

    fn uk(value: Option<f64>) -> Self {
        Self::of(value, UK_PERCENT, "below the 99 % that the UK asks of the whole network")
    }

    fn california(value: Option<f64>) -> Self {
        Self::of(value, CALIFORNIA_PERCENT, "below the 97 % of California")
    }

    /// Where a rule has no figure.
    fn none() -> Self {
        Self { text: String::new(), low: "" }
    }
}

struct Line {
    name: String,
    href: String,
    under: String,
    ports: usize,
    up: String,
    nevi: Figure,
    uk: Figure,
    california: Figure,
    strict: String,
    outage: i64,
    excluded: i64,
    blind: i64,
}

/// A month, or what months make together.
struct YearLine {
    name: String,
    href: String,
    nevi: Figure,
    uk: Figure,
    california: Figure,
    strict: String,
    blind: i64,
}

struct OutageLine {
    at: String,
    class: &'static str,
    token: &'static str,
    lasted: String,
    place: String,
}

#[derive(Template)]
#[template(path = "uptime.html")]
struct UptimePage {
    shell: Shell,
    title: String,
    month: String,
    before: String,
    after: Option<String>,
    query: String,
    lines: Vec<Line>,
    by: &'static str,
    total: Option<Line>,
    year: Vec<YearLine>,
    is_narrow: bool,
    outages: Vec<OutageLine>,
    site: Option<(String, String, String)>,
    waiting: usize,
    quarter: String,
}

/// Minutes up, in hours as soon as there are some.
fn up_for(minutes: i64) -> String {
    if minutes < 60 { format!("{minutes} min") } else { format!("{} h", minutes / 60) }
}

fn line(name: String, href: String, under: String, ports: &[PortTally]) -> Line {
    let figures = Figures::of_ports(ports);
    let tally = &sum(ports);
    Line {
        name,
        href,
        under,
        ports: ports.len(),
        up: up_for(tally.up),
        nevi: Figure::nevi(figures.nevi),
        uk: Figure::uk(figures.uk),
        california: Figure::california(figures.california),
        strict: percent(figures.strict),
        outage: formula::nevi_outage(tally),
        excluded: tally.excluded(),
        blind: tally.blind,
    }
}

fn scope(state: &AppState, asked: &Asked) -> Result<UptimeScope, PageError> {
    let directory = state.handle().directory();
    let charger = match asked.charger.trim() {
        "" => None,
        identity => Some(directory.by_identity(identity).ok_or_else(|| {
            PageError::not_found("There is no charger of that name. It may have been removed.")
        })?),
    };
    let site = match asked.site.trim() {
        "" => None,
        number => {
            let site = number.parse().ok().and_then(|key| directory.site(SiteKey(key)));
            Some(site.ok_or_else(|| PageError::not_found("That site is not there any more."))?.key)
        }
    };
    Ok(UptimeScope { site, charger: charger.map(|record| record.key) })
}

async fn page(viewer: Viewer, State(state): State<AppState>, Query(asked): Query<Asked>) -> Page {
    let handle = state.handle();
    let now = handle.now();
    let scope = scope(&state, &asked)?;
    let month = Month::parse(&asked.month).unwrap_or_else(|| Month::of(now));
    let ports = handle.uptime(scope, month.begin(), month.end()).await?;
    let directory = handle.directory();
    let fields = |month: Month, site: &str, charger: &str| {
        let month = month.to_string();
        crate::url::with_fields(
            "/uptime",
            &[("month", &month), ("site", site), ("charger", charger)],
        )
    };
    let is_narrow = scope.site.is_some() || scope.charger.is_some();
    let mut lines = Vec::new();
    if is_narrow {
        for port in &ports {
            let Some(record) = directory.charger(port.charger) else { continue };
            lines.push(line(
                format!("{}, connector {}", record.name, port.connector),
                fields(month, "", &record.identity),
                format!("{} {}", record.vendor, record.model),
                std::slice::from_ref(port),
            ));
        }
    } else {
        let mut sites: BTreeMap<SiteKey, Vec<PortTally>> = BTreeMap::new();
        for port in ports.clone() {
            sites.entry(port.site).or_default().push(port);
        }
        for (key, ports) in sites {
            let Some(site) = directory.site(key) else { continue };
            let href = fields(month, &key.to_string(), "");
            lines.push(line(site.name.clone(), href, site.region.clone(), &ports));
        }
        lines.sort_by(|one, other| one.name.cmp(&other.name));
    }
    let total = (lines.len() > 1)
        .then(|| line("Together".to_owned(), String::new(), String::new(), &ports));
    let charger = scope.charger.and_then(|key| directory.charger(key));
    let site = scope.site.and_then(|key| directory.site(key));
    let title = match (&charger, &site) {
        (Some(record), _) => format!("Uptime of {}", record.name),
        (None, Some(site)) => format!("Uptime at {}", site.name),
        (None, None) => "Uptime".to_owned(),
    };
    let is_few = is_narrow || directory.len() <= YEAR_MAX;
    let year = if is_few { year(&state, scope, &asked, now).await? } else { Vec::new() };
    let waiting = handle
        .store()
        .exclusions(scope.site, UnixMs(0), now + DAY_MS)
        .await?
        .iter()
        .filter(|row| row.exclusion.decision == Decision::Proposed)
        .count();
    let hours = handle.store().site_hours().await?;
    let view = UptimePage {
        title: title.clone(),
        month: month.to_string(),
        before: fields(month.plus(-1), &asked.site, &asked.charger),
        after: (month < Month::of(now)).then(|| fields(month.plus(1), &asked.site, &asked.charger)),
        query: crate::url::with_fields(
            "/uptime.csv",
            &[
                ("month", &month.quarter().to_string()),
                ("site", &asked.site),
                ("charger", &asked.charger),
            ],
        ),
        quarter: format!("{} Q{}", month.year, month.month.div_ceil(3)),
        outages: if is_narrow { outages(&state, &ports, month, now) } else { Vec::new() },
        by: if is_narrow { "Connector" } else { "Site" },
        lines,
        total,
        year,
        is_narrow,
        site: site.map(|site| {
            let hours = hours.get(&site.key).cloned().unwrap_or_default();
            (site.key.to_string(), site.name.clone(), hours)
        }),
        waiting,
        shell: Shell::new(&state, &viewer, "uptime", &title)
            .await
            .with_messages(asked.done, asked.error),
    };
    render(view)
}

/// This month and the twelve before it, the year that those twelve make (680.116(b): worked out
/// monthly for the previous twelve months), and the calendar year of the UK.
async fn year(
    state: &AppState,
    scope: UptimeScope,
    asked: &Asked,
    now: UnixMs,
) -> Result<Vec<YearLine>, PageError> {
    let this = Month::of(now);
    let mut lines = Vec::new();
    let mut before: BTreeMap<_, Tally> = BTreeMap::new();
    let mut calendar = Tally::default();
    for back in (0..=12).rev() {
        let month = this.plus(-back);
        let ports = state.handle().uptime(scope, month.begin(), month.end()).await?;
        for port in ports.iter().filter(|_| back > 0) {
            before.entry((port.charger, port.connector)).or_default().add(&port.tally);
        }
        let tally = sum(&ports);
        if tally.open() + tally.closed == 0 && lines.is_empty() && back > 0 {
            // Nothing was known yet.
            continue;
        }
        if month.year == this.year {
            calendar.add(&tally);
        }
        let figures = Figures::of_ports(&ports);
        let number = month.to_string();
        let fields = [("month", &*number), ("site", &asked.site), ("charger", &asked.charger)];
        lines.push(YearLine {
            href: crate::url::with_fields("/uptime", &fields),
            name: number,
            nevi: Figure::nevi(figures.nevi),
            uk: Figure::uk(figures.uk),
            california: Figure::california(figures.california),
            strict: percent(figures.strict),
            blind: tally.blind,
        });
    }
    // The least of the ports: the rules are about each.
    let least = |values: Vec<f64>| values.into_iter().min_by(f64::total_cmp);
    let of_year = |tally: &Tally| formula::nevi(formula::nevi_outage(tally), tally.excluded());
    let mut together = Tally::default();
    for tally in before.values() {
        together.add(tally);
    }
    lines.push(YearLine {
        name: "Twelve months before this one, the least connector".to_owned(),
        href: String::new(),
        nevi: Figure::nevi(least(before.values().map(of_year).collect())),
        uk: Figure::none(),
        california: Figure::california(least(
            before.values().filter_map(formula::california).collect(),
        )),
        strict: percent(formula::strict(&together)),
        blind: together.blind,
    });
    lines.push(YearLine {
        name: format!("Calendar year {} so far", this.year),
        href: String::new(),
        nevi: Figure::none(),
        uk: Figure::uk(formula::uk(&calendar)),
        california: Figure::none(),
        strict: percent(formula::strict(&calendar)),
        blind: calendar.blind,
    });
    Ok(lines)
}

fn outages(state: &AppState, ports: &[PortTally], month: Month, now: UnixMs) -> Vec<OutageLine> {
    let mut lines: Vec<(UnixMs, OutageLine)> = Vec::new();
    for port in ports {
        let record = state.handle().directory().charger(port.charger);
        for span in &port.outages {
            let (from, until) =
                (span.from.max(month.begin()), span.until.min(month.end()).min(now));
            let (class, token) = match span.class {
                mendpoint_uptime::Class::Offline => ("No connection", "offline"),
                mendpoint_uptime::Class::Faulted => ("Faulted", "fault"),
                _ => ("Out of service", "maint"),
            };
            let place = record.as_ref().map_or_else(String::new, |record| {
                format!("{}, connector {}", record.name, port.connector)
            });
            lines.push((
                from,
                OutageLine {
                    at: show::date_time(from),
                    class,
                    token,
                    lasted: show::duration(until.since_ms(from)),
                    place,
                },
            ));
        }
    }
    lines.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    lines.truncate(200);
    lines.into_iter().map(|(_, line)| line).collect()
}

async fn file(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let first = Month::parse(&asked.month).unwrap_or_else(|| Month::of(state.handle().now()));
    let scope = scope(&state, &asked)?;
    let first = first.quarter();
    let text = crate::uptime::quarter_file(&state, first, scope).await?;
    state.handle().exported(&viewer.name, &format!("uptime from {first}")).await?;
    Ok(crate::csv::file(&format!("uptime-{first}.csv"), text))
}

struct ExclusionLine {
    id: i64,
    /// The outage that proposed it; empty for none.
    incident: String,
    range: String,
    lasted: String,
    place: String,
    reason: &'static str,
    evidence: String,
    decision: &'static str,
    token: &'static str,
    open: bool,
    /// Whether it was approved, and can be taken back.
    counts: bool,
    /// Whether whoever looks proposed it: then somebody else must approve it.
    own: bool,
    proposed: String,
    /// Empty while nobody decided.
    decided: String,
}

#[derive(Template)]
#[template(path = "uptime_exclusions.html")]
struct ExclusionsPage {
    shell: Shell,
    lines: Vec<ExclusionLine>,
    /// Only those of an outage, with how many of them wait.
    outage: Option<(String, usize)>,
    /// What was typed, and what is wrong with it.
    form: NewExclusion,
    problem: String,
    sites: Vec<(String, String)>,
    reasons: Vec<(&'static str, &'static str)>,
}

async fn exclusions(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
) -> Page {
    list_exclusions(&state, &viewer, asked, NewExclusion::default(), String::new()).await
}

async fn list_exclusions(
    state: &AppState,
    viewer: &Viewer,
    asked: Asked,
    form: NewExclusion,
    problem: String,
) -> Page {
    let handle = state.handle();
    let directory = handle.directory();
    let site = asked.site.parse().ok().map(SiteKey);
    let incident: Option<IncidentId> = asked.incident.parse().ok();
    let rows = match incident {
        Some(incident) => handle.store().exclusions_of(incident).await?,
        None => handle.store().exclusions(site, UnixMs(0), UnixMs(i64::MAX)).await?,
    };
    let waits = |row: &&ExclusionRow| row.exclusion.decision == Decision::Proposed;
    let outage = incident.map(|id| (id.to_string(), rows.iter().filter(waits).count()));
    let lines = rows
        .into_iter()
        .map(|row| {
            let exclusion = row.exclusion;
            let mut place = directory
                .site(exclusion.site)
                .map_or_else(|| "a site that is gone".to_owned(), |site| site.name.clone());
            if let Some(record) = exclusion.charger.and_then(|key| directory.charger(key)) {
                place.extend([", ", &record.name]);
            }
            if let Some(at) = exclusion.connector {
                place.extend([", connector ", &at.to_string()]);
            }
            let (decision, token) = match exclusion.decision {
                Decision::Proposed => ("waits for a decision", "warn"),
                Decision::Approved => ("approved", "ok"),
                Decision::Refused => ("refused", "offline"),
            };
            ExclusionLine {
                id: exclusion.id,
                incident: row.incident.map(|id| id.to_string()).unwrap_or_default(),
                range: format!(
                    "{} to {}",
                    show::date_time(exclusion.from),
                    show::date_time(exclusion.until)
                ),
                lasted: show::duration(exclusion.until.since_ms(exclusion.from)),
                place,
                reason: exclusion.reason.label(),
                evidence: exclusion.evidence,
                decision,
                token,
                open: exclusion.decision == Decision::Proposed,
                counts: exclusion.decision == Decision::Approved,
                own: row.proposed_by == viewer.name,
                proposed: format!("by {}, {}", row.proposed_by, show::date_time(row.proposed_at)),
                decided: row.decided_at.map_or_else(String::new, |at| {
                    format!("by {}, {}", row.decided_by, show::date_time(at))
                }),
            }
        })
        .collect();
    let sites = directory.sites();
    render(ExclusionsPage {
        shell: Shell::new(state, viewer, "uptime", "Excluded minutes")
            .await
            .with_messages(asked.done, asked.error),
        lines,
        outage,
        form,
        problem,
        sites: sites.iter().map(|site| (site.key.to_string(), site.name.clone())).collect(),
        reasons: Reason::EVERY.iter().map(|reason| (reason.name(), reason.label())).collect(),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NewExclusion {
    site: String,
    charger: String,
    connector: String,
    from: String,
    until: String,
    reason: String,
    evidence: String,
}

async fn add(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(form): Form<NewExclusion>,
) -> Page {
    const HOME: &str = "/uptime/exclusions";
    let exclusion = match read(&state, &form) {
        Ok(exclusion) => check_exclusion(&state, &exclusion).await.map(|()| exclusion),
        wrong => wrong,
    };
    let exclusion = match exclusion {
        Ok(exclusion) => exclusion,
        Err(why) => {
            return wrong(list_exclusions(&state, &viewer, Asked::default(), form, why).await);
        }
    };
    let handle = state.handle();
    let id = handle.store().propose_exclusion(&exclusion, &viewer.name).await?;
    if let Some(id) = id {
        handle.audit(&viewer.name, "exclusion proposed", &id.to_string()).await;
        return Ok(back(HOME, Ok("It waits for somebody else's approval.".to_owned())));
    }
    let why = crate::uptime::PROPOSED_BEFORE.to_owned();
    wrong(list_exclusions(&state, &viewer, Asked::default(), form, why).await)
}

fn read(state: &AppState, form: &NewExclusion) -> Result<Exclusion, String> {
    let directory = state.handle().directory();
    let site = form.site.parse().ok().map(SiteKey).and_then(|key| directory.site(key));
    let site = site.ok_or_else(|| "Choose a site.".to_owned())?.key;
    let charger = match form.charger.trim() {
        "" => None,
        identity => Some(
            directory
                .by_identity(identity)
                .filter(|record| record.site == site)
                .ok_or_else(|| {
                    format!("There is no charger \u{201c}{identity}\u{201d} at that site.")
                })?
                .key,
        ),
    };
    let connector = match form.connector.trim() {
        "" => None,
        _ if charger.is_none() => return Err("Say of which charger the connector is.".to_owned()),
        text => connector_of(text)?,
    };
    let at = |what: &str, text: &str| {
        utc(text).ok_or_else(|| match text.trim() {
            "" => format!("Say {what}."),
            text => format!("\u{201c}{text}\u{201d} is no date and time."),
        })
    };
    let (from, until) = (at("from when", &form.from)?, at("until when", &form.until)?);
    if until <= from {
        return Err("The end must be after the beginning.".to_owned());
    }
    let reason = Reason::from_name(&form.reason).ok_or_else(|| "Choose a reason.".to_owned())?;
    let evidence = form.evidence.trim().to_owned();
    if evidence.is_empty() {
        return Err("Say what shows it: without evidence no minute is excluded.".to_owned());
    }
    if evidence.chars().count() > EVIDENCE_MAX {
        return Err(format!("What shows it has at most {EVIDENCE_MAX} characters."));
    }
    let decision = Decision::Proposed;
    Ok(Exclusion { id: 0, site, charger, connector, from, until, reason, evidence, decision })
}

async fn decide(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path((id, decision)): Path<(i64, String)>,
) -> Page {
    const HOME: &str = "/uptime/exclusions";
    let said = crate::uptime::decide(&state, &viewer.name, id, &decision).await?;
    Ok(back(HOME, said))
}

/// All that one outage proposed, at once.
async fn decide_outage(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path((id, decision)): Path<(String, String)>,
) -> Page {
    let home = format!("/uptime/exclusions?incident={}", crate::url::encode(&id));
    let Ok(incident) = id.parse() else {
        return Ok(back(&home, Err(format!("{id:?} is not an incident's number."))));
    };
    let said = crate::uptime::decide_outage(&state, &viewer.name, incident, &decision).await?;
    Ok(back(&home, said))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HoursForm {
    site: String,
    hours: String,
}

async fn hours(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(form): Form<HoursForm>,
) -> Page {
    let home = format!("/uptime?site={}", crate::url::encode(&form.site));
    let site = form.site.parse().ok().map(SiteKey);
    let site = site.and_then(|key| state.handle().directory().site(key));
    let Some(site) = site else {
        return Ok(back("/uptime", Err("That site is not there any more.".to_owned())));
    };
    let set = state.handle().set_opening_hours(site.key, &form.hours, &viewer.name).await;
    match set {
        Ok(()) => {
            Ok(back(&home, Ok(format!("The opening hours of {} count from now on.", site.name))))
        }
        Err(mendpoint_pipeline::Error::Refused(why)) => Ok(back(&home, Err(why))),
        Err(error) => Err(error.into()),
    }
}
