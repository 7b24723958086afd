//! What chargers are told of cards, and what they tell of reservations.

use mendpoint_model::{
    EventKind, Protocol, ReservationReport, ReservationStatus, TokenInfo, TokenStatus, UnixMs,
};
use mendpoint_ocpp::{Reply, ReplyFacts, decode};
use serde_json::{Value, json};

use crate::canonical::FACTS;
use crate::replies::answer;

fn told(protocol: Protocol, reply: &Reply, accepted: bool, info: Option<&TokenInfo>) -> Value {
    let facts = ReplyFacts { token_accepted: accepted, token: info, ..FACTS };
    answer(protocol, reply, &facts)
}

#[test]
fn a_card_is_told_with_its_group_and_its_end() {
    let info = TokenInfo {
        expires_at: Some(UnixMs(1_790_000_000_000)),
        parent: Some("FLEET".into()),
        ..TokenInfo::of(TokenStatus::Accepted)
    };
    assert_eq!(
        told(Protocol::V16, &Reply::Authorize, true, Some(&info)),
        json!({ "idTagInfo": {
            "status": "Accepted", "expiryDate": "2026-09-21T14:13:20Z", "parentIdTag": "FLEET",
        } })
    );
    assert_eq!(
        told(Protocol::V201, &Reply::Authorize, true, Some(&info)),
        json!({ "idTokenInfo": {
            "status": "Accepted", "cacheExpiryDateTime": "2026-09-21T14:13:20Z",
            "groupIdToken": { "idToken": "FLEET", "type": "Central" },
        } })
    );
    let long = TokenInfo { parent: Some("F".repeat(21).into()), ..info };
    let answer = told(Protocol::V16, &Reply::Authorize, true, Some(&long));
    assert!(answer["idTagInfo"].get("parentIdTag").is_none(), "longer than 1.6 allows");
}

#[test]
fn a_refusal_says_why() {
    let status = |info: Option<TokenStatus>| {
        let info = info.map(TokenInfo::of);
        let v16 = told(Protocol::V16, &Reply::Authorize, false, info.as_ref());
        let v201 = told(Protocol::V201, &Reply::Authorize, false, info.as_ref());
        assert_eq!(v16["idTagInfo"]["status"], v201["idTokenInfo"]["status"]);
        v16["idTagInfo"]["status"].clone()
    };
    assert_eq!(status(None), "Invalid", "nobody registered it");
    assert_eq!(status(Some(TokenStatus::Blocked)), "Blocked");
    assert_eq!(status(Some(TokenStatus::ConcurrentTx)), "ConcurrentTx");
    assert_eq!(status(Some(TokenStatus::Accepted)), "Expired", "accepted once, refused now");
    // Whoever could stop it was allowed to.
    let blocked = TokenInfo::of(TokenStatus::Blocked);
    let stop = told(Protocol::V16, &Reply::StopTransactionWithToken, false, Some(&blocked));
    assert_eq!(stop["idTagInfo"]["status"], "Accepted");
}

fn reservations(protocol: Protocol, action: &str, payload: &Value) -> Vec<ReservationReport> {
    let inbound = decode(protocol, action, &payload.to_string(), UnixMs(1_790_000_000_000));
    let reports = inbound.events.into_iter().filter_map(|event| match event {
        EventKind::Reservation(report) => Some(report),
        _ => None,
    });
    reports.collect()
}

#[test]
fn a_start_tells_the_reservation_it_used() {
    let used = |id| vec![ReservationReport { id, status: ReservationStatus::Used }];
    let mut start = json!({
        "connectorId": 1, "idTag": "A", "meterStart": 5, "timestamp": "2026-09-21T14:13:20Z",
    });
    assert!(reservations(Protocol::V16, "StartTransaction", &start).is_empty());
    start["reservationId"] = 7.into();
    assert_eq!(reservations(Protocol::V16, "StartTransaction", &start), used(7));
    let event = json!({
        "eventType": "Started", "timestamp": "2026-09-21T14:13:20Z", "triggerReason": "Authorized",
        "seqNo": 0, "reservationId": 8, "transactionInfo": { "transactionId": "tx" },
    });
    assert_eq!(reservations(Protocol::V201, "TransactionEvent", &event), used(8));
}

#[test]
fn a_charger_tells_the_end_of_a_reservation() {
    let told = |word: &str| {
        let payload = json!({ "reservationId": 9, "reservationUpdateStatus": word });
        reservations(Protocol::V21, "ReservationStatusUpdate", &payload)
    };
    let report = |status| vec![ReservationReport { id: 9, status }];
    assert_eq!(told("Expired"), report(ReservationStatus::Expired));
    assert_eq!(told("Removed"), report(ReservationStatus::Removed));
    assert_eq!(told("NoTransaction"), report(ReservationStatus::Removed));
    assert!(told("Vanished").is_empty(), "kept as a frame, answered all the same");
}
