//! Who comes in, and who does not.

use std::net::IpAddr;

use mendpoint_model::SecurityProfile::{Basic, Mutual, Open, Tls};
use mendpoint_model::{
    Action, Admission, ChargerRecord, ConnectorRef, EventKind, MeterReading, Protocol,
    TransactionEnded, TransactionId, TransactionStarted, TriggeredMessage,
};
use mendpoint_pipeline::{
    IdentityCase, NewCharger, NotAdmitted, PipelineSettings, SecurityChange, UnknownChargers,
    new_secret,
};

use super::kit::{HOME, Program, Try, lock, settings};

const SECRET: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

fn is_unauthorized<T: std::fmt::Debug>(result: &Result<T, NotAdmitted>) -> bool {
    matches!(result, Err(NotAdmitted::Unauthorized(_)))
}

#[tokio::test]
async fn s1_the_matrix_of_profiles_and_credentials() {
    for listener in [Open, Basic, Tls, Mutual] {
        let program = Program::start().await;
        program.register("CP-1", Some(SECRET)).await;
        let knock = Try::of("CP-1").on(listener);
        let right = program.knock(&knock.password(SECRET)).await;
        match listener {
            Mutual => assert!(is_unauthorized(&right), "a password is no certificate"),
            Tls => assert_eq!(right.expect("right").profile, Tls),
            Open | Basic => assert_eq!(right.expect("right").profile, Basic),
        }
        let wrong = SECRET.replace('0', "1");
        assert!(is_unauthorized(&program.knock(&knock.password(&wrong)).await));
        assert!(is_unauthorized(&program.knock(&knock).await), "absent on {listener:?}");
        let another = Try { user: Some("CP-2"), ..knock.password(SECRET) };
        assert!(is_unauthorized(&program.knock(&another).await), "S2: the name is the identity");
        let unknown = Try::of("CP-9").on(listener).password(SECRET);
        assert_eq!(program.knock(&unknown).await, Err(NotAdmitted::Unknown));
    }
}

#[tokio::test]
async fn b16_both_spellings_of_a_key_open_and_which_is_noted() {
    let program = Program::start().await;
    let record = program.register("CP-1", Some(SECRET)).await;
    let text = program.knock(&Try::of("CP-1").password(SECRET)).await;
    text.expect("as text");
    assert_eq!(program.handle.security(record.key).key_spelling, "hexadecimal text");
    let small = SECRET.to_lowercase();
    program.knock(&Try::of("CP-1").password(&small)).await.expect("in small letters");
    let bytes = [
        0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd,
        0xef, 0x01, 0x23, 0x45, 0x67,
    ];
    let raw = Try { password: Some(&bytes), ..Try::of("CP-1") };
    program.knock(&raw).await.expect("as bytes");
    assert_eq!(program.handle.security(record.key).key_spelling, "bytes");
    let other = Try { password: Some(&bytes[..19]), ..raw };
    assert!(is_unauthorized(&program.knock(&other).await));
}

#[tokio::test]
async fn b17_and_s7_a_profile_that_was_reached_is_not_left_again() {
    let program = Program::start().await;
    let record = program.register("CP-1", Some(SECRET)).await;
    let on = |listener| Try::of("CP-1").password(SECRET).on(listener);
    program.knock(&on(Basic)).await.expect("nothing stronger yet");
    program.knock(&on(Tls)).await.expect("stronger");
    assert!(is_unauthorized(&program.knock(&on(Basic)).await), "A05.FR.09");
    // It stays so over a restart.
    let program = Program::on(settings(), program.crash().await).await;
    assert!(is_unauthorized(&program.knock(&on(Basic)).await));
    program.knock(&on(Tls)).await.expect("still good");
    let change = SecurityChange { profile: Some(Basic), ..SecurityChange::default() };
    program.handle.set_security(record.key, change).await.expect("an administrator may");
    program.knock(&on(Basic)).await.expect("reset by an administrator");
}

#[tokio::test]
async fn b17_a_charger_provisioned_for_tls_never_comes_in_without() {
    let program = Program::start().await;
    let new = NewCharger {
        identity: "CP-1".to_owned(),
        password: Some(SECRET.as_bytes().to_vec()),
        profile: Tls,
        ..NewCharger::default()
    };
    program.handle.register_charger(new).await.expect("registered");
    let knock = Try::of("CP-1").password(SECRET);
    assert!(is_unauthorized(&program.knock(&knock.on(Open)).await));
    assert!(is_unauthorized(&program.knock(&knock.on(Basic)).await));
    program.knock(&knock.on(Tls)).await.expect("as provisioned");
}

