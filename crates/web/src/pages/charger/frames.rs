//! The frames of a charger: what it said and what we said, as it was on the wire.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use mendpoint_model::{ChargerKey, FrameSeq, UnixMs};
use mendpoint_store::{Direction, FrameTimes};
use serde::Deserialize;

use crate::api::frames::{Format, file};
use crate::pages::errors::{Page, PageError, render};
use crate::pages::extract::Query;
use crate::place::utc;
use crate::session::Viewer;
use crate::wire::{self, Filter, Kind};
use crate::{AppState, place, url};

/// Frames of a page.
const SHOWN: usize = 50;
/// Frames of a file.
const FILE_FRAMES_MAX: usize = 20_000;

/// Which frames, as it stands in the address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    /// Frames before this number; the newest when empty.
    pub(super) before: String,
    /// Only frames with this text in them, whatever its case.
    pub(super) text: String,
    /// `in`, `out`, or both.
    pub(super) direction: String,
    pub(super) action: String,
    /// Anything: only errors.
    pub(super) errors: String,
    /// From and before which time, UTC, as a browser writes it: `2026-09-21T14:00`.
    pub(super) from: String,
    pub(super) to: String,
    /// Anything: payloads with line breaks.
    pub(super) pretty: String,
    /// For the live stream: frames after this number.
    pub(super) after: String,
}

impl Which {
    /// Says what cannot be read: messages that were left out by a slip look like messages that never
    /// came.
    pub(super) fn check(&self) -> Result<(), String> {
        if !matches!(self.direction.as_str(), "" | "in" | "out") {
            return Err(format!(
                "The direction is in (from the charger) or out (to it), not {:?}.",
                self.direction
            ));
        }
        for (name, at) in [("from", &self.from), ("to", &self.to)] {
            if !at.trim().is_empty() && utc(at).is_none() {
                return Err(format!(
                    "{name} is a time in UTC, as in 2026-09-21T14:13, not {at:?}."
                ));
            }
        }
        if let (Some(from), Some(to)) = (utc(&self.from), utc(&self.to))
            && to <= from
        {
            return Err("The time ends before it begins: nothing lies in between.".to_owned());
        }
        if !self.before.trim().is_empty() && self.before().is_none() {
            return Err(format!("before is the number of a message, not {:?}.", self.before));
        }
        Ok(())
    }

    pub(super) fn filter(&self, viewer: &Viewer) -> Filter {
        Filter {
            direction: match self.direction.as_str() {
                "in" => Some(Direction::In),
                "out" => Some(Direction::Out),
                _ => None,
            },
            action: self.action.trim().to_owned(),
            text: self.text.trim().to_lowercase(),
            errors: !self.errors.is_empty(),
            times: FrameTimes { from: utc(&self.from), to: utc(&self.to) },
            hides_cards: !viewer.sees_tokens(),
        }
    }

    fn before(&self) -> Option<FrameSeq> {
        self.before.trim().parse().ok()
    }

    pub(super) fn after(&self) -> Option<FrameSeq> {
        self.after.trim().parse().ok()
    }

    /// The fields that narrow, as a query without its beginning.
    fn query(&self) -> String {
        let fields = [
            ("text", self.text.trim()),
            ("direction", &self.direction),
            ("action", self.action.trim()),
            ("errors", &self.errors),
            ("from", &self.from),
            ("to", &self.to),
            ("pretty", &self.pretty),
        ];
        let pairs: Vec<_> = fields
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", url::encode(value)))
            .collect();
        pairs.join("&")
    }
}

/// A frame as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) seq: FrameSeq,
    pub(super) is_in: bool,
    /// `14:07:32.418`.
    pub(super) clock: String,
    pub(super) full: String,
    /// The action, or what it is an answer to.
    pub(super) action: String,
    /// What kind of frame: "call", "answer", "error", "unreadable".
    pub(super) kind: &'static str,
    pub(super) id: String,
    /// How long after its question.
    pub(super) latency: String,
    pub(super) is_refusal: bool,
    pub(super) text: String,
    /// The number of the session it is about.
    pub(super) session: String,
    /// The incident that has it as evidence.
    pub(super) incident: String,
}

