//! Did it help? The watch over a step after the charger accepted it (1.6).
//!
//! Pure: what is known goes in, a verdict or the next moment to look comes out.

use mendpoint_model::{Rung, Step, StepState, UnixMs};

use crate::case::Run;
use crate::duration::duration_words;
use crate::settings::EngineSettings;

/// What the watch sees.
pub(crate) struct View<'a> {
    pub(crate) now: UnixMs,
    pub(crate) settings: &'a EngineSettings,
    pub(crate) connected: bool,
    /// Whether the condition holds; `None` while it cannot be seen.
    pub(crate) condition: Option<bool>,
    /// Whether the subject is out of use for another reason (Unavailable after a restart).
    pub(crate) unusable: bool,
    /// Whether the rule counts instead of looking at a state: asking for a status cannot cure it.
    pub(crate) counts: bool,
    /// The status of the subject, as a word.
    pub(crate) status: &'static str,
    /// How long L0 waits.
    pub(crate) wait_ms: i64,
    /// How long a reset may take (`T_boot`).
    pub(crate) boot_ms: i64,
    /// Whether the reset is one of an EVSE: then the charger does not start anew.
    pub(crate) evse_only: bool,
    /// What the charger said of an upload since the step began.
    pub(crate) upload: Option<&'a str>,
}

/// What the watch says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Look {
    /// Not known yet: look again then (or when something comes in), and what to tell people.
    Pending { wake: Option<UnixMs>, next: String },
    /// It is over.
    Done(StepState, String),
}

use crate::heal::diagnostics::fetched;

/// Looks at a step that was accepted.
pub(crate) fn look(step: &Step, run: &mut Run, view: &View<'_>) -> Look {
    let began = step.accepted_at.unwrap_or(step.at);
    let healthy = view.connected && view.condition == Some(false) && !view.unusable;
    match step.rung {
        Rung::L0 => wait_and_watch(began, view),
        Rung::D => fetched(step, began, view),
        Rung::L1 | Rung::L1M => asked(began, run, view, healthy),
        Rung::L4 | Rung::L5 if view.evse_only => settled(began, run, view, healthy, view.boot_ms),
        Rung::L4 | Rung::L5 | Rung::L6 | Rung::L6P => restarted(step, began, run, view, healthy),
        Rung::L2 | Rung::L3 | Rung::Q | Rung::S => {
            settled(began, run, view, healthy, view.settings.settle_ms)
        }
        // They end when they are begun.
        Rung::L1S | Rung::L7 | Rung::C => Look::Done(StepState::Done, step.note.clone()),
    }
}

fn wait_and_watch(began: UnixMs, view: &View<'_>) -> Look {
    let until = began + view.wait_ms;
    if view.now >= until && view.condition != Some(false) {
        let waited = duration_words(view.wait_ms);
        return Look::Done(StepState::NotFixed, format!("Still there after {waited}"));
    }
    // Gone: the end of the condition is judged by the rule itself.
    let wake = (view.now < until).then_some(until);
    Look::Pending { wake, next: "Waiting whether it goes away by itself".to_owned() }
}

/// The condition is gone: it must stay gone.
fn healing(run: &mut Run, view: &View<'_>) -> Look {
    let since = *run.healthy_since.get_or_insert(view.now);
    let until = since + view.settings.healthy_ms;
    if view.now >= until {
        let stayed = duration_words(view.settings.healthy_ms);
        return Look::Done(StepState::Fixed, format!("It is gone, and stayed gone for {stayed}"));
    }
    let stay = duration_words(view.settings.healthy_ms);
    Look::Pending {
        wake: Some(until),
        next: format!("It is gone. Watching for {stay} whether it stays gone"),
    }
}

