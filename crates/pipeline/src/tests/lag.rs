//! The journal cannot write: healing waits, people do not (G11).

use mendpoint_incidents::{EngineSettings, Guardrails};
use mendpoint_model::{Action, IncidentId};

use super::kit::Kit;

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_stands_still_stops_healing_and_not_people() {
    let rails = Guardrails {
        lag_stop_ms: 1_500,
        lag_resume_ms: 1_000,
        lag_calm_ms: 2_000,
        ..Guardrails::default()
    };
    let kit = Kit::start(EngineSettings { guardrails: rails, ..EngineSettings::default() }).await;
    kit.handle().settle(kit.charger.site).await;
    assert_eq!(kit.handle().vitals().held, None);

    let lock = kit.stall_the_disk().await;
    // Anything that must be written: then the journal has something to be late with.
    kit.handle().audit("test", "waits", "for the disk").await;
    // What would leave does not, before it is written down who was given it (S19).
    let told = kit.handle().exported("ana", "all cards").await.expect_err("the disk stands still");
    assert!(told.to_string().contains("nothing is handed out"), "{told}");
    kit.until("the engine says that it is late", |kit| kit.handle().vitals().held.is_some()).await;
    kit.faulted("InternalError").await;
    let key = kit.charger.key;
    let handle = kit.handle();
    let person = tokio::spawn(async move {
        let keys = Vec::new();
        handle.command(key, Action::GetConfiguration { keys }, "ana").await
    });
    kit.until("the incident is open", |kit| {
        kit.handle().board().get(key) == Some(mendpoint_model::CellState::Faulted)
            || kit.handle().board().get(key) == Some(mendpoint_model::CellState::Healing)
    })
    .await;
    assert_eq!(kit.sent.names(), [""; 0], "nothing leaves before it is on disk");
    drop(lock);

    kit.until("both were sent", |kit| kit.sent.names().len() >= 2).await;
    assert_eq!(kit.sent.names()[..2], ["GetConfiguration", "TriggerMessage"]);
    assert_eq!(kit.handle().vitals().held, None);
    let lines = kit.store.timeline(IncidentId(1)).await.expect("its history");
    let titles: Vec<&str> = lines.iter().map(|line| line.title.as_str()).collect();
    assert!(titles.iter().any(|title| title.ends_with("so nothing is sent (G11)")), "{titles:?}");
    assert!(titles.contains(&"Healing goes on: Mendpoint is in time again (G11)"), "{titles:?}");
    person.abort();
    kit.pipeline.stop().await;
}
