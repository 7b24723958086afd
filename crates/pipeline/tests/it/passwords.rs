//! New passwords: whatever is lost on the way, the charger comes in (S5).

use std::sync::Arc;

use mendpoint_model::{ChargerRecord, CommandOutcome, Protocol};
use mendpoint_pipeline::{Error, NotAdmitted, Rotated};

use super::kit::{Program, Try, answered, secret_in, settings};

const OLD: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

async fn opens(program: &Program, password: &str) -> bool {
    match program.knock(&Try::of("CP-1").password(password)).await {
        Ok(_) => true,
        Err(NotAdmitted::Unauthorized(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// Asks for a new password up to where the charger has it in hand; gives the new secret.
async fn rotate(
    program: &Program,
    record: &Arc<ChargerRecord>,
    outcome: Option<CommandOutcome>,
) -> (String, Option<Result<Rotated, Error>>) {
    let (handle, key) = (program.handle.clone(), record.key);
    let asking = tokio::spawn(async move { handle.rotate_password(key, "ana").await });
    let command = program.sent("ChangeConfiguration").await;
    let secret = secret_in(&command);
    let Some(outcome) = outcome else {
        asking.abort();
        return (secret, None);
    };
    program.answer(record, command.id, outcome).await;
    (secret, Some(asking.await.expect("it ends")))
}

async fn with_charger() -> (Program, Arc<ChargerRecord>) {
    let program = Program::start().await;
    let record = program.register("CP-1", Some(OLD)).await;
    program.connect(&record, 1, Protocol::V16).await;
    (program, record)
}

#[tokio::test]
async fn s05_accepted_kills_the_old_password_at_once() {
    let (program, record) = with_charger().await;
    let (new, rotated) = rotate(&program, &record, Some(answered("Accepted"))).await;
    assert_eq!(rotated.expect("ended").expect("asked"), Rotated::Accepted);
    assert!(!opens(&program, OLD).await);
    assert!(opens(&program, &new).await);
    let program = Program::on(settings(), program.crash().await).await;
    assert!(!opens(&program, OLD).await, "also after a restart");
    assert!(opens(&program, &new).await);
}

#[tokio::test]
async fn s05_rejected_keeps_the_old_password() {
    let (program, record) = with_charger().await;
    let (new, rotated) = rotate(&program, &record, Some(answered("Rejected"))).await;
    assert_eq!(rotated.expect("ended").expect("asked"), Rotated::Rejected("Rejected".to_owned()));
    assert!(!opens(&program, &new).await);
    assert!(opens(&program, OLD).await);
}

#[tokio::test]
async fn s05_a_lost_answer_leaves_both_until_the_first_login() {
    for takes_the_new in [true, false] {
        let (program, record) = with_charger().await;
        let (new, rotated) = rotate(&program, &record, Some(CommandOutcome::TimedOut)).await;
        assert!(matches!(rotated.expect("ended"), Ok(Rotated::Unknown(_))));
        assert!(program.handle.security(record.key).two_passwords);
        let (has, has_not) = if takes_the_new { (&*new, OLD) } else { (OLD, &*new) };
        assert!(opens(&program, has).await);
        assert!(!opens(&program, has_not).await, "the first login decided");
        assert!(opens(&program, has).await);
        let program = Program::on(settings(), program.crash().await).await;
        assert!(!opens(&program, has_not).await, "for good");
        assert!(opens(&program, has).await);
    }
}

#[tokio::test]
async fn s05_a_crash_between_telling_and_hearing_locks_nobody_out() {
    for takes_the_new in [true, false] {
        let (program, record) = with_charger().await;
        let (new, _) = rotate(&program, &record, None).await;
        let program = Program::on(settings(), program.crash().await).await;
        let has = if takes_the_new { &*new } else { OLD };
        assert!(opens(&program, has).await);
    }
}

#[tokio::test]
async fn s05_a_login_while_the_new_password_is_on_its_way_decides_nothing() {
    let (program, record) = with_charger().await;
    let (handle, key) = (program.handle.clone(), record.key);
    let asking = tokio::spawn(async move { handle.rotate_password(key, "ana").await });
    let command = program.sent("ChangeConfiguration").await;
    assert!(opens(&program, OLD).await, "it reconnects before it reads the command");
    let again = program.handle.rotate_password(key, "ana").await;
    assert!(matches!(again, Err(Error::Refused(_))), "one at a time");
    let new = secret_in(&command);
    program.answer(&record, command.id, answered("Accepted")).await;
    assert_eq!(asking.await.expect("ends").expect("asked"), Rotated::Accepted);
    assert!(opens(&program, &new).await);
    assert!(!opens(&program, OLD).await);
}

#[tokio::test]
async fn s05_in_2_x_the_password_is_a_variable() {
    let program = Program::start().await;
    let record = program.register("CP-1", Some(OLD)).await;
    program.connect(&record, 1, Protocol::V201).await;
    let (handle, key) = (program.handle.clone(), record.key);
    let asking = tokio::spawn(async move { handle.rotate_password(key, "ana").await });
    let command = program.sent("SetVariables").await;
    let new = secret_in(&command);
    let outcome = CommandOutcome::Answered {
        accepted: true,
        status: String::new(),
        payload: r#"{"setVariableResult":[{"attributeStatus":"Accepted"}]}"#.to_owned(),
    };
    program.answer(&record, command.id, outcome).await;
    assert_eq!(asking.await.expect("ends").expect("asked"), Rotated::Accepted);
    assert!(opens(&program, &new).await);
}

/// Where we are killed while a new password is on its way.
#[derive(Clone, Copy, Debug)]
enum Killed {
    /// Before the command leaves. What is on disk is the same as after it.
    BeforeSending,
    /// The command has left.
    BeforeTheAnswer,
    /// The answer came, and the database does not take it any more.
    BeforeTheCommit,
    /// Everything is done.
    AfterTheCommit,
}

#[tokio::test]
async fn s05_killed_at_every_step_no_charger_is_locked_out() {
    use Killed::{AfterTheCommit, BeforeSending, BeforeTheAnswer, BeforeTheCommit};
    // The step, what the charger answers, which password it has in the end, and whether the other one
    // is dead as soon as we are back.
    for (killed, answer, has_the_new, is_settled) in [
        (BeforeSending, None, false, false),
        (BeforeTheAnswer, None, false, false),
        (BeforeTheAnswer, None, true, false),
        (BeforeTheCommit, Some("Accepted"), true, false),
        (BeforeTheCommit, Some("Rejected"), false, false),
        (BeforeTheCommit, Some("RebootRequired"), true, false),
        (AfterTheCommit, Some("Accepted"), true, true),
        (AfterTheCommit, Some("Rejected"), false, true),
        (AfterTheCommit, Some("RebootRequired"), true, false),
        (AfterTheCommit, Some("RebootRequired"), false, false),
    ] {
        let told = format!("{killed:?}, {answer:?}, new: {has_the_new}");
        let (program, record) = with_charger().await;
        let (handle, key) = (program.handle.clone(), record.key);
        let asking = tokio::spawn(async move { handle.rotate_password(key, "ana").await });
        let command = program.sent("ChangeConfiguration").await;
        let new = secret_in(&command);
        if let Some(answer) = answer {
            if matches!(killed, BeforeTheCommit) {
                program.store.close().await;
            }
            program.answer(&record, command.id, answered(answer)).await;
            // With the database away it comes to nothing, and says so or not.
            drop(asking.await.expect("it ends"));
        } else {
            asking.abort();
        }
        let program = Program::on(settings(), program.crash().await).await;
        assert_eq!(program.handle.security(key).two_passwords, !is_settled, "{told}");
        let (has, has_not) = if has_the_new { (&*new, OLD) } else { (OLD, &*new) };
        assert!(opens(&program, has).await, "locked out: {told}");
        assert!(!opens(&program, has_not).await, "the first login settled it: {told}");
        let program = Program::on(settings(), program.crash().await).await;
        assert!(opens(&program, has).await, "and after one more restart: {told}");
        assert!(!opens(&program, has_not).await, "{told}");
    }
}

#[tokio::test]
async fn s05_no_third_password_before_it_is_known_which_of_two_the_charger_has() {
    let (program, record) = with_charger().await;
    let (new, rotated) = rotate(&program, &record, Some(CommandOutcome::TimedOut)).await;
    assert!(matches!(rotated.expect("ended"), Ok(Rotated::Unknown(_))));
    let again = program.handle.rotate_password(record.key, "ana").await;
    let Err(Error::Refused(why)) = again else { panic!("{again:?}") };
    assert!(why.contains("connected anew"), "{why}");
    // It took the first one: a second one in its place would have locked it out.
    assert!(opens(&program, &new).await);
    let (newest, rotated) = rotate(&program, &record, Some(answered("Accepted"))).await;
    assert_eq!(rotated.expect("ended").expect("asked"), Rotated::Accepted);
    assert!(opens(&program, &newest).await);
}

#[tokio::test]
async fn a_password_that_a_person_chose_is_hashed_slowly_and_known_again() {
    let program = Program::start().await;
    let record = program.register("CP-1", Some("open sesame please")).await;
    assert_eq!(program.handle.security(record.key).password, "chosen");
    assert!(opens(&program, "open sesame please").await);
    assert!(!opens(&program, "open sesame").await);
    // Known again without the slow hash, also from an address that has to wait.
    for _ in 0..200 {
        assert!(opens(&program, "open sesame please").await);
    }
    let (_, _, kept) = program.store.credentials().await.expect("reads").remove(0);
    let mendpoint_store::Credential::Slow(hash) = kept else { panic!("kept as {kept:?}") };
    assert!(hash.starts_with("$argon2id$"), "S11");
}
