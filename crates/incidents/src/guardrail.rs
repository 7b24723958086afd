//! What healing may never do to one charger and one site (G1 to G5, G11). Hard: no rule and no
//! playbook overrides it. What goes beyond a site is in [`crate::permits`].
//!
//! Pure: everything it goes by is handed in, so that it can be tested against every sequence.

use mendpoint_model::{
    ChargerState, ConnectorRef, ConnectorStatus, IncidentId, Rung, Transaction, UnixMs,
};

use crate::codes::{code_info, forbids_reset};
use crate::permits::Held;
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
    /// Until when people work there by plan.
    pub(crate) maintenance_until: Option<UnixMs>,
    /// Another incident's action on this charger is under way.
    pub(crate) other_running: bool,
    /// How many other chargers of the site are being disturbed, and how many it has (G5).
    pub(crate) site_running: usize,
    pub(crate) site_size: usize,
    /// When a token was last accepted (G2).
    pub(crate) authorised_at: Option<UnixMs>,
    /// When a stuck transaction was asked to stop for this very step (G1).
    pub(crate) freed_at: Option<UnixMs>,
    /// Whether only the subject's EVSE is reset, and not the whole charger (2.x, `AllowReset`).
    pub(crate) evse_only: bool,
    /// A plug type of which the site would have no usable connector left (G5).
    pub(crate) last_of: Option<&'a str>,
    /// Whether a ground fault may be reset now: it was not within a week, and nobody has it (G3).
    pub(crate) ground_reset: bool,
}

/// What the guardrails say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Do it.
    Go,
    /// Not now: until then, or until something changes.
    Wait(Held),
    /// A stuck transaction must be stopped first (G1).
    StopFirst(Box<Transaction>),
    /// Never in this run.
    Forbid(Held),
}

/// Whether a rung acts on the charger at all. Asking, waiting and taking out of service do not.
pub(crate) fn acts(rung: Rung) -> bool {
    matches!(rung, Rung::L2 | Rung::L3 | Rung::L4 | Rung::L5 | Rung::L6 | Rung::L6P)
}

/// Whether a rung concerns every connector of the charger.
pub(crate) fn is_charger_wide(rung: Rung) -> bool {
    matches!(rung, Rung::L4 | Rung::L5 | Rung::L6 | Rung::L6P)
}

/// May this be done now?
pub(crate) fn judge(rails: &Guardrails, question: &Question<'_>) -> Verdict {
    if let Some(why) = question.switched_off {
        return wait("G11", None, why);
    }
    if let Some(until) = question.maintenance_until.filter(|until| question.now < *until) {
        // Whoever works there must find nothing that restarts by itself.
        return wait("G12", Some(until), &format!("planned maintenance until {until}"));
    }
    if acts(question.rung) {
        if let Some(verdict) = forbidden(rails, question) {
            return verdict;
        }
        if let Some(verdict) = limited(rails, question) {
            return verdict;
        }
    }
    // The power can be switched where no message gets through.
    if !question.connected && question.rung != Rung::L6P {
        return wait("", None, "the charger is offline");
    }
    if matches!(question.rung, Rung::S | Rung::C) {
        return may_stop(rails, question);
    }
    if !acts(question.rung) {
        return Verdict::Go;
    }
    if question.other_running {
        return wait("G4", None, "another repair is under way on this charger");
    }
    if is_planned_out(question.charger, question.at) {
        return wait("", None, "a person took it out of service");
    }
    if let Some(until) = question.charger.link.since.map(|since| since + rails.reconnect_ms)
        && question.connected
        && !question.told
        && question.now < until
    {
        // What is known is of before (behaviour 67): whatever waited is judged anew.
        let why = "the charger just connected, and has not told its state yet";
        return wait("", Some(until), why);
    }
    if let Some(verdict) = occupied(rails, question) {
        return verdict;
    }
    let at_a_time = (question.site_size * rails.site_percent as usize / 100).max(1);
    if question.site_running >= at_a_time {
        return wait("G5", None, "enough chargers of this site are being repaired already");
    }
    if let Some(plug) = question.last_of {
        let plug = if plug.is_empty() { "usable connector" } else { plug };
        let why = format!("this site would be without any {plug} meanwhile");
        return wait("G5", None, &why);
    }
    Verdict::Go
}

fn wait(guardrail: &'static str, until: Option<UnixMs>, why: &str) -> Verdict {
    Verdict::Wait(Held { guardrail, why: why.to_owned(), until })
}

fn forbid(guardrail: &'static str, why: String) -> Verdict {
    Verdict::Forbid(Held { guardrail, why, until: None })
}

