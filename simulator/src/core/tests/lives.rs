//! Boots, sessions, faults and cures.

use super::*;
use crate::{Cure, Fault, Shows};

const BOTH: [Protocol; 2] = [Protocol::V16, Protocol::V201];

#[test]
fn it_boots_tells_its_statuses_and_beats() {
    let mut bench = Bench::started(Protocol::V16);
    assert_eq!(bench.said("BootNotification")[0]["chargePointModel"], "HYC150");
    let told: Vec<i64> = bench
        .said("StatusNotification")
        .iter()
        .filter_map(|status| status["connectorId"].as_i64())
        .collect();
    assert_eq!(told, [0, 1, 2]);
    bench.advance_s(901);
    assert_eq!(bench.said("Heartbeat").len(), 3);
}

#[test]
fn pending_and_rejected_wait_for_the_interval() {
    for protocol in BOTH {
        let mut bench = Bench::new(protocol);
        bench.boot_status = "Pending";
        bench.interval_s = 20;
        bench.input(Input::Start);
        bench.advance_s(19);
        assert_eq!(bench.calls.len(), 1, "nothing but the boot while pending");
        // It answers, and sends what it is asked for.
        let answer = bench.command("TriggerMessage", &json!({"requestedMessage": "Heartbeat"}));
        assert_eq!(answer[2]["status"], "Accepted");
        assert_eq!(bench.said("Heartbeat").len(), 1);
        bench.boot_status = "Rejected";
        bench.advance_s(5);
        assert_eq!(bench.said("BootNotification").len(), 2);
        // Rejected: not a word, not even an answer.
        let frames = bench.transcript.len();
        bench.input(Input::Text(r#"[2,"x","ClearCache",{}]"#.to_owned()));
        assert_eq!(bench.transcript.len(), frames);
        bench.boot_status = "Accepted";
        bench.advance_s(20);
        assert!(bench.core.is_online());
    }
}

#[test]
fn a_session_goes_from_authorise_to_available() {
    for protocol in BOTH {
        let behaviour = Behaviour { meter_interval_ms: 60_000, ..Behaviour::default() };
        let mut bench = Bench::with(protocol, behaviour, 3);
        bench.input(Input::Start);
        bench.advance_s(1);
        bench.act(Act::StartSession {
            connector: 1,
            token: Some("GOOD".to_owned()),
            length_ms: Some(600_000),
        });
        bench.advance_s(60);
        assert_eq!(bench.status(1), ConnectorStatus::Charging);
        bench.advance_s(600);
        let actions: Vec<&str> = bench.calls.iter().map(|call| call.2.as_str()).collect();
        let place = |action: &str| actions.iter().position(|said| *said == action);
        assert!(place("Authorize").is_some(), "{actions:?}");
        if protocol == Protocol::V16 {
            assert!(place("Authorize") < place("StartTransaction"));
            assert!(place("MeterValues") < place("StopTransaction"));
            assert_eq!(bench.said("MeterValues")[0]["transactionId"], 41);
            let stop = bench.said("StopTransaction")[0];
            let start = bench.said("StartTransaction")[0];
            assert_eq!((&stop["transactionId"], &stop["reason"]), (&json!(41), &json!("Local")));
            let wh = |value: &Value| value.as_i64().expect("a register");
            let energy = wh(&stop["meterStop"]) - wh(&start["meterStart"]);
            assert!(energy > 1_000, "ten minutes of direct current gave {energy} Wh");
        } else {
            let events = bench.said("TransactionEvent");
            let seqs: Vec<i64> =
                events.iter().filter_map(|event| event["seqNo"].as_i64()).collect();
            assert_eq!(seqs, (0..seqs.len() as i64).collect::<Vec<_>>());
            assert_eq!(events[0]["eventType"], "Started");
            let last = events[events.len() - 1];
            assert_eq!(last["eventType"], "Ended");
            assert_eq!(last["transactionInfo"]["stoppedReason"], "Local");
        }
        bench.advance_s(120);
        assert_eq!(bench.status(1), ConnectorStatus::Available);
    }
}

#[test]
fn a_refused_token_starts_nothing() {
    for protocol in BOTH {
        let mut bench = Bench::started(protocol);
        bench.act(Act::PlugIn { connector: 1 });
        bench.act(Act::StartSession {
            connector: 1,
            token: Some("BAD".to_owned()),
            length_ms: None,
        });
        bench.advance_s(30);
        assert!(!bench.core.is_charging(1));
        assert_eq!(bench.status(1), ConnectorStatus::Preparing);
    }
}

fn reset(bench: &mut Bench, hard: bool) {
    let kind = match (bench.core.spec().is_v16(), hard) {
        (true, true) => "Hard",
        (true, false) => "Soft",
        (false, true) => "Immediate",
        (false, false) => "OnIdle",
    };
    let answer = bench.command("Reset", &json!({ "type": kind }));
    assert_eq!(answer[2]["status"], "Accepted");
    bench.advance_s(2);
    assert!(!bench.core.is_online(), "it goes down for the reset");
    bench.advance_s(120);
}

#[test]
fn a_soft_reset_mends_what_it_can_and_only_that() {
    for protocol in BOTH {
        let mut bench = Bench::started(protocol);
        bench.act(Act::Fault(Fault::new("InternalError", 1, Cure::SoftReset)));
        bench.act(Act::Fault(Fault::new("OtherError", 2, Cure::HardReset)));
        assert_eq!(bench.status(1), ConnectorStatus::Faulted);
        reset(&mut bench, false);
        assert_eq!(bench.status(1), ConnectorStatus::Available);
        assert_eq!(bench.status(2), ConnectorStatus::Faulted);
        reset(&mut bench, true);
        assert_eq!(bench.status(2), ConnectorStatus::Available);
        let boots = bench.said("BootNotification");
        assert_eq!(boots.len(), 3);
        if protocol == Protocol::V201 {
            assert_eq!(boots[1]["reason"], "RemoteReset");
        }
    }
}

#[test]
fn what_never_heals_stays_until_somebody_comes() {
    for protocol in BOTH {
        let mut bench = Bench::started(protocol);
        bench.act(Act::Fault(Fault::new("InternalError", 1, Cure::Never)));
        reset(&mut bench, false);
        reset(&mut bench, true);
        assert_eq!(bench.status(1), ConnectorStatus::Faulted);
        bench.act(Act::Clear { connector: 1 });
        assert_eq!(bench.status(1), ConnectorStatus::Available);
    }
}

#[test]
fn a_reset_can_make_it_worse() {
    let mut bench = Bench::started(Protocol::V16);
    bench.act(Act::Fault(Fault::new("InternalError", 1, Cure::WorseFaulted)));
    assert_eq!(bench.status(2), ConnectorStatus::Available);
    reset(&mut bench, false);
    assert_eq!(bench.status(2), ConnectorStatus::Faulted);

    let mut bench = Bench::started(Protocol::V201);
    bench.act(Act::Fault(Fault::new("InternalError", 1, Cure::WorseOffline)));
    reset(&mut bench, false);
    bench.advance_s(3_600);
    assert!(!bench.core.is_online());
    bench.act(Act::Clear { connector: 0 });
    bench.advance_s(5);
    assert!(bench.core.is_online());
}

#[test]
fn whether_a_reset_harms_is_drawn_for_each_of_them() {
    // What 400 resets do: how many harmed, and after how many of those it stayed away.
    let harmed = |chance: f64| {
        let (mut harmed, mut away) = (0, 0);
        let behaviour = Behaviour { reset_harms: chance, ..calm() };
        let mut bench = Bench::with(Protocol::V16, behaviour, 1);
        bench.input(Input::Start);
        bench.advance_s(1);
        for _ in 0..400 {
            reset(&mut bench, false);
            let broken = bench.status(2) == ConnectorStatus::Faulted;
            harmed += u32::from(broken);
            away += u32::from(!bench.core.is_online());
            bench.act(Act::Clear { connector: 0 });
            bench.advance_s(90);
            assert_eq!(bench.status(2), ConnectorStatus::Available, "a person mends it");
            assert!(bench.core.is_online());
        }
        (harmed, away)
    };
    assert_eq!(harmed(0.0), (0, 0));
    let (some, away) = harmed(0.1);
    assert!((20..=60).contains(&some) && (8..=45).contains(&away), "{some}, {away} away");
    assert_eq!((some, away), harmed(0.1), "the same seed draws the same");
    assert_eq!(harmed(1.0).0, 400);
}

#[test]
fn itself_unlock_and_availability_heal() {
    let mut bench = Bench::started(Protocol::V16);
    bench.act(Act::Fault(Fault::new("HighTemperature", 1, Cure::Itself { after_ms: 60_000 })));
    bench.advance_s(59);
    assert_eq!(bench.status(1), ConnectorStatus::Faulted);
    bench.advance_s(2);
    assert_eq!(bench.status(1), ConnectorStatus::Available);

    bench.act(Act::Fault(Fault::new("ConnectorLockFailure", 1, Cure::Unlock)));
    let answer = bench.command("UnlockConnector", &json!({ "connectorId": 1 }));
    assert_eq!(answer[2]["status"], "Unlocked");
    assert_eq!(bench.status(1), ConnectorStatus::Available);

    bench.act(Act::Fault(Fault::new("ConnectorLockFailure", 1, Cure::AvailabilityCycle)));
    let answer = bench.command("UnlockConnector", &json!({ "connectorId": 1 }));
    assert_eq!(answer[2]["status"], "UnlockFailed");
    bench.command("ChangeAvailability", &json!({ "connectorId": 1, "type": "Operative" }));
    assert_eq!(bench.status(1), ConnectorStatus::Faulted, "half a cycle mends nothing");
    bench.command("ChangeAvailability", &json!({ "connectorId": 1, "type": "Inoperative" }));
    assert_eq!(bench.status(1), ConnectorStatus::Unavailable);
    bench.command("ChangeAvailability", &json!({ "connectorId": 1, "type": "Operative" }));
    assert_eq!(bench.status(1), ConnectorStatus::Available);
}

#[test]
fn faults_of_2_0_1_are_events_that_are_cleared() {
    let mut bench = Bench::started(Protocol::V201);
    let fault = Fault::new("ConnectorLockFailure", 2, Cure::Never).with_vendor_code("CX001");
    bench.act(Act::Fault(fault));
    bench.act(Act::Clear { connector: 2 });
    let events = bench.said("NotifyEvent");
    let (came, went) = (&events[0]["eventData"][0], &events[1]["eventData"][0]);
    assert_eq!(came["component"]["name"], "ConnectorPlugRetentionLock");
    assert_eq!((&came["actualValue"], &came["techCode"]), (&json!("true"), &json!("CX001")));
    assert_eq!((&went["actualValue"], &went["cleared"]), (&json!("false"), &json!(true)));
    assert_eq!(came["component"]["evse"]["id"], 2);
}

#[test]
fn a_fault_in_a_session_ends_it_with_other() {
    let mut bench = Bench::started(Protocol::V16);
    bench.charge();
    bench.act(Act::Fault(Fault::new("PowerMeterFailure", 1, Cure::SoftReset)));
    assert_eq!(bench.said("StopTransaction")[0]["reason"], "Other");
    let last = bench.said("StatusNotification");
    let last = last[last.len() - 1];
    assert_eq!(
        (&last["status"], &last["errorCode"]),
        (&json!("Faulted"), &json!("PowerMeterFailure"))
    );
}

#[test]
fn failing_sessions_deliver_next_to_nothing_until_the_cure() {
    for (shows, protocol) in
        [(Shows::FailsSessions, Protocol::V16), (Shows::FaultsInSession, Protocol::V201)]
    {
        let behaviour = Behaviour { speed: 15.0, prove_within_ms: 10_000, ..Behaviour::default() };
        let mut bench = Bench::with(protocol, behaviour, 5);
        bench.input(Input::Start);
        bench.advance_s(1);
        bench.act(Act::Fault(Fault::new("InternalError", 1, Cure::SoftReset).showing(shows)));
        bench.advance_s(60);
        let ended: Vec<i64> = bench
            .notes
            .iter()
            .filter_map(|note| match note {
                Note::TransactionEnded(1, wh) => Some(*wh),
                _ => None,
            })
            .collect();
        assert!(ended.len() >= 3, "{shows:?}: three failures in a minute, not {}", ended.len());
        if shows == Shows::FailsSessions {
            assert!(ended.iter().all(|wh| *wh < 100), "{ended:?}");
        }
        bench.command(
            "Reset",
            &json!({ "type": if protocol == Protocol::V16 { "Soft" } else { "Immediate" } }),
        );
        bench.notes.clear();
        bench.advance_s(400);
        let proof = bench.notes.iter().find_map(|note| match note {
            Note::TransactionEnded(1, wh) => Some(*wh),
            _ => None,
        });
        assert!(proof.is_some_and(|wh| wh >= 100), "a session proves the repair: {proof:?}");
    }
}

#[test]
fn transactions_made_offline_arrive_later_under_new_ids() {
    for protocol in BOTH {
        let mut bench = Bench::started(protocol);
        bench.charge();
        bench.act(Act::GoOffline { for_ms: None, power: false });
        let before = bench.calls.len();
        bench.reachable = false;
        bench.act(Act::StopSession { connector: 1 });
        bench.act(Act::Unplug { connector: 1 });
        // A whole session without a connection.
        bench.charge();
        bench.act(Act::StopSession { connector: 1 });
        bench.act(Act::ComeBack);
        bench.advance_s(120);
        assert_eq!(bench.calls.len(), before);
        assert!(bench.core.queued() >= 3);
        bench.reachable = true;
        bench.advance_s(30);
        assert!(bench.core.is_online());
        assert_eq!(bench.core.queued(), 0);
        let ids: std::collections::HashSet<&String> =
            bench.calls.iter().map(|call| &call.1).collect();
        assert_eq!(ids.len(), bench.calls.len(), "no id is used twice");
        if protocol == Protocol::V16 {
            let stops: Vec<&Value> =
                bench.said("StopTransaction").iter().map(|stop| &stop["transactionId"]).collect();
            assert_eq!(stops, [41, 42], "each stop carries the number of its own start");
            assert_eq!(bench.said("StartTransaction").len(), 2);
        } else {
            let late: Vec<&Value> = bench.calls[before..]
                .iter()
                .filter(|call| call.2 == "TransactionEvent")
                .map(|call| &call.3["offline"])
                .collect();
            assert!(late.len() >= 4 && late.iter().all(|offline| **offline == true), "{late:?}");
        }
        assert!(bench.said("BootNotification").len() == 1, "it never lost its power");
    }
}

#[test]
fn an_unanswered_stop_is_said_again_under_a_new_id() {
    let mut bench = Bench::started(Protocol::V16);
    bench.charge();
    // The connection breaks before the answer comes.
    let output = bench.core.handle(bench.now, Input::Act(Act::StopSession { connector: 1 }));
    let mut sent = output.iter().rev().filter_map(|output| match output {
        Output::Send(text) => serde_json::from_str::<Value>(text).ok(),
        _ => None,
    });
    let first = sent.next().expect("the stop")[1].clone();
    bench.input(Input::Closed("broken".to_owned()));
    bench.advance_s(20);
    let again = bench.calls.iter().rfind(|call| call.2 == "StopTransaction").expect("again");
    assert_ne!(first, again.1);
}

#[test]
fn a_server_that_has_forgotten_it_is_told_who_it_is() {
    let mut bench = Bench::started(Protocol::V16);
    let output = bench.core.handle(bench.now + 300_000, Input::Tick);
    bench.now = bench.now + 300_000;
    let beat = output.iter().find_map(|output| match output {
        Output::Send(text) => serde_json::from_str::<Value>(text).ok(),
        _ => None,
    });
    let id = beat.expect("a heartbeat")[1].clone();
    bench.input(Input::Text(json!([4, id, "SecurityError", "boot first", {}]).to_string()));
    assert_eq!(bench.said("BootNotification").len(), 2);
    assert!(bench.core.is_online());
}

#[test]
fn back_off_grows_and_ends_with_the_first_success() {
    let mut bench = Bench::new(Protocol::V16);
    bench.reachable = false;
    bench.input(Input::Start);
    bench.advance_s(1);
    let wait = |bench: &Bench| bench.core.next_deadline().expect("a plan").since_ms(bench.now);
    bench.advance_s(60);
    assert!(wait(&bench) <= 8_000 * 13 / 10);
    bench.reachable = true;
    bench.advance_s(15);
    assert!(bench.core.is_online());
}

#[test]
fn a_flapping_link_drops_and_returns_without_booting() {
    let mut bench = Bench::started(Protocol::V201);
    bench.act(Act::Flap { times: 3, down_ms: 4_000, up_ms: 8_000 });
    bench.advance_s(60);
    assert!(bench.core.is_online());
    assert_eq!(bench.said("BootNotification").len(), 1);
    assert_eq!(bench.said("Heartbeat").len(), 3, "a sign of life after each return");
}

#[test]
fn a_power_cut_ends_transactions_and_boots() {
    let mut bench = Bench::started(Protocol::V201);
    bench.charge();
    bench.act(Act::GoOffline { for_ms: Some(60_000), power: true });
    bench.advance_s(300);
    assert_eq!(bench.said("BootNotification").len(), 2);
    let last = bench.said("TransactionEvent");
    let last = last[last.len() - 1];
    assert_eq!(last["transactionInfo"]["stoppedReason"], "PowerLoss");
}

#[test]
fn weak_signals_are_told_in_both_versions() {
    let behaviour = Behaviour { signal_every_ms: 10_000, ..calm() };
    let mut bench = Bench::with(Protocol::V16, behaviour.clone(), 1);
    bench.input(Input::Start);
    bench.advance_s(1);
    bench.act(Act::WeakSignal { dbm: -107, for_ms: 60_000, error_code: true });
    bench.advance_s(45);
    let told = bench.said("DataTransfer");
    assert!(told.len() >= 4, "{}", told.len());
    assert!(told[0]["data"].as_str().is_some_and(|data| data.contains("\"rssi\":-10")));
    assert!(bench.said("StatusNotification").iter().any(|s| s["errorCode"] == "WeakSignal"));

    let mut bench = Bench::with(Protocol::V201, behaviour, 1);
    bench.input(Input::Start);
    bench.advance_s(1);
    bench.act(Act::WeakSignal { dbm: -107, for_ms: 60_000, error_code: false });
    let event = &bench.said("NotifyEvent")[0]["eventData"][0];
    assert_eq!(event["component"]["name"], "DataLink");
    assert_eq!(event["variable"]["name"], "SignalStrength");
}

#[test]
fn the_same_seed_gives_the_same_transcript() {
    let life = |seed: u64| {
        let behaviour = Behaviour {
            sessions_per_hour: 30.0,
            speed: 15.0,
            signal_every_ms: 10_000,
            ..Behaviour::default()
        };
        let mut bench = Bench::with(Protocol::V201, behaviour, seed);
        bench.input(Input::Start);
        bench.advance_s(1_800);
        bench.act(Act::Fault(Fault::new("InternalError", 1, Cure::SoftReset)));
        bench.advance_s(30);
        reset(&mut bench, true);
        bench.transcript
    };
    let first = life(9);
    assert!(first.len() > 100, "{} frames", first.len());
    assert_eq!(first, life(9));
    assert_ne!(first, life(10));
}
