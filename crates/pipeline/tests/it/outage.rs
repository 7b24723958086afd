//! Many chargers that vanish at once, through the whole pipeline: one incident and one mail.

use std::sync::Arc;
use std::time::Duration;

use mendpoint_incidents::EngineSettings;
use mendpoint_incidents::overseer::OverseerSettings;
use mendpoint_model::{ChargerRecord, Contact, Disconnected, EventKind, Protocol, SiteRecord};
use mendpoint_pipeline::NewCharger;
use mendpoint_store::IncidentFilter;
use tokio::time::{sleep, timeout};

use crate::kit::{Program, SOON, settings};

/// Chargers of the test, on sites that two shards share.
const CHARGERS: u32 = 60;

async fn fleet(program: &Program) -> Vec<Arc<ChargerRecord>> {
    let mut sites = Vec::new();
    for n in 0..10 {
        let installer = Contact {
            name: "Volt".to_owned(),
            email: "jobs@volt.example".to_owned(),
            phone: String::new(),
        };
        let name = format!("Site {n}");
        let site = SiteRecord { name, installer: Some(installer), ..SiteRecord::default() };
        sites.push(program.handle.put_site(site).await.expect("a site").key);
    }
    let mut chargers = Vec::new();
    for n in 0..CHARGERS {
        let new = NewCharger {
            identity: format!("CP-{n}"),
            site: Some(sites[n as usize % sites.len()]),
            ..NewCharger::default()
        };
        chargers.push(program.handle.register_charger(new).await.expect("registered"));
    }
    chargers
}

async fn lose(program: &Program, charger: &ChargerRecord) {
    let reason = "the network".to_owned();
    let gone = EventKind::Disconnected(Disconnected { reason, replaced: false });
    program.say(charger, 1, gone).await;
}

#[tokio::test]
async fn a_fleet_that_vanishes_is_one_incident_and_one_mail_to_the_platform() {
    let correlation = OverseerSettings { settle_ms: 300, ..OverseerSettings::default() };
    let engine = EngineSettings {
        correlation,
        startup_grace_ms: 0,
        group_wait_ms: 50,
        ..EngineSettings::default()
    };
    let program = Program::with(mendpoint_pipeline::PipelineSettings {
        engine,
        dispatch_email: "dispatch@example.org".to_owned(),
        platform_email: "platform@example.org".to_owned(),
        public_url: "https://mend.example".to_owned(),
        ..settings()
    })
    .await;
    let chargers = fleet(&program).await;
    for charger in &chargers {
        program.connect(charger, 1, Protocol::V16).await;
    }
    sleep(Duration::from_millis(50)).await;
    for charger in &chargers {
        lose(&program, charger).await;
    }
    let mails = async {
        loop {
            let (mails, _) = program.store.mails(None, None, None, 50).await.expect("read");
            if !mails.is_empty() {
                return mails;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, mails).await.expect("a mail is written");
    // Whatever else would be told is told by now.
    sleep(Duration::from_millis(1_500)).await;
    let (mails, _) = program.store.mails(None, None, None, 50).await.expect("read");
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].mail.recipient, "platform@example.org");
    assert!(mails[0].mail.subject.starts_with("[P1] Fleet blind: "), "{}", mails[0].mail.subject);
    let filter = IncidentFilter::default();
    let (incidents, _) = program.store.incidents(&filter, None, 50).await.expect("read");
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    assert_eq!(incidents[0].rule, "FLEET_BLIND");
    assert_eq!(incidents[0].ticket, None, "no installer is sent for what is ours");
    assert!(mails[0].mail.text.contains("https://mend.example/incidents/"));
}
