//! The program itself: how it is doing, and the switch that stops healing.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use mendpoint_incidents::{KillScope, Request};
use mendpoint_model::{ChargerKey, SECOND_MS, SiteKey};
use serde::Deserialize;

use super::errors::{Page, back, render};
use super::healing::{Storm, held_back, storms};
use crate::pages::extract::{Form, Query};
use crate::place::Moment;
use crate::scope::{StoppedHere, stopped};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;
use crate::{AppState, number, show};

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/system", get(page)).route("/system/healing", post(switch))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    done: Option<String>,
    error: Option<String>,
}

/// Where healing is stopped now.
struct Stopped {
    /// What the form sends.
    scope: String,
    /// "the site Gara Cluj".
    words: String,
    here: Option<StoppedHere>,
}

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage {
    shell: Shell,
    version: &'static str,
    started: Moment,
    uptime: String,
    chargers: String,
    events: String,
    delay: String,
    lag: String,
    queued: String,
    capacity: String,
    journal_error: String,
    quirks: String,
    /// Why nothing is sent now of the engine's own accord (G11); empty when it is.
    held: &'static str,
    /// How late it is; empty when it is in time.
    engine_lag: String,
    /// Storms that hold healing back (G6).
    storms: Vec<Storm>,
    /// Steps that are off on a model (G8), and steps that are new on one (G7).
    off: String,
    new: String,
    /// Whether all healing is stopped.
    all_stopped: bool,
    everywhere: Option<StoppedHere>,
    stopped: Vec<Stopped>,
    /// `5 %`, empty when durations are as they are written.
    pace: String,
    mail_is_sent: bool,
    ocpp_url: String,
    public_url: String,
    /// Where copies of the database go; empty for nowhere.
    backup_folder: String,
    backup: Option<(Moment, String)>,
    /// Of those beside the daily ones: when, how large and how quick.
    recent: Option<(Moment, String)>,
    recent_error: String,
    backup_error: String,
    /// Whether chargers come in without a password somewhere.
    is_open: bool,
}

async fn page(viewer: Viewer, State(state): State<AppState>, Query(asked): Query<Asked>) -> Page {
    let handle = state.handle();
    let settings = state.settings();
    let vitals = handle.vitals();
    let now = handle.now();
    let pace = settings.pace;
    let backups = settings.backups.news();
    let report = handle.healing_report();
    let (off, new) = held_back(&report.records);
    let switches = handle.healing_stopped();
    render(SystemPage {
        version: env!("CARGO_PKG_VERSION"),
        started: Moment::new(now, vitals.started_at),
        uptime: show::duration(now.since_ms(vitals.started_at)),
        chargers: number::grouped(vitals.chargers),
        events: number::grouped(vitals.events),
        delay: number::short_ms(vitals.delay_p99_ms),
        lag: number::short_ms(vitals.journal.lag_ms.max(0) as f64),
        queued: number::grouped(vitals.journal.queued),
        capacity: number::grouped(vitals.journal.capacity),
        journal_error: vitals.trouble.as_ref().map_or_else(String::new, |it| it.said.clone()),
        quirks: number::grouped(vitals.quirks),
        held: vitals.held.unwrap_or_default(),
        engine_lag: if vitals.lag_ms < SECOND_MS {
            String::new()
        } else {
            show::duration(vitals.lag_ms)
        },
        storms: storms(&state, &report.storms),
        off,
        new,
        all_stopped: vitals.kill_switches.contains(&KillScope::Global),
        everywhere: stopped(&switches, &KillScope::Global, now),
        stopped: vitals
            .kill_switches
            .iter()
            // The big switch says so itself.
            .filter(|scope| **scope != KillScope::Global)
            .map(|scope| Stopped {
                scope: written(scope),
                words: crate::scope::words(scope, handle.directory()),
                here: stopped(&switches, scope, now),
            })
            .collect(),
        pace: if is_as_written(pace) { String::new() } else { format!("{:.0} %", pace * 100.0) },
        mail_is_sent: settings.mail_is_sent,
        ocpp_url: settings.ocpp_url.clone(),
        public_url: settings.public_url.clone(),
        backup: backups.newest.map(|(at, name, bytes)| {
            (Moment::new(now, at), format!("{name}, {} KiB", number::grouped(bytes / 1024)))
        }),
        recent: backups.recent.map(|(at, took_ms, bytes)| {
            let size = number::grouped(bytes / 1024);
            (Moment::new(now, at), format!("{size} KiB in {}", number::short_ms(took_ms as f64)))
        }),
        recent_error: backups.recent_failed.map(|(_, why)| why).unwrap_or_default(),
        backup_error: backups.failed.map(|(_, why)| why).unwrap_or_default(),
        backup_folder: backups.folder,
        is_open: settings
            .security
            .listeners
            .iter()
            .any(|(_, profile)| *profile == mendpoint_model::SecurityProfile::Open),
        shell: Shell::new(&state, &viewer, "system", "System")
            .await
            .with_messages(asked.done, asked.error),
    })
}

