//! The column of facts beside an incident: what it costs, what was seen before, why it opened.

use std::collections::BTreeMap;

use mendpoint_model::{
    ConnectorRef, DAY_MS, HOUR_MS, Incident, IncidentState, Rung, StepState, TimelineEntry, UnixMs,
};
use mendpoint_pipeline::Handle;
use mendpoint_store::{LinkChangeRow, Result, StateChangeRow, TransactionFilter, TransactionRow};
use mendpoint_tickets::Ticket;

use crate::place::Moment;
use crate::show;

/// How many earlier incidents are looked at.
const SIMILAR: u32 = 20;
/// How many of them are listed.
const LISTED: usize = 4;
/// From so many on, what helped before is worth a hint.
const HINT_FROM: usize = 3;
/// Sessions that the usual income is estimated from.
const SESSIONS: u32 = 200;
/// How far back they count.
const HISTORY_MS: i64 = 30 * DAY_MS;

/// An earlier incident of the same kind.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Moment,
    pub(super) href: String,
    pub(super) text: String,
    /// The other charger's name; empty when it is this one.
    pub(super) elsewhere: String,
}

/// What was seen before, and what helped.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    pub(super) seen: Vec<Seen>,
    pub(super) hint: String,
    /// What is known of the steps of its ladder on this model.
    pub(super) known: Vec<String>,
}

/// Looks at incidents of the same rule and code on this charger and on its model.
pub(super) async fn before(handle: &Handle, incident: &Incident) -> Result<Before> {
    let similar = handle.store().similar_incidents(incident, SIMILAR).await?;
    let now = handle.now();
    let mut seen = Vec::new();
    for other in similar.iter().take(LISTED) {
        let repair = match other.ticket {
            Some(ticket) => handle.store().ticket(ticket).await?,
            None => None,
        };
        let repair = repair.and_then(|row| serde_json::from_str::<Ticket>(&row.json).ok());
        let elsewhere = if other.charger == incident.charger {
            String::new()
        } else {
            handle
                .directory()
                .charger(other.charger)
                .map_or_else(|| "another charger".to_owned(), |record| record.name.clone())
        };
        seen.push(Seen {
            at: Moment::new(now, other.opened_at),
            href: format!("/incidents/{}", other.id),
            text: outcome_of(other, repair.as_ref()),
            elsewhere,
        });
    }
    let rungs = incident.healing.as_ref().map_or(&[][..], |healing| &healing.ladder);
    let known = handle.known_of_steps(incident.charger, &incident.code, rungs);
    let hint = if known.is_empty() { hint(&similar) } else { String::new() };
    Ok(Before { seen, hint, known })
}

fn outcome_of(incident: &Incident, repair: Option<&Ticket>) -> String {
    let repaired = repair.filter(|ticket| !ticket.action.is_empty());
    if let Some(ticket) = repaired {
        return format!("{}: {}", ticket.cause, ticket.action);
    }
    if let Some(rung) = cure(incident) {
        return format!("Healed by {}", rung.label().to_lowercase());
    }
    if incident.resolution.is_empty() {
        incident.state.label().to_owned()
    } else {
        incident.resolution.clone()
    }
}

/// The step that helped.
fn cure(incident: &Incident) -> Option<Rung> {
    let healing = incident.healing.as_ref()?;
    let fixed =
        |step: &&mendpoint_model::Step| step.state == StepState::Fixed && step.rung != Rung::Q;
    healing.steps.iter().find(fixed).map(|step| step.rung)
}

/// "Soft reset helped 4 of 6 times."
fn hint(similar: &[Incident]) -> String {
    let over: Vec<_> = similar.iter().filter(|incident| incident.state.is_over()).collect();
    if over.len() < HINT_FROM {
        return String::new();
    }
    let mut helped: BTreeMap<Rung, usize> = BTreeMap::new();
    for rung in over.iter().filter_map(|incident| cure(incident)) {
        *helped.entry(rung).or_default() += 1;
    }
    match helped.into_iter().max_by_key(|(rung, count)| (*count, std::cmp::Reverse(*rung))) {
        Some((rung, count)) => {
            format!("{} helped {count} of {} times.", rung.label(), over.len())
        }
        None => format!("None of the {} before was healed from afar.", over.len()),
    }
}

