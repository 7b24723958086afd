//! The timeline of an incident: what the system, the charger and people did, newest first.

use std::collections::BTreeMap;

use mendpoint_model::{Actor, FrameSeq, Incident, StepState, TimelineEntry, UnixMs};
use mendpoint_store::{Direction, FrameRecord};
use serde_json::value::RawValue;

use super::ladder::outcome;
use crate::place::Moment;
use crate::show;

/// Who a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    System,
    Charger,
    People,
}

impl Who {
    pub(super) const ALL: [Self; 3] = [Self::System, Self::Charger, Self::People];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Charger => "charger",
            Self::People => "people",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::System => "System",
            Self::Charger => "Charger",
            Self::People => "People",
        }
    }

    pub(super) fn icon(self) -> &'static str {
        match self {
            Self::System => "zap",
            Self::Charger => "plug-zap",
            Self::People => "user",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|who| who.name() == name)
    }

    /// What a charger showed is the charger's, also where the engine put it into words.
    pub(super) fn of(entry: &TimelineEntry) -> Self {
        match &entry.actor {
            // The desk opens tickets for the engine under its name.
            Actor::User(name) if matches!(name.as_str(), "engine" | "system") => Self::System,
            Actor::User(_) => Self::People,
            Actor::Charger => Self::Charger,
            Actor::Engine
                if matches!(
                    entry.kind.as_str(),
                    "status" | "recovered" | "proven" | "reopened" | "code_changed" | "still_there"
                ) =>
            {
                Self::Charger
            }
            Actor::Engine => Self::System,
        }
    }
}

/// A line as it is drawn.
#[derive(Clone, Debug)]
pub(super) struct EventView {
    pub(super) at: Moment,
    /// `+22 min` since the incident was opened.
    pub(super) delta: String,
    /// Class of the dot: `heal`, `fault`, `ok`, `dark` or nothing.
    pub(super) dot: &'static str,
    pub(super) icon: &'static str,
    pub(super) who: Who,
    pub(super) title: String,
    pub(super) text: String,
    /// `step 3 of 6`.
    pub(super) step: String,
    pub(super) frame: Option<FrameView>,
    /// Lines of the same kind before this one that say nothing new; newest first.
    pub(super) folded: Vec<EventView>,
    /// "12 more changes, since 14:02".
    pub(super) folded_words: String,
    /// Whether it is one of many changes that a charger tells of.
    is_change: bool,
}

impl EventView {
    /// How many lines of the history it stands for.
    pub(super) fn lines(&self) -> usize {
        1 + self.folded.len()
    }
}

/// A raw frame as evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FrameView {
    /// The action, or what kind of answer it is.
    pub(super) action: String,
    /// The payload in a line.
    pub(super) line: String,
    /// Which way it went.
    pub(super) way: &'static str,
    /// The whole frame, as it was on the wire.
    pub(super) text: String,
}

/// The lines, newest first.
pub(super) fn events(
    incident: &Incident,
    timeline: &[TimelineEntry],
    frames: &BTreeMap<FrameSeq, FrameView>,
    now: UnixMs,
) -> Vec<EventView> {
    let shown_at = shown_at(timeline);
    let line = |(index, entry): (usize, &TimelineEntry)| {
        let is_shown = shown_at.get(&entry.frame) == Some(&index);
        let frame = frames.get(&entry.frame).filter(|_| is_shown).cloned();
        EventView { frame, ..event(incident, entry, now) }
    };
    let mut events: Vec<EventView> = timeline.iter().enumerate().rev().map(line).collect();
    // The same words twice in a row say nothing new.
    for index in (1..events.len()).rev() {
        let (newer, older) = events.split_at_mut(index);
        if let (Some(newer), Some(older)) = (newer.last(), older.first_mut())
            && newer.frame == older.frame
        {
            older.frame = None;
        }
    }
    fold(events)
}

/// From so many changes in a row on they are put behind the newest one: a connector that comes and
/// goes fills the history else, and hides what was done about it.
const FOLD_FROM: usize = 4;

/// Puts runs of changes that a charger tells of behind the newest of each.
fn fold(events: Vec<EventView>) -> Vec<EventView> {
    let mut folded: Vec<EventView> = Vec::new();
    let mut run: Vec<EventView> = Vec::new();
    let close = |run: &mut Vec<EventView>, folded: &mut Vec<EventView>| {
        if run.len() < FOLD_FROM {
            folded.append(run);
            return;
        }
        let mut rest = run.split_off(1);
        let since = rest.last().map_or_else(String::new, |oldest| oldest.at.clock.clone());
        let words = format!("{} more changes, since {since}", rest.len());
        folded.extend(run.drain(..).map(|newest| EventView {
            folded_words: words.clone(),
            folded: std::mem::take(&mut rest),
            ..newest
        }));
    };
    for event in events {
        if event.is_change {
            run.push(event);
        } else {
            close(&mut run, &mut folded);
            folded.push(event);
        }
    }
    close(&mut run, &mut folded);
    folded
}

