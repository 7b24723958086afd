//! The permits alone: chargers are only named.

use mendpoint_model::{
    ChargerKey, DAY_MS, HOUR_MS, IncidentId, MINUTE_MS, ModelKey, Rung, SECOND_MS, SiteKey,
    StepState, UnixMs,
};

use super::council::{Council, Ended, Permit};
use super::{Memory, Permits};
use crate::settings::EngineSettings;

const START: UnixMs = UnixMs(1_790_000_000_000);

fn model(name: &str) -> ModelKey {
    ModelKey { vendor: "ACME".into(), model: name.into(), firmware: "1.4".into() }
}

/// A council of so many chargers of each model, each at a site of its own.
fn council(of: &[(&str, u32)]) -> Council {
    let mut council = Council::new(EngineSettings::default().scaled());
    let mut key = 0;
    for (name, many) in of {
        for _ in 0..*many {
            key += 1;
            let site = Some(SiteKey(1_000 + key));
            council.enrol(START, ChargerKey(key), site, Some(&model(name)));
        }
    }
    council
}

fn trusted(council: &mut Council) {
    council.settings.guardrails.canary_chargers = 0;
}

fn ask(council: &mut Council, now: UnixMs, key: u32, rung: Rung) -> Permit {
    council.ask(now, ChargerKey(key), IncidentId(i64::from(key)), rung)
}

fn end(council: &mut Council, now: UnixMs, key: u32, rung: Rung, state: StepState) {
    let ended = Ended {
        charger: ChargerKey(key),
        incident: IncidentId(i64::from(key)),
        rung,
        code: "InternalError",
        state,
        took_ms: 60_000,
    };
    council.ended(now, &ended);
}

fn held(permit: &Permit) -> &'static str {
    match permit {
        Permit::Go => "go",
        Permit::Wait(held) | Permit::Never(held) => held.guardrail,
    }
}

fn at(ms: i64) -> UnixMs {
    START + ms
}

#[test]
fn g05_a_twentieth_of_a_cohort_is_disturbed_at_a_time() {
    let mut council = council(&[("X", 59), ("Y", 1_000)]);
    trusted(&mut council);
    assert_eq!(ask(&mut council, at(0), 1, Rung::L4), Permit::Go);
    assert_eq!(ask(&mut council, at(1), 2, Rung::L4), Permit::Go, "2.95 of 59");
    let third = ask(&mut council, at(2), 3, Rung::L5);
    assert_eq!(held(&third), "G5");
    let Permit::Wait(why) = third else { panic!("it may come later") };
    assert_eq!(why.why, "2 of 59 chargers of ACME X 1.4 are being repaired, which is the limit");
    assert_eq!(ask(&mut council, at(3), 100, Rung::L4), Permit::Go, "another model");
    end(&mut council, at(4), 1, Rung::L4, StepState::Fixed);
    assert_eq!(ask(&mut council, at(5), 3, Rung::L5), Permit::Go);
}

#[test]
fn g05_a_hundredth_of_the_fleet_and_three_in_a_small_one() {
    for (many, most) in [(40, 3), (399, 3), (500, 5)] {
        let names: Vec<String> = (0..many).map(|n| format!("M{n}")).collect();
        let of: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let mut council = council(&of);
        for key in 1..=most {
            assert_eq!(ask(&mut council, at(0), key, Rung::L3), Permit::Go, "{key} of {many}");
        }
        assert_eq!(held(&ask(&mut council, at(0), most + 1, Rung::L3)), "G5", "{many}");
    }
}

#[test]
fn g05_ten_actions_begin_within_a_minute() {
    let names: Vec<String> = (0..2_000).map(|n| format!("M{n}")).collect();
    let of: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut council = council(&of);
    for key in 1..=10 {
        let now = at(i64::from(key) * SECOND_MS);
        assert_eq!(ask(&mut council, now, key, Rung::L4), Permit::Go);
    }
    let Permit::Wait(why) = ask(&mut council, at(11 * SECOND_MS), 11, Rung::L4) else {
        panic!("an eleventh")
    };
    assert_eq!(why.until, Some(at(61 * SECOND_MS)), "{}", why.why);
    assert_eq!(held(&ask(&mut council, at(60 * SECOND_MS), 11, Rung::L4)), "G5");
    assert_eq!(ask(&mut council, at(61 * SECOND_MS), 11, Rung::L4), Permit::Go);
    assert_eq!(held(&ask(&mut council, at(61 * SECOND_MS), 12, Rung::L4)), "G5");
}

