//! Fleet, engine and upkeep together.

use std::sync::Arc;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::{Effect, EngineSettings, IdSequence};
use mendpoint_model::{
    Action, Boot, Capabilities, ChargerEvent, ChargerKey, Command, CommandAnswered, CommandOutcome,
    Connected, ConnectorRef, ConnectorStatus, ErrorReport, EventKind, HOUR_MS, MINUTE_MS, ModelKey,
    Protocol, SECOND_MS, SiteKey, StatusReport, UnixMs,
};
use mendpoint_upkeep::{Profiles, UpkeepEffect, UpkeepSettings};
use smallvec::smallvec;

use crate::tests::{FIRES, SILENT, catalogue, delivered};
use crate::{Outputs, Shard};

const START: UnixMs = UnixMs(1_790_000_000_000);
const KEY: ChargerKey = ChargerKey(1);

struct Kit {
    shard: Shard,
    now: UnixMs,
    /// Everything that was sent, by the engine and by the upkeep.
    sent: Vec<Command>,
    incidents: Vec<String>,
    /// What the charger answers to a `DataTransfer`.
    data: &'static str,
}

impl Kit {
    fn new(shard: Shard) -> Self {
        let mut kit =
            Self { shard, now: START, sent: Vec::new(), incidents: Vec::new(), data: "{}" };
        kit.shard.register(KEY, SiteKey(1), Arc::from("CP"));
        kit.send(EventKind::Connected(Connected {
            protocol: Protocol::V16,
            remote: String::new(),
            replaced: false,
            certificate_ends: None,
        }));
        kit.send(EventKind::Boot(Boot {
            vendor: "Evnex".into(),
            model: "R7".into(),
            firmware: Some("1".into()),
            ..Boot::default()
        }));
        kit
    }

    fn send(&mut self, kind: EventKind) {
        let mut events = smallvec![kind];
        self.shard.prepare(self.now, KEY, &mut events);
        for kind in events {
            let event = ChargerEvent {
                charger: KEY,
                site: SiteKey(1),
                received_at: self.now,
                epoch: 1,
                frame: 1,
                kind,
            };
            let mut out = Outputs::default();
            self.shard.handle(event, &mut out);
            self.take(out);
        }
    }

    fn take(&mut self, out: Outputs) {
        for effect in out.effects {
            match effect {
                Effect::Send(command) => self.sent.push(command),
                Effect::Incident(incident) => self.incidents.push(incident.rule),
                _ => {}
            }
        }
        let mut answers = Vec::new();
        for effect in out.upkeep {
            if let UpkeepEffect::Send(command) = effect {
                answers.push(command.id.clone());
                self.sent.push(command);
            }
        }
        for command in answers {
            let outcome = CommandOutcome::Answered {
                accepted: true,
                status: "Accepted".into(),
                payload: self.data.to_owned(),
            };
            let answered = CommandAnswered { command, outcome, late: false };
            self.send(EventKind::CommandAnswered(answered));
        }
    }

    /// Lets time pass in steps of ten seconds, with a heartbeat at each.
    fn live(&mut self, ms: i64) {
        let until = self.now + ms;
        while self.now < until {
            self.now = self.now + 10 * SECOND_MS;
            let mut out = Outputs::default();
            self.shard.advance(self.now, &mut out);
            self.take(out);
            self.send(EventKind::Heartbeat);
        }
    }
}

fn numbers() -> IdSequence {
    IdSequence { next: 1, step: 1 }
}

fn fault() -> EventKind {
    EventKind::Status(StatusReport {
        connector: ConnectorRef::v16(1),
        status: ConnectorStatus::Faulted,
        raw_status: None,
        error: Some(ErrorReport { code: "InternalError".into(), ..ErrorReport::default() }),
        at: None,
    })
}

#[test]
fn b64_the_ladder_leaves_out_what_the_model_does_not_support() {
    let resets = |known: Option<&str>| {
        let rules = catalogue(&[FIRES, SILENT], "\"L4\", \"L5\"");
        let settings = (FleetSettings::default(), EngineSettings::default());
        let shard = Shard::new(settings.0, rules, settings.1, numbers(), numbers());
        let mut kit = Kit::new(shard);
        if let Some(capability) = known {
            let model =
                ModelKey { vendor: "Evnex".into(), model: "R7".into(), firmware: "1".into() };
            let mut capabilities = Capabilities::default();
            capabilities.forbid(&model, capability, "NotSupported");
            kit.shard.set_capabilities(&Arc::new(capabilities));
        }
        kit.send(fault());
        kit.live(2 * MINUTE_MS);
        let sent = kit.sent.iter().map(|command| command.action.clone());
        sent.filter(|action| matches!(action, Action::Reset { .. })).collect::<Vec<_>>()
    };
    let (soft, hard) =
        (Action::Reset { hard: false, evse: None }, Action::Reset { hard: true, evse: None });
    assert_eq!(resets(None), std::slice::from_ref(&soft));
    assert_eq!(resets(Some("Reset Hard")), [soft]);
    assert_eq!(resets(Some("Reset Soft")), [hard], "the next rung comes at once");
}

#[test]
fn a_weak_link_that_had_to_be_asked_for_becomes_an_incident() {
    let file = include_str!("../../../config/vendors/evnex.toml");
    let profiles = Profiles::parse(&[("evnex.toml".to_owned(), file.to_owned())]).expect("valid");
    let settings = (FleetSettings::default(), EngineSettings::default());
    let shard = Shard::new(settings.0, delivered(), settings.1, numbers(), numbers())
        .with_upkeep(UpkeepSettings::default(), Arc::new(profiles));
    let mut kit = Kit::new(shard);
    kit.data = r#"{"data":"-84"}"#;
    kit.live(20 * MINUTE_MS);
    assert!(kit.incidents.is_empty(), "two readings are not enough: {:?}", kit.incidents);
    kit.live(HOUR_MS);
    assert!(kit.incidents.iter().any(|rule| rule == "WEAK_WIFI"), "{:?}", kit.incidents);
    let asked = kit.sent.iter().filter(|command| command.action.name() == "DataTransfer").count();
    assert!((5..=6).contains(&asked), "asked {asked} times in 80 minutes");
}
