//! The second half of the story: mails, people, tokens, reports and single values.

use mendpoint_model::{ChargerKey, ConnectorRef, TicketId, UnixMs};

use crate::{
    Error, IdTokenRow, MailState, NewMail, NewUser, ReportRow, Store, TokenFilter, TokenStatus,
};

pub(crate) fn new_mail(key: &str, not_before: UnixMs) -> NewMail {
    NewMail {
        dedupe_key: key.to_owned(),
        recipient: "volt@example.com".to_owned(),
        subject: "s".to_owned(),
        text: "t".to_owned(),
        html: String::new(),
        reply_to: None,
        ticket: Some(TicketId(1882)).filter(|_| key.starts_with("ticket")),
        not_before,
    }
}

pub(crate) async fn outbox(store: &Store) {
    let (at, lease) = (UnixMs(1_000), 100);
    // Twice the same key is one mail; one more is not due yet.
    store.put_mails(&[new_mail("a", UnixMs(400)), new_mail("a", at)]).await.expect("put");
    store.put_mails(&[new_mail("later", UnixMs(5_000))]).await.expect("put");
    let (first, second) =
        tokio::join!(store.claim_mails(at, lease, 10), store.claim_mails(at, lease, 10));
    let (first, second) = (first.expect("claimed"), second.expect("claimed"));
    assert_eq!(first.len() + second.len(), 2, "each once");
    let claimed = [first, second].concat();
    assert!(claimed.iter().all(|row| row.attempts == 1 && row.state == MailState::Queued));
    let find = |key: &str| claimed.iter().find(|row| row.mail.dedupe_key == key).expect("claimed");
    assert!(store.claim_mails(at + 99, lease, 10).await.expect("claimed").is_empty());

    store.mail_sent(find("a").id, at).await.expect("noted");
    let other = find("ticket-1882-1").id;
    store.mail_failed(other, "busy", Some(at + 500)).await.expect("noted");
    assert_eq!(store.next_mail_at().await.expect("read"), Some(at + 500));
    assert!(store.claim_mails(at + 499, lease, 10).await.expect("claimed").is_empty());
    assert_eq!(store.claim_mails(at + 500, lease, 10).await.expect("claimed")[0].attempts, 2);
    // Whoever claimed it died: it is due again when the lease is over.
    assert_eq!(store.claim_mails(at + 600, lease, 10).await.expect("claimed")[0].id, other);
    store.mail_failed(other, "no such user", None).await.expect("noted");
    let row = store.mail(other).await.expect("read").expect("it is there");
    assert_eq!((row.state, row.last_error.as_str()), (MailState::Failed, "no such user"));
    assert!(store.retry_mail(other, at).await.expect("queued"));
    assert!(!store.retry_mail(other, at).await.expect("queued already"));

    assert_eq!(store.hold_mails().await.expect("held"), 2);
    assert!(store.claim_mails(UnixMs(9_000), lease, 10).await.expect("claimed").is_empty());
    let counts = store.mail_counts().await.expect("read");
    assert_eq!(counts, [("held".to_owned(), 2), ("sent".to_owned(), 1)]);
    let (held, _) = store.mails(Some(MailState::Held), None, None, 10).await.expect("read");
    assert_eq!(held.len(), 2);
    assert_eq!(store.release_mails(at).await.expect("released"), 2);
    let (page, next) = store.mails(None, None, None, 2).await.expect("read");
    let (rest, end) = store.mails(None, None, next, 2).await.expect("read");
    assert_eq!((page.len(), rest.len(), end), (2, 1, None));
}

pub(crate) async fn people(store: &Store) {
    let ana = NewUser {
        name: "ana",
        display_name: "Ana Pop",
        email: "ana@example.com",
        password_hash: "$argon2id$x",
        role: "admin",
    };
    let id = store.insert_user(ana).await.expect("made");
    let taken = store.insert_user(NewUser { name: "Ana", ..ana }).await;
    assert!(matches!(taken, Err(Error::Exists(_))), "{taken:?}");
    let mut row = store.user_by_name("ANA").await.expect("read").expect("it is there");
    assert_eq!((row.id, row.role.as_str()), (id, "admin"));
    assert!(!format!("{row:?}").contains("argon2"), "no hash in a log");

    let now = UnixMs(1_000);
    let idle = 100;
    store.insert_session(b"s1", id, now, UnixMs(5_000), "10.0.0.1").await.expect("made");
    store.insert_session(b"s2", id, now, UnixMs(5_000), "").await.expect("made");
    let session = store.session(b"s1", now, idle).await.expect("read").expect("signed in");
    assert_eq!((session.user, session.remote.as_str()), (id, "10.0.0.1"));
    assert_eq!(store.session(b"s1", now + 100, idle).await.expect("read"), None, "idle");
    store.session_seen(b"s1", now + 50).await.expect("noted");
    assert!(store.session(b"s1", now + 100, idle).await.expect("read").is_some());
    assert_eq!(store.session(b"s1", UnixMs(5_000), 9_999).await.expect("read"), None, "over");
    assert_eq!(store.prune_sessions(now + 100, idle).await.expect("pruned"), 1);
    store.delete_session(b"s1").await.expect("signed out");
    assert_eq!(store.session(b"s1", now, idle).await.expect("read"), None);
    store.insert_session(b"s3", id, now, UnixMs(5_000), "").await.expect("made");
    assert_eq!(store.delete_sessions_of(id).await.expect("signed out"), 1);
    store.insert_session(b"s4", id, now, UnixMs(5_000), "").await.expect("made");

    let token = store.insert_api_token(b"t1", "ci", "read write", "ana", Some(UnixMs(2_000))).await;
    let token = token.expect("made");
    let forever = store.insert_api_token(b"t2", "ci2", "read", "ana", None).await.expect("made");
    assert!(matches!(
        store.insert_api_token(b"t2", "x", "", "ana", None).await,
        Err(Error::Exists(_))
    ));
    assert_eq!(store.api_token(b"t1", now).await.expect("read").map(|row| row.id), Some(token));
    assert_eq!(store.api_token(b"t1", UnixMs(2_000)).await.expect("read"), None, "over");
    store.api_token_used(token, now).await.expect("noted");
    assert!(store.revoke_api_token(token, now).await.expect("revoked"));
    assert!(!store.revoke_api_token(token, now).await.expect("was already"));
    assert_eq!(store.api_token(b"t1", now).await.expect("read"), None, "revoked");
    let tokens = store.api_tokens().await.expect("read");
    assert_eq!((tokens[0].used_at, tokens[0].revoked_at), (Some(now), Some(now)));
    assert!(store.api_token(b"t2", now).await.expect("read").is_some());

    row.disabled = true;
    row.display_name = "Ana P.".to_owned();
    assert!(store.update_user(&row).await.expect("changed"));
    assert_eq!(store.user(id).await.expect("read"), Some(row.clone()));
    assert_eq!(store.users().await.expect("read"), [row]);
    assert_eq!(store.session(b"s4", now, idle).await.expect("read"), None, "disabled");
    assert_eq!(store.api_token(b"t2", now).await.expect("read"), None, "disabled");
    assert!(store.api_tokens().await.expect("read").iter().any(|row| row.id == forever));
}