/// One frame may lead to several lines. It stands beside one of them: what the charger said, if
/// that has a line, else the first.
fn shown_at(timeline: &[TimelineEntry]) -> BTreeMap<FrameSeq, usize> {
    let mut shown_at = BTreeMap::new();
    for (index, entry) in timeline.iter().enumerate().filter(|(_, entry)| entry.frame != 0) {
        let best = shown_at.entry(entry.frame).or_insert(index);
        let is_told = |index: usize| {
            timeline.get(index).is_some_and(|entry| matches!(entry.actor, Actor::Charger))
        };
        if is_told(index) && !is_told(*best) {
            *best = index;
        }
    }
    shown_at
}

fn event(incident: &Incident, entry: &TimelineEntry, now: UnixMs) -> EventView {
    let (dot, icon) = look(incident, entry);
    let since = entry.at.since_ms(incident.opened_at);
    EventView {
        at: Moment::new(now, entry.at),
        delta: if since < 0 {
            format!("-{}", show::duration(-since))
        } else {
            format!("+{}", show::duration(since))
        },
        dot,
        icon,
        who: Who::of(entry),
        title: title(entry),
        // Some lines say all in their title.
        text: if entry.text.eq_ignore_ascii_case(&entry.title) {
            String::new()
        } else {
            entry.text.clone()
        },
        step: step_words(incident, entry),
        frame: None,
        folded: Vec::new(),
        folded_words: String::new(),
        is_change: matches!(entry.kind.as_str(), "status" | "offline" | "online")
            && matches!(entry.actor, Actor::Charger),
    }
}

/// The line's words. Lines about a ticket carry its status as the word that programs use.
fn title(entry: &TimelineEntry) -> String {
    let who = match &entry.actor {
        Actor::User(name) if !matches!(name.as_str(), "engine" | "system" | "charger") => name,
        _ => "",
    };
    let told = entry.title.split_once(": ").filter(|_| entry.kind == "ticket");
    let status = told.and_then(|(id, word)| {
        Some((id, mendpoint_tickets::Status::from_name(&word.replace(' ', "_"))?.label()))
    });
    match (status, who) {
        (Some((id, label)), "") => format!("{id}: {}", label.to_lowercase()),
        (Some((id, label)), who) => format!("{id}: {}, {who}", label.to_lowercase()),
        (None, who) if entry.kind == "ticket" && !who.is_empty() => {
            format!("{} by {who}", entry.title)
        }
        (None, _) => entry.title.clone(),
    }
}

/// Class of the dot and icon of a line, by its stable word.
fn look(incident: &Incident, entry: &TimelineEntry) -> (&'static str, &'static str) {
    match entry.kind.as_str() {
        "opened" if matches!(entry.actor, Actor::User(_)) => ("fault", "message-square"),
        "opened" => ("fault", "siren"),
        "step_outcome" => {
            let step = incident.healing.as_ref().and_then(|healing| {
                healing
                    .steps
                    .iter()
                    .find(|step| Some(step.rung) == entry.rung && step.ended_at == Some(entry.at))
            });
            let state = step.map_or(StepState::Unknown, |step| step.state);
            let (class, icon, _) = outcome(entry.rung, state);
            let dot = match class {
                "ok" => "ok",
                "no" => "fault",
                _ => "",
            };
            (dot, icon)
        }
        "step_waiting" => ("heal", "clock"),
        "step_shadowed" => ("heal", "eye"),
        "step_rollback" => ("heal", "undo-2"),
        "step_answered" | "late_answer" => ("heal", "cable"),
        "approval_asked" => ("dark", "hand"),
        "approved" => ("dark", "check"),
        "refused" => ("dark", "x"),
        "recovered" | "resolved" | "closed" => ("ok", "check"),
        "proven" => ("ok", "badge-check"),
        "reopened" | "still_there" => ("fault", "rotate-ccw"),
        "severity_changed" | "code_changed" | "nobody_told" | "breached" => {
            ("fault", "triangle-alert")
        }
        "escalated" => ("dark", "ticket"),
        "told" => ("dark", "bell"),
        "told_later" | "held" => ("", "bell-off"),
        "held_over" | "chain_resumed" => ("", "bell"),
        "chain_stopped" => ("", "hand"),
        "ticket" => ("dark", "wrench"),
        "note" => ("", "message-square"),
        "report" => ("", "qr-code"),
        "snoozed" => ("dark", "bell-off"),
        "healing_stopped" => ("dark", "square"),
        "playbook_started" => ("heal", "play"),
        kind if kind.starts_with("step_") => ("heal", "refresh-cw"),
        _ => match entry.actor {
            Actor::User(_) => ("dark", "user"),
            Actor::Charger => ("", "plug-zap"),
            Actor::Engine => ("heal", "zap"),
        },
    }
}

