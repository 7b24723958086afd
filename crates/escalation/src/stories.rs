//! The sentences of 1.9 about chains, as timelines in virtual time.

use mendpoint_model::{HOUR_MS, IncidentState, MINUTE_MS, SECOND_MS, SiteKey, TicketId};

use crate::kit::{Kit, book, private_ac};
use crate::{Brief, Order, PlaceTags, Scope};

#[test]
fn public_dc_on_call_then_second_and_owner_then_the_installer_then_the_breach_list() {
    let mut kit = Kit::new(book());
    kit.handed(1);
    kit.wait(9 * HOUR_MS);
    assert_eq!(
        kit.told(),
        [
            "0:00:30 ana@x.example",
            "0:15:30 owner@x.example",
            "0:15:30 ion@x.example",
            // Four hours after the last of them nobody had answered.
            "4:15:30 owner@x.example",
            "4:15:30 ana@x.example",
            "4:15:30 ion@x.example",
            "8:15:30 owner@x.example",
            "8:15:30 ana@x.example",
            "8:15:30 ion@x.example",
        ]
    );
    assert_eq!(kit.work_orders(), ["4:00:00 INC-1"]);
    let lines = kit.lines();
    assert!(lines.contains(&"0:00:30 Written to ANA, on call".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"0:15:30 Written to ION, second on call".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"8:00:00 On the breach list: not over after 8 h".to_owned()));
}

#[test]
fn healing_has_fifteen_minutes_before_anybody_is_told() {
    let mut kit = Kit::new(book());
    let healing = kit.brief(1);
    kit.tell(healing);
    kit.wait(15 * MINUTE_MS + 29 * SECOND_MS);
    assert!(kit.told().is_empty());
    kit.wait(SECOND_MS);
    assert_eq!(kit.told(), ["0:15:30 ana@x.example"]);
}

#[test]
fn what_was_healed_in_time_is_told_to_nobody() {
    let mut kit = Kit::new(book());
    let healing = kit.brief(1);
    kit.tell(healing.clone());
    kit.wait(10 * MINUTE_MS);
    kit.tell(Brief { state: IncidentState::RecoveredUnproven, ..healing.clone() });
    kit.wait(10 * HOUR_MS);
    kit.tell(Brief { state: IncidentState::Resolved, ..healing });
    kit.wait(HOUR_MS);
    assert!(kit.letters().is_empty() && kit.work_orders().is_empty(), "{:?}", kit.letters());
    assert_eq!(kit.duty.cases().count(), 0, "nothing of it is kept");
}

#[test]
fn a_warning_that_is_still_healed_wakes_nobody() {
    let mut kit = Kit::new(book());
    let warning = Brief { severity: 6, ..kit.brief(1) };
    kit.tell(warning);
    kit.wait(24 * HOUR_MS);
    assert!(kit.letters().is_empty());
}

#[test]
fn private_ac_the_owner_after_two_hours_the_installer_after_a_day() {
    let mut kit = Kit::new(private_ac(book()));
    kit.handed(1);
    kit.wait(30 * HOUR_MS);
    assert_eq!(kit.told(), ["2:00:30 owner@x.example"]);
    assert_eq!(kit.work_orders(), ["24:00:00 INC-1"]);
}

#[test]
fn the_owner_of_a_charger_comes_before_the_owner_of_its_site() {
    let mut book = private_ac(book());
    let home = PlaceTags { owner_email: "home@x.example".to_owned(), ..PlaceTags::default() };
    let charger = Kit::new(book.clone()).brief(1).charger;
    book.places.insert(Scope::Charger(charger), home);
    let mut kit = Kit::new(book);
    kit.handed(1);
    kit.wait(3 * HOUR_MS);
    assert_eq!(kit.told(), ["2:00:30 home@x.example"]);
}

#[test]
fn an_acknowledgement_stops_the_chain_and_the_others_hear_of_it() {
    let mut kit = Kit::new(book());
    let brief = kit.handed(1);
    kit.wait(16 * MINUTE_MS);
    kit.tell(Brief {
        taken_by: Some("ion".to_owned()),
        state: IncidentState::Acknowledged,
        ..brief
    });
    kit.wait(7 * HOUR_MS);
    assert_eq!(
        kit.letters()[3..],
        [
            "0:16:30 ana@x.example [INC-1] Taken: P2 Fault number 1 (HB-03, Harbour)",
            "0:20:30 owner@x.example [INC-1] Taken: P2 Fault number 1 (HB-03, Harbour)",
        ]
    );
    assert!(kit.work_orders().is_empty(), "whoever has it decides about the installer");
    assert!(kit.lines().contains(&"0:16:00 ion took it: nobody else is told".to_owned()));
}