fn asked(began: UnixMs, run: &mut Run, view: &View<'_>, healthy: bool) -> Look {
    let until = began + view.settings.status_answer_ms;
    let answered = run.status_at.is_some();
    if view.counts && (answered || view.now >= until) {
        let note = if answered {
            format!("Answered {}", view.status)
        } else {
            "No status came".to_owned()
        };
        return Look::Done(StepState::NotFixed, note);
    }
    if healthy && (answered || view.now >= until) {
        return healing(run, view);
    }
    if run.healthy_since.take().is_some() {
        return Look::Done(StepState::NotFixed, "It came back".to_owned());
    }
    if answered && view.condition == Some(true) {
        return Look::Done(StepState::NotFixed, format!("Answered, still {}", view.status));
    }
    if view.now >= until {
        let waited = duration_words(view.settings.status_answer_ms);
        let note = format!("No status came within {waited}");
        return Look::Done(StepState::NotFixed, note);
    }
    Look::Pending { wake: Some(until), next: "Asked for its status, waiting for it".to_owned() }
}

fn settled(began: UnixMs, run: &mut Run, view: &View<'_>, healthy: bool, settle_ms: i64) -> Look {
    let until = began + settle_ms;
    if healthy {
        return healing(run, view);
    }
    let was_healthy = run.healthy_since.take().is_some();
    if was_healthy && view.condition == Some(true) {
        let after = duration_words(view.now.since_ms(began));
        return Look::Done(StepState::NotFixed, format!("The fault appeared again after {after}"));
    }
    if view.now < until {
        return Look::Pending {
            wake: Some(until),
            next: "Done, watching what it changes".to_owned(),
        };
    }
    if !view.connected {
        let limit = until + view.settings.worse_after_ms;
        if view.now < limit {
            let next = "The charger went offline, waiting for it".to_owned();
            return Look::Pending { wake: Some(limit), next };
        }
        let note = "The charger went offline, the effect could not be seen".to_owned();
        return Look::Done(StepState::Unknown, note);
    }
    let after = duration_words(settle_ms);
    Look::Done(StepState::NotFixed, format!("Still {} after {after}", view.status))
}

