//! The part of the story about money: what is found and said of transactions, orphans, local lists,
//! reservations and charging profiles.

use mendpoint_model::{
    ChargerKey, Finding, FindingCode, NoteKind, TransactionId, TransactionNote, UnixMs,
};

use super::kit::{closed, end, transaction, write};
use crate::{Entry, Look, Severity, Store, row_id};

/// What is found and said of transaction 2.
pub(crate) async fn ledger(store: &Store, one: ChargerKey) {
    let id = TransactionId(2);
    let found = |code, at| Entry::TransactionFinding {
        transaction: id,
        at: UnixMs(at),
        finding: Finding::new(code, code.title()),
    };
    let cleared = |code, at| Entry::TransactionCleared { transaction: id, at: UnixMs(at), code };
    use FindingCode::{EndTwice, SeqGap, TooLong, ZeroEnergy};
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
