//! The editor of rules and playbooks, over the wire: what it refuses and why, and what changes together.

use std::sync::Arc;

use mendpoint_incidents::Catalogue;
use serde_json::{Value, json};

use super::{PASSWORD, Server};

/// A server with three rules and the playbook of one of them.
async fn with_rules() -> Server {
    let server = Server::start().await;
    let named = |text: &str| ("file.toml".to_owned(), text.to_owned());
    let rules = [
        named(include_str!("../../../../config/rules/cp_offline.toml")),
        named(include_str!("../../../../config/rules/silent_charger.toml")),
    ];
    let playbooks = [named(include_str!("../../../../config/playbooks/failed_burst.toml"))];
    let catalogue = Catalogue::parse(&rules, &playbooks).expect("as shipped");
    server.pipeline.handle().set_catalogue(Arc::new(catalogue)).await.expect("in force");
    server
}

/// A form as a browser sends it.
fn form(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{name}={}", crate::url::encode(value));
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}

/// The playbook with a shorter ladder, and the rule whose test expects that.
async fn shorter(server: &Server) -> (String, String) {
    let text = |value: Value| value["text"].as_str().expect("a text").to_owned();
    let (_, playbook) = server.call("GET /api/v1/playbooks/failed_burst", Value::Null).await;
    let (_, rule) = server.call("GET /api/v1/rules/SILENT_CHARGER", Value::Null).await;
    let playbook = text(playbook).replace(r#"["L1", "L4"]"#, r#"["L1"]"#);
    let rule = text(rule).replace(r#", "Reset Soft"]"#, "]").replace(", tickets = 0", "");
    (playbook, rule)
}

#[tokio::test]
async fn a_text_that_is_wrong_is_told_as_422_and_one_too_late_as_409() {
    let server = with_rules().await;
    let (_, rule) = server.call("GET /api/v1/rules/CP_OFFLINE", Value::Null).await;
    let text = rule["text"].as_str().expect("a text");
    let wrong = json!({ "text": text.replace("severity =", "sevrity =") });
    let (status, told) = server.call("PUT /api/v1/rules/CP_OFFLINE", wrong).await;
    let message = told["error"]["message"].as_str().expect("a sentence");
    assert_eq!(status, 422, "{told}");
    assert!(message.starts_with("edited rule CP_OFFLINE:"), "{message}");
    assert!(message.contains("did you mean `severity`?"), "{message}");
    let late = json!({ "text": text, "made_from": 3 });
    let (status, told) = server.call("PUT /api/v1/rules/CP_OFFLINE", late).await;
    assert_eq!(status, 409, "{told}");
    let message = told["error"]["message"].as_str().expect("a sentence");
    assert!(message.starts_with("there is no version 3 of the rule CP_OFFLINE"), "{message}");
    for (of, status) in [("rules/NOPE", 404), ("rules/CP_OFFLINE", 200), ("playbooks/nope", 404)] {
        let (answered, told) =
            server.call(&format!("GET /api/v1/{of}/versions"), Value::Null).await;
        assert_eq!(answered, status, "{of}: {told}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_address_or_a_body_is_json_in_plain_words() {
    let server = with_rules().await;
    let told = async |request: &str, body: Value| {
        let (status, told) = server.call(request, body).await;
        assert_eq!(status, 400, "{request}: {told}");
        assert_eq!(told["error"]["code"], "bad_request", "{request}: {told}");
        told["error"]["message"].as_str().expect("a sentence").to_owned()
    };
    for request in [
        "GET /api/v1/rules/replay/x",
        "DELETE /api/v1/rules/replay/x",
        "GET /api/v1/transactions/x",
        "GET /api/v1/reservations/x",
        "DELETE /api/v1/duty/silences/x",
        "DELETE /api/v1/duty/windows/x",
        "POST /api/v1/uptime/exclusions/x/approve",
        "POST /api/v1/orphans/x/look",
    ] {
        let told = told(request, json!({})).await;
        assert!(told.starts_with("`x` in the address is no number"), "{request}: {told}");
    }
    let long = told("GET /api/v1/transactions/99999999999999999999", Value::Null).await;
    assert!(long.contains("larger than any number"), "{long}");
    let no_text = told("PUT /api/v1/rules/CP_OFFLINE", json!("text")).await;
    assert!(no_text.contains("expected an object at") && !no_text.contains("struct"), "{no_text}");
    let (status, _) = server.call("GET /api/v1/rules/replay/77", Value::Null).await;
    assert_eq!(status, 404);
    let future = json!({ "from": "2126-01-01T00:00:00Z", "until": "2126-02-01T00:00:00Z" });
    let (status, told) = server.call("POST /api/v1/rules/replay", future).await;
    assert_eq!(status, 422, "{told}");
}

#[tokio::test]
async fn what_fits_only_together_is_kept_in_one_go() {
    let server = with_rules().await;
    let (playbook, rule) = shorter(&server).await;
    let (status, told) =
        server.call("PUT /api/v1/playbooks/failed_burst", json!({ "text": playbook })).await;
    assert_eq!(status, 422);
    assert!(told.to_string().contains("SILENT_CHARGER"), "it says whose test fails: {told}");
    let mut both = json!({ "check": true, "texts": [
        { "kind": "playbook", "id": "failed_burst", "text": playbook },
        { "kind": "rule", "id": "SILENT_CHARGER", "text": rule },
    ] });
    let (status, looked) = server.call("POST /api/v1/rules/together", both.clone()).await;
    assert_eq!((status, &looked["versions"]), (200, &json!([])), "{looked}");
    assert_eq!(looked["items"][0]["good"], true, "{looked}");
    both["check"] = json!(false);
    let (status, kept) = server.call("POST /api/v1/rules/together", both).await;
    assert_eq!((status, &kept["versions"]), (200, &json!([1, 1])), "{kept}");
    let (_, held) = server.call("GET /api/v1/playbooks/failed_burst", Value::Null).await;
    assert_eq!(held["text"], json!(playbook));

    // Alone, the file's playbook would leave the rule with a test that fails.
    let back = json!({ "version": 0 });
    let (status, told) = server.call("POST /api/v1/playbooks/failed_burst/take-back", back).await;
    assert_eq!(status, 422, "{told}");
}

#[tokio::test]
async fn the_page_offers_the_other_text_and_saves_both() {
    let server = with_rules().await;
    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let (playbook, rule) = shorter(&server).await;
    let post = |fields: String| {
        let server = &server;
        async move { server.send("POST /playbooks/failed_burst/text", &headers, &fields).await }
    };
    let alone = form(&[("text", &playbook), ("made_from", "0"), ("act", "save")]);
    let answer = post(alone).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains(r#"value="with:rule:SILENT_CHARGER""#), "{}", answer.body);
    let fields = [("text", playbook.as_str()), ("act", "with:rule:SILENT_CHARGER")];
    let answer = post(form(&fields)).await;
    assert!(answer.body.contains(r#"name="text_1""#), "the other text is there to be changed");
    assert!(answer.body.contains("Save together"), "{}", answer.body);
    let both = |act| {
        let with = [("kind_1", "rule"), ("id_1", "SILENT_CHARGER"), ("made_from_1", "0")];
        let texts = [("text", playbook.as_str()), ("text_1", rule.as_str()), ("act", act)];
        form(&[&with[..], &texts[..]].concat())
    };
    // A rule that is on heals with it, and nobody tried that on the past.
    let answer = post(both("save")).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("Save without trying it"), "{}", answer.body);
    assert!(answer.body.contains("Rules that are on heal with it"), "{}", answer.body);
    let tried = form(&[("text", playbook.as_str()), ("of", "playbook"), ("days", "30")]);
    let answer = server.send("POST /rules/replay", &headers, &tried).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let answer = post(both("save-untried")).await;
    let to = answer.header("location").unwrap_or_default();
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert!(to.contains("SILENT_CHARGER"), "it says what else is in force now: {to}");

    // Taken back alone, it is shown with what it does not fit to.
    let answer = server.send("POST /playbooks/failed_burst/take-back", &headers, "version=0").await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains(r#"value="with:rule:SILENT_CHARGER""#), "{}", answer.body);
}

/// A rule of one's own, as the sentence builder makes it.
async fn own(server: &Server, cookie: &str, more: &str) -> String {
    let asked = "/rules/new?field=status&op=is&value=Unavailable&lasting=15+minutes&severity=4";
    let page = server.get(&format!("{asked}&{more}"), cookie).await;
    assert!(page.body.contains("is Unavailable for 15 min on "), "{}", page.body);
    let (_, after) = page.body.split_once("wrap=\"off\" required>").expect("the text");
    let (text, _) = after.split_once("</textarea>").expect("its end");
    let text = text.replace("&#34;", "\"").replace("&#39;", "'").replace("&quot;", "\"");
    let text = text.replace("&gt;", ">").replace("&#62;", ">").trim_start().to_owned();
    assert!(text.contains("for = \"15m\""), "{text}");
    text
}

#[tokio::test]
async fn a_rule_of_ones_own_is_on_trial_until_somebody_knows_what_it_would_do() {
    let server = with_rules().await;
    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    let text = own(&server, &cookie, "id=MINE").await;
    let (status, kept) = server.call("POST /api/v1/rules", json!({ "text": text })).await;
    assert_eq!(status, 200, "{kept}");
    let rule = &kept["rule"];
    assert_eq!(
        (&rule["on"], &rule["on_trial"], &rule["untried"]),
        (&json!(false), &json!(true), &json!(true))
    );
    let page = server.get("/rules/MINE", &cookie).await;
    assert!(page.body.contains("on trial") && page.body.contains("Nobody has tried this version"));
    let list = server.get("/rules", &cookie).await;
    assert!(list.body.contains("on trial"), "{}", list.body);

    let on = json!({ "on": true });
    let (status, told) = server.call("PATCH /api/v1/rules/MINE", on.clone()).await;
    assert_eq!(status, 409, "{told}");
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let answer = server.send("POST /rules/MINE/switch", &headers, "on=1").await;
    assert!(answer.header("location").expect("back").contains("error="), "the page asks too");

    // Tried as it stands, it may be switched on.
    let (status, begun) = server.call("POST /api/v1/rules/replay", json!({ "rule": "MINE" })).await;
    assert_eq!(status, 202, "{begun}");
    let one = format!("GET /api/v1/rules/replay/{}", begun["id"]);
    for _ in 0..3_000 {
        let (_, view) = server.call(&one, Value::Null).await;
        if view["status"] == "done" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let page = server.get("/rules/MINE?fragment=past", &cookie).await;
    assert!(page.body.contains("id=\"past\"") && !page.body.contains("<html"), "{}", page.body);
    let page = server.get("/rules/MINE", &cookie).await;
    assert!(page.body.contains("would not have fired in 30 days"), "{}", page.body);
    let (status, now) = server.call("PATCH /api/v1/rules/MINE", on).await;
    assert_eq!((status, &now["rule"]["on"]), (200, &json!(true)), "{now}");
    let (_, now) = server.call("PATCH /api/v1/rules/MINE", json!({ "on_trial": true })).await;
    assert_eq!((&now["rule"]["on"], &now["rule"]["on_trial"]), (&json!(false), &json!(true)));

    // Of another text nobody knows anything, and once it is on the page asks before it is kept.
    let (_, _) = server.call("PATCH /api/v1/rules/MINE", json!({ "on": true })).await;
    let other = text.replace("severity = 4", "severity = 3");
    let save = [("text", other.as_str()), ("made_from", "1"), ("act", "save")];
    let answer = server.send("POST /rules/MINE/text", &headers, &form(&save)).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("Save without trying it"), "{}", answer.body);
    let save = [("text", other.as_str()), ("made_from", "1"), ("act", "save-untried")];
    let answer = server.send("POST /rules/MINE/text", &headers, &form(&save)).await;
    assert_eq!(answer.status, 303, "{}", answer.body);

    // Taken away, it is listed with its versions, and one of them can be taken back.
    let answer = server.send("POST /rules/MINE/take-back", &headers, "version=0").await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let list = server.get("/rules", &cookie).await;
    assert!(list.body.contains("id=\"gone\"") && list.body.contains("href=\"/rules/MINE\""));
    let answer = server.send("POST /rules/MINE/take-back", &headers, "version=2").await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let (_, back) = server.call("GET /api/v1/rules/MINE", Value::Null).await;
    assert_eq!(back["text"], json!(other));
}

#[tokio::test]
async fn what_is_not_as_in_the_file_is_told() {
    let server = with_rules().await;
    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    let page = server.get("/rules/SILENT_CHARGER", &cookie).await;
    assert!(page.body.contains("as in file.toml<"), "{}", page.body);
    let mode = json!({ "auto_heal": "approve" });
    let (status, told) = server.call("PATCH /api/v1/rules/SILENT_CHARGER", mode).await;
    assert_eq!(status, 200, "{told}");
    let page = server.get("/rules/SILENT_CHARGER", &cookie).await;
    let words = "as in file.toml; healing is set to approve by";
    assert!(page.body.contains(words), "{}", page.body);
}

#[tokio::test]
async fn a_rule_about_many_chargers_begins_off_and_is_never_on_trial() {
    let server = with_rules().await;
    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    let text = own(&server, &cookie, "id=MANY&scope=site&chargers=3").await;
    let (status, kept) = server.call("POST /api/v1/rules", json!({ "text": text })).await;
    assert_eq!(status, 200, "{kept}");
    let rule = &kept["rule"];
    assert_eq!((&rule["on"], &rule["on_trial"]), (&json!(false), &json!(false)), "{rule}");
    let page = server.get("/rules/MANY", &cookie).await;
    assert!(!page.body.contains("Put on trial"), "{}", page.body);
    let (status, told) = server.call("PATCH /api/v1/rules/MANY", json!({ "on_trial": true })).await;
    assert_eq!(status, 409, "{told}");
}

#[tokio::test]
async fn who_is_late_is_told_also_where_a_test_fails_and_sees_what_is_newer() {
    let server = with_rules().await;
    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let (_, rule) = server.call("GET /api/v1/rules/CP_OFFLINE", Value::Null).await;
    let text = rule["text"].as_str().expect("a text");
    let other =
        json!({ "text": text.replace("[\"connectivity\"]", "[\"network\"]"), "made_from": 0 });
    assert_ne!(other["text"], rule["text"], "the test changes something");
    let (status, told) = server.call("PUT /api/v1/rules/CP_OFFLINE", other).await;
    assert_eq!(status, 200, "{told}");
    // A tab that was opened before, with a text whose tests fail.
    let failing = text.replacen("incidents = [\"CP_OFFLINE\"]", "incidents = []", 1);
    for text in [failing.as_str(), text] {
        let fields = form(&[("text", text), ("made_from", "0"), ("act", "save")]);
        let answer = server.send("POST /rules/CP_OFFLINE/text", &headers, &fields).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains("kept version 1 of the rule CP_OFFLINE"), "{}", answer.body);
        assert!(answer.body.contains("/rules/CP_OFFLINE?version=1#diff"), "{}", answer.body);
        assert!(
            answer.body.contains("aria-label=\"What this text would change"),
            "{}",
            answer.body
        );
        assert!(answer.body.contains("value=\"save-over:1\""), "{}", answer.body);
    }
    let late = json!({ "text": text, "made_from": 0 });
    let (status, told) = server.call("PUT /api/v1/rules/CP_OFFLINE", late).await;
    let told = told["error"]["message"].as_str().expect("a sentence");
    assert_eq!(status, 409);
    assert!(told.contains("version 1 is newer than the file's text"), "{told}");
    assert!(told.contains("/rules/CP_OFFLINE?version=1"), "{told}");
    // Who saw it may keep the other text all the same.
    let note = text.replace("description = \"The", "description = \"Mine: the");
    let over = form(&[("text", note.as_str()), ("made_from", "0"), ("act", "save-over:1")]);
    let answer = server.send("POST /rules/CP_OFFLINE/text", &headers, &over).await;
    assert!(answer.body.contains("nobody has tried it on the past"), "{}", answer.body);
    let over = form(&[("text", &note), ("made_from", "1"), ("act", "save-untried")]);
    let answer = server.send("POST /rules/CP_OFFLINE/text", &headers, &over).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
}

#[tokio::test]
async fn what_a_replay_found_is_told_of_the_version_that_it_was_of() {
    let server = with_rules().await;
    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    let past = async |server: &Server| {
        let page = server.get("/rules/CP_OFFLINE", &cookie).await.body;
        let (_, after) = page.split_once("<dt>On the past</dt>").expect("the past");
        after.split_once("</dd>").expect("its end").0.to_owned()
    };
    assert!(past(&server).await.contains("as it stands not tried yet"));
    let ask = json!({ "rule": "CP_OFFLINE", "from": "2026-11-01T00:00:00Z",
                      "until": "2026-11-02T00:00:00Z" });
    let (status, told) = server.call("POST /api/v1/rules/replay", ask).await;
    assert_eq!(status, 202, "{told}");
    let id = told["id"].as_u64().expect("a number");
    for _ in 0..500 {
        let (_, job) = server.call(&format!("GET /api/v1/rules/replay/{id}"), Value::Null).await;
        if job["status"] == "done" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let now = past(&server).await;
    assert!(now.contains("As it stands, it <a") && !now.contains("not tried yet"), "{now}");
    let (_, rule) = server.call("GET /api/v1/rules/CP_OFFLINE", Value::Null).await;
    let text = rule["text"]
        .as_str()
        .expect("a text")
        .replace("description = \"The", "description = \"New: the");
    let (status, told) =
        server.call("PUT /api/v1/rules/CP_OFFLINE", json!({ "text": text, "made_from": 0 })).await;
    assert_eq!(status, 200, "{told}");
    let now = past(&server).await;
    assert!(now.contains("as it stands (version 1) not tried yet"), "{now}");
    assert!(
        now.contains("Before: the file&#39;s text <a")
            || now.contains("Before: the file's text <a"),
        "{now}"
    );
    assert!(!now.contains("T00:") && !now.contains("Z by"), "times are for people: {now}");
}

#[tokio::test]
async fn a_threshold_that_is_out_of_its_limits_is_wrong_and_no_conflict() {
    let server = with_rules().await;
    let put = async |rule: &str, name: &str, value: &str| {
        let body =
            json!({ "kind": "model", "target": "ABB / Terra", "name": name, "value": value });
        let (status, told) =
            server.call(&format!("PUT /api/v1/rules/{rule}/thresholds"), body).await;
        (status, told["error"]["code"].clone(), told["error"]["message"].to_string())
    };
    for (value, wanted) in [
        ("1s", "offline_for is at least"),
        ("500d", "offline_for is at most"),
        ("soon", "is a duration such as 90s, 10m or 24h; \\\"soon\\\" is none"),
        ("-3", "is a duration"),
    ] {
        let (status, code, told) = put("CP_OFFLINE", "offline_for", value).await;
        assert_eq!((status, &code), (422, &json!("unfit")), "{value}: {told}");
        assert!(told.contains(wanted), "{value}: {told}");
    }
    let (status, code, told) = put("CP_OFFLINE", "ofline_for", "20m").await;
    assert_eq!((status, code), (422, json!("unfit")));
    assert!(told.contains("did you mean `offline_for`?"), "{told}");
    assert_eq!(put("CP_OFLINE", "offline_for", "20m").await.0, 404);
}
