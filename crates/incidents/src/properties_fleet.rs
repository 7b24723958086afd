//! What must hold for generated fleets over several shards that share their permits: the limits that
//! no shard sees alone, whatever happens in whichever order.

use std::collections::BTreeMap;

use mendpoint_model::{
    ChargerKey, ConnectorStatus as S, HOUR_MS, IncidentState, ModelKey, Rung, StepState, UnixMs,
};
use proptest::prelude::*;

use crate::guardrail::acts;
use crate::world::{World, accepted};
use crate::{EngineSettings, Guardrails, Permits};

/// One thing that happens at a shard.
#[derive(Clone, Debug)]
enum Happens {
    Wait(u16),
    Fault(u8, u8),
    Well(u8),
    /// A session that delivers, or does not.
    Session(u8, bool),
    /// The charger starts anew, well or still broken.
    Restart(u8, bool),
    Drop(u8),
    /// We restart.
    Crash,
}

/// A fleet: so many chargers at each shard, of these models.
#[derive(Clone, Debug)]
struct Plan {
    shards: Vec<Vec<u8>>,
    script: Vec<(u8, Happens)>,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (5_u16..1_200).prop_map(Happens::Wait),
        6 => (any::<u8>(), 0_u8..4).prop_map(|(c, e)| Happens::Fault(c, e)),
        2 => any::<u8>().prop_map(Happens::Well),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(c, good)| Happens::Session(c, good)),
        4 => (any::<u8>(), any::<bool>()).prop_map(|(c, good)| Happens::Restart(c, good)),
        1 => any::<u8>().prop_map(Happens::Drop),
        1 => Just(Happens::Crash),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let chargers = proptest::collection::vec(0_u8..3, 3..9);
    let shards = proptest::collection::vec(chargers, 1..4);
    let script = proptest::collection::vec((any::<u8>(), happens()), 1..90);
    (shards, script).prop_map(|(shards, script)| Plan { shards, script })
}

/// Limits that are reached by a handful of chargers.
fn settings() -> EngineSettings {
    let guardrails = Guardrails {
        site_percent: 50,
        cohort_percent: 34.0,
        fleet_percent: 20.0,
        fleet_at_least: 2,
        new_per_minute: 2,
        canary_chargers: 2,
        storm_site_min: 4,
        storm_site_percent: 60.0,
        storm_cohort_min: 6,
        ..Guardrails::default()
    };
    EngineSettings { guardrails, learn_fleet_min: 10, ..EngineSettings::default() }
}

const CODES: [&str; 4] = ["InternalError", "OtherError", "ReaderFailure", "ConnectorLockFailure"];

struct Fleet {
    worlds: Vec<World>,
    /// The models, by charger.
    models: BTreeMap<ChargerKey, u8>,
    permits: Permits,
    /// When actions began, over all lives.
    begun: Vec<UnixMs>,
    /// Sends that were looked at, by shard.
    seen: Vec<usize>,
}

impl Fleet {
    fn new(plan: &Plan) -> Self {
        let permits = Permits::new(&settings());
        let mut fleet = Self {
            worlds: Vec::new(),
            models: BTreeMap::new(),
            permits: permits.clone(),
            begun: Vec::new(),
            seen: vec![0; plan.shards.len()],
        };
        let mut number = 0;
        for models in &plan.shards {
            let mut world = World::with(settings());
            world.share(permits.clone(), fleet.worlds.len());
            world.answers = |_| Some(accepted());
            for model in models {
                number += 1;
                let key = ChargerKey(number);
                world.add_at(key, mendpoint_model::SiteKey(fleet.worlds.len() as u32 + 1));
                world.model(key, &format!("M{model}"), "1");
                fleet.models.insert(key, *model);
            }
            fleet.worlds.push(world);
        }
        fleet
    }

    fn charger(plan: &Plan, shard: usize, of: u8) -> ChargerKey {
        let before: usize = plan.shards[..shard].iter().map(Vec::len).sum();
        let place = usize::from(of) % plan.shards[shard].len();
        ChargerKey((before + place) as u32 + 1)
    }

    fn happen(&mut self, plan: &Plan, shard: u8, happens: &Happens) {
        let shard = usize::from(shard) % plan.shards.len();
        let key = |of| Self::charger(plan, shard, of);
        let world = &mut self.worlds[shard];
        match *happens {
            Happens::Wait(seconds) => {
                // In slices, so that shards take turns as they do in life.
                for _ in 0..seconds.div_ceil(5) {
                    for world in &mut self.worlds {
                        world.wait(5);
                    }
                    self.look();
                    self.look_at_begun();
                }
            }
            Happens::Fault(c, code) => {
                let code = CODES[usize::from(code)];
                world.status(key(c), 1, S::Faulted, code);
            }
            Happens::Well(c) => world.status(key(c), 1, S::Available, ""),
            Happens::Session(c, good) => {
                world.start(key(c), 2, "A");
                let energy = if good { 9_000.0 } else { 0.0 };
                world.stop(key(c), 2, energy, if good { "Local" } else { "Other" });
            }
            Happens::Restart(c, good) => {
                world.disconnect(key(c));
                world.connect(key(c));
                world.boot(key(c));
                let (status, code) =
                    if good { (S::Available, "") } else { (S::Faulted, "InternalError") };
                world.status(key(c), 1, status, code);
            }
            Happens::Drop(c) => world.disconnect(key(c)),
            Happens::Crash => self.crash(),
        }
        self.look();
        self.look_at_begun();
    }

