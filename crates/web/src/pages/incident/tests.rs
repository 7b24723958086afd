use mendpoint_model::{Actor, FrameSeq, IncidentState, Rung, Step};

use super::super::incidents::tests::incident;
use super::*;

const NOW: UnixMs = UnixMs(1_790_000_000_000);
const EVIL: &str = "<script>alert('x')</script>";

fn step(number: u32, rung: Rung, state: StepState) -> Step {
    Step {
        number,
        rung,
        state,
        at: NOW - 60_000 + i64::from(number),
        commands: Vec::new(),
        accepted_at: Some(NOW - 59_000),
        ended_at: state.is_over().then_some(NOW - 30_000),
        note: String::new(),
        guardrail: String::new(),
        why: String::new(),
    }
}

fn healing(steps: Vec<Step>) -> Healing {
    Healing {
        playbook: "err_faulted".to_owned(),
        mode: HealMode::On,
        ladder: vec![Rung::L1, Rung::L4, Rung::L5],
        steps,
        stopped_by: None,
    }
}

fn entry(kind: &str, actor: Actor, frame: FrameSeq) -> TimelineEntry {
    TimelineEntry {
        incident: IncidentId(7),
        at: NOW - 30_000,
        actor,
        kind: kind.to_owned(),
        title: format!("title of {kind}"),
        text: String::new(),
        frame,
        command: None,
        rung: None,
    }
}

fn view(incident: &Incident, timeline: &[TimelineEntry]) -> View {
    let frames = BTreeMap::from([(
        9,
        FrameView {
            action: "StatusNotification".to_owned(),
            line: format!("info {EVIL}"),
            way: "from the charger",
            text: EVIL.to_owned(),
        },
    )]);
    let events = timeline::events(incident, timeline, &frames, NOW);
    View {
        ties: TiesView::default(),
        id: incident.id.to_string(),
        href: "/incidents/INC-7".to_owned(),
        refresh: "/incidents/INC-7?show=&fragment=incident".to_owned(),
        priority: Priority::P2,
        title: incident.title.clone(),
        glyph: glyph_of(incident),
        state: state_label(incident),
        is_safety: false,
        over: incident.state.is_over(),
        opened: Moment::new(NOW, incident.opened_at),
        age: "open for 9 min".to_owned(),
        found_by: found_by(incident),
        place: Place::default(),
        description: incident.description.clone(),
        next: incident.next.clone(),
        due: None,
        owner: String::new(),
        previous: String::new(),
        can_act: true,
        actions: Actions::of(incident, "ana"),
        asked: waiting_step(incident),
        severity: incident.severity,
        recovered: false,
        steps: 1,
        parent: String::new(),
        ticket: None,
        playbook: "Faulted".to_owned(),
        rungs: ladder::ladder(incident, timeline, NOW),
        ribbon: ribbon::ribbon(NOW - 60_000, NOW, &[], &[], &marks(incident, timeline, NOW)),
        lenses: lenses("/incidents/INC-7", &events, None),
        events,
        charger: ChargerNow {
            place: Place::default(),
            model: EVIL.to_owned(),
            firmware: EVIL.to_owned(),
            online: true,
            link: "online".to_owned(),
            connectors: Vec::new(),
        },
        impact: vec![("Connector down", "9 min".to_owned())],
        before: Before::default(),
        why: Why::default(),
        chain: None,
        part: "Card reader",
        drivers: vec![super::DriverView {
            at: Moment::new(NOW, incident.opened_at),
            reason: "Broken".to_owned(),
            text: EVIL.to_owned(),
            photos: vec![7],
        }],
        silence_href: "/duty/silences".to_owned(),
    }
}

fn page_of(incident: &Incident, timeline: &[TimelineEntry]) -> String {
    IncidentFragment { view: view(incident, timeline) }.render().expect("it renders")
}

