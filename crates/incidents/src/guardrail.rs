//! What healing may never do (G1 to G5, G11). Hard: no rule and no playbook overrides it.
//!
//! Pure: everything it goes by is handed in, so that it can be tested against every sequence.

use mendpoint_model::{
    ChargerState, ConnectorRef, ConnectorStatus, IncidentId, Rung, Transaction, UnixMs,
};

use crate::codes::{code_info, forbids_reset};
use crate::predicate::{Subject, connector_state, is_planned_out};
use crate::settings::Guardrails;

/// An action that was sent to a charger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ActionRecord {
    pub(crate) at: UnixMs,
    pub(crate) rung: Rung,
    pub(crate) incident: IncidentId,
    pub(crate) connector: ConnectorRef,
    /// The charger said no: nothing was disturbed, so only the number of tries counts it.
    pub(crate) refused: bool,
}

/// What the guardrails go by.
pub(crate) struct Question<'a> {
    pub(crate) now: UnixMs,
    pub(crate) rung: Rung,
    pub(crate) at: ConnectorRef,
    pub(crate) code: &'a str,
    pub(crate) incident: IncidentId,
    pub(crate) charger: &'a ChargerState,
    /// Whether commands reach the charger.
    pub(crate) connected: bool,
    /// Whether the charger told the subject's status since it connected.
    pub(crate) told: bool,
    /// A matter of safety that another open incident of this charger is about (G3).
    pub(crate) danger: Option<&'a str>,
    /// It restarts by itself over and over: no reset may be sent (`BOOT_LOOP`).
    pub(crate) restarts: bool,
    /// Actions of this charger, oldest first.
    pub(crate) actions: &'a [ActionRecord],
    /// Why healing is switched off here, in words (G11).
    pub(crate) switched_off: Option<&'a str>,
    /// Another incident's action on this charger is under way.
    pub(crate) other_running: bool,
    /// How many other chargers of the site are being disturbed, and how many it has (G5).
    pub(crate) site_running: usize,
    pub(crate) site_size: usize,
    /// When a token was last accepted (G2).
    pub(crate) authorised_at: Option<UnixMs>,
    /// When a stuck transaction was asked to stop for this very step (G1).
    pub(crate) freed_at: Option<UnixMs>,
}

/// What the guardrails say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Do it.
    Go,
    /// Not now: until then, or until something changes.
    Wait { until: Option<UnixMs>, why: String },
    /// A stuck transaction must be stopped first (G1).
    StopFirst(Box<Transaction>),
    /// Never in this run.
    Forbid(String),
}

/// Whether a rung acts on the charger at all. Asking, waiting and taking out of service do not.
pub(crate) fn acts(rung: Rung) -> bool {
    matches!(rung, Rung::L2 | Rung::L3 | Rung::L4 | Rung::L5 | Rung::L6)
}

/// Whether a rung concerns every connector of the charger.
pub(crate) fn is_charger_wide(rung: Rung) -> bool {
    matches!(rung, Rung::L4 | Rung::L5 | Rung::L6)
}

/// May this be done now?
pub(crate) fn judge(rails: &Guardrails, question: &Question<'_>) -> Verdict {
    if let Some(why) = question.switched_off {
        return Verdict::Wait { until: None, why: format!("Waits: {why}") };
    }
    if acts(question.rung) {
        if let Some(why) = forbidden(rails, question) {
            return Verdict::Forbid(why);
        }
        if let Some(verdict) = limited(rails, question) {
            return verdict;
        }
    }
    if !question.connected {
        return wait(None, "the charger is offline");
    }
    if !acts(question.rung) {
        return Verdict::Go;
    }
    if question.other_running {
        return wait(None, "another repair is under way on this charger");
    }
    if is_planned_out(question.charger, question.at) {
        return wait(None, "a person took it out of service");
    }
    if let Some(until) = question.charger.link.since.map(|since| since + rails.reconnect_ms)
        && !question.told
        && question.now < until
    {
        // What is known is of before (behaviour 67): whatever waited is judged anew.
        return wait(Some(until), "the charger just connected, and has not told its state yet");
    }
    if let Some(verdict) = occupied(rails, question) {
        return verdict;
    }
    let at_a_time = (question.site_size * rails.site_percent as usize / 100).max(1);
    if question.site_running >= at_a_time {
        return wait(None, "enough chargers of this site are being repaired already");
    }
    Verdict::Go
}

fn wait(until: Option<UnixMs>, why: &str) -> Verdict {
    Verdict::Wait { until, why: format!("Waits: {why}") }
}

