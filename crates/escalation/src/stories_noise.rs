//! The sentences of 1.9 about noise: groups, quiet hours, budgets, digests.

use mendpoint_model::{HOUR_MS, IncidentState, MINUTE_MS, SECOND_MS};

use crate::kit::{Kit, at_night, book};
use crate::{Brief, Webhook, WebhookFormat};

#[test]
fn a_group_waits_thirty_seconds_and_comes_in_one_mail() {
    let mut kit = Kit::new(book());
    kit.handed(1);
    kit.wait(10 * SECOND_MS);
    kit.handed(2);
    kit.wait(10 * SECOND_MS);
    kit.handed(3);
    kit.wait(MINUTE_MS);
    assert_eq!(kit.letters(), ["0:00:30 ana@x.example [3 incidents] Harbour, faults"]);
}

#[test]
fn what_comes_later_waits_for_the_interval_of_five_minutes() {
    let mut kit = Kit::new(book());
    kit.handed(1);
    kit.wait(MINUTE_MS);
    kit.handed(2);
    kit.handed(3);
    kit.wait(6 * MINUTE_MS);
    assert_eq!(
        kit.letters(),
        [
            "0:00:30 ana@x.example [INC-1] P2 Fault number 1 (HB-03, Harbour)",
            "0:05:30 ana@x.example [2 incidents] Harbour, faults",
        ]
    );
}

#[test]
fn other_families_are_told_apart() {
    let mut kit = Kit::new(book());
    kit.handed(1);
    let brief = Brief {
        handed_over: true,
        state: IncidentState::Escalated,
        group: "Harbour, connectivity".to_owned(),
        ..kit.brief(2)
    };
    kit.tell(brief);
    kit.wait(MINUTE_MS);
    assert_eq!(kit.told().len(), 2);
}

#[test]
fn nobody_answered_is_repeated_every_four_hours() {
    let mut book = book();
    book.rotas.values_mut().for_each(|rota| rota.people.truncate(1));
    book.places.clear();
    let mut kit = Kit::new(book);
    kit.handed(1);
    kit.wait(9 * HOUR_MS);
    let again: Vec<_> =
        kit.letters().into_iter().filter(|line| line.contains("Nobody answered")).collect();
    assert_eq!(again.len(), 2, "{again:?}");
}

#[test]
fn quiet_hours_keep_it_for_the_morning_in_one_mail() {
    let mut kit = Kit::new(at_night(book(), "ana"));
    kit.handed(1);
    kit.wait(10 * MINUTE_MS);
    // Who sleeps was not told, and nobody is shown as if.
    let ana = |kit: &Kit| {
        let case = kit.duty.case(mendpoint_model::IncidentId(1)).expect("it is open");
        let told = case.told.iter().find(|told| told.key == "user:ana").expect("she is meant");
        (told.waits, told.until.is_some())
    };
    assert_eq!(ana(&kit), (true, true));
    kit.handed(2);
    kit.wait(8 * HOUR_MS - 5 * MINUTE_MS);
    assert_eq!(ana(&kit), (false, false), "now she was");
    let to_ana: Vec<_> = kit.letters().into_iter().filter(|line| line.contains("ana@")).collect();
    // It is quiet from 9 to 18; the story begins at ten.
    assert_eq!(to_ana.len(), 1, "{to_ana:?}");
    assert!(to_ana[0].starts_with("8:00:00 ana@x.example ["), "{to_ana:?}");
    assert!(
        kit.lines()
            .contains(&"0:00:30 ANA is told at 18:00 Europe/Bucharest: quiet hours".to_owned()),
        "{:#?}",
        kit.lines()
    );
    assert!(kit.told().contains(&"0:15:30 ion@x.example".to_owned()), "the chain goes on");
}

#[test]
fn danger_breaks_through_quiet_hours_and_budget() {
    for severity in [0, 1, 2, 3] {
        let mut book = at_night(book(), "ana");
        book.persons.values_mut().for_each(|person| person.budget = 0);
        let mut kit = Kit::new(book);
        let brief =
            Brief { handed_over: true, state: IncidentState::Escalated, severity, ..kit.brief(1) };
        kit.tell(brief);
        kit.wait(MINUTE_MS);
        assert_eq!(kit.told().len(), usize::from(severity <= 2), "severity {severity}");
    }
}

