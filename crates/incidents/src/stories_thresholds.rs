//! Every kind of place in a rule where a number or a time stands, set otherwise for one charger, one
//! model and one site; a fourth charger holds what the rule says.

use std::collections::BTreeSet;
use std::sync::Arc;

use mendpoint_model::{ChargerKey, ConnectorStatus as S, SiteKey};

use crate::world::World;
use crate::{Catalogue, EngineSettings, Target, ThresholdOverride};

const OWN: ChargerKey = ChargerKey(1);
const OF_MODEL: ChargerKey = ChargerKey(2);
const OF_SITE: ChargerKey = ChargerKey(3);
const PLAIN: ChargerKey = ChargerKey(4);
const ALL: [ChargerKey; 4] = [OWN, OF_MODEL, OF_SITE, PLAIN];
const SITE: SiteKey = SiteKey(2);

/// A rule about chargers with one threshold, `n`, and this condition.
fn rule(threshold: &str, rest: &str) -> Arc<Catalogue> {
    rule_with("severity = 5\nscope = \"charger\"", threshold, rest)
}

fn rule_with(head: &str, threshold: &str, rest: &str) -> Arc<Catalogue> {
    let text = format!(
        "id = \"PLACED\"\nversion = 1\ntitle = \"Placed\"\nheadline = \"Placed at {{n}}\"\n\
         description = \"More than {{n}}.\"\n{head}\nauto_heal = \"off\"\nproof = \"clear\"\n\
         [thresholds]\nn = {threshold}\n{rest}\n\
         [[test]]\nname = \"fires\"\nsteps = [{{ at = \"0s\", expect = {{ has = [\"PLACED\"] }} }}]\n\
         [[test]]\nname = \"is silent\"\nsteps = [{{ at = \"0s\", expect = {{ has_not = [\"PLACED\"] }} }}]\n"
    );
    let files = [("placed.toml".to_owned(), text)];
    Arc::new(Catalogue::parse(&files, &[]).expect("the rule is good"))
}

/// Four chargers, of which three have a value of their own.
fn world(catalogue: &Arc<Catalogue>, values: [&str; 3]) -> World {
    let mut world = World::of(Arc::clone(catalogue), EngineSettings::default());
    for key in ALL {
        world.add_at(key, if key == OF_SITE { SITE } else { SiteKey(1) });
    }
    let [own, model, site] = values;
    set(
        &mut world,
        &[(Target::Charger(OWN), own), (of_model(), model), (Target::Site(SITE), site)],
    );
    world.model(OF_MODEL, "X", "1");
    world
}

fn of_model() -> Target {
    Target::Model { vendor: "acme".to_owned(), model: "x".to_owned() }
}

fn set(world: &mut World, values: &[(Target, &str)]) {
    let own = |(target, value): &(Target, &str)| ThresholdOverride {
        rule: "PLACED".to_owned(),
        target: target.clone(),
        name: "n".to_owned(),
        value: (*value).to_owned(),
    };
    let all: Vec<ThresholdOverride> = values.iter().map(own).collect();
    for own in &all {
        let told = world.catalogue.check_override(own, &all);
        assert_eq!(told, Ok(()), "{own:?}");
    }
    world.engine.set_thresholds(world.now, all, &world.fleet);
}

/// The chargers that have an open incident.
fn open(world: &World) -> Vec<ChargerKey> {
    let own = world.engine.open().filter(|incident| incident.rule == "PLACED");
    let open: BTreeSet<ChargerKey> = own.map(|incident| incident.charger).collect();
    open.into_iter().collect()
}

/// They all come and go once.
fn flap(world: &mut World) {
    for key in ALL {
        world.disconnect(key);
        world.connect(key);
    }
}

/// Waits until each of these seconds, and tells who had an incident a second before and then.
fn openings(world: &mut World, seconds: [i64; 4]) {
    let mut past = 0;
    for (n, second) in seconds.into_iter().enumerate() {
        world.wait(second - past - 1);
        assert_eq!(open(world), ALL[..n], "a second before {second}");
        world.wait(1);
        assert_eq!(open(world), ALL[..=n], "at {second}");
        past = second;
    }
}

fn each(act: impl FnMut(ChargerKey)) {
    ALL.into_iter().for_each(act);
}

const TIMES: [&str; 3] = ["2m", "4m", "6m"];
const AT: [i64; 4] = [120, 240, 360, 600];

