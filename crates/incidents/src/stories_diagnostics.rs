//! Whole incidents, told with the shipped rules: the diagnostics are fetched before a reset (1.6).

use mendpoint_model::{CommandOutcome, ConnectorStatus as S, Rung, StepState};

use crate::EngineSettings;
use crate::world::{Answers, ONE, World, accepted, fault, rejected, restart, steps};

/// Answers as 1.6 does, with the name of a file.
const FILE: Answers = |words| {
    Some(match words {
        "GetDiagnostics" => CommandOutcome::Answered {
            accepted: true,
            status: String::new(),
            payload: r#"{"fileName":"diag-7.zip"}"#.to_owned(),
        },
        _ => accepted(),
    })
};

const REFUSES: Answers = |words| {
    Some(match words {
        "GetDiagnostics" => {
            CommandOutcome::Refused { code: "NotSupported".to_owned(), description: String::new() }
        }
        _ => accepted(),
    })
};

const REJECTS: Answers =
    |words| Some(if words == "GetDiagnostics" { rejected() } else { accepted() });

fn settings() -> EngineSettings {
    let diagnostics_url = "ftp://mend:secret@files.example/in".to_owned();
    EngineSettings { diagnostics_url, ..EngineSettings::default() }
}

fn with(answers: Answers) -> World {
    let mut world = World::with(settings());
    world.answers = answers;
    world.add(ONE);
    world
}

fn asked(world: &World) -> usize {
    world.actions().iter().filter(|words| *words == "GetDiagnostics").count()
}

#[test]
fn the_file_is_fetched_before_the_reset_and_named_on_the_ticket() {
    let mut world = with(FILE);
    fault(&mut world, "InternalError");
    assert_eq!(world.actions(), ["TriggerMessage StatusNotification 1", "GetDiagnostics"]);
    assert_eq!(steps(&world)[1], (Rung::D, StepState::Verifying));
    assert_eq!(world.incident().next, "Waiting for the diagnostics diag-7.zip");
    world.upload(ONE, "Uploading");
    world.wait(30);
    assert_eq!(world.actions().len(), 2, "no reset during the upload");
    world.upload(ONE, "Uploaded");
    assert_eq!(world.actions()[2..], ["Reset Soft"]);
    assert_eq!(steps(&world)[1], (Rung::D, StepState::Done));
    assert!(
        world.lines.iter().any(|line| line.title == "Diagnostics uploaded: diag-7.zip"),
        "{:?}",
        world.lines.iter().map(|line| line.title.as_str()).collect::<Vec<_>>()
    );
    // Neither reset helps: the ticket names the file, and it was fetched once.
    for _ in 0..2 {
        restart(&mut world, S::Faulted, "InternalError");
        world.wait(1_000);
    }
    assert_eq!(asked(&world), 1);
    let ticket = world.tickets.first().expect("a person is asked");
    assert!(
        ticket
            .tried
            .contains(&"Fetch diagnostics: done. Diagnostics uploaded: diag-7.zip".to_owned()),
        "{:?}",
        ticket.tried
    );
}

#[test]
fn an_upload_without_an_end_does_not_hold_the_repair_up() {
    let mut world = with(FILE);
    fault(&mut world, "InternalError");
    world.upload(ONE, "Uploading");
    world.wait(310);
    assert_eq!(steps(&world)[1], (Rung::D, StepState::Unknown));
    // It may still be sending (G2), but not for ever.
    assert_eq!(world.actions().len(), 2);
    world.wait(620);
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Soft"));
    world.upload(ONE, "Uploaded");
    assert_eq!(steps(&world)[1], (Rung::D, StepState::Done));
    assert!(world.kinds().contains(&"diagnostics_uploaded"));
}

#[test]
fn no_news_of_an_upload_is_waited_for_five_minutes() {
    let mut world = with(FILE);
    fault(&mut world, "InternalError");
    world.wait(299);
    assert_eq!(world.actions().len(), 2);
    world.wait(2);
    assert_eq!(world.actions()[2..], ["Reset Soft"]);
}

