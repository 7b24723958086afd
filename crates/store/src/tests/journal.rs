use std::time::Duration;

use mendpoint_model::{ChargerKey, ConnectorRef, ConnectorStatus, UnixMs};
use prometheus::Registry;

use super::kit::{File, closed, incident, transaction, write};
use crate::db::Db;
use crate::{Entry, Store, StoreSettings, TransactionFilter};

const CHARGER: ChargerKey = ChargerKey(7);

fn link(at: i64) -> Entry {
    Entry::LinkChange { charger: CHARGER, at: UnixMs(at), online: true, reason: String::new() }
}

async fn links(store: &Store) -> Vec<i64> {
    let rows = store.link_history(CHARGER, UnixMs(0), UnixMs(i64::MAX)).await.expect("read");
    rows.into_iter().map(|row| row.at.0).collect()
}

async fn sql(store: &Store, text: &'static str) {
    let Db::Sqlite { write, .. } = &store.db else { panic!("it is SQLite") };
    sqlx::query(text).execute(write).await.expect(text);
}

/// What a power cut would leave: the files as they are on disk at this moment.
fn crash_copy(file: &File) -> StoreSettings {
    let to = file.folder().join("crashed.db");
    let from = file.path();
    std::fs::copy(&from, &to).expect("copy");
    std::fs::copy(from.with_file_name("mend.db-wal"), file.folder().join("crashed.db-wal"))
        .expect("the log is there");
    StoreSettings { url: format!("sqlite://{}", to.display()), ..StoreSettings::default() }
}

#[tokio::test]
async fn what_was_waited_for_is_on_disk_without_any_close() {
    let file = File::new();
    let store = file.open().await;
    write(
        &store,
        vec![Entry::TransactionOpened { charger: CHARGER, transaction: transaction(5, 9) }],
    )
    .await;
    let copy = Store::open(&crash_copy(&file), &Registry::new()).await.expect("it recovers");
    let open = copy.open_transactions().await.expect("read");
    assert_eq!(open[&CHARGER], [transaction(5, 9)]);
    copy.close().await;
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_takes_no_more() {
    let file = File::new();
    let store = file.open().await;
    let journal = store.journal();
    let seq = journal.append((0..5_000).map(link).collect()).await;
    store.close().await;
    assert_eq!(*journal.durable().borrow(), seq);
    assert_eq!(journal.append(vec![link(9_999)]).await, u64::MAX);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), journal.wait(u64::MAX)).await.is_err(),
        "nothing may be acknowledged after the close"
    );
    let store = file.open().await;
    assert_eq!(links(&store).await.len(), 5_000);
}

#[tokio::test]
async fn many_tasks_share_few_commits_and_each_gets_its_own_number() {
    let file = File::new();
    let registry = Registry::new();
    let store = Store::open(&file.settings(), &registry).await.expect("it opens");
    let tasks: Vec<_> = (0..200)
        .map(|at| {
            let journal = store.journal();
            tokio::spawn(async move {
                let seq = journal.append(vec![link(at)]).await;
                journal.wait(seq).await;
                seq
            })
        })
        .collect();
    let mut seqs = Vec::new();
    for task in tasks {
        seqs.push(task.await.expect("it ran"));
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=200).collect::<Vec<u64>>());
    assert_eq!(links(&store).await.len(), 200);
    let number = |name: &str| {
        let families = registry.gather();
        let family = families.iter().find(|family| family.name() == name).expect(name);
        family.get_metric()[0].get_counter().get_value()
    };
    assert!((number("mendpoint_journal_rows_total") - 200.0).abs() < 0.5);
    assert!(number("mendpoint_journal_commits_total") < 100.0, "commits are shared");
    assert_eq!(store.journal().health().queued, 0);
}

