use mendpoint_model::{ChargerKey, ConnectorRef, IncidentId, SiteKey};
use mendpoint_tickets::{
    EvidenceKind, NewTicket, TicketCommand, TicketEventKind, Visibility, WorkMode, decide,
};

use super::*;
use crate::place::Place;

const START: UnixMs = UnixMs(1_790_000_000_000);
const EVIL: &str = "<script>alert('x')</script>";

/// A ticket with its history; every command comes a minute after the one before.
struct Kit {
    ticket: Ticket,
    events: Vec<TicketEvent>,
    now: UnixMs,
}

impl Kit {
    fn opened(kind: TicketKind, text: &str) -> Self {
        let new = NewTicket {
            id: TicketId(1882),
            kind,
            mode: WorkMode::OnSite,
            incident: Some(IncidentId(7)),
            charger: ChargerKey(1),
            site: SiteKey(1),
            connector: ConnectorRef::v16(2),
            priority: Priority::P2,
            title: text.to_owned(),
            description: text.to_owned(),
            tried: vec![text.to_owned()],
            requester: "system".to_owned(),
        };
        let open = TicketCommand::Open(Box::new(new));
        let events = decide(None, open, START, &Actor::Engine).expect("a new ticket");
        let ticket = Ticket::fold(&events).expect("it begins with the opening");
        Self { ticket, events, now: START }
    }

    fn does(mut self, command: TicketCommand) -> Self {
        self.now = self.now + MINUTE_MS;
        let actor = Actor::User("Radu Pop".to_owned());
        let events =
            decide(Some(&self.ticket), command, self.now, &actor).expect("it is possible now");
        for event in &events {
            self.ticket.apply(event);
        }
        self.events.extend(events);
        self
    }

    fn assigned(self) -> Self {
        self.does(TicketCommand::Assign {
            assignee: Contact {
                name: "Radu Pop".to_owned(),
                email: "radu@installer.example".to_owned(),
                phone: "+40 721 000 111".to_owned(),
            },
            user: None,
        })
    }

    fn words(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let (shown, more) = commands(&self.ticket);
        let words = |views: Vec<CommandView>| views.into_iter().map(|view| view.word).collect();
        (words(shown), words(more))
    }

    fn primary(&self) -> &'static str {
        let (shown, _) = commands(&self.ticket);
        let marked: Vec<_> =
            shown.iter().filter(|view| view.primary).map(|view| view.word).collect();
        assert!(marked.len() <= 1, "one way forward: {marked:?}");
        marked.first().copied().unwrap_or_default()
    }

    fn classes(&self) -> String {
        let steps = steps::steps(&self.ticket, &self.events, self.now);
        let letter = |step: &StepView| match step.class {
            "done" => 'd',
            "now" => 'N',
            "skip" => 's',
            _ => '-',
        };
        steps.iter().map(letter).collect()
    }

    fn html(&self) -> String {
        let charger = ChargerNow {
            place: Place::default(),
            model: EVIL.to_owned(),
            firmware: String::new(),
            online: false,
            link: "offline for 4 min".to_owned(),
            connectors: Vec::new(),
        };
        let mut view = View::new(&self.ticket, &self.events, charger, &[], self.now);
        view.can_act = true;
        TicketFragment { view }.render().expect("it renders")
    }
}

#[test]
fn the_way_forward_is_the_marked_button() {
    let kit = Kit::opened(TicketKind::Incident, "fault");
    assert_eq!(kit.primary(), "assign");
    let kit = kit.assigned();
    assert_eq!(kit.primary(), "accept");
    let kit = kit.does(TicketCommand::Accept);
    assert_eq!(kit.primary(), "start_travel");
    let kit = kit.does(TicketCommand::StartTravel { eta: None });
    assert_eq!(kit.primary(), "arrive");
    let kit = kit.does(TicketCommand::Arrive).does(TicketCommand::Start);
    assert_eq!(kit.primary(), "resolve");
}

#[test]
fn every_possible_command_is_offered_once() {
    let kit = Kit::opened(TicketKind::Incident, "fault").assigned();
    let (shown, more) = kit.words();
    let mut offered: Vec<_> = shown.into_iter().chain(more).collect();
    offered.sort_unstable();
    let mut possible: Vec<_> = available_commands(&kit.ticket)
        .into_iter()
        .filter(|kind| *kind != CommandKind::Note)
        .map(CommandKind::name)
        .collect();
    possible.sort_unstable();
    assert_eq!(offered, possible);
}

