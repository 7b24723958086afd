//! The sentences of 1.9 about silences and maintenance windows.

use mendpoint_model::{DAY_MS, HOUR_MS, IncidentId, IncidentState, MINUTE_MS, SiteKey};

use crate::kit::{Kit, book};
use crate::{Brief, Matcher, Order, Scope, Silence, Window};

fn silence(kit: &Kit, matcher: Matcher, ms: i64) -> Silence {
    Silence {
        id: 1,
        matcher,
        from: kit.now,
        until: kit.now + ms,
        reason: "New cables".to_owned(),
        author: "ion".to_owned(),
        ..Silence::default()
    }
}

fn of_site() -> Matcher {
    Matcher { site: "Harbour".to_owned(), ..Matcher::default() }
}

#[test]
fn a_silence_keeps_people_and_tickets_back_but_says_so() {
    let mut kit = Kit::new(book());
    let one = silence(&kit, of_site(), HOUR_MS);
    kit.set_book(|book| {
        book.silences.insert(1, one);
    });
    kit.handed(1);
    assert!(!kit.duty.may_open_ticket(kit.now, IncidentId(1)));
    kit.wait(59 * MINUTE_MS);
    assert!(kit.letters().is_empty() && kit.work_orders().is_empty());
    assert_eq!(kit.lines(), ["0:00:00 Silenced until Mon 23 Nov, 09:00 UTC: nobody is told"]);
    kit.wait(2 * MINUTE_MS);
    // It ended: the ticket is opened, the chain begins, and whoever wrote it hears of it.
    assert!(kit.has(&Order::OpenTicket(IncidentId(1))) && kit.has(&Order::SilenceEnded(1)));
    assert_eq!(
        kit.letters(),
        [
            "1:00:30 ana@x.example [INC-1] P2 Fault number 1 (HB-03, Harbour)",
            "1:00:30 ion@x.example The silence of site Harbour is over",
        ]
    );
    assert!(kit.lines().contains(&"1:00:00 The silence is over: people are told again".to_owned()));
}

#[test]
fn the_end_of_a_silence_is_told_once() {
    let mut kit = Kit::new(book());
    let one = silence(&kit, of_site(), HOUR_MS);
    kit.set_book(|book| {
        book.silences.insert(1, one);
    });
    kit.wait(DAY_MS);
    let ends = kit.orders.iter().filter(|(_, order)| *order == Order::SilenceEnded(1)).count();
    assert_eq!(ends, 1);
    assert_eq!(kit.told(), ["1:00:30 ion@x.example"]);
}

#[test]
fn what_is_over_and_what_is_taken_passes_a_silence() {
    let mut kit = Kit::new(book());
    let brief = kit.handed(1);
    kit.wait(MINUTE_MS);
    let one = silence(&kit, of_site(), HOUR_MS);
    kit.set_book(|book| {
        book.silences.insert(1, one);
    });
    kit.tell(Brief { taken_by: Some("ion".to_owned()), ..brief.clone() });
    kit.wait(10 * MINUTE_MS);
    kit.tell(Brief { state: IncidentState::Resolved, ..brief });
    kit.wait(10 * MINUTE_MS);
    let subjects: Vec<_> = kit
        .letters()
        .iter()
        .map(|line| line.contains("Taken:") || line.contains("Over:"))
        .collect();
    assert_eq!(subjects, [false, true, true]);
}

/// A part of a matcher.
type Part = fn(&mut Matcher) -> &mut String;

#[test]
fn every_part_of_a_matcher_must_fit() {
    let kit = Kit::new(book());
    let mut book = book();
    book.places.entry(Scope::Site(SiteKey(1))).or_default().labels.push("motorway".to_owned());
    let brief = kit.brief(1);
    let whole = Matcher {
        rule: "ERR_*".to_owned(),
        charger: "RO-HB-*".to_owned(),
        site: "harbour".to_owned(),
        model: "ACME*".to_owned(),
        label: "motorway".to_owned(),
    };
    assert!(whole.fits(&book, &brief));
    let parts: [Part; 5] =
        [|m| &mut m.rule, |m| &mut m.charger, |m| &mut m.site, |m| &mut m.model, |m| &mut m.label];
    for part in parts {
        let mut other = whole.clone();
        "elsewhere".clone_into(part(&mut other));
        assert!(!other.fits(&book, &brief), "{}", other.words());
    }
}