/// A line of what it costs: a name and a value.
pub(super) type Fact = (&'static str, String);

/// What the incident costs, as far as it is known.
pub(super) async fn impact(
    handle: &Handle,
    incident: &Incident,
    timeline: &[TimelineEntry],
) -> Result<Vec<Fact>> {
    let store = handle.store();
    let now = handle.now();
    let until = incident.resolved_at.unwrap_or(now);
    let from = incident.began_at;
    let link = store.link_history(incident.charger, from, until).await?;
    let states = store.state_history(incident.charger, from, until).await?;
    let known_ms = down_ms(incident.connector, from, until, &link, &states);
    // What the charger never reported as down lasts until it was gone.
    let down_ms = if known_ms > 0 {
        known_ms
    } else {
        gone_at(incident, timeline).unwrap_or(until).since_ms(from).max(0)
    };
    let subject = if incident.connector.is_charger() { "Charger down" } else { "Connector down" };
    // What works with a warning is not down.
    let is_down = incident.severity <= 4;
    let mut facts = vec![(if is_down { subject } else { "Lasted" }, show::duration(down_ms))];
    if incident.rule == "FAILED_BURST" {
        facts.push(("Failed charges", incident.occurrences.to_string()));
    } else if incident.occurrences > 1 {
        facts.push(("Seen", crate::number::counted(incident.occurrences, "time")));
    }
    let (reports, _) = store.reports(None, Some(incident.id), None, SESSIONS).await?;
    if !reports.is_empty() {
        facts.push(("Driver reports", reports.len().to_string()));
    }
    let price = handle.directory().site(incident.site).map_or(0, |site| site.price_cents_per_kwh);
    if is_down && price > 0 {
        let (sessions, _) =
            store.transactions(&TransactionFilter::of(incident.charger), None, SESSIONS).await?;
        let usual = usual_power_w(&sessions, incident.connector, incident.began_at);
        if let Some(lost) = usual.map(|power| lost_cents(power, down_ms, price))
            && lost >= 1.0
        {
            facts.push(("Income lost, estimate", lost_words(lost, price)));
        }
    }
    Ok(facts)
}

/// A site's price is a number in the currency of the site, which nobody tells: so it is said whose
/// number it is, instead of one that looks like a part of something.
fn lost_words(lost_cents: f64, price_cents: i64) -> String {
    let (lost, price) = (lost_cents / 100.0, price_cents as f64 / 100.0);
    format!("{lost:.2}, in the currency of the site's price of {price:.2} a kWh")
}

/// When the condition was gone, where it did not come back.
fn gone_at(incident: &Incident, timeline: &[TimelineEntry]) -> Option<UnixMs> {
    let is_gone = incident.state.is_over() || incident.state == IncidentState::RecoveredUnproven;
    let last = timeline.iter().rev().find(|entry| entry.kind == "recovered");
    last.filter(|_| is_gone).map(|entry| entry.at)
}

/// How long a connector could not be used between two times, in milliseconds: out of order or out of
/// service itself, or with its whole charger, or without a connection. Rows before `from` say how
/// it was then.
fn down_ms(
    at: ConnectorRef,
    from: UnixMs,
    until: UnixMs,
    link: &[LinkChangeRow],
    states: &[StateChangeRow],
) -> i64 {
    // (time, which of the three, whether it is down from then on)
    let mut changes: Vec<(UnixMs, usize, bool)> =
        link.iter().map(|row| (row.at, 0, !row.online)).collect();
    changes.extend(states.iter().filter_map(|row| {
        let which = match row.connector {
            connector if connector.is_charger() => 1,
            connector if connector == at => 2,
            _ => return None,
        };
        Some((row.at, which, matches!(row.status.as_str(), "Faulted" | "Unavailable")))
    }));
    changes.sort_by_key(|(at, ..)| *at);
    let (mut is_down, mut since, mut whole_ms) = ([false; 3], from, 0);
    for (at, which, down) in changes {
        let at = at.max(from).min(until);
        if is_down.contains(&true) {
            whole_ms += at.since_ms(since);
        }
        since = at;
        is_down[which] = down;
    }
    if is_down.contains(&true) {
        whole_ms += until.since_ms(since);
    }
    whole_ms.max(0)
}

/// The power a connector sold on average before the incident, idle time included, in W. `None`
/// without history.
fn usual_power_w(rows: &[TransactionRow], at: ConnectorRef, before: UnixMs) -> Option<f64> {
    let counted = rows.iter().filter(|row| {
        let transaction = &row.transaction;
        (at.is_charger() || transaction.connector == at)
            && transaction.opened_at < before
            && before.since_ms(transaction.opened_at) < HISTORY_MS
    });
    let (mut energy_wh, mut earliest) = (0.0, None::<UnixMs>);
    for row in counted {
        let Some(energy) = row.energy_wh.filter(|energy| *energy > 0.0) else { continue };
        energy_wh += energy;
        let opened_at = row.transaction.opened_at;
        earliest = Some(earliest.map_or(opened_at, |at| at.min(opened_at)));
    }
    // At least an hour, so that one session a minute ago is no average.
    let span_ms = before.since_ms(earliest?).max(HOUR_MS);
    Some(energy_wh * HOUR_MS as f64 / span_ms as f64)
}

fn lost_cents(power_w: f64, down_ms: i64, price_cents: i64) -> f64 {
    power_w / 1_000.0 * down_ms as f64 / HOUR_MS as f64 * price_cents as f64
}

/// Why an incident opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Why {
    pub(super) rule: String,
    pub(super) href: String,
    pub(super) condition: String,
    pub(super) playbook: String,
    pub(super) mode: &'static str,
    pub(super) began: Moment,
}

