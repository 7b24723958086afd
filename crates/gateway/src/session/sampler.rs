//! Which messages are held against the specification: see decision 004 for the numbers.

/// Messages that are all looked at, from the boot or the connection on: boot, statuses, the first
/// transaction.
const FIRST: u32 = 40;
/// After that one in so many is.
const ONE_IN: u32 = 100;
/// And one in so many of those that the tolerant reading found odd.
const ONE_ODD_IN: u32 = 10;

/// Picks among the messages of one connection.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    messages: u32,
    odd: u32,
}

impl Sampler {
    /// The charger boots: maybe with another firmware, so that all is new again.
    pub(super) fn booted(&mut self) {
        *self = Self::default();
    }

    /// Whether the next message is to be looked at.
    pub(super) fn pick(&mut self, is_odd: bool) -> bool {
        let number = self.messages;
        self.messages = number.saturating_add(1);
        let mut wanted = number < FIRST || number.is_multiple_of(ONE_IN);
        if is_odd {
            wanted |= self.odd.is_multiple_of(ONE_ODD_IN);
            self.odd = self.odd.wrapping_add(1);
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(sampler: &mut Sampler, count: u32, is_odd: bool) -> usize {
        (0..count).filter(|_| sampler.pick(is_odd)).count()
    }

    #[test]
    fn the_first_messages_are_all_looked_at_then_one_in_a_hundred() {
        let mut sampler = Sampler::default();
        assert_eq!(picked(&mut sampler, FIRST, false), FIRST as usize);
        assert_eq!(picked(&mut sampler, 10_000, false), 100);
        assert_eq!(picked(&mut sampler, 1_000, true), 100, "one odd one in ten");
        sampler.booted();
        assert_eq!(picked(&mut sampler, FIRST, false), FIRST as usize);
    }
}
