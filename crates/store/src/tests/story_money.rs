//! The part of the story about money: what is found and said of transactions, orphans, local lists,
//! reservations and charging profiles.

use mendpoint_model::{
    ChargerKey, ConnectorRef, Finding, FindingCode, NoteKind, TransactionId, TransactionNote,
    UnixMs,
};

use super::kit::{closed, end, transaction, write};
use crate::{
    ChargingProfileRow, Entry, LocalListRow, Look, ReservationRow, ReservationState, Severity,
    Store, WantedList, row_id,
};

/// What is found and said of transaction 2.
pub(crate) async fn ledger(store: &Store, one: ChargerKey) {
    use FindingCode::{EndTwice, SeqGap, TooLong, ZeroEnergy};
    let id = TransactionId(2);
    let found = |code, at| Entry::TransactionFinding {
        transaction: id,
        at: UnixMs(at),
        finding: Finding::new(code, code.title()),
    };
    let cleared = |code, at| Entry::TransactionCleared { transaction: id, at: UnixMs(at), code };
    write(store, vec![found(SeqGap, 10), found(TooLong, 11), cleared(TooLong, 12)]).await;
    let state = async || {
        let row = store.transaction(id).await.expect("read").expect("it is there");
        (row.severity, row.findings, row.suspect, row.look)
    };
    let (severity, count, suspect, _) = state().await;
    assert_eq!((severity, count), (Severity::Soft, 1));
    assert_eq!(suspect.as_deref(), Some(SeqGap.title()));
    assert_eq!(store.unseen_suspects().await.expect("read"), (1, 1));
    let look = Look { at: UnixMs(15), by: "ana".to_owned(), note: "paid in cash".to_owned() };
    assert!(store.look_at_transaction(id, &look).await.expect("looked"));
    assert!(!store.look_at_transaction(TransactionId(1), &look).await.expect("nothing odd"));
    assert_eq!(state().await.3, Some(look));
    assert_eq!(store.unseen_suspects().await.expect("read").0, 0);
    // What was known is no news; what is found since is.
    write(store, vec![found(SeqGap, 20)]).await;
    assert!(state().await.3.is_some());
    write(store, vec![found(EndTwice, 30), found(ZeroEnergy, 31)]).await;
    let (severity, count, suspect, look) = state().await;
    assert_eq!((severity, count, look), (Severity::Hard, 3, None));
    assert_eq!(suspect.as_deref(), Some(EndTwice.title()), "the worst comes first");
    write(store, vec![cleared(SeqGap, 40), cleared(ZeroEnergy, 40)]).await;
    write(store, vec![found(ZeroEnergy, 50), cleared(ZeroEnergy, 51), found(ZeroEnergy, 52)]).await;
    let rows = store.findings(id).await.expect("read");
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.finding.code, row.found_at.0, row.cleared_at.map(|at| at.0)))
        .collect();
    let wanted = [
        (EndTwice, 30, None),
        (SeqGap, 10, Some(40)),
        (TooLong, 11, Some(12)),
        (ZeroEnergy, 50, None),
    ];
    assert_eq!(told, wanted);
    // A row that is written again keeps what was found.
    write(store, vec![closed(one, transaction(2, row_id::now().0), 99)]).await;
    assert_eq!(state().await.0, Severity::Hard);
    let row = store.transaction(id).await.expect("read").expect("it is there");
    write(store, vec![closed(one, transaction(2, row.transaction.opened_at.0), 99)]).await;

    let note = |kind, text: &str| Entry::TransactionNote {
        transaction: id,
        at: UnixMs(60),
        frame: 5,
        note: TransactionNote {
            kind,
            told_at: None,
            seq_no: Some(2),
            text: text.to_owned(),
            reading: None,
        },
    };
    write(store, vec![note(NoteKind::Started, "a"), note(NoteKind::Ended, "b")]).await;
    let notes = store.notes(id, 0, 9).await.expect("read");
    let told: Vec<_> = notes.iter().map(|kept| (kept.note.kind, kept.frame)).collect();
    assert_eq!(told, [(NoteKind::Started, 5), (NoteKind::Ended, 5)]);
    assert_eq!(store.notes(id, 0, 1).await.expect("read").len(), 1);
}

pub(crate) async fn orphans(store: &Store, one: ChargerKey, two: ChargerKey) {
    let (orphans, next) = store.orphans(Some(two), None, 10).await.expect("read");
    let [orphan] = &orphans[..] else { panic!("{orphans:?}") };
    assert_eq!((orphan.sent, orphan.frame, next), (TransactionId(-1), 77, None));
    assert_eq!(orphan.ended.as_ref(), Some(&end("tx")), "nothing of it is lost");
    assert!(store.orphans(Some(one), None, 10).await.expect("read").0.is_empty());
    assert_eq!(store.orphans(None, None, 10).await.expect("read").0, orphans);
    assert_eq!(store.recent_orphans().await.expect("read"), orphans);
    let look = Look { at: UnixMs(15), by: "ana".to_owned(), note: String::new() };
    assert!(store.look_at_orphan(orphan.id, &look).await.expect("looked"));
    assert!(!store.look_at_orphan(1, &look).await.expect("there is none"));
    assert_eq!(store.unseen_suspects().await.expect("read").1, 0);
    let joined = |charger| Entry::OrphanJoined {
        charger,
        sent: TransactionId(-1),
        external_id: "tx".to_owned(),
        transaction: TransactionId(3),
    };
    write(store, vec![joined(one)]).await;
    let kept = store.orphan(orphan.id).await.expect("read").expect("it is there");
    assert_eq!((kept.joined, kept.look), (None, Some(look)), "another charger's is not its");
    write(store, vec![joined(two)]).await;
    let kept = store.orphan(orphan.id).await.expect("read").expect("it is there");
    assert_eq!(kept.joined, Some(TransactionId(3)));
    assert!(store.recent_orphans().await.expect("read").is_empty());
}