impl Shown {
    fn new(line: wire::Line, pretty: bool, links: &Links) -> Self {
        let full = line.at.rfc3339_ms();
        let session = session_of(&line.text).filter(|number| *number > 0);
        Self {
            seq: line.seq,
            is_in: line.is_in(),
            clock: full.chars().skip(11).take(12).collect(),
            full,
            kind: line.kind.name(),
            latency: line
                .latency_ms
                .map(|ms| crate::commands::took(UnixMs(0), UnixMs(ms)))
                .unwrap_or_default(),
            is_refusal: line.is_error && line.kind == Kind::Answer,
            session: session.map(|number| number.to_string()).unwrap_or_default(),
            incident: links.incidents.get(&line.seq).cloned().unwrap_or_default(),
            text: if pretty { line.pretty() } else { line.text },
            action: line.action,
            id: line.id,
        }
    }
}

/// The number after `"transactionId":`, of 1.6.
fn session_of(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once("\"transactionId\":")?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Where lines may lead to.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    /// Which incident has a frame as evidence.
    pub(super) incidents: BTreeMap<FrameSeq, String>,
}

/// A page of the log.
#[derive(Clone, Debug)]
pub(super) struct Log {
    /// The charger's page.
    pub(super) home: String,
    pub(super) lines: Vec<Shown>,
    pub(super) which: Which,
    /// Whether these are the newest ones, and go on by themselves.
    pub(super) newest: bool,
    /// The address of the next page.
    pub(super) older: Option<String>,
    /// The address of what goes on, and of the files, without the name of the file.
    pub(super) query: String,
    /// The number of the newest frame there is.
    pub(super) newest_seq: FrameSeq,
    pub(super) narrowed: bool,
}

#[derive(Template)]
#[template(path = "charger_frame_lines.html")]
struct Lines {
    lines: Vec<Shown>,
}

/// Lines as a part of the list, newest first.
pub(super) fn render_lines(lines: Vec<wire::Line>, pretty: bool) -> Option<String> {
    let links = Links::default();
    let lines = lines.into_iter().map(|line| Shown::new(line, pretty, &links)).collect();
    Lines { lines }.render().ok()
}

#[derive(Template)]
#[template(path = "charger_frames.html")]
struct Fragment {
    log: Log,
}

/// The list alone.
pub(super) async fn fragment(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(identity): Path<String>,
    Query(which): Query<Which>,
) -> Page {
    which.check().map_err(PageError::bad_request)?;
    let record = super::find(&state, &identity)?;
    let home = place::charger_href(&record.identity);
    render(Fragment {
        log: log(&state, &viewer, record.key, home, which, &Links::default()).await?,
    })
}