#[test]
fn how_long_a_condition_must_last() {
    let rules = rule_with(
        "severity = 5\nscope = \"connector\"",
        "\"10m\"",
        "[condition]\nwhen = 'status == \"Unavailable\"'\nfor = \"n\"",
    );
    let mut world = world(&rules, TIMES);
    each(|key| world.status(key, 1, S::Unavailable, ""));
    openings(&mut world, AT);
    let title = |key| world.engine.open().find(|one| one.charger == key).map(|one| &one.title);
    assert_eq!(title(OWN).map(String::as_str), Some("Placed at 2 min"));
    assert_eq!(title(PLAIN).map(String::as_str), Some("Placed at 10 min"));
}

#[test]
fn how_long_it_must_last_for_a_code() {
    let rules = rule_with(
        "severity = 5\nscope = \"connector\"",
        "\"10m\"",
        "[condition]\nwhen = 'status == \"Faulted\"'\nfor = \"1h\"\nfor_by_code = { HighTemperature = \"n\" }",
    );
    let mut world = world(&rules, TIMES);
    each(|key| world.status(key, 1, S::Faulted, "HighTemperature"));
    openings(&mut world, AT);
}

#[test]
fn how_many_make_a_burst() {
    let rules = rule(
        "5",
        "[condition]\ncount = { kind = \"disconnect\", at_least = \"n\", within = \"1h\" }\n\
         [[clear]]\nabsent = \"disconnect\"\nfor = \"1h\"",
    );
    let mut world = world(&rules, ["2", "3", "4"]);
    for n in 0..5_usize {
        flap(&mut world);
        world.wait(10);
        assert_eq!(open(&world), ALL[..n], "after {} times", n + 1);
    }
}

#[test]
fn within_how_long_they_are_counted() {
    let rules = rule(
        "\"10m\"",
        "[condition]\ncount = { kind = \"disconnect\", at_least = 2, within = \"n\" }\n\
         [[clear]]\nabsent = \"disconnect\"\nfor = \"1h\"",
    );
    for (minutes, counted) in [(1, &ALL[..]), (3, &ALL[1..]), (5, &ALL[2..]), (8, &ALL[3..])] {
        let mut world = world(&rules, TIMES);
        flap(&mut world);
        world.wait(minutes * 60);
        flap(&mut world);
        assert_eq!(open(&world), counted, "{minutes} minutes apart");
    }
}

#[test]
fn how_many_different_ones() {
    let rules = rule_with(
        "severity = 5\nscope = \"charger\"",
        "4",
        "[condition]\ncount = { kind = \"refused\", at_least = 4, within = \"1h\", distinct_by = \
         \"id_token\", at_least_distinct = \"n\" }\n[[clear]]\nabsent = \"refused\"\nfor = \"1h\"",
    );
    let mut world = world(&rules, ["1", "2", "3"]);
    for token in ["A", "A", "A", "A"] {
        each(|key| world.refuse(key, token));
    }
    for (n, token) in ["A", "B", "C", "D"].into_iter().enumerate() {
        each(|key| world.refuse(key, token));
        assert_eq!(open(&world), ALL[..=n], "{token}");
    }
}

#[test]
fn how_long_it_goes_on_after_its_condition() {
    let rules = rule_with(
        "severity = 5\nscope = \"connector\"",
        "\"10m\"",
        "[condition]\nwhen = 'status == \"Unavailable\"'\nkeep_firing_for = \"n\"",
    );
    let mut world = world(&rules, TIMES);
    each(|key| world.status(key, 1, S::Unavailable, ""));
    assert_eq!(open(&world), ALL);
    each(|key| world.status(key, 1, S::Available, ""));
    let mut past = 0;
    for (n, second) in AT.into_iter().enumerate() {
        world.wait(second - past - 1);
        assert_eq!(open(&world), ALL[n..]);
        world.wait(1);
        assert_eq!(open(&world), ALL[n + 1..]);
        past = second;
    }
}

#[test]
fn how_long_what_ends_it_must_last() {
    let rules = rule_with(
        "severity = 5\nscope = \"connector\"",
        "\"10m\"",
        "[condition]\nwhen = 'status == \"Unavailable\"'\n\
         [[clear]]\nwhen = 'status == \"Available\"'\nfor = \"n\"",
    );
    let mut world = world(&rules, TIMES);
    each(|key| world.status(key, 1, S::Unavailable, ""));
    each(|key| world.status(key, 1, S::Available, ""));
    world.wait(5 * 60);
    assert_eq!(open(&world), ALL[2..]);
}

#[test]
fn how_many_end_it() {
    let rules = rule_with(
        "severity = 5\nscope = \"charger\"",
        "4",
        "[condition]\ncount = { kind = \"disconnect\", at_least = 1, within = \"1h\" }\n\
         [[clear]]\ncount = { kind = \"boot\", at_least = \"n\" }",
    );
    let mut world = world(&rules, ["1", "2", "3"]);
    flap(&mut world);
    for n in 0..4_usize {
        assert_eq!(open(&world), ALL[n..], "after {n} boots");
        each(|key| world.booted(key, false));
    }
    assert_eq!(open(&world), []);
}

