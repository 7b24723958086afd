//! What was lived through live is lived through once more.

use std::sync::Arc;
use std::time::Duration;

use mendpoint_incidents::{EngineSettings, Request};
use mendpoint_model::{DAY_MS, HOUR_MS, Incident, UnixMs};
use mendpoint_replay::Report;
use mendpoint_store::{Direction, IncidentFilter};

use super::kit::Kit;
use crate::{Error, ReplayAsk, ReplayBoard, ReplayStatus, ReplayView};

async fn done(kit: &Kit, id: u64) -> Arc<Report> {
    for _ in 0..3_000 {
        match kit.handle().replays().one(id).expect("it is remembered").status {
            ReplayStatus::Running => tokio::time::sleep(Duration::from_millis(20)).await,
            ReplayStatus::Done(report) => return report,
            other => panic!("it ended as {other:?}"),
        }
    }
    panic!("the replay never ended");
}

fn ask(kit: &Kit) -> ReplayAsk {
    let now = kit.handle().now();
    ReplayAsk {
        rules: kit.handle().catalogue(),
        only: None,
        from: now - HOUR_MS,
        until: now + 1_000,
        site: None,
        charger: None,
        lead_ms: DAY_MS,
        by: "ana".to_owned(),
    }
}

/// The only incident, once its ticket is known to it.
async fn handed_over(kit: &Kit) -> Incident {
    for _ in 0..3_000 {
        let live = kit.store.incidents(&IncidentFilter::default(), None, 10).await.expect("read");
        assert!(live.0.len() <= 1, "{:?}", live.0);
        if let Some(one) = live.0.into_iter().next().filter(|one| one.ticket.is_some()) {
            return one;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no ticket was opened");
}

#[tokio::test]
async fn what_a_person_ended_ends_in_the_replay() {
    let kit = Kit::start(EngineSettings::default()).await;
    let status = "{\"connectorId\":1,\"status\":\"Faulted\",\"errorCode\":\"OverVoltage\"}";
    let frame = format!("[2,\"1\",\"StatusNotification\",{status}]");
    kit.handle().log_frame(kit.charger.key, kit.handle().now(), Direction::In, &frame);
    kit.faulted("OverVoltage").await;
    let mut live = Vec::new();
    for _ in 0..3_000 {
        live = kit.store.incidents(&IncidentFilter::default(), None, 10).await.expect("read").0;
        if !live.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let incident = live.first().expect("a fault").id;
    let (user, reason) = ("Ana".to_owned(), "seen to".to_owned());
    let request = Request::Resolve { incident, user, reason, safe: true };
    kit.handle().request(request).await.expect("it is open");
    for _ in 0..3_000 {
        let kept = kit.store.count_past_frames(UnixMs(0), UnixMs(i64::MAX), None).await;
        let over = kit.store.incident(incident).await.expect("read").expect("it is there");
        if kept.expect("counted") > 0 && over.resolved_at.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let id = kit.handle().start_replay(ask(&kit)).expect("it begins");
    let report = done(&kit, id).await;
    let pair = &report.pairs[0];
    let ends = [&pair.replayed, &pair.live].map(|one| one.as_ref().expect("both").resolved_at);
    assert!(ends[0].is_some(), "{pair:?}");
    assert_eq!(ends[0], ends[1]);
    kit.pipeline.stop().await;
}

#[tokio::test]
async fn the_rules_in_force_find_again_what_they_found() {
    let kit = Kit::start(EngineSettings::default()).await;
    let status = "{\"connectorId\":1,\"status\":\"Faulted\",\"errorCode\":\"OverCurrentFailure\"}";
    let frame = format!("[2,\"1\",\"StatusNotification\",{status}]");
    kit.handle().log_frame(kit.charger.key, kit.handle().now(), Direction::In, &frame);
    kit.faulted("OverCurrentFailure").await;
    // The state and the frames are written down every two seconds.
    for _ in 0..3_000 {
        let kept = kit.store.count_past_frames(UnixMs(0), UnixMs(i64::MAX), None).await;
        let states = kit.store.states_of(None, None).await.expect("read");
        if kept.expect("counted") > 0 && !states.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let live = handed_over(&kit).await;
    let id = kit.handle().start_replay(ask(&kit)).expect("it begins");
    let report = done(&kit, id).await;
    assert_eq!(report.sentence, "would have fired once in 1 hour, 0 new, 1 same");
    assert_eq!(report.frames, 1);
    assert_eq!(report.tickets(), (1, 1), "nothing heals it, so a person is asked, then and now");
    assert_eq!(report.pairs[0].live.as_ref().map(|found| found.id), Some(live.id));
    // Without the rule it would not have been found.
    let none = Arc::new(mendpoint_incidents::Catalogue::parse(&[], &[]).expect("empty"));
    let id = kit.handle().start_replay(ReplayAsk { rules: none, ..ask(&kit) }).expect("begins");
    let report = done(&kit, id).await;
    assert_eq!(
        report.sentence,
        "would have fired 0 times in 1 hour, 0 new, 0 same; 1 of the live ones gone"
    );
    assert_eq!(kit.handle().replays().all().len(), 2);

    // A program that is started anew knows them, and which text of a rule each has tried.
    let again = ReplayBoard::default();
    for _ in 0..3_000 {
        if kit.store.rule_replays(9).await.expect("read").len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    again.restore(&kit.store).await.expect("read");
    let (now, kept) = (kit.handle().replays().all(), again.all());
    for (now, kept) in now.iter().zip(&kept) {
        let told = |view: &ReplayView| {
            let ReplayStatus::Done(report) = &view.status else { panic!("{view:?}") };
            (view.id, view.digests.clone(), view.ended_at, Report::clone(report))
        };
        assert_eq!(told(now), told(kept));
    }
    assert_eq!(kept.len(), 2);
    assert_eq!(kit.handle().tried("ERR_FAULTED").map(|view| view.id), Some(1));
    kit.pipeline.stop().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_a_sentence() {
    let kit = Kit::start(EngineSettings::default()).await;
    let refused = |ask: ReplayAsk| match kit.handle().start_replay(ask) {
        Err(Error::Unfit(why)) => why,
        other => panic!("{other:?}"),
    };
    let backwards = ReplayAsk { until: ask(&kit).from, ..ask(&kit) };
    assert!(refused(backwards).contains("after its beginning"));
    let hour = 3_600_000;
    let (from, until) = (kit.handle().now() + hour, kit.handle().now() + 2 * hour);
    let future = ReplayAsk { from, until, ..ask(&kit) };
    assert!(refused(future).contains("still to come"));
    let unknown = ReplayAsk { only: Some("NO_SUCH".to_owned()), ..ask(&kit) };
    assert!(refused(unknown).contains("NO_SUCH"));
    // One that only ends in the future ends now, and not when it is done.
    let id = kit.handle().start_replay(ReplayAsk { until, ..ask(&kit) }).expect("it begins");
    let view = kit.handle().replays().one(id).expect("it runs");
    assert_eq!(view.ask.until, view.started_at);
    done(&kit, id).await;
    kit.pipeline.stop().await;
}