/// Local lists, reservations and charging profiles.
pub(crate) async fn charging_orders(store: &Store, one: ChargerKey) {
    assert_eq!(store.local_list(one).await.expect("read"), None);
    let mut list = LocalListRow {
        wanted: WantedList::Group("fleet".to_owned()),
        version: 3,
        charger_version: Some(3),
        state: "accepted".to_owned(),
        problem: String::new(),
        sent_at: Some(UnixMs(9)),
        known: [("A".to_owned(), "accepted".to_owned())].into(),
    };
    for wanted in [list.wanted.clone(), WantedList::All, WantedList::None] {
        list.wanted = wanted;
        store.put_local_list(one, &list).await.expect("put");
        assert_eq!(store.local_list(one).await.expect("read").as_ref(), Some(&list));
    }

    let mut held = ReservationRow {
        id: 0,
        charger: one,
        connector: ConnectorRef::v16(1),
        id_token: "A".to_owned(),
        parent: None,
        state: ReservationState::Requested,
        problem: String::new(),
        created_by: "ana".to_owned(),
        created_at: UnixMs(10),
        changed_at: UnixMs(10),
        expires_at: UnixMs(1_000),
        transaction: None,
    };
    held.id = store.insert_reservation(&held).await.expect("kept");
    let other = store.insert_reservation(&held).await.expect("kept");
    assert!(held.id > 0 && other > held.id);
    let now = UnixMs(20);
    assert_eq!(store.reservation(held.id, now).await.expect("read").as_ref(), Some(&held));
    for id in [held.id, other] {
        assert!(
            store.update_reservation(id, ReservationState::Accepted, "", now).await.expect("kept")
        );
    }
    let used = |charger, reservation, state| Entry::Reservation {
        charger,
        reservation,
        state,
        transaction: (state == ReservationState::Used).then_some(TransactionId(2)),
        at: UnixMs(30),
    };
    write(store, vec![used(ChargerKey(99), held.id, ReservationState::Used)]).await;
    let kept = store.reservation(held.id, now).await.expect("read").expect("it is there");
    assert_eq!(kept.state, ReservationState::Accepted, "another charger's word is none");
    write(
        store,
        vec![
            used(one, held.id, ReservationState::Used),
            used(one, held.id, ReservationState::Removed),
        ],
    )
    .await;
    let kept = store.reservation(held.id, now).await.expect("read").expect("it is there");
    assert_eq!((kept.state, kept.transaction), (ReservationState::Used, Some(TransactionId(2))));
    let late = store.update_reservation(held.id, ReservationState::Cancelled, "", now).await;
    assert!(!late.expect("no change"), "what is over stays over");
    let rows = store.reservations(Some(one), None, 9, UnixMs(1_000)).await.expect("read");
    let told: Vec<_> = rows.iter().map(|row| (row.id, row.state)).collect();
    assert_eq!(told, [(other, ReservationState::Expired), (held.id, ReservationState::Used)]);
    let older = store.reservations(None, Some(other), 9, now).await.expect("read");
    assert_eq!(older.len(), 1);

    let mut profile = ChargingProfileRow {
        id: 0,
        charger: one,
        evse: 1,
        purpose: "TxDefaultProfile".to_owned(),
        stack_level: 2,
        transaction: None,
        state: "requested".to_owned(),
        problem: String::new(),
        set_by: "ana".to_owned(),
        set_at: UnixMs(10),
        changed_at: UnixMs(10),
        json: String::new(),
    };
    profile.id = store.insert_charging_profile(&profile).await.expect("kept");
    let id = profile.id;
    assert_eq!(store.charging_profile(id).await.expect("read").as_ref(), Some(&profile));
    for (state, json) in [("requested", "{}"), ("accepted", "")] {
        let done = store.update_charging_profile(id, state, "", UnixMs(11), json).await;
        assert!(done.expect("kept"));
    }
    let rows = store.charging_profiles(one, 9).await.expect("read");
    assert_eq!((rows.len(), &*rows[0].state, &*rows[0].json), (1, "accepted", "{}"));

    // One of the same purpose and level takes its place; one of another level stands beside it.
    for stack_level in [profile.stack_level + 1, profile.stack_level] {
        let mut next = ChargingProfileRow { stack_level, ..profile.clone() };
        next.id = store.insert_charging_profile(&next).await.expect("kept");
        store.update_charging_profile(next.id, "accepted", "", UnixMs(12), "").await.expect("kept");
        store.replace_charging_profiles(&next, UnixMs(13)).await.expect("kept");
    }
    let rows = store.charging_profiles(one, 9).await.expect("read");
    let states: Vec<_> = rows.iter().map(|row| &*row.state).collect();
    assert_eq!(states, ["accepted", "accepted", "replaced"]);
    assert_eq!(rows[2].problem, format!("Profile {} took its place.", rows[0].id));
}
