//! Rules and thresholds that change while something is under way.

use std::sync::Arc;

use mendpoint_model::{ChargerKey, ConnectorStatus as S, IncidentState, SiteKey};

use crate::world::{ONE, World, shipped, shipped_with, world};
use crate::{Catalogue, Target, ThresholdOverride};

/// A rule that sorts before all others and never fires.
const ANOTHER: &str = r#"
id = "AAA_NEVER"
version = 1
title = "Never"
description = "It never fires here."
severity = 9
scope = "charger"
auto_heal = "off"
[condition]
when = 'model == "of another maker"'
[[test]]
name = "fires"
steps = [
  { at = "0s", connect = true },
  { at = "1s", boot = { vendor = "A", model = "of another maker" } },
  { at = "2s", expect = { incidents = ["AAA_NEVER"] } },
]
[[test]]
name = "is silent"
steps = [{ at = "0s", connect = true }, { at = "1m", expect = { incidents = [] } }]
"#;

/// The shipped rules and one more, so that the places of all others are new.
pub(crate) fn with_another() -> Arc<Catalogue> {
    shipped_with(|_, text| text.to_owned(), &[("another.toml", ANOTHER)])
}

/// The shipped rules with one text in place of another.
fn with(file: &str, from: &str, to: &str) -> Arc<Catalogue> {
    shipped_with(
        |name, text| {
            if name != file {
                return text.to_owned();
            }
            assert!(text.contains(from), "{file} has {from}");
            text.replace(from, to)
        },
        &[],
    )
}

fn reload(world: &mut World, catalogue: &Catalogue) {
    world.engine.set_catalogue(world.now, catalogue, &world.fleet);
}

#[test]
fn a_timer_runs_on_when_its_rule_is_read_again() {
    let mut world = world();
    world.disconnect(ONE);
    world.wait(9 * 60);
    reload(&mut world, &with_another());
    world.wait(59);
    assert!(world.incidents.is_empty(), "ten minutes are not over");
    world.wait(1);
    assert_eq!(world.incident().rule, "CP_OFFLINE");
}

#[test]
fn two_timers_of_one_moment_both_run_on() {
    let played = |reloads: bool| {
        let mut world = world();
        world.disconnect(ONE);
        world.wait(601);
        world.connect(ONE);
        world.wait(1);
        // It is back, and faulted at once: one ends and the other begins in sixty seconds.
        world.boot(ONE);
        world.status(ONE, 0, S::Faulted, "InternalError");
        world.wait(30);
        if reloads {
            // The place of one was that of the other.
            reload(&mut world, &with_another());
        }
        world.wait(60);
        let line = |line: &mendpoint_model::TimelineEntry| format!("{} {}", line.at, line.title);
        world.lines.iter().map(line).collect::<Vec<String>>()
    };
    let left = played(false);
    assert!(left.iter().any(|line| line.contains("Back online")), "{left:?}");
    assert_eq!(played(true), left);
}

#[test]
fn what_was_counted_stays_counted() {
    let mut world = world();
    let fail = |world: &mut World| {
        world.start(ONE, 1, "A");
        world.wait(30);
        world.stop(ONE, 1, 0.0, "Local");
        world.wait(30);
    };
    fail(&mut world);
    fail(&mut world);
    reload(&mut world, &with_another());
    fail(&mut world);
    assert_eq!(world.incident().rule, "FAILED_BURST");
}

#[test]
fn a_condition_that_changed_begins_anew_and_what_fires_goes_on() {
    let mut world = world();
    world.add(ChargerKey(2));
    world.disconnect(ONE);
    world.wait(9 * 60);
    world.disconnect(ChargerKey(2));
    reload(
        &mut world,
        &with("cp_offline.toml", "not connected or silent_for >= silent", "not connected"),
    );
    // A condition that names its own beginning still knows it.
    world.wait(10 * 60);
    let open: Vec<_> = world.engine.open().map(|incident| incident.charger).collect();
    assert_eq!(open, [ONE, ChargerKey(2)]);
    reload(&mut world, &with("cp_offline.toml", "default = \"10m\"", "default = \"20m\""));
    assert_eq!(world.engine.open().count(), 2, "what fires goes on");
    assert!(world.incidents.values().all(|incident| incident.state == IncidentState::Open));
}

#[test]
fn a_rule_that_is_switched_off_waits_for_nothing() {
    let mut world = world();
    world.disconnect(ONE);
    world.wait(9 * 60);
    let mut catalogue = (*shipped()).clone();
    catalogue.set_enabled("CP_OFFLINE", false);
    reload(&mut world, &catalogue);
    world.wait(3_600);
    assert!(world.incidents.is_empty());
    reload(&mut world, &shipped());
    world.wait(601);
    assert_eq!(world.incident().rule, "CP_OFFLINE");
}