#[test]
fn g06_a_fifth_of_a_cohort_in_trouble_stops_its_repairs_and_no_others() {
    let mut council = council(&[("X", 10), ("Y", 10), ("Z", 9)]);
    for key in [1, 2] {
        council.set_unwell(at(0), ChargerKey(key), true);
    }
    assert_eq!(ask(&mut council, at(1), 1, Rung::L4), Permit::Go, "2 of 10 are a fifth");
    council.set_unwell(at(2), ChargerKey(3), true);
    let storm = ask(&mut council, at(3), 2, Rung::L4);
    assert_eq!(held(&storm), "G6");
    assert_eq!(council.running.len(), 1, "what runs goes on");
    assert_eq!(ask(&mut council, at(4), 12, Rung::L4), Permit::Go, "another model");
    for key in 21..=25 {
        council.set_unwell(at(5), ChargerKey(key), true);
    }
    assert_eq!(ask(&mut council, at(6), 21, Rung::L4), Permit::Go, "nine are no cohort");
    // Ten minutes after it is over.
    council.set_unwell(at(MINUTE_MS), ChargerKey(3), false);
    end(&mut council, at(MINUTE_MS), 1, Rung::L4, StepState::Fixed);
    assert_eq!(held(&ask(&mut council, at(11 * MINUTE_MS - 1), 2, Rung::L4)), "G6");
    assert_eq!(ask(&mut council, at(11 * MINUTE_MS), 2, Rung::L4), Permit::Go);
}

#[test]
fn g06_a_twentieth_of_a_large_fleet_in_trouble_stops_everything() {
    let names: Vec<String> = (0..120).map(|n| format!("M{n}")).collect();
    let of: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut council = council(&of);
    for key in 1..=6 {
        council.set_unwell(at(0), ChargerKey(key), true);
    }
    assert_eq!(council.storm(at(1), ChargerKey(50)), None, "6 of 120 are a twentieth");
    council.set_unwell(at(2), ChargerKey(7), true);
    let storm = council.storm(at(3), ChargerKey(50)).expect("7 are more");
    assert!(storm.why.starts_with("7 of 120 chargers of the fleet"), "{}", storm.why);
    // What nobody mends for a day is no storm any more.
    assert!(council.storm(at(DAY_MS), ChargerKey(50)).is_some());
    assert_eq!(council.storm(at(DAY_MS + 11 * MINUTE_MS), ChargerKey(50)), None);
}

#[test]
fn g06_a_site_without_power_is_one_trouble_for_the_fleet() {
    let mut council = Council::new(EngineSettings::default().scaled());
    for key in 1..=200_u32 {
        let site = Some(SiteKey(key.div_ceil(10)));
        council.enrol(START, ChargerKey(key), site, Some(&model(&format!("M{key}"))));
    }
    for key in 1..=10 {
        council.set_unwell(at(0), ChargerKey(key), true);
    }
    assert!(council.storm(at(1), ChargerKey(1)).is_some(), "the site's own");
    assert_eq!(council.fleet.unwell, 1);
    // Ten more, each at a site of its own, are eleven of two hundred.
    for key in (15..=105).step_by(10) {
        council.set_unwell(at(2), ChargerKey(key), true);
    }
    assert!(council.storm(at(3), ChargerKey(199)).is_some());
    for key in 1..=200 {
        council.set_unwell(at(4), ChargerKey(key), false);
    }
    assert_eq!(council.fleet.unwell, 0);
    for key in 1..=200 {
        council.leave(at(5), ChargerKey(key));
    }
    assert_eq!((council.fleet.unwell, council.fleet.known), (0, 0));
}

