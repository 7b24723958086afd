//! The queue of the live page: what needs somebody, what the engine has, what somebody has.

use std::collections::BTreeMap;

use mendpoint_model::{
    Healing, Incident, IncidentState, MINUTE_MS, Priority, StepState, TicketId, UnixMs,
};
use mendpoint_pipeline::Handle;
use mendpoint_store::{Error, IncidentFilter, PAGE_MAX, TicketRow};
use mendpoint_tickets::Status;

use super::kpis::{UNATTENDED, is_healing};
use crate::pages::incident::ties::scope_words;
use crate::place::Place;
use crate::{number, show};

/// Rows of the first part; the others show fewer.
const NEEDS_YOU_ROWS: usize = 40;
const ROWS: usize = 12;
/// The length of the ring's circle.
const RING: f64 = 37.7;

/// A part of the queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    pub(crate) items: Vec<Item>,
    pub(crate) count: usize,
    /// Those that are not shown.
    pub(crate) more: usize,
}

/// The queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) needs_you: Part,
    pub(crate) healing: Part,
    pub(crate) watched: Part,
    pub(crate) in_hand: Part,
    pub(crate) recovered: Part,
    /// What is said when nothing needs anybody.
    pub(crate) calm_line: String,
}

/// When the next thing happens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Due {
    /// Milliseconds.
    pub(crate) at: i64,
    /// Since when it is waited for, milliseconds.
    pub(crate) from: i64,
    /// How long that is, in words.
    pub(crate) left: String,
    /// What is left of the ring.
    pub(crate) dash: String,
}

/// An incident in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) priority: Priority,
    pub(crate) glyph: &'static str,
    pub(crate) state: &'static str,
    pub(crate) title: String,
    /// The charger and the title.
    pub(crate) subject: String,
    /// Where it is, and who was asked or what happens next.
    pub(crate) line: String,
    pub(crate) next: String,
    /// Who has it; empty where the line says who was asked.
    pub(crate) who: String,
    /// Ticket, owner and what happens next.
    pub(crate) hand_line: String,
    pub(crate) due: Option<Due>,
    pub(crate) hot: bool,
    pub(crate) opened_at: i64,
    pub(crate) age: String,
    /// Classes of the steps: `done`, `now`, `bad` or nothing.
    pub(crate) pips: Vec<&'static str>,
    pub(crate) pips_label: String,
}

impl Queue {
    /// Reads the queue.
    pub(crate) async fn read(handle: &Handle) -> Result<Self, Error> {
        let now = handle.now();
        let part = |states: Vec<IncidentState>, needs_person| async move {
            let filter = IncidentFilter {
                states,
                needs_person: Some(needs_person),
                // What another incident explains is one line: that incident's.
                hide_quiet: true,
                ..IncidentFilter::default()
            };
            let (incidents, _) = handle.store().incidents(&filter, None, PAGE_MAX).await?;
            Ok::<_, Error>(incidents)
        };
        let open = IncidentState::ALL.into_iter().filter(|state| !state.is_over()).collect();
        let mut needs_you = part(open, true).await?;
        needs_you.sort_by_key(urgency);
        let mut unattended = part(UNATTENDED.to_vec(), false).await?;
        // In the order in which they came, so that nothing jumps.
        unattended.sort_by_key(|incident| (incident.opened_at, incident.id));
        let (healing, watched): (Vec<_>, Vec<_>) = unattended.into_iter().partition(is_healing);
        let in_hand =
            vec![IncidentState::Escalated, IncidentState::Acknowledged, IncidentState::InProgress];
        let in_hand = part(in_hand, false).await?;
        let recovered = part(vec![IncidentState::RecoveredUnproven], false).await?;
        let tickets =
            tickets(handle, needs_you.iter().take(NEEDS_YOU_ROWS).chain(in_hand.iter().take(ROWS)))
                .await?;
        let shown = |incidents: &[Incident], rows: usize| Part {
            items: incidents
                .iter()
                .take(rows)
                .map(|incident| {
                    let ticket = incident.ticket.and_then(|ticket| tickets.get(&ticket));
                    Item::new(incident, ticket, handle, now)
                })
                .collect(),
            count: incidents.len(),
            more: incidents.len().saturating_sub(rows),
        };
        let calm_line = if needs_you.is_empty() {
            let hours = handle.store().incident_hours(now, 24).await?;
            calm_line(hours.iter().map(|hour| hour.healed).sum())
        } else {
            String::new()
        };
        Ok(Self {
            needs_you: shown(&needs_you, NEEDS_YOU_ROWS),
            healing: shown(&healing, ROWS),
            watched: shown(&watched, ROWS),
            in_hand: shown(&in_hand, ROWS),
            recovered: shown(&recovered, ROWS),
            calm_line,
        })
    }
}

