//! How restless something is: the algorithm of Nagios over the last twenty looks.
//!
//! A look says whether the state changed since the look before. A change counts from 0.75 (the oldest
//! of the twenty) to 1.25 (the newest), so that a restless hour fades instead of ending all at once.
//! A monitor that polls looks at every check. We are told of changes when they happen, so a look is a
//! span of time ([`FlapClock`]): it counts as a change when there was one in it, however many.

use mendpoint_model::UnixMs;

/// How many looks are kept.
pub const LOOKS: u32 = 20;
/// What the oldest look counts.
const OLDEST: f64 = 0.75;
/// What the newest counts more than the oldest.
const RISE: f64 = 0.5;

/// The last twenty looks, the newest in the lowest bit. One that never looked saw no change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlapRing(u32);

impl FlapRing {
    /// One more look: whether the state changed since the one before.
    pub fn push(&mut self, changed: bool) {
        self.0 = ((self.0 << 1) | u32::from(changed)) & ((1 << LOOKS) - 1);
    }

    /// The newest look saw a change after all.
    pub fn mark(&mut self) {
        self.0 |= 1;
    }

    /// So many looks that saw no change.
    pub fn rest(&mut self, looks: u64) {
        self.0 = match u32::try_from(looks) {
            Ok(looks) if looks < LOOKS => (self.0 << looks) & ((1 << LOOKS) - 1),
            _ => 0,
        };
    }

    /// Whether no look of the last twenty saw a change.
    pub fn is_calm(self) -> bool {
        self.0 == 0
    }

    /// How restless it is: 0 to 100.
    pub fn percent(self) -> f64 {
        let step = RISE / f64::from(LOOKS - 1);
        let changes: f64 = (0..LOOKS)
            .filter(|age| self.0 & (1 << age) != 0)
            .map(|age| OLDEST + step * f64::from(LOOKS - 1 - age))
            .sum();
        changes * 100.0 / f64::from(LOOKS)
    }

    /// The looks as a number, to be kept; [`FlapRing::from_bits`] reads it back.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// What [`FlapRing::bits`] gave.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & ((1 << LOOKS) - 1))
    }
}

/// A ring whose looks are spans of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlapClock {
    ring: FlapRing,
    /// When the newest look began.
    began: UnixMs,
}

impl FlapClock {
    /// One that has seen nothing yet.
    pub fn new(now: UnixMs) -> Self {
        Self { ring: FlapRing::default(), began: now }
    }

    /// The state changed. `look_ms` is the length of a look (more than 0), the same in every call.
    pub fn changed(&mut self, now: UnixMs, look_ms: i64) {
        self.advance(now, look_ms);
        self.ring.mark();
    }

    /// What [`FlapClock::kept`] gave.
    pub fn restored(ring: FlapRing, began: UnixMs) -> Self {
        Self { ring, began }
    }

    /// When the newest look began, and the looks as a number.
    pub fn kept(&self) -> (UnixMs, u32) {
        (self.began, self.ring.bits())
    }

    /// How restless it is now: 0 to 100.
    pub fn percent(&self, now: UnixMs, look_ms: i64) -> f64 {
        let mut later = *self;
        later.advance(now, look_ms);
        later.ring.percent()
    }

    /// The first moment from which it is at most `percent` if nothing changes any more.
    pub fn calm_at(&self, now: UnixMs, look_ms: i64, percent: f64) -> UnixMs {
        let mut later = *self;
        later.advance(now, look_ms);
        if later.ring.percent() <= percent {
            return now;
        }
        for _ in 0..=LOOKS {
            later.began = later.began + look_ms;
            later.ring.rest(1);
            if later.ring.percent() <= percent {
                break;
            }
        }
        later.began
    }

    fn advance(&mut self, now: UnixMs, look_ms: i64) {
        let looks = now.since_ms(self.began).max(0) / look_ms.max(1);
        if looks > 0 {
            self.ring.rest(looks.unsigned_abs());
            self.began = self.began + looks * look_ms.max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty looks, oldest first.
    fn percent(changed: impl Fn(u32) -> bool) -> f64 {
        let mut ring = FlapRing::default();
        (0..LOOKS).for_each(|look| ring.push(changed(look)));
        (ring.percent() * 100.0).round() / 100.0
    }

    fn same(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 0.005, "{found} is not {wanted}");
    }

    #[test]
    fn the_published_vectors() {
        same(percent(|look| look >= 17), 18.36);
        same(percent(|look| look >= 16), 24.21);
        same(percent(|look| look % 5 == 4), 21.05);
        same(percent(|look| look % 10 == 9), 11.18);
        same(percent(|_| true), 100.0);
        same(percent(|look| look == 0), 3.75);
        same(percent(|_| false), 0.0);
    }

    #[test]
    fn the_twenty_first_look_is_forgotten() {
        let mut ring = FlapRing::default();
        ring.push(true);
        (0..19).for_each(|_| ring.push(false));
        same(ring.percent(), 3.75);
        ring.push(false);
        assert!(ring.is_calm());
        let mut long = FlapRing::default();
        long.push(true);
        long.rest(1 << 40);
        assert!(long.is_calm());
    }

    #[test]
    fn a_look_of_time_counts_once() {
        let look = 180_000;
        let mut clock = FlapClock::new(UnixMs(0));
        for ms in [0, 1_000, 2_000] {
            clock.changed(UnixMs(ms), look);
        }
        same(clock.percent(UnixMs(2_000), look), 6.25);
        for n in 1..4 {
            clock.changed(UnixMs(n * look), look);
        }
        same((clock.percent(UnixMs(3 * look), look) * 100.0).round() / 100.0, 24.21);
        let calm = clock.calm_at(UnixMs(3 * look), look, 5.0);
        assert!(clock.percent(calm, look) <= 5.0);
        assert!(clock.percent(calm + -1, look) > 5.0);
        assert_eq!(clock.calm_at(calm, look, 5.0), calm);
    }

    #[test]
    fn it_is_kept_as_a_number() {
        let mut ring = FlapRing::default();
        ring.push(true);
        ring.push(false);
        assert_eq!(FlapRing::from_bits(ring.bits()), ring);
        assert_eq!(FlapRing::from_bits(u32::MAX).bits(), (1 << LOOKS) - 1);
    }
}