/// A charge that delivers is nobody's to stop; one that does not may be.
fn may_stop(rails: &Guardrails, question: &Question<'_>) -> Verdict {
    let of = |tx: &&Transaction| question.at.is_charger() || tx.connector == question.at;
    let mut open = question.charger.transactions.iter().filter(of).peekable();
    if open.peek().is_none() {
        return forbid("", "No charge is open there".to_owned());
    }
    if let Some(held) = open.clone().find_map(in_doubt) {
        return held;
    }
    if let Some(tx) = open.find(|tx| may_deliver(question.charger, tx)) {
        let why = format!("a car is charging on connector {}", tx.connector);
        return wait("G1", None, &why);
    }
    if let Some(at) = question.authorised_at
        && question.now < at + rails.after_plug_in_ms
    {
        return wait("G2", Some(at + rails.after_plug_in_ms), "a driver was just authorised");
    }
    Verdict::Go
}

/// G1: whether a charge goes on that its charger's boot interrupted is not known yet (1.6).
fn in_doubt(tx: &Transaction) -> Option<Verdict> {
    let until = tx.interrupted?.until;
    let why = format!(
        "the charger started anew, and whether the charge on connector {} goes on is not known yet",
        tx.connector
    );
    Some(wait("G1", Some(until), &why))
}

/// Whether energy flows, as far as is known.
pub(crate) fn is_delivering(tx: &Transaction) -> bool {
    tx.idle_since.is_none() && tx.power_w.is_some_and(|power| power >= 50.0)
}

/// The same for a charge that is to be stopped: the last power that was measured says nothing any more
/// once the connector itself says that nothing charges.
pub(crate) fn may_deliver(charger: &ChargerState, tx: &Transaction) -> bool {
    use ConnectorStatus::{Available, Finishing, Preparing};
    let status = connector_state(charger, tx.connector).map(|state| state.status);
    is_delivering(tx) && !matches!(status, Some(Available | Finishing | Preparing))
}

/// The one reset that a ground fault may have: no car is there any more, and it had a quarter of an
/// hour to clear by itself (G3).
fn may_reset_ground(rails: &Guardrails, question: &Question<'_>) -> Option<Verdict> {
    let is_it = question.rung == Rung::L4 && question.code == "GroundFailure";
    if !is_it || !question.ground_reset || question.danger.is_some() {
        return None;
    }
    let charger = question.charger;
    let plugged = charger.connectors.iter().any(|connector| connector.plugged_at.is_some());
    if plugged || !charger.transactions.is_empty() {
        return None;
    }
    let since = connector_state(charger, question.at)?.since?;
    let until = since + rails.ground_wait_ms;
    (question.now < until)
        .then(|| {
            let waits = crate::duration::duration_words(rails.ground_wait_ms);
            wait("G3", Some(until), &format!("{waits} for the ground fault to clear by itself"))
        })
        .or(Some(Verdict::Go))
}

/// G3, and the tries of G4.
fn forbidden(rails: &Guardrails, question: &Question<'_>) -> Option<Verdict> {
    let ground = may_reset_ground(rails, question);
    match &ground {
        None if forbids_reset(question.code) => {
            return Some(forbid("G3", why_forbidden(question.code)));
        }
        Some(waits @ Verdict::Wait(_)) => return Some(waits.clone()),
        _ => {}
    }
    if question.restarts && matches!(question.rung, Rung::L4 | Rung::L5) {
        let why = "It restarts by itself over and over, so no reset is sent";
        return Some(forbid("G3", why.to_owned()));
    }
    // Anywhere on the charger: whoever comes because of it finds everything as it was.
    if let Some(code) = question.danger {
        return Some(forbid("G3", why_forbidden(code)));
    }
    let everywhere = question.charger.connectors.iter().map(|connector| connector.at);
    for at in everywhere.chain([ConnectorRef::CHARGER]) {
        let subject = Subject::new(question.now, question.charger, at);
        let faulted = connector_state(question.charger, at)
            .is_some_and(|state| state.status == ConnectorStatus::Faulted);
        let code = subject.code();
        let is_excepted = ground.is_some() && code == "GroundFailure";
        if crate::codes::is_safety(&code)
            && !is_excepted
            && (faulted || subject.faults().next().is_some())
        {
            return Some(forbid("G3", why_forbidden(&code)));
        }
    }
    let tries = question
        .actions
        .iter()
        .filter(|action| action.incident == question.incident && action.rung == question.rung)
        .count();
    (tries >= rails.tries_per_rung as usize).then(|| {
        let label = question.rung.label();
        forbid("G4", format!("{label} was tried {tries} times, which is the limit"))
    })
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
        return Some(forbid("G4", why));
    }
    Some(wait("G4", Some(until), &why))
}

