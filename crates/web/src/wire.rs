//! The wire log: the frames of a charger as pages, the API and exports show them.

use std::collections::BTreeMap;

use mendpoint_model::{ChargerKey, FrameSeq, UnixMs};
use mendpoint_ocpp::{Frame, read_frame};
use mendpoint_store::{Direction, FrameLog, FrameRecord, FrameTimes};

/// Frames read at once, and at most, to find those that fit a filter.
const CHUNK: usize = 250;
const READ_MAX: usize = 5_000;
/// Older frames that are looked at for the question of an answer.
const QUESTIONS: usize = 60;

/// What kind of frame it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Call,
    Answer,
    Error,
    Unreadable,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Answer => "answer",
            Self::Error => "error",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Which frames are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) direction: Option<Direction>,
    /// The action, of a call or of what is answered; every one when empty.
    pub(crate) action: String,
    /// A text anywhere in the frame, in small letters.
    pub(crate) text: String,
    /// Only errors, refusals and what could not be read.
    pub(crate) errors: bool,
    pub(crate) times: FrameTimes,
    /// Whether cards' numbers are hidden; then they cannot be searched for either.
    pub(crate) hides_cards: bool,
}

impl Filter {
    /// Whether every frame of the stretch of time fits.
    fn is_open(&self) -> bool {
        self.direction.is_none() && self.action.is_empty() && self.text.is_empty() && !self.errors
    }

    /// A line as it is shown.
    pub(crate) fn shown(&self, mut line: Line) -> Line {
        if self.hides_cards {
            line.text = crate::mask::json(&line.text);
        }
        line
    }

    pub(crate) fn fits(&self, line: &Line) -> bool {
        self.direction.is_none_or(|direction| direction == line.direction)
            && (self.action.is_empty() || line.action.eq_ignore_ascii_case(&self.action))
            && (!self.errors || line.is_error)
            && (self.text.is_empty() || line.text.to_lowercase().contains(&self.text))
    }
}

/// A frame as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) seq: FrameSeq,
    pub(crate) at: UnixMs,
    pub(crate) direction: Direction,
    pub(crate) kind: Kind,
    /// The message id; empty when it could not be read.
    pub(crate) id: String,
    /// The action, or what it is an answer to; empty when that is not known.
    pub(crate) action: String,
    /// For an answer: how long after its question.
    pub(crate) latency_ms: Option<i64>,
    /// Whether it is an error, a refusal, or unreadable.
    pub(crate) is_error: bool,
    pub(crate) text: String,
}

impl Line {
    pub(crate) fn is_in(&self) -> bool {
        self.direction == Direction::In
    }

    /// The payload with line breaks; the whole frame where it has none.
    pub(crate) fn pretty(&self) -> String {
        let payload = match read_frame(&self.text) {
            Ok(
                Frame::Call { payload, .. }
                | Frame::Send { payload, .. }
                | Frame::CallResult { payload, .. },
            ) => payload,
            _ => &self.text,
        };
        crate::commands::pretty(payload)
    }
}

/// Calls without an answer yet, so that answers find their questions. Bounded: the oldest is
/// forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Pairing {
    /// By the direction of the call and its id.
    open: BTreeMap<(bool, String), (UnixMs, String)>,
}

/// Calls that are remembered; a charger has a handful open at most.
const OPEN_MAX: usize = 256;

impl Pairing {
    /// Takes the next frame in, in the order in which they were on the wire.
    pub(crate) fn line(&mut self, frame: FrameRecord) -> Line {
        let is_in = frame.direction == Direction::In;
        let (kind, id, action, is_refusal) = match read_frame(&frame.text) {
            Ok(Frame::Call { id, action, .. } | Frame::Send { id, action, .. }) => {
                (Kind::Call, id.into_owned(), action.into_owned(), false)
            }
            Ok(Frame::CallResult { id, payload }) => {
                (Kind::Answer, id.into_owned(), String::new(), is_refusal(payload))
            }
            Ok(Frame::CallError { id, .. } | Frame::CallResultError { id, .. }) => {
                (Kind::Error, id.into_owned(), String::new(), true)
            }
            Err(_) => (Kind::Unreadable, String::new(), String::new(), true),
        };
        let mut line = Line {
            seq: frame.seq,
            at: frame.at,
            direction: frame.direction,
            kind,
            id,
            action,
            latency_ms: None,
            is_error: is_refusal,
            text: frame.text.into(),
        };
        match kind {
            Kind::Call => {
                if self.open.len() >= OPEN_MAX {
                    let oldest = self.open.iter().min_by_key(|(_, (at, _))| *at);
                    if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                        self.open.remove(&oldest);
                    }
                }
                let question = (line.at, line.action.clone());
                self.open.insert((is_in, line.id.clone()), question);
            }
            Kind::Answer | Kind::Error => {
                if let Some((asked_at, action)) = self.open.remove(&(!is_in, line.id.clone())) {
                    line.latency_ms = Some(line.at.since_ms(asked_at).max(0));
                    line.action = action;
                }
            }
            Kind::Unreadable => {}
        }
        line
    }
}

