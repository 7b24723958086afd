//! Stories of rules about a site, a cohort or the fleet, and of what makes others more urgent.

use std::sync::Arc;

use mendpoint_model::{
    Breadth, ChargerKey, ConnectorStatus as S, Incident, IncidentState, SiteKey,
};

use crate::catalogue::Catalogue;
use crate::overseer::{PlaceOf, UsualRow};
use crate::power::UptimeBurn;
use crate::request::Request;
use crate::settings::EngineSettings;
use crate::world::{World, shipped_with};

const HERE: SiteKey = SiteKey(1);
const THERE: SiteKey = SiteKey(2);

const TESTS: &str = r#"
[[test]]
name = "fires"
steps = [{ at = "0s", connect = true }, { at = "1s", expect = { incidents = ["MANY"] } }]
[[test]]
name = "is silent"
steps = [{ at = "0s", connect = true }, { at = "1s", expect = { incidents = [] } }]
"#;

/// A rule about many chargers that are out of service.
fn rule(scope: &str, chargers: &str) -> String {
    format!(
        "id = \"MANY\"\nversion = 3\ntitle = \"Many are out\"\nheadline = \"{{chargers}} of {{of}} are \
         out: {{place}}\"\ndescription = \"Many chargers are out of service.\"\nseverity = 3\nscope = \
         \"{scope}\"\nauto_heal = \"off\"\nescalate_after = \"30m\"\n[condition]\nwhen = 'status == \
         \"Unavailable\"'\nfor = \"5m\"\nchargers = {chargers}\nkeep_firing_for = \"2m\"\n{TESTS}"
    )
}

fn catalogue(scope: &str, chargers: &str) -> Arc<Catalogue> {
    let text = rule(scope, chargers);
    shipped_with(|_, text| text.to_owned(), &[("many.toml", &text)])
}

fn world_of(catalogue: Arc<Catalogue>) -> (World, Vec<ChargerKey>) {
    let mut world = World::of(catalogue, EngineSettings::default());
    let keys: Vec<ChargerKey> = (1..=6).map(ChargerKey).collect();
    for key in &keys {
        world.add_at(*key, if key.0 <= 4 { HERE } else { THERE });
        world.model(*key, "X", if key.0 % 2 == 0 { "1.4" } else { "1.5" });
        world.heartbeat(*key);
    }
    (world, keys)
}

fn live(world: &mut World, keys: &[ChargerKey], minutes: u32) {
    for _ in 0..minutes {
        world.wait(60);
        for key in keys {
            world.heartbeat(*key);
        }
    }
}

fn of_rule<'a>(world: &'a World, rule: &str) -> Vec<&'a Incident> {
    world.incidents.values().filter(|incident| incident.rule == rule).collect()
}

#[test]
fn enough_chargers_of_a_site_are_one_incident_of_it() {
    let (mut world, keys) = world_of(catalogue("site", "{ at_least = 2, percent = 50 }"));
    world.status(keys[0], 1, S::Unavailable, "");
    world.status(keys[0], 2, S::Unavailable, "");
    world.status(keys[4], 1, S::Unavailable, "");
    live(&mut world, &keys, 10);
    assert!(of_rule(&world, "MANY").is_empty(), "one charger of each site");
    world.status(keys[1], 2, S::Unavailable, "");
    live(&mut world, &keys, 4);
    assert!(of_rule(&world, "MANY").is_empty(), "not long enough");
    live(&mut world, &keys, 2);
    let found = of_rule(&world, "MANY");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].severity, found[0].rule_version), (3, 3));
    assert_eq!((found[0].site, &found[0].ties.breadth), (HERE, &Breadth::Site));
    assert_eq!(found[0].title, "2 of 4 are out: this site");
    assert!(found[0].healing.is_none() && !found[0].needs_person, "nobody is asked yet");
    live(&mut world, &keys, 31);
    assert_eq!(world.tickets.len(), 1, "one ticket, after its patience");
    // One comes back; it must stay so for two minutes.
    world.status(keys[1], 2, S::Available, "");
    live(&mut world, &keys, 1);
    assert!(!of_rule(&world, "MANY")[0].state.is_over());
    live(&mut world, &keys, 2);
    let over = of_rule(&world, "MANY")[0];
    assert_eq!(over.state, IncidentState::Resolved, "{over:?}");
}