/// G3, and the tries of G4.
fn forbidden(rails: &Guardrails, question: &Question<'_>) -> Option<String> {
    if forbids_reset(question.code) {
        return Some(why_forbidden(question.code));
    }
    if question.restarts && matches!(question.rung, Rung::L4 | Rung::L5) {
        let why = "It restarts by itself over and over, so no reset is sent";
        return Some(why.to_owned());
    }
    // Anywhere on the charger: whoever comes because of it finds everything as it was.
    if let Some(code) = question.danger {
        return Some(why_forbidden(code));
    }
    let everywhere = question.charger.connectors.iter().map(|connector| connector.at);
    for at in everywhere.chain([ConnectorRef::CHARGER]) {
        let subject = Subject::new(question.now, question.charger, at);
        let faulted = connector_state(question.charger, at)
            .is_some_and(|state| state.status == ConnectorStatus::Faulted);
        let code = subject.code();
        if crate::codes::is_safety(&code) && (faulted || subject.faults().next().is_some()) {
            return Some(why_forbidden(&code));
        }
    }
    let tries = question
        .actions
        .iter()
        .filter(|action| action.incident == question.incident && action.rung == question.rung)
        .count();
    (tries >= rails.tries_per_rung as usize)
        .then(|| format!("{} was tried {tries} times, which is the limit", question.rung.label()))
}

fn why_forbidden(code: &str) -> String {
    match code_info(code) {
        Some(info) if info.safety => {
            format!("{code} is a matter of safety: a person looks first, nothing is reset")
        }
        _ => format!("A reset does not help against {code}"),
    }
}

/// The rates of G4.
fn limited(rails: &Guardrails, question: &Question<'_>) -> Option<Verdict> {
    let now = question.now;
    let acted = || question.actions.iter().filter(|action| acts(action.rung) && !action.refused);
    let mut waits: Vec<(UnixMs, String)> = Vec::new();
    if question.rung.is_disruptive() {
        let disruptive: Vec<UnixMs> = acted()
            .filter(|action| action.rung.is_disruptive())
            .map(|action| action.at)
            .filter(|at| now.since_ms(*at) < rails.disruptive_window_ms)
            .collect();
        let max = rails.disruptive_max as usize;
        if disruptive.len() >= max {
            let until = disruptive[disruptive.len() - max] + rails.disruptive_window_ms;
            let window = crate::duration::duration_words(rails.disruptive_window_ms);
            waits.push((until, format!("{max} disruptive actions in {window} is the limit")));
        }
    }
    if question.rung == Rung::L5
        && let Some(last) = acted().rfind(|action| action.rung == Rung::L5)
    {
        let gap = crate::duration::duration_words(rails.hard_reset_gap_ms);
        let until = last.at + rails.hard_reset_gap_ms;
        waits.push((until, format!("one hard reset in {gap} is the limit")));
    }
    if let Some(last) = acted().next_back() {
        let gap = crate::duration::duration_words(rails.gap_ms);
        waits.push((last.at + rails.gap_ms, format!("{gap} between two actions on a charger")));
    }
    let same: Vec<UnixMs> = acted()
        .filter(|action| action.rung == question.rung && action.connector == question.at)
        .map(|action| action.at)
        .filter(|at| now.since_ms(*at) < rails.disruptive_window_ms)
        .collect();
    if let Some(last) = same.last() {
        let pause = rails.backoff_ms[(same.len() - 1).min(rails.backoff_ms.len() - 1)];
        let words = crate::duration::duration_words(pause);
        let label = question.rung.label().to_lowercase();
        waits.push((*last + pause, format!("{words} before the next {label}")));
    }
    let (until, why) = waits.into_iter().filter(|(until, _)| *until > now).max()?;
    if until.since_ms(now) > rails.wait_max_ms {
        let mut why = why;
        if let Some(first) = why.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        return Some(Verdict::Forbid(why));
    }
    Some(Verdict::Wait { until: Some(until), why: format!("Waits: {why}") })
}

