//! Rules about many chargers, and what is known of sites, through the whole pipeline.

use std::sync::Arc;
use std::time::Duration;

use mendpoint_incidents::{Catalogue, EngineSettings};
use mendpoint_model::{
    Breadth, ConnectorRef, ConnectorStatus, EventKind, Incident, Protocol, SiteRecord, StatusReport,
};
use mendpoint_pipeline::{Error, NewCharger, PipelineSettings};
use mendpoint_store::IncidentFilter;
use tokio::time::{sleep, timeout};

use crate::kit::{Program, SOON, settings};

const RULE: &str = r#"
id = "MANY"
version = 1
title = "Many are out"
headline = "{chargers} of {of} are out"
description = "Many chargers are out of service."
severity = 3
scope = "fleet"
auto_heal = "off"
escalate_after = "30m"
[condition]
when = 'status == "Unavailable"'
chargers = { at_least = 3 }
keep_firing_for = "0s"
[[test]]
name = "fires"
steps = [{ at = "0s", connect = true }, { at = "1s", expect = { incidents = ["MANY"] } }]
[[test]]
name = "is silent"
steps = [{ at = "0s", connect = true }, { at = "1s", expect = { incidents = [] } }]
"#;

async fn found(program: &Program, over: bool) -> Incident {
    let look = async {
        loop {
            let filter = IncidentFilter::default();
            let (all, _) = program.store.incidents(&filter, None, 10).await.expect("read");
            if let Some(one) = all.into_iter().find(|one| one.state.is_over() == over) {
                return one;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, look).await.expect("it comes")
}

#[tokio::test]
async fn a_rule_about_the_fleet_counts_the_chargers_of_all_shards() {
    let rules = [("many.toml".to_owned(), RULE.to_owned())];
    let catalogue = Catalogue::parse(&rules, &[]).expect("it is right");
    let engine = EngineSettings { startup_grace_ms: 0, ..EngineSettings::default() };
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let program = Program::of(PipelineSettings { engine, ..settings() }, folder, catalogue).await;
    let status = |status| {
        EventKind::Status(StatusReport {
            connector: ConnectorRef::v16(1),
            status,
            raw_status: None,
            error: None,
            at: None,
        })
    };
    let mut chargers = Vec::new();
    for n in 0..4 {
        // Sites of both shards.
        let site = SiteRecord { name: format!("Site {n}"), ..SiteRecord::default() };
        let site = program.handle.put_site(site).await.expect("a site").key;
        let identity = format!("CP-{n}");
        let new = NewCharger { identity, site: Some(site), ..NewCharger::default() };
        let charger = program.handle.register_charger(new).await.expect("registered");
        program.connect(&charger, 1, Protocol::V16).await;
        program.say(&charger, 1, status(ConnectorStatus::Available)).await;
        chargers.push(charger);
    }
    for charger in &chargers[..3] {
        program.say(charger, 1, status(ConnectorStatus::Unavailable)).await;
    }
    let incident = found(&program, false).await;
    assert_eq!((incident.rule.as_str(), &incident.ties.breadth), ("MANY", &Breadth::Fleet));
    assert_eq!(incident.title, "3 of 4 are out");
    program.say(&chargers[0], 1, status(ConnectorStatus::Available)).await;
    let over = found(&program, true).await;
    assert_eq!(over.id, incident.id, "{}", over.resolution);
}

#[tokio::test]
async fn opening_hours_are_read_before_they_are_kept() {
    let program = Program::start().await;
    let site = SiteRecord { name: "Depot".to_owned(), ..SiteRecord::default() };
    let site = program.handle.put_site(site).await.expect("a site").key;
    let wrong = program.handle.set_opening_hours(site, "mo-fr 6-22", "ana").await;
    assert!(matches!(wrong, Err(Error::Refused(why)) if why.contains("06:00-22:00")));
    assert!(program.handle.opening_hours().await.expect("read").is_empty());
    program.handle.set_opening_hours(site, "mo-fr 06:00-22:00", "ana").await.expect("kept");
    let hours = program.handle.opening_hours().await.expect("read");
    assert!(!hours[&site].is_always());
}