#[test]
fn only_what_is_possible_now_is_offered() {
    let mut open = incident(7, IncidentState::Open, true);
    let actions = Actions::of(&open, "ana");
    assert!(actions.take && actions.snooze && actions.hand_over && actions.resolve);
    assert!(!actions.run_playbook, "its rule has no playbook");
    assert!(!actions.release && !actions.approve && !actions.stop_healing);

    open.healing = Some(healing(vec![step(1, Rung::L1, StepState::Verifying)]));
    let actions = Actions::of(&open, "ana");
    assert!(actions.stop_healing && !actions.run_playbook);

    open.healing = Some(healing(vec![step(1, Rung::L1, StepState::NotFixed)]));
    open.owner = Some("ana".to_owned());
    let actions = Actions::of(&open, "ana");
    assert!(actions.run_playbook && !actions.stop_healing);
    assert!(actions.release && !actions.take);
    assert!(Actions::of(&open, "mihai").take, "somebody else may take it over");

    open.healing = Some(healing(vec![step(1, Rung::L5, StepState::AwaitingApproval)]));
    assert!(Actions::of(&open, "ana").approve);
    let asked = waiting_step(&open).expect("it waits");
    assert_eq!(asked.to_string(), "step 1, hard reset");

    let over = incident(7, IncidentState::Closed, false);
    let actions = Actions { note: false, ..Actions::of(&over, "ana") };
    assert_eq!(actions, Actions::default(), "an incident that is over takes notes only");
}

#[test]
fn the_ladder_shows_what_each_rung_did_and_ends_with_a_person() {
    let mut tried = incident(7, IncidentState::Verifying, false);
    tried.healing = Some(healing(vec![
        step(1, Rung::L1, StepState::NotFixed),
        step(2, Rung::L4, StepState::Verifying),
    ]));
    let rungs = ladder::ladder(&tried, &[], NOW);
    let classes: Vec<_> = rungs.iter().map(|rung| rung.class).collect();
    assert_eq!(classes, ["neu", "run", "todo", "todo"], "asking is no failed repair");
    assert!(rungs[1].due.is_some(), "what is under way says when it goes on");
    assert_eq!(rungs[3].name, "Hand to a person");

    let handed = [entry("escalated", Actor::Engine, 0)];
    let rungs = ladder::ladder(&tried, &handed, NOW);
    assert_eq!(rungs[3].class, "esc");
    assert!(rungs[3].at.is_some());

    tried.healing = None;
    assert!(ladder::ladder(&tried, &[], NOW).is_empty(), "nothing can heal it");
}

#[test]
fn a_rung_tried_twice_stands_once() {
    let mut tried = incident(7, IncidentState::Resolved, false);
    tried.healing = Some(healing(vec![
        step(1, Rung::L4, StepState::NotFixed),
        step(2, Rung::L4, StepState::Fixed),
    ]));
    let rungs = ladder::ladder(&tried, &[], NOW);
    assert_eq!(rungs.len(), 4);
    assert_eq!((rungs[1].class, rungs[1].name.as_str()), ("ok", "Soft reset, try 2"));
    assert_eq!(rungs[2].note, "Not needed");
}

#[test]
fn the_timeline_is_newest_first_and_can_be_narrowed() {
    let timeline = [
        entry("opened", Actor::Engine, 0),
        entry("proven", Actor::Charger, 0),
        entry("note", Actor::User("ana".to_owned()), 0),
    ];
    let incident = incident(7, IncidentState::Open, true);
    let events = timeline::events(&incident, &timeline, &BTreeMap::new(), NOW);
    assert_eq!(events[0].title, "title of note");
    assert_eq!(events[0].delta, "+8 min");
    let counts: Vec<_> = lenses("/incidents/INC-7", &events, Some(Who::People))
        .iter()
        .map(|lens| lens.count)
        .collect();
    assert_eq!(counts, [3, 1, 1, 1]);
}

#[test]
fn many_changes_in_a_row_are_one_line_that_opens() {
    let mut timeline = vec![entry("opened", Actor::Engine, 0)];
    timeline.extend((0..57).map(|_| entry("status", Actor::Charger, 0)));
    timeline.push(entry("step_sent", Actor::Engine, 0));
    timeline.extend((0..3).map(|_| entry("status", Actor::Charger, 0)));
    let incident = incident(7, IncidentState::Open, true);
    let events = timeline::events(&incident, &timeline, &BTreeMap::new(), NOW);
    let kinds: Vec<_> = events.iter().map(|event| (event.title.as_str(), event.lines())).collect();
    let change = "title of status";
    let wanted = [
        (change, 1),
        (change, 1),
        (change, 1),
        ("title of step_sent", 1),
        (change, 57),
        ("title of opened", 1),
    ];
    assert_eq!(kinds, wanted, "what was done about it is seen between them");
    let all = &lenses("/incidents/INC-7", &events, None)[0];
    assert_eq!(all.count, 62, "every line is there");
    let html = page_of(&incident, &timeline);
    assert!(html.contains("56 more changes, since "), "{html}");
    assert_eq!(html.matches("title of status").count(), 60, "nothing is left out");
}

