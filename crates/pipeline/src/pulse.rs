//! Signs of life: messages that say nothing but that a charger is there.
//!
//! They are most of all messages. Each would cost a place in the shard's queue and wake it up; so
//! they gather here, a few words each, and the shard takes them in together, within [`GATHER`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mendpoint_model::{ChargerKey, FrameSeq, SiteKey, UnixMs};
use tokio::sync::Notify;

/// How long the first of them may wait for more.
const GATHER: Duration = Duration::from_millis(20);
/// How many wait at most; more go through the queue, where there is a limit that is waited for.
const PULSES_MAX: usize = 16_384;
/// What a list keeps of its room after a rush.
const PULSES_KEPT: usize = 1_024;

/// A charger was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// The charger.
    pub charger: ChargerKey,
    /// Its site: it chooses the shard.
    pub site: SiteKey,
    /// The connection's number.
    pub epoch: u64,
    /// When it was received.
    pub received_at: UnixMs,
    /// The number that the frame log gave to its frame.
    pub frame: FrameSeq,
}

/// What gathers for one shard.
#[derive(Debug, Default)]
pub(crate) struct Pulses {
    list: Mutex<Vec<Pulse>>,
    first: Notify,
}

impl Pulses {
    /// Adds one. False: there is no room.
    pub(crate) fn push(&self, pulse: Pulse) -> bool {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.len() >= PULSES_MAX {
            return false;
        }
        let is_first = list.is_empty();
        list.push(pulse);
        drop(list);
        if is_first {
            self.first.notify_one();
        }
        true
    }

    /// Waits until there are some, and a moment longer. May be given up at any time by who then
    /// calls [`Pulses::take`].
    pub(crate) async fn gathered(&self) {
        self.first.notified().await;
        tokio::time::sleep(GATHER).await;
    }

    /// Takes all out, in the order they came, into an empty list.
    pub(crate) fn take(&self, into: &mut Vec<Pulse>) {
        if into.capacity() > PULSES_KEPT {
            into.shrink_to(PULSES_KEPT);
        }
        std::mem::swap(&mut *self.list.lock().unwrap_or_else(PoisonError::into_inner), into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(number: u32) -> Pulse {
        Pulse {
            charger: ChargerKey(number),
            site: SiteKey(1),
            epoch: 1,
            received_at: UnixMs(number.into()),
            frame: 0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn they_gather_for_a_moment_and_come_out_in_their_order() {
        let pulses = Pulses::default();
        assert!(pulses.push(pulse(1)) && pulses.push(pulse(2)));
        pulses.gathered().await;
        let mut taken = Vec::new();
        pulses.take(&mut taken);
        assert_eq!(taken, [pulse(1), pulse(2)]);
        taken.clear();
        assert!(pulses.push(pulse(3)), "the next first one wakes again");
        pulses.gathered().await;
        pulses.take(&mut taken);
        assert_eq!(taken, [pulse(3)]);
    }

    #[test]
    fn there_is_an_end_to_the_room() {
        let pulses = Pulses::default();
        for number in 0..PULSES_MAX as u32 {
            assert!(pulses.push(pulse(number)));
        }
        assert!(!pulses.push(pulse(0)));
        pulses.take(&mut Vec::new());
        assert!(pulses.push(pulse(0)));
    }
}
