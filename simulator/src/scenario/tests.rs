//! Tests of scenarios.

use super::director::{Director, What};
use super::*;
use crate::{Act, Cure, Shows};
use mendpoint_model::Protocol;

fn problem(text: &str) -> String {
    Scenario::parse("my.toml", text).expect_err("the text is wrong").to_string()
}

const GOOD: &str = r#"
description = "two chargers"
[fleet]
identity = "{code}-{n}"
[[site]]
name = "A"
code = "A"
chargers = 2
[[model]]
vendor = "V"
model = "M"
firmware = ["1"]
protocol = "ocpp1.6"
power_kw = 22
current = "ac"
"#;

#[test]
fn all_built_in_scenarios_are_good() {
    for name in Scenario::BUILTIN {
        let scenario = Scenario::builtin(name).expect("built in");
        assert!(!scenario.chargers().is_empty(), "{name}");
        assert_eq!(scenario.name, name);
    }
    let unknown = Scenario::builtin("holiday").expect_err("not built in").to_string();
    assert!(unknown.contains("demo, steady, outage, correlated, faults"), "{unknown}");
}

#[test]
fn the_demo_has_200_chargers_on_twelve_sites_sixty_to_forty() {
    let scenario = Scenario::builtin("demo").expect("built in");
    let chargers = scenario.chargers();
    assert_eq!((chargers.len(), scenario.sites().len()), (200, 12));
    let old = chargers.iter().filter(|charger| charger.protocol == Protocol::V16).count();
    assert!((118..=122).contains(&old), "{old} speak 1.6");
}

#[test]
fn mistakes_are_told_with_line_and_advice() {
    let unknown = problem(&GOOD.replace("chargers = 2", "chargers = 2\ncolour = 1"));
    assert!(unknown.contains("my.toml:9:1") && unknown.contains("colour"), "{unknown}");
    let length = problem(&format!("{GOOD}[[event]]\nkind = \"offline\"\nat = \"soon\"\n"));
    assert!(length.contains("my.toml:18:6") && length.contains("`soon`"), "{length}");
    let site =
        problem(&format!("{GOOD}[[event]]\nkind = \"offline\"\nat = \"5s\"\nsites = [\"B\"]\n"));
    assert!(site.contains("my.toml:19:") && site.contains("no site named `B`"), "{site}");
    let never = problem(&format!("{GOOD}[[event]]\nkind = \"offline\"\n"));
    assert!(never.contains("`at`"), "{never}");
    let twice = problem(&GOOD.replace("{code}-{n}", "{code}"));
    assert!(twice.contains("gives `A` twice"), "{twice}");
    let code =
        problem(&format!("{GOOD}[[fault]]\nname = \"x\"\ncode = \"Oops\"\ncure = \"never\"\n"));
    assert!(code.contains("no error code of OCPP 1.6"), "{code}");
    let after = problem(&format!(
        "{GOOD}[[fault]]\nname = \"x\"\ncode = \"OtherError\"\ncure = \"itself\"\n"
    ));
    assert!(after.contains("needs `after`"), "{after}");
    let protocol = problem(&GOOD.replace("ocpp1.6", "ocpp1.5"));
    assert!(protocol.contains("ocpp2.0.1"), "{protocol}");
}

/// The acts of the first ten minutes.
fn acts(seed: u64) -> Vec<super::director::Planned> {
    let scenario = Scenario::builtin("demo").expect("built in");
    let mut director = Director::new(&scenario, seed);
    let mut all = Vec::new();
    while let Some((at, planned)) = director.next() {
        if at > 600_000 {
            break;
        }
        all.extend(planned);
    }
    all
}

#[test]
fn the_same_seed_gives_the_same_events_and_another_seed_others() {
    assert_eq!(acts(7), acts(7));
    assert_ne!(acts(7), acts(8));
}

#[test]
fn the_demo_shows_every_kind_within_two_minutes_and_goes_on_at_a_moderate_pace() {
    let acts = acts(1);
    let early = |fits: &dyn Fn(&Act) -> bool| {
        acts.iter().any(|planned| {
            planned.at_ms < 120_000 && matches!(&planned.what, What::Act(act) if fits(act))
        })
    };
    let fault = |act: &Act, cure: Cure, shows: Shows| matches!(act, Act::Fault(f) if f.cure == cure && f.shows == shows);
    assert!(early(&|act| fault(act, Cure::SoftReset, Shows::Faulted)));
    assert!(early(&|act| fault(act, Cure::HardReset, Shows::Faulted)));
    assert!(early(&|act| fault(act, Cure::Unlock, Shows::Faulted)));
    assert!(early(&|act| fault(act, Cure::Never, Shows::Faulted)));
    assert!(early(&|act| fault(act, Cure::SoftReset, Shows::FailsSessions)));
    assert!(early(&|act| matches!(act, Act::GoOffline { .. })));
    assert!(early(&|act| matches!(act, Act::WeakSignal { .. })));
    let offline = acts.iter().filter(|planned| {
        planned.at_ms < 120_000 && matches!(planned.what, What::Act(Act::GoOffline { .. }))
    });
    assert!(offline.count() >= 10, "a whole site among them");
    // Problems after the first two minutes; a site that goes down counts once.
    let mut moments: Vec<i64> = acts
        .iter()
        .filter(|planned| planned.at_ms >= 120_000 && matches!(planned.what, What::Act(_)))
        .map(|planned| planned.at_ms / 2_500)
        .collect();
    moments.dedup();
    let each_s = 480.0 / moments.len() as f64;
    assert!((15.0..35.0).contains(&each_s), "a new problem every {each_s:.1} s");
}

#[test]
fn no_more_of_the_fleet_is_broken_than_the_scenario_allows() {
    let scenario = Scenario::builtin("demo").expect("built in");
    for seed in 0..5 {
        let mut director = Director::new(&scenario, seed);
        let mut until = vec![0_i64; 200];
        while let Some((at, planned)) = director.next() {
            if at > 1_800_000 {
                break;
            }
            for planned in planned {
                let lasts = match planned.what {
                    What::Act(Act::GoOffline { for_ms, .. }) => for_ms.unwrap_or(0),
                    What::Act(Act::Fault(fault)) => fault.repaired_after_ms.unwrap_or(0),
                    _ => 0,
                };
                until[planned.charger] = until[planned.charger].max(at + lasts);
            }
            // Faults that heal by themselves are counted here for longer than they stay.
            let broken = until.iter().filter(|until| **until > at).count();
            assert!(broken <= 22 + 4, "{broken} broken at {at} ms with seed {seed}");
        }
    }
}
