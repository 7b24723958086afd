//! Hours and days of a charger, and what is deleted when (on both databases).

use mendpoint_model::{
    ChargerKey, ConnectorRef, ConnectorStatus, DAY_MS, HOUR_MS, MINUTE_MS, SignalReading,
    SignalUnit, Transport, UnixMs,
};

use super::kit::{closed, transaction, write};
use super::story_audit::run;
use crate::{Entry, Retention, Store, row_id};

const KEPT: Retention =
    Retention { signals: 30, meter_values: 30, changes: 30, photos: 30, hours: 60, days: 900 };

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
    run(store, "DELETE FROM charger_span").await.expect("cleared");
    run(store, "DELETE FROM charge_transaction WHERE transaction_id > 900000")
        .await
        .expect("cleared");
}