/// G1 and G2: a driver comes first.
fn occupied(rails: &Guardrails, question: &Question<'_>) -> Option<Verdict> {
    let (now, charger) = (question.now, question.charger);
    let concerns = |at: ConnectorRef| is_concerned(question, at);
    for tx in charger.transactions.iter().filter(|tx| concerns(tx.connector)) {
        if let Some(held) = in_doubt(tx) {
            return Some(held);
        }
        if !is_stuck(rails, tx, charger, now) {
            let why = format!("a car is charging on connector {}", tx.connector);
            return Some(wait("G1", None, &why));
        }
        match question.freed_at {
            None => return Some(Verdict::StopFirst(Box::new(tx.clone()))),
            Some(at) if now < at + rails.stuck_stop_ms => {
                let why = "a charge without power was asked to stop";
                return Some(wait("G1", Some(at + rails.stuck_stop_ms), why));
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
            return Some(wait("G1", None, &why));
        }
        if connector.status == ConnectorStatus::Reserved {
            let why = format!("connector {} is reserved", connector.at);
            return Some(wait("G2", None, &why));
        }
        if let Some(plugged_at) = connector.plugged_at
            && now < plugged_at + rails.after_plug_in_ms
        {
            let until = plugged_at + rails.after_plug_in_ms;
            let why = format!("a car was just plugged in at connector {}", connector.at);
            return Some(wait("G2", Some(until), &why));
        }
    }
    if let Some(at) = question.authorised_at
        && now < at + rails.after_plug_in_ms
    {
        let why = "a driver was just authorised";
        return Some(wait("G2", Some(at + rails.after_plug_in_ms), why));
    }
    let busy = |status: &Option<(UnixMs, Box<str>)>, words: &[&str]| {
        status.as_ref().is_some_and(|(_, word)| words.contains(&word.as_ref()))
    };
    if busy(
        &charger.firmware_status,
        &["Downloading", "Downloaded", "Installing", "DownloadScheduled"],
    ) {
        return Some(wait("G2", None, "the firmware is being updated"));
    }
    if let Some((at, word)) = &charger.diagnostics_status
        && word.as_ref() == "Uploading"
        && now < *at + rails.upload_max_ms
    {
        let until = *at + rails.upload_max_ms;
        return Some(wait("G2", Some(until), "the charger is sending its diagnostics"));
    }
    None
}

/// Whether a rung takes a connector out of use.
pub(crate) fn is_concerned(question: &Question<'_>, at: ConnectorRef) -> bool {
    if question.evse_only {
        return at.evse == question.at.evse;
    }
    is_charger_wide(question.rung) || question.at.is_charger() || at == question.at
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
        after_in(hours_ago, refused, None)
    }

    /// The same, with people at work there until a time.
    fn after_in(hours_ago: &[i64], refused: bool, maintenance_until: Option<UnixMs>) -> Verdict {
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
                maintenance_until,
                other_running: false,
                site_running: 0,
                site_size: 1,
                authorised_at: None,
                freed_at: None,
                evse_only: false,
                last_of: None,
                ground_reset: false,
            },
        )
    }

    #[test]
    fn b68_a_charger_is_disturbed_three_times_a_day_whatever_the_incidents_are() {
        assert_eq!(after(&[], false), Verdict::Go);
        assert_eq!(after(&[20, 12], false), Verdict::Go);
        let Verdict::Forbid(held) = after(&[20, 12, 5], false) else { panic!("a fourth time") };
        assert!(held.why.starts_with("3 disruptive actions in"), "{held:?}");
        assert_eq!(held.guardrail, "G4");
        // Close to the end of the day it waits; a day later it may again.
        let Verdict::Wait(held) = after(&[23, 12, 5], false) else { panic!("at once") };
        assert_eq!(held.until, Some(NOW + HOUR_MS), "{held:?}");
        assert_eq!(after(&[24, 12, 5], false), Verdict::Go);
        assert_eq!(after(&[20, 12, 5], true), Verdict::Go, "a refusal disturbs nobody");
    }

    #[test]
    fn healing_waits_for_the_end_of_planned_maintenance() {
        let until = NOW + HOUR_MS;
        let Verdict::Wait(held) = after_in(&[], false, Some(until)) else { panic!("it waits") };
        let why = format!("planned maintenance until {until}");
        assert_eq!((held.until, held.why), (Some(until), why));
        assert_eq!(after_in(&[], false, Some(NOW)), Verdict::Go, "it is over");
    }
}