#[test]
fn a_cohort_and_the_fleet_count_beyond_a_site() {
    for (scope, of, place) in [("cohort", 3, "ACME X 1.5"), ("fleet", 6, "the fleet")] {
        let (mut world, keys) = world_of(catalogue(scope, "{ at_least = 3 }"));
        for index in [0, 2, 4] {
            world.status(keys[index], 1, S::Unavailable, "");
        }
        live(&mut world, &keys, 7);
        let found = of_rule(&world, "MANY");
        assert_eq!(found.len(), 1, "{scope}");
        assert_eq!(found[0].title, format!("3 of {of} are out: {place}"));
    }
    // Three of one firmware only.
    let (mut world, keys) = world_of(catalogue("cohort", "{ at_least = 3 }"));
    for index in [0, 1, 2, 3] {
        world.status(keys[index], 1, S::Unavailable, "");
    }
    live(&mut world, &keys, 10);
    assert!(of_rule(&world, "MANY").is_empty(), "two of each");
}

#[test]
fn what_a_person_ended_opens_again_only_after_it_was_gone() {
    let (mut world, keys) = world_of(catalogue("site", "{ at_least = 2 }"));
    world.status(keys[0], 1, S::Unavailable, "");
    world.status(keys[1], 1, S::Unavailable, "");
    live(&mut world, &keys, 7);
    let id = of_rule(&world, "MANY")[0].id;
    let user = "Ana".to_owned();
    world
        .request(Request::Resolve { incident: id, user, reason: "planned".to_owned(), safe: false })
        .expect("it is open");
    live(&mut world, &keys, 30);
    assert_eq!(of_rule(&world, "MANY").len(), 1, "it is not asked twice");
    world.status(keys[1], 1, S::Available, "");
    live(&mut world, &keys, 5);
    world.status(keys[1], 1, S::Unavailable, "");
    live(&mut world, &keys, 7);
    assert_eq!(of_rule(&world, "MANY").len(), 2);
}

#[test]
fn a_restart_of_ours_goes_on_with_it_and_ends_what_is_gone() {
    for still in [true, false] {
        let (mut world, keys) = world_of(catalogue("fleet", "{ at_least = 2 }"));
        world.status(keys[0], 1, S::Unavailable, "");
        world.status(keys[1], 1, S::Unavailable, "");
        live(&mut world, &keys, 7);
        assert_eq!(of_rule(&world, "MANY").len(), 1);
        world.restart(EngineSettings::default());
        for key in &keys {
            world.connect(*key);
            if !still {
                world.status(*key, 1, S::Available, "");
            }
        }
        live(&mut world, &keys, 5);
        assert!(!of_rule(&world, "MANY")[0].state.is_over(), "everybody has time to say so");
        live(&mut world, &keys, 15);
        let found = of_rule(&world, "MANY");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].state.is_over(), !still, "{:?}", found[0]);
    }
}

#[test]
fn a_wide_rule_that_is_taken_away_ends_its_incidents() {
    let (mut world, keys) = world_of(catalogue("site", "{ at_least = 2 }"));
    world.status(keys[0], 1, S::Unavailable, "");
    world.status(keys[1], 1, S::Unavailable, "");
    live(&mut world, &keys, 7);
    let now = world.now;
    let without = shipped_with(|_, text| text.to_owned(), &[]);
    let World { engine, fleet, .. } = &mut world;
    engine.set_catalogue(now, &without, &*fleet);
    live(&mut world, &keys, 1);
    let over = of_rule(&world, "MANY")[0];
    assert_eq!(
        (over.state, over.resolution.as_str()),
        (IncidentState::Resolved, "Its rule was taken away")
    );
}

#[test]
fn a_charger_that_is_away_goes_on_showing_what_it_showed() {
    let (mut world, keys) = world_of(catalogue("site", "{ at_least = 2 }"));
    world.status(keys[0], 1, S::Unavailable, "");
    world.status(keys[1], 1, S::Unavailable, "");
    live(&mut world, &keys, 7);
    world.disconnect(keys[0]);
    live(&mut world, &keys[1..], 9);
    assert!(!of_rule(&world, "MANY")[0].state.is_over(), "blind is not well");
}