pub(crate) async fn tokens(store: &Store) {
    let row = |token: &str, status, expires_at| IdTokenRow {
        token: token.to_owned(),
        status,
        parent: Some("fleet".to_owned()),
        expires_at,
        note: "van 3".to_owned(),
        kind: "ISO14443".to_owned(),
        updated_at: UnixMs(4),
    };
    let blocked = row("A", TokenStatus::Blocked, None);
    let over = row("B", TokenStatus::Accepted, Some(UnixMs(1)));
    store.put_id_tokens(&[row("A", TokenStatus::Accepted, None)]).await.expect("put");
    store.put_id_tokens(&[blocked.clone(), over.clone()]).await.expect("put");
    assert_eq!(store.id_token("A").await.expect("read"), Some(blocked.clone()));
    assert_eq!(store.id_tokens().await.expect("read"), [blocked.clone(), over.clone()]);
    let all = TokenFilter::default();
    let page = store.id_tokens_page(&all, "", 1).await.expect("read");
    assert_eq!(page, (vec![blocked.clone()], Some("A".to_owned())));
    assert_eq!(store.id_tokens_page(&all, "A", 1).await.expect("read"), (vec![over], None));
    let with = |status, parent: Option<&str>, text: Option<&str>| TokenFilter {
        status,
        parent: parent.map(str::to_owned),
        text: text.map(str::to_owned),
    };
    for (filter, count) in [
        (with(Some(TokenStatus::Blocked), None, None), 1),
        (with(None, Some("fleet"), None), 2),
        (with(None, Some("other"), None), 0),
        (with(None, None, Some("VAN")), 2),
        (with(None, None, Some("%")), 2),
        (with(None, None, Some("b")), 1),
    ] {
        let (rows, _) = store.id_tokens_page(&filter, "", 9).await.expect("read");
        assert_eq!(rows.len(), count, "{filter:?}");
    }
    assert!(store.delete_id_token("A").await.expect("deleted"));
    assert!(!store.delete_id_token("A").await.expect("no more"));
}

pub(crate) async fn reports(store: &Store, one: ChargerKey) {
    let new = |reference: &str| {
        ReportRow::new(
            reference.to_owned(),
            one,
            Some(ConnectorRef::v16(2)),
            "not_working".to_owned(),
            "nu merge".to_owned(),
            String::new(),
            UnixMs(5),
        )
    };
    let mut first = new("R1");
    store.insert_report(&first).await.expect("written");
    assert!(matches!(store.insert_report(&first).await, Err(Error::Exists(_))));
    store.insert_report(&new("R2")).await.expect("written");
    let incident = mendpoint_model::IncidentId(11);
    store.link_report("R1", incident).await.expect("linked");
    first.incident = Some(incident);
    assert_eq!(store.report("R1").await.expect("read"), Some(first.clone()));
    let (rows, _) = store.reports(None, Some(incident), None, 10).await.expect("read");
    assert_eq!(rows, [first]);
    let (rows, next) = store.reports(Some(one), None, None, 1).await.expect("read");
    assert_eq!(rows[0].reference, "R2");
    let (rows, next) = store.reports(Some(one), None, next, 1).await.expect("read");
    assert_eq!((rows[0].reference.as_str(), next), ("R1", None));
}

pub(crate) async fn values(store: &Store) {
    assert_eq!(store.get_value("switch").await.expect("read"), None);
    store.set_value("switch", "on").await.expect("set");
    store.set_value("switch", "off").await.expect("set");
    assert_eq!(store.get_value("switch").await.expect("read").as_deref(), Some("off"));
    store.delete_value("switch").await.expect("deleted");
    assert_eq!(store.get_value("switch").await.expect("read"), None);
    let (one, two) = tokio::join!(store.secret("cookie"), store.secret("cookie"));
    let one = one.expect("made");
    assert_eq!((one.len(), &one), (32, &two.expect("the same")));
    assert_ne!(store.secret("other").await.expect("made"), one);
}
