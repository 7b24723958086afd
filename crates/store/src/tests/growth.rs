//! How one charger's last ninety days grow with what is stored: not at all. A measurement, run by hand:
//! `MENDPOINT_BENCH_FRAMES=1000000,3000000,10000000 MENDPOINT_BENCH_OUT=/tmp/growth.txt cargo nextest run
//! -p mendpoint-store --run-ignored ignored-only growth`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mendpoint_model::{ChargerKey, DAY_MS, HOUR_MS, UnixMs};
use prometheus::Registry;

use super::kit::{File, closed, transaction};
use super::story_audit::run;
use crate::{Direction, Entry, Retention, Store, StoreSettings, TransactionFilter, row_id};

const CHARGERS: u32 = 1_000;
const DAYS: i64 = 90;
/// A card that was used now and then.
const CARD: &str = "04C0FFEE99AB77";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of minutes: set MENDPOINT_BENCH_FRAMES and MENDPOINT_BENCH_OUT"]
async fn growth_on_sqlite() {
    let file = File::new();
    measure("SQLite", &file.open().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of minutes on PostgreSQL: set MENDPOINT_TEST_POSTGRES_URL too"]
async fn growth_on_a_server() {
    let url = std::env::var("MENDPOINT_TEST_POSTGRES_URL").expect("the variable is set");
    let settings = StoreSettings { url, ..StoreSettings::default() };
    measure("PostgreSQL", &Store::open(&settings, &Registry::new()).await.expect("it opens")).await;
}

async fn measure(name: &str, store: &Store) {
    let sizes = std::env::var("MENDPOINT_BENCH_FRAMES").expect("the variable is set");
    let out = std::env::var("MENDPOINT_BENCH_OUT").expect("the variable is set");
    let now = row_id::now();
    spans(store, now).await;
    let mut told = std::fs::read_to_string(&out).unwrap_or_default();
    let mut seq = 0;
    for size in sizes.split(',').map(|text| text.trim().parse::<u64>().expect("a number")) {
        let begun = Instant::now();
        fill(store, now, &mut seq, size).await;
        let filled = begun.elapsed();
        let mut times: Vec<Duration> = Vec::new();
        for number in 0..50_u32 {
            let charger = ChargerKey(1 + number * 17 % CHARGERS);
            let begun = Instant::now();
            let from = now - DAYS * DAY_MS;
            let days = store.spans(charger, DAY_MS, from, now).await.expect("read");
            let hours = store.spans(charger, HOUR_MS, from, now).await.expect("read");
            let filter = TransactionFilter::of(charger);
            let (sessions, _) = store.transactions(&filter, None, 50).await.expect("read");
            let frames = store.frame_log().frames_of(charger, None, 50).await.expect("read");
            times.push(begun.elapsed());
            assert!(days.len() as i64 >= DAYS - 1 && hours.len() > 2_000, "{}", days.len());
            assert!(!sessions.is_empty() && frames.len() == 50);
        }
        times.sort();
        writeln!(
            told,
            "{name}: {seq} frames, filled in {:.0} s; 90 days, 2,160 hours, 50 sessions and 50 \
             messages of a charger: median {:.1} ms, slowest of 50 {:.1} ms",
            filled.as_secs_f64(),
            times[25].as_secs_f64() * 1e3,
            times[49].as_secs_f64() * 1e3,
        )
        .expect("a text");
        std::fs::write(&out, &told).expect("written");
    }
    upkeep(name, store, now, &mut told).await;
    std::fs::write(&out, &told).expect("written");
    store.close().await;
}

/// What takes long on a large database, and how long the rows of chargers wait beside it: erasing a
/// person, and deleting what is old.
async fn upkeep(name: &str, store: &Store, now: UnixMs, told: &mut String) {
    let idle = tokio::time::sleep(Duration::from_secs(5));
    let mut tell = |what: &str, took: Duration, waits: &[Duration]| {
        let at = |part: usize| waits[(waits.len() * part / 1000).min(waits.len() - 1)];
        let ms = |wait: Duration| wait.as_secs_f64() * 1e3;
        writeln!(
            told,
            "{name}: {what} in {:.1} s; {} rows of chargers meanwhile on disk after: median {:.1} ms, \
             p99 {:.1} ms, slowest {:.1} ms",
            took.as_secs_f64(),
            waits.len(),
            ms(at(500)),
            ms(at(990)),
            ms(at(1000)),
        )
        .expect("a text");
    };
    let ((), took, waits) = beside(store, idle).await;
    tell("nothing else", took, &waits);

    old_history(store, now).await;
    let (report, took, waits) = beside(store, store.erase_person(CARD, "ana")).await;
    let report = report.expect("erased");
    assert!(report.rows > 0, "{report:?}");
    tell(&format!("a person erased, {} rows and blocks,", report.rows), took, &waits);

    let keep = Retention {
        signals: 1,
        meter_values: 1,
        changes: 1,
        people: 1,
        photos: 1,
        hours: 1,
        days: 1,
    };
    store.set_value("history.next_hour", &now.0.to_string()).await.expect("put");
    let (rows, took, waits) = beside(store, store.prune_to(now, keep)).await;
    let rows = rows.expect("deleted");
    assert!(rows > 1_000_000, "{rows}");
    tell(&format!("{rows} old rows deleted"), took, &waits);
    let (blocks, took, waits) = beside(store, store.prune_frames(now + DAY_MS)).await;
    let blocks = blocks.expect("deleted");
    tell(&format!("{blocks} blocks of messages deleted"), took, &waits);
}

/// Does some work while rows that chargers wait for are written, one after the other: how long the
/// work took, and how long each of the rows did, the quickest first.
async fn beside<T>(store: &Store, work: impl Future<Output = T>) -> (T, Duration, Vec<Duration>) {
    let (journal, over) = (store.journal(), Arc::new(AtomicBool::new(false)));
    let is_over = Arc::clone(&over);
    let rows = tokio::spawn(async move {
        let mut waits = Vec::new();
        while !is_over.load(Ordering::Acquire) {
            let begun = Instant::now();
            let (charger, at) = (ChargerKey(1), row_id::now());
            let entry = Entry::LinkChange { charger, at, online: true, reason: String::new() };
            let seq = journal.append(vec![entry]).await;
            journal.wait(seq).await;
            waits.push(begun.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        waits.sort();
        waits
    });
    let begun = Instant::now();
    let done = work.await;
    let took = begun.elapsed();
    over.store(true, Ordering::Release);
    (done, took, rows.await.expect("it ends"))
}

/// A million changes of states and half a million readings of ninety days ago.
async fn old_history(store: &Store, now: UnixMs) {
    let old = row_id::first_of(now - DAYS * DAY_MS);
    for sql in [
        format!(
            "INSERT INTO state_change WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n
                WHERE i < 999999) SELECT {old} + i, i % {CHARGERS}, 1, 1, i, 'Available', '' FROM n"
        ),
        format!(
            "INSERT INTO transaction_note WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1
                FROM n WHERE i < 499999) SELECT {old} + i, 10000000 + i, i, 0,
                '{{\"kind\":\"meter\",\"text\":\"1250 Wh, 7.2 kW, 32 A\"}}' FROM n"
        ),
    ] {
        let sql = sql.replace("SELECT 0 UNION", "SELECT CAST(0 AS BIGINT) UNION");
        run(store, &sql).await.expect("filled");
    }
}

/// Ninety days of hours and days of every charger.
async fn spans(store: &Store, now: UnixMs) {
    let today = now.0 - now.0.rem_euclid(DAY_MS);
    for (span_ms, count) in [(HOUR_MS, DAYS * 24), (DAY_MS, DAYS)] {
        let begin = today - DAYS * DAY_MS;
        let sql = format!(
            "INSERT INTO charger_span WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n
                WHERE i < {count} - 1), c(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM c
                WHERE k < {CHARGERS})
             SELECT k, {span_ms}, {begin} + i * {span_ms}, 2, 9000, 0, {span_ms}, 1, 4, -320, -90, -70
             FROM n, c"
        );
        // PostgreSQL wants the recursion before the insertion to know its numbers as long ones.
        let sql = sql.replace("SELECT 0 UNION", "SELECT CAST(0 AS BIGINT) UNION");
        run(store, &sql).await.expect("filled");
    }
}

async fn fill(store: &Store, now: UnixMs, seq: &mut u64, until: u64) {
    let (log, journal) = (store.frame_log(), store.journal());
    let begin = now.0 - DAYS * DAY_MS;
    let mut last = 0;
    while *seq < until {
        for _ in 0..20_000 {
            *seq += 1;
            let charger = ChargerKey(1 + (*seq % u64::from(CHARGERS)) as u32);
            let at = UnixMs(begin + (*seq as i64 * 777) % (DAYS * DAY_MS));
            let text = format!(
                r#"[2,"{seq}","MeterValues",{{"connectorId":1,"transactionId":{},"meterValue":[{{"timestamp":"2026-11-22T02:17:00Z","sampledValue":[{{"value":"{}","measurand":"Energy.Active.Import.Register","unit":"Wh"}}]}}]}}]"#,
                *seq % 90_000,
                *seq * 3,
            );
            let text = if (*seq).is_multiple_of(20_000) {
                format!(r#"[2,"{seq}","Authorize",{{"idTag":"{CARD}"}}]"#)
            } else {
                text
            };
            log.push(*seq, charger, at, Direction::In, &text);
            if (*seq).is_multiple_of(100) {
                let id = 10_000_000 + *seq as i64;
                let mut charged = transaction(id, at.0);
                if (*seq).is_multiple_of(20_000) {
                    charged.id_token = CARD.into();
                }
                // Every charger has some.
                let charger = ChargerKey(1 + (*seq / 100 % u64::from(CHARGERS)) as u32);
                let entry = closed(charger, charged, at.0 + HOUR_MS);
                last = journal.append(vec![entry]).await;
            }
        }
        let entries: Vec<Entry> = log.due(now, true);
        last = last.max(journal.append(entries).await);
    }
    journal.wait(last).await;
}