/// The frames as a file: `csv` or `jsonl`.
pub(super) async fn download(
    viewer: Viewer,
    State(state): State<AppState>,
    Path((identity, format)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Page {
    which.check().map_err(PageError::bad_request)?;
    let record = super::find(&state, &identity)?;
    let format = Format::from_name(&format)
        .ok_or_else(|| PageError::not_found("Messages are exported as csv or as jsonl."))?;
    let subject = format!("messages of {}", record.identity);
    state.handle().exported(&viewer.name, &subject).await?;
    Ok(file(&state, &record, &which.filter(&viewer), format, which.before(), FILE_FRAMES_MAX)
        .await?)
}

/// Reads a page of the log.
pub(super) async fn log(
    state: &AppState,
    viewer: &Viewer,
    charger: ChargerKey,
    home: String,
    which: Which,
    links: &Links,
) -> Result<Log, mendpoint_store::Error> {
    let frames = state.handle().store().frame_log();
    // Before the lines are read: what comes in between is then told by the live stream once more,
    // and not missed.
    let newest = frames.frames_of(charger, None, 1).await?;
    let page = wire::read(&frames, charger, &which.filter(viewer), which.before(), SHOWN).await?;
    let query = which.query();
    let joint = if query.is_empty() { "" } else { "&" };
    let pretty = !which.pretty.is_empty();
    Ok(Log {
        lines: page.lines.into_iter().map(|line| Shown::new(line, pretty, links)).collect(),
        // A stretch of time that is over does not go on.
        newest: which.before().is_none() && which.to.is_empty(),
        older: page.next.map(|before| format!("{home}?before={before}{joint}{query}#frames")),
        narrowed: !Which { pretty: String::new(), ..which.clone() }.query().is_empty(),
        newest_seq: newest.first().map_or(0, |frame| frame.seq),
        which,
        query,
        home,
    })
}

#[cfg(test)]
mod tests {
    use mendpoint_store::FrameRecord;

    use super::*;
    use crate::wire::Pairing;

    fn line(text: &str) -> wire::Line {
        Pairing::default().line(FrameRecord {
            seq: 1,
            charger: ChargerKey(1),
            at: UnixMs(1_790_000_000_418),
            direction: Direction::In,
            text: text.into(),
        })
    }

    #[test]
    fn frames_cannot_become_markup() {
        let shown =
            Shown::new(line(r#"[2,"<u>","<b>",{"a":"<script>"}]"#), true, &Links::default());
        let which = Which { text: "\"><i>".to_owned(), ..Which::default() };
        let log = Log {
            home: "/chargers/x".to_owned(),
            lines: vec![shown],
            query: which.query(),
            which,
            newest: true,
            older: None,
            newest_seq: 0,
            narrowed: true,
        };
        let page = Fragment { log }.render().expect("renders");
        for markup in ["<script>", "<b>", "<i>", "<u>"] {
            assert!(!page.contains(markup), "{markup} in {page}");
        }
    }

    #[test]
    fn a_line_leads_to_its_session_and_its_incident() {
        let links = Links { incidents: BTreeMap::from([(1, "INC-7".to_owned())]) };
        let shown = |text: &str| Shown::new(line(text), false, &links);
        let stop = shown(r#"[2,"a","StopTransaction",{"transactionId": 41,"meterStop":1}]"#);
        assert_eq!((&*stop.session, &*stop.incident), ("41", "INC-7"));
        assert_eq!(stop.clock, "14:13:20.418");
        assert_eq!(shown(r#"[2,"a","MeterValues",{"transactionId":-1}]"#).session, "");
        assert_eq!(shown(r#"[2,"a","TransactionEvent",{"transactionId":"x"}]"#).session, "");
    }

    #[test]
    fn what_cannot_be_read_narrows_nothing_in_silence() {
        let told = |which: Which| which.check();
        assert_eq!(told(Which::default()), Ok(()));
        let fine = Which {
            direction: "in".to_owned(),
            from: "2026-09-21T14:13".to_owned(),
            ..Which::default()
        };
        assert_eq!(told(fine), Ok(()));
        let direction = told(Which { direction: "up".to_owned(), ..Which::default() });
        assert!(direction.expect_err("refused").contains("in (from the charger) or out"));
        let turned = Which {
            from: "2026-09-21T14:13".to_owned(),
            to: "2026-09-21T14:12".to_owned(),
            ..Which::default()
        };
        assert!(told(turned).expect_err("refused").contains("ends before"));
        assert!(told(Which { before: "abc".to_owned(), ..Which::default() }).is_err());
        let to = told(Which { to: "yesterday".to_owned(), ..Which::default() });
        assert!(to.expect_err("refused").contains("not \"yesterday\""));
    }

    #[test]
    fn a_time_without_a_zone_is_utc() {
        let at = UnixMs::parse_rfc3339("2026-09-21T14:13:00Z");
        assert_eq!(utc("2026-09-21T14:13"), at);
        assert_eq!(utc("2026-09-21T14:13:00"), at);
        assert_eq!(utc("2026-09-21T16:13:00+02:00"), at);
        assert_eq!(utc(""), None);
    }
}
