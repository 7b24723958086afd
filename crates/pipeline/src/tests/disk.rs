//! The database has trouble: chargers are not told, they wait (behaviour 72).

use std::sync::{Arc, Mutex, PoisonError};

use mendpoint_incidents::EngineSettings;
use mendpoint_model::{
    Action, ConnectorRef, Disconnected, EventKind, Origin, TransactionId, TransactionStarted,
};

use super::kit::Kit;
use crate::{Answer, Asked, ReplyTo};

/// Where an answer is put.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Vec<Answer>>>);

impl Answers {
    fn reply(&self) -> ReplyTo {
        let place = self.clone();
        ReplyTo::new(move |answer| {
            place.0.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
        })
    }

    fn all(&self) -> Vec<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b72_a_start_waits_for_the_disk_and_everything_else_goes_on() {
    let kit = Kit::start(EngineSettings::default()).await;
    kit.handle().settle(kit.charger.site).await;
    let lock = kit.stall_the_disk().await;
    let (start, beat) = (Answers::default(), Answers::default());
    let started = EventKind::TransactionStarted(TransactionStarted {
        id: TransactionId(0),
        external_id: String::new(),
        connector: ConnectorRef::v16(1),
        id_token: "CARD".to_owned(),
        meter_wh: Some(100),
        at: None,
        seq_no: 0,
        offline: false,
        charging_state: None,
    });
    kit.take_and_answer(started, Some(start.reply())).await;
    kit.take_and_answer(EventKind::Heartbeat, Some(beat.reply())).await;
    kit.until("the heartbeat is answered", |_| !beat.all().is_empty()).await;
    assert!(start.all().is_empty(), "what is not on disk is not answered, and not refused either");
    drop(lock);
    kit.until("the start is answered", |_| !start.all().is_empty()).await;
    let answer = start.all()[0].clone();
    assert!(answer.transaction.0 > 0 && answer.token_accepted, "{answer:?}");
    assert_eq!(start.all().len(), 1);
    kit.pipeline.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b67_a_command_counts_as_kept_when_it_is_on_disk() {
    let kit = Kit::start(EngineSettings::default()).await;
    kit.take(EventKind::Disconnected(Disconnected { reason: String::new(), replaced: false }))
        .await;
    kit.handle().settle(kit.charger.site).await;
    let lock = kit.stall_the_disk().await;
    let (handle, key) = (kit.handle(), kit.charger.key);
    let asked = Asked {
        action: Action::Unlock { connector: ConnectorRef::v16(1) },
        by: Origin::User("ana".to_owned()),
        wait_ms: Some(600_000),
    };
    let taken = tokio::spawn(async move { handle.submit(key, asked).await });
    // The shard has it: what it does later is done.
    let beat = Answers::default();
    kit.take_and_answer(EventKind::Heartbeat, Some(beat.reply())).await;
    kit.until("the heartbeat is answered", |_| !beat.all().is_empty()).await;
    assert!(!taken.is_finished(), "what is not on disk does not count as kept");
    drop(lock);
    let taken = taken.await.expect("no panic").expect("it is kept");
    assert!(taken.waits_until.is_some());
    let rows = kit.store.waiting_commands().await.expect("rows");
    assert_eq!(rows.iter().map(|row| &row.id).collect::<Vec<_>>(), [&taken.id]);
    kit.pipeline.stop().await;
}