#[test]
fn what_is_usual_is_kept_over_a_restart() {
    let place = PlaceOf::Site(HERE);
    let row =
        UsualRow { rule: "R".to_owned(), place, since: mendpoint_model::UnixMs(5), events: 7.0 };
    let (mut world, _) = world_of(catalogue("site", "{ at_least = 2 }"));
    world.overseer.remember_usual(Some(mendpoint_model::UnixMs(5)), vec![row.clone()]);
    assert_eq!(world.overseer.usual(), (Some(mendpoint_model::UnixMs(5)), vec![row]));
}

#[test]
fn what_does_not_go_with_many_chargers_is_refused_with_a_place_and_a_way_out() {
    let good = rule("site", "{ at_least = 2 }");
    let count = "count = { kind = \"faulted\", at_least = 3, within = \"1h\" }";
    let counting = |more: &str| {
        let when = "when = 'status == \"Unavailable\"'\nfor = \"5m\"\n";
        good.replace(when, &format!("{count}\n")).replace("keep_firing_for = \"2m\"\n", more)
    };
    for (text, wanted) in [
        (
            good.replace("\"off\"", "\"on\"\nplaybook = \"P\""),
            "m.toml:8:13: a rule about a site heals nothing",
        ),
        (
            good.replace("chargers = { at_least = 2 }\n", ""),
            "m.toml:10:1: a rule about a site says how many chargers must show it: chargers = { at_least = 3 }",
        ),
        (
            good.replace("\"site\"", "\"charger\"")
                .replace("{chargers} of {of} are out: {place}", "x"),
            "`chargers` is for rules about many chargers: scope = \"site\"",
        ),
        (good.replace("\"site\"", "\"sit\""), "unknown scope \"sit\"; did you mean `site`?"),
        (good.replace("at_least = 2 }", "at_least = 0 }"), "at_least goes from 1 to"),
        (good.replace("at_least = 2 }", "percent = 101 }"), "percent goes from 1 to 100"),
        (good.replace("at_least = 2 }", "}"), "`chargers` has `at_least`, `percent` or both"),
        (good.replace("at_least = 2 }", "at_leats = 2 }"), "did you mean `at_least`?"),
        (good.replace("{place}", "{where}"), "unknown place {where} in the headline"),
        (
            good.replace("auto_heal", "probe = true\nauto_heal"),
            "`probe` is for rules about one charger, and this is about a site",
        ),
        (counting("[[clear]]\nabsent = \"faulted\"\nfor = \"1h\"\n"), "leave [[clear]] out"),
        (
            counting("").replace("within = \"1h\"", "within = \"1h\", distinct_by = \"id_token\""),
            "write chargers = { at_least = 3 } beside the count",
        ),
        (
            counting("").replace("within = \"1h\"", "within = \"1h\", times_usual = 0.5"),
            "times_usual goes from 1 to 1000",
        ),
        (
            counting("")
                .replace("\"site\"", "\"charger\"")
                .replace("{chargers} of {of} are out: {place}", "x")
                .replace("chargers = { at_least = 2 }", "")
                .replace("within = \"1h\"", "within = \"1h\", times_usual = 5.0"),
            "`times_usual` is for rules about many chargers",
        ),
    ] {
        let told: Vec<String> = Catalogue::parse(&[("m.toml".to_owned(), text)], &[])
            .expect_err("it is refused")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(told.iter().any(|told| told.contains(wanted)), "{wanted}: {told:?}");
    }
    let spike = include_str!("../../../config/rules/auth_reject_spike.toml").to_owned();
    let spike = Catalogue::parse(&[("s.toml".to_owned(), spike)], &[]).expect("it is good");
    let own = crate::ThresholdOverride {
        rule: "AUTH_REJECT_SPIKE".to_owned(),
        target: crate::Target::Site(SiteKey(1)),
        name: "refused".to_owned(),
        value: "30".to_owned(),
    };
    let told = spike.check_override(&own, &[]);
    assert!(told.is_err_and(|why| why.contains("the same for all chargers")));
    let good = Catalogue::parse(&[("m.toml".to_owned(), good)], &[]).expect("it is good");
    let text = &good.rules()[0].condition_text;
    assert_eq!(text, "status == \"Unavailable\" for 5m, at 2 or more chargers");
}

