//! The settings of a charger, on its page and in the API.

use mendpoint_model::{ChargerKey, Mutability, UnixMs, VariableRef, VariableReport};
use mendpoint_pipeline::NewCharger;
use mendpoint_store::Entry;

use super::{PASSWORD, Server};

fn key(name: &str, value: Option<&str>, mutability: Mutability) -> VariableReport {
    VariableReport {
        at: VariableRef::key(name),
        value: value.map(str::to_owned),
        mutability: Some(mutability),
        ..VariableReport::default()
    }
}

/// A charger with some keys, one of which was changed by a person.
async fn known(server: &Server) -> ChargerKey {
    let new = NewCharger { identity: "CP-1".to_owned(), ..NewCharger::default() };
    let charger = server.pipeline.handle().register_charger(new).await.expect("registered").key;
    let told = |at: i64, by: &str, variables: Vec<VariableReport>| Entry::Variables {
        charger,
        at: UnixMs(at),
        by: by.to_owned(),
        variables,
    };
    let journal = server.store.journal();
    let first = vec![
        key("HeartbeatInterval", Some("300"), Mutability::ReadWrite),
        key("Modem_RSSI", Some("-97"), Mutability::ReadOnly),
        key("Banner", Some("<script>"), Mutability::ReadWrite),
        key("AuthorizationKey", None, Mutability::WriteOnly),
    ];
    let second = vec![key("HeartbeatInterval", Some("60"), Mutability::ReadWrite)];
    let seq = journal.append(vec![told(100, "charger", first)]).await;
    journal.wait(seq).await;
    let seq = journal.append(vec![told(200, "dispatch", second)]).await;
    journal.wait(seq).await;
    charger
}

#[tokio::test]
async fn settings_are_shown_with_their_changes_and_without_secrets() {
    let server = Server::start().await;
    known(&server).await;
    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    let page = server.get("/chargers/CP-1/settings", &cookie).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("HeartbeatInterval"));
    assert!(page.body.contains("not kept: a secret"));
    assert!(page.body.contains("dispatch"), "who changed it");
    assert!(!page.body.contains("<script>"), "what a charger says stays text");
    let open = server.get("/chargers/CP-1/settings?of=HeartbeatInterval%7CActual", &cookie).await;
    assert!(open.body.contains("id=\"variable\""), "{}", open.body);
    let found = server.get("/chargers/CP-1/settings?q=rssi", &cookie).await;
    assert!(!found.body.contains("HeartbeatInterval|Actual"));
    let file = server.get("/chargers/CP-1/settings.csv", &cookie).await;
    assert!(file.body.contains("HeartbeatInterval,Actual,60,ReadWrite"), "{}", file.body);

    let form = "of=Modem_RSSI%7CActual&value=1";
    let answer = server
        .send(
            "POST /chargers/CP-1/settings",
            &[("cookie", &cookie), ("sec-fetch-site", "same-origin")],
            form,
        )
        .await;
    let to = answer.header("location").expect("a place");
    assert!(to.contains("can%20only%20be%20read"), "{to}");
}

#[tokio::test]
async fn a_key_is_offered_and_confirmed_for_the_model() {
    let server = Server::start().await;
    known(&server).await;
    let cookie = server.sign_in("ana", PASSWORD).await.cookie();
    let page = server.get("/chargers/CP-1/settings", &cookie).await;
    assert!(page.body.contains("May tell of the radio link"), "{}", page.body);
    let form = "name=Modem_RSSI&unit=dbm&transport=cellular&do=confirm";
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let answer = server.send("POST /chargers/CP-1/settings/signal-key", &headers, form).await;
    assert_eq!(answer.status, 303);
    let keys = server.pipeline.handle().signal_keys();
    assert_eq!((keys.len(), keys[0].confirmed, keys[0].decided_by.as_str()), (1, true, "ana"));
    let page = server.get("/chargers/CP-1/settings", &cookie).await;
    assert!(page.body.contains("confirmed by ana"), "{}", page.body);
}