#[test]
fn how_long_something_may_be_missed() {
    let rules = rule(
        "\"10m\"",
        "[condition]\nabsent = \"boot\"\nfor = \"n\"\n\
         [[clear]]\ncount = { kind = \"boot\", at_least = 1 }",
    );
    let mut world = world(&rules, TIMES);
    world.wait(30);
    each(|key| world.booted(key, false));
    openings(&mut world, AT);
}

#[test]
fn within_how_long_one_thing_follows_another() {
    let rules = rule(
        "\"10m\"",
        "[condition]\nnot_followed = { first = { kind = \"disconnect\" }, by = { kind = \"connect\" }, \
         within = \"n\" }\n[[clear]]\nwhen = 'connected'",
    );
    let mut world = world(&rules, TIMES);
    each(|key| world.disconnect(key));
    openings(&mut world, AT);
    let rules = rule(
        "\"10m\"",
        "[condition]\nsequence = { first = { kind = \"boot\" }, then = { kind = \"disconnect\" }, \
         within = \"n\" }\n[[clear]]\nabsent = \"disconnect\"\nfor = \"1h\"",
    );
    for (minutes, counted) in [(1, &ALL[..]), (3, &ALL[1..]), (5, &ALL[2..]), (8, &ALL[3..])] {
        let mut world = self::world(&rules, TIMES);
        each(|key| world.booted(key, false));
        world.wait(minutes * 60);
        flap(&mut world);
        assert_eq!(open(&world), counted, "{minutes} minutes later");
    }
}

/// More of them than the rule itself asks for are remembered where a charger asks for more.
#[test]
fn numbers_within_an_expression() {
    let rules = rule(
        "2",
        "[condition]\nwhen = 'count(disconnect, 1h) >= n'\n[[clear]]\nabsent = \"disconnect\"\nfor = \"2h\"",
    );
    let mut world = world(&rules, ["3", "4", "5"]);
    for n in 1..=5_usize {
        flap(&mut world);
        world.wait(10);
        let mut wanted: Vec<ChargerKey> = ALL[..n.saturating_sub(2)].to_vec();
        wanted.extend((n >= 2).then_some(PLAIN));
        assert_eq!(open(&world), wanted, "after {n} times");
    }
    let rules = rule(
        "\"10m\"",
        "[condition]\nwhen = 'not connected and offline_for >= n'\n[[clear]]\nwhen = 'connected'",
    );
    let mut world = self::world(&rules, TIMES);
    each(|key| world.disconnect(key));
    openings(&mut world, AT);
}

#[test]
fn how_severe_it_is_and_how_long_a_person_is_not_asked() {
    let rules = rule_with(
        "severity = \"n\"\nscope = \"charger\"",
        "6",
        "[condition]\nwhen = 'not connected'\n",
    );
    let mut world = world(&rules, ["1", "2", "3"]);
    each(|key| world.disconnect(key));
    let severities: Vec<u8> = world.engine.open().map(|incident| incident.severity).collect();
    assert_eq!(severities, [1, 2, 3, 6]);
    let rules = rule_with(
        "severity = 5\nscope = \"charger\"\nescalate_after = \"n\"",
        "\"10m\"",
        "[condition]\nwhen = 'not connected'\n",
    );
    let mut world = self::world(&rules, TIMES);
    each(|key| world.disconnect(key));
    for (n, minutes) in [(0, 1), (1, 2), (2, 2), (3, 2), (4, 4)] {
        world.wait(minutes * 60);
        assert_eq!(world.tickets.len(), n);
    }
}

#[test]
fn a_rule_about_a_site_has_other_numbers_for_a_site_and_for_nothing_less() {
    let rules = rule_with(
        "severity = 5\nscope = \"site\"",
        "3",
        "[condition]\ncount = { kind = \"disconnect\", at_least = \"n\", within = \"1h\" }",
    );
    let mut world = World::of(Arc::clone(&rules), EngineSettings::default());
    for key in [OWN, OF_SITE] {
        world.add_at(key, if key == OF_SITE { SITE } else { SiteKey(1) });
    }
    set(&mut world, &[(Target::Site(SITE), "2")]);
    for _ in 0..2 {
        for key in [OWN, OF_SITE] {
            world.disconnect(key);
            world.connect(key);
        }
        world.wait(10);
    }
    assert_eq!(open(&world), [OF_SITE]);
    let own = ThresholdOverride {
        rule: "PLACED".to_owned(),
        target: Target::Charger(OWN),
        name: "n".to_owned(),
        value: "2".to_owned(),
    };
    let told = rules.check_override(&own, &[]).expect_err("it is about the site");
    assert!(told.contains("can be set for a site only"), "{told}");
}

