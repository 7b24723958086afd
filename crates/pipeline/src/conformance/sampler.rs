//! Which messages are looked at.

use mendpoint_model::ChargerKey;
use mendpoint_ocpp::{Frame, read_frame};
use rustc_hash::FxHashMap;

/// Messages of a charger that are all looked at, from its boot or ours: boot, statuses, the first
/// transaction.
const FIRST: u32 = 40;
/// After that one in so many is.
const ONE_IN: u32 = 100;
/// And one in so many of those that the tolerant reading found odd.
const ONE_ODD_IN: u32 = 10;

/// Picks messages; every shard has its own. See decision 004 for the numbers.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    chargers: FxHashMap<ChargerKey, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    messages: u32,
    odd: u32,
    /// The id and the action of the request that the charger has not answered.
    asked: Option<(Box<str>, Box<str>)>,
}

/// A message that is to be looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picked {
    /// For an answer: the action that it answers.
    pub(crate) answers: Option<Box<str>>,
}

impl Sampler {
    /// The charger booted: maybe with another firmware, so that all is new again.
    pub(crate) fn booted(&mut self, charger: ChargerKey) {
        if let Some(seen) = self.chargers.get_mut(&charger) {
            seen.messages = 0;
            seen.odd = 0;
        }
    }

    /// Remembers a request of ours, so that its answer can be held against it.
    pub(crate) fn sent(&mut self, charger: ChargerKey, text: &str) {
        // Answers are by far the most that is sent; only requests begin so.
        if !text.starts_with("[2,") {
            return;
        }
        if let Ok(Frame::Call { id, action, .. }) = read_frame(text) {
            let seen = self.chargers.entry(charger).or_default();
            seen.asked = Some((id.into(), action.into()));
        }
    }

    /// Whether this message is to be looked at. Costs a look into a table for nearly all.
    pub(crate) fn pick(&mut self, charger: ChargerKey, text: &str, is_odd: bool) -> Option<Picked> {
        let seen = self.chargers.entry(charger).or_default();
        // Answers are few, and each is one of a kind.
        if text.starts_with("[3,") {
            let Ok(Frame::CallResult { id, .. }) = read_frame(text) else { return None };
            let (_, action) = seen.asked.take_if(|(asked, _)| **asked == *id)?;
            return Some(Picked { answers: Some(action) });
        }
        let number = seen.messages;
        seen.messages = seen.messages.saturating_add(1);
        let mut wanted = number < FIRST || number.is_multiple_of(ONE_IN);
        if is_odd {
            wanted |= seen.odd.is_multiple_of(ONE_ODD_IN);
            seen.odd = seen.odd.wrapping_add(1);
        }
        wanted.then_some(Picked { answers: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHARGER: ChargerKey = ChargerKey(1);
    const HEARTBEAT: &str = r#"[2,"1","Heartbeat",{}]"#;

    fn picked(sampler: &mut Sampler, count: u32, is_odd: bool) -> usize {
        (0..count).filter(|_| sampler.pick(CHARGER, HEARTBEAT, is_odd).is_some()).count()
    }

    #[test]
    fn the_first_messages_are_all_looked_at_then_one_in_a_hundred() {
        let mut sampler = Sampler::default();
        assert_eq!(picked(&mut sampler, FIRST, false), FIRST as usize);
        assert_eq!(picked(&mut sampler, 10_000, false), 100);
        assert_eq!(picked(&mut sampler, 1_000, true), 100, "one odd one in ten");
        assert!(sampler.pick(ChargerKey(2), HEARTBEAT, false).is_some(), "each charger by itself");
        sampler.booted(CHARGER);
        assert_eq!(picked(&mut sampler, FIRST, false), FIRST as usize);
    }

    #[test]
    fn an_answer_is_held_against_the_request_that_it_answers() {
        let mut sampler = Sampler::default();
        sampler.sent(CHARGER, r#"[2,"u-1","Reset",{"type":"Soft"}]"#);
        sampler.sent(CHARGER, r#"[3,"7",{}]"#);
        assert_eq!(sampler.pick(CHARGER, r#"[3,"u-0",{}]"#, false), None, "another one's");
        let picked = sampler.pick(CHARGER, r#"[3,"u-1",{}]"#, false);
        assert_eq!(picked, Some(Picked { answers: Some("Reset".into()) }));
        assert_eq!(sampler.pick(CHARGER, r#"[3,"u-1",{}]"#, false), None, "once");
    }
}