#[test]
fn above_the_budget_everything_comes_in_one_digest() {
    let mut book = book();
    book.persons.values_mut().for_each(|person| person.budget = 2);
    let mut kit = Kit::new(book);
    for number in 1..=6 {
        let brief = Brief {
            handed_over: true,
            state: IncidentState::Escalated,
            group: format!("group {number}"),
            ..kit.brief(number)
        };
        kit.tell(brief);
    }
    kit.wait(14 * MINUTE_MS);
    let letters = kit.letters();
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert_eq!(letters[2], "0:05:30 ana@x.example [4 in one mail] What you were not told at once");
    // The next digest comes four hours later at the earliest.
    let brief = Brief { handed_over: true, group: "late".to_owned(), ..kit.brief(9) };
    kit.tell(brief);
    kit.wait(30 * MINUTE_MS);
    let to_ana = |kit: &Kit| kit.told().iter().filter(|line| line.contains("ana@")).count();
    assert_eq!(to_ana(&kit), 3);
    kit.wait(4 * HOUR_MS);
    assert_eq!(to_ana(&kit), 4);
}

#[test]
fn the_budget_is_new_at_midnight_of_the_person() {
    let mut book = book();
    book.persons.values_mut().for_each(|person| person.budget = 1);
    let mut kit = Kit::new(book);
    kit.handed(1);
    kit.wait(MINUTE_MS);
    // Ten in the morning and fourteen hours: midnight in Bucharest.
    kit.wait(14 * HOUR_MS);
    let before = kit.told().len();
    let brief = Brief { handed_over: true, group: "new day".to_owned(), ..kit.brief(2) };
    kit.tell(brief);
    kit.wait(31 * SECOND_MS);
    assert_eq!(kit.told().len(), before + 1);
}

#[test]
fn what_was_over_before_it_was_told_is_not_told() {
    let mut kit = Kit::new(book());
    let brief = kit.handed(1);
    kit.wait(20 * SECOND_MS);
    kit.tell(Brief { state: IncidentState::Resolved, ..brief });
    kit.wait(HOUR_MS);
    assert!(kit.letters().is_empty(), "{:?}", kit.letters());
}

#[test]
fn whoever_was_told_hears_that_it_is_over_unless_they_do_not_want_to() {
    let mut kit = Kit::new(book());
    let brief = kit.handed(1);
    kit.wait(16 * MINUTE_MS);
    kit.set_book(|book| {
        if let Some(ion) = book.persons.get_mut("ion") {
            ion.tell_over = false;
        }
    });
    let resolution = "Soft reset helped".to_owned();
    kit.tell(Brief { state: IncidentState::Resolved, resolution, ..brief });
    kit.wait(HOUR_MS);
    let over: Vec<_> = kit.letters().into_iter().filter(|line| line.contains("Over:")).collect();
    assert_eq!(over.len(), 2, "{over:?}");
    assert!(!over.iter().any(|line| line.contains("ion@")));
}

#[test]
fn a_program_is_told_in_its_own_words() {
    let mut book = book();
    let text = include_str!("../../../config/routes.toml")
        .replace("[\"on_call\"]", "[\"webhook:noc\", \"webhook:phone\", \"webhook:gone\"]");
    book.routes = crate::Routes::parse(&text, 1.0).expect("good");
    for (name, format) in [("noc", WebhookFormat::Json), ("phone", WebhookFormat::Ntfy)] {
        let webhook = Webhook { format, topic: "alarm".to_owned() };
        book.webhooks.insert(name.to_owned(), webhook);
    }
    let mut kit = Kit::new(book);
    kit.handed(1);
    kit.wait(MINUTE_MS);
    let bodies: Vec<serde_json::Value> = kit
        .orders
        .iter()
        .filter_map(|(_, order)| match order {
            crate::Order::Letter(letter) => serde_json::from_str(&letter.text).ok(),
            _ => None,
        })
        .collect();
    assert_eq!(bodies[0]["items"][0]["incident"], "INC-1");
    assert_eq!(bodies[0]["items"][0]["url"], "https://m.example/incidents/INC-1");
    assert_eq!((&bodies[1]["topic"], &bodies[1]["priority"]), (&"alarm".into(), &4.into()));
    assert!(kit.lines().contains(&"0:00:00 Nobody to tell: webhook".to_owned()));
}

#[test]
fn what_another_incident_stands_for_is_not_told_until_it_stands_alone() {
    let mut kit = Kit::new(book());
    let brief = Brief { handed_over: true, inhibited: true, ..kit.brief(1) };
    kit.tell(brief.clone());
    kit.wait(5 * HOUR_MS);
    assert!(kit.letters().is_empty() && kit.work_orders().is_empty());
    kit.tell(Brief { inhibited: false, ..brief });
    kit.wait(MINUTE_MS);
    assert_eq!(kit.told(), ["5:00:30 ana@x.example"]);
}