impl Why {
    pub(super) fn new(handle: &Handle, incident: &Incident) -> Self {
        let catalogue = handle.catalogue();
        let rule = catalogue.rule(&incident.rule);
        let healing = incident.healing.as_ref();
        let playbook = healing.map(|healing| {
            catalogue
                .playbook(&healing.playbook)
                .map_or_else(|| healing.playbook.clone(), |playbook| playbook.title.clone())
        });
        Self {
            rule: rule_title(&incident.rule, rule.map(|rule| rule.title.as_str())),
            href: rule.map_or_else(String::new, |rule| {
                format!("/rules#{}", crate::url::encode(&rule.id))
            }),
            condition: rule.map(|rule| rule.condition_text.clone()).unwrap_or_default(),
            playbook: playbook.unwrap_or_default(),
            mode: match healing.map(|healing| healing.mode) {
                None => "No command can heal this",
                Some(mendpoint_model::HealMode::Off) => "Healing is switched off for it",
                Some(mendpoint_model::HealMode::Shadow) => "Only written down, nothing is sent",
                Some(mendpoint_model::HealMode::Approve) => "A person approves each step",
                Some(mendpoint_model::HealMode::On) => "The system acts by itself",
            },
            began: Moment::new(handle.now(), incident.began_at),
        }
    }
}

/// The name of a rule; what people report has none.
fn rule_title(id: &str, title: Option<&str>) -> String {
    match (id, title) {
        (_, Some(title)) => title.to_owned(),
        ("USER_REPORT", None) => "Report of a driver".to_owned(),
        ("MANUAL", None) => "Report of the support team".to_owned(),
        (id, None) => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{ChargerKey, MINUTE_MS, Transaction};

    use super::*;

    const BEGAN: UnixMs = UnixMs(1_790_000_000_000);

    fn session(connector: u16, hours_before: i64, energy_wh: f64) -> TransactionRow {
        TransactionRow {
            charger: ChargerKey(1),
            transaction: Transaction {
                connector: ConnectorRef::v16(connector),
                opened_at: BEGAN - hours_before * HOUR_MS,
                ..Transaction::default()
            },
            ended_at: Some(BEGAN),
            energy_wh: Some(energy_wh),
            reason: "Local".to_owned(),
            suspect: None,
            severity: mendpoint_store::Severity::Sound,
            findings: 0,
            look: None,
        }
    }

    #[test]
    fn the_loss_is_what_the_connector_usually_sells() {
        let rows = [session(1, 10, 30_000.0), session(1, 2, 20_000.0), session(2, 5, 99_000.0)];
        let power = usual_power_w(&rows, ConnectorRef::v16(1), BEGAN).expect("there is history");
        assert!((power - 5_000.0).abs() < 0.1, "50 kWh in ten hours: {power}");
        assert!((lost_cents(power, 2 * HOUR_MS, 45) - 450.0).abs() < 0.1);
    }

    #[test]
    fn a_connector_is_down_only_while_it_cannot_be_used() {
        let at = |minutes: i64| BEGAN + minutes * MINUTE_MS;
        let state = |connector: u16, minutes: i64, status: &str| StateChangeRow {
            connector: ConnectorRef::v16(connector),
            at: at(minutes),
            told_at: at(minutes),
            status: status.to_owned(),
            error: String::new(),
        };
        let states = [
            state(1, -5, "Available"),
            state(1, 0, "Faulted"),
            state(2, 0, "Faulted"),
            state(1, 4, "Available"),
            state(1, 30, "Charging"),
        ];
        let offline = LinkChangeRow { at: at(3), online: false, reason: String::new() };
        let online = LinkChangeRow { at: at(6), online: true, reason: String::new() };
        let one = ConnectorRef::v16(1);
        assert_eq!(down_ms(one, at(0), at(60), &[], &states), 4 * MINUTE_MS);
        assert_eq!(down_ms(one, at(0), at(60), &[offline, online], &states), 6 * MINUTE_MS);
        let before = [state(1, -9, "Faulted")];
        assert_eq!(down_ms(one, at(0), at(60), &[], &before), 60 * MINUTE_MS, "it still is");
    }

    #[test]
    fn without_history_nothing_is_estimated() {
        assert_eq!(usual_power_w(&[], ConnectorRef::CHARGER, BEGAN), None);
        let later = [session(1, -1, 10_000.0)];
        assert_eq!(usual_power_w(&later, ConnectorRef::CHARGER, BEGAN), None);
        let old = [session(1, 24 * 40, 10_000.0)];
        assert_eq!(usual_power_w(&old, ConnectorRef::CHARGER, BEGAN), None);
    }
}
