//! The way to a stronger security profile, step by step, and never back (S7, A05).

use std::sync::Arc;

use mendpoint_model::SecurityProfile::{Basic, Mutual, Tls};
use mendpoint_model::{Action, ChargerRecord, CommandOutcome, Origin, Protocol, SecurityProfile};
use mendpoint_pipeline::{Asked, Error, NotAdmitted, UpgradeStep, UpgradeTo};
use serde_json::{Value, json};

use super::kit::{Program, Try, answered, settings};

const SECRET: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----";

fn to(profile: SecurityProfile, root: &str) -> UpgradeTo {
    UpgradeTo {
        profile,
        url: "wss://ocpp.example.org:9443/ocpp".to_owned(),
        slot: 2,
        interface: "Wireless0".to_owned(),
        root_certificate: root.to_owned(),
    }
}

/// A charger that has come in with a password over a plain connection.
async fn on_profile_1(protocol: Protocol) -> (Program, Arc<ChargerRecord>) {
    let program = Program::start().await;
    let record = program.register("CP-1", Some(SECRET)).await;
    comes(&program, Basic).await.expect("profile 1");
    program.connect(&record, 1, protocol).await;
    (program, record)
}

async fn comes(program: &Program, on: SecurityProfile) -> Result<SecurityProfile, NotAdmitted> {
    let knock = Try::of("CP-1").password(SECRET).on(on);
    program.knock(&knock).await.map(|admitted| admitted.profile)
}

fn set_variable_accepted() -> CommandOutcome {
    CommandOutcome::Answered {
        accepted: true,
        status: String::new(),
        payload: r#"{"setVariableResult":[{"attributeStatus":"Accepted"}]}"#.to_owned(),
    }
}

/// Leads the charger there; it answers each of the messages as it is told. What it was sent, and what
/// the steps came to.
async fn lead(
    program: &Program,
    record: &Arc<ChargerRecord>,
    to: UpgradeTo,
    answers: &[(&str, CommandOutcome)],
) -> (Vec<Value>, Vec<UpgradeStep>) {
    let (handle, key) = (program.handle.clone(), record.key);
    let asking = tokio::spawn(async move { handle.upgrade_profile(key, to, "ana").await });
    let mut sent = Vec::new();
    for (action, outcome) in answers {
        let command = program.sent(action).await;
        let Action::Raw { payload, .. } = &command.action else { panic!("{command:?}") };
        sent.push(serde_json::from_str(payload).expect("JSON"));
        program.answer(record, command.id, outcome.clone()).await;
    }
    let steps = asking.await.expect("it ends").expect("it was begun");
    (sent, steps)
}

#[tokio::test]
async fn s07_in_2_x_a_network_profile_leads_to_profile_2_and_not_back() {
    for protocol in [Protocol::V201, Protocol::V21] {
        let (program, record) = on_profile_1(protocol).await;
        let answers = [
            ("SetNetworkProfile", answered("Accepted")),
            ("SetVariables", set_variable_accepted()),
            ("Reset", answered("Scheduled")),
        ];
        let (sent, steps) = lead(&program, &record, to(Tls, ""), &answers).await;
        assert_eq!(sent[0]["configurationSlot"], 2);
        assert_eq!(sent[0]["connectionData"]["securityProfile"], 2);
        assert_eq!(sent[0]["connectionData"]["ocppCsmsUrl"], "wss://ocpp.example.org:9443/ocpp");
        assert_eq!(sent[0]["connectionData"]["ocppInterface"], "Wireless0");
        let variable = &sent[1]["setVariableData"][0];
        assert_eq!(variable["component"]["name"], "OCPPCommCtrlr");
        assert_eq!(variable["variable"]["name"], "NetworkConfigurationPriority");
        assert_eq!(variable["attributeValue"], "2");
        assert_eq!(sent[2], json!({ "type": "OnIdle" }));
        assert!(steps.iter().all(|step| step.done), "{steps:?}");

        // Until it has come in with the new profile, the old one is its way back.
        assert_eq!(comes(&program, Basic).await, Ok(Basic));
        assert_eq!(comes(&program, Tls).await, Ok(Tls));
        let refused =
            Err(NotAdmitted::Unauthorized("a weaker security profile than this charger's"));
        assert_eq!(comes(&program, Basic).await, refused, "A05.FR.09");
        let back = program.handle.upgrade_profile(record.key, to(Basic, ""), "ana").await;
        assert!(matches!(back, Err(Error::Refused(_))), "and nobody is led down: {back:?}");
        let program = Program::on(settings(), program.crash().await).await;
        assert_eq!(comes(&program, Basic).await, refused, "also after a restart");
        assert_eq!(comes(&program, Tls).await, Ok(Tls));
    }
}

#[tokio::test]
async fn s07_in_1_6_a_key_leads_to_profile_2_and_not_back() {
    let (program, record) = on_profile_1(Protocol::V16).await;
    let answers = [("ChangeConfiguration", answered("Accepted"))];
    let (sent, steps) = lead(&program, &record, to(Tls, ""), &answers).await;
    assert_eq!(sent[0], json!({ "key": "SecurityProfile", "value": "2" }));
    assert!(steps.iter().all(|step| step.done), "{steps:?}");
    assert_eq!(comes(&program, Basic).await, Ok(Basic));
    assert_eq!(comes(&program, Tls).await, Ok(Tls));
    assert!(comes(&program, Basic).await.is_err());
}