/// G1 and G2: a driver comes first.
fn occupied(rails: &Guardrails, question: &Question<'_>) -> Option<Verdict> {
    let (now, charger) = (question.now, question.charger);
    let wide = is_charger_wide(question.rung) || question.at.is_charger();
    let concerns = |at: ConnectorRef| wide || at == question.at;
    for tx in charger.transactions.iter().filter(|tx| concerns(tx.connector)) {
        if !is_stuck(rails, tx, charger, now) {
            let why = format!("a car is charging on connector {}", tx.connector);
            return Some(wait(None, &why));
        }
        match question.freed_at {
            None => return Some(Verdict::StopFirst(Box::new(tx.clone()))),
            Some(at) if now < at + rails.stuck_stop_ms => {
                let why = "a charge without power was asked to stop";
                return Some(wait(Some(at + rails.stuck_stop_ms), why));
            }
            Some(_) => {}
        }
    }
    for connector in charger.connectors.iter().filter(|connector| concerns(connector.at)) {
        // A session that began before we knew the charger has no transaction here, and is one.
        let has_transaction = charger.transactions.iter().any(|tx| tx.connector == connector.at);
        let is_charging = matches!(
            connector.status,
            ConnectorStatus::Charging
                | ConnectorStatus::SuspendedEv
                | ConnectorStatus::SuspendedEvse
        );
        if is_charging && !has_transaction {
            let why = format!("a car is charging on connector {}", connector.at);
            return Some(wait(None, &why));
        }
        if connector.status == ConnectorStatus::Reserved {
            let why = format!("connector {} is reserved", connector.at);
            return Some(wait(None, &why));
        }
        if let Some(plugged_at) = connector.plugged_at
            && now < plugged_at + rails.after_plug_in_ms
        {
            let until = plugged_at + rails.after_plug_in_ms;
            let why = format!("a car was just plugged in at connector {}", connector.at);
            return Some(wait(Some(until), &why));
        }
    }
    if let Some(at) = question.authorised_at
        && now < at + rails.after_plug_in_ms
    {
        let why = "a driver was just authorised";
        return Some(wait(Some(at + rails.after_plug_in_ms), why));
    }
    let busy = |status: &Option<(UnixMs, Box<str>)>, words: &[&str]| {
        status.as_ref().is_some_and(|(_, word)| words.contains(&word.as_ref()))
    };
    if busy(
        &charger.firmware_status,
        &["Downloading", "Downloaded", "Installing", "DownloadScheduled"],
    ) {
        return Some(wait(None, "the firmware is being updated"));
    }
    if let Some((at, word)) = &charger.diagnostics_status
        && word.as_ref() == "Uploading"
        && now < *at + rails.upload_max_ms
    {
        let until = *at + rails.upload_max_ms;
        return Some(wait(Some(until), "the charger is sending its diagnostics"));
    }
    None
}

/// G1: no power for half an hour, on a connector that finished or is faulted.
fn is_stuck(rails: &Guardrails, tx: &Transaction, charger: &ChargerState, now: UnixMs) -> bool {
    let idle = tx.idle_since.is_some_and(|at| now.since_ms(at) >= rails.stuck_transaction_ms);
    let done = connector_state(charger, tx.connector).is_some_and(|state| {
        matches!(state.status, ConnectorStatus::Finishing | ConnectorStatus::Faulted)
    });
    idle && done
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{ChargerKey, HOUR_MS, Link, SiteKey};
    use smallvec::SmallVec;

    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn charger() -> ChargerState {
        ChargerState {
            key: ChargerKey(1),
            site: SiteKey(1),
            identity: "CP-1".into(),
            link: Link { connected: true, ..Link::default() },
            boot: None,
            booted_at: None,
            whole: mendpoint_model::ConnectorState::default(),
            connectors: SmallVec::new(),
            transactions: SmallVec::new(),
            signals: SmallVec::new(),
            firmware_status: None,
            diagnostics_status: None,
            configuration: std::collections::BTreeMap::new(),
            clock_skew_ms: None,
            drift: None,
            carded_at: None,
        }
    }

    /// What is said to a soft reset after those of so many hours ago, each of an incident of its own.
    fn after(hours_ago: &[i64], refused: bool) -> Verdict {
        let actions: Vec<ActionRecord> = hours_ago
            .iter()
            .zip(1..)
            .map(|(hours, number)| ActionRecord {
                at: NOW - *hours * HOUR_MS,
                rung: Rung::L4,
                incident: IncidentId(number),
                // Of another connector: only the rate of the charger counts here.
                connector: ConnectorRef::v16(number as u16 + 1),
                refused,
            })
            .collect();
        let charger = charger();
        judge(
            &Guardrails::default(),
            &Question {
                now: NOW,
                rung: Rung::L4,
                at: ConnectorRef::v16(1),
                code: "OtherError",
                incident: IncidentId(99),
                charger: &charger,
                connected: true,
                told: true,
                danger: None,
                restarts: false,
                actions: &actions,
                switched_off: None,
                other_running: false,
                site_running: 0,
                site_size: 1,
                authorised_at: None,
                freed_at: None,
            },
        )
    }

    #[test]
    fn b68_a_charger_is_disturbed_three_times_a_day_whatever_the_incidents_are() {
        assert_eq!(after(&[], false), Verdict::Go);
        assert_eq!(after(&[20, 12], false), Verdict::Go);
        let Verdict::Forbid(why) = after(&[20, 12, 5], false) else { panic!("a fourth time") };
        assert!(why.starts_with("3 disruptive actions in"), "{why}");
        // Close to the end of the day it waits; a day later it may again.
        let Verdict::Wait { until, why } = after(&[23, 12, 5], false) else { panic!("at once") };
        assert_eq!(until, Some(NOW + HOUR_MS), "{why}");
        assert_eq!(after(&[24, 12, 5], false), Verdict::Go);
        assert_eq!(after(&[20, 12, 5], true), Verdict::Go, "a refusal disturbs nobody");
    }
}