#[test]
fn a_budget_that_is_used_up_makes_the_other_incidents_more_urgent() {
    let budget = include_str!("../../../config/rules/uptime_budget_now.toml");
    let catalogue = shipped_with(|_, text| text.to_owned(), &[("b.toml", budget)]);
    let mut world = World::of(catalogue, EngineSettings::default());
    let one = crate::world::ONE;
    world.add(one);
    (0..4).for_each(|_| {
        world.signal(one, -90.0);
        world.wait(60);
    });
    let weak = of_rule(&world, "WEAK_WIFI")[0].clone();
    assert_eq!(weak.severity, 6);
    let burn = UptimeBurn { five_minutes: 33.0, hour: 20.0, ..UptimeBurn::default() };
    let mut out = Vec::new();
    let World { engine, fleet, now, .. } = &mut world;
    engine.note_burn(*now, one, burn, &*fleet, &mut out);
    world.take(out);
    assert_eq!(of_rule(&world, "UPTIME_BUDGET_NOW").len(), 1);
    assert_eq!(of_rule(&world, "WEAK_WIFI")[0].severity, 4, "as urgent as the budget");
    let line = world.lines.iter().find(|line| line.title.starts_with("More urgent"));
    assert_eq!(
        line.map(|line| line.title.as_str()),
        Some("More urgent: Uptime budget used up 20.0 times too fast")
    );
    // It is judged while the charger is away, too.
    world.disconnect(one);
    let mut out = Vec::new();
    let World { engine, fleet, now, .. } = &mut world;
    engine.note_burn(*now, one, UptimeBurn::default(), &*fleet, &mut out);
    world.take(out);
    assert!(of_rule(&world, "UPTIME_BUDGET_NOW")[0].state.is_over());
}

const GRID: &str = include_str!("../../../config/rules/grid_voltage.toml");

/// Two chargers of a site that tell of too much voltage, ten seconds apart.
fn too_much_voltage() -> (World, Vec<ChargerKey>) {
    let grid = [("grid_voltage.toml", GRID)];
    let (mut world, keys) = world_of(shipped_with(|_, text| text.to_owned(), &grid));
    world.status(keys[0], 1, S::Faulted, "OverVoltage");
    world.wait(10);
    world.status(keys[1], 1, S::Faulted, "OverVoltage");
    (world, keys)
}

#[test]
fn the_voltage_of_the_grid_is_one_incident_of_the_site_and_asks_once() {
    let (mut world, keys) = too_much_voltage();
    // Another fault at the site, and the same at another site, are their own.
    world.status(keys[2], 1, S::Faulted, "PowerSwitchFailure");
    world.status(keys[4], 1, S::Faulted, "OverVoltage");
    live(&mut world, &keys, 2);
    let grid = of_rule(&world, "GRID_VOLTAGE");
    assert_eq!((grid.len(), grid[0].site), (1, HERE));
    let grid = grid[0].id;
    let resting = |world: &World| {
        let all = of_rule(world, "ERR_FAULTED").into_iter();
        all.filter(|one| one.ties.inhibited_by == Some(grid))
            .map(|one| one.charger)
            .collect::<Vec<_>>()
    };
    let open = |world: &World| {
        let all = of_rule(world, "ERR_FAULTED").into_iter();
        all.filter(|one| one.ties.inhibited_by.is_none()).map(|one| one.charger).collect::<Vec<_>>()
    };
    assert!(resting(&world).iter().all(|key| [keys[0], keys[1]].contains(key)));
    assert_eq!(open(&world), [keys[2], keys[4]]);
    // A third one that comes later opens none of its own.
    world.status(keys[3], 1, S::Faulted, "UnderVoltage");
    live(&mut world, &keys, 20);
    assert!(of_rule(&world, "ERR_FAULTED").iter().all(|one| one.charger != keys[3]));
    let asked: Vec<_> = world.tickets.iter().map(|ticket| ticket.charger).collect();
    let of_grid = world.tickets.iter().filter(|ticket| ticket.incident == grid).count();
    assert_eq!(
        (of_grid, asked.len()),
        (1, 3),
        "the site, and the two that are their own: {asked:?}"
    );
    // One stays when it is over for the site: it is judged by itself.
    world.status(keys[1], 1, S::Available, "");
    world.status(keys[3], 1, S::Available, "");
    live(&mut world, &keys, 30);
    assert!(world.incidents[&grid].state.is_over());
    assert!(resting(&world).is_empty());
    assert!(
        world.tickets.iter().any(|ticket| ticket.charger == keys[0] && ticket.incident != grid)
    );
}