/// Whether an answer says no.
fn is_refusal(payload: &str) -> bool {
    const NO: [&str; 7] = [
        "Rejected",
        "NotSupported",
        "NotImplemented",
        "Failed",
        "UnlockFailed",
        "UnknownVendorId",
        "UnknownMessageId",
    ];
    let words = payload.split('"').skip_while(|word| *word != "status").skip(1);
    words.take(2).any(|word| NO.contains(&word))
}

/// A page of the log.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// Newest first.
    pub(crate) lines: Vec<Line>,
    /// Go on before this frame, when there are more.
    pub(crate) next: Option<FrameSeq>,
}

/// Reads the newest frames that fit, before `before`.
pub(crate) async fn read(
    log: &FrameLog,
    charger: ChargerKey,
    filter: &Filter,
    mut before: Option<FrameSeq>,
    wanted: usize,
) -> Result<Pages, mendpoint_store::Error> {
    let mut found = Vec::new();
    let mut read = 0;
    loop {
        // A few more than are shown, because questions lie before their answers.
        let size = if filter.is_open() { wanted + 1 } else { CHUNK };
        let chunk = log.frames_in(charger, filter.times, before, size).await?;
        let is_end = chunk.len() < size;
        read += chunk.len();
        let Some(oldest) = chunk.last().map(|frame| frame.seq) else { break };
        let earlier = log.frames_of(charger, Some(oldest), QUESTIONS).await?;
        let shown = lines(chunk, earlier).into_iter().map(|line| filter.shown(line));
        found.extend(shown.filter(|line| filter.fits(line)));
        before = Some(oldest);
        if is_end {
            before = None;
        }
        if is_end || found.len() > wanted || read >= READ_MAX {
            break;
        }
    }
    if found.len() > wanted {
        found.truncate(wanted);
        before = found.last().map(|line| line.seq);
    }
    Ok(Pages { lines: found, next: before })
}

/// Frames, newest first, as lines, newest first. `earlier` are frames before them, for the questions
/// of their answers.
fn lines(frames: Vec<FrameRecord>, earlier: Vec<FrameRecord>) -> Vec<Line> {
    let mut pairing = Pairing::default();
    for frame in earlier.into_iter().rev() {
        pairing.line(frame);
    }
    let mut lines: Vec<_> = frames.into_iter().rev().map(|frame| pairing.line(frame)).collect();
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: FrameSeq, direction: Direction, text: &str) -> FrameRecord {
        let at = UnixMs(1_790_000_000_000 + 10 * seq as i64);
        FrameRecord { seq, charger: ChargerKey(1), at, direction, text: text.into() }
    }

    use Direction::{In, Out};

    #[test]
    fn an_answer_finds_its_question_and_the_time_it_took() {
        let lines = lines(
            vec![
                frame(5, In, "{not ocpp"),
                frame(4, In, r#"[3,"a1",{"status":"Rejected"}]"#),
                frame(3, Out, r#"[3,"a1",{"currentTime":"2026-09-21T14:13:20Z"}]"#),
                frame(2, Out, r#"[2,"a1","Reset",{"type":"Soft"}]"#),
            ],
            vec![frame(1, In, r#"[2,"a1","Heartbeat",{}]"#)],
        );
        assert_eq!(lines[0].kind, Kind::Unreadable);
        // The same id is in use in both directions.
        assert_eq!((&*lines[1].action, lines[1].latency_ms), ("Reset", Some(20)));
        assert!(lines[1].is_error, "it was refused");
        assert_eq!((&*lines[2].action, lines[2].latency_ms), ("Heartbeat", Some(20)));
        assert!(!lines[2].is_error && !lines[3].is_error && lines[0].is_error);
        assert_eq!(lines[3].pretty(), "{\n  \"type\": \"Soft\"\n}");
    }

    #[test]
    fn a_filter_narrows() {
        let lines = lines(
            vec![
                frame(3, In, r#"[4,"b","NotSupported","",{}]"#),
                frame(2, Out, r#"[2,"b","Reset",{}]"#),
                frame(1, In, r#"[2,"a","StatusNotification",{"errorCode":"GroundFailure"}]"#),
            ],
            Vec::new(),
        );
        let seqs = |filter: Filter| -> Vec<FrameSeq> {
            lines.iter().filter(|line| filter.fits(line)).map(|line| line.seq).collect()
        };
        let all = Filter::default();
        assert_eq!(seqs(all.clone()), [3, 2, 1]);
        assert_eq!(seqs(Filter { direction: Some(Out), ..all.clone() }), [2]);
        assert_eq!(seqs(Filter { action: "reset".to_owned(), ..all.clone() }), [3, 2]);
        assert_eq!(seqs(Filter { text: "groundfailure".to_owned(), ..all.clone() }), [1]);
        assert_eq!(seqs(Filter { errors: true, ..all }), [3]);
    }

    #[test]
    fn questions_that_are_never_answered_do_not_pile_up() {
        let mut pairing = Pairing::default();
        for seq in 0..1_000 {
            pairing.line(frame(seq, In, &format!(r#"[2,"{seq}","Heartbeat",{{}}]"#)));
        }
        assert_eq!(pairing.open.len(), OPEN_MAX);
        let line = pairing.line(frame(1_000, Out, r#"[3,"999",{}]"#));
        assert_eq!(line.action, "Heartbeat", "the newest are kept");
    }
}