#[tokio::test]
async fn b18_and_s3_a_certificate_is_one_chargers() {
    let program = Program::start().await;
    for (identity, serial) in [("CP-1", "SN-1"), ("CP-2", "SN-2"), ("CP-3", ""), ("SN-1", "")] {
        let record = program.register(identity, None).await;
        let known = ChargerRecord { serial: serial.to_owned(), ..ChargerRecord::clone(&record) };
        program.handle.update_charger(known).await.expect("updated");
    }
    let show = |identity, name| Try::of(identity).showing(name, "Volt AG");
    assert_eq!(program.knock(&show("CP-1", "SN-1")).await.expect("its own").profile, Mutual);
    assert!(is_unauthorized(&program.knock(&show("CP-2", "SN-1")).await), "another charger's");
    assert!(is_unauthorized(&program.knock(&show("CP-3", "SN-1")).await), "and an unknown serial");
    let namesake = program.knock(&show("SN-1", "SN-1")).await;
    assert!(is_unauthorized(&namesake), "its identity is the name that another one is bound to");
    let other = Try::of("CP-1").showing("SN-1", "Other Ltd");
    assert!(is_unauthorized(&program.knock(&other).await), "another operator's");
    // A person may bind it beforehand, but not twice.
    let three = program.handle.directory().by_identity("CP-3").expect("there").key;
    let bind = |name: &str| SecurityChange {
        certificate_name: Some(name.to_owned()),
        ..SecurityChange::default()
    };
    program.handle.set_security(three, bind("SN-1")).await.expect_err("it is CP-1's");
    program.handle.set_security(three, bind("SN-3")).await.expect("free");
    program.knock(&show("CP-3", "SN-3")).await.expect("bound");
    assert!(is_unauthorized(&program.knock(&Try::of("CP-1")).await), "S7");
}

#[tokio::test]
async fn b15_the_case_of_identities_is_a_setting() {
    let program = Program::start().await;
    program.register("Depot-1:A b.C_d", Some(SECRET)).await;
    let shouted = Try::of("DEPOT-1:a B.c_D").password(SECRET);
    assert_eq!(program.knock(&shouted).await, Err(NotAdmitted::Unknown));
    program.knock(&Try::of("Depot-1:A b.C_d").password(SECRET)).await.expect("as registered");
    let tolerant = PipelineSettings { identity_case: IdentityCase::Ignore, ..settings() };
    let program = Program::on(tolerant, program.crash().await).await;
    let admitted = program.knock(&shouted).await.expect("the same charger");
    let record = program.handle.directory().charger(admitted.charger).expect("registered");
    assert_eq!(&*record.identity, "Depot-1:A b.C_d", "as it is spelt in the database");
}

#[tokio::test]
async fn b52_unknown_chargers_are_rejected_quarantined_or_accepted_and_shown() {
    for (unknown, accepted) in [
        (UnknownChargers::Reject, None),
        (UnknownChargers::Quarantine, Some(false)),
        (UnknownChargers::Accept, Some(true)),
    ] {
        let wanted = PipelineSettings { unknown_chargers: unknown, ..settings() };
        let program = Program::with(wanted).await;
        let came = program.knock(&Try::of("NEW")).await;
        assert_eq!(came.as_ref().ok().map(|admitted| admitted.accepted), accepted);
        let shown = program.handle.directory().by_identity("NEW");
        assert_eq!(shown.is_some(), accepted.is_some());
        if accepted.is_some() {
            // On a listener that asks for proof it is shown, and waits.
            let strict = program.knock(&Try::of("NEW-2").on(Tls).password("x")).await;
            assert!(!strict.expect("shown").accepted);
        }
    }
}

#[tokio::test]
async fn b51_a_charger_is_online_as_soon_as_it_is_connected() {
    let wanted = PipelineSettings { unknown_chargers: UnknownChargers::Quarantine, ..settings() };
    let program = Program::with(wanted).await;
    let admitted = program.knock(&Try::of("NEW")).await.expect("quarantined");
    let record = program.handle.directory().charger(admitted.charger).expect("entered");
    program.connect(&record, admitted.epoch, Protocol::V16).await;
    // No boot was heard.
    let state = program.handle.charger(record.key).await.expect("it has a state");
    assert!(state.link.connected);
}

#[tokio::test]
async fn a_charger_that_is_accepted_keeps_its_connection_and_a_blocked_one_does_not() {
    let wanted = PipelineSettings { unknown_chargers: UnknownChargers::Quarantine, ..settings() };
    let program = Program::with(wanted).await;
    let admitted = program.knock(&Try::of("NEW")).await.expect("quarantined");
    let record = program.handle.directory().charger(admitted.charger).expect("entered");
    program.connect(&record, admitted.epoch, Protocol::V16).await;
    let now = |admission| ChargerRecord { admission, ..ChargerRecord::clone(&record) };
    program.handle.update_charger(now(Admission::Accepted)).await.expect("accepted");
    assert_eq!(*lock(&program.told.accepted), [(record.key, true)]);
    assert!(lock(&program.told.closed).is_empty());
    let asked = program.sent("TriggerMessage").await;
    let boot = TriggeredMessage::BootNotification;
    assert_eq!(asked.action, Action::Trigger { message: boot, connector: None });
    program.handle.update_charger(now(Admission::Blocked)).await.expect("blocked");
    assert_eq!(lock(&program.told.closed).len(), 1);
    assert_eq!(program.knock(&Try::of("NEW")).await, Err(NotAdmitted::Unknown));
}

