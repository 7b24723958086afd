//! A person who is erased is nowhere any more, and stays so after an older copy came back (S21).

use std::fmt::Write as _;

use mendpoint_model::{ChargerKey, TokenStatus, UnixMs};

use super::kit::{closed, incident, transaction, write};
use super::story_audit::run;
use crate::db::{Columns as _, Db};
use crate::erasure::places::{COLUMNS_WITHOUT, PLACES, TABLES_WITHOUT};
use crate::{Direction, Entry, Error, IdTokenRow, IfUnknown, Store, TransactionFilter};

const CARD: &str = "04A2b3C4D5E6F7";

/// The same card as readers and people spell it.
const SPELLINGS: [&str; 5] = [
    "04:A2:B3:C4:D5:E6:F7",
    "f7e6d5c4b3a204",
    "F7-E6-D5-C4-B3-A2-04",
    "card04A2B3C4D5E6F7x",
    // base64
    "MDRBMkIzQzRENUU2Rjc",
];

/// Puts the card where it is spelt otherwise than it was registered.
async fn spelt_otherwise(store: &Store, charger: ChargerKey) {
    store.put_id_tokens(&[card("F7E6D5C4B3A204", None, "at home")]).await.expect("put");
    let log = store.frame_log();
    for (number, spelling) in SPELLINGS.iter().enumerate() {
        let id = 700 + number;
        let sql = format!(
            "INSERT INTO driver_report (reference, row_id, charger_key, reason, text, contact,
                created_at_ms) VALUES ('R{id}', {id}, 1, '', 'seen {spelling}.', '', 1)"
        );
        run(store, &sql).await.expect("put");
        let text = format!(r#"[2,"7","DataTransfer",{{"data":"reader {spelling}"}}]"#);
        log.push(9_100_000 + id as u64, charger, UnixMs(3), Direction::In, &text);
    }
    let entries = log.due(UnixMs(5), true);
    write(store, entries).await;
}

/// Every table with its columns and whether each is text.
async fn columns(store: &Store) -> Vec<(String, String, bool)> {
    match &store.db {
        Db::Sqlite { read, .. } => {
            let sql =
                "SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c
                WHERE m.type = 'table' ORDER BY m.name, c.cid";
            let rows = sqlx::query(sql).fetch_all(read).await.expect("read");
            rows.iter()
                .map(|row| {
                    let text = |index| row.text(index).expect("text");
                    (text(0), text(1), text(2) == "TEXT")
                })
                .collect()
        }
        Db::Postgres(pool) => {
            let sql = "SELECT table_name::text, column_name::text, data_type::text
                FROM information_schema.columns WHERE table_schema = 'public'
                ORDER BY table_name, ordinal_position";
            let rows = sqlx::query(sql).fetch_all(pool).await.expect("read");
            rows.iter()
                .map(|row| {
                    let text = |index| row.text(index).expect("text");
                    (text(0), text(1), text(2) == "text")
                })
                .collect()
        }
    }
}

/// Everything in the database as text, raw frames unpacked.
pub(super) async fn dump(store: &Store) -> String {
    let mut text = String::new();
    for (table, column, is_text) in columns(store).await {
        if !is_text {
            continue;
        }
        let sql = sqlx::AssertSqlSafe(format!("SELECT COALESCE({column}, '') FROM {table}"));
        let cells: Vec<String> = match &store.db {
            Db::Sqlite { read, .. } => sqlx::query_scalar(sql).fetch_all(read).await.expect("read"),
            Db::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.expect("read"),
        };
        for cell in cells {
            writeln!(text, "{table}.{column}: {cell}").expect("a string takes everything");
        }
    }
    let frames = "SELECT data FROM frame_block";
    let blocks: Vec<Vec<u8>> = match &store.db {
        Db::Sqlite { read, .. } => sqlx::query_scalar(frames).fetch_all(read).await.expect("read"),
        Db::Postgres(pool) => sqlx::query_scalar(frames).fetch_all(pool).await.expect("read"),
    };
    for block in blocks {
        for record in crate::frame_block::unpack(&block).expect("it unpacks") {
            writeln!(text, "frame: {}", record.text).expect("a string takes everything");
        }
    }
    text
}

