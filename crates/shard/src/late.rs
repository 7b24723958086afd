//! Late messages (1.2), sentence by sentence, told with the delivered rules.

use std::sync::Arc;

use mendpoint_incidents::Catalogue;

use crate::tests::delivered;
use crate::timeline_test::run;

/// Plays steps against all delivered rules.
fn play(steps: &str) {
    // Borrowed from a rule that is there: a test needs a file to stand in.
    let text = include_str!("../../../config/rules/err_faulted.toml");
    let rule = text[..text.find("[[test]]").expect("it has tests")].to_owned();
    let silent =
        "[[test]]\nname = \"silent\"\nsteps = [{ at = \"0s\", expect = { incidents = [] } }]\n";
    let fires = "[[test]]\nname = \"fires\"\nsteps = [{ at = \"0s\", expect = { incidents = [\"ERR_FAULTED\"] } }]\n";
    let told = format!("{rule}\n{silent}{fires}[[test]]\nname = \"late\"\nsteps = [\n{steps}\n]\n");
    let files = [("late.toml".to_owned(), told)];
    let playbook = include_str!("../../../config/playbooks/err_faulted.toml");
    let playbooks = [("err_faulted.toml".to_owned(), playbook.to_owned())];
    let catalogue = Catalogue::parse(&files, &playbooks).expect("well formed");
    let rule = Arc::clone(catalogue.rule("ERR_FAULTED").expect("it is there"));
    let test = rule.tests.iter().find(|test| test.name == "late").expect("it is there");
    let outcome = run(&delivered(), &rule, test);
    let told: Vec<_> = outcome.failures.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn a_late_fault_opens_nothing_and_sends_nothing() {
    play(
        r#"{ at = "0s", connect = true },
        { at = "1s", status = { connector = 1, status = "Faulted", error = "GroundFailure", late = "2h" } },
        { at = "2s", status = { connector = 1, status = "Available" } },
        { every = "60s", times = 10, heartbeat = true },
        { at = "11m", expect = { incidents = [], actions = [], tickets = 0, states = [] } },"#,
    );
}

#[test]
fn exactly_300_seconds_are_not_late() {
    play(
        r#"{ at = "0s", connect = true },
        { at = "1s", status = { connector = 1, status = "Faulted", error = "GroundFailure", late = "300s" } },
        { at = "2s", expect = { incidents = ["ERR_FAULTED"] } },"#,
    );
}

#[test]
fn a_late_end_ends_nothing() {
    play(
        r#"{ at = "0s", connect = true },
        { at = "1s", status = { connector = 1, status = "Faulted", error = "GroundFailure" } },
        { at = "2s", expect = { incidents = ["ERR_FAULTED"] } },
        { at = "10m", status = { connector = 1, status = "Available", late = "2h" } },
        { at = "10m1s", status = { connector = 1, status = "Faulted", error = "GroundFailure" } },
        { every = "60s", times = 10, heartbeat = true },
        { at = "21m", expect = { incidents = ["ERR_FAULTED"] } },"#,
    );
}

#[test]
fn no_timer_begins_anew_by_a_late_message() {
    play(
        r#"{ at = "0s", connect = true },
        { at = "1s", status = { connector = 1, status = "Faulted", error = "InternalError" } },
        { at = "40s", status = { connector = 1, status = "Available", late = "2h" } },
        { at = "60s", expect = { incidents = [] } },
        { at = "61s", expect = { incidents = ["ERR_FAULTED"] } },"#,
    );
}

#[test]
fn charges_that_failed_long_ago_are_no_burst() {
    play(
        r#"{ at = "0s", connect = true },
        { at = "1s", status = { connector = 1, status = "Available" } },
        { at = "1m", transaction_start = { connector = 1, id_token = "A" } },
        { at = "1m30s", transaction_stop = { connector = 1, energy_wh = 0, reason = "Other", late = "2h" } },
        { at = "2m", transaction_start = { connector = 1, id_token = "B" } },
        { at = "2m30s", transaction_stop = { connector = 1, energy_wh = 0, reason = "Other", late = "2h" } },
        { at = "3m", transaction_start = { connector = 1, id_token = "C" } },
        { at = "3m30s", transaction_stop = { connector = 1, energy_wh = 0, reason = "Other", late = "2h" } },
        { at = "4m", expect = { incidents = [] } },"#,
    );
}

#[test]
fn a_late_warning_is_no_warning() {
    play(
        r#"{ at = "0s", connect = true },
        { at = "1s", status = { connector = 1, status = "Available", error = "WeakSignal", late = "2h" } },
        { at = "2s", status = { connector = 1, status = "Available" } },
        { at = "1m", expect = { incidents = [] } },"#,
    );
}

#[test]
fn what_a_connected_charger_said_last_is_the_present_after_a_minute() {
    play(
        r#"{ at = "0s", connect = true },
        { at = "1s", status = { connector = 1, status = "Faulted", error = "InternalError", late = "2h" } },
        { at = "61s", expect = { incidents = [] } },
        { every = "30s", times = 2, heartbeat = true },
        { at = "2m2s", expect = { incidents = ["ERR_FAULTED"] } },"#,
    );
}