#[tokio::test]
async fn history_waits_for_company_until_somebody_waits_for_it() {
    let file = File::new();
    let registry = Registry::new();
    let store = Store::open(&file.settings(), &registry).await.expect("it opens");
    let journal = store.journal();
    let commits = || {
        let families = registry.gather();
        let name = "mendpoint_journal_commits_total";
        let family = families.iter().find(|family| family.name() == name).expect(name);
        family.get_metric()[0].get_counter().get_value()
    };
    let change = |at: i64| Entry::StateChange {
        charger: CHARGER,
        connector: ConnectorRef::v16(1),
        at: UnixMs(at),
        status: ConnectorStatus::Available,
        error: String::new(),
    };
    let mut last = 0;
    for at in 0..20 {
        last = journal.append(vec![change(at)]).await;
        // Long enough for a commit, if one were made of each.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Its own patience would end some day; being waited for ends it now.
    journal.wait(last).await;
    assert!(commits() <= 4.0, "{} commits", commits());
    // What is waited for takes everything before it along.
    journal.append(vec![change(20)]).await;
    let seq = journal.append(vec![link(21)]).await;
    journal.wait(seq).await;
    let rows = store.state_history(CHARGER, UnixMs(0), UnixMs(100)).await.expect("read");
    assert_eq!(rows.len(), 21);
}

#[tokio::test]
async fn the_newest_of_a_batch_wins_and_what_is_closed_stays_closed() {
    let file = File::new();
    let store = file.open().await;
    let changed = |wh: f64| {
        let mut changed = transaction(5, 9);
        changed.meter_wh = Some(wh);
        Entry::TransactionChanged { charger: CHARGER, transaction: changed }
    };
    let mut newer = incident(3, CHARGER, 50);
    newer.title = "newer".to_owned();
    write(
        &store,
        vec![
            Entry::TransactionOpened { charger: CHARGER, transaction: transaction(5, 9) },
            changed(200.0),
            closed(CHARGER, transaction(5, 9), 77),
            changed(300.0),
            Entry::Incident(Box::new(incident(3, CHARGER, 50))),
            Entry::Incident(Box::new(newer.clone())),
        ],
    )
    .await;
    write(&store, vec![changed(400.0)]).await;
    let (rows, _) =
        store.transactions(&TransactionFilter::default(), None, 10).await.expect("read");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].ended_at, Some(UnixMs(77)));
    assert_eq!(rows[0].transaction.meter_wh, None, "the state at the end");
    assert!(store.open_transactions().await.expect("read").is_empty());
    assert_eq!(store.incident(newer.id).await.expect("read"), Some(newer));
}

#[tokio::test]
async fn a_database_that_fails_for_a_while_loses_and_repeats_nothing() {
    let file = File::new();
    let store = file.open().await;
    let journal = store.journal();
    sql(&store, "ALTER TABLE link_change RENAME TO away").await;
    let seq = journal.append(vec![link(1), link(2)]).await;
    let waiting = tokio::time::timeout(Duration::from_millis(300), journal.wait(seq)).await;
    assert!(waiting.is_err(), "not on disk, so not acknowledged");
    let health = journal.health();
    assert!(health.last_error.as_deref().is_some_and(|e| e.contains("link_change")), "{health:?}");
    assert!(health.lag_ms >= 200 && health.queued == 2, "{health:?}");

    // A full queue makes whoever adds wait; nothing is dropped.
    sql(&store, "ALTER TABLE away RENAME TO link_change").await;
    journal.wait(seq).await;
    assert_eq!(links(&store).await, [1, 2]);
    let health = journal.health();
    assert_eq!((health.last_error, health.queued, health.lag_ms), (None, 0, 0));
}

#[tokio::test]
async fn a_full_queue_makes_the_sender_wait_and_drops_nothing() {
    let file = File::new();
    let settings = StoreSettings { queue_entries: 10, ..file.settings() };
    let store = Store::open(&settings, &Registry::new()).await.expect("it opens");
    let journal = store.journal();
    sql(&store, "ALTER TABLE link_change RENAME TO away").await;
    journal.append((0..10).map(link).collect()).await;
    let eleventh = journal.append(vec![link(10)]);
    tokio::pin!(eleventh);
    let early = tokio::time::timeout(Duration::from_millis(150), &mut eleventh).await;
    assert!(early.is_err(), "there is no room");
    sql(&store, "ALTER TABLE away RENAME TO link_change").await;
    let seq = eleventh.await;
    journal.wait(seq).await;
    // More at once than there is room for goes in pieces.
    let seq = journal.append((11..95).map(link).collect()).await;
    journal.wait(seq).await;
    assert_eq!(links(&store).await, (0..95).collect::<Vec<i64>>());
}

