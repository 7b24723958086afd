//! What is done on encrypted connections only, and what a flood comes to.

use futures_util::{SinkExt, StreamExt};
use mendpoint_model::{Action, CommandOutcome, SecurityProfile};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::kit::{Pair, With, lock};
use crate::GatewaySettings;
use crate::intake::GatewayEvent;

const SIGN: &str = r#"[2,"1","SignCertificate",{"csr":"good"}]"#;

#[tokio::test(start_paused = true)]
async fn s06_certificates_are_signed_on_encrypted_connections_only() {
    for profile in SecurityProfile::ALL {
        let mut pair = Pair::with(With { profile, ..With::default() }).await;
        pair.say(SIGN).await;
        let word = if profile.is_encrypted() { "Accepted" } else { "Rejected" };
        assert_eq!(pair.hear().await, format!(r#"[3,"1",{{"status":"{word}"}}]"#));
        pair.say(&SIGN.replace("good", "bad").replace("\"1\"", "\"2\"")).await;
        assert_eq!(pair.hear().await, r#"[3,"2",{"status":"Rejected"}]"#);
        let notes = lock(&pair.intake.notes);
        assert!(matches!(notes.last(), Some(GatewayEvent::CertificateRefused { .. })), "{notes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn s06_certificates_are_not_changed_over_a_connection_in_the_clear() {
    for action in ["CertificateSigned", "InstallCertificate", "DeleteCertificate"] {
        let raw = || Action::Raw { action: action.to_owned(), payload: "{}".to_owned() };
        let profile = SecurityProfile::Basic;
        let mut pair = Pair::with(With { profile, ..With::default() }).await;
        pair.command_of(raw());
        pair.hear_nothing().await;
        let outcome = pair.outcomes().remove(0).outcome;
        assert!(matches!(outcome, CommandOutcome::Unsupported(why) if why.contains("profile 1")));
        // What waits behind it is not held up.
        let next = pair.command();
        assert!(pair.hear().await.contains(&next));
        let profile = SecurityProfile::Tls;
        let mut pair = Pair::with(With { profile, ..With::default() }).await;
        pair.command_of(raw());
        assert!(pair.hear().await.contains(action));
    }
}

#[tokio::test(start_paused = true)]
async fn s06_the_root_of_the_central_system_may_be_installed_on_profile_1() {
    let payload = r#"{"certificateType":"CentralSystemRootCertificate","certificate":"PEM"}"#;
    let install =
        || Action::Raw { action: "InstallCertificate".to_owned(), payload: payload.to_owned() };
    let profile = SecurityProfile::Basic;
    let mut pair = Pair::with(With { profile, ..With::default() }).await;
    let id = pair.command_of(install());
    assert_eq!(pair.hear().await, format!(r#"[2,"{id}","InstallCertificate",{payload}]"#));
    let mut pair = Pair::with(With { profile: SecurityProfile::Open, ..With::default() }).await;
    pair.command_of(install());
    pair.hear_nothing().await;
    assert!(matches!(pair.outcomes().remove(0).outcome, CommandOutcome::Unsupported(_)));
}

#[tokio::test(start_paused = true)]
async fn b39_a_flood_is_slowed_down_and_every_message_is_answered() {
    let settings = GatewaySettings { messages_per_second: 10, ..GatewaySettings::default() };
    let mut pair = Pair::with(With { settings, ..With::default() }).await;
    let began = Instant::now();
    let count = 2_500;
    let (mut sink, mut stream) = {
        let (ours, _) = tokio::io::duplex(1);
        let config = None;
        let empty = WebSocketStream::from_raw_socket(ours, Role::Client, config).await;
        std::mem::replace(&mut pair.charger, empty).split()
    };
    let flood = tokio::spawn(async move {
        for id in 0..count {
            let call = format!(
                r#"[2,"{id}","StartTransaction",{{"connectorId":1,"idTag":"A","meterStart":{id},"timestamp":"2026-01-01T00:00:00Z"}}]"#
            );
            sink.send(Message::text(call)).await.expect("the session reads");
        }
        sink
    });
    for id in 0..count {
        let answer = loop {
            let message = stream.next().await.expect("open").expect("no error");
            if let Message::Text(text) = message {
                break text;
            }
        };
        assert!(answer.starts_with(&format!(r#"[3,"{id}","#)), "{answer}");
    }
    // 2,000 at once, and the other 500 at ten a second.
    let took = began.elapsed().as_secs();
    assert!((48..=60).contains(&took), "{took} s of the session's own clock");
    drop(flood.await.expect("all sent"));
}