/// Which step of the ladder a line is about.
fn step_words(incident: &Incident, entry: &TimelineEntry) -> String {
    let place = || {
        let ladder = &incident.healing.as_ref()?.ladder;
        let index = ladder.iter().position(|rung| Some(*rung) == entry.rung)?;
        // The person at the end is a rung of the ladder on screen.
        Some(format!("step {} of {}", index + 1, ladder.len() + 1))
    };
    match entry.kind.as_str() {
        "step_sent" | "step_shadowed" | "step_waiting" => place().unwrap_or_default(),
        _ => String::new(),
    }
}

/// Letters of a payload that are shown in a line.
const LINE_MAX: usize = 240;

impl FrameView {
    /// Reads the envelope of a frame. What is no OCPP frame is shown as it is.
    pub(super) fn new(record: &FrameRecord) -> Self {
        let way = match record.direction {
            Direction::In => "from the charger",
            Direction::Out => "to the charger",
        };
        let text = record.text.to_string();
        let (action, payload) = read(&text).unwrap_or_else(|| ("Frame".to_owned(), text.clone()));
        Self { action, line: in_a_line(&payload), way, text }
    }
}

/// The action, or the kind of answer, and the payload.
fn read(text: &str) -> Option<(String, String)> {
    let parts: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let part = |index: usize| parts.get(index).map(|part| part.get());
    let word = |index: usize| serde_json::from_str::<String>(part(index)?).ok();
    match part(0)? {
        "2" | "6" => Some((word(2)?, part(3)?.to_owned())),
        "3" => Some(("Answer".to_owned(), part(2)?.to_owned())),
        "4" | "5" => Some((format!("Error {}", word(2)?), word(3).unwrap_or_default())),
        _ => None,
    }
}

/// `connectorId 2 · status Faulted` for an object, with its inner objects at the end; anything else
/// as it is. The time stands beside the line, and counters help nobody: the box has them.
fn in_a_line(payload: &str) -> String {
    let line = match serde_json::from_str::<BTreeMap<String, serde_json::Value>>(payload) {
        Ok(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.retain(|(name, _)| !matches!(name.as_str(), "timestamp" | "seqNo"));
            fields.sort_by_key(|(_, value)| value.is_object() || value.is_array());
            let words = fields.into_iter().map(|(name, value)| match value {
                serde_json::Value::String(text) => format!("{name} {text}"),
                other => format!("{name} {other}"),
            });
            words.collect::<Vec<_>>().join(" · ")
        }
        Err(_) => payload.to_owned(),
    };
    if line.chars().count() <= LINE_MAX {
        return line;
    }
    let mut short: String = line.chars().take(LINE_MAX).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use mendpoint_model::ChargerKey;

    use super::*;

    fn frame(text: &str) -> FrameView {
        FrameView::new(&FrameRecord {
            seq: 1,
            charger: ChargerKey(1),
            at: UnixMs(0),
            direction: Direction::In,
            text: text.into(),
        })
    }

    #[test]
    fn a_frame_is_read_as_far_as_it_can_be() {
        let call = frame(r#"[2,"7","StatusNotification",{"connectorId":2,"status":"Faulted"}]"#);
        assert_eq!(call.action, "StatusNotification");
        assert_eq!(call.line, "connectorId 2 · status Faulted");
        let answer = frame(r#"[3,"i9-1-1",{"status":"Accepted"}]"#);
        assert_eq!((answer.action.as_str(), answer.line.as_str()), ("Answer", "status Accepted"));
        assert_eq!(frame(r#"[4,"1","NotSupported","no",{}]"#).action, "Error NotSupported");
        let junk = frame("<b>");
        assert_eq!((junk.action.as_str(), junk.line.as_str()), ("Frame", "<b>"));
    }

    #[test]
    fn what_matters_comes_first_in_the_line() {
        let call =
            frame(r#"[2,"7","X",{"evse":{"id":1},"status":"Faulted","timestamp":"t","seqNo":4}]"#);
        assert_eq!(call.line, r#"status Faulted · evse {"id":1}"#);
    }

    #[test]
    fn lines_about_tickets_are_words_for_people() {
        let said = |title: &str, user: &str| {
            let entry = TimelineEntry {
                incident: mendpoint_model::IncidentId(7),
                at: UnixMs(0),
                actor: Actor::User(user.to_owned()),
                kind: "ticket".to_owned(),
                title: title.to_owned(),
                text: String::new(),
                frame: 0,
                command: None,
                rung: None,
            };
            super::title(&entry)
        };
        assert_eq!(said("T-1: en route", "Radu Pop"), "T-1: on the way, Radu Pop");
        assert_eq!(said("T-1: waiting parts", "engine"), "T-1: waiting for parts");
        assert_eq!(said("T-1 opened", "ana"), "T-1 opened by ana");
        assert_eq!(said("T-1: odd", "engine"), "T-1: odd");
    }

    #[test]
    fn a_long_payload_is_cut_in_the_line_and_whole_in_the_box() {
        let long = format!(r#"[2,"7","DataTransfer",{{"data":"{}"}}]"#, "x".repeat(1_000));
        let shown = frame(&long);
        assert_eq!(shown.line.chars().count(), LINE_MAX + 1);
        assert_eq!(shown.text, long);
    }
}
