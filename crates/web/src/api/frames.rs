//! The raw frames of a charger, page by page or as a file.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use mendpoint_model::{ChargerRecord, UnixMs};
use mendpoint_store::{Direction, FrameTimes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Caller;
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::{Params, Path, limit};
use super::json::Page;
use crate::AppState;
use crate::wire::{self, Filter, Line};

/// The most frames of a file.
const FILE_FRAMES_MAX: usize = 20_000;

/// What may be asked for.
pub(super) const QUERY: &[&str] =
    &["from", "to", "direction", "action", "text", "errors", "format", "before", "limit"];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FramesQuery {
    /// Frames before this number.
    before: Option<u64>,
    limit: Option<u32>,
    /// From this time on, RFC 3339.
    from: Option<String>,
    /// Before this time, RFC 3339.
    to: Option<String>,
    /// `in` or `out`.
    direction: Option<String>,
    action: Option<String>,
    text: Option<String>,
    /// Only errors, refusals and what could not be read.
    errors: Option<bool>,
    /// `json` (a page), `jsonl` or `csv` (a file, oldest first).
    format: Option<String>,
}

impl FramesQuery {
    fn filter(&self, caller: &Caller) -> Result<Filter> {
        let direction = match self.direction.as_deref() {
            None => None,
            Some("in") => Some(Direction::In),
            Some("out") => Some(Direction::Out),
            Some(other) => {
                return Err(ApiError::bad_request(format!(
                    "direction is in (from the charger) or out (to it), not {other:?}"
                )));
            }
        };
        Ok(Filter {
            direction,
            action: self.action.clone().unwrap_or_default(),
            text: self.text.as_deref().unwrap_or_default().to_lowercase(),
            errors: self.errors.unwrap_or(false),
            times: FrameTimes {
                from: time("from", self.from.as_deref())?,
                to: time("to", self.to.as_deref())?,
            },
            hides_cards: !caller.sees_tokens(),
        })
    }
}

fn time(name: &str, text: Option<&str>) -> Result<Option<UnixMs>> {
    let Some(text) = text else { return Ok(None) };
    UnixMs::parse_rfc3339(text).map(Some).ok_or_else(|| {
        ApiError::bad_request(format!(
            "{name} is a time with a zone, 2026-09-21T14:00:00Z for instance, not {text:?}"
        ))
    })
}

/// A raw frame.
#[derive(Serialize, ToSchema)]
pub(super) struct FrameJson {
    seq: u64,
    at: String,
    /// `in` (from the charger) or `out`.
    direction: &'static str,
    /// `call`, `answer`, `error` or `unreadable`.
    kind: &'static str,
    /// The action, or what it is an answer to; empty when that is not known.
    action: String,
    /// The OCPP message id.
    message_id: String,
    /// For an answer: milliseconds after its question.
    latency_ms: Option<i64>,
    /// The text as it was on the wire.
    text: String,
}

impl From<Line> for FrameJson {
    fn from(line: Line) -> Self {
        Self {
            seq: line.seq,
            at: line.at.rfc3339_ms(),
            direction: if line.is_in() { "in" } else { "out" },
            kind: line.kind.name(),
            action: line.action,
            message_id: line.id,
            latency_ms: line.latency_ms,
            text: line.text,
        }
    }
}

/// The raw frames of a charger, newest first; `next` is the `before` of the next page. With another
/// `format` a file, oldest first.
pub(super) async fn list(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Params(query): Params<FramesQuery>,
) -> Result<Response> {
    let record = find(&state, &id)?;
    let filter = query.filter(&caller)?;
    let log = state.handle().store().frame_log();
    let format = match query.format.as_deref() {
        None | Some("json") => {
            let limit = limit(query.limit)? as usize;
            let page = wire::read(&log, record.key, &filter, query.before, limit).await?;
            let next = page.next.map(|next| next.to_string());
            let items = page.lines.into_iter().map(FrameJson::from).collect();
            return Ok(Json(Page { items, next }).into_response());
        }
        Some(format) => Format::from_name(format).ok_or_else(|| {
            ApiError::bad_request(format!("format is json, jsonl or csv, not {format:?}"))
        })?,
    };
    let most = query.limit.map_or(FILE_FRAMES_MAX, |limit| limit as usize).min(FILE_FRAMES_MAX);
    let subject = format!("messages of {}", record.identity);
    state.handle().exported(&caller.name, &subject).await?;
    Ok(file(&state, &record, &filter, format, query.before, most).await?)
}

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    JsonLines,
    Csv,
}

