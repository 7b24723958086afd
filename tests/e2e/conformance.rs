//! What chargers send that is not as the specification says: told by model, kept over a restart,
//! and refused where somebody wants it refused.

use serde_json::{Value, json};

use crate::kit::Server;

/// What a report tells of one field.
fn line<'a>(report: &'a Value, message: &str, field: &str) -> &'a Value {
    let items = report["items"].as_array().expect("items");
    let found = items.iter().find(|item| item["message"] == message && item["field"] == field);
    found.unwrap_or_else(|| panic!("{message}.{field} is not in {report}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deviations_are_reported_by_model_and_survive_a_crash() {
    let mut server = Server::start();
    for identity in ["ODD-1", "ODD-2"] {
        let mut charger = server.charger(identity).await.expect("connected");
        let boot =
            json!({"chargePointVendor": "=ACME", "chargePointModel": "X", "firmwareVersion": "1"});
        charger.call("BootNotification", boot).await.expect("answered");
        let tag = json!({"idTag": "SECRET-CARD-0123456789"});
        charger.call("Authorize", tag).await.expect("answered");
        let values = json!({"connectorId": 1, "meterValue": [{"timestamp": "2026-09-21T14:13:00Z",
            "sampledValue": [{"value": "1", "unit": "kWh "}, {"value": "2", "unit": "kWh "}]}]});
        charger.call("MeterValues", values).await.expect("answered");
    }
    let report = server.get("/conformance?vendor=%3DACME&model=X&firmware=1");
    let unit = line(&report, "MeterValues", "meterValue[].sampledValue[].unit");
    assert_eq!((&unit["rule"], &unit["example"]), (&json!("word"), &json!("\"kWh \"")));
    assert_eq!(
        (&unit["found"], &unit["chargers"], &unit["checked"]),
        (&json!(2), &json!(2), &json!(2))
    );
    let tag = line(&report, "Authorize", "idTag");
    assert_eq!(tag["allowed"], "at most 20 characters");
    assert!(!report.to_string().contains("SECRET"), "{report}");
    let (_, file) = server.request("GET", "/conformance.csv?model=X", "");
    assert!(file.contains("\"'=ACME\",\"X\",\"1\",\"1.6\",\"Authorize\",\"idTag\""), "{file}");
    assert_eq!(server.get("/conformance?model=Y")["items"], json!([]));

    server.kill();
    server.start_again();
    let again = server.get("/conformance");
    assert_eq!(line(&again, "Authorize", "idTag")["found"], 2);
    assert_eq!(server.get("/conformance/models")["items"][0]["vendor"], "=ACME");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_charger_can_be_read_strictly() {
    let server = Server::start();
    let wrong = r#"[2,"n1","StatusNotification",{"connectorId":1,"status":"Available","errorCode":"Error"}]"#;
    let mut charger = server.charger("STRICT-1").await.expect("connected");
    assert_eq!(charger.exchange(wrong).await.expect("answered")[0], 3, "tolerated");
    let body = r#"{"validation": "strict"}"#;
    let (status, answer) = server.request("PATCH", "/chargers/STRICT-1", body);
    assert_eq!(status, 200, "{answer}");
    assert!(charger.call("Heartbeat", json!({})).await.is_none(), "it is to begin anew");

    let mut charger = server.charger("STRICT-1").await.expect("connected again");
    let refused = charger.exchange(wrong).await.expect("answered");
    assert_eq!(refused[2], "PropertyConstraintViolation");
    let told = refused[3].as_str().expect("a description");
    assert!(told.starts_with("errorCode: \"Error\" is none of ConnectorLockFailure,"), "{told}");
    let mut other = server.charger("OTHER-1").await.expect("connected");
    assert_eq!(other.exchange(wrong).await.expect("answered")[0], 3, "the others are not touched");
    let (status, answer) =
        server.request("PATCH", "/chargers/STRICT-1", r#"{"validation": "harsh"}"#);
    assert_eq!(status, 400, "{answer}");
}
