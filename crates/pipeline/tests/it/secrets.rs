//! Secrets are nowhere: the canary is looked for in every byte that was written (S20).

use mendpoint_model::{CommandOutcome, ConfigurationValue, EventKind, Protocol};
use mendpoint_store::Direction;

use super::kit::{Program, secret_in};

/// Every file of the database.
fn bytes_on_disk(folder: &std::path::Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        all.extend(std::fs::read(entry.expect("an entry").path()).expect("a file"));
    }
    all
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[tokio::test]
async fn s20_a_new_password_is_in_no_command_no_frame_and_no_state() {
    let program = Program::start().await;
    let record = program.register("CP-1", None).await;
    program.connect(&record, 1, Protocol::V16).await;
    let (handle, key) = (program.handle.clone(), record.key);
    let asking = tokio::spawn(async move { handle.rotate_password(key, "ana").await });
    let command = program.sent("ChangeConfiguration").await;
    let secret = secret_in(&command);
    let frame =
        format!(r#"[2,"c","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{secret}"}}]"#);
    let now = program.handle.now();
    program.handle.log_frame(record.key, now, Direction::Out, &frame);
    // A charger that tells what it should keep to itself.
    let told =
        format!(r#"{{"configurationKey":[{{"key":"AuthorizationKey","value":"{secret}"}}]}}"#);
    let answered =
        CommandOutcome::Answered { accepted: true, status: "Accepted".to_owned(), payload: told };
    program.answer(&record, command.id, answered).await;
    let value = ConfigurationValue {
        key: "AuthorizationKey".to_owned(),
        value: Some(secret.clone()),
        readonly: false,
    };
    program.say(&record, 1, EventKind::Configuration(vec![value])).await;
    asking.await.expect("ends").expect("asked");
    program.handle.settle(record.site).await;

    let frames = program.store.frame_log().frames_of(record.key, None, 10).await.expect("reads");
    assert!(frames.iter().any(|frame| frame.text.contains("\"***\"")), "the frame is kept");
    let state = program.handle.charger(record.key).await.expect("it has a state");
    assert!(!format!("{state:?}").contains(&secret));
    let (commands, _) = program.store.commands(record.key, None, 10).await.expect("reads");
    assert!(!format!("{commands:?}").contains(&secret), "{commands:?}");
    let folder = program.folder.path().to_path_buf();
    let kept = program.crash().await;
    assert!(!holds(&bytes_on_disk(&folder), &secret), "the canary is on disk");
    drop(kept);
}
