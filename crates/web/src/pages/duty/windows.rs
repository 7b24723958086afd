//! Planned maintenance: where, when, how often.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use mendpoint_escalation::{Scope, Window};
use mendpoint_model::DAY_MS;
use mendpoint_pipeline::Handle;
use serde::Deserialize;

use super::{Asked, Tab, tabs};
use crate::AppState;
use crate::pages::errors::{Page, PageError, back, capitalised, render, wrong};
use crate::pages::extract::{Form, Query};
use crate::place::{Moment, charger_href};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;

/// How far ahead the calendar goes.
const CALENDAR_MS: i64 = 28 * DAY_MS;
/// Lines of the calendar.
const LINES_MAX: usize = 200;

struct Row {
    id: i64,
    title: String,
    place: String,
    href: String,
    rule: String,
    lasts: String,
    author: String,
    open: Option<Moment>,
    next: Option<Moment>,
    over: bool,
}

struct Line {
    title: String,
    place: String,
    href: String,
    from: Moment,
    until: Moment,
    now: bool,
}

/// What was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WindowForm {
    site: String,
    charger: String,
    title: String,
    starts: String,
    minutes: String,
    zone: String,
    rrule: String,
}

impl WindowForm {
    fn is_at(&self, site: &str) -> bool {
        self.site == site
    }
}

#[derive(Template)]
#[template(path = "duty_windows.html")]
struct WindowsPage {
    shell: Shell,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    lines: Vec<Line>,
    form: WindowForm,
    problem: String,
    sites: Vec<String>,
}

/// The name of a place and its page.
pub(crate) fn place(handle: &Handle, scope: Scope) -> (String, String) {
    match scope {
        Scope::Site(site) => {
            let name = handle.directory().site(site).map(|site| site.name.clone());
            (name.unwrap_or_default(), format!("/chargers?site={}", site.0))
        }
        Scope::Charger(charger) => {
            let record = handle.directory().charger(charger);
            let href = record.as_ref().map(|one| charger_href(&one.identity));
            (record.map(|one| one.name.clone()).unwrap_or_default(), href.unwrap_or_default())
        }
    }
}

/// "every week on Sunday" would be nice; the rule itself is exact.
fn rule_words(window: &Window) -> String {
    let rule = window.rrule.trim();
    if rule.is_empty() { "once".to_owned() } else { rule.to_owned() }
}

pub(super) async fn page(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
) -> Page {
    let form = WindowForm {
        site: asked.site.clone(),
        charger: asked.charger.clone(),
        minutes: "120".to_owned(),
        ..WindowForm::default()
    };
    show(&state, &viewer, asked, form, String::new()).await
}

async fn show(
    state: &AppState,
    viewer: &Viewer,
    asked: Asked,
    form: WindowForm,
    problem: String,
) -> Page {
    let handle = state.handle();
    let now = handle.now();
    let book = handle.duty_book();
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for window in book.windows.values().rev() {
        let (place, href) = place(handle, window.scope);
        for one in window.occurrences(now, now + CALENDAR_MS) {
            lines.push(Line {
                title: window.title.clone(),
                place: place.clone(),
                href: href.clone(),
                from: Moment::new(now, one.from),
                until: Moment::new(now, one.until),
                now: one.from <= now,
            });
        }
        let (open, next) = window.state(now);
        rows.push(Row {
            id: window.id,
            title: window.title.clone(),
            place,
            href,
            rule: rule_words(window),
            lasts: crate::show::duration(window.minutes * mendpoint_model::MINUTE_MS),
            author: window.author.clone(),
            open: open.map(|at| Moment::new(now, at)),
            next: next.filter(|_| open.is_none()).map(|at| Moment::new(now, at)),
            over: window.is_over(now),
        });
    }
    lines.sort_by_key(|line| line.from.ms);
    lines.truncate(LINES_MAX);
    rows.sort_by_key(|row| (row.over, -row.id));
    rows.truncate(LINES_MAX);
    let shell = Shell::new(state, viewer, "duty", "Maintenance").await;
    render(WindowsPage {
        shell: shell.with_messages(asked.done, asked.error),
        tabs: tabs("/duty/maintenance"),
        rows,
        lines,
        form,
        problem: capitalised(&problem),
        sites: handle.directory().sites().iter().map(|site| site.name.clone()).collect(),
    })
}

pub(super) async fn add(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(form): Form<WindowForm>,
) -> Page {
    let again = |problem: String, form: WindowForm| {
        let (state, viewer) = (state.clone(), viewer.clone());
        async move { wrong(show(&state, &viewer, Asked::default(), form, problem).await) }
    };
    let window = match read(state.handle(), &form) {
        Ok(window) => window,
        Err(problem) => return again(problem, form).await,
    };
    match state.handle().add_window(window, &viewer.name).await {
        Ok(_) => Ok(back("/duty/maintenance", Ok("Planned. Healing waits there then.".to_owned()))),
        Err(mendpoint_pipeline::Error::Refused(problem)) => again(problem, form).await,
        Err(error) => Err(error.into()),
    }
}

fn read(handle: &Handle, form: &WindowForm) -> Result<Window, String> {
    let charger = form.charger.trim();
    let (scope, zone) = if charger.is_empty() {
        let site = handle.directory().site_named(form.site.trim());
        let site = site.ok_or_else(|| "Choose a site, or write a charger.".to_owned())?;
        (Scope::Site(site.key), site.time_zone.clone())
    } else {
        let record = handle.directory().by_identity(charger);
        let record = record.ok_or_else(|| format!("There is no charger {charger:?}."))?;
        let zone = handle.directory().site(record.site).map(|site| site.time_zone.clone());
        (Scope::Charger(record.key), zone.unwrap_or_default())
    };
    let typed = form.zone.trim();
    Ok(Window {
        id: 0,
        scope,
        title: form.title.trim().to_owned(),
        starts: form.starts.trim().to_owned(),
        minutes: form.minutes.trim().parse().map_err(|_| "Say how many minutes.".to_owned())?,
        zone: if typed.is_empty() { zone } else { typed.to_owned() },
        rrule: form.rrule.trim().to_owned(),
        author: String::new(),
        cancelled_by: String::new(),
    })
}

pub(super) async fn cancel(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<Response, PageError> {
    let done = match state.handle().cancel_window(id, &viewer.name).await {
        Ok(()) => Ok("Cancelled: people are told and chargers are healed again.".to_owned()),
        Err(mendpoint_pipeline::Error::Refused(why)) => Err(why),
        Err(error) => return Err(error.into()),
    };
    Ok(back("/duty/maintenance", done))
}