/// The tickets of the rows that have one.
async fn tickets(
    handle: &Handle,
    incidents: impl Iterator<Item = &Incident>,
) -> Result<BTreeMap<TicketId, TicketRow>, Error> {
    let mut tickets = BTreeMap::new();
    for id in incidents.filter_map(|incident| incident.ticket) {
        if let Some(row) = handle.store().ticket(id).await? {
            tickets.insert(id, row);
        }
    }
    Ok(tickets)
}

/// Who was asked with a ticket, and what they said: "Radu Pop asked, T-1 not accepted".
fn asked(ticket: &TicketRow) -> String {
    let id = ticket.id;
    let who = ticket.assignee.as_deref().unwrap_or_default();
    match (Status::from_name(&ticket.status), who) {
        (None | Some(Status::New), _) => format!("{id} is open, nobody was asked"),
        (Some(Status::Assigned), who) => format!("{who} asked, {id} not accepted"),
        (Some(status), "") => format!("{id} {}", status.label().to_lowercase()),
        (Some(status), who) => format!("{who}, {id} {}", status.label().to_lowercase()),
    }
}

fn calm_line(healed: u64) -> String {
    match healed {
        0 => "What the system cannot repair by itself appears here.".to_owned(),
        1 => "One problem was healed in the last 24 hours.".to_owned(),
        healed => {
            format!("{} problems were healed in the last 24 hours.", number::grouped(healed))
        }
    }
}

/// The most urgent first, then those that nobody took, then the oldest.
fn urgency(incident: &Incident) -> (Priority, bool, UnixMs, mendpoint_model::IncidentId) {
    let priority = Priority::of_severity(incident.severity);
    (priority, incident.owner.is_some(), incident.opened_at, incident.id)
}

impl Item {
    fn new(incident: &Incident, ticket: Option<&TicketRow>, handle: &Handle, now: UnixMs) -> Self {
        let directory = handle.directory();
        let place = Place::new(directory, incident.charger, incident.site, incident.connector);
        let priority = Priority::of_severity(incident.severity);
        let due = due(incident, now);
        let is_soon = due.as_ref().is_some_and(|due| due.at - now.0 < 5 * MINUTE_MS);
        let (pips, pips_label) = incident.healing.as_ref().map(pips).unwrap_or_default();
        let connector =
            if incident.title.contains(&place.connector) { "" } else { place.connector.as_str() };
        let spot = if incident.is_wide() {
            scope_words(incident, &place.site)
        } else {
            join(&[&place.charger, connector], " ")
        };
        let asked = ticket.map(asked);
        let whose = match (incident.ticket, &incident.owner) {
            (Some(ticket), Some(owner)) => format!("{ticket} · {owner}"),
            (Some(ticket), None) => ticket.to_string(),
            (None, Some(owner)) => owner.clone(),
            (None, None) => String::new(),
        };
        Self {
            id: incident.id.to_string(),
            priority,
            glyph: glyph(incident),
            state: incident.state.label(),
            title: incident.title.clone(),
            subject: if incident.is_wide() {
                incident.title.clone()
            } else {
                subject(&place.charger, &incident.title)
            },
            line: match &asked {
                // Who was asked has to fit into the line; the charger's name says enough of where.
                Some(asked) => sentences(&spot, asked),
                None if incident.is_wide() => sentences(&spot, &incident.next),
                None => sentences(&join(&[&place.site, &spot], ", "), &incident.next),
            },
            next: incident.next.clone(),
            who: match (&incident.owner, &asked) {
                (Some(owner), _) => owner.clone(),
                (None, Some(_)) => String::new(),
                (None, None) => "no owner".to_owned(),
            },
            hand_line: match (&asked, &incident.owner) {
                (Some(asked), Some(owner)) => format!("{asked} · {owner}"),
                (Some(asked), None) => asked.clone(),
                (None, _) => join(&[&whose, &incident.next], " · "),
            },
            hot: priority == Priority::P1 && incident.owner.is_none() || is_soon,
            due,
            opened_at: incident.opened_at.0,
            age: show::duration(now.since_ms(incident.opened_at)),
            pips,
            pips_label,
        }
    }
}