fn restarted(step: &Step, began: UnixMs, run: &mut Run, view: &View<'_>, healthy: bool) -> Look {
    let label = step.rung.label();
    let settings = view.settings;
    let back_by = run.watched_from.map_or(began, |from| from.max(began)) + view.boot_ms;
    let back = run.back_at.map(|at| duration_words(at.since_ms(began)));
    if view.now < back_by {
        // Whatever it reports while it starts does not count.
        return match (&back, healthy) {
            (Some(_), true) => healing(run, view),
            (Some(after), false) => {
                run.healthy_since = None;
                let next = format!("{label}: back after {after}, watching it start");
                Look::Pending { wake: Some(back_by), next }
            }
            (None, _) => {
                run.healthy_since = None;
                let left = duration_words(back_by.since_ms(view.now));
                let next = format!("{label} accepted, back in about {left}");
                Look::Pending { wake: Some(back_by), next }
            }
        };
    }
    if !view.connected {
        run.healthy_since = None;
        let limit = back_by + settings.worse_after_ms;
        if view.now >= limit {
            let away = duration_words(view.now.since_ms(began));
            let note = format!("It did not come back within {away}");
            return Look::Done(StepState::Worse, note);
        }
        let next = format!("Not back yet after the {}", label.to_lowercase());
        return Look::Pending { wake: Some(limit), next };
    }
    if healthy {
        let seen = healing(run, view);
        return match (seen, &back) {
            (Look::Done(StepState::Fixed, note), Some(after)) => {
                Look::Done(StepState::Fixed, format!("Back in {after}. {note}"))
            }
            // (a) is missing: it never restarted, so it was not the reset that helped.
            (Look::Done(StepState::Fixed, _), None) => Look::Done(
                StepState::Unknown,
                "It accepted but did not restart; the fault went away all the same".to_owned(),
            ),
            (pending, _) => pending,
        };
    }
    run.healthy_since = None;
    if back.is_none() && matches!(step.commands.last(), Some((_, None))) {
        let note = "Sent before a restart of ours: its answer is not known, and the charger did not \
                    restart";
        return Look::Done(StepState::Unknown, note.to_owned());
    }
    let note = match (&back, view.condition) {
        (Some(after), Some(true)) => {
            format!("Back in {after}, the fault returned after the {}", label.to_lowercase())
        }
        (Some(after), _) => format!("Back in {after}, but it is {}", view.status),
        (None, _) => "It accepted but did not restart".to_owned(),
    };
    Look::Done(StepState::NotFixed, note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rung: Rung) -> Step {
        Step {
            number: 1,
            rung,
            state: StepState::Verifying,
            at: UnixMs(0),
            commands: Vec::new(),
            accepted_at: Some(UnixMs(0)),
            ended_at: None,
            note: String::new(),
            guardrail: String::new(),
            why: String::new(),
        }
    }

    fn view(settings: &EngineSettings, seconds: i64, condition: Option<bool>) -> View<'_> {
        View {
            now: UnixMs(seconds * 1_000),
            settings,
            connected: condition.is_some(),
            condition,
            unusable: false,
            counts: false,
            status: "Faulted",
            wait_ms: 60_000,
            boot_ms: settings.boot_ms,
            evse_only: false,
            upload: None,
        }
    }

    fn state(look: &Look) -> Option<StepState> {
        match look {
            Look::Done(state, _) => Some(*state),
            Look::Pending { .. } => None,
        }
    }

    #[test]
    fn a_reset_is_fixed_only_after_a_restart_and_the_healthy_delay() {
        let settings = EngineSettings::default();
        let mut run = Run::default();
        let step = step(Rung::L4);
        assert_eq!(state(&look(&step, &mut run, &view(&settings, 10, Some(true)))), None);
        run.back_at = Some(UnixMs(40_000));
        assert_eq!(state(&look(&step, &mut run, &view(&settings, 41, Some(false)))), None);
        assert_eq!(state(&look(&step, &mut run, &view(&settings, 340, Some(false)))), None);
        assert_eq!(
            state(&look(&step, &mut run, &view(&settings, 341, Some(false)))),
            Some(StepState::Fixed)
        );
    }

    #[test]
    fn bad_statuses_while_it_starts_are_ignored() {
        let settings = EngineSettings::default();
        let mut run = Run { back_at: Some(UnixMs(40_000)), ..Run::default() };
        let step = step(Rung::L5);
        assert_eq!(state(&look(&step, &mut run, &view(&settings, 50, Some(true)))), None);
        assert_eq!(
            state(&look(&step, &mut run, &view(&settings, 180, Some(true)))),
            Some(StepState::NotFixed)
        );
    }

    #[test]
    fn a_charger_that_stays_away_is_worse_off() {
        let settings = EngineSettings::default();
        let mut run = Run::default();
        let step = step(Rung::L5);
        assert_eq!(state(&look(&step, &mut run, &view(&settings, 779, None))), None);
        assert_eq!(
            state(&look(&step, &mut run, &view(&settings, 780, None))),
            Some(StepState::Worse)
        );
    }

    #[test]
    fn without_a_restart_the_reset_did_not_cure_it() {
        let settings = EngineSettings::default();
        let mut run = Run::default();
        let step = step(Rung::L4);
        assert_eq!(state(&look(&step, &mut run, &view(&settings, 180, Some(false)))), None);
        assert_eq!(
            state(&look(&step, &mut run, &view(&settings, 480, Some(false)))),
            Some(StepState::Unknown)
        );
    }

    #[test]
    fn an_answer_that_confirms_the_fault_ends_the_question() {
        let settings = EngineSettings::default();
        let mut run = Run::default();
        let step = step(Rung::L1);
        assert_eq!(state(&look(&step, &mut run, &view(&settings, 1, Some(true)))), None);
        run.status_at = Some(UnixMs(2_000));
        assert_eq!(
            state(&look(&step, &mut run, &view(&settings, 2, Some(true)))),
            Some(StepState::NotFixed)
        );
    }

    #[test]
    fn a_fault_that_comes_back_in_the_healthy_window_is_not_fixed() {
        let settings = EngineSettings::default();
        let mut run = Run::default();
        let step = step(Rung::L3);
        assert_eq!(state(&look(&step, &mut run, &view(&settings, 5, Some(false)))), None);
        assert_eq!(
            look(&step, &mut run, &view(&settings, 78, Some(true))),
            Look::Done(StepState::NotFixed, "The fault appeared again after 1 min 18 s".to_owned())
        );
    }
}
