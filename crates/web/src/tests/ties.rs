//! What is done twice, or across sites: merging, handing over, splitting.

use mendpoint_incidents::Request;
use mendpoint_model::{IncidentId, SiteRecord, Source};
use mendpoint_pipeline::NewCharger;
use serde_json::{Value, json};

use super::{PASSWORD, Server};

/// A program with a report about a charger at each of some sites.
async fn reported(sites: &[&str]) -> (Server, Vec<IncidentId>) {
    let server = Server::start().await;
    let handle = server.pipeline.handle();
    let mut incidents = Vec::new();
    for (number, site) in sites.iter().enumerate() {
        let known = handle.directory().sites().iter().find(|known| known.name == *site).cloned();
        let site = match known {
            Some(site) => site.key,
            None => {
                let new = SiteRecord { name: (*site).to_owned(), ..SiteRecord::default() };
                handle.put_site(new).await.expect("a site").key
            }
        };
        let identity = format!("CP-{number}");
        let new = NewCharger { identity, site: Some(site), ..NewCharger::default() };
        let record = handle.register_charger(new).await.expect("registered");
        let report = Request::Report {
            charger: record.key,
            connector: None,
            reason: "broken".to_owned(),
            text: "smoke".to_owned(),
            reporter: "a driver".to_owned(),
            source: Source::User,
        };
        incidents.push(handle.request(report).await.expect("taken"));
        handle.settle(record.site).await;
    }
    (server, incidents)
}

impl Server {
    async fn act_on(&self, incident: IncidentId, action: &str, body: Value) -> (u16, Value) {
        self.call(&format!("POST /api/v1/incidents/{incident}/{action}"), body).await
    }
}

#[tokio::test]
async fn merging_twice_leaves_it_merged() {
    let (server, incidents) = reported(&["Harbour", "Harbour"]).await;
    let (parent, child) = (incidents[0], incidents[1]);
    let into = || json!({ "into": parent.to_string() });
    let (status, done) = server.act_on(child, "merge", into()).await;
    assert_eq!((status, &done["ties"]["merged_into"]), (200, &json!(parent.to_string())), "{done}");
    let (status, why) = server.act_on(child, "merge", into()).await;
    assert!(status == 409 && why.to_string().contains("is part of"), "{why}");
    let kept = server.store.incident(parent).await.expect("read").expect("there");
    assert_eq!(kept.ties.merged, [child], "the second click does not undo the first");
    // A page that shows something else splits nothing.
    let (status, why) =
        server.act_on(child, "split", json!({ "seen": { "merged_into": "INC-999" } })).await;
    assert!(status == 409 && why.to_string().contains("it was merged into"), "{why}");
    let seen = json!({ "seen": { "merged_into": parent.to_string() } });
    assert_eq!(server.act_on(child, "split", seen).await.0, 200);
    let kept = server.store.incident(parent).await.expect("read").expect("there");
    assert!(kept.ties.merged.is_empty());
}

