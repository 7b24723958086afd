//! The part of the story about what healing remembers.

use super::kit::write;
use crate::{Entry, Memory, Store};

fn row(key: &str, revision: u64, json: &str) -> Entry {
    Entry::Memory(Memory { kind: "learned", key: key.to_owned(), json: json.to_owned(), revision })
}

pub(crate) async fn memories(store: &Store) {
    assert_eq!(store.memories().await.expect("read"), (Vec::new(), 0));
    write(store, vec![row("a", 3, "{\"n\":3}"), row("b", 4, "{}"), row("a", 5, "{\"n\":5}")]).await;
    // Another shard was later with what it knew earlier.
    write(store, vec![row("a", 4, "{\"n\":4}"), row("b", 6, "null")]).await;
    let (rows, highest) = store.memories().await.expect("read");
    let rows: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.json.as_str())).collect();
    assert_eq!(rows, [("a", "{\"n\":5}")], "the newest holds, and what is forgotten is gone");
    assert_eq!(highest, 6);
}
