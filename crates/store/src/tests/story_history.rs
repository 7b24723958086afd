//! Hours and days of a charger, and what is deleted when (on both databases).

use mendpoint_model::{
    ChargerKey, ConnectorRef, ConnectorStatus, DAY_MS, HOUR_MS, MINUTE_MS, SignalReading,
    SignalUnit, Transport, UnixMs,
};

use super::kit::{closed, transaction, write};
use super::story_audit::run;
use crate::{Entry, Retention, Store, row_id};

const KEPT: Retention = Retention {
    signals: 30,
    meter_values: 30,
    changes: 30,
    people: 30,
    photos: 30,
    hours: 60,
    days: 900,
};

/// The part of the story that both databases tell.
pub(super) async fn history(store: &Store) {
    let charger = ChargerKey(4_242);
    let now = row_id::now();
    let hour = now.0 - now.0.rem_euclid(HOUR_MS);
    let signal =
        |value| SignalReading { transport: Transport::Cellular, value, unit: SignalUnit::RssiDbm };
    let link =
        |at, online| Entry::LinkChange { charger, at: UnixMs(at), online, reason: String::new() };
    let mut entries = vec![link(hour + 10 * MINUTE_MS, true), link(hour + 30 * MINUTE_MS, false)];
    entries.push(link(hour + 50 * MINUTE_MS, true));
    for value in [-80.0, -90.0, -70.0] {
        entries.push(Entry::Signal { charger, at: now, reading: signal(value) });
    }
    entries.push(Entry::StateChange {
        charger,
        connector: ConnectorRef::v16(1),
        at: now,
        status: ConnectorStatus::Faulted,
        error: "GroundFailure".to_owned(),
    });
    // Ended three days ago, and told now.
    let ended = hour - 3 * DAY_MS + 5;
    entries.push(closed(charger, transaction(900_001, ended - 10), ended));
    entries.push(closed(charger, transaction(900_002, hour), hour + 7));
    write(store, entries).await;

    assert_eq!(store.summarise(now, 10_000).await.expect("made"), 0, "the hour is not over");
    let later = UnixMs(hour + 26 * HOUR_MS);
    let made = store.summarise(later, 10_000).await.expect("made");
    assert!(made >= 25, "{made}");
    assert_eq!(store.summarise(later, 10_000).await.expect("made"), 0, "once");
    let hours = store.spans(charger, HOUR_MS, UnixMs(hour), later).await.expect("read");
    let first = &hours[0];
    assert_eq!((first.began_at, first.sessions, first.faults), (UnixMs(hour), 1, 1));
    assert_eq!(first.online_ms, 30 * MINUTE_MS, "20 and 10 minutes");
    assert_eq!(first.signal, Some((-90.0, -80.0, -70.0)));
    assert!((first.energy_wh - 1_250.5).abs() < 1e-9);
    assert_eq!(hours[1].online_ms, HOUR_MS, "it stayed online");
    let from = UnixMs(hour - 90 * DAY_MS);
    let days = store.spans(charger, DAY_MS, from, later).await.expect("read");
    assert_eq!(days.iter().map(|day| day.sessions).sum::<u64>(), 2, "also what was told late");
    let online: i64 = days.iter().map(|day| day.online_ms).sum();
    assert_eq!(online, 30 * MINUTE_MS + 24 * HOUR_MS);

    assert_eq!(store.signals(charger, UnixMs(0), later).await.expect("read").len(), 3);
    store.prune_to(later, KEPT).await.expect("pruned");
    assert_eq!(store.signals(charger, UnixMs(0), later).await.expect("read").len(), 3, "not yet");
    let much_later = UnixMs(hour + 40 * DAY_MS);
    store.summarise(much_later, 10_000).await.expect("made");
    assert!(store.prune_to(much_later, KEPT).await.expect("pruned") > 5);
    assert!(store.signals(charger, UnixMs(0), later).await.expect("read").is_empty());
    let kept = store.spans(charger, DAY_MS, from, later).await.expect("read");
    assert_eq!(kept[..2], days[..2], "days stay");
    what_people_left_is_deleted(store, much_later).await;
    run(store, "DELETE FROM charger_span").await.expect("cleared");
    run(store, "DELETE FROM charge_transaction WHERE transaction_id > 900000")
        .await
        .expect("cleared");
}

/// Reports with photos, and letters that left.
async fn what_people_left_is_deleted(store: &Store, now: UnixMs) {
    let (charger, old) = (ChargerKey(1), now - 31 * DAY_MS);
    for (number, at) in [(1, old), (2, now)] {
        let (id, at) = (row_id::first_of(at) + number, at.0);
        for sql in [
            format!(
                "INSERT INTO driver_report VALUES ('LEFT-{number}', {id}, 1, NULL, NULL, 'other', 'it \
                 hums', 'ana@example.org', NULL, {at})"
            ),
            format!(
                "INSERT INTO report_photo VALUES ({id}, 'LEFT-{number}', 'image/png', {at}, '')"
            ),
            format!(
                "INSERT INTO security_event VALUES ({id}, 1, 'LEFT', {at}, 'LoginRefused', '', NULL, '')"
            ),
        ] {
            run(store, &sql).await.expect("put");
        }
    }
    for (number, state) in [(1, "sent"), (2, "queued")] {
        let at = old.0;
        let sql = format!(
            "INSERT INTO outbox VALUES ({number}77, 'left-{number}', 'ana@example.org', 's', 't', 'h',
                NULL, NULL, {at}, {at}, 0, 0, '', '{state}', NULL)"
        );
        run(store, &sql).await.expect("put");
    }
    assert!(store.prune_to(now, KEPT).await.expect("pruned") >= 4);
    assert!(store.report("LEFT-1").await.expect("read").is_none());
    assert!(store.report("LEFT-2").await.expect("read").is_some());
    assert!(store.photos("LEFT-1").await.expect("read").is_empty());
    assert_eq!(store.photos("LEFT-2").await.expect("read").len(), 1);
    let events = store.security_events(Some((charger, "")), None, 500).await.expect("read");
    assert_eq!(events.iter().filter(|event| event.identity == "LEFT").count(), 1);
    let (letters, _) = store.mails(None, None, None, 500).await.expect("read");
    let left = letters.iter().filter(|letter| letter.mail.dedupe_key.starts_with("left-"));
    let left: Vec<_> = left.map(|letter| letter.mail.dedupe_key.as_str()).collect();
    assert_eq!(left, ["left-2"], "what waits to be sent is kept");
    for sql in [
        "DELETE FROM driver_report WHERE reference LIKE 'LEFT-%'",
        "DELETE FROM report_photo WHERE reference LIKE 'LEFT-%'",
        "DELETE FROM security_event WHERE identity = 'LEFT'",
        "DELETE FROM outbox WHERE dedupe_key LIKE 'left-%'",
    ] {
        run(store, sql).await.expect("cleared");
    }
}