/// A rule with a line of a section otherwise; where the line names a threshold, with another default.
fn with_line(file: &str, section: &str, key: &str, value: &str) -> Arc<Catalogue> {
    let change = |text: &str| {
        let section = text.find(section).expect("it has the section");
        let from = section + text[section..].find(&format!("\n{key} = ")).expect("a line") + 1;
        let until = from + text[from..].find('\n').expect("its end");
        let line = &text[from..until];
        let name = line.split('"').nth(1).unwrap_or_default();
        let Some(threshold) = text.find(&format!("\n{name} = {{ default = \"")) else {
            return format!("{}{key} = \"{value}\"{}", &text[..from], &text[until..]);
        };
        let from = threshold + text[threshold..].find('"').expect("a value") + 1;
        let until = from + text[from..].find('"').expect("its end");
        format!("{}{value}{}", &text[..from], &text[until..])
    };
    let shipped =
        |name: &str, text: &str| if name == file { change(text) } else { text.to_owned() };
    shipped_with(shipped, &[])
}

/// A rule with the time of its condition, or of its end, otherwise.
fn timed(file: &str, section: &str, time: &str) -> Arc<Catalogue> {
    with_line(file, section, "for", time)
}

/// After how many seconds `begin` leads to an incident, when other rules are taken after six tenths
/// of ten minutes.
fn told_after(begin: fn(&mut World), other: &Catalogue) -> i64 {
    let mut world = world();
    begin(&mut world);
    world.wait(6 * 60);
    reload(&mut world, other);
    let mut seconds = 6 * 60;
    while world.incidents.is_empty() {
        world.wait(1);
        seconds += 1;
        assert!(seconds < 7_200, "it never comes");
    }
    seconds
}

#[test]
fn a_timer_at_six_of_ten_minutes_is_decided_anew_by_its_own_new_time_and_by_nothing_else() {
    let away = |world: &mut World| world.disconnect(ONE);
    let cp_offline = "cp_offline.toml";
    assert_eq!(told_after(away, &with_another()), 600, "another rule is new");
    let other = with("err_faulted.toml", "title = \"Connector faulted\"", "title = \"Broken\"");
    assert_eq!(told_after(away, &other), 600, "another rule has another title");
    let own = with(cp_offline, "title = \"Charger offline\"", "title = \"Away\"");
    assert_eq!(told_after(away, &own), 600, "its title is another one");
    let later = with_line(cp_offline, "title", "escalate_after", "30m");
    assert_eq!(told_after(away, &later), 600, "what follows it is another one");
    // A second later: what a reading of rules brings about comes with the next moment.
    assert_eq!(
        told_after(away, &timed(cp_offline, "[condition]", "5m")),
        361,
        "it is over already"
    );
    assert_eq!(told_after(away, &timed(cp_offline, "[condition]", "20m")), 1_200);
    assert_eq!(told_after(away, &timed(cp_offline, "[condition]", "7m")), 420);
}

#[test]
fn a_condition_without_a_beginning_of_its_own_keeps_when_it_was_first_seen() {
    let told = |time: &str| {
        let mut world = world();
        world.status(ONE, 1, S::Faulted, "OtherError");
        world.wait(36);
        reload(&mut world, &timed("err_faulted.toml", "[condition]", time));
        let mut seconds = 36;
        while world.incidents.is_empty() {
            world.wait(1);
            seconds += 1;
        }
        seconds
    };
    assert_eq!(["60s", "30s", "40s", "2m"].map(told), [60, 37, 40, 120]);
}

#[test]
fn an_end_that_is_waited_for_is_decided_anew_by_its_own_new_time_and_by_nothing_else() {
    let over = |other: &Catalogue| {
        let mut world = world();
        world.disconnect(ONE);
        world.wait(700);
        assert_eq!(world.incident().rule, "CP_OFFLINE");
        world.connect(ONE);
        world.wait(1);
        world.heartbeat(ONE);
        world.wait(36);
        reload(&mut world, other);
        let mut seconds = 36;
        while !world.incident().state.is_over() {
            world.wait(1);
            // What a reading of rules ends is told with the next message.
            world.heartbeat(ONE);
            seconds += 1;
            assert!(seconds < 119, "{:?}", world.incident().state);
        }
        seconds
    };
    let end = |time: &str| timed("cp_offline.toml", "[[clear]]", time);
    assert_eq!(over(&with_another()), 60);
    assert_eq!(over(&end("30s")), 37);
    assert_eq!(over(&end("45s")), 45);
    assert_eq!(over(&end("100s")), 100);
}

#[test]
fn what_was_counted_is_counted_by_the_new_window() {
    let after = |time: &str| {
        let mut world = world();
        let fail = |world: &mut World| {
            world.start(ONE, 1, "A");
            world.wait(30);
            world.stop(ONE, 1, 0.0, "Local");
            world.wait(9 * 60 + 30);
        };
        fail(&mut world);
        fail(&mut world);
        let window = format!("window = {{ default = \"{time}\"");
        reload(&mut world, &with("failed_burst.toml", "window = { default = \"60m\"", &window));
        fail(&mut world);
        world.incidents.len()
    };
    assert_eq!(["2h", "60m", "15m"].map(after), [1, 1, 0]);
}