#[tokio::test]
async fn the_ticket_of_a_merged_incident_says_so() {
    let (server, incidents) = reported(&["Harbour", "Harbour"]).await;
    let (parent, child) = (incidents[0], incidents[1]);
    // A report may have been handed over by itself by now.
    let (status, why) = server.act_on(child, "escalate", Value::Null).await;
    assert!(status == 200 || status == 409, "{why}");
    let ticket = loop {
        let kept = server.store.incident(child).await.expect("read").expect("there");
        match kept.ticket {
            Some(ticket) => break ticket,
            None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    };
    let into = json!({ "into": parent.to_string() });
    assert_eq!(server.act_on(child, "merge", into).await.0, 200);
    let seen = json!({ "seen": { "merged_into": parent.to_string() } });
    assert_eq!(server.act_on(child, "split", seen).await.0, 200);
    let (_, told) = server.call(&format!("GET /api/v1/tickets/{ticket}"), Value::Null).await;
    let told = told.to_string();
    for words in ["was put into INC-1", "was taken out of INC-1"] {
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn two_sites_are_put_together_only_when_that_is_said() {
    let (server, incidents) = reported(&["Harbour", "Station"]).await;
    let (parent, child) = (incidents[0], incidents[1]);
    let cookie = server.sign_in("oto", PASSWORD).await.cookie();
    let into = parent.to_string();
    let (status, why) = server.act_on(child, "merge", json!({ "into": into })).await;
    assert_eq!(status, 409, "{why}");
    assert!(why.to_string().contains("is at Station and INC-1 at Harbour"), "{why}");
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let address = format!("POST /incidents/{child}/merge");
    let answer = server.send(&address, &headers, &format!("into={into}")).await;
    let told = answer.header("location").unwrap_or_default();
    assert!(told.contains("error="), "{told}");
    for id in [parent, child] {
        let kept = server.store.incident(id).await.expect("read").expect("there");
        assert!(kept.ties.merged.is_empty() && kept.ties.merged_into.is_none());
    }
    let answer = server.send(&address, &headers, &format!("into={into}&across=1")).await;
    assert!(answer.header("location").unwrap_or_default().contains("done="), "{}", answer.head);
    let kept = server.store.incident(child).await.expect("read").expect("there");
    assert_eq!(kept.ties.merged_into, Some(parent));
}

#[tokio::test]
async fn handing_over_twice_opens_one_ticket() {
    let (server, incidents) = reported(&["Harbour"]).await;
    let incident = incidents[0];
    let (first, second) = tokio::join!(
        server.act_on(incident, "escalate", Value::Null),
        server.act_on(incident, "escalate", Value::Null),
    );
    for (status, answer) in [first, second] {
        let is_told = answer.to_string().contains("was handed over already");
        assert!(status == 200 || (status == 409 && is_told), "{answer}");
    }
    let (_, list) = server.call("GET /api/v1/tickets", Value::Null).await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
}

#[tokio::test]
async fn healing_is_stopped_at_one_site_with_one_press_and_says_by_whom() {
    let (server, _) = reported(&["Harbour", "Station"]).await;
    let sites = server.pipeline.handle().directory().sites();
    let key = sites.iter().find(|site| site.name == "Harbour").expect("there").key;
    let operator = server.sign_in("oto", PASSWORD).await.cookie();
    let viewer = server.sign_in("vio", PASSWORD).await.cookie();
    let page = format!("/sites?edit={key}");
    let shown = server.get(&page, &operator).await.body;
    assert!(shown.contains("Stop healing at this site"), "{shown}");
    assert!(!server.get(&page, &viewer).await.body.contains("Stop healing at this site"));
    let press = |cookie: &str, healing: &str| {
        let (cookie, form) = (cookie.to_owned(), format!("scope=site%3A{key}&healing={healing}"));
        let server = &server;
        async move {
            let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
            server.send("POST /system/healing", &headers, &form).await.status
        }
    };
    assert_eq!(press(&viewer, "stop").await, 403);
    assert_eq!(press(&operator, "stop").await, 303);
    let shown = server.get(&page, &operator).await.body;
    assert!(shown.contains("Allow healing at this site"), "{shown}");
    assert!(shown.contains("<b>Stopped</b> by oto"), "{shown}");
    let list = server.get("/sites", &viewer).await.body;
    assert_eq!(list.matches("healing stopped by oto").count(), 1, "the other site is healed");
    let charger = server.get("/chargers/CP-0", &viewer).await.body;
    assert!(charger.contains("healing stopped at the whole site"), "{charger}");
    assert!(!server.get("/chargers/CP-1", &viewer).await.body.contains("healing stopped"));
    let (_, system) = server.call("GET /api/v1/system", Value::Null).await;
    assert_eq!(system["healing_stopped"][0]["by"], "oto", "{system}");
    server.audited("site Harbour").await;
    // Whoever presses it again did not stop it.
    let stop = json!({ "allowed": false, "site": "Harbour" });
    assert_eq!(server.call("PUT /api/v1/healing", stop).await.0, 200);
    let (_, system) = server.call("GET /api/v1/system", Value::Null).await;
    assert_eq!(system["healing_stopped"][0]["by"], "oto", "{system}");
    assert_eq!(press(&operator, "allow").await, 303);
    assert!(!server.get("/sites", &viewer).await.body.contains("healing stopped"));
    let switches = server.store.get_value("kill_switches").await.expect("read");
    assert_eq!(switches.as_deref(), Some("[]"), "it is kept over a restart");
}
