//! Who is told of incidents: who is on call, how far every chain is, and what keeps people from being
//! told.

mod me;
mod rotas;
mod routes_page;
mod silences;
pub(crate) mod windows;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use mendpoint_escalation::{HeldBy, Rota, Target};
use mendpoint_model::{DAY_MS, IncidentState, Priority, UnixMs};
use mendpoint_pipeline::{DutyCase, Handle};
use serde::Deserialize;

use super::errors::{Page, render};
use crate::AppState;
use crate::pages::extract::Query;
use crate::place::{Moment, charger_href};
use crate::session::Viewer;
use crate::shell::Shell;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/duty", get(page))
        .route("/duty/silences", get(silences::page).post(silences::add))
        .route("/duty/silences/{id}/end", post(silences::end))
        .route("/duty/maintenance", get(windows::page).post(windows::add))
        .route("/duty/maintenance/{id}/cancel", post(windows::cancel))
        .route("/duty/rotas", get(rotas::page).post(rotas::put))
        .route("/duty/rotas/{name}/override", post(rotas::stand_in))
        .route("/duty/rotas/{name}/delete", post(rotas::delete))
        .route("/duty/routes", get(routes_page::page))
        .route("/duty/me", get(me::page).post(me::put))
}

/// How far ahead gaps of a rota are looked for.
const AHEAD_MS: i64 = 14 * DAY_MS;
/// Rows of a list; more are counted.
const ROWS_MAX: usize = 200;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    done: Option<String>,
    error: Option<String>,
    fragment: String,
    edit: String,
    /// What a silence is proposed for.
    rule: String,
    charger: String,
    site: String,
}

/// Who is on call by a rota now.
#[derive(Clone, Debug)]
pub(crate) struct OnCallView {
    pub(crate) rota: String,
    /// The name for people; empty for nobody.
    pub(crate) first: String,
    pub(crate) second: String,
    /// Until when, as the rota's wall shows it; empty when that does not change.
    pub(crate) until: String,
    /// A sentence about the first time at which nobody can be told; empty for none.
    pub(crate) gap: String,
    /// Whether that time is now.
    pub(crate) gap_now: bool,
}

/// Who is on call by every rota.
pub(crate) fn on_call(handle: &Handle) -> Vec<OnCallView> {
    let book = handle.duty_book();
    let now = handle.now();
    let name = |who: Option<String>| {
        who.map(|who| book.person(&who).map_or(who.clone(), |person| person.label().to_owned()))
            .unwrap_or_default()
    };
    let view = |rota: &Rota| {
        let duty = rota.on_call(now);
        let gaps = rota.gaps(now, now + AHEAD_MS, |who| book.reaches(who));
        let gap = gaps.first();
        OnCallView {
            rota: rota.name.clone(),
            first: name(duty.first),
            second: name(duty.second),
            until: rota.changes_at(now).map(|at| rota.time_words(at)).unwrap_or_default(),
            gap: gap.map_or_else(String::new, |gap| {
                let (from, to) = (rota.time_words(gap.from), rota.time_words(gap.to));
                if gap.from <= now {
                    format!("A gap now, until {to}: {}", gap.why)
                } else {
                    format!("A gap from {from} until {to}: {}", gap.why)
                }
            }),
            gap_now: gap.is_some_and(|gap| gap.from <= now),
        }
    };
    book.rotas.values().map(view).collect()
}

/// Somebody who was written to, or will be.
#[derive(Clone, Debug)]
pub(crate) struct ToldView {
    /// "Ana Pop, on call".
    pub(crate) who: String,
    /// When it was decided.
    pub(crate) at: Moment,
    /// Not written yet.
    pub(crate) waits: bool,
    /// Kept until then.
    pub(crate) until: Option<Moment>,
}

/// How far the chain of an incident is, for pages.
#[derive(Clone, Debug)]
pub(crate) struct ChainView {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) priority: Priority,
    pub(crate) place: String,
    pub(crate) href: String,
    pub(crate) route: String,
    pub(crate) chain: String,
    /// "2 of 3".
    pub(crate) step: String,
    /// What comes next, and when.
    pub(crate) next: String,
    pub(crate) next_at: Option<Moment>,
    /// Who was written to.
    pub(crate) told: Vec<ToldView>,
    pub(crate) taken: String,
    /// Whether it waits for a session that proves the repair: nobody is told meanwhile.
    pub(crate) rests: bool,
    /// Whether there is no further step.
    pub(crate) ended: bool,
    pub(crate) held: String,
    pub(crate) breached: Option<Moment>,
}

