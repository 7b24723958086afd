//! Trying rules out on the past: a form, how far it is, and what would have been different.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use mendpoint_model::{ChargerKey, DAY_MS, Priority};
use mendpoint_pipeline::{ReplayAsk, ReplayStatus, ReplayView};
use mendpoint_replay::{Kinship, Report, RuleReport};
use serde::Deserialize;

use super::errors::{Page, PageError, back, capitalised, render, wrong};
use crate::pages::extract::{Form, Query};
use crate::place::charger_href;
use crate::session::{Acting, Viewer};
use crate::shell::Shell;
use crate::{AppState, show};

/// Lines of a table; the API has more.
const LINES: usize = 200;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/rules/replay", get(list).post(start))
        .route("/rules/replay/{id}", get(one))
        .route("/rules/replay/{id}/stop", post(stop))
}

/// What is typed into the form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Only this rule.
    rule: String,
    /// A rule that takes the place of the one of its id.
    text: String,
    /// A playbook likewise.
    playbook: String,
    /// `playbook` where `text` is one.
    of: String,
    days: String,
    site: String,
    charger: String,
    fragment: String,
    done: Option<String>,
    error: Option<String>,
}

struct JobView {
    id: u64,
    href: String,
    of: String,
    range: String,
    by: String,
    status: &'static str,
    running: bool,
    done_percent: u64,
    frames: u64,
    took: String,
    sentence: String,
    error: String,
    stops: bool,
}

struct RuleLine {
    report: RuleReport,
    earlier_by: String,
    later_by: String,
}

struct PairLine {
    at: String,
    kinship: &'static str,
    token: &'static str,
    by: String,
    charger: String,
    href: String,
    priority: &'static str,
    rule: String,
    title: String,
    live: String,
    commands: u32,
    handed_over: bool,
}

struct ActionLine {
    at: String,
    charger: String,
    href: String,
    action: String,
    was_sent: bool,
}

struct ReportView {
    rules: Vec<RuleLine>,
    pairs: Vec<PairLine>,
    pairs_more: u64,
    same: u64,
    actions: Vec<ActionLine>,
    actions_counted: u64,
    troubles: u64,
    missed: u64,
    missed_live: u64,
    /// The rule that was asked for alone; else empty.
    only: String,
    frames: u64,
    frames_left_out: u64,
}

#[derive(Template)]
#[template(path = "replay.html")]
struct ReplayPage {
    shell: Shell,
    asked: Asked,
    /// What is wrong with what was asked, a line each.
    problems: Vec<String>,
    rules: Vec<(String, String)>,
    sites: Vec<String>,
    jobs: Vec<JobView>,
    /// Whether one of them runs.
    running: bool,
}

/// The replays alone, while one of them runs.
#[derive(Template)]
#[template(path = "replay.html", block = "jobs")]
struct JobsFragment {
    jobs: Vec<JobView>,
    running: bool,
}

#[derive(Template)]
#[template(path = "replay_one.html")]
struct OnePage {
    shell: Shell,
    job: JobView,
    report: Option<ReportView>,
}

#[derive(Template)]
#[template(path = "replay_one.html", block = "result")]
struct OneFragment {
    job: JobView,
    report: Option<ReportView>,
}

async fn list(viewer: Viewer, State(state): State<AppState>, Query(asked): Query<Asked>) -> Page {
    show(&state, &viewer, asked, Vec::new()).await
}

async fn show(state: &AppState, viewer: &Viewer, mut asked: Asked, problems: Vec<String>) -> Page {
    let handle = state.handle();
    let rules = handle
        .catalogue()
        .rules()
        .iter()
        .map(|rule| (rule.id.clone(), rule.title.clone()))
        .collect();
    let mut sites: Vec<String> =
        handle.directory().sites().iter().map(|site| site.name.clone()).collect();
    sites.sort();
    let jobs: Vec<JobView> =
        handle.replays().all().iter().map(|view| job(state, viewer, view)).collect();
    let running = jobs.iter().any(|job| job.running);
    if asked.fragment == "jobs" {
        return render(JobsFragment { jobs, running });
    }
    let shell = Shell::new(state, viewer, "rules", "Try rules on the past").await;
    let shell = shell.with_messages(asked.done.take(), asked.error.take());
    render(ReplayPage { shell, asked, problems, rules, sites, jobs, running })
}

