//! Uptime ledgers (on both databases).

use mendpoint_model::{
    ChargeFigures, ChargerKey, ConnectorRef, ConnectorStatus, DAY_MS, HOUR_MS, SiteKey,
    Transaction, UnixMs,
};
use mendpoint_uptime::{Class, Decision, Exclusion, Reason, Span, Stop};

use super::kit::{closed, transaction, write};
use crate::{ChargeDayRow, Entry, Store, UptimeDayRow};

/// The part of the story that both databases tell. The charger is one that is registered.
pub(super) async fn uptime(store: &Store, charger: ChargerKey, site: SiteKey) {
    let day = UnixMs(1_767_225_600_000);
    let connector = ConnectorRef::v16(1);
    let row = |day: UnixMs, class| UptimeDayRow {
        charger,
        connector,
        day,
        spans: vec![Span { from: day, until: day + DAY_MS, class }],
    };
    let (first, second) = (row(day, Class::Up), row(day + DAY_MS, Class::Faulted));
    store.put_uptime_days(&[first.clone(), second]).await.expect("written");
    // A day that is folded anew takes the place of the old one.
    let mended = row(day + DAY_MS, Class::Up);
    store.put_uptime_days(std::slice::from_ref(&mended)).await.expect("written");
    let noon = day + DAY_MS / 2;
    let read = store.uptime_days(noon, day + 2 * DAY_MS, Some(site), Some(charger)).await;
    assert_eq!(read.expect("read"), [first, mended]);
    let none = store.uptime_days(noon, day + 2 * DAY_MS, Some(SiteKey(9_999)), None).await;
    assert!(none.expect("read").is_empty());

    let proposed = Exclusion {
        id: 0,
        site,
        charger: Some(charger),
        connector: None,
        from: day,
        until: day + HOUR_MS,
        reason: Reason::Utility,
        evidence: "all booted when they were back".to_owned(),
        decision: Decision::Proposed,
    };
    let id = store.propose_exclusion(&proposed, "engine").await.expect("written");
    let id = id.expect("it is new");
    assert_eq!(store.propose_exclusion(&proposed, "engine").await.expect("read"), None);
    // The same of the whole site is another one; and a person may try again what was refused.
    let (from, until) = (day - 10 * DAY_MS, day - 9 * DAY_MS);
    let of_charger = Exclusion { from, until, ..proposed.clone() };
    assert!(store.propose_exclusion(&of_charger, "ana").await.expect("written").is_some());
    let elsewhere = Exclusion { charger: None, ..of_charger };
    let other = store.propose_exclusion(&elsewhere, "ana").await.expect("written").expect("new");
    assert_eq!(store.propose_exclusion(&elsewhere, "ben").await.expect("read"), None);
    assert!(store.decide_exclusion(other, Decision::Refused, "ben").await.expect("written"));
    assert_eq!(store.propose_exclusion(&elsewhere, "engine").await.expect("read"), None);
    assert!(store.propose_exclusion(&elsewhere, "ana").await.expect("written").is_some());
    assert!(store.decide_exclusion(id, Decision::Approved, "ana").await.expect("written"));
    assert!(!store.decide_exclusion(-1, Decision::Approved, "ana").await.expect("written"));
    let rows = store.exclusions(Some(site), day, day + DAY_MS).await.expect("read");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].exclusion, Exclusion { id, decision: Decision::Approved, ..proposed });
    assert_eq!((&*rows[0].proposed_by, &*rows[0].decided_by), ("engine", "ana"));
    assert_eq!(store.exclusion(id).await.expect("read").as_ref(), rows.first());
    let later = store.exclusions(None, day + DAY_MS, day + 2 * DAY_MS).await.expect("read");
    assert!(later.is_empty());

    store.put_site_hours(site, "24/7").await.expect("written");
    store.put_site_hours(site, "mo-fr 06:00-22:00").await.expect("written");
    let hours = store.site_hours().await.expect("read");
    assert_eq!(hours.get(&site).map(String::as_str), Some("mo-fr 06:00-22:00"));
    let gap = |hour: i64| Stop {
        from: day + hour * HOUR_MS,
        until: day + (hour + 1) * HOUR_MS,
        grace_until: day + (hour + 2) * HOUR_MS,
    };
    store.add_server_gap(&gap(20)).await.expect("written");
    store.add_server_gap(&gap(0)).await.expect("written");
    assert_eq!(store.server_gaps(noon).await.expect("read"), [gap(0)]);
    assert_eq!(store.server_gaps(day + DAY_MS).await.expect("read"), [gap(0), gap(20)]);

    let counted = |attempts| ChargeDayRow {
        charger,
        day,
        figures: ChargeFigures {
            attempts,
            started: 3,
            completed: 2,
            excused: 1,
            visits: 3,
            visits_first: 1,
            visits_succeeded: 2,
        },
    };
    store.put_charge_days(&[counted(3)]).await.expect("written");
    store.put_charge_days(&[counted(4)]).await.expect("written");
    let rows = store.charge_days(day, day + DAY_MS, Some(site)).await.expect("read");
    assert_eq!(rows, [counted(4)]);

    let begun = transaction(910_001, day.0);
    let (at, started) = (begun.connector, begun.started_at);
    write(store, vec![closed(charger, begun, day.0 + HOUR_MS)]).await;
    let sessions = store.delivered_sessions(charger, day, noon).await.expect("read");
    assert!(sessions.contains(&(at, started, day + HOUR_MS)), "{sessions:?}");
    // One that a charger kept for ten days: found by when it was told, and when it began.
    let told = day + 10 * DAY_MS;
    let late = Transaction { started_at: day, ..transaction(910_002, told.0) };
    write(store, vec![closed(charger, late, day.0 + HOUR_MS)]).await;
    let found = store.late_sessions(told, day + DAY_MS).await.expect("read");
    assert_eq!(found, [(charger, at, day, day + HOUR_MS)]);
    assert!(store.late_sessions(told + 1, told).await.expect("read").is_empty(), "told before");
    assert!(store.late_sessions(told, day).await.expect("read").is_empty(), "began later");
    // A state of that time that is told now: found by when it was told, and when it was.
    let known = store.states_told_late(day, day).await.expect("read").len();
    let (since, status) = (day - 5 * DAY_MS, ConnectorStatus::Faulted);
    let error = String::new();
    let entry = Entry::StateChange { charger, connector, at: since, status, error };
    write(store, vec![entry]).await;
    let late = store.states_told_late(day, since + 1).await.expect("read");
    assert_eq!(late, [(charger, since)]);
    assert!(store.states_told_late(day, since).await.expect("read").is_empty());
    let written = store.last_written(UnixMs(i64::MAX)).await.expect("read").expect("there is some");
    assert!(written > told);
    assert!(store.last_written(written).await.expect("read").is_none_or(|at| at < written));
    assert!(store.states_told_late(day, day).await.expect("read").len() >= known);
    let before = UnixMs(day.0 - 1);
    let of = |at| store.charges_between(charger, at, before, noon);
    assert_eq!(of(at).await.expect("read"), (1, 0), "by when they were told");
    assert_eq!(of(ConnectorRef::CHARGER).await.expect("read"), (1, 0), "at any connector");
    assert_eq!(of(ConnectorRef::v16(9)).await.expect("read"), (0, 0));
}