#[test]
fn g07_what_is_new_on_a_model_is_done_on_one_charger_first() {
    let mut council = council(&[("X", 200)]);
    for round in 0..3 {
        let now = at(round * HOUR_MS);
        assert_eq!(ask(&mut council, now, 1, Rung::L4), Permit::Go, "round {round}");
        let second = ask(&mut council, now + 1, 2, Rung::L4);
        assert_eq!(held(&second), "G7");
        // Another rung is another matter.
        assert_eq!(ask(&mut council, now + 2, 3, Rung::L3), Permit::Go);
        end(&mut council, now + 3, 3, Rung::L3, StepState::Unknown);
        // That nothing is known of its effect proves nothing.
        if round == 0 {
            end(&mut council, now + 4, 1, Rung::L4, StepState::Unknown);
            assert_eq!(ask(&mut council, now + 5, 1, Rung::L4), Permit::Go);
        }
        end(&mut council, now + 6, 1, Rung::L4, StepState::NotFixed);
    }
    let now = at(4 * HOUR_MS);
    assert_eq!(ask(&mut council, now, 1, Rung::L4), Permit::Go);
    assert_eq!(ask(&mut council, now, 2, Rung::L4), Permit::Go, "then a twentieth, at most 3 here");
    assert_eq!(held(&ask(&mut council, now, 4, Rung::L3)), "go");
    assert_eq!(held(&ask(&mut council, now, 5, Rung::L3)), "G7");
}

#[test]
fn g08_a_step_that_does_not_help_is_off_for_a_day_and_survives_a_restart() {
    let mut council = council(&[("X", 200)]);
    for n in 0..6 {
        let now = at(n * HOUR_MS);
        assert_eq!(ask(&mut council, now, 1, Rung::L4), Permit::Go);
        end(&mut council, now + 1, 1, Rung::L4, StepState::NotFixed);
    }
    let opened = at(5 * HOUR_MS) + 1;
    let Permit::Never(why) = ask(&mut council, opened + 1, 2, Rung::L4) else { panic!("0 of 6") };
    assert!(why.why.contains("fixed 0 of the last 6"), "{}", why.why);
    assert_eq!(ask(&mut council, opened + 1, 2, Rung::L5), Permit::Go, "another step");
    let rows = council.take_changes();
    // A restart.
    let mut again = super::tests::council(&[("X", 200)]);
    assert_eq!(again.recall(rows), []);
    assert_eq!(held(&ask(&mut again, opened + DAY_MS - 1, 2, Rung::L4)), "G8");
    assert_eq!(ask(&mut again, opened + DAY_MS, 2, Rung::L4), Permit::Go, "one trial");
    assert_eq!(held(&ask(&mut again, opened + DAY_MS, 3, Rung::L4)), "G7", "and not two");
    end(&mut again, opened + DAY_MS + 1, 2, Rung::L4, StepState::NotFixed);
    assert_eq!(held(&ask(&mut again, opened + DAY_MS + 2, 3, Rung::L4)), "G8");
    assert_eq!(ask(&mut again, opened + 2 * DAY_MS + 1, 3, Rung::L4), Permit::Go);
    end(&mut again, opened + 2 * DAY_MS + 2, 3, Rung::L4, StepState::Fixed);
    let later = opened + 2 * DAY_MS + 3;
    assert_eq!(ask(&mut again, later, 4, Rung::L4), Permit::Go);
    assert_eq!(ask(&mut again, later, 5, Rung::L4), Permit::Go, "trusted again");
}

#[test]
fn g09_what_made_it_worse_is_off_for_this_charger() {
    let mut council = council(&[("X", 200)]);
    assert_eq!(ask(&mut council, at(0), 1, Rung::L4), Permit::Go);
    end(&mut council, at(1), 1, Rung::L4, StepState::Worse);
    assert_eq!(held(&ask(&mut council, at(DAY_MS), 1, Rung::L4)), "G9");
    let Permit::Never(harder) = ask(&mut council, at(DAY_MS), 1, Rung::L5) else { panic!("sent") };
    assert!(harder.why.contains("the soft reset made it worse"), "{}", harder.why);
    assert_eq!(ask(&mut council, at(DAY_MS), 1, Rung::L2), Permit::Go, "no restart");
    end(&mut council, at(DAY_MS), 1, Rung::L2, StepState::Fixed);
    assert_eq!(ask(&mut council, at(DAY_MS), 2, Rung::L4), Permit::Go, "the others go on");
    end(&mut council, at(DAY_MS + 1), 2, Rung::L4, StepState::Fixed);
    let rows = council.take_changes();
    let mut again = super::tests::council(&[("X", 200)]);
    again.recall(rows);
    assert_eq!(held(&ask(&mut again, at(30 * DAY_MS), 1, Rung::L4)), "G9", "also after a restart");
    assert!(again.allow_again(ChargerKey(1)));
    assert_eq!(ask(&mut again, at(30 * DAY_MS), 1, Rung::L4), Permit::Go);
    // And that is remembered too.
    let rows = again.take_changes();
    assert!(rows.iter().any(|row| row.kind == "off" && row.json == "null"), "{rows:?}");
}