async fn start(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(mut asked): Form<Asked>,
) -> Page {
    if asked.of == "playbook" {
        // As the editor of a playbook sends it.
        asked.playbook = std::mem::take(&mut asked.text);
    }
    match begin(&state, &viewer, &asked) {
        Ok(id) => Ok(back(&format!("/rules/replay/{id}"), Ok("It has begun.".to_owned()))),
        // What was written, a whole rule perhaps, is still in the form.
        Err(problems) => wrong(show(&state, &viewer, asked, problems).await),
    }
}

fn begin(state: &AppState, viewer: &Viewer, asked: &Asked) -> Result<u64, Vec<String>> {
    let handle = state.handle();
    let file = |name: &str, text: &str| {
        if text.trim().is_empty() { Vec::new() } else { vec![(name.to_owned(), text.to_owned())] }
    };
    let rules = handle
        .catalogue()
        .overlaid(&file("rule.toml", &asked.text), &file("playbook.toml", &asked.playbook))
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let days: i64 = match asked.days.trim() {
        "" => 30,
        text => text.parse().ok().filter(|days| (1..=400).contains(days)).ok_or_else(|| {
            vec![format!("\u{201c}{text}\u{201d} is no number of days from 1 to 400.")]
        })?,
    };
    let site = match asked.site.trim() {
        "" => None,
        name => {
            let sites = handle.directory().sites();
            let site = sites.iter().find(|site| site.name == name);
            Some(site.ok_or_else(|| vec![format!("There is no site \u{201c}{name}\u{201d}.")])?.key)
        }
    };
    let charger = match asked.charger.trim() {
        "" => None,
        name => Some(
            handle
                .directory()
                .by_identity(name)
                .ok_or_else(|| vec![format!("There is no charger \u{201c}{name}\u{201d}.")])?
                .key,
        ),
    };
    let now = handle.now();
    let only = Some(asked.rule.trim().to_owned()).filter(|rule| !rule.is_empty());
    let ask = ReplayAsk {
        rules: Arc::new(rules),
        only,
        from: now - days * DAY_MS,
        until: now,
        site,
        charger,
        lead_ms: DAY_MS,
        by: viewer.name.clone(),
    };
    handle.start_replay(ask).map_err(|error| vec![capitalised(&error.to_string())])
}

async fn one(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(id): Path<u64>,
    Query(asked): Query<Asked>,
) -> Page {
    let view = state.handle().replays().one(id).ok_or_else(|| {
        PageError::not_found("This replay is not remembered any more: the last 16 are kept.")
    })?;
    let report = match &view.status {
        ReplayStatus::Done(report) => Some(report_view(&state, report)),
        _ => None,
    };
    let job = job(&state, &viewer, &view);
    let shell = Shell::new(&state, &viewer, "rules", "Try rules on the past").await;
    let shell = shell.with_messages(asked.done, asked.error);
    if asked.fragment == "result" {
        return render(OneFragment { job, report });
    }
    render(OnePage { shell, job, report })
}

async fn stop(Acting(_): Acting, State(state): State<AppState>, Path(id): Path<u64>) -> Page {
    let stopped = state.handle().replays().stop(id);
    let said = if stopped {
        Ok("It is being stopped.".to_owned())
    } else {
        Err("It is not running.".to_owned())
    };
    Ok(back(&format!("/rules/replay/{id}"), said))
}