fn count(dump: &str) -> usize {
    dump.to_ascii_lowercase().matches(&CARD.to_ascii_lowercase()).count()
}

/// A card that may charge.
pub(super) fn card(token: &str, parent: Option<&str>, note: &str) -> IdTokenRow {
    IdTokenRow {
        token: token.to_owned(),
        status: TokenStatus::Accepted,
        parent: parent.map(str::to_owned),
        expires_at: None,
        kind: String::new(),
        note: note.to_owned(),
        updated_at: UnixMs(0),
    }
}

/// Puts the card where cards come to be.
pub(super) async fn used(store: &Store, charger: ChargerKey, id: i64) {
    let (own, friend) = (card(CARD, None, "Ana Pop"), card("OTHER1", Some(CARD), ""));
    store.put_id_tokens(&[own, friend]).await.expect("put");
    let mut charged = transaction(id, 1_000_000);
    charged.id_token = CARD.to_lowercase().as_str().into();
    let mut trouble = incident(id, charger, 1_000_000);
    trouble.description = format!("the card {CARD} was refused three times");
    write(
        store,
        vec![
            Entry::TransactionOpened { charger, transaction: charged.clone() },
            closed(charger, charged, 2_000_000),
            Entry::Incident(Box::new(trouble)),
        ],
    )
    .await;
    let log = store.frame_log();
    let text = format!(r#"[2,"7","Authorize",{{"idTag":"{CARD}"}}]"#);
    log.push(9_000_000 + id as u64, charger, UnixMs(3), Direction::In, &text);
    log.push(9_000_001 + id as u64, charger, UnixMs(4), Direction::In, r#"[2,"8","Heartbeat",{}]"#);
    let entries = log.due(UnixMs(5), true);
    write(store, entries).await;
    for sql in [
        "INSERT INTO command (command_id, row_id, charger_key, action, origin, created_at_ms, json,
            late) VALUES ('cID', 1, 1, 'RemoteStartTransaction', '{}', 1,
            '{\"payload\":\"{\\\"idTag\\\":\\\"CARD\\\"}\"}', 0)",
        "INSERT INTO reservation VALUES (9ID, 1, 0, 1, 'CARD', NULL, 'used', '', 'ana', 1, 1, 1, NULL)",
        "INSERT INTO conformance_deviation VALUES (7ID, 'vID', 'm', 'f', 'p', 'x', 'y', 'z', '', 'CARD',
            1, 1, 1)",
        "INSERT INTO outbox VALUES (5ID, 'key-ID', 'ana@example.org', 'Card CARD', 'CARD.', '<b>CARD</b>',
            NULL, NULL, 1, 1, 0, 0, '', 'sent', 1)",
    ] {
        let sql = sql.replace("CARD", CARD).replace("ID", &id.to_string());
        run(store, &sql).await.expect("put");
    }
}