#[test]
fn a_frame_stands_beside_what_the_charger_said() {
    let timeline = [
        entry("opened", Actor::Engine, 9),
        entry("status", Actor::Charger, 9),
        entry("step_sent", Actor::Engine, 9),
    ];
    let incident = incident(7, IncidentState::Open, true);
    let frame = FrameView {
        action: "StatusNotification".to_owned(),
        line: String::new(),
        way: "from the charger",
        text: String::new(),
    };
    let events = timeline::events(&incident, &timeline, &BTreeMap::from([(9, frame)]), NOW);
    let shown: Vec<_> = events.iter().map(|event| event.frame.is_some()).collect();
    assert_eq!(shown, [false, true, false]);
}

#[test]
fn the_page_renders_empty_and_full() {
    let plain = incident(7, IncidentState::Open, true);
    let html = page_of(&plain, &[]);
    assert!(html.contains("Nothing of this kind yet"), "{html}");
    assert!(!html.contains("class=\"ladder\""), "no playbook, no ladder: {html}");
    assert!(html.contains("/incidents/INC-7/resolve"), "{html}");

    let mut full = incident(7, IncidentState::Healing, false);
    full.healing = Some(healing(vec![step(1, Rung::L1, StepState::AwaitingApproval)]));
    let many: Vec<_> = (0..30).map(|_| entry("step_sent", Actor::Engine, 9)).collect();
    let html = page_of(&full, &many);
    assert_eq!(html.matches("class=\"ev\"").count(), 30);
    assert!(html.contains("Approve: ask for status"), "{html}");
    let named = "<input type=\"hidden\" name=\"step\" value=\"1\"><input type=\"hidden\" name=\"rung\" value=\"L1\">";
    assert_eq!(html.matches(named).count(), 2, "approving and refusing name the step: {html}");
    assert!(html.contains("<svg viewBox="), "the ribbon is drawn, not escaped");
}

#[test]
fn what_chargers_and_people_write_stays_text() {
    let mut evil = incident(7, IncidentState::Open, true);
    evil.title = EVIL.to_owned();
    evil.description = EVIL.to_owned();
    evil.next = EVIL.to_owned();
    evil.reporter = EVIL.to_owned();
    let mut line = entry("note", Actor::User(EVIL.to_owned()), 9);
    line.title = EVIL.to_owned();
    line.text = EVIL.to_owned();
    let html = page_of(&evil, &[line]);
    assert!(!html.contains("<script"), "{html}");
    assert!(html.contains("script&#62;") || html.contains("script&gt;"), "it is shown: {html}");
    assert!(!html.contains(" style="), "the content policy forbids it");
}

#[test]
fn the_ribbon_stands_around_the_incident() {
    let mut short = incident(7, IncidentState::Open, true);
    (short.began_at, short.opened_at) = (NOW - 10 * MINUTE_MS, NOW - 9 * MINUTE_MS);
    let (from, to) = ribbon_window(&short, NOW, 1.0);
    assert!(from <= NOW - 30 * MINUTE_MS, "there is time before it");
    assert!(to >= NOW && to.since_ms(NOW) < 5 * MINUTE_MS);
    let (from, _) = ribbon_window(&short, NOW, 1.0 / 15.0);
    assert!(from > NOW - 20 * MINUTE_MS, "a shortened hour");
    short.began_at = NOW - 90 * 24 * HOUR_MS;
    let (from, to) = ribbon_window(&short, NOW, 1.0);
    assert!(to.since_ms(from) <= RIBBON_MAX_MS + RIBBON_MAX_MS / 20);
}