#[tokio::test]
async fn s07_the_way_ends_at_the_first_step_that_the_charger_does_not_do() {
    for (answers, done) in [
        (vec![("SetNetworkProfile", answered("Rejected"))], 0),
        (
            vec![
                ("SetNetworkProfile", answered("Accepted")),
                ("SetVariables", CommandOutcome::TimedOut),
            ],
            1,
        ),
    ] {
        let (program, record) = on_profile_1(Protocol::V201).await;
        let (_, steps) = lead(&program, &record, to(Tls, ""), &answers).await;
        assert_eq!(steps.len(), done + 1, "{steps:?}");
        assert!(!steps[done].done);
        assert_eq!(comes(&program, Basic).await, Ok(Basic), "nothing has changed on our side");
    }
}

#[tokio::test]
async fn s06_the_root_is_installed_first_and_without_it_the_way_ends() {
    for (protocol, kind) in
        [(Protocol::V16, "CentralSystemRootCertificate"), (Protocol::V201, "CSMSRootCertificate")]
    {
        let (program, record) = on_profile_1(protocol).await;
        let answers = [("InstallCertificate", answered("Rejected"))];
        let (sent, steps) = lead(&program, &record, to(Tls, PEM), &answers).await;
        assert_eq!(sent[0], json!({ "certificateType": kind, "certificate": PEM }));
        assert_eq!(steps.len(), 1);
        assert!(!steps[0].done, "{steps:?}");
    }
    let (program, record) = on_profile_1(Protocol::V16).await;
    let answers = [
        ("InstallCertificate", answered("Accepted")),
        ("ChangeConfiguration", answered("Accepted")),
    ];
    let (_, steps) = lead(&program, &record, to(Tls, PEM), &answers).await;
    assert!(steps.iter().all(|step| step.done) && steps.len() == 2, "{steps:?}");
}

#[tokio::test]
async fn s07_profile_3_is_reached_from_profile_2_only() {
    let (program, record) = on_profile_1(Protocol::V201).await;
    let jump = program.handle.upgrade_profile(record.key, to(Mutual, ""), "ana").await;
    let Err(Error::Refused(why)) = jump else { panic!("{jump:?}") };
    assert!(why.contains("profile 2"), "{why}");
}

#[tokio::test]
async fn s07_what_a_charger_could_not_use_is_not_sent_to_it() {
    let (program, record) = on_profile_1(Protocol::V201).await;
    let lead = |to: UpgradeTo| program.handle.upgrade_profile(record.key, to, "ana");
    for url in ["ws://ocpp.example.org/ocpp", "", "wss:///ocpp", "ocpp.example.org"] {
        let back = lead(UpgradeTo { url: url.to_owned(), ..to(Tls, "") }).await;
        let Err(Error::Unfit(why)) = back else { panic!("{url}: {back:?}") };
        assert!(why.contains("wss://"), "{why}");
    }
    let back = lead(to(Tls, "hello")).await;
    assert!(matches!(&back, Err(Error::Unfit(why)) if why.contains("PEM")), "{back:?}");
}

#[tokio::test]
async fn s07_a_charger_that_restarts_first_goes_on() {
    let (program, record) = on_profile_1(Protocol::V16).await;
    let answers =
        [("ChangeConfiguration", answered("RebootRequired")), ("Reset", answered("Accepted"))];
    let (sent, steps) = lead(&program, &record, to(Tls, ""), &answers).await;
    assert_eq!(sent[1], json!({ "type": "Soft" }));
    assert!(steps.len() == 2 && steps.iter().all(|step| step.done), "{steps:?}");
    let (program, record) = on_profile_1(Protocol::V201).await;
    let reboot = CommandOutcome::Answered {
        accepted: true,
        status: String::new(),
        payload: r#"{"setVariableResult":[{"attributeStatus":"RebootRequired"}]}"#.to_owned(),
    };
    let answers = [
        ("SetNetworkProfile", answered("Accepted")),
        ("SetVariables", reboot),
        ("Reset", answered("Scheduled")),
    ];
    let (_, steps) = lead(&program, &record, to(Tls, ""), &answers).await;
    assert!(steps.len() == 3 && steps.iter().all(|step| step.done), "{steps:?}");
}

#[tokio::test]
async fn s07_no_command_leads_to_a_weaker_profile() {
    let (program, record) = on_profile_1(Protocol::V16).await;
    comes(&program, Tls).await.expect("profile 2");
    let raw = |action: &str, payload: Value| Asked {
        action: Action::Raw { action: action.to_owned(), payload: payload.to_string() },
        by: Origin::User("ana".to_owned()),
        wait_ms: None,
    };
    let variable = |value: &str| {
        json!({ "setVariableData": [{ "component": { "name": "SecurityCtrlr" },
            "variable": { "name": "SecurityProfile" }, "attributeValue": value }] })
    };
    let network = |profile: u8| json!({ "connectionData": { "securityProfile": profile } });
    let key = |value: Value| json!({ "key": "securityprofile ", "value": value });
    for (action, payload) in [
        ("ChangeConfiguration", key(json!("1"))),
        ("ChangeConfiguration", key(json!(0))),
        ("SetVariables", variable("1")),
        ("SetNetworkProfile", network(0)),
    ] {
        let back = program.handle.submit(record.key, raw(action, payload)).await;
        let Err(Error::Refused(why)) = back else { panic!("{action}: sent") };
        assert!(why.contains("weaker"), "{why}");
    }
    for (action, payload) in [
        ("ChangeConfiguration", key(json!("2"))),
        ("ChangeConfiguration", json!({ "key": "HeartbeatInterval", "value": "1" })),
        ("SetNetworkProfile", network(3)),
    ] {
        program.handle.submit(record.key, raw(action, payload)).await.expect("sent");
        program.sent(action).await;
    }
}