#[test]
fn the_steps_follow_the_ticket() {
    let kit = Kit::opened(TicketKind::Incident, "fault");
    assert_eq!(kit.classes(), "N------");
    let kit = kit.assigned().does(TicketCommand::Accept);
    assert_eq!(kit.classes(), "ddN----");
    let kit = kit
        .does(TicketCommand::StartTravel { eta: None })
        .does(TicketCommand::Wait { kind: WaitKind::Parts, reason: "no cable".to_owned() });
    assert_eq!(kit.classes(), "dddN---", "waiting stands where it was");
    let kit = kit.does(TicketCommand::Resume).does(TicketCommand::Arrive);
    let kit = kit.does(TicketCommand::Resolve {
        cause: "Worn cable".to_owned(),
        action: "Cable replaced".to_owned(),
        text: String::new(),
    });
    assert_eq!(kit.classes(), "ddddddN", "the charger is being watched");
    let kit = kit
        .does(TicketCommand::Evidence { kind: EvidenceKind::Proven, text: "4.2 kWh".to_owned() });
    assert_eq!(kit.classes(), "ddddddd");
    assert!(matches!(kit.events.last().map(|e| &e.kind), Some(TicketEventKind::Closed { .. })));
}

#[test]
fn a_charger_that_mended_itself_skips_the_work() {
    let kit = Kit::opened(TicketKind::Incident, "fault")
        .does(TicketCommand::Evidence { kind: EvidenceKind::Proven, text: "4.2 kWh".to_owned() });
    assert_eq!(kit.classes(), "dssssdd");
    let html = kit.html();
    assert!(html.contains("<b>Recovered</b>") && !html.contains("<b>Repaired</b>"), "{html}");
}

#[test]
fn clocks_say_what_is_left_met_or_missed() {
    let kit = Kit::opened(TicketKind::Incident, "fault");
    let early = targets(&kit.ticket, START + 15 * MINUTE_MS);
    assert_eq!(
        (early[0].state.as_str(), early[0].percent, early[0].tone),
        ("45 min left", 25, "run")
    );
    let soon = targets(&kit.ticket, START + 50 * MINUTE_MS);
    assert_eq!(soon[0].tone, "soon");
    let late = targets(&kit.ticket, START + 70 * MINUTE_MS);
    assert_eq!(
        (late[0].state.as_str(), late[0].percent, late[0].tone),
        ("10 min late", 100, "bad")
    );
    let kit = kit.assigned().does(TicketCommand::Accept);
    let met = targets(&kit.ticket, kit.now + MINUTE_MS);
    assert_eq!((met[0].state.as_str(), met[0].tone), ("met 14:15", "met"));
    let day = |hours: i64| day_time(START, START + hours * 60 * MINUTE_MS);
    assert_eq!((day(1).as_str(), day(14).as_str()), ("15:13", "tomorrow 04:13"));
    assert_eq!((day(-24).as_str(), day(72).as_str()), ("yesterday 14:13", "2026-09-24 14:13"));
    assert_eq!(minutes(59_999), "under 1 min");
}

#[test]
fn the_page_renders_new_and_full_and_text_stays_text() {
    let html = Kit::opened(TicketKind::Incident, "Ground fault").html();
    assert!(html.contains("Nobody is asked yet"), "{html}");
    assert!(html.contains("No mail about this ticket yet"), "{html}");
    assert!(html.contains(r#"action="/tickets/T-1882/assign""#), "{html}");

    let mut kit = Kit::opened(TicketKind::Incident, EVIL).assigned();
    for visibility in [Visibility::Internal, Visibility::Customer] {
        kit = kit.does(TicketCommand::Note { text: EVIL.to_owned(), visibility });
    }
    let html = kit.html();
    assert!(!html.contains("<script"), "{html}");
    assert!(!html.contains(" style="), "the content policy forbids it");
    assert!(html.contains("msg int") && html.contains("msg pub"), "{html}");
    assert!(html.contains("tel:+40721000111"), "{html}");
    assert!(html.contains("mailto:radu%40installer.example"), "{html}");
}