#[test]
fn what_is_given_back_goes_on_where_the_chain_would_be() {
    let mut kit = Kit::new(book());
    let brief = kit.handed(1);
    kit.wait(MINUTE_MS);
    let taken = Brief { taken_by: Some("ana".to_owned()), ..brief.clone() };
    kit.tell(taken);
    kit.wait(30 * MINUTE_MS);
    kit.tell(brief);
    kit.wait(MINUTE_MS);
    assert_eq!(kit.told()[1..], ["0:31:30 owner@x.example", "0:31:30 ion@x.example"]);
    assert!(kit.lines().iter().any(|line| line.ends_with("the chain goes on")));
}

#[test]
fn a_step_that_reaches_nobody_is_not_waited_for() {
    let mut empty = book();
    empty.rotas.clear();
    empty.places.clear();
    let mut kit = Kit::new(empty);
    kit.handed(1);
    assert_eq!(kit.work_orders(), ["0:00:00 INC-1"]);
    let lines = kit.lines();
    assert!(lines.contains(&"0:00:00 Nobody to tell: on call".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"0:00:00 Nobody to tell: second on call and owner".to_owned()));
}

#[test]
fn only_the_step_that_reaches_nobody_is_left_out() {
    let mut half = book();
    half.rotas.clear();
    let mut kit = Kit::new(half);
    let handed = kit.now;
    kit.handed(1);
    let began =
        |kit: &Kit| kit.duty.case(mendpoint_model::IncidentId(1)).and_then(|case| case.began_at);
    assert_eq!(began(&kit), Some(handed), "it began when it was handed over, not before");
    kit.wait(5 * HOUR_MS);
    assert_eq!(began(&kit), Some(handed));
    assert_eq!(kit.told()[0], "0:00:30 owner@x.example");
    // The installer comes as long after the owner as the chain says.
    assert_eq!(kit.work_orders(), ["3:45:00 INC-1"]);
}

#[test]
fn the_rule_may_name_a_route_and_the_first_that_fits_counts() {
    let text = format!(
        "[[route]]\nname = \"night\"\nseverity_max = 1\nrules = [\"ERR_*\"]\nchain = \"desk\"\n\
         [[route]]\nname = \"west\"\nsites = [\"W*\"]\nchain = \"desk\"\n\
         [[route]]\nname = \"fast\"\nlabels = [\"motorway\"]\nchain = \"desk\"\n\
         [[chain]]\nname = \"desk\"\n[[chain.step]]\nafter = \"0s\"\ntell = [\"mail:desk@x.example\"]\n{}",
        include_str!("../../../config/routes.toml")
    );
    let mut book = book();
    book.routes = crate::Routes::parse(&text, 1.0).expect("good");
    let kit = Kit::new(book.clone());
    let plain = kit.brief(1);
    let route = |book: &crate::Book, brief: &Brief| book.routes.of(book, brief).name.clone();
    assert_eq!(route(&book, &plain), "default");
    assert_eq!(route(&book, &Brief { route: "night".to_owned(), ..plain.clone() }), "night");
    assert_eq!(route(&book, &Brief { route: "gone".to_owned(), ..plain.clone() }), "default");
    assert_eq!(route(&book, &Brief { severity: 1, ..plain.clone() }), "night");
    assert_eq!(route(&book, &Brief { site_name: "West".to_owned(), ..plain.clone() }), "west");
    if let Some(tags) = book.places.get_mut(&Scope::Site(SiteKey(1))) {
        tags.labels.push("motorway".to_owned());
    }
    assert_eq!(route(&book, &plain), "fast");
}

#[test]
fn a_restart_tells_nobody_twice_and_forgets_nobody() {
    let mut kit = Kit::new(book());
    let brief = kit.handed(1);
    kit.wait(MINUTE_MS);
    assert_eq!(kit.told(), ["0:00:30 ana@x.example"]);
    kit.restart(std::slice::from_ref(&brief));
    kit.wait(10 * MINUTE_MS);
    assert_eq!(kit.told().len(), 1, "ana knows already");
    // It dies between the decision and the letter: the letter still goes.
    kit.wait(4 * MINUTE_MS);
    kit.restart(&[brief]);
    kit.wait(MINUTE_MS);
    assert_eq!(kit.told()[1..], ["0:15:30 owner@x.example", "0:15:30 ion@x.example"]);
}

