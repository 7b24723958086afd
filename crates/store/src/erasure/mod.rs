//! A person is known here by the number of their card. Erasing somebody puts a pseudonym in the place
//! of that number wherever it is, and keeps a salted hash of it, so that it is erased again when a
//! copy of before is brought back (S21).

mod frames;
mod hash;
mod list;
pub(crate) mod places;
mod scan;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use mendpoint_cards::Number;
use mendpoint_model::UnixMs;
use serde::Serialize;
use sqlx::AssertSqlSafe;

use self::hash::{Hashing, random};
pub use self::list::Erased;
pub(crate) use self::list::erased;
use self::places::{Kind, PLACES};
use self::scan::{Cell, Scan, row_is};
use self::text::{Exchange, keys_in, tokens_in};
use crate::db::{Columns as _, Db, all, read, tx, write};
use crate::{Error, Result, Store, counted, row_id};

pub(crate) const LIST: &str = "SELECT hash, salt, pseudonym, erased_at_ms, erased_by FROM erasure
    ORDER BY erased_at_ms, hash";
const PUT: &str = "INSERT INTO erasure (hash, salt, pseudonym, erased_at_ms, erased_by)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (hash) DO NOTHING";
const CARDS: &str = "SELECT id_token FROM id_token";
const FORGET_CARD: &str = "DELETE FROM id_token WHERE id_token = $1";
const OPEN: &str = "SELECT id_token FROM charge_transaction
    WHERE ended_at_ms IS NULL AND id_token IS NOT NULL";

/// Rows that one transaction changes.
const CHUNK: usize = 200;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureReport {
    /// What stands in the place of the token now.
    pub pseudonym: String,
    /// Rows in which something was exchanged, blocks of raw frames among them.
    pub rows: u64,
    /// Why the list beside the database or the copies could not be written; `None` when it could.
    pub unlisted: Option<String>,
}

/// What to do about a card's number that is nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfUnknown {
    /// Nothing: it was mistyped.
    Refuse,
    /// Keep a record all the same: it may be in an older copy that is brought back some day.
    Remember,
}

/// An erasure that is going on.
#[derive(Clone, Debug)]
pub struct Erasure {
    exchange: Exchange,
    pseudonym: String,
}

impl Erasure {
    /// What stands in the place of the number from now on.
    pub fn pseudonym(&self) -> &str {
        &self.pseudonym
    }

    /// The number, in all of its spellings.
    pub fn number(&self) -> &Number {
        self.exchange.number()
    }

    /// The same thing with the pseudonym in the place of the number; `None` when it is not in it.
    pub fn amended<T: Serialize + serde::de::DeserializeOwned>(&self, value: &T) -> Option<T> {
        let text = serde_json::to_string(value).ok()?;
        let amended = self.exchange.in_json(&text)?;
        serde_json::from_str(&amended).ok()
    }
}

/// Each text once, with the number of rows that it stands in.
fn with_counts(rows: &[serde_json::Value]) -> Vec<serde_json::Value> {
    let mut counts = std::collections::BTreeMap::<&str, u64>::new();
    for text in rows.iter().filter_map(serde_json::Value::as_str) {
        *counts.entry(text).or_default() += 1;
    }
    let row = |(text, rows)| serde_json::json!({ "number": text, "rows": rows });
    counts.into_iter().map(row).collect()
}

/// What stands in the place of a number begins so.
const PSEUDONYM: &str = "ERASED-";

