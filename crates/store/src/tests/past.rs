use mendpoint_model::{ChargerKey, UnixMs};

use super::frames::keep;
use super::kit::{File, write};
use crate::{Direction, Entry, FrameRecord, Store};

fn frame(seq: u64, charger: u32) -> FrameRecord {
    FrameRecord {
        seq,
        charger: ChargerKey(charger),
        at: UnixMs(1_000 * seq as i64),
        direction: if seq.is_multiple_of(2) { Direction::Out } else { Direction::In },
        text: format!("[2,\"{seq}\",\"Heartbeat\",{{}}]").into(),
    }
}

async fn flush(store: &Store) {
    let entries = store.frame_log().due(UnixMs(0), true);
    write(store, entries).await;
}

async fn read(store: &Store, from: i64, until: i64, only: Option<u32>) -> Vec<FrameRecord> {
    let mut past = store.past_frames(UnixMs(from), UnixMs(until), only.map(ChargerKey));
    let mut found: Vec<FrameRecord> = Vec::new();
    while let Some(piece) = past.next().await.expect("read") {
        found.extend(piece.iter().map(FrameRecord::from));
    }
    found
}

#[tokio::test]
async fn the_past_comes_in_the_order_in_which_it_was() {
    let file = File::new();
    let store = file.open().await;
    let log = store.frame_log();
    // Blocks of sixty-four buckets, many more than are read at a time, each over its neighbours.
    for seq in 1..=6_000 {
        keep(&log, &frame(seq, (seq % 97) as u32));
        if seq % 150 == 0 {
            flush(&store).await;
        }
    }
    flush(&store).await;
    let all = read(&store, 0, i64::MAX / 2, None).await;
    assert_eq!(all.len(), 6_000);
    assert!(
        all.iter()
            .enumerate()
            .all(|(at, found)| { *found == frame(at as u64 + 1, ((at as u64 + 1) % 97) as u32) })
    );
    let some = read(&store, 2_000_000, 3_000_000, None).await;
    let seqs: Vec<u64> = some.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (2_000..3_000).collect::<Vec<_>>());
    let one = read(&store, 1_000_000, 5_000_000, Some(5)).await;
    assert!(one.iter().all(|record| record.charger == ChargerKey(5)));
    let expected = (1_000..5_000_u64).filter(|seq| seq % 97 == 5).count();
    assert_eq!(one.len(), expected);
    assert!(read(&store, i64::MAX / 4, i64::MAX / 2, None).await.is_empty());
    let counted = store.count_past_frames(UnixMs(0), UnixMs(i64::MAX / 2), None).await;
    assert_eq!(counted.expect("counted"), 6_000);
    store.close().await;
}

#[tokio::test]
async fn connections_come_in_order_too() {
    let file = File::new();
    let store = file.open().await;
    let now = crate::row_id::now();
    let change = |charger: u32, ago: i64, online: bool| Entry::LinkChange {
        charger: ChargerKey(charger),
        at: now - ago,
        online,
        reason: String::new(),
    };
    write(&store, vec![change(1, 300, true), change(2, 200, true), change(1, 100, false)]).await;
    let mut links = store.past_links(now - 250, now + 1);
    let rows = links.next().await.expect("read");
    let told: Vec<_> = rows.iter().map(|(charger, row)| (charger.0, row.online)).collect();
    assert_eq!(told, [(2, true), (1, false)]);
    assert!(links.next().await.expect("read").is_empty());
    store.close().await;
}