    /// All shards end and begin anew with what was kept.
    fn crash(&mut self) {
        let permits = Permits::new(&settings());
        let rows = self.worlds.iter().flat_map(|world| world.memory.values().cloned());
        // Of two rows of a key the newer one holds, as in the database.
        let mut newest = BTreeMap::new();
        for row in rows {
            let place = (row.kind, row.key.clone());
            let is_newer = newest
                .get(&place)
                .is_none_or(|known: &crate::Memory| known.revision < row.revision);
            if is_newer {
                newest.insert(place, row);
            }
        }
        assert_eq!(permits.recall(newest.into_values().collect()), []);
        for world in &mut self.worlds {
            world.restart_sharing(settings(), permits.clone());
        }
        self.permits = permits;
        for world in &mut self.worlds {
            for key in world.keys() {
                world.connect(key);
            }
        }
    }

    /// Whether every limit holds at this moment.
    fn look(&mut self) {
        let rails = settings().guardrails;
        let mut running: Vec<(ChargerKey, Rung)> = Vec::new();
        for world in &self.worlds {
            for incident in world.incidents.values().filter(|i| !i.state.is_over()) {
                let Some(step) = incident.healing.as_ref().and_then(|h| h.steps.last()) else {
                    continue;
                };
                let is_under_way = matches!(step.state, StepState::Sent | StepState::Verifying);
                if acts(step.rung) && is_under_way {
                    running.push((incident.charger, step.rung));
                }
            }
        }
        let fleet = self.models.len();
        let most = ((fleet as f64 * rails.fleet_percent / 100.0) as usize).max(2);
        assert!(running.len() <= most, "G5: {} of {fleet} at a time", running.len());
        for model in 0..3 {
            let known = self.models.values().filter(|of| **of == model).count();
            let many = running.iter().filter(|(key, _)| self.models[key] == model).count();
            let most = ((known as f64 * rails.cohort_percent / 100.0) as usize).max(1);
            assert!(many <= most, "G5: {many} of {known} of a cohort at a time");
        }
        // G7: what is not trusted yet is done on one at a time.
        let report = self.permits.report(self.worlds[0].now);
        for model in 0..3_u8 {
            for rung in [Rung::L2, Rung::L3, Rung::L4, Rung::L5] {
                let of = ModelKey {
                    vendor: "ACME".into(),
                    model: format!("M{model}").into(),
                    firmware: "1".into(),
                };
                let record = report.records.iter().find(|r| r.model == of && r.rung == rung);
                let is_new = record.is_none_or(|record| record.canary.is_some());
                let many = running
                    .iter()
                    .filter(|(key, of)| self.models[key] == model && *of == rung)
                    .count();
                // Harm may make what is under way new again.
                let was_trusted = record.is_some_and(|record| record.worse > 0);
                assert!(!is_new || was_trusted || many <= 1, "G7: {many} canaries");
            }
        }
    }

    /// Whether no more was begun in any minute than may be. Only while the shards take turns: where each
    /// lives on by itself for hours, their clocks are apart.
    fn look_at_begun(&mut self) {
        for (world, seen) in self.worlds.iter().zip(&mut self.seen) {
            for (at, command) in &world.sent[*seen..] {
                let is_first = command.id.0.ends_with("-1");
                let acting = matches!(
                    command.action,
                    mendpoint_model::Action::Reset { .. }
                        | mendpoint_model::Action::Unlock { .. }
                        | mendpoint_model::Action::SetAvailability { .. }
                );
                if is_first && acting {
                    self.begun.push(*at);
                }
            }
            *seen = world.sent.len();
        }
        self.begun.sort();
        for three in self.begun.windows(3) {
            let apart = three[2].since_ms(three[0]);
            assert!(apart >= 60_000, "G5: three new ones within {apart} ms");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn limits_beyond_a_shard_hold_for_every_fleet_and_every_sequence(plan in plan()) {
        let mut fleet = Fleet::new(&plan);
        for (shard, happens) in &plan.script {
            fleet.happen(&plan, *shard, happens);
        }
        // What was on its way when the script ended.
        fleet.happen(&plan, 0, &Happens::Wait(1_200));
        // Two quiet days later everything is over, or a person was asked, or it cannot be seen.
        for world in &mut fleet.worlds {
            for _ in 0..48 {
                world.wait(HOUR_MS / 1_000);
            }
        }
        fleet.look();
        for world in &fleet.worlds {
            for incident in world.incidents.values() {
                // What another incident explains is asked for with that one.
                let of = incident.ties.parent().unwrap_or(incident.id);
                let is_asked = world.incidents.get(&of).is_some_and(|of| of.needs_person)
                    || world.tickets.iter().any(|ticket| ticket.incident == of);
                let is_offline = world.is_offline(incident.charger);
                let ends = incident.state.is_over()
                    || incident.state == IncidentState::RecoveredUnproven
                    || is_asked
                    || is_offline;
                prop_assert!(ends, "{:?} {} {}", incident.state, incident.rule, incident.next);
            }
        }
        // What the permits believe to run does run.
        let now = fleet.worlds[0].now;
        for running in fleet.permits.report(now).running {
            let known = fleet.worlds.iter().filter_map(|world| {
                world.incidents.get(&running.incident).filter(|i| i.charger == running.charger)
            });
            let is_acting = known.into_iter().any(|incident| {
                incident.healing.iter().flat_map(|healing| &healing.steps).any(|step| {
                    step.rung == running.rung
                        && matches!(step.state, StepState::Sent | StepState::Verifying)
                })
            });
            prop_assert!(is_acting, "{running:?}");
        }
    }
}