#[test]
fn what_is_wrong_with_a_silence_is_said() {
    let kit = Kit::new(book());
    let good = silence(&kit, of_site(), 30 * DAY_MS);
    assert_eq!(good.check(kit.now), Ok(()));
    let wrong = |change: fn(&mut Silence), words: &str| {
        let mut silence = good.clone();
        change(&mut silence);
        let error = silence.check(kit.now).expect_err("it is wrong").to_string();
        assert!(error.contains(words), "{error}");
    };
    wrong(|silence| silence.until = silence.until + 1, "30 days are the longest");
    wrong(|silence| silence.reason.clear(), "say why");
    wrong(|silence| silence.reason = "x".repeat(301), "in 300 letters");
    wrong(|silence| silence.matcher = Matcher::default(), "say what it is about");
    wrong(|silence| silence.matcher.site = "*".to_owned(), "a silence of everything");
    wrong(|silence| silence.until = silence.from, "ends in the future");
}

fn window(rrule: &str) -> Window {
    Window {
        id: 9,
        scope: Scope::Site(SiteKey(1)),
        title: "New cables".to_owned(),
        starts: "2026-11-23T10:30".to_owned(),
        minutes: 60,
        zone: "Europe/Bucharest".to_owned(),
        rrule: rrule.to_owned(),
        author: "ion".to_owned(),
        cancelled_by: String::new(),
    }
}

#[test]
fn a_maintenance_window_keeps_people_back_while_it_is_open() {
    let mut kit = Kit::new(book());
    kit.set_book(|book| {
        book.windows.insert(9, window("FREQ=DAILY"));
    });
    kit.wait(31 * MINUTE_MS);
    let until = kit.start + 90 * MINUTE_MS;
    assert_eq!(kit.duty.maintenance(), [(Scope::Site(SiteKey(1)), until)]);
    kit.handed(1);
    kit.wait(58 * MINUTE_MS);
    assert!(kit.letters().is_empty());
    assert_eq!(kit.lines(), ["0:31:00 In maintenance until Mon 23 Nov, 09:30 UTC: nobody is told"]);
    kit.wait(2 * MINUTE_MS);
    assert_eq!(kit.told(), ["1:30:30 ana@x.example"]);
    assert!(kit.duty.maintenance().is_empty());
    kit.wait(23 * HOUR_MS + 5 * MINUTE_MS);
    assert_eq!(kit.duty.maintenance().len(), 1, "it comes again");
}

#[test]
fn a_window_of_another_charger_holds_nothing_back() {
    let mut kit = Kit::new(book());
    kit.set_book(|book| {
        let scope = Scope::Charger(mendpoint_model::ChargerKey(2));
        book.windows.insert(9, Window { scope, ..window("") });
    });
    kit.wait(31 * MINUTE_MS);
    kit.handed(1);
    kit.wait(MINUTE_MS);
    assert_eq!(kit.told().len(), 1);
}

#[test]
fn cancelling_a_window_lets_people_be_told_at_once() {
    let mut kit = Kit::new(book());
    kit.set_book(|book| {
        book.windows.insert(9, window(""));
    });
    kit.wait(31 * MINUTE_MS);
    kit.handed(1);
    kit.wait(MINUTE_MS);
    kit.set_book(|book| {
        book.windows.insert(9, Window { cancelled_by: "ana".to_owned(), ..window("") });
    });
    kit.wait(MINUTE_MS);
    assert_eq!(kit.told(), ["0:32:30 ana@x.example"]);
}
