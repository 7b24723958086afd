//! The part of the story about who is told of incidents, and drivers' photos.

use mendpoint_model::{Actor, IncidentId, TimelineEntry, UnixMs};

use super::story_people::new_mail;
use crate::{DutyDocument, DutyTurn, Store};

fn line(incident: IncidentId) -> TimelineEntry {
    TimelineEntry {
        incident,
        at: UnixMs(5),
        actor: Actor::Engine,
        kind: "told".to_owned(),
        title: "Told Ana".to_owned(),
        text: String::new(),
        frame: 0,
        command: None,
        rung: None,
    }
}

pub(crate) async fn duty(store: &Store) {
    let document = |name: &str, json: &str| DutyDocument {
        kind: "rota".to_owned(),
        name: name.to_owned(),
        json: json.to_owned(),
        updated_at: UnixMs(7),
        updated_by: "ana".to_owned(),
    };
    for one in [document("b", "{}"), document("a", "[]"), document("b", "[1]")] {
        store.put_duty_document(&one).await.expect("put");
    }
    let all = store.duty_documents().await.expect("read");
    assert_eq!(all, [document("a", "[]"), document("b", "[1]")]);
    assert!(store.delete_duty_document("rota", "a").await.expect("gone"));
    assert!(!store.delete_duty_document("rota", "a").await.expect("gone already"));

    let incident = IncidentId(990_077);
    let mail = new_mail("duty:user:ana:1", UnixMs(i64::MAX / 2));
    let turn = DutyTurn {
        cases: vec![(incident, Some("{\"steps_done\":1}".to_owned())), (IncidentId(5), None)],
        inboxes: vec![("user:ana".to_owned(), Some("{}".to_owned()))],
        lines: vec![line(incident)],
        mails: vec![mail.clone(), mail],
    };
    assert!(!turn.is_empty() && DutyTurn::default().is_empty());
    store.write_duty(&turn).await.expect("written");
    let cases = store.duty_cases().await.expect("read");
    assert_eq!(cases, [(incident, "{\"steps_done\":1}".to_owned())]);
    let inboxes = store.duty_inboxes().await.expect("read");
    assert_eq!(inboxes, [("user:ana".to_owned(), "{}".to_owned())]);
    assert_eq!(store.timeline(incident).await.expect("read"), [line(incident)]);
    let (mails, _) = store.mails(None, None, None, 100).await.expect("read");
    let of_duty: Vec<_> =
        mails.iter().filter(|row| row.mail.dedupe_key.starts_with("duty:")).collect();
    assert_eq!(of_duty.len(), 1, "the same key is one mail");
    store.mail_sent(of_duty[0].id, UnixMs(9)).await.expect("noted");
    let gone = DutyTurn {
        cases: vec![(incident, None)],
        inboxes: vec![("user:ana".to_owned(), None)],
        ..DutyTurn::default()
    };
    store.write_duty(&gone).await.expect("written");
    assert!(store.duty_cases().await.expect("read").is_empty());
    assert!(store.duty_inboxes().await.expect("read").is_empty());
}

/// Letters to programs go out while mails are held.
pub(crate) async fn webhooks(store: &Store) {
    let mut hook = new_mail("hook", UnixMs(1));
    "webhook:noc".clone_into(&mut hook.recipient);
    store.put_mails(&[new_mail("held", UnixMs(1)), hook]).await.expect("put");
    assert!(store.hold_mails().await.expect("held") > 0);
    let claimed = store.claim_web_mails(UnixMs(2), 10, 10).await.expect("claimed");
    let keys: Vec<_> = claimed.iter().map(|row| row.mail.dedupe_key.as_str()).collect();
    assert_eq!(keys, ["hook"]);
    store.mail_sent(claimed[0].id, UnixMs(3)).await.expect("noted");
    store.release_mails(UnixMs(1)).await.expect("released");
    let rest = store.claim_mails(UnixMs(2), 10, 10).await.expect("claimed");
    let held = rest.iter().find(|row| row.mail.dedupe_key == "held").expect("it is free again");
    store.mail_sent(held.id, UnixMs(3)).await.expect("noted");
}

pub(crate) async fn photos(store: &Store) {
    let id = store.add_photo("R-1", "image/png", UnixMs(4), &[1, 0, 255]).await.expect("kept");
    store.add_photo("R-2", "image/jpeg", UnixMs(5), &[9]).await.expect("kept");
    let rows = store.photos("R-1").await.expect("read");
    assert_eq!(
        rows.iter().map(|row| (row.id, row.kind.as_str())).collect::<Vec<_>>(),
        [(id, "image/png")]
    );
    let (kind, data) = store.photo(id).await.expect("read").expect("it is there");
    assert_eq!((kind.as_str(), data.as_slice()), ("image/png", &[1_u8, 0, 255][..]));
    assert_eq!(store.photo(1).await.expect("read"), None);
    assert_eq!(store.prune_photos(UnixMs(5)).await.expect("pruned"), 1);
    assert!(store.photos("R-1").await.expect("read").is_empty());
    assert_eq!(store.photo(id).await.expect("read"), None, "its bytes are gone too");
    assert_eq!(store.photos("R-2").await.expect("read").len(), 1, "not old enough");
}