#[tokio::test]
async fn an_entry_that_is_refused_for_good_is_kept_apart_and_holds_up_nobody() {
    let file = File::new();
    let store = file.open().await;
    sql(
        &store,
        "CREATE TRIGGER refuse BEFORE INSERT ON link_change WHEN NEW.at_ms = 13
         BEGIN SELECT RAISE(ABORT, 'unlucky'); END",
    )
    .await;
    write(&store, (10..20).map(link).collect()).await;
    assert_eq!(links(&store).await, [10, 11, 12, 14, 15, 16, 17, 18, 19]);
    let Db::Sqlite { read, .. } = &store.db else { panic!("it is SQLite") };
    let kept: Vec<(String, String)> = sqlx::query_as("SELECT error, entry FROM journal_reject")
        .fetch_all(read)
        .await
        .expect("read");
    assert_eq!(kept.len(), 1);
    assert!(kept[0].0.contains("unlucky") && kept[0].1.contains("\"at\":13"), "{kept:?}");
}

#[tokio::test]
async fn a_batch_whose_outcome_was_not_known_can_be_written_again() {
    let file = File::new();
    let store = file.open().await;
    let orphan = Entry::TransactionOrphan {
        charger: CHARGER,
        id: mendpoint_model::TransactionId(9),
        external_id: String::new(),
        at: UnixMs(3),
        frame: 0,
        ended: Box::new(super::kit::end("")),
    };
    let opened = Entry::TransactionOpened { charger: CHARGER, transaction: transaction(5, 9) };
    let entries = [link(1), orphan, opened, closed(CHARGER, transaction(5, 9), 77), link(2)];
    let numbered: Vec<_> = (1..).zip(&entries).collect();
    let sheets = crate::sheet::sheets(numbered.into_iter()).expect("they serialise");
    for _ in 0..2 {
        crate::commit::commit(&store.db, &sheets).await.expect("written");
    }
    assert_eq!(links(&store).await, [1, 2]);
    assert_eq!(store.orphans(None, None, 10).await.expect("read").0.len(), 1);
    let (rows, _) =
        store.transactions(&TransactionFilter::default(), None, 10).await.expect("read");
    assert_eq!((rows.len(), rows[0].ended_at), (1, Some(UnixMs(77))));
}

#[tokio::test]
async fn a_nul_and_odd_letters_are_no_obstacle() {
    let file = File::new();
    let store = file.open().await;
    let change = Entry::StateChange {
        charger: CHARGER,
        connector: ConnectorRef::v16(1),
        at: UnixMs(5),
        status: ConnectorStatus::Faulted,
        error: "a\0b'\u{1F4A5}".to_owned(),
    };
    write(&store, vec![change]).await;
    let rows = store.state_history(CHARGER, UnixMs(0), UnixMs(10)).await.expect("read");
    assert_eq!(rows[0].error, "a\u{fffd}b'\u{1F4A5}");
}

#[tokio::test]
async fn a_lock_of_another_program_is_told_and_gone_when_it_is() {
    let file = File::new();
    let registry = Registry::new();
    let settings = StoreSettings { busy_timeout_ms: 50, ..file.settings() };
    let store = Store::open(&settings, &registry).await.expect("it opens");
    assert_eq!(store.trouble(), None);
    let url = format!("sqlite://{}", file.path().display());
    let mut other =
        <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.expect("open");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("the lock");
    let journal = store.journal();
    let seq = journal.append(vec![link(1)]).await;
    let trouble = loop {
        if let Some(trouble) = store.trouble() {
            break trouble;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(trouble.kind, crate::TroubleKind::Locked);
    assert!(trouble.sentence().contains("Another program holds the database"));
    let gauge = |kind: &str| {
        let families = registry.gather();
        let family = families.iter().find(|it| it.name() == "mendpoint_database_trouble");
        let of_kind = family.expect("registered").get_metric().iter();
        of_kind
            .filter(|it| it.get_label()[0].value() == kind)
            .map(|it| it.get_gauge().get_value())
            .sum()
    };
    let (locked, full): (f64, f64) = (gauge("locked"), gauge("full"));
    assert!(locked > 0.5 && full < 0.5);
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("released");
    journal.wait(seq).await;
    while store.trouble().is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    store.close().await;
}