impl ChainView {
    /// How far a chain is.
    pub(crate) fn new(handle: &Handle, one: &DutyCase, now: UnixMs) -> Self {
        let (brief, case) = (&one.brief, &one.case);
        let book = handle.duty_book();
        let chain = book.routes.chain(&case.chain);
        let done = case.steps_done.min(chain.steps.len());
        let following = chain.steps.get(done).filter(|_| case.taken.is_none());
        let roles = |index: usize| {
            chain.steps.get(index).map_or_else(String::new, |step| {
                let roles: Vec<String> = step.tell.iter().map(Target::role).collect();
                roles.join(" and ")
            })
        };
        let next_at = match (case.began_at, following) {
            (Some(began), Some(step)) => Some(began + step.after_ms - case.sooner_ms),
            (None, _) if chain.heal_ms > 0 && brief.severity <= 4 => {
                Some(brief.opened_at + chain.heal_ms)
            }
            _ => None,
        };
        let held = case.held.as_ref().map_or_else(String::new, |held| {
            let what = match held.by {
                HeldBy::Silence => "Silenced",
                HeldBy::Maintenance => "In maintenance",
            };
            format!("{what} until {} UTC: {}", crate::show::date_time(held.until), held.why)
        });
        Self {
            id: brief.incident.to_string(),
            title: brief.title.clone(),
            priority: Priority::of_severity(brief.severity),
            place: if brief.site_name.is_empty() {
                brief.charger_name.clone()
            } else {
                format!("{}, {}", brief.charger_name, brief.site_name)
            },
            href: charger_href(&brief.identity),
            route: case.route.clone(),
            chain: chain.name.clone(),
            step: format!("{done} of {}", chain.steps.len()),
            next: following.map_or_else(String::new, |_| roles(done)),
            next_at: next_at.filter(|at| *at > now).map(|at| Moment::new(now, at)),
            told: case
                .told
                .iter()
                .map(|told| ToldView {
                    who: format!("{}, {}", told.name, told.role),
                    at: Moment::new(now, told.at),
                    waits: told.waits,
                    until: told.until.map(|at| Moment::new(now, at)),
                })
                .collect(),
            ended: following.is_none() && !chain.steps.is_empty(),
            rests: brief.state == IncidentState::RecoveredUnproven,
            taken: case.taken.as_ref().map(|taken| taken.by.clone()).unwrap_or_default(),
            held,
            breached: case.breached_at.map(|at| Moment::new(now, at)),
        }
    }
}

/// A tab of these pages.
pub(super) struct Tab {
    label: &'static str,
    href: &'static str,
    current: bool,
}

pub(super) fn tabs(current: &str) -> Vec<Tab> {
    [
        ("On call", "/duty"),
        ("Silences", "/duty/silences"),
        ("Maintenance", "/duty/maintenance"),
        ("Rotas", "/duty/rotas"),
        ("Routes", "/duty/routes"),
        ("My notifications", "/duty/me"),
    ]
    .into_iter()
    .map(|(label, href)| Tab { label, href, current: href == current })
    .collect()
}

#[derive(Template)]
#[template(path = "duty.html")]
struct DutyPage {
    shell: Shell,
    tabs: Vec<Tab>,
    view: View,
}

#[derive(Template)]
#[template(path = "duty.html", block = "duty")]
struct DutyFragment {
    view: View,
}

struct View {
    on_call: Vec<OnCallView>,
    breached: Vec<ChainView>,
    chains: Vec<ChainView>,
    more: usize,
    /// Whether mail leaves this program at all.
    mail_is_sent: bool,
}

impl View {
    fn read(handle: &Handle, mail_is_sent: bool) -> Self {
        let now = handle.now();
        let mut cases = handle.duty_cases();
        // Those of whom somebody was told, or is about to be, newest first.
        cases.retain(|one| {
            one.case.began_at.is_some() || one.case.held.is_some() || one.brief.severity <= 4
        });
        cases.reverse();
        let (breached, others): (Vec<_>, Vec<_>) =
            cases.iter().partition(|one| one.case.breached_at.is_some());
        let views = |cases: &[&DutyCase]| {
            let shown = cases.iter().take(ROWS_MAX);
            shown.map(|one| ChainView::new(handle, one, now)).collect::<Vec<_>>()
        };
        let more = others.len().saturating_sub(ROWS_MAX);
        Self {
            on_call: on_call(handle),
            breached: views(&breached),
            chains: views(&others),
            more,
            mail_is_sent,
        }
    }
}

async fn page(viewer: Viewer, State(state): State<AppState>, Query(asked): Query<Asked>) -> Page {
    let view = View::read(state.handle(), state.settings().mail_is_sent);
    if asked.fragment == "duty" {
        return render(DutyFragment { view });
    }
    let shell = Shell::new(&state, &viewer, "duty", "On call").await;
    let shell = shell.with_messages(asked.done, asked.error);
    render(DutyPage { shell, tabs: tabs("/duty"), view })
}