#[test]
fn a_failed_upload_and_a_refusal_go_on_at_once() {
    let mut world = with(FILE);
    fault(&mut world, "InternalError");
    world.upload(ONE, "UploadFailed");
    assert_eq!(steps(&world)[1], (Rung::D, StepState::Blocked));
    assert_eq!(world.actions()[2..], ["Reset Soft"]);
    for answers in [REFUSES, REJECTS] {
        let mut world = with(answers);
        fault(&mut world, "InternalError");
        assert_eq!(steps(&world)[1], (Rung::D, StepState::Blocked));
        assert_eq!(world.actions()[2..], ["Reset Soft"]);
        assert!(world.incident().healing.as_ref().is_some_and(|healing| {
            healing.steps.iter().all(|step| step.state != StepState::Fixed)
        }));
    }
}

#[test]
fn who_refused_is_not_asked_again_within_the_day_not_after_a_restart_of_ours_either() {
    for (answers, times) in [(REJECTS, 2), (REFUSES, 1)] {
        let mut world = with(answers);
        fault(&mut world, "InternalError");
        assert_eq!(asked(&world), 1);
        restart(&mut world, S::Faulted, "InternalError");
        world.wait(1_000);
        assert_eq!(asked(&world), 1, "not before the hard reset");
        world.restart(settings());
        world.connect(ONE);
        world.status(ONE, 2, S::Faulted, "InternalError");
        world.wait(61);
        world.status(ONE, 2, S::Faulted, "InternalError");
        world.live(ONE, 60);
        assert_eq!(asked(&world), 1, "{:?}", world.actions());
        // The next day it is asked again, unless it said that it has no such thing.
        world.live(ONE, 24 * 60);
        for n in [1, 2] {
            world.status(ONE, n, S::Available, "");
            world.live(ONE, 6);
            world.start(ONE, n, "A");
            world.live(ONE, 10);
            world.stop(ONE, n, 9_000.0, "Local");
        }
        world.live(ONE, 120);
        fault(&mut world, "OtherError");
        world.live(ONE, 10);
        assert_eq!(asked(&world), times, "{:?}", world.actions());
    }
}

#[test]
fn silence_is_waited_for_once_and_asked_for_again_before_the_next_reset() {
    let mut world = with(|words| (words != "GetDiagnostics").then(accepted));
    fault(&mut world, "InternalError");
    world.wait(36);
    assert_eq!(world.actions()[1..], ["GetDiagnostics", "Reset Soft"]);
    restart(&mut world, S::Faulted, "InternalError");
    world.live(ONE, 20);
    assert_eq!(asked(&world), 2);
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Hard"));
}

#[test]
fn without_a_place_for_them_it_is_said_once_and_nothing_is_asked() {
    let mut world = World::new();
    world.add(ONE);
    fault(&mut world, "InternalError");
    restart(&mut world, S::Faulted, "InternalError");
    world.live(ONE, 30);
    assert_eq!(world.actions().last().map(String::as_str), Some("Reset Hard"));
    assert_eq!(asked(&world), 0);
    let said = world.kinds().iter().filter(|kind| **kind == "diagnostics_skipped").count();
    assert_eq!(said, 1);
}

#[test]
fn a_restart_of_ours_during_the_upload_goes_on_with_the_ladder_and_not_from_its_beginning() {
    let mut world = with(FILE);
    fault(&mut world, "InternalError");
    world.upload(ONE, "Uploading");
    world.restart(settings());
    world.connect(ONE);
    world.status(ONE, 1, S::Faulted, "InternalError");
    world.upload(ONE, "Uploaded");
    assert_eq!(world.actions()[2..], ["Reset Soft"]);
    assert_eq!(asked(&world), 1);
}
