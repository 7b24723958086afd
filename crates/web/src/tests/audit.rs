//! Who did what, on its page and in the API (S19).

use mendpoint_pipeline::NewCharger;

use super::{PASSWORD, Server, TOKEN};

#[tokio::test]
async fn what_people_do_is_in_the_log_which_only_administrators_see() {
    let server = Server::start().await;
    let new = NewCharger { identity: "CP-1".to_owned(), ..NewCharger::default() };
    server.pipeline.handle().register_charger(new).await.expect("registered");
    server.sign_in("ana", "not the password").await;
    let (ana, vio) = (
        server.sign_in("ana", PASSWORD).await.cookie(),
        server.sign_in("vio", PASSWORD).await.cookie(),
    );
    let bearer = format!("Bearer {TOKEN}");
    let api = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let reset = r#"{"action":"Reset","payload":{"type":"Soft"}}"#;
    server.send("POST /api/v1/chargers/CP-1/commands", &api, reset).await;
    assert_eq!(server.get("/chargers/CP-1/settings.csv", &ana).await.status, 200);
    let made = server.send("POST /api/v1/chargers/CP-1/security/password", &api, "").await;
    assert_eq!(made.status, 200, "{}", made.body);
    let journal = server.store.journal();
    journal.wait(journal.last_seq()).await;

    let page = server.get("/audit", &ana).await;
    assert_eq!(page.status, 200);
    for part in ["signed in", "sign-in refused", "command Reset", "exported", "password replaced"] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let narrow = server.get("/audit?actor=vio", &ana).await.body;
    assert!(narrow.contains("signed in") && !narrow.contains("command Reset"), "{narrow}");
    assert!(server.get("/audit?verify=1", &ana).await.body.contains("The log is whole"));
    assert!(server.get("/audit.csv", &ana).await.body.contains("command Reset"));
    for path in ["/audit", "/audit.csv"] {
        assert_eq!(server.get(path, &vio).await.status, 403, "{path}");
    }
    // Who acts for somebody else is named, and not whom they name.
    let incidents = server.send("GET /api/v1/audit?actor=ana", &api, "").await.body;
    assert!(incidents.contains(r#""actor":"user ana""#), "{incidents}");
    let all = server.send("GET /api/v1/audit?limit=200", &api, "").await.body;
    let all: serde_json::Value = serde_json::from_str(&all).expect("JSON");
    let of = |action: &str| -> Vec<String> {
        let lines = all["items"].as_array().expect("a list").iter();
        let fit = lines.filter(|line| line["action"] == action);
        fit.map(|line| line["actor"].as_str().expect("a name").to_owned()).collect()
    };
    for action in ["command Reset", "charger password replaced"] {
        assert!(of(action).iter().all(|actor| actor.contains("token")), "{action}: {all}");
        assert!(!of(action).is_empty(), "{action}");
    }
    for action in ["exported", "signed in", "sign-in refused"] {
        assert!(of(action).iter().all(|actor| actor.starts_with("user ")), "{action}: {all}");
    }
    // Page by page, each line once.
    let (mut cursor, mut walked) = (String::new(), Vec::new());
    loop {
        let address = format!("GET /api/v1/audit?limit=3{cursor}");
        let page: serde_json::Value =
            serde_json::from_str(&server.send(&address, &api, "").await.body).expect("JSON");
        let lines = page["items"].as_array().expect("a list");
        assert!(lines.len() <= 3, "{page}");
        walked.extend(lines.iter().map(|line| line["seq"].as_i64().expect("a number")));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let first = walked[0];
    assert_eq!(walked, (1..=first).rev().collect::<Vec<_>>(), "all of them, newest first");
    // The page says at what time of the day it was, and leads to older ones.
    for number in 0..101 {
        server.store.add_audit("system", "counted", &number.to_string(), "").await.expect("added");
    }
    let page = server.get("/audit", &ana).await.body;
    let older = page.split("href=\"").find(|part| part.contains("cursor=")).expect("a link");
    let older = older.split('"').next().expect("an address").replace("&#38;", "&");
    let older = server.get(&older, &ana).await.body;
    assert!(older.contains("signed in") && !page.contains("signed in"), "{older}");
    let time = page.split("<time").nth(1).and_then(|part| part.split('>').nth(1));
    let time = time.and_then(|part| part.split('<').next()).expect("a time");
    assert!(time.split(':').count() == 3 || time.len() == 16, "a clock time: {time}");
    let list = server.send("GET /api/v1/audit?subject=CP-1", &api, "").await.body;
    assert!(list.contains("command Reset") && !list.contains("signed in"), "{list}");
    let verdict = server.send("GET /api/v1/audit/verify", &api, "").await.body;
    assert!(verdict.contains("\"whole\":true"), "{verdict}");
}
