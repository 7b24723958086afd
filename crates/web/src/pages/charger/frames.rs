//! The frames of a charger: what it said and what we said, as it was on the wire.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use mendpoint_model::{ChargerKey, FrameSeq};
use mendpoint_ocpp::{Frame, read_frame};
use mendpoint_store::{Direction, FrameRecord};
use serde::Deserialize;

use crate::pages::errors::{Page, render};
use crate::session::Viewer;
use crate::{AppState, place, url};

/// Frames of a page.
const SHOWN: usize = 50;
/// Frames read at once, and at most, to find those with a text.
const CHUNK: usize = 250;
const READ_MAX: usize = 2_500;

/// Which frames.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    /// Frames before this number; the newest when empty.
    pub(super) before: String,
    /// Only frames with this text in them, whatever its case.
    pub(super) text: String,
}

/// A frame as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) seq: FrameSeq,
    pub(super) is_in: bool,
    /// `14:07:32.418`.
    pub(super) clock: String,
    pub(super) full: String,
    /// The action, or what it is an answer to.
    pub(super) action: String,
    /// What kind of frame: "call", "answer", "error", "unreadable".
    pub(super) kind: &'static str,
    pub(super) text: String,
}

/// A page of the log.
#[derive(Clone, Debug)]
pub(super) struct Log {
    /// The charger's page.
    pub(super) home: String,
    pub(super) lines: Vec<Line>,
    pub(super) text: String,
    /// Whether these are the newest ones.
    pub(super) newest: bool,
    /// The address of the next page without scripts.
    pub(super) older: Option<String>,
    /// The address that gives the newest ones again.
    pub(super) refresh: String,
}

#[derive(Template)]
#[template(path = "charger_frames.html")]
struct Fragment {
    log: Log,
}

/// The list alone, for the live page.
pub(super) async fn fragment(
    _: Viewer,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Query(which): Query<Which>,
) -> Page {
    let record = super::find(&state, &identity)?;
    let home = place::charger_href(&record.identity);
    render(Fragment { log: log(&state, record.key, home, &which).await? })
}

/// Reads a page of the log.
pub(super) async fn log(
    state: &AppState,
    charger: ChargerKey,
    home: String,
    which: &Which,
) -> Result<Log, mendpoint_store::Error> {
    let frames = state.handle().store().frame_log();
    let text = which.text.trim().to_lowercase();
    let mut before: Option<FrameSeq> = which.before.trim().parse().ok();
    let newest = before.is_none();
    let mut found: Vec<FrameRecord> = Vec::new();
    let mut read = 0;
    let mut more = false;
    while read < READ_MAX {
        let wanted = if text.is_empty() { SHOWN + 1 } else { CHUNK };
        let chunk = frames.frames_of(charger, before, wanted).await?;
        read += chunk.len();
        more = chunk.len() == wanted;
        let Some(last) = chunk.last() else { break };
        before = Some(last.seq);
        found.extend(
            chunk
                .into_iter()
                .filter(|frame| text.is_empty() || frame.text.to_lowercase().contains(&text)),
        );
        if found.len() > SHOWN || !more {
            break;
        }
    }
    if found.len() > SHOWN {
        more = true;
        found.truncate(SHOWN);
        before = found.last().map(|frame| frame.seq);
    }
    let filter = match which.text.trim() {
        "" => String::new(),
        text => format!("&text={}", url::encode(text)),
    };
    let older =
        before.filter(|_| more).map(|before| format!("{home}?before={before}{filter}#frames"));
    Ok(Log {
        lines: lines(&found),
        text: which.text.trim().to_owned(),
        newest,
        older,
        refresh: format!("{home}/frames?{}", filter.trim_start_matches('&')),
        home,
    })
}

/// Frames as lines. An answer carries only the id of its question, so questions are looked up
/// among the frames of the page.
fn lines(frames: &[FrameRecord]) -> Vec<Line> {
    let questions: BTreeMap<String, String> = frames
        .iter()
        .filter_map(|frame| match read_frame(&frame.text) {
            Ok(Frame::Call { id, action, .. } | Frame::Send { id, action, .. }) => {
                Some((id.into_owned(), action.into_owned()))
            }
            _ => None,
        })
        .collect();
    let asked = |id: &str| questions.get(id).cloned().unwrap_or_default();
    frames
        .iter()
        .map(|frame| {
            let (kind, action) = match read_frame(&frame.text) {
                Ok(Frame::Call { action, .. } | Frame::Send { action, .. }) => {
                    ("call", action.into_owned())
                }
                Ok(Frame::CallResult { id, .. }) => ("answer", asked(&id)),
                Ok(Frame::CallError { id, .. } | Frame::CallResultError { id, .. }) => {
                    ("error", asked(&id))
                }
                Err(_) => ("unreadable", String::new()),
            };
            let full = frame.at.rfc3339_ms();
            Line {
                seq: frame.seq,
                is_in: frame.direction == Direction::In,
                clock: full.chars().skip(11).take(12).collect(),
                full,
                action,
                kind,
                text: frame.text.to_string(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use mendpoint_model::UnixMs;

    use super::*;

    fn frame(seq: FrameSeq, direction: Direction, text: &str) -> FrameRecord {
        FrameRecord {
            seq,
            charger: ChargerKey(1),
            at: UnixMs(1_790_000_000_418),
            direction,
            text: text.into(),
        }
    }

    #[test]
    fn an_answer_says_what_it_answers() {
        let shown = lines(&[
            frame(3, Direction::In, "{not ocpp"),
            frame(2, Direction::Out, r#"[3,"a1",{"currentTime":"2026-09-21T14:13:20Z"}]"#),
            frame(1, Direction::In, r#"[2,"a1","Heartbeat",{}]"#),
        ]);
        assert_eq!(shown[0].kind, "unreadable");
        assert_eq!((shown[1].kind, &*shown[1].action), ("answer", "Heartbeat"));
        assert_eq!((shown[2].kind, &*shown[2].action), ("call", "Heartbeat"));
        assert_eq!(shown[2].clock, "14:13:20.418");
        assert!(shown[2].is_in && !shown[1].is_in);
    }

    #[test]
    fn frames_cannot_become_markup() {
        let log = Log {
            home: "/chargers/x".to_owned(),
            lines: lines(&[frame(1, Direction::In, r#"[2,"1","<b>",{"a":"<script>"}]"#)]),
            text: "\"><i>".to_owned(),
            newest: true,
            older: None,
            refresh: "/chargers/x/frames?".to_owned(),
        };
        let page = Fragment { log }.render().expect("renders");
        for markup in ["<script>", "<b>", "<i>"] {
            assert!(!page.contains(markup), "{markup} in {page}");
        }
    }
}
