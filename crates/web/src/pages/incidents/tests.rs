use std::sync::Arc;

use mendpoint_model::{ChargerKey, ConnectorRef, IncidentId, SiteKey};

use super::*;

const NOW: UnixMs = UnixMs(1_790_000_000_000);

/// An incident with nothing special about it.
pub(in crate::pages) fn incident(id: i64, state: IncidentState, needs_person: bool) -> Incident {
    let id = IncidentId(id);
    Incident {
        state,
        severity: 3,
        connector: ConnectorRef::v16(2),
        code: "GroundFailure".to_owned(),
        title: "GroundFailure, connector 2".to_owned(),
        description: "Connector 2 reports a ground failure.".to_owned(),
        next: "Waiting for it to reconnect".to_owned(),
        next_at: Some(NOW + 240_000),
        began_at: NOW - 600_000,
        opened_at: NOW - 540_000,
        needs_person,
        ..Incident::opened(id, "ERR_FAULTED", ChargerKey(1), SiteKey(1), NOW)
    }
}

fn list(rows: Vec<Row>) -> List {
    List {
        tabs: Vec::new(),
        rows,
        empty: Tab::NeedsYou.empty(),
        refresh: "/incidents?tab=needs-you&fragment=list".to_owned(),
        unfiltered: "/incidents?tab=needs-you".to_owned(),
        narrowed: false,
        first: None,
        next: None,
        closed: false,
    }
}

fn row(incident: &Incident) -> Row {
    Row::new(incident, &Arc::<Directory>::default(), NOW)
}

#[test]
fn an_open_incident_is_on_one_working_tab() {
    for state in IncidentState::ALL {
        for needs_person in [false, true] {
            let working = [Tab::NeedsYou, Tab::Healing, Tab::InHand]
                .into_iter()
                .filter(|tab| {
                    tab.has(state) && tab.needs_person().is_none_or(|wanted| wanted == needs_person)
                })
                .count();
            let expected = usize::from(!state.is_over());
            assert_eq!(working, expected, "{state:?}, needs a person: {needs_person}");
        }
    }
    assert!(Tab::Closed.has(IncidentState::Resolved));
    assert_eq!(Tab::All.states().len(), IncidentState::ALL.len());
}

#[test]
fn the_counts_of_the_tabs_agree_with_their_rows() {
    let waiting =
        [incident(1, IncidentState::Escalated, true), incident(2, IncidentState::Healing, true)];
    let mut counts = IncidentCounts { needs_person: 2, ..IncidentCounts::default() };
    counts.by_state.insert(IncidentState::Escalated, 4);
    counts.by_state.insert(IncidentState::Healing, 3);
    counts.by_state.insert(IncidentState::Resolved, 9);
    let count = |tab: Tab| tab.count(&counts, &waiting);
    assert_eq!(count(Tab::NeedsYou), 2);
    assert_eq!(count(Tab::Healing), 2, "one of three waits for a person");
    assert_eq!(count(Tab::InHand), 3);
    assert_eq!(count(Tab::Closed), 9);
    assert_eq!(count(Tab::All), 16);
}

#[test]
fn the_filter_stays_in_the_address() {
    let filter =
        Filter { q: "Gara & Nord".to_owned(), rule: "CP_OFFLINE".to_owned(), ..Filter::default() };
    assert_eq!(
        filter.href(Tab::Closed, "5.7"),
        "/incidents?tab=closed&rule=CP_OFFLINE&q=Gara%20%26%20Nord&cursor=5.7"
    );
    let wanted = filter.for_store(Tab::NeedsYou);
    assert_eq!(wanted.needs_person, Some(true));
    assert_eq!(wanted.text.as_deref(), Some("Gara & Nord"));
    assert!(!wanted.states.contains(&IncidentState::Closed));
    assert_eq!(Tab::of("nonsense"), Tab::NeedsYou);
}

#[test]
fn an_empty_list_says_what_will_appear_here() {
    let html = ListFragment { list: list(Vec::new()) }.render().expect("it renders");
    assert!(html.contains("Nothing needs you"), "{html}");
    assert!(!html.contains("<table"), "{html}");
}

#[test]
fn rows_render_one_or_many() {
    let one = incident(7, IncidentState::Healing, false);
    let html = ListFragment { list: list(vec![row(&one)]) }.render().expect("it renders");
    assert!(html.contains(r#"href="/incidents/INC-7""#), "{html}");
    assert!(html.contains("in 4 min"), "what happens next has its time: {html}");
    let many = (0..60).map(|id| row(&incident(id, IncidentState::Open, true))).collect();
    let html = ListFragment { list: list(many) }.render().expect("it renders");
    assert_eq!(html.matches("<tr id=").count(), 60);
}

#[test]
fn what_chargers_say_stays_text() {
    let mut evil = incident(7, IncidentState::Open, true);
    evil.title = "<script>alert(1)</script>".to_owned();
    evil.next = "<img src=x onerror=alert(1)>".to_owned();
    evil.owner = Some("\"><b>".to_owned());
    let html = ListFragment { list: list(vec![row(&evil)]) }.render().expect("it renders");
    assert!(!html.contains("<script>"), "{html}");
    assert!(!html.contains("<img"), "{html}");
    assert!(!html.contains("<b>"), "{html}");
}

#[test]
fn an_incident_that_was_tried_and_handed_over_is_called_not_healed() {
    use mendpoint_model::{HealMode, Healing, Rung, Step, StepState};
    let mut handed = incident(1, IncidentState::Escalated, true);
    assert_eq!(state_label(&handed), "Handed over");
    handed.healing = Some(Healing {
        playbook: "err_faulted".to_owned(),
        mode: HealMode::On,
        ladder: vec![Rung::L4],
        steps: vec![Step {
            number: 1,
            rung: Rung::L4,
            state: StepState::NotFixed,
            at: NOW,
            commands: Vec::new(),
            accepted_at: None,
            ended_at: Some(NOW),
            note: String::new(),
            guardrail: String::new(),
            why: String::new(),
        }],
        stopped_by: None,
    });
    assert_eq!(state_label(&handed), "Not healed");
}
