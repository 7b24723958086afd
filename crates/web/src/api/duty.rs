//! Who is told of incidents: who is on call, chains, rotas, silences, maintenance, places, persons.

mod chains;
mod persons;
mod rotas;
mod silences;
mod windows;

use axum::Json;
use mendpoint_model::UnixMs;

pub(super) use self::chains::{ChainJson, OnCallJson, breaches, chains, on_call};
pub(super) use self::persons::{
    PersonJson, PlaceJson, PutPerson, persons, places, put_person, put_place,
};
pub(super) use self::rotas::{RotaJson, delete_rota, put_rota, rotas};
pub(super) use self::silences::{AddSilence, SilenceJson, add_silence, end_silence, silences};
pub(super) use self::windows::{AddWindow, WindowJson, add_window, cancel_window, windows};
use super::error::{ApiError, Result};
use super::json::Page;

/// Reads a time.
fn at(field: &str, text: &str) -> Result<UnixMs> {
    UnixMs::parse_rfc3339(text).ok_or_else(|| {
        ApiError::bad_request(format!("{field} is a time as in 2026-11-23T08:00:00Z, not {text:?}"))
    })
}

fn all<T>(items: Vec<T>) -> Json<Page<T>> {
    Json(Page { items, next: None })
}