#[test]
fn g10_a_new_rule_begins_in_shadow_and_a_shipped_one_does_not() {
    let permits = Permits::new(&EngineSettings::default());
    assert_eq!(permits.lock().shadow_until(at(0), "MINE"), None, "nobody asked to know");
    permits.watch_new_rules(["ERR_FAULTED".to_owned()]);
    permits.know_rules(["OLD".to_owned()]);
    let mut council = permits.lock();
    for shown in ["ERR_FAULTED", "OLD"] {
        assert_eq!(council.shadow_until(at(0), shown), None, "{shown}");
    }
    assert_eq!(council.shadow_until(at(0), "MINE"), Some(at(7 * DAY_MS)));
    assert_eq!(council.shadow_until(at(7 * DAY_MS - 1), "MINE"), Some(at(7 * DAY_MS)));
    assert_eq!(council.shadow_until(at(7 * DAY_MS), "MINE"), None);
    let rows = council.take_changes();
    drop(council);
    let again = Permits::new(&EngineSettings::default());
    again.watch_new_rules([]);
    again.recall(rows);
    assert_eq!(again.lock().shadow_until(at(DAY_MS), "MINE"), Some(at(7 * DAY_MS)));
}

#[test]
fn g12_the_quiet_hour_is_learned_and_kept() {
    let site = SiteKey(1_001);
    let mut council = council(&[("X", 1)]);
    for day in 0..10 {
        for hour in 5..24 {
            council.session(at(day * DAY_MS + hour * HOUR_MS), site);
        }
    }
    let now = at(10 * DAY_MS);
    let hour = council.quiet_hour(now, site).expect("190 sessions in ten days");
    let rows = council.take_changes();
    assert_eq!(rows.len(), 1, "a site is one row, however many sessions");
    let mut again = super::tests::council(&[("X", 1)]);
    again.recall(rows);
    assert_eq!(again.quiet_hour(now, site), Some(hour));
}

#[test]
fn how_long_a_model_takes_to_start_is_learned_within_bounds() {
    let mut council = council(&[("X", 2), ("Slow", 1), ("Quick", 1)]);
    assert_eq!(council.boot_ms(ChargerKey(1)), 180_000, "nothing is known");
    for (key, took_ms) in [(1, 90_000), (3, 900_000), (4, 20_000)] {
        for _ in 0..6 {
            council.booted(ChargerKey(key), took_ms);
        }
    }
    let rows = council.take_changes();
    let mut again = super::tests::council(&[("X", 2), ("Slow", 1), ("Quick", 1)]);
    again.recall(rows);
    for council in [council, again] {
        let of = |key| council.boot_ms(ChargerKey(key));
        assert_eq!([of(1), of(2), of(3), of(4)], [90_000, 90_000, 600_000, 60_000]);
    }
}

#[test]
fn rows_that_cannot_be_read_are_named_and_the_rest_is_taken() {
    let mut council = council(&[("X", 1)]);
    let kept = |kind, key: &str, json: &str| {
        Memory::kept(kind, key.to_owned(), json.to_owned(), 9).expect("known")
    };
    let good = r#"["","","","MINE",""]"#;
    let unread = council.recall(vec![
        kept("rule", good, "5"),
        kept("rule", "not json", "5"),
        kept("off", r#"["","","","x","L4"]"#, "{}"),
        kept("boots", good, "{"),
    ]);
    assert_eq!(unread.len(), 3);
    assert_eq!(Memory::kept("dreams", String::new(), String::new(), 1), None);
    council.booted(ChargerKey(1), 1);
    assert_eq!(council.take_changes()[0].revision, 10, "it counts on");
}

#[test]
fn who_leaves_is_counted_nowhere() {
    let mut council = council(&[("X", 4)]);
    council.set_unwell(at(0), ChargerKey(1), true);
    assert_eq!(ask(&mut council, at(0), 2, Rung::L4), Permit::Go);
    for key in 1..=4 {
        council.leave(at(1), ChargerKey(key));
    }
    assert_eq!((council.fleet.known, council.fleet.unwell), (0, 0));
    assert!(council.cohorts.is_empty() && council.sites.is_empty() && council.running.is_empty());
    // An end that comes later concerns nobody.
    end(&mut council, at(2), 2, Rung::L4, StepState::Fixed);
    assert!(council.learned.rows(at(3)).next().is_none());
}
