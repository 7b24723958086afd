//! Reading never fails past the frame: what is odd is noted, and answered as if it were not.

use mendpoint_model::{ConnectorRef, EventKind, Protocol};
use mendpoint_ocpp::{Quirk, Reply};

use crate::canonical::{FACTS, every_case, read};
use crate::replies::{answer, assert_fits};

fn quirks(protocol: Protocol, action: &str, payload: &str) -> Vec<(&'static str, &'static str)> {
    let quirks = read(protocol, action, payload).quirks;
    quirks.iter().map(|quirk: &Quirk| (quirk.field, quirk.why)).collect()
}

/// The two messages whose answer speaks of something that only the payload names.
pub(crate) fn refusal_of_nothing(action: &str) -> Option<&'static str> {
    match action {
        "StartTransaction" => Some("FormationViolation"),
        "GetCertificateChainStatus" => Some("OccurrenceConstraintViolation"),
        _ => None,
    }
}

#[test]
fn a_payload_that_is_no_object_is_noted_and_answered() {
    for case in every_case() {
        for payload in ["[]", "\"text\"", "7", "true", "", "nonsense"] {
            let inbound = read(case.protocol, case.action, payload);
            let events = inbound.events.as_slice();
            assert_eq!(events, [EventKind::Other(case.action.to_owned())], "{payload}");
            assert_eq!(inbound.quirks[0].why, "not an object");
            assert!(!inbound.reply.needs_answer(), "nobody knows of this message");
            if let Some(code) = refusal_of_nothing(case.action) {
                let is_refused =
                    matches!(&inbound.reply, Reply::Error { code: found, .. } if *found == code);
                assert!(is_refused, "{:?}", inbound.reply);
            } else {
                assert_fits(&case, &answer(case.protocol, &inbound.reply, &FACTS));
            }
        }
    }
}

#[test]
fn b42_numbers_as_text_and_text_as_numbers() {
    let payload = r#"{"connectorId":"1","idTag":12345678,"meterStart":26008.333,"timestamp":"2026-09-21T14:13:00"}"#;
    let inbound = read(Protocol::V16, "StartTransaction", payload);
    let [EventKind::TransactionStarted(started)] = inbound.events.as_slice() else {
        panic!("{inbound:?}")
    };
    assert_eq!(started.connector, ConnectorRef::v16(1));
    assert_eq!(started.id_token, "12345678");
    assert_eq!(started.meter_wh, Some(26_008));
    assert!(started.at.is_some());
    assert_eq!(
        quirks(Protocol::V16, "StartTransaction", payload),
        [
            ("connectorId", "number as text"),
            ("idTag", "not in quotes"),
            ("meterStart", "not a whole number"),
            ("timestamp", "zone missing"),
        ]
    );
}

#[test]
fn b44_an_absurd_clock_costs_the_time_only() {
    for time in ["1970-01-01T00:00:00Z", "0001-01-03T00:00:00Z", "9999-01-01T00:00:00Z"] {
        let payload = format!(
            r#"{{"connectorId":1,"status":"Available","errorCode":"NoError","timestamp":"{time}"}}"#
        );
        let inbound = read(Protocol::V16, "StatusNotification", &payload);
        let [EventKind::Status(report)] = inbound.events.as_slice() else { panic!("{inbound:?}") };
        assert_eq!(report.at, None);
        assert_eq!(
            inbound.quirks,
            [Quirk { field: "timestamp", why: "clock not set", value: time.to_owned() }]
        );
    }
}

#[test]
fn b47_extra_fields_are_ignored() {
    let payload = r#"{"vendorThing":{"a":[1,{"status":"x"}]},"connectorId":1,"errorCode":"NoError","status":"Charging","customData":{"vendorId":"v"}}"#;
    let inbound = read(Protocol::V16, "StatusNotification", payload);
    assert_eq!(inbound.quirks, []);
    assert!(matches!(inbound.events[0], EventKind::Status(_)));
}

#[test]
fn b48_strings_stay_as_they_are() {
    let payload = r#"{"idTag":"<b>\u00e9\"\\\ud83d\ude00</b>-longer-than-twenty"}"#;
    let inbound = read(Protocol::V16, "Authorize", payload);
    let [EventKind::Authorize(authorize)] = inbound.events.as_slice() else {
        panic!("{inbound:?}")
    };
    assert_eq!(authorize.id_token, "<b>é\"\\\u{1f600}</b>-longer-than-twenty");
}

#[test]
fn what_was_read_before_the_json_broke_is_kept() {
    let payload =
        r#"{"connectorId":1,"errorCode":"NoError","status":"Charging","info":NaN,"x":{"y":}"#;
    let inbound = read(Protocol::V16, "StatusNotification", payload);
    let [EventKind::Status(report)] = inbound.events.as_slice() else { panic!("{inbound:?}") };
    assert_eq!(report.status.name(), "Charging");
    assert!(inbound.quirks.iter().any(|quirk| quirk.field == "payload"));
    assert_eq!(
        quirks(Protocol::V16, "Heartbeat", "{},{}"),
        [("payload", "something follows the object")]
    );
}

#[test]
fn missing_fields_are_noted_and_the_message_counts() {
    let inbound = read(Protocol::V16, "StartTransaction", "{}");
    assert_eq!(inbound.reply, Reply::StartTransaction);
    assert_eq!(
        quirks(Protocol::V16, "StartTransaction", "{}"),
        [("connectorId", "missing"), ("idTag", "missing"), ("meterStart", "missing")]
    );
    let inbound = read(Protocol::V201, "TransactionEvent", "{}");
    assert_eq!(inbound.reply, Reply::TransactionEvent);
    assert!(matches!(inbound.events[0], EventKind::TransactionUpdated(_)));
}

#[test]
fn a_token_that_is_missing_is_refused_without_asking() {
    for (protocol, payload) in [(Protocol::V16, "{}"), (Protocol::V201, r#"{"idToken":{}}"#)] {
        let inbound = read(protocol, "Authorize", payload);
        assert_eq!(inbound.events.as_slice(), [EventKind::Other("Authorize".into())]);
        assert!(!inbound.reply.needs_answer());
        assert!(answer(protocol, &inbound.reply, &FACTS).to_string().contains("Invalid"));
    }
}

#[test]
fn doubled_keys_and_nulls_do_no_harm() {
    let payload = r#"{"connectorId":1,"connectorId":2,"status":"Available","errorCode":null,"info":null,"timestamp":null}"#;
    let inbound = read(Protocol::V16, "StatusNotification", payload);
    let [EventKind::Status(report)] = inbound.events.as_slice() else { panic!("{inbound:?}") };
    assert_eq!(report.connector, ConnectorRef::v16(2));
    assert_eq!((&report.error, report.at), (&None, None));
}

/// Rounded, it would end another driver's session.
#[test]
fn b59_a_transaction_number_with_a_fraction_is_nobodys() {
    for (id, known) in [("34", Some(34)), ("\"34\"", Some(34)), ("34.0", Some(34)), ("34.5", None)]
    {
        let payload =
            format!(r#"{{"transactionId":{id},"meterStop":1,"timestamp":"2026-01-01T00:00:00Z"}}"#);
        let inbound = read(Protocol::V16, "StopTransaction", &payload);
        let ended = inbound.events.iter().find_map(|event| match event {
            EventKind::TransactionEnded(ended) => Some(ended.id.0),
            _ => None,
        });
        assert_eq!(ended.filter(|id| *id > 0), known, "{id}");
    }
}
