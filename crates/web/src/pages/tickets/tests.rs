use mendpoint_model::{ChargerKey, SiteKey};

use super::*;

const NOW: UnixMs = UnixMs(1_790_000_000_000);

fn row(id: i64, title: &str, due_in_ms: Option<i64>) -> Row {
    let due_at = due_in_ms.map(|ms| NOW + ms);
    Row {
        id: format!("T-{id}"),
        href: format!("/tickets/T-{id}"),
        priority: Priority::P2,
        title: title.to_owned(),
        incident: "INC-7".to_owned(),
        reopened: false,
        place: Place::new(
            &Directory::default(),
            ChargerKey(1),
            SiteKey(1),
            mendpoint_model::ConnectorRef::v16(2),
        ),
        status: Status::New.label(),
        waiting: String::new(),
        assignee: String::new(),
        due: due_at.map(|due| Moment::new(NOW, due)),
        overdue: due_at.is_some_and(|due| due < NOW),
        opened: Moment::new(NOW, NOW - 60_000),
    }
}

fn html(rows: Vec<Row>) -> String {
    let list = List {
        tabs: Vec::new(),
        rows,
        empty: Tab::Active.empty(),
        refresh: String::new(),
        unfiltered: String::new(),
        narrowed: false,
        ways: Tab::Active.ways(),
        first: None,
        next: None,
    };
    ListFragment { list }.render().expect("it renders")
}

#[test]
fn every_status_is_on_one_tab_and_fits_the_question_to_the_database() {
    for status in Status::ALL {
        let tabs = Tab::ALL.into_iter().filter(|tab| tab.has(status)).count();
        assert_eq!(tabs, 1, "{status:?}");
    }
    for tab in Tab::ALL {
        let count = tab.statuses().len();
        assert!((1..=15).contains(&count), "the store takes fifteen: {count}");
    }
    assert!(Tab::Waiting.statuses().contains(&"waiting_parts".to_owned()));
    assert_eq!(Tab::of("nonsense"), Tab::Active);
}

#[test]
fn the_filter_stays_in_the_address() {
    let filter = Filter { q: "a b".to_owned(), assignee: "R&P".to_owned(), ..Filter::default() };
    assert_eq!(filter.href(Tab::Done, ""), "/tickets?tab=done&q=a%20b&assignee=R%26P");
    let wanted = filter.for_store(Tab::Done, &Directory::default());
    assert_eq!(wanted.text.as_deref(), Some("a b"));
    assert_eq!(wanted.assignee.as_deref(), Some("R&P"));
}

#[test]
fn the_list_renders_empty_one_and_many() {
    assert!(html(Vec::new()).contains("No ticket is open"));
    let one = html(vec![row(1, "Ground fault", Some(-90_000))]);
    assert!(one.contains("overdue"), "{one}");
    assert!(one.contains(r#"class="late""#), "{one}");
    let many = html((0..50).map(|id| row(id, "Ground fault", None)).collect());
    assert_eq!(many.matches("<tr id=").count(), 50);
    assert!(!many.contains("overdue"), "{many}");
}

#[test]
fn titles_stay_text() {
    let evil = html(vec![row(1, "<script>alert(1)</script>", None)]);
    assert!(!evil.contains("<script>"), "{evil}");
}

#[test]
fn a_charger_that_is_not_there_gets_a_sentence() {
    let directory = Directory::default();
    let why = find(&directory, "").expect_err("nothing was given");
    assert!(why.starts_with("Say which"), "{why}");
    let why = find(&directory, "NONE-1").expect_err("there is none");
    assert!(why.contains("NONE-1"), "{why}");
}
