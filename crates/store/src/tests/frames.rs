use mendpoint_model::{ChargerKey, UnixMs};

use super::kit::{File, write};
use crate::frame_block::bucket_of;
use crate::{Direction, Entry, FrameLog, FrameRecord, FrameTimes, Store};

fn frame(seq: u64, charger: ChargerKey) -> FrameRecord {
    FrameRecord {
        seq,
        charger,
        at: UnixMs(1_000 * seq as i64),
        direction: if seq.is_multiple_of(3) { Direction::Out } else { Direction::In },
        text: format!("[2,\"{seq}\",\"Heartbeat\",{{}}]").into(),
    }
}

/// Takes a record into the log.
pub(super) fn keep(log: &FrameLog, record: &FrameRecord) {
    log.push(record.seq, record.charger, record.at, record.direction, &record.text);
}

/// Two chargers of the same bucket, so that one's frames lie among the other's.
fn neighbours() -> (ChargerKey, ChargerKey) {
    let first = ChargerKey(1);
    let second = (2..1_000).map(ChargerKey).find(|key| bucket_of(*key) == bucket_of(first));
    (first, second.expect("there are more chargers than buckets"))
}

async fn seqs(log: &FrameLog, charger: ChargerKey, before: Option<u64>, limit: usize) -> Vec<u64> {
    let records = log.frames_of(charger, before, limit).await.expect("read");
    assert!(records.iter().all(|record| *record == frame(record.seq, charger)));
    records.into_iter().map(|record| record.seq).collect()
}

async fn flush(store: &Store) {
    let entries = store.frame_log().due(UnixMs(0), true);
    write(store, entries).await;
}

#[tokio::test]
async fn frames_are_read_newest_first_wherever_they_are() {
    let file = File::new();
    let store = file.open().await;
    let log = store.frame_log();
    let (one, two) = neighbours();
    // Written to disk.
    for seq in 1..=40 {
        keep(&log, &frame(seq, if seq % 2 == 0 { two } else { one }));
        if seq % 4 == 0 {
            flush(&store).await;
        }
    }
    // Handed out and not on disk: as while a commit runs.
    keep(&log, &frame(41, one));
    keep(&log, &frame(42, two));
    let leaving = log.due(UnixMs(0), true);
    assert_eq!(leaving.len(), 1);
    // Gathering.
    keep(&log, &frame(43, one));

    let odd: Vec<u64> = (1..=43).rev().filter(|seq| seq % 2 == 1).collect();
    assert_eq!(seqs(&log, one, None, 100).await, odd);
    assert_eq!(seqs(&log, one, None, 3).await, [43, 41, 39]);
    assert_eq!(seqs(&log, one, Some(39), 2).await, [37, 35]);
    assert_eq!(seqs(&log, two, Some(7), 10).await, [6, 4, 2]);
    for seq in [1, 40, 41, 43] {
        let charger = if seq % 2 == 0 { two } else { one };
        assert_eq!(log.frame(seq).await.expect("read"), Some(frame(seq, charger)));
        assert_eq!(log.frame_of(charger, seq).await.expect("read"), Some(frame(seq, charger)));
    }
    assert_eq!(log.frame(44).await.expect("read"), None);

    // The same after the commit, and after a restart.
    write(&store, leaving).await;
    flush(&store).await;
    assert_eq!(seqs(&log, one, None, 100).await, odd);
    store.close().await;
    let store = file.open().await;
    assert_eq!(seqs(&store.frame_log(), one, None, 100).await, odd);
    // Numbers go on after everything that was, also after what a crash lost.
    let highest = store.highest_ids().await.expect("read").frame;
    assert!(highest > 43 && highest < 1 << 53, "{highest}");
}

#[tokio::test]
async fn blocks_that_overlap_are_read_in_order() {
    let file = File::new();
    let store = file.open().await;
    let log = store.frame_log();
    let (one, _) = neighbours();
    // Two shards fill the bucket side by side: numbers come out of order.
    for block in [[1, 5, 9], [2, 3, 8], [4, 6, 7]] {
        for seq in block {
            keep(&log, &frame(seq, one));
        }
        flush(&store).await;
    }
    assert_eq!(seqs(&log, one, None, 4).await, [9, 8, 7, 6]);
    assert_eq!(seqs(&log, one, Some(6), 10).await, [5, 4, 3, 2, 1]);
    for seq in 1..=9 {
        assert!(log.frame(seq).await.expect("read").is_some(), "frame {seq}");
    }
}