impl Format {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "jsonl" => Some(Self::JsonLines),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// The newest frames that fit, at most `most` of them, oldest first, as a file.
pub(crate) async fn file(
    state: &AppState,
    record: &ChargerRecord,
    filter: &Filter,
    format: Format,
    mut before: Option<u64>,
    most: usize,
) -> std::result::Result<Response, mendpoint_store::Error> {
    let log = state.handle().store().frame_log();
    let mut lines = Vec::new();
    while lines.len() < most {
        let page = wire::read(&log, record.key, filter, before, (most - lines.len()).min(1_000));
        let page = page.await?;
        lines.extend(page.lines);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let (kind, ending) = match format {
        Format::JsonLines => ("application/jsonl; charset=utf-8", "jsonl"),
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
    };
    let text = write(format, lines.into_iter().rev());
    let name = format!("attachment; filename=\"{}-frames.{ending}\"", file_name(&record.identity));
    let mut response = ([(header::CONTENT_TYPE, kind)], text).into_response();
    if let Ok(name) = HeaderValue::try_from(name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn write(format: Format, lines: impl Iterator<Item = Line>) -> String {
    let mut text = String::new();
    if format == Format::Csv {
        text.push_str("seq,at,direction,kind,action,message_id,latency_ms,text\r\n");
    }
    for line in lines {
        let frame = FrameJson::from(line);
        // Writing to a text cannot fail.
        match format {
            Format::JsonLines => {
                text.push_str(&serde_json::to_string(&frame).unwrap_or_default());
                text.push('\n');
            }
            Format::Csv => {
                let latency = frame.latency_ms.map(|ms| ms.to_string()).unwrap_or_default();
                let _ = write!(
                    text,
                    "{},{},{},{},{},{},{latency},{}\r\n",
                    frame.seq,
                    frame.at,
                    frame.direction,
                    frame.kind,
                    cell(&frame.action),
                    cell(&frame.message_id),
                    cell(&frame.text)
                );
            }
        }
    }
    text
}

/// A cell of RFC 4180. What a charger wrote must not become a formula where the file is opened.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// An identity as part of a file's name.
fn file_name(identity: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    identity.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use mendpoint_model::ChargerKey;
    use mendpoint_store::FrameRecord;

    use super::*;
    use crate::wire::Pairing;

    fn line(text: &str) -> Line {
        Pairing::default().line(FrameRecord {
            seq: 7,
            charger: ChargerKey(1),
            at: UnixMs(1_790_000_000_418),
            direction: Direction::In,
            text: text.into(),
        })
    }

    #[test]
    fn a_file_has_a_line_a_frame() {
        let lines = || [line(r#"[2,"a","Heartbeat",{}]"#), line("=1+1\n")].into_iter();
        assert_eq!(
            write(Format::Csv, lines()),
            "seq,at,direction,kind,action,message_id,latency_ms,text\r\n\
             7,2026-09-21T14:13:20.418Z,in,call,\"Heartbeat\",\"a\",,\
             \"[2,\"\"a\"\",\"\"Heartbeat\"\",{}]\"\r\n\
             7,2026-09-21T14:13:20.418Z,in,unreadable,\"\",\"\",,\"'=1+1\n\"\r\n"
        );
        let text = write(Format::JsonLines, lines());
        let first: serde_json::Value =
            serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        assert_eq!((text.lines().count(), &first["action"]), (2, &"Heartbeat".into()));
    }

    #[test]
    fn an_identity_makes_a_harmless_name() {
        assert_eq!(file_name("../CP 1\"x"), "___CP_1_x");
    }
}
