//! The book: what stands in the settings, what people set, and who signs in here.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use mendpoint_escalation::{Book, Person, PlaceTags, Rota, Scope, Silence, Window};
use mendpoint_model::{ChargerKey, SiteKey, UnixMs};
use mendpoint_store::{DutyDocument, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{DutySettings, READ_AGAIN_MS};
use crate::pipeline::Inner;
use crate::{Error, clock};

/// The name of a place among documents.
pub(super) fn place_name(scope: Scope) -> String {
    match scope {
        Scope::Site(site) => format!("site:{}", site.0),
        Scope::Charger(charger) => format!("charger:{}", charger.0),
    }
}

fn place_of(name: &str) -> Option<Scope> {
    let (kind, number) = name.split_once(':')?;
    let number = number.parse().ok()?;
    match kind {
        "site" => Some(Scope::Site(SiteKey(number))),
        "charger" => Some(Scope::Charger(ChargerKey(number))),
        _ => None,
    }
}

/// What a document says; what cannot be read is logged and left out.
fn read<T: DeserializeOwned>(document: &DutyDocument) -> Option<T> {
    match serde_json::from_str(&document.json) {
        Ok(value) => Some(value),
        Err(error) => {
            let (kind, name) = (&document.kind, &document.name);
            tracing::error!(%error, kind, name, "something people set about duty cannot be read");
            None
        }
    }
}

/// Everything that people set, over what stands in the settings; and the highest number of a silence
/// or window.
pub(crate) async fn read_book(
    store: &Store,
    settings: &DutySettings,
    public_url: &str,
) -> Result<(Book, i64), Error> {
    let documents = store.duty_documents().await?;
    let users = store.users().await?;
    let mut book = settings.book(public_url);
    for document in &documents {
        match document.kind.as_str() {
            "rota" => {
                let rota: Option<Rota> = read(document);
                book.rotas.extend(rota.map(|rota| (rota.name.clone(), rota)));
            }
            "person" => {
                let person: Option<Person> = read(document);
                book.persons.extend(person.map(|person| (document.name.clone(), person)));
            }
            "silence" => {
                let silence: Option<Silence> = read(document);
                book.silences.extend(silence.map(|silence| (silence.id, silence)));
            }
            "window" => {
                let window: Option<Window> = read(document);
                book.windows.extend(window.map(|window| (window.id, window)));
            }
            "place" => {
                let tags: Option<PlaceTags> = read(document);
                book.places.extend(place_of(&document.name).zip(tags));
            }
            _ => {}
        }
    }
    let silence = book.silences.keys().next_back().copied().unwrap_or_default();
    let highest = silence.max(book.windows.keys().next_back().copied().unwrap_or_default());
    // Who does not sign in any more is told nothing.
    book.persons.retain(|name, _| users.iter().any(|u| u.name == *name && !u.disabled));
    for user in users.into_iter().filter(|user| !user.disabled) {
        let person = book.persons.entry(user.name.clone()).or_default();
        person.name = user.name;
        person.shown = user.display_name;
        person.email = user.email;
    }
    Ok((book, highest))
}

impl Inner {
    /// Reads everything that people set.
    pub(super) async fn read_book(&self) -> Result<Arc<Book>, Error> {
        let settings = &self.duty.settings;
        let (book, highest) = read_book(&self.store, settings, &self.settings.public_url).await?;
        self.duty.next_id.fetch_max(highest + 1, Ordering::Relaxed);
        Ok(Arc::new(book))
    }

    /// Reads who is there, whenever that was done last.
    pub(super) async fn read_book_now(&self) {
        *self.duty.read_at.lock().unwrap_or_else(PoisonError::into_inner) = UnixMs(0);
        self.read_book_again(crate::clock::now()).await;
    }

    /// Reads it again now and then: people are added, and leave, by another program.
    pub(super) async fn read_book_again(&self, now: UnixMs) {
        {
            let mut read_at = self.duty.read_at.lock().unwrap_or_else(PoisonError::into_inner);
            if now.since_ms(*read_at) < READ_AGAIN_MS {
                return;
            }
            *read_at = now;
        }
        let _turn = self.duty.turn.lock().await;
        match self.read_book().await {
            Ok(book) => {
                let mut machine = self.duty.machine();
                if !same(machine.book(), &book) {
                    machine.set_book(now, book);
                }
            }
            Err(error) => tracing::warn!(%error, "who is on duty could not be read again"),
        }
    }

    /// Writes a document and lets the machine know.
    pub(super) async fn put(
        &self,
        kind: &str,
        name: &str,
        value: &impl Serialize,
        by: &str,
    ) -> Result<(), Error> {
        let _turn = self.duty.turn.lock().await;
        let now = clock::now();
        let document = DutyDocument {
            kind: kind.to_owned(),
            name: name.to_owned(),
            json: serde_json::to_string(value).unwrap_or_default(),
            updated_at: now,
            updated_by: by.to_owned(),
        };
        self.store.put_duty_document(&document).await?;
        self.take_book(now).await
    }

    /// Forgets a document and lets the machine know; `false` when it was not there.
    pub(super) async fn forget(&self, kind: &str, name: &str) -> Result<bool, Error> {
        let _turn = self.duty.turn.lock().await;
        let was_there = self.store.delete_duty_document(kind, name).await?;
        self.take_book(clock::now()).await?;
        Ok(was_there)
    }

    async fn take_book(&self, now: UnixMs) -> Result<(), Error> {
        let book = self.read_book().await?;
        self.duty.machine().set_book(now, book);
        self.desk.look();
        Ok(())
    }
}

/// Whether nothing that counts differs.
fn same(one: &Book, other: &Book) -> bool {
    one.persons == other.persons
        && one.rotas == other.rotas
        && one.silences == other.silences
        && one.windows == other.windows
        && one.places == other.places
}
