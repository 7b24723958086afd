//! Silences: who is not told of what, until when and why.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use mendpoint_escalation::{Matcher, Silence};
use mendpoint_model::{HOUR_MS, UnixMs};
use serde::Deserialize;

use super::{Asked, Tab, tabs};
use crate::AppState;
use crate::pages::errors::{Page, PageError, back, capitalised, render, wrong};
use crate::pages::extract::{Form, Query};
use crate::place::{Moment, utc};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;

/// Silences that are over and still shown.
const OVER_MAX: usize = 50;

struct Row {
    id: i64,
    what: String,
    reason: String,
    author: String,
    from: Moment,
    until: Moment,
    state: &'static str,
    token: &'static str,
    over: bool,
    ended_by: String,
    /// Open incidents of which nobody is told because of it.
    holds: usize,
}

/// What was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SilenceForm {
    rule: String,
    charger: String,
    site: String,
    model: String,
    label: String,
    /// Hours; or `until`.
    hours: String,
    until: String,
    reason: String,
}

impl SilenceForm {
    fn has_hours(&self, hours: &str) -> bool {
        self.hours == hours
    }
}

#[derive(Template)]
#[template(path = "duty_silences.html")]
struct SilencesPage {
    shell: Shell,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    form: SilenceForm,
    problem: String,
    rules: Vec<String>,
    sites: Vec<String>,
}

pub(super) async fn page(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
) -> Page {
    let form = SilenceForm {
        rule: asked.rule.clone(),
        charger: asked.charger.clone(),
        site: asked.site.clone(),
        hours: "4".to_owned(),
        ..SilenceForm::default()
    };
    show(&state, &viewer, asked, form, String::new()).await
}

async fn show(
    state: &AppState,
    viewer: &Viewer,
    asked: Asked,
    form: SilenceForm,
    problem: String,
) -> Page {
    let handle = state.handle();
    let now = handle.now();
    let book = handle.duty_book();
    let cases = handle.duty_cases();
    let row = |silence: &Silence| {
        let (state, token) = if silence.is_over(now) {
            ("over", "planned")
        } else if silence.is_active(now) {
            ("holds", "warn")
        } else {
            ("later", "planned")
        };
        let holds = cases.iter().filter(|one| {
            one.case.held.as_ref().is_some_and(|held| {
                held.by == mendpoint_escalation::HeldBy::Silence && held.number == silence.id
            })
        });
        Row {
            id: silence.id,
            what: silence.matcher.words(),
            reason: silence.reason.clone(),
            author: silence.author.clone(),
            from: Moment::new(now, silence.from),
            until: Moment::new(now, silence.until),
            state,
            token,
            over: silence.is_over(now),
            ended_by: silence.ended_by.clone(),
            holds: holds.count(),
        }
    };
    let (over, open): (Vec<_>, Vec<_>) =
        book.silences.values().rev().partition(|silence| silence.is_over(now));
    let rows = open.into_iter().chain(over.into_iter().take(OVER_MAX)).map(row).collect();
    let shell = Shell::new(state, viewer, "duty", "Silences").await;
    render(SilencesPage {
        shell: shell.with_messages(asked.done, asked.error),
        tabs: tabs("/duty/silences"),
        rows,
        form,
        problem: capitalised(&problem),
        rules: handle.catalogue().rules().iter().map(|rule| rule.id.clone()).collect(),
        sites: handle.directory().sites().iter().map(|site| site.name.clone()).collect(),
    })
}

pub(super) async fn add(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(form): Form<SilenceForm>,
) -> Page {
    let now = state.handle().now();
    let silence = match read(&form, now) {
        Ok(silence) => silence,
        Err(problem) => {
            return wrong(show(&state, &viewer, Asked::default(), form, problem).await);
        }
    };
    let words = silence.matcher.words();
    match state.handle().add_silence(silence, &viewer.name).await {
        Ok(_) => {
            let done = format!("Nobody is told of {words} until then. It is still written down.");
            Ok(back("/duty/silences", Ok(done)))
        }
        Err(mendpoint_pipeline::Error::Refused(problem)) => {
            wrong(show(&state, &viewer, Asked::default(), form, problem).await)
        }
        Err(error) => Err(error.into()),
    }
}

fn read(form: &SilenceForm, now: UnixMs) -> Result<Silence, String> {
    let until = if form.until.trim().is_empty() {
        let hours: i64 = form.hours.trim().parse().map_err(|_| "Say until when.".to_owned())?;
        now + hours.clamp(0, 100_000) * HOUR_MS
    } else {
        utc(&form.until).ok_or_else(|| "That is no date and time.".to_owned())?
    };
    Ok(Silence {
        matcher: Matcher {
            rule: form.rule.trim().to_owned(),
            charger: form.charger.trim().to_owned(),
            site: form.site.trim().to_owned(),
            model: form.model.trim().to_owned(),
            label: form.label.trim().to_owned(),
        },
        from: now,
        until,
        reason: form.reason.trim().to_owned(),
        ..Silence::default()
    })
}

pub(super) async fn end(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<Response, PageError> {
    let ended = state.handle().end_silence(id, &viewer.name).await;
    let done = match ended {
        Ok(()) => Ok("It is ended: people are told again.".to_owned()),
        Err(mendpoint_pipeline::Error::Refused(why)) => Err(why),
        Err(error) => return Err(error.into()),
    };
    Ok(back("/duty/silences", done))
}