#[test]
fn a_taker_is_not_told_of_their_own_taking() {
    let mut kit = Kit::new(book());
    let brief = kit.handed(1);
    kit.wait(MINUTE_MS);
    // Histories show the name for people.
    kit.tell(Brief { taken_by: Some("ANA".to_owned()), ..brief });
    kit.wait(HOUR_MS);
    assert_eq!(kit.told(), ["0:00:30 ana@x.example"]);
}

#[test]
fn the_installer_at_work_counts_as_an_acknowledgement() {
    let mut kit = Kit::new(book());
    let brief = kit.handed(1);
    kit.wait(MINUTE_MS);
    let ticket = Some(TicketId(1));
    kit.tell(Brief { state: IncidentState::InProgress, ticket, ..brief });
    kit.wait(5 * HOUR_MS);
    assert!(kit.work_orders().is_empty());
    assert!(!kit.told().iter().any(|line| line.contains("ion")));
}

#[test]
fn what_still_lasts_is_on_the_breach_list_though_somebody_has_it() {
    let mut kit = Kit::new(book());
    let brief = kit.handed(1);
    kit.wait(MINUTE_MS);
    kit.tell(Brief { taken_by: Some("ana".to_owned()), ..brief });
    kit.wait(8 * HOUR_MS);
    let breached = kit.duty.cases().filter(|(_, case)| case.breached_at.is_some()).count();
    assert_eq!(breached, 1);
    assert!(!kit.has(&Order::WorkOrder(mendpoint_model::IncidentId(1))));
}

#[test]
fn an_owner_without_an_account_reads_a_whole_sentence_and_hears_nothing_of_their_own_taking() {
    let mut kit = Kit::new(private_ac(book()));
    let brief = kit.handed(1);
    kit.wait(3 * HOUR_MS);
    let letter = kit.orders.iter().find_map(|(_, order)| match order {
        Order::Letter(letter) => Some(letter.text.clone()),
        _ => None,
    });
    let letter = letter.expect("the owner is told");
    assert!(letter.starts_with("You are told as owner"), "{letter}");
    assert!(letter.contains("Open for 2 h"), "{letter}");
    assert!(!letter.contains("quiet hours"), "there is no account to set them in: {letter}");
    // By the link in it; the name is the address.
    kit.tell(Brief { taken_by: Some("Owner@x.example".to_owned()), ..brief });
    kit.wait(HOUR_MS);
    assert_eq!(kit.told(), ["2:00:30 owner@x.example"]);
}

#[test]
fn what_is_told_at_once_is_open_for_no_time() {
    let mut kit = Kit::new(book());
    kit.handed(1);
    kit.wait(MINUTE_MS);
    let letter = kit.orders.iter().find_map(|(_, order)| match order {
        Order::Letter(letter) => Some(letter.text.clone()),
        _ => None,
    });
    let letter = letter.expect("a letter");
    assert!(letter.contains("It was opened just now.") && !letter.contains(" 0 s"), "{letter}");
    assert!(letter.contains("quiet hours"), "{letter}");
}

#[test]
fn a_letter_explains_what_is_wrong_and_leads_to_all_that_is_known() {
    let mut kit = Kit::new(book());
    let text = "The protection has to be switched on again on site.";
    let (handed_over, state) = (true, IncidentState::Escalated);
    kit.tell(Brief { text: text.to_owned(), handed_over, state, ..kit.brief(7) });
    kit.wait(MINUTE_MS);
    let letter = kit.orders.iter().find_map(|(_, order)| match order {
        Order::Letter(letter) => Some(letter.clone()),
        _ => None,
    });
    let letter = letter.expect("a letter");
    let file = "https://m.example/incidents/INC-7/evidence";
    assert!(letter.text.contains(file) && letter.html.contains(file), "{}", letter.text);
    assert!(letter.text.contains(text) && letter.html.contains(text), "{}", letter.text);
}

#[test]
fn a_link_in_the_letter_takes_it() {
    let mut kit = Kit::new(book());
    kit.handed(7);
    kit.wait(MINUTE_MS);
    let Some((_, Order::Letter(letter))) =
        kit.orders.iter().find(|(_, order)| matches!(order, Order::Letter(_)))
    else {
        panic!("a letter")
    };
    let token = letter.text.split("/take/").nth(1).and_then(|rest| rest.split_whitespace().next());
    let claim = crate::Signer::new(b"key").read(token.expect("a link"), kit.now).expect("good");
    assert_eq!((claim.incident.0, claim.who.as_str()), (7, "ana"));
    assert!(
        letter.html.contains("/take/") && letter.text.contains("https://m.example/incidents/INC-7")
    );
}
