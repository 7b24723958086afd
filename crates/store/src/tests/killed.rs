//! What a program leaves behind that was killed (R1).

use mendpoint_model::{ChargerKey, UnixMs};

use super::kit::{File, write};
use crate::Entry;

#[tokio::test]
async fn r01_the_log_of_writes_of_one_that_was_killed_is_emptied_by_the_next_server() {
    let killed = File::new();
    let store = killed.open().await;
    let change = |at: i64| Entry::LinkChange {
        charger: ChargerKey(1),
        at: UnixMs(at),
        online: true,
        reason: String::new(),
    };
    write(&store, (0..2_000).map(change).collect()).await;
    // The files as they lie on the disk at that moment.
    let next = File::new();
    std::fs::create_dir(next.path().parent().expect("a folder")).expect("made");
    for ending in ["", "-wal"] {
        let name = |file: &File| format!("{}{ending}", file.path().display());
        std::fs::copy(name(&killed), name(&next)).expect("copied");
    }
    store.close().await;
    let log =
        || std::fs::metadata(format!("{}-wal", next.path().display())).map_or(0, |file| file.len());
    assert!(log() > 0, "there is something to be copied");
    let store = next.open().await;
    assert!(log() > 0, "whoever only looks leaves it to the server");
    let claim = store.claim_for_server().await.expect("claimed");
    assert_eq!(log(), 0);
    let known = store.link_history(ChargerKey(1), UnixMs(0), UnixMs(5_000)).await.expect("read");
    assert_eq!(known.len(), 2_000);
    drop(claim);
    store.close().await;
}