#[test]
fn a_restart_of_ours_in_the_middle_of_a_timer_never_shortens_it() {
    use crate::EngineSettings;
    // Absence waits for the grace of our start (1.2), and what is seen for its own time.
    let mut world = world();
    world.disconnect(ONE);
    world.wait(6 * 60);
    world.restart(EngineSettings::default());
    world.wait(599);
    assert!(world.incidents.is_empty(), "nobody could come back while we were away");
    world.wait(1);
    assert_eq!(world.incident().rule, "CP_OFFLINE");

    let mut world = crate::world::world();
    world.status(ONE, 1, S::Faulted, "OtherError");
    world.wait(36);
    world.restart(EngineSettings::default());
    world.connect(ONE);
    world.wait(59);
    assert!(world.incidents.is_empty());
    world.wait(1);
    assert_eq!(world.incident().rule, "ERR_FAULTED");

    // An end that was being waited for is waited for anew.
    world.wait(10);
    world.status(ONE, 1, S::Available, "");
    world.wait(200);
    world.restart(EngineSettings::default());
    world.connect(ONE);
    world.wait(150);
    assert!(!world.incident().state.is_over(), "{:?}", world.incident().state);
    assert_eq!(world.incidents.len(), 1);
}

fn set(target: Target, value: &str) -> ThresholdOverride {
    ThresholdOverride {
        rule: "CP_OFFLINE".to_owned(),
        target,
        name: "offline_for".to_owned(),
        value: value.to_owned(),
    }
}

#[test]
fn a_charger_comes_before_its_site_and_a_site_before_a_model() {
    let model = Target::Model { vendor: "acme".to_owned(), model: "X".to_owned() };
    let site = Target::Site(SiteKey(1));
    let charger = Target::Charger(ONE);
    let all = [set(charger, "5m"), set(site, "20m"), set(model, "40m")];
    // After how many seconds each set of overrides lets the rule fire.
    for (used, seconds) in [(&all[..], 300), (&all[1..], 1_200), (&all[2..], 2_400), (&[], 600)] {
        let mut world = world();
        world.state(ONE).boot = Some(Box::new(mendpoint_model::Boot {
            vendor: "ACME".to_owned(),
            model: "x".to_owned(),
            ..mendpoint_model::Boot::default()
        }));
        world.engine.set_catalogue(world.now, &shipped(), &world.fleet);
        world.engine.set_thresholds(world.now, used.to_vec(), &world.fleet);
        world.disconnect(ONE);
        world.wait(seconds - 1);
        assert!(world.incidents.is_empty(), "{used:?}");
        world.wait(1);
        assert_eq!(world.incident().rule, "CP_OFFLINE", "{used:?}");
    }
}

#[test]
fn a_threshold_set_while_it_waits_counts_from_the_same_beginning() {
    let mut world = world();
    reload(&mut world, &shipped());
    world.disconnect(ONE);
    world.wait(8 * 60);
    world.engine.set_thresholds(world.now, vec![set(Target::Charger(ONE), "9m")], &world.fleet);
    world.wait(59);
    assert!(world.incidents.is_empty());
    world.wait(1);
    assert_eq!(world.incident().title, "Offline for 9 min");
}

#[test]
fn a_charger_that_says_what_it_is_gets_the_thresholds_of_its_model() {
    let mut world = world();
    reload(&mut world, &shipped());
    let model = Target::Model { vendor: "ACME".to_owned(), model: "X".to_owned() };
    world.engine.set_thresholds(world.now, vec![set(model, "2m")], &world.fleet);
    world.state(ONE).boot = Some(Box::new(mendpoint_model::Boot {
        vendor: "ACME".to_owned(),
        model: "X".to_owned(),
        ..mendpoint_model::Boot::default()
    }));
    world.booted(ONE, true);
    world.status(ONE, 1, S::Available, "");
    world.disconnect(ONE);
    world.wait(120);
    assert_eq!(world.incident().rule, "CP_OFFLINE");
}

#[test]
fn only_what_a_rule_declares_can_be_set() {
    let catalogue = shipped();
    let check = |rule: &str, name: &str, value: &str| {
        let own = ThresholdOverride {
            rule: rule.to_owned(),
            target: Target::Charger(ONE),
            name: name.to_owned(),
            value: value.to_owned(),
        };
        catalogue.check_override(&own, &[])
    };
    let told =
        |rule: &str, name: &str, value: &str| check(rule, name, value).expect_err("it is wrong");
    assert!(check("CP_OFFLINE", "offline_for", "30m").is_ok());
    assert!(told("CP_OFFLIN", "offline_for", "30m").contains("did you mean `CP_OFFLINE`?"));
    assert!(told("CP_OFFLINE", "offlne_for", "30m").contains("did you mean `offline_for`?"));
    assert!(told("SECURITY_EVENT", "x", "30m").contains("declares no thresholds"));
    assert_eq!(
        told("CP_OFFLINE", "offline_for", "30"),
        "offline_for is a duration such as 90s, 10m or 24h; \"30\" is none"
    );
    assert_eq!(told("CP_OFFLINE", "offline_for", "30s"), "offline_for is at least 1m; 30s is less");
    assert_eq!(told("CP_OFFLINE", "offline_for", "8d"), "offline_for is at most 7d; 8d is more");
}
