//! Rules tried on the past: the command and the server say the same.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mendpoint_model::{HOUR_MS, UnixMs};
use serde_json::{Value, json};

use crate::kit::Server;

/// Shortens the engine's waiting times: a minute becomes 1.2 seconds.
const PACE: &str = "0.02";

/// Waits until the server says so.
fn until(server: &Server, what: &str, mut holds: impl FnMut(&Server) -> bool) {
    let begun = Instant::now();
    while !holds(server) {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited 30 s for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What both tell of a report, in the same words.
fn told(report: &Value) -> Value {
    json!({
        "sentence": report["sentence"],
        "rules": report["rules"],
        "frames": report["frames"],
        "actions": report["actions_counted"],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_and_the_page_give_the_same_figures() {
    let server = Server::start_with(&[("MENDPOINT__ENGINE__PACE", PACE)]);
    let mut charger = server.charger("PAST-1").await.expect("connected");
    let boot = json!({ "chargePointVendor": "Test", "chargePointModel": "Past" });
    charger.call("BootNotification", boot).await.expect("an answer");
    let status = |status: &str, error: &str| json!({ "connectorId": 1, "status": status, "errorCode": error });
    for error in ["InternalError", "ReaderFailure"] {
        let faulted = status("Faulted", error);
        charger.call("StatusNotification", faulted).await.expect("an answer");
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            charger.call("Heartbeat", json!({})).await.expect("an answer");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let available = status("Available", "NoError");
        charger.call("StatusNotification", available).await.expect("an answer");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    until(&server, "an incident", |server| !server.all("/incidents?rule=ERR_FAULTED").is_empty());

    // Another text of the rule, of which the server knows nothing; and one edited on the server.
    let text = server.get("/rules/ERR_FAULTED")["text"].as_str().expect("a text").to_owned();
    let sooner = text.replacen("default = \"60s\"", "default = \"20s\"", 1);
    assert!(sooner != text, "the text of the rule is another one");
    let off = json!({ "on": false }).to_string();
    let (code, told_off) = server.request("PATCH", "/rules/CP_FLAPPING_LINK", &off);
    assert_eq!(code, 200, "{told_off}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sooner.toml");
    std::fs::write(&file, &sooner).expect("written");
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = UnixMs(i64::try_from(since.as_millis()).expect("before the year 292 million"));
    let (from, until_at) = ((now - HOUR_MS).rfc3339_ms(), now.rfc3339_ms());
    // What came until then is on disk some seconds later; what comes now is in neither.
    tokio::time::sleep(Duration::from_secs(6)).await;
    for rule in [None, Some("ERR_FAULTED")] {
        let ask = json!({
            "rules": [{ "text": sooner }], "rule": rule, "from": from, "until": until_at,
        });
        let (code, begun) = server.request("POST", "/rules/replay", &ask.to_string());
        assert_eq!(code, 202, "{begun}");
        let begun: Value = serde_json::from_str(&begun).expect("JSON");
        let path = format!("/rules/replay/{}", begun["id"]);
        until(&server, "the replay", |server| server.get(&path)["status"] != json!("running"));
        let page = server.get(&path);

        let file = file.display().to_string();
        let mut args = vec!["rules", "replay", "--rules", &file, "--json"];
        args.extend(["--from", from.as_str(), "--to", until_at.as_str()]);
        args.extend(rule.iter().flat_map(|rule| ["--rule", rule]));
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_mendpoint"))
            .args(&args)
            .env("MENDPOINT__DATABASE__URL", server.database_url())
            .env("MENDPOINT__ENGINE__PACE", PACE)
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let command: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(told(&page["report"]), told(&command), "{rule:?}");
        let fired = page["report"]["rules"][0]["fired"].as_u64();
        assert!(fired.is_some_and(|fired| fired > 0), "{page}");
    }
}