#[tokio::test]
async fn b21_ten_thousand_logins_of_known_chargers_ask_no_database() {
    let program = Program::start().await;
    let mut known = Vec::new();
    for number in 0..100 {
        let identity = format!("CP-{number}");
        let secret = new_secret().expect("random bytes");
        program.register(&identity, Some(&secret)).await;
        program.knock(&Try::of(&identity).password(&secret)).await.expect("the first time");
        known.push((identity, secret));
    }
    // From here on every query would fail.
    program.store.close().await;
    for _ in 0..100 {
        for (identity, secret) in &known {
            let came = program.knock(&Try::of(identity).password(secret)).await;
            assert_eq!(came.expect("known").profile, Basic);
        }
    }
}

#[tokio::test]
async fn an_unknown_charger_is_told_at_once_that_the_database_is_away() {
    let wanted = PipelineSettings { unknown_chargers: UnknownChargers::Quarantine, ..settings() };
    let program = Program::with(wanted).await;
    program.store.close().await;
    assert_eq!(program.knock(&Try::of("NEW")).await, Err(NotAdmitted::Unavailable));
    // The others do not even try, for a while.
    for number in 0..1_000 {
        let identity = format!("NEW-{number}");
        assert_eq!(program.knock(&Try::of(&identity)).await, Err(NotAdmitted::Unavailable));
    }
}

#[tokio::test]
async fn s24_guesses_do_not_keep_the_real_charger_out() {
    let program = Program::start().await;
    let wrong = SECRET.replace('0', "1");
    program.register("CP-1", Some(SECRET)).await;
    let mut told_to_wait = 0;
    for guess in 0..10_000_u32 {
        let from = IpAddr::from([10, 0, 0, (guess % 50) as u8]);
        let knock = Try { from, ..Try::of("CP-1").password(&wrong) };
        match program.knock(&knock).await {
            Err(NotAdmitted::TooMany(_)) => told_to_wait += 1,
            Err(NotAdmitted::Unauthorized(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(told_to_wait > 9_000, "{told_to_wait}");
    let real = Try::of("CP-1").password(SECRET);
    program.knock(&real).await.expect("from its own address");
    // Also behind the address that the guesses come from.
    let shared = Try { from: IpAddr::from([10, 0, 0, 7]), ..real };
    program.knock(&shared).await.expect("its secret cannot be guessed");
    assert_ne!(shared.from, HOME);
}

#[tokio::test]
async fn s25_a_charger_cannot_touch_another_ones_transaction() {
    let program = Program::start().await;
    let (a, b) = (program.register("A", None).await, program.register("B", None).await);
    program.connect(&a, 1, Protocol::V16).await;
    program.connect(&b, 2, Protocol::V16).await;
    let started = TransactionStarted {
        id: TransactionId(0),
        external_id: String::new(),
        connector: ConnectorRef::v16(1),
        id_token: "TAG".to_owned(),
        meter_wh: Some(1_000),
        at: Some(program.handle.now()),
        seq_no: 0,
        offline: false,
        charging_state: None,
    };
    let answer = program.call(&a, 1, EventKind::TransactionStarted(started)).await;
    let id = answer.transaction;
    assert!(id.0 > 0);
    let before = program.store.transaction(id).await.expect("reads").expect("there");

    let reading = MeterReading {
        transaction: Some(id),
        energy_wh: Some(999_999.0),
        ..MeterReading::default()
    };
    program.say(&b, 2, EventKind::Meter(reading)).await;
    let ended = TransactionEnded {
        id,
        external_id: String::new(),
        connector: None,
        id_token: None,
        meter_wh: Some(999_999),
        reason: "Local".to_owned(),
        at: None,
        seq_no: 0,
        offline: false,
    };
    program.call(&b, 2, EventKind::TransactionEnded(ended)).await;

    let told = program.security_event("ForeignTransaction").await;
    assert_eq!(told.charger, Some(b.key));
    let after = program.store.transaction(id).await.expect("reads").expect("there");
    assert_eq!((after.charger, after.ended_at), (a.key, None), "0 effect");
    assert_eq!(after.transaction.meter_wh, before.transaction.meter_wh);
    let state = program.handle.charger(a.key).await.expect("it has a state");
    assert!(state.transactions.iter().any(|open| open.id == id));
}
