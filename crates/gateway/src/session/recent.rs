//! What this connection asked lately, to tell a repeated call from a new one (behaviour 31).

use std::collections::VecDeque;
use std::hash::Hasher;

use rustc_hash::FxHasher;

/// How many calls are remembered by their hashes.
const CALLS_KEPT: usize = 8;
/// How many answers to transaction messages are kept whole.
const ANSWERS_KEPT: usize = 4;

/// A call's message id and its whole frame, as hashes. A collision of both needs a charger that aims
/// at it, and all it can confuse is its own connection. Half a word each: every idle connection keeps
/// some of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallHash {
    id: u32,
    frame: u32,
}

impl CallHash {
    pub(crate) fn of(id: &str, frame: &str) -> Self {
        Self { id: hash(id), frame: hash(frame) }
    }
}

fn hash(text: &str) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    // The upper half has seen all of the text.
    (hasher.finish() >> 32) as u32
}

/// Whether a call came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// No.
    New,
    /// Yes; this was the answer, and it is the answer again.
    Answered(&'a str),
    /// Yes; its answer was not kept because it can be given again.
    Repeated,
}

/// The last calls of a connection. Bounded (behaviour 71).
#[derive(Debug, Default)]
pub(crate) struct Recent {
    calls: [CallHash; CALLS_KEPT],
    next: usize,
    /// The charger gives different calls the same id: then an id proves nothing, and only whole
    /// transaction messages are recognised.
    reuses_ids: bool,
    answers: VecDeque<(CallHash, Box<str>)>,
}

impl Recent {
    /// Looks a call up and remembers it.
    pub(crate) fn look(&mut self, call: CallHash) -> Seen<'_> {
        let mut repeated = false;
        for known in &self.calls {
            if known.id == call.id {
                repeated |= known.frame == call.frame;
                self.reuses_ids |= known.frame != call.frame;
            }
        }
        if !repeated {
            self.calls[self.next] = call;
            self.next = (self.next + 1) % CALLS_KEPT;
            return Seen::New;
        }
        match self.answers.iter().find(|(kept, _)| *kept == call) {
            Some((_, answer)) => Seen::Answered(answer),
            None if self.reuses_ids => Seen::New,
            None => Seen::Repeated,
        }
    }

    /// Keeps the answer to a transaction message.
    pub(crate) fn answered(&mut self, call: CallHash, answer: &str) {
        if self.answers.len() == ANSWERS_KEPT {
            self.answers.pop_front();
        }
        self.answers.push_back((call, answer.into()));
    }

    /// Forgets a call that will not be answered, so that it is taken in when it comes again.
    pub(crate) fn forget(&mut self, call: CallHash) {
        for known in &mut self.calls {
            if *known == call {
                *known = CallHash::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_call_is_told_from_a_new_one() {
        let mut recent = Recent::default();
        let call = CallHash::of("1", "[2,\"1\",\"StatusNotification\",{}]");
        assert_eq!(recent.look(call), Seen::New);
        assert_eq!(recent.look(call), Seen::Repeated);
        recent.answered(call, "answer");
        assert_eq!(recent.look(call), Seen::Answered("answer"));
        recent.forget(call);
        assert_eq!(recent.look(call), Seen::New);
    }

    #[test]
    fn a_charger_that_reuses_ids_is_never_taken_for_one_that_repeats() {
        let mut recent = Recent::default();
        let available = CallHash::of("1", "available");
        let faulted = CallHash::of("1", "faulted");
        assert_eq!(recent.look(available), Seen::New);
        assert_eq!(recent.look(faulted), Seen::New);
        assert_eq!(recent.look(available), Seen::New);
    }

    #[test]
    fn b71_old_calls_and_answers_are_let_go() {
        let mut recent = Recent::default();
        for number in 0..100 {
            let call = CallHash::of(&number.to_string(), &format!("frame {number}"));
            assert_eq!(recent.look(call), Seen::New);
            recent.answered(call, "answer");
        }
        assert_eq!(recent.answers.len(), ANSWERS_KEPT);
        assert_eq!(recent.look(CallHash::of("0", "frame 0")), Seen::New);
        assert_eq!(recent.look(CallHash::of("99", "frame 99")), Seen::Answered("answer"));
    }
}