#[tokio::test]
async fn a_bucket_is_due_when_it_is_large_or_old() {
    let file = File::new();
    let store = file.open().await;
    let log = store.frame_log();
    keep(&log, &frame(1, ChargerKey(1)));
    assert!(log.due(UnixMs(1_000 + 4_999), false).is_empty());
    assert_eq!(log.due(UnixMs(1_000 + 5_000), false).len(), 1);
    assert!(log.due(UnixMs(1_000_000), false).is_empty(), "it is given out once");
    let long = "x".repeat(3_000);
    for seq in 2..=22 {
        keep(&log, &FrameRecord { text: long.as_str().into(), ..frame(seq, ChargerKey(1)) });
    }
    assert!(log.due(UnixMs(0), false).is_empty());
    keep(&log, &FrameRecord { text: long.as_str().into(), ..frame(23, ChargerKey(1)) });
    assert_eq!(log.due(UnixMs(0), false).len(), 1, "more than 64 KiB");
}

#[tokio::test]
async fn old_blocks_are_pruned_and_newer_ones_stay() {
    let file = File::new();
    let store = file.open().await;
    let log = store.frame_log();
    for seq in 1..=1_200 {
        keep(&log, &frame(seq, ChargerKey(1)));
        if seq <= 1_100 {
            write(&store, log.due(UnixMs(0), true)).await;
        }
    }
    flush(&store).await;
    assert_eq!(store.prune_frames(UnixMs(1_000 * 1_051)).await.expect("pruned"), 1_050);
    let left = log.frames_of(ChargerKey(1), None, 500).await.expect("read");
    assert_eq!((left.len(), left[0].seq, left[149].seq), (150, 1_200, 1_051));
    assert_eq!(log.frame(1_050).await.expect("read"), None);
}

#[tokio::test]
async fn a_stretch_of_time_is_read_wherever_its_frames_are() {
    let file = File::new();
    let store = file.open().await;
    let log = store.frame_log();
    let one = ChargerKey(1);
    for seq in 1..=20 {
        keep(&log, &frame(seq, one));
        if seq % 5 == 0 && seq < 20 {
            flush(&store).await;
        }
    }
    let seqs_in = async |from: Option<i64>, to: Option<i64>, before| {
        let times = FrameTimes { from: from.map(UnixMs), to: to.map(UnixMs) };
        let records = log.frames_in(one, times, before, 100).await.expect("read");
        records.into_iter().map(|record| record.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs_in(Some(4_000), Some(8_000), None).await, [7, 6, 5, 4]);
    assert_eq!(seqs_in(Some(18_500), None, None).await, [20, 19], "in memory");
    assert_eq!(seqs_in(None, Some(3_000), None).await, [2, 1]);
    assert_eq!(seqs_in(Some(4_000), Some(8_000), Some(6)).await, [5, 4], "page by page");
    assert!(seqs_in(Some(90_000), None, None).await.is_empty());
}

#[tokio::test]
async fn a_listener_hears_its_charger_and_how_much_it_missed() {
    let file = File::new();
    let log = file.open().await.frame_log();
    let (one, two) = neighbours();
    keep(&log, &frame(1, one));
    let mut listener = log.listen(one);
    keep(&log, &frame(2, two));
    keep(&log, &frame(3, one));
    assert_eq!(listener.recv().await.expect("a frame"), frame(3, one));
    let long = FrameRecord { text: "ș".repeat(20_000).into(), ..frame(4, one) };
    keep(&log, &long);
    let heard = listener.recv().await.expect("a frame").text;
    assert!(heard.len() < 17_000 && heard.ends_with("ș…"), "{} bytes", heard.len());
    for seq in 5..2_000 {
        keep(&log, &frame(seq, one));
    }
    let missed = listener.recv().await.expect_err("it was too slow");
    assert!(matches!(missed, tokio::sync::broadcast::error::RecvError::Lagged(1483)), "{missed}");
    drop(listener);
    keep(&log, &frame(2_000, one));
    assert_eq!(seqs(&log, one, None, 1).await, [2_000], "frames go on without listeners");
}

#[tokio::test]
async fn frames_that_cannot_go_to_disk_are_bounded_and_what_was_dropped_is_counted() {
    const BOUND: usize = 16 * 1024 * 1024;
    let file = File::new();
    let registry = prometheus::Registry::new();
    let store = Store::open(&file.settings(), &registry).await.expect("it opens");
    let log = store.frame_log();
    // Text that does not pack well, 40 MB of it, and nobody who takes it to the disk.
    let (mut state, mut text) = (1_u64, String::new());
    for seq in 1..=2_500 {
        text.clear();
        while text.len() < 16_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seq);
            text += &state.to_string();
        }
        let charger = ChargerKey(u32::try_from(seq % 64).expect("small"));
        log.push(seq, charger, UnixMs(1), Direction::In, &text);
    }
    let dropped = registry.gather().iter().find_map(|family| {
        (family.name() == "mendpoint_frames_dropped_total")
            .then(|| family.get_metric()[0].get_counter().get_value())
    });
    assert!(dropped.expect("it is counted") > 100.0, "{dropped:?}");
    let kept: usize = log
        .due(UnixMs(1), false)
        .iter()
        .map(|entry| if let Entry::Frames(block) = entry { block.data.len() } else { 0 })
        .sum();
    assert!(kept <= BOUND && kept > BOUND / 2, "{kept}");
    store.close().await;
}
