//! Numbers for transactions.

use mendpoint_incidents::IdSequence;
use mendpoint_model::TransactionId;

/// The largest number that may be given out: OCPP 1.6 chargers keep it in 32 bits (behaviour 46).
const MAX: i64 = i32::MAX as i64;

/// Gives out transaction numbers: positive, at most 2^31-1, never one that is in use.
#[derive(Debug)]
pub(crate) struct TransactionNumbers {
    next: i64,
    step: i64,
    /// Whether the numbers began anew: from then on a number may still be in use somewhere.
    pub(crate) wrapped: bool,
}

impl TransactionNumbers {
    pub(crate) fn new(sequence: IdSequence) -> Self {
        Self { next: sequence.next, step: sequence.step.clamp(1, MAX), wrapped: false }
    }

    /// The next number for which `is_used` does not hold.
    pub(crate) fn take(&mut self, is_used: impl Fn(TransactionId) -> bool) -> TransactionId {
        loop {
            if self.next > MAX || self.next <= 0 {
                self.wrapped |= self.next > MAX;
                // The smallest positive number that no other shard gives out either.
                self.next = (self.next - 1).rem_euclid(self.step) + 1;
            }
            let id = TransactionId(self.next);
            self.next += self.step;
            // A shard has far fewer open transactions than there are numbers, so this ends.
            if !is_used(id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b46_numbers_are_positive_and_fit_into_31_bits() {
        let mut numbers = TransactionNumbers::new(IdSequence { next: MAX - 3, step: 4 });
        assert_eq!(numbers.take(|_| false), TransactionId(MAX - 3));
        // 2^31 - 4 leaves 4 when divided by 4: so do the numbers after the wrap.
        assert_eq!(numbers.take(|_| false), TransactionId(4));
        assert!(numbers.wrapped);
        assert_eq!(numbers.take(|id| id.0 < 20), TransactionId(20));
        let mut numbers = TransactionNumbers::new(IdSequence { next: -7, step: 0 });
        assert_eq!(numbers.take(|_| false), TransactionId(1));
        assert!(!numbers.wrapped);
    }
}