/// Whether durations are as the rules say. 0 is a setting that nobody made.
fn is_as_written(pace: f64) -> bool {
    pace <= 0.0 || (pace - 1.0).abs() < 1e-9
}

/// The form of the switch.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Switch {
    /// `stop` or `allow`.
    healing: String,
    /// `global`, `site:7` or `charger:12`.
    scope: String,
    /// The page to go back to.
    to: String,
}

fn written(scope: &KillScope) -> String {
    match scope {
        KillScope::Global => "global".to_owned(),
        KillScope::Site(site) => format!("site:{site}"),
        KillScope::Charger(charger) => format!("charger:{charger}"),
    }
}

fn read(scope: &str) -> Option<KillScope> {
    match scope.split_once(':') {
        None if scope == "global" => Some(KillScope::Global),
        Some(("site", key)) => key.parse().ok().map(|key| KillScope::Site(SiteKey(key))),
        Some(("charger", key)) => key.parse().ok().map(|key| KillScope::Charger(ChargerKey(key))),
        _ => None,
    }
}

async fn switch(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(form): Form<Switch>,
) -> Page {
    let to = if form.to.is_empty() { "/system" } else { &form.to };
    let on = match form.healing.as_str() {
        "stop" => true,
        "allow" => false,
        _ => return Ok(back(to, Err("Healing is stopped or allowed, nothing else.".to_owned()))),
    };
    let Some(scope) = read(&form.scope) else {
        return Ok(back(to, Err("Say where healing is to be stopped or allowed.".to_owned())));
    };
    let handle = state.handle();
    let is_there = match &scope {
        KillScope::Global => true,
        KillScope::Site(site) => handle.directory().site(*site).is_some(),
        KillScope::Charger(charger) => handle.directory().charger(*charger).is_some(),
    };
    if on && !is_there {
        return Ok(back(to, Err("There is no such site or charger any more.".to_owned())));
    }
    let words = crate::scope::words(&scope, handle.directory());
    handle.request(Request::KillSwitch { scope, on, user: viewer.name }).await?;
    let place = if words == "everywhere" { words } else { format!("for {words}") };
    let done = if on {
        format!(
            "Healing is stopped {place}. Incidents are still found; a person is asked when a \
             repair could not begin for an hour."
        )
    } else {
        format!("Healing is allowed {place} again.")
    };
    Ok(back(to, Ok(done)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_and_nonsense_does_not() {
        for scope in
            [KillScope::Global, KillScope::Site(SiteKey(7)), KillScope::Charger(ChargerKey(12))]
        {
            assert_eq!(read(&written(&scope)), Some(scope));
        }
        for nonsense in ["", "all", "site:", "site:x", "charger"] {
            assert_eq!(read(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn only_a_changed_pace_is_told() {
        assert!(is_as_written(1.0) && is_as_written(0.0));
        assert!(!is_as_written(0.05));
    }
}