/// The part of the story that both databases tell.
pub(super) async fn privacy(store: &Store, charger: ChargerKey) {
    every_text_is_known_to_hold_cards_or_not(store).await;
    used(store, charger, 501).await;
    assert!(count(&dump(store).await) >= 10, "it is everywhere");
    spelt_otherwise(store, charger).await;
    let told = store.person(CARD).await.expect("read");
    assert_eq!(told["card"]["note"], "Ana Pop");
    assert_eq!(told["messages"].as_array().map(Vec::len), Some(1 + SPELLINGS.len()), "{told}");
    let reports = told["records"]["driver_report.text"].as_array().map(Vec::len);
    assert_eq!(reports, Some(SPELLINGS.len()), "{told}");
    assert_eq!(told["other_cards"][0]["number"], "F7E6D5C4B3A204", "{told}");
    assert!(told["records"]["charge_transaction.json"].is_array(), "{told}");

    let open = Entry::TransactionOpened {
        charger,
        transaction: {
            let mut open = transaction(502, 3_000_000);
            open.id_token = CARD.into();
            open
        },
    };
    write(store, vec![open]).await;
    assert!(matches!(store.erase_person(CARD, "ana").await, Err(Error::InUse(_))));
    let mut over = transaction(502, 3_000_000);
    over.id_token = CARD.into();
    write(store, vec![closed(charger, over, 4_000_000)]).await;

    let report = store.erase_person(&CARD.to_lowercase(), "ana").await.expect("erased");
    assert!(report.rows >= 10, "{report:?}");
    let left = dump(store).await;
    for spelling in SPELLINGS {
        assert!(!left.contains(spelling), "{spelling} is left");
    }
    let lines: Vec<&str> = left.lines().filter(|line| count(line) > 0).collect();
    assert!(lines.is_empty(), "{lines:?}");
    assert!(!left.contains("Ana Pop"), "the note of the card went with it");
    let list = TransactionFilter::of(charger);
    let (rows, _) = store.transactions(&list, None, 500).await.expect("they are still readable");
    let row = rows.iter().find(|row| row.transaction.id.0 == 501).expect("it is still there");
    assert_eq!(&*row.transaction.id_token, report.pseudonym);
    assert_eq!(row.energy_wh, Some(1_250.5), "what was charged stays");
    let heartbeat = store.frame_log().frame(9_000_502).await.expect("read");
    assert!(heartbeat.is_some_and(|frame| frame.text.contains("Heartbeat")), "others stay");

    // Once more the same, when an older copy came back.
    used(store, charger, 503).await;
    assert!(count(&dump(store).await) > 0);
    let list = store.erasures().await.expect("read");
    run(store, "DELETE FROM erasure").await.expect("an older copy does not have it");
    assert_eq!(store.erase_again(list).await.expect("erased"), 1);
    assert_eq!(count(&dump(store).await), 0);
    let again = store.erase_person(CARD, "ana").await.expect("nothing left to do");
    assert_eq!((again.pseudonym, again.rows), (report.pseudonym.clone(), 0), "stable");
    what_is_no_card_is_not_erased(store, &report.pseudonym).await;
}

/// A typing error is told, and leaves no record of anybody.
async fn what_is_no_card_is_not_erased(store: &Store, pseudonym: &str) {
    let before = store.erasures().await.expect("read");
    for wrong in ["04FFFFFFFFFF99", "Ana Pop"] {
        let told = store.erase_person(wrong, "ana").await;
        assert!(matches!(&told, Err(Error::Unknown(why)) if why.contains("nothing")), "{told:?}");
    }
    for wrong in ["Local", "accepted", pseudonym, &pseudonym.to_lowercase(), " "] {
        for if_unknown in [IfUnknown::Refuse, IfUnknown::Remember] {
            let told = store.begin_erasure(wrong, "ana", if_unknown).await;
            assert!(matches!(told, Err(Error::Unsupported(_))), "{wrong}: {told:?}");
        }
    }
    assert_eq!(store.erasures().await.expect("read"), before, "no record, no pseudonym");

    // It may be in an older copy.
    let erasure = store.begin_erasure("04FFFFFFFFFF99", "ana", IfUnknown::Remember).await;
    assert_eq!(store.erase(&erasure.expect("begun")).await.expect("erased").rows, 0);
    assert_eq!(store.erasures().await.expect("read").len(), before.len() + 1);
    // Somebody named a card so.
    store.put_id_tokens(&[card("Local", None, "odd")]).await.expect("put");
    assert!(store.erase_person("local", "ana").await.is_ok());
}

async fn every_text_is_known_to_hold_cards_or_not(store: &Store) {
    for (table, column, is_text) in columns(store).await {
        let is_known = TABLES_WITHOUT.contains(&&*table)
            || table == "aside"
            || PLACES.iter().any(|(t, c, _)| (*t, *c) == (&*table, &*column))
            || COLUMNS_WITHOUT.contains(&(&*table, &*column));
        assert!(
            is_known || !is_text,
            "{table}.{column} is a new text: say in erasure/places.rs whether a card's number can be \
             in it"
        );
    }
}