fn job(state: &AppState, viewer: &Viewer, view: &ReplayView) -> JobView {
    let running = matches!(view.status, ReplayStatus::Running);
    let mut of = view.ask.only.clone().unwrap_or_else(|| "All rules".to_owned());
    let directory = state.handle().directory();
    if let Some(site) = view.ask.site.and_then(|key| directory.site(key)) {
        of.extend([" at ", &site.name]);
    }
    if let Some(charger) = view.ask.charger {
        of.extend([" on ", &name(state, charger).0]);
    }
    let ended_at = view.ended_at.unwrap_or_else(|| state.handle().now());
    JobView {
        id: view.id,
        href: format!("/rules/replay/{}", view.id),
        of,
        range: format!("{} to {}", show::date_time(view.ask.from), show::date_time(view.ask.until)),
        by: view.ask.by.clone(),
        status: view.status.name(),
        running,
        done_percent: (view.frames * 100 / view.frames_total.max(1)).min(100),
        frames: view.frames,
        took: show::duration(ended_at.since_ms(view.started_at)),
        sentence: match &view.status {
            ReplayStatus::Done(report) => capitalised(&report.sentence),
            _ => String::new(),
        },
        error: match &view.status {
            ReplayStatus::Failed(why) => why.clone(),
            _ => String::new(),
        },
        stops: running && viewer.can_act(),
    }
}

fn name(state: &AppState, charger: ChargerKey) -> (String, String) {
    state.handle().directory().charger(charger).map_or_else(
        || (format!("charger {charger}"), "/chargers".to_owned()),
        |record| (record.name.clone(), charger_href(&record.identity)),
    )
}

fn report_view(state: &AppState, report: &Report) -> ReportView {
    let words = |ms: i64| if ms > 0 { show::duration(ms) } else { String::new() };
    let rules = report
        .rules
        .iter()
        .map(|rule| RuleLine {
            earlier_by: words(rule.earlier_by_ms),
            later_by: words(rule.later_by_ms),
            report: rule.clone(),
        })
        .collect();
    // What is the same is the least interesting: it is counted.
    let differing = || report.pairs.iter().filter(|pair| pair.kinship != Kinship::Same);
    let pairs = differing()
        .filter_map(|pair| {
            let found = pair.either()?;
            let (kinship, token, by_ms) = match pair.kinship {
                Kinship::New => ("New", "new", 0),
                Kinship::Same => ("Same", "ok", 0),
                Kinship::Earlier(ms) => ("Earlier", "ok", ms),
                Kinship::Later(ms) => ("Later", "warn", ms),
                Kinship::Gone => ("Gone", "offline", 0),
            };
            let (charger, href) = name(state, found.charger);
            Some(PairLine {
                at: show::date_time(found.opened_at),
                kinship,
                token,
                by: words(by_ms),
                charger,
                href,
                priority: Priority::of_severity(found.severity).name(),
                rule: found.rule.clone(),
                title: found.title.clone(),
                live: pair.live.as_ref().map(|live| live.id.to_string()).unwrap_or_default(),
                commands: found.actions,
                handed_over: found.ticket,
            })
        })
        .take(LINES)
        .collect();
    let actions = report
        .actions
        .iter()
        .take(LINES)
        .map(|action| {
            let (charger, href) = name(state, action.charger);
            ActionLine {
                at: show::date_time(action.at),
                charger,
                href,
                action: action.action.clone(),
                was_sent: action.was_sent,
            }
        })
        .collect();
    ReportView {
        rules,
        pairs,
        pairs_more: (differing().count().saturating_sub(LINES)) as u64,
        same: report.rules.iter().map(|rule| rule.same - rule.earlier - rule.later).sum(),
        actions,
        actions_counted: report.actions_counted,
        troubles: report.proxies.troubles,
        missed: report.proxies.missed,
        missed_live: report.proxies.missed_live,
        only: report.only.clone().unwrap_or_default(),
        frames: report.frames,
        frames_left_out: report.frames_left_out,
    }
}
