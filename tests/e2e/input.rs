//! What is wrong gets a sentence, and nothing stops.

use std::process::Command;

use serde_json::json;

use crate::kit::Server;

#[test]
fn the_api_says_what_is_wrong() {
    let server = Server::start();
    for (method, path, body, status, told) in [
        ("GET", "/incidents?state=broken", "", 400, "recovered_unproven"),
        ("GET", "/incidents?limit=0", "", 400, "between 1 and 500"),
        ("GET", "/incidents?cursor=abc", "", 400, "cursor"),
        ("GET", "/incidents?colour=red", "", 400, "colour"),
        ("GET", "/chargers/NOBODY", "", 404, "NOBODY"),
        ("GET", "/incidents/INC-x", "", 404, "INC-x"),
        ("GET", "/nothing", "", 404, "openapi.json"),
        ("DELETE", "/chargers", "", 405, "openapi.json"),
        ("POST", "/chargers", "{", 400, "JSON"),
        ("POST", "/chargers", "{\"identity\": \"a/b\"}", 422, "slash"),
        ("POST", "/chargers", "{\"identity\": \"A\", \"colour\": 1}", 400, "colour"),
        ("POST", "/chargers", "{\"identity\": \"A\", \"site\": \"X\"}", 400, "no site"),
        ("POST", "/sites", "{\"name\": \" \"}", 409, "name"),
        ("PUT", "/healing", "{\"allowed\": \"no\"}", 400, "true or false"),
        ("POST", "/tickets/T-9/accept", "", 404, "no such ticket"),
        ("POST", "/incidents/INC-9/dance", "", 404, "take"),
    ] {
        let (got, answer) = server.request(method, path, body);
        assert_eq!(got, status, "{method} {path}: {answer}");
        assert!(answer.contains(told), "{method} {path} should tell {told:?}: {answer}");
        assert!(answer.contains("\"error\""), "{method} {path}: {answer}");
    }
    let (status, answer) = server.request_as("wrong-token", "GET", "/chargers", "");
    assert_eq!(status, 401, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charger_that_sends_nonsense_is_answered_and_stays_connected() {
    let server = Server::start();
    let mut charger = server.charger("NONSENSE-1").await.expect("connected");
    for frame in [
        "",
        "nonsense",
        "{}",
        "[]",
        "[2]",
        "[9,\"x\",{}]",
        "[2,\"1\",\"Heartbeat\"]",
        "[2,\"2\",\"StatusNotification\",{\"connectorId\":\"one\",\"status\":7}]",
        "[2,\"3\",\"MeterValues\",{\"connectorId\":1,\"meterValue\":[{\"sampledValue\":[{}]}]}]",
        "[3,\"unknown\",{}]",
        "[4,\"unknown\",\"GenericError\"]",
        "[2,\"4\",\"NoSuchAction\",{}]",
    ] {
        charger.send_raw(frame).await.expect("still connected");
    }
    let answer = charger.call("Heartbeat", json!({})).await.expect("still connected");
    assert!(answer["currentTime"].as_str().is_some_and(|time| time.ends_with('Z')), "{answer}");
    assert_eq!(server.get("/chargers/NONSENSE-1")["online"], json!(true));
}

#[test]
fn the_command_line_says_what_is_wrong() {
    let run = |arguments: &[&str], environment: (&str, &str)| {
        let output = Command::new(env!("CARGO_BIN_EXE_mendpoint"))
            .args(arguments)
            .env(environment.0, environment.1)
            .output()
            .expect("the program starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (arguments, environment, code, told) in [
        (&["config", "check"][..], ("MENDPOINT__OCPP__PORT", "9"), 64, "port"),
        (&["config", "check"][..], ("MENDPOINT__ENGINE__PACE", "-1"), 64, "engine.pace"),
        (&["config", "check", "--config", "/nonexistent"][..], ("X", "1"), 64, "/nonexistent"),
        (&["rules", "check", "--rules", "/nonexistent"][..], ("X", "1"), 64, "/nonexistent"),
        (&["simulate", "run", "no-such-scenario"][..], ("X", "1"), 1, "steady"),
    ] {
        let (got, answer) = run(arguments, environment);
        assert_eq!(got, Some(code), "{arguments:?}: {answer}");
        assert!(answer.contains(told), "{arguments:?} should tell {told:?}: {answer}");
    }
}
