//! Two devices with one identity, from the gateway's word to the incident (behaviour 4).

use mendpoint_incidents::EngineSettings;
use mendpoint_model::{EventKind, IdentityContest, IncidentId};

use super::kit::Kit;

#[tokio::test(flavor = "multi_thread")]
async fn b04_what_the_gateway_finds_out_becomes_one_incident() {
    let kit = Kit::start(EngineSettings::default()).await;
    kit.handle().settle(kit.charger.site).await;
    let parties = vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()];
    for swaps in 3..6 {
        let contest = IdentityContest { parties: parties.clone(), swaps };
        kit.take(EventKind::IdentityContested(contest)).await;
    }
    kit.handle().settle(kit.charger.site).await;
    let incident = kit.store.incident(IncidentId(1)).await.expect("the database answers");
    assert_eq!(incident.map(|incident| incident.rule).as_deref(), Some("IDENTITY_CONTESTED"));
    assert_eq!(kit.store.incident(IncidentId(2)).await.expect("the database answers"), None);
    let lines = kit.store.timeline(IncidentId(1)).await.expect("its history");
    let seen = lines.iter().filter(|line| line.title == "Seen: 192.0.2.1 and 192.0.2.2").count();
    assert_eq!(seen, 1);
    kit.pipeline.stop().await;
}