#[test]
fn a_number_that_changes_while_time_runs_lets_it_run() {
    let rules = rule(
        "2",
        "[condition]\nwhen = 'count(disconnect, 24h) >= n'\nfor = \"10m\"\n\
         [[clear]]\nwhen = 'count(disconnect, 24h) < n'\nfor = \"30m\"",
    );
    let mut world = world(&rules, ["3", "3", "3"]);
    (0..3).for_each(|_| flap(&mut world));
    world.wait(8 * 60);
    set(&mut world, &[(Target::Charger(OWN), "1"), (Target::Site(SITE), "9")]);
    world.wait(2 * 60);
    // It held all the time for the first; for the third it holds no more.
    assert_eq!(open(&world), [OWN, OF_MODEL, PLAIN]);
    // What ends it runs on, too.
    set(&mut world, &[(Target::Charger(OWN), "9"), (Target::Site(SITE), "9")]);
    world.wait(20 * 60);
    set(&mut world, &[(Target::Charger(OWN), "8"), (Target::Site(SITE), "9")]);
    world.wait(10 * 60 - 1);
    assert_eq!(open(&world), [OWN, OF_MODEL, PLAIN]);
    world.wait(1);
    assert_eq!(open(&world), [OF_MODEL, PLAIN]);
}

#[test]
fn one_value_that_is_refused_by_now_leaves_the_others() {
    let rules = rule_with(
        "severity = 5\nscope = \"charger\"",
        "\"10m\"\nm = 5",
        "[condition]\nwhen = 'not connected and offline_for >= n'\n[[clear]]\nwhen = 'connected or clock_off_s > m'",
    );
    let mut world = World::of(rules, EngineSettings::default());
    world.add(OWN);
    let own = |name: &str, value: &str| ThresholdOverride {
        rule: "PLACED".to_owned(),
        target: Target::Charger(OWN),
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let kept = vec![own("n", "2m"), own("m", "5m"), own("gone", "1")];
    world.engine.set_thresholds(world.now, kept, &world.fleet);
    world.disconnect(OWN);
    world.wait(120);
    assert_eq!(open(&world), [OWN]);
}

#[test]
fn values_are_numbers_or_words_and_stay_apart() {
    let wrong = |threshold: &str| {
        let text = format!(
            "id = \"X\"\nversion = 1\ntitle = \"X\"\ndescription = \"x\"\nseverity = 5\nscope = \
             \"charger\"\nauto_heal = \"off\"\n[thresholds]\n{threshold}\n[condition]\nwhen = \
             'clock_off_s > far and clock_off_s < near'\n"
        );
        let problems = Catalogue::parse(&[("x.toml".to_owned(), text)], &[]).expect_err("no tests");
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        told.into_iter().filter(|told| !told.contains("[[test]]")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(wrong("far = \"60\"\nnear = 300"), "");
    assert_eq!(
        wrong("far = { default = 60, max = \"90\" }\nnear = { default = 300, above = \"far\" }"),
        ""
    );
    assert_eq!(
        wrong("far = 300\nnear = { default = 60, above = \"far\" }"),
        "x.toml:10:8: near must be more than far, which is 300; 60 is not"
    );
    assert_eq!(
        wrong("far = 60\nnear = { default = 300, above = \"fat\" }"),
        "x.toml:10:8: `above` of near names no other threshold; did you mean `far`?"
    );
    // Never is the threshold itself what is meant.
    assert_eq!(
        wrong("far = 60\nnear = { default = 300, above = \"near\" }"),
        "x.toml:10:8: `above` of near names near itself; write another threshold of this rule (far), or \
         take it out"
    );
    assert_eq!(
        wrong("far = 60\nnear = { default = 300, above = \"nearr\" }"),
        "x.toml:10:8: `above` of near names no other threshold; expected one of far"
    );
    for alone in ["far", "nix"] {
        let told = wrong(&format!("far = {{ default = 60, above = \"{alone}\" }}"));
        let words =
            "`above` of far names no other threshold, and this rule has no other; take it out";
        assert!(told.contains(words), "{told}");
    }
    assert_eq!(
        wrong("far = \"10m\"\nnear = 300"),
        "x.toml:12:23: far is a duration, and here belongs a number"
    );
    assert!(
        wrong("fra = 60\nnear = 300").contains("there is no threshold `far`; did you mean `fra`?")
    );
}
