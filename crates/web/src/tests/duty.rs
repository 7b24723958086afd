//! Who is told, over the wire: pages, the API, the link of a letter, drivers' photos, evidence.

use mendpoint_incidents::Request;
use mendpoint_model::{Actor, IncidentId, Source, TimelineEntry};
use mendpoint_pipeline::NewCharger;
use mendpoint_store::DutyTurn;
use serde_json::{Value, json};

use super::{PASSWORD, Server, TOKEN};

async fn with_incident() -> (Server, IncidentId) {
    let server = Server::start().await;
    let new = NewCharger { identity: "HB-03".to_owned(), ..NewCharger::default() };
    let handle = server.pipeline.handle();
    let record = handle.register_charger(new).await.expect("registered");
    let report = Request::Report {
        charger: record.key,
        connector: None,
        reason: "broken".to_owned(),
        text: "<b>smoke</b>".to_owned(),
        reporter: "a driver".to_owned(),
        source: Source::User,
    };
    let incident = handle.request(report).await.expect("taken");
    handle.settle(record.site).await;
    (server, incident)
}

impl Server {
    /// Waits until something is in the audit log: the journal writes it a moment later.
    pub(super) async fn audited(&self, action: &str) {
        for _ in 0..200 {
            let (_, audit) = self.call("GET /api/v1/audit?limit=50", Value::Null).await;
            if audit.to_string().contains(action) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{action} is not in the audit log");
    }

    pub(super) async fn call(&self, request: &str, body: Value) -> (u16, Value) {
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.send(request, &headers, &text).await;
        (answer.status, serde_json::from_str(&answer.body).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn the_chain_of_an_incident_that_is_over_says_who_was_told() {
    let (server, incident) = with_incident().await;
    let path = format!("GET /api/v1/incidents/{incident}/chain");
    let told = TimelineEntry {
        incident,
        at: server.pipeline.handle().now(),
        kind: "told".to_owned(),
        title: "Written to Ana, owner".to_owned(),
        actor: Actor::Engine,
        text: String::new(),
        frame: 0,
        command: None,
        rung: None,
    };
    let turn = DutyTurn { lines: vec![told], ..DutyTurn::default() };
    let resolve = format!("POST /api/v1/incidents/{incident}/resolve");
    let (status, answer) =
        server.call(&resolve, json!({ "reason": "seen to", "safe": true })).await;
    assert_eq!(status, 200, "{answer}");
    let mut answer = Value::Null;
    for _ in 0..500 {
        answer = server.call(&path, Value::Null).await.1;
        if answer["sentence"].as_str().is_some_and(|sentence| sentence.starts_with("It is over")) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(answer["sentence"], "It is over, and its chain with it. Nobody was told.");
    assert_eq!((&answer["steps"], &answer["told"]), (&json!(0), &json!([])), "{answer}");
    server.store.write_duty(&turn).await.expect("written");
    let (status, answer) = server.call(&path, Value::Null).await;
    let sentence = answer["sentence"].as_str().expect("a sentence");
    assert!(status == 200 && sentence.contains("with it. Written to Ana, owner (20"), "{sentence}");
    let (status, answer) = server.call("GET /api/v1/incidents/77/chain", Value::Null).await;
    assert_eq!(status, 404, "{answer}");
}

#[tokio::test]
async fn every_page_of_duty_is_shown_and_only_to_those_who_sign_in() {
    let (server, incident) = with_incident().await;
    let admin = server.sign_in("ana", PASSWORD).await.cookie();
    let viewer = server.sign_in("vio", PASSWORD).await.cookie();
    let pages = [
        "/duty",
        "/duty?fragment=duty",
        "/duty/silences",
        "/duty/maintenance",
        "/duty/rotas?edit=new",
        "/duty/routes",
        "/duty/me",
        "/sites?edit=1",
        "/chargers/HB-03",
        &format!("/incidents/{incident}"),
    ];
    for path in pages {
        let answer = server.get(path, &admin).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(!answer.body.contains("style=\""), "{path} has inline style");
        assert_eq!(server.get(path, &viewer).await.status, 200, "{path}");
        assert_eq!(server.get(path, "").await.status, 303, "{path}");
    }
    let form = "rule=ERR_*&hours=1&reason=x";
    let refused = server.send("POST /duty/silences", &[("cookie", &viewer)], form).await;
    assert_eq!(refused.status, 403, "a viewer silences nothing");
    let taken = server.send("POST /duty/silences", &[("cookie", &admin)], form).await;
    assert_eq!(taken.status, 303, "{}", taken.body);
    let wrong =
        server.send("POST /duty/silences", &[("cookie", &admin)], "rule=ERR_*&hours=1").await;
    assert!(wrong.status == 422 && wrong.body.contains("say why"), "{}", wrong.body);
    for unknown in
        ["rule=ERR_FAULTY", "charger=HB-99", "site=Nowhere", "model=ACME+Z", "label=nowhere"]
    {
        let form = format!("{unknown}&hours=1&reason=x");
        let wrong = server.send("POST /duty/silences", &[("cookie", &admin)], &form).await;
        let told = wrong.body.contains("so nothing would be silent");
        assert!(wrong.status == 422 && told, "{unknown}: {}", wrong.body);
    }
    let shown = server.get("/duty/silences", &admin).await.body;
    assert!(shown.contains("rule ERR_*") && shown.contains("holds"), "{shown}");
    let qr = server.get("/chargers/HB-03/qr.svg", &viewer).await;
    assert_eq!(qr.header("content-type"), Some("image/svg+xml"));
}

#[tokio::test]
async fn the_api_sets_what_the_pages_show() {
    let (server, incident) = with_incident().await;
    let rota = json!({
        "name": "default", "people": ["ana"], "turn": "weekly", "since": "2026-01-05",
        "at": "08:00", "zone": "Europe/Bucharest",
    });
    // Users of the test were made before the pipeline started.
    let (status, kept) = server.call("PUT /api/v1/duty/rotas", rota.clone()).await;
    assert_eq!((status, &kept["people"]), (200, &json!(["ana"])), "{kept}");
    let mut wrong = rota;
    wrong["people"] = json!(["nobody"]);
    let (status, why) = server.call("PUT /api/v1/duty/rotas", wrong).await;
    assert_eq!(status, 409, "{why}");
    let (_, on_call) = server.call("GET /api/v1/duty/on-call", Value::Null).await;
    assert_eq!(on_call["items"][0]["first"], "ana", "{on_call}");
    let why = on_call["items"][0]["gaps"][0]["why"].as_str().unwrap_or_default();
    assert!(why.contains("no address"), "ana has no mail: {on_call}");

    let silence = json!({
        "matcher": { "charger": "HB-03" }, "until": "2999-01-01T00:00:00Z", "reason": "x",
    });
    let (status, why) = server.call("POST /api/v1/duty/silences", silence).await;
    assert!(status == 409 && why.to_string().contains("30 days"), "{why}");
    let until = (server.pipeline.handle().now() + 3_600_000).rfc3339();
    let silence = json!({ "matcher": { "charger": "HB-03" }, "until": until, "reason": "x" });
    let (status, kept) = server.call("POST /api/v1/duty/silences", silence).await;
    assert_eq!((status, &kept["state"]), (201, &json!("active")), "{kept}");
    let (_, chain) =
        server.call(&format!("GET /api/v1/incidents/{incident}/chain"), Value::Null).await;
    assert_eq!(chain["held_by"], "silence", "{chain}");
    let id = kept["id"].as_i64().expect("a number");
    let ended = server.call(&format!("DELETE /api/v1/duty/silences/{id}"), Value::Null).await.0;
    assert_eq!(ended, 204);

    let window = json!({
        "charger": "HB-03", "title": "Cables", "starts": "2027-01-01T02:00", "minutes": 60,
        "rrule": "FREQ=WEEKLY;BYDAY=SU",
    });
    let (status, kept) = server.call("POST /api/v1/duty/windows", window).await;
    assert_eq!(status, 201, "{kept}");
    assert!(kept["occurrences"].is_array() && kept["open_until"].is_null(), "{kept}");
    let place = json!({ "charger": "HB-03", "access": "private_ac", "labels": ["harbour"] });
    let (status, kept) = server.call("PUT /api/v1/duty/places", place).await;
    assert_eq!((status, &kept["access"]), (200, &json!("private_ac")), "{kept}");
    let (status, kept) = server
        .call(
            "PUT /api/v1/duty/persons/ana",
            json!({ "budget": 3, "quiet_from": "22:00", "quiet_to": "07:00" }),
        )
        .await;
    assert_eq!((status, &kept["budget"]), (200, &json!(3)), "{kept}");
    for action in
        ["rota changed", "silence added", "silence ended", "maintenance planned", "place changed"]
    {
        server.audited(action).await;
    }
}

#[tokio::test]
async fn evidence_is_one_file_that_needs_nothing_else_and_is_noted() {
    let (server, incident) = with_incident().await;
    let admin = server.sign_in("ana", PASSWORD).await.cookie();
    let file = server.get(&format!("/incidents/{incident}/evidence"), &admin).await;
    assert_eq!(file.status, 200);
    let disposition = file.header("content-disposition").unwrap_or_default();
    assert!(disposition.starts_with("attachment; filename=\"INC-"), "{disposition}");
    assert!(file.body.contains("&lt;b&gt;smoke") && !file.body.contains("<b>smoke"), "escaped");
    for outside in ["<script", "<link", "src=\"http", "href=\"http"] {
        assert!(!file.body.contains(outside), "{outside}");
    }
    let (status, json) =
        server.call(&format!("GET /api/v1/incidents/{incident}/evidence"), Value::Null).await;
    assert_eq!((status, &json["charger"]), (200, &json!("HB-03")), "{json}");
    assert!(json["timeline"].as_array().is_some_and(|lines| !lines.is_empty()));
    for action in ["evidence downloaded", "evidence read"] {
        server.audited(action).await;
    }
}

#[tokio::test]
async fn a_link_that_is_not_ours_takes_nothing() {
    let (server, incident) = with_incident().await;
    for path in ["/take/nonsense", "/take/AAAA"] {
        assert_eq!(server.get(path, "").await.status, 404, "{path}");
        let answer =
            server.send(&format!("POST {path}"), &[("sec-fetch-site", "same-origin")], "").await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let kept = server.store.incident(incident).await.expect("read").expect("there");
    assert_eq!(kept.owner, None);
}

/// A form with one file.
fn multipart(data: &str) -> (String, String) {
    let body = format!(
        "--frontier\r\ncontent-disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\
         content-type: image/png\r\n\r\n{data}\r\n--frontier--\r\n"
    );
    ("multipart/form-data; boundary=frontier".to_owned(), body)
}

#[tokio::test]
async fn a_driver_adds_photos_to_a_report_and_nothing_else() {
    let (server, incident) = with_incident().await;
    let handle = server.pipeline.handle();
    let record = handle.directory().by_identity("HB-03").expect("registered");
    let form = "reason=broken&text=&contact=&connector=";
    let report = format!("POST /c/{}/report", record.public_id);
    let sent = server.send(&report, &[], form).await;
    let progress = sent.header("location").expect("a page").to_owned();
    assert!(server.get(&progress, "").await.body.contains("Add a photo"));

    let upload = format!("POST {progress}/photo");
    let (kind, body) = multipart("<svg onload=alert(1)>");
    let refused = server.send(&upload, &[("content-type", &kind)], &body).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body.contains("JPEG or PNG"));
    let foreign = server
        .send(&upload, &[("content-type", &kind), ("sec-fetch-site", "cross-site")], &body)
        .await;
    assert_eq!(foreign.status, 403, "another site sent it");
    // Text of the test only: every byte is below 128 but the signature, which is added as it is.
    let reference = progress.trim_start_matches("/r/").to_owned();
    let id = server
        .store
        .add_photo(&reference, "image/png", handle.now(), b"pixels")
        .await
        .expect("kept");
    let viewer = server.sign_in("vio", PASSWORD).await.cookie();
    let photo = server.get(&format!("/photos/{id}"), &viewer).await;
    assert_eq!((photo.status, photo.header("content-type")), (200, Some("image/png")));
    assert_eq!(server.get(&format!("/photos/{id}"), "").await.status, 303, "not for strangers");
    let page = server.get(&format!("/incidents/{incident}"), &viewer).await;
    assert!(page.body.contains(&format!("/photos/{id}")), "it joined the open incident");
}