/// Whether a text is what stands in the place of somebody's number.
pub fn is_pseudonym(text: &str) -> bool {
    let (begin, rest) = text.split_at_checked(PSEUDONYM.len()).unwrap_or_default();
    begin.eq_ignore_ascii_case(PSEUDONYM) && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Words that OCPP has for kinds of tokens, their states, and why a transaction ended: they stand in
/// fields about tokens everywhere and are no card's number.
const RESERVED: &[&str] = &[
    "Accepted",
    "Blocked",
    "Central",
    "ConcurrentTx",
    "DeAuthorized",
    "DirectPayment",
    "eMAID",
    "EVCCID",
    "Expired",
    "Invalid",
    "ISO14443",
    "ISO15693",
    "KeyCode",
    "Local",
    "MacAddress",
    "NoAuthorization",
    "NoCredit",
    "NotAllowedTypeEVSE",
    "NotAtThisLocation",
    "NotAtThisTime",
    "Remote",
    "Unknown",
    "VIN",
];

fn is_reserved(text: &str) -> bool {
    RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
}

impl Store {
    /// Who was erased, oldest first.
    pub async fn erasures(&self) -> Result<Vec<Erased>> {
        read!(&self.db, conn => {
            all(&sqlx::query(LIST).fetch_all(conn).await?, erased)
        })
    }

    /// Puts a pseudonym in the place of a card's number everywhere, and deletes the card. The same
    /// number gets the same pseudonym if it is erased once more.
    ///
    /// # Errors
    /// [`Error::InUse`] while the card charges, [`Error::Unknown`] for what is no card's number here.
    pub async fn erase_person(&self, token: &str, by: &str) -> Result<ErasureReport> {
        let erasure = self.begin_erasure(token, by, IfUnknown::Refuse).await?;
        self.erase(&erasure).await
    }

    /// Decides on the pseudonym, and writes down that it is to be done. Whoever holds something of the
    /// database in memory puts the pseudonym there before [`Store::erase`] does it in the database, or
    /// what was erased would be written once more.
    ///
    /// # Errors
    /// [`Error::InUse`] while the card charges, [`Error::Unknown`] for what is no card's number here.
    pub async fn begin_erasure(
        &self,
        token: &str,
        by: &str,
        if_unknown: IfUnknown,
    ) -> Result<Erasure> {
        let token = token.trim();
        if token.is_empty() {
            return Err(Error::Unsupported("write the number of a card"));
        }
        if is_pseudonym(token) {
            return Err(Error::Unsupported(
                "that is the pseudonym of somebody who was erased, and no number of a card",
            ));
        }
        let number = self.number(token).await?;
        let cards = self.cards_of(&number).await?;
        if is_reserved(token) && cards.is_empty() {
            return Err(Error::Unsupported(
                "that is a word of OCPP, and no card is registered under it",
            ));
        }
        let open = read!(&self.db, conn => {
            all(&sqlx::query(OPEN).fetch_all(conn).await?, |row| row.text(0))
        })?;
        if open.iter().any(|token| number.is(token)) {
            return Err(Error::InUse(
                "a transaction with this card is running; erase it when that is over".to_owned(),
            ));
        }
        let list = self.erasures().await?;
        let looked_up = {
            let (list, number) = (list.clone(), number.clone());
            hash::beside(move || hash::find(&list, &number)).await?
        };
        let record = match looked_up? {
            Some(record) => record,
            None => {
                let looked_for = Exchange::in_card_fields(number.clone());
                if if_unknown == IfUnknown::Refuse && !self.has_token(&looked_for).await? {
                    return Err(Error::Unknown(
                        "nothing of that card is known here, so nothing was erased".to_owned(),
                    ));
                }
                let hashing = Hashing::of_list(&list)?;
                let salt = hashing.salt();
                let name = number.canonical().to_owned();
                let hash = hash::beside(move || hashing.hash(&name)).await??;
                let pseudonym = format!("{PSEUDONYM}{}", random::<6>()?);
                let (erased_at_ms, erased_by) = (row_id::now().0, by.to_owned());
                Erased { hash, salt, pseudonym, erased_at_ms, erased_by }
            }
        };
        // First the record: when this is broken off, it is done to the end at the next restore or
        // when somebody asks again. The list beside the database is tried now and once more in the end:
        // nobody stays unerased because of it.
        self.put_erasure(&record).await?;
        if let Err(error) = self.write_erasures(None).await {
            tracing::warn!(
                "the list of erased persons beside the database was not written: {error}"
            );
        }
        let exchange = Exchange::new(number, &record.pseudonym);
        Ok(Erasure { exchange, pseudonym: record.pseudonym })
    }

    /// Puts the pseudonym in the place of the number everywhere in the database.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn erase(&self, erasure: &Erasure) -> Result<ErasureReport> {
        let rows = self.exchange(&erasure.exchange).await?;
        let unlisted = self.write_erasures(None).await.err().map(|error| error.to_string());
        Ok(ErasureReport { pseudonym: erasure.pseudonym.clone(), rows, unlisted })
    }

    /// Makes erasures again in a database that is older than they are; gives how many cards were
    /// found in it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn erase_again(&self, mut list: Vec<Erased>) -> Result<u64> {
        list.extend(self.erasures().await?);
        list.sort_by(|one, two| one.hash.cmp(&two.hash));
        list.dedup_by(|one, two| one.hash == two.hash);
        if list.is_empty() {
            return Ok(0);
        }
        // One of each, however often and in however many spellings it is there.
        let mut numbers = BTreeMap::new();
        for token in self.known_tokens().await? {
            let number = Number::new(&token);
            numbers.entry(number.canonical().to_owned()).or_insert(number);
        }
        let numbers: Vec<Number> = numbers.into_values().collect();
        let found = {
            let list = list.clone();
            hash::beside(move || hash::find_all(&list, &numbers)).await??
        };
        let done = found.len() as u64;
        for (number, pseudonym) in found {
            let number = self.number(number.token()).await?;
            self.exchange(&Exchange::new(number, &pseudonym)).await?;
        }
        for record in &list {
            self.put_erasure(record).await?;
        }
        self.write_erasures(None).await?;
        Ok(done)
    }

    /// Makes erasures again that stand in the lists beside the database and in a folder of backups and
    /// that the database does not know: an older copy took its place in whatever way. Gives how many
    /// cards were found in it.
    ///
    /// # Errors
    /// When a list cannot be read, or the database refuses.
    pub async fn heed_erasures(&self, backups: Option<&Path>) -> Result<u64> {
        let mut lists = match self.file() {
            Some(file) => Erased::read_beside(file)?,
            None => Vec::new(),
        };
        if let Some(folder) = backups {
            lists.extend(Erased::read_folder(folder)?);
        }
        let known = self.erasures().await?;
        lists.retain(|one| known.iter().all(|other| other.hash != one.hash));
        if lists.is_empty() {
            return Ok(0);
        }
        let many = lists.len();
        let done = self.erase_again(lists).await?;
        let (persons, cards) = (counted(many, "person"), counted(done, "card"));
        let detail = format!("{persons} of the list, {cards} found");
        self.add_audit("system", "persons erased again", "an older database", &detail).await?;
        Ok(done)
    }

    async fn put_erasure(&self, record: &Erased) -> Result<()> {
        write!(&self.db, conn => {
            sqlx::query(PUT)
                .bind(&record.hash)
                .bind(&record.salt)
                .bind(&record.pseudonym)
                .bind(record.erased_at_ms)
                .bind(&record.erased_by)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// Exchanges a token for a pseudonym wherever it is; gives the rows that were changed.
    async fn exchange(&self, exchange: &Exchange) -> Result<u64> {
        // What is on its way to the disk is found there.
        self.settle_frames().await;
        let mut rows = 0;
        for card in self.cards_of(exchange.number()).await? {
            rows += write!(&self.db, conn => {
                Ok(sqlx::query(FORGET_CARD).bind(&card).execute(conn).await?.rows_affected())
            })?;
        }
        for (table, column, kind) in PLACES {
            rows += self.exchange_in(exchange, table, column, *kind).await?;
        }
        rows += frames::exchange(&self.db, exchange).await?;
        if matches!(self.db, Db::Sqlite { .. }) {
            // Freed pages keep what was written in them until they are used again.
            write!(&self.db, conn => {
                sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(conn).await?;
                Ok(())
            })?;
        }
        Ok(rows)
    }

    /// A number to look for. One of digits only that is registered the other way round, too, is somebody
    /// else's that way: it was made up and is no chip's.
    async fn number(&self, token: &str) -> Result<Number> {
        let number = Number::new(token);
        let Some(turned) = number.reversed() else { return Ok(number) };
        let is_made_up = turned.bytes().all(|byte| byte.is_ascii_digit());
        if is_made_up && !self.cards_of(&Number::new(turned).one_way()).await?.is_empty() {
            return Ok(number.one_way());
        }
        Ok(number)
    }

    /// Registered cards that are this number, as they are registered.
    async fn cards_of(&self, number: &Number) -> Result<Vec<String>> {
        let mut cards = read!(&self.db, conn => {
            all(&sqlx::query(CARDS).fetch_all(conn).await?, |row| row.text(0))
        })?;
        cards.retain(|card| number.is(card));
        Ok(cards)
    }

    /// Whether a token is anywhere.
    async fn has_token(&self, exchange: &Exchange) -> Result<bool> {
        if !self.cards_of(exchange.number()).await?.is_empty() {
            return Ok(true);
        }
        for (table, column, kind) in PLACES {
            let mut scan = Scan::new(&self.db, table, column);
            while let Some(cells) = scan.next().await? {
                if cells.iter().any(|cell| exchange.in_kind(*kind, &cell.text).is_some()) {
                    return Ok(true);
                }
            }
        }
        self.settle_frames().await;
        frames::has(&self.db, exchange).await
    }

    /// What still waits to be packed goes to the disk first, and is then found there.
    async fn settle_frames(&self) {
        let journal = self.journal();
        let seq = journal.append(self.frame_log().due(row_id::now(), true)).await;
        journal.wait(seq).await;
    }

    /// The cells of a column that a token is in, and what they are to be.
    async fn found_in(
        &self,
        exchange: &Exchange,
        table: &str,
        column: &str,
        kind: Kind,
    ) -> Result<Vec<(Cell, String)>> {
        let mut found = Vec::new();
        let mut scan = Scan::new(&self.db, table, column);
        while let Some(cells) = scan.next().await? {
            found.extend(cells.into_iter().filter_map(|cell| {
                let new = exchange.in_kind(kind, &cell.text)?;
                Some((cell, new))
            }));
            tokio::task::yield_now().await;
        }
        Ok(found)
    }

    async fn exchange_in(
        &self,
        exchange: &Exchange,
        table: &str,
        column: &str,
        kind: Kind,
    ) -> Result<u64> {
        let one = row_is(&self.db);
        let set = format!("UPDATE {table} SET {column} = $2 WHERE {one} AND {column} = $3");
        let mut changed = 0;
        // A row that somebody else wrote in between has moved on PostgreSQL, and is found again.
        for _ in 0..5 {
            let todo = self.found_in(exchange, table, column, kind).await?;
            if todo.is_empty() {
                break;
            }
            for chunk in todo.chunks(CHUNK) {
                changed += tx!(&self.db, conn => {
                    let mut done = 0;
                    for (cell, new) in chunk {
                        let query = sqlx::query(AssertSqlSafe(set.clone()));
                        let query = query.bind(&cell.row).bind(new).bind(&cell.text);
                        done += query.execute(&mut *conn).await?.rows_affected();
                    }
                    Ok(done)
                })?;
                tokio::task::yield_now().await;
            }
        }
        Ok(changed)
    }

    /// Every card's number that stands anywhere where one is to be expected.
    async fn known_tokens(&self) -> Result<std::collections::BTreeSet<String>> {
        let mut tokens = std::collections::BTreeSet::new();
        let cards = [("id_token", "id_token", Kind::Token)];
        for (table, column, kind) in PLACES.iter().chain(&cards) {
            if *kind == Kind::Words {
                continue;
            }
            let mut scan = Scan::new(&self.db, table, column);
            while let Some(cells) = scan.next().await? {
                for Cell { text, .. } in cells {
                    let mut found = |token: &str| {
                        tokens.insert(token.to_ascii_lowercase());
                    };
                    match kind {
                        Kind::Token => found(&text),
                        Kind::Keys => {
                            keys_in(&text, &mut found);
                            tokens_in(&text, &mut found);
                        }
                        Kind::Json | Kind::Words => tokens_in(&text, &mut found),
                    }
                }
            }
        }
        frames::tokens(&self.db, &mut tokens).await?;
        Ok(tokens)
    }

    /// All that is known of a card, as JSON: for the person who asks what is kept of them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn person(&self, token: &str) -> Result<serde_json::Value> {
        let token = token.trim();
        let exchange = Exchange::new(self.number(token).await?, "");
        let mut cards = Vec::new();
        for spelling in self.cards_of(exchange.number()).await? {
            let card = self.id_token(&spelling).await?;
            cards.extend(card.map(|card| {
                serde_json::json!({
                    "number": spelling, "status": card.status.name(), "group": card.parent,
                    "note": card.note, "expires_at": card.expires_at.map(UnixMs::rfc3339),
                })
            }));
        }
        let mut found = serde_json::Map::new();
        for (table, column, kind) in PLACES {
            let mut rows = Vec::new();
            for (cell, _) in self.found_in(&exchange, table, column, *kind).await? {
                rows.push(match kind {
                    Kind::Token | Kind::Words => cell.text.into(),
                    Kind::Json | Kind::Keys => serde_json::from_str(&cell.text)
                        .unwrap_or_else(|_| serde_json::Value::from(cell.text)),
                });
            }
            if *kind == Kind::Token {
                // How often, and not the same again and again.
                rows = with_counts(&rows);
            }
            if !rows.is_empty() {
                found.insert(format!("{table}.{column}"), rows.into());
            }
        }
        self.settle_frames().await;
        let messages = frames::of_token(&self.db, &exchange).await?;
        Ok(serde_json::json!({
            "token": token,
            "made_at": row_id::now().rfc3339(),
            "card": cards.first(),
            "other_cards": cards.get(1..).unwrap_or_default(),
            "records": found,
            "messages": messages,
        }))
    }
}