/// The shape of what the engine repairs or watches.
fn glyph(incident: &Incident) -> &'static str {
    match incident {
        incident if is_healing(incident) => "heal",
        incident if incident.blind => "offline",
        incident if incident.severity <= 4 => "fault",
        _ => "warn",
    }
}

/// The charger before the title, unless the title names it.
fn subject(charger: &str, title: &str) -> String {
    if title.contains(charger) { title.to_owned() } else { format!("{charger} {title}") }
}

/// The parts that say something.
fn join(parts: &[&str], between: &str) -> String {
    let said: Vec<_> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    said.join(between)
}

fn sentences(first: &str, second: &str) -> String {
    if second.is_empty() { first.to_owned() } else { format!("{first}. {second}") }
}

fn due(incident: &Incident, now: UnixMs) -> Option<Due> {
    let at = incident.next_at.filter(|at| *at > now)?;
    let from = incident.updated_at.min(now);
    let left = at.since_ms(now);
    let whole = at.since_ms(from).max(1);
    Some(Due {
        at: at.0,
        from: from.0,
        left: show::duration(left),
        dash: format!("{:.1}", RING * left as f64 / whole as f64),
    })
}

/// The rungs of the ladder as classes, and the same in words.
fn pips(healing: &Healing) -> (Vec<&'static str>, String) {
    let class = |rung| {
        let step = healing.steps.iter().rev().find(|step| step.rung == rung);
        match step.map(|step| step.state) {
            None | Some(StepState::Skipped) => "",
            Some(StepState::Worse) => "bad",
            Some(state) if state.is_over() => "done",
            Some(_) => "now",
        }
    };
    let pips: Vec<_> = healing.ladder.iter().map(|rung| class(*rung)).collect();
    let place = pips.iter().rposition(|pip| !pip.is_empty());
    let label = match place.and_then(|place| Some((place, healing.ladder.get(place)?))) {
        Some((place, rung)) => format!("Step {} of {}: {}", place + 1, pips.len(), rung.label()),
        None => format!("No step of {} yet", pips.len()),
    };
    (pips, label)
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{HealMode, Rung, Step};

    use super::*;

    fn step(number: u32, rung: Rung, state: StepState) -> Step {
        Step {
            number,
            rung,
            state,
            at: UnixMs(1),
            commands: Vec::new(),
            accepted_at: None,
            ended_at: None,
            note: String::new(),
            guardrail: String::new(),
            why: String::new(),
        }
    }

    #[test]
    fn the_ladder_becomes_pips() {
        let mut healing = Healing {
            playbook: "RESET".to_owned(),
            mode: HealMode::On,
            ladder: vec![Rung::L1, Rung::L4, Rung::L5],
            steps: Vec::new(),
            stopped_by: None,
        };
        assert_eq!(pips(&healing), (vec!["", "", ""], "No step of 3 yet".to_owned()));
        healing.steps.push(step(1, Rung::L1, StepState::NotFixed));
        healing.steps.push(step(2, Rung::L4, StepState::Verifying));
        let (classes, label) = pips(&healing);
        assert_eq!(classes, ["done", "now", ""]);
        assert_eq!(label, "Step 2 of 3: Soft reset");
    }

    #[test]
    fn a_row_says_who_was_asked() {
        let row = |status: &str, assignee: Option<&str>| TicketRow {
            id: TicketId(1),
            status: status.to_owned(),
            title: String::new(),
            priority: "P1".to_owned(),
            incident: None,
            charger: None,
            site: None,
            assignee: assignee.map(str::to_owned),
            opened_at: UnixMs(0),
            updated_at: UnixMs(0),
            due_at: None,
            json: String::new(),
        };
        assert_eq!(asked(&row("assigned", Some("Radu Pop"))), "Radu Pop asked, T-1 not accepted");
        assert_eq!(asked(&row("en_route", Some("Radu Pop"))), "Radu Pop, T-1 on the way");
        assert_eq!(asked(&row("new", None)), "T-1 is open, nobody was asked");
    }

    #[test]
    fn lines_leave_out_what_is_not_known() {
        assert_eq!(join(&["", "T-7", ""], " · "), "T-7");
        assert_eq!(sentences("Gara Cluj", ""), "Gara Cluj");
        assert_eq!(subject("CLJ-07", "CLJ-07 is offline"), "CLJ-07 is offline");
        assert_eq!(subject("CLJ-07", "Offline"), "CLJ-07 Offline");
        assert!(calm_line(1_500).starts_with("1,500 problems"));
    }
}
