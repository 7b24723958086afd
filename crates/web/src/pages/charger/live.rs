//! What changes on a charger's page while somebody looks: its frames as they come, and that one of
//! its commands changed.
//!
//! A charger may send faster than a page can show. What does not fit is counted and told, never
//! queued: the log has it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Sse};
use mendpoint_model::{ChargerKey, FrameSeq};
use mendpoint_store::FrameRecord;
use serde::Serialize;
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

use super::frames::{Which, render_lines};
use crate::AppState;
use crate::pages::errors::{Page, PageError};
use crate::pages::extract::Query;
use crate::session::Viewer;
use crate::wire::{self, Filter, Line, Pairing};

/// How often news is looked for; what came within it travels together.
const EVERY: Duration = Duration::from_millis(300);
/// How often the page hears that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long one connection lives; see the live feed of the pages.
const LIFE: Duration = Duration::from_mins(10);
/// The most lines that travel together: more than anybody reads in that time.
const LINES_MAX: usize = 40;
/// What a page that was away is given at once.
const CATCH_UP: usize = 50;

struct Listener {
    state: AppState,
    charger: ChargerKey,
    filter: Filter,
    pretty: bool,
    frames: Receiver<FrameRecord>,
    commands: Receiver<ChargerKey>,
    pairing: Pairing,
    told: FrameSeq,
    /// Lines to be told at the beginning, newest first.
    missed: Vec<Line>,
    began: Instant,
    heard: Option<Instant>,
}

/// New lines.
#[derive(Serialize)]
struct News {
    /// Rows of the list, newest first.
    html: String,
    /// How many came and are not among them.
    skipped: u64,
    /// The number of the newest frame.
    last: FrameSeq,
}

/// What there is to tell.
#[derive(Debug)]
struct Batch {
    /// Newest first.
    lines: Vec<Line>,
    skipped: u64,
}

impl Batch {
    /// As many of the newest lines as may travel together. `lines` are the oldest first; `missed`
    /// came besides and were never read.
    fn new(mut lines: Vec<Line>, missed: u64) -> Self {
        let surplus = lines.len().saturating_sub(LINES_MAX);
        lines.drain(..surplus);
        lines.reverse();
        Self { lines, skipped: missed + surplus as u64 }
    }
}

impl Listener {
    fn is_over(&self) -> bool {
        self.state.is_stopping() || self.began.elapsed() >= LIFE
    }

    /// The frames that came since the last look.
    fn take_frames(&mut self) -> Batch {
        let mut lines = std::mem::take(&mut self.missed);
        lines.reverse();
        let mut missed = 0;
        loop {
            match self.frames.try_recv() {
                Ok(frame) => {
                    let seq = frame.seq;
                    let line = self.filter.shown(self.pairing.line(frame));
                    // It was among those that were read at the beginning.
                    if seq <= self.told {
                        continue;
                    }
                    self.told = seq;
                    if self.filter.fits(&line) {
                        lines.push(line);
                    }
                }
                Err(TryRecvError::Lagged(more)) => missed += more,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        Batch::new(lines, missed)
    }

    /// Whether a command of this charger changed since the last look.
    fn take_commands(&mut self) -> bool {
        let mut is_news = false;
        loop {
            match self.commands.try_recv() {
                Ok(charger) => is_news |= charger == self.charger,
                // It may have been among those that were missed.
                Err(TryRecvError::Lagged(_)) => is_news = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return is_news,
            }
        }
    }

    fn news(&mut self) -> Vec<Event> {
        let mut news = Vec::new();
        let batch = self.take_frames();
        if !batch.lines.is_empty() || batch.skipped > 0 {
            let html = render_lines(batch.lines, self.pretty).unwrap_or_default();
            let frames = News { html, skipped: batch.skipped, last: self.told };
            news.extend(Event::default().event("frames").json_data(frames));
        }
        if self.take_commands() {
            news.push(Event::default().event("commands").data("{}"));
        }
        if self.heard.is_none_or(|heard| heard.elapsed() >= HEARTBEAT) {
            self.heard = Some(Instant::now());
            news.push(Event::default().event("heartbeat").data("{}"));
        }
        news
    }
}

/// The stream.
pub(super) async fn stream(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Query(which): Query<Which>,
) -> Page {
    which.check().map_err(PageError::bad_request)?;
    let record = super::find(&state, &identity)?;
    let log = state.handle().store().frame_log();
    // First listen, then read: nothing is missed in between, and what comes twice is told once.
    let frames = log.listen(record.key);
    let commands = state.handle().command_news();
    let filter = which.filter(&viewer);
    let page = wire::read(&log, record.key, &filter, None, CATCH_UP).await?;
    let newest = log.frames_of(record.key, None, CATCH_UP).await?;
    let mut pairing = Pairing::default();
    for frame in newest.iter().rev() {
        // Their answers may still come.
        pairing.line(frame.clone());
    }
    let newest = newest.first().map_or(0, |frame| frame.seq);
    let after = which.after().unwrap_or(newest);
    let listener = Listener {
        charger: record.key,
        filter,
        pretty: !which.pretty.is_empty(),
        frames,
        commands,
        pairing,
        told: page.lines.first().map_or(after, |line| line.seq).max(after),
        missed: page.lines.into_iter().filter(|line| line.seq > after).collect(),
        began: Instant::now(),
        heard: None,
        state,
    };
    let stream = futures_util::stream::unfold(
        (listener, VecDeque::new()),
        |(mut listener, mut waiting): (Listener, VecDeque<Event>)| async move {
            loop {
                if let Some(event) = waiting.pop_front() {
                    return Some((Ok::<_, Infallible>(event), (listener, waiting)));
                }
                if listener.is_over() {
                    return None;
                }
                waiting.extend(listener.news());
                if waiting.is_empty() {
                    tokio::time::sleep(EVERY).await;
                }
            }
        },
    );
    Ok(Sse::new(stream).into_response())
}

#[cfg(test)]
mod tests {
    use mendpoint_model::UnixMs;
    use mendpoint_store::Direction;

    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_the_newest_are_shown() {
        let mut pairing = Pairing::default();
        let lines = (1..=100).map(|seq| {
            pairing.line(FrameRecord {
                seq,
                charger: ChargerKey(1),
                at: UnixMs(0),
                direction: Direction::In,
                text: "[2,\"1\",\"Heartbeat\",{}]".into(),
            })
        });
        let batch = Batch::new(lines.collect(), 7);
        assert_eq!((batch.lines.len(), batch.skipped), (LINES_MAX, 67));
        assert_eq!(batch.lines.first().map(|line| line.seq), Some(100));
        assert_eq!(batch.lines.last().map(|line| line.seq), Some(61));
        let html = render_lines(batch.lines, false).expect("renders");
        assert_eq!(html.matches("<li ").count(), LINES_MAX);
    }
}
