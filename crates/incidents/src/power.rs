//! How much power sessions get: of a connector's last ones, and what is usual for its kind (`DERATED`).
//!
//! Power is kept in classes a fourth of a doubling apart: how many readings each had while a session runs
//! (88 bytes), and nothing of single readings. Readings above the band of charge in which batteries take full power do not count.

use mendpoint_model::{ConnectorRef, UnixMs};
use smallvec::SmallVec;

/// How many classes there are: from 500 W to about 1 MW.
pub(crate) const CLASSES: usize = 44;
/// The power that the lowest class begins at, W.
const LEAST_W: f64 = 500.0;
/// Above this state of charge batteries take less, percent.
const BAND_SOC: f64 = 60.0;
/// A session with fewer readings in the band says nothing.
const READINGS_MIN: u32 = 3;
/// Nor one that delivered less, Wh.
const ENERGY_MIN_WH: f64 = 1_000.0;
/// How many sessions of a connector are kept.
pub(crate) const KEPT: usize = 20;
/// So many different cards, at least, must be among the sessions: one car alone may be what is slow.
const CARDS_MIN: usize = 3;
/// So many sessions of its kind say what is usual.
const USUAL_MIN: f64 = 20.0;

/// The class of a power, W; `None` below the lowest.
pub(crate) fn class_of(power_w: f64) -> Option<usize> {
    if !power_w.is_finite() || power_w < LEAST_W {
        return None;
    }
    let class = ((power_w / LEAST_W).log2() * 4.0) as usize;
    Some(class.min(CLASSES - 1))
}

/// The power in the middle of a class, W.
pub(crate) fn power_of(class: usize) -> f64 {
    LEAST_W * ((class as f64 + 0.5) / 4.0).exp2()
}

/// The class below which half of what is counted lies; `None` where too little is.
pub(crate) fn median(counts: &[f64]) -> Option<f64> {
    let all: f64 = counts.iter().sum();
    if all < USUAL_MIN {
        return None;
    }
    let mut below = 0.0;
    counts
        .iter()
        .position(|count| {
            below += count;
            below * 2.0 >= all
        })
        .map(power_of)
}

/// A session that runs.
#[derive(Clone, Debug)]
struct Running {
    at: ConnectorRef,
    counts: Box<[u16; CLASSES]>,
}

/// A session that is over.
#[derive(Clone, Copy, Debug)]
struct Session {
    at: ConnectorRef,
    class: u8,
    card: u32,
}

/// The power of a charger's sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct PowerLog {
    running: SmallVec<[Running; 0]>,
    sessions: Vec<Session>,
}

impl PowerLog {
    /// A reading within a session.
    pub(crate) fn read(&mut self, at: ConnectorRef, power_w: f64, soc_percent: Option<f64>) {
        if soc_percent.is_some_and(|soc| soc > BAND_SOC) {
            return;
        }
        let Some(class) = class_of(power_w) else { return };
        let index = self.running.iter().position(|running| running.at == at);
        let index = index.unwrap_or_else(|| {
            self.running.push(Running { at, counts: Box::new([0; CLASSES]) });
            self.running.len() - 1
        });
        let count = &mut self.running[index].counts[class];
        *count = count.saturating_add(1);
    }

    /// A session is over: the class that 95 of 100 of its readings do not exceed, where it says
    /// something.
    pub(crate) fn over(
        &mut self,
        at: ConnectorRef,
        energy_wh: Option<f64>,
        card: u32,
    ) -> Option<usize> {
        let index = self.running.iter().position(|running| running.at == at)?;
        let counts = self.running.swap_remove(index).counts;
        let all: u32 = counts.iter().map(|count| u32::from(*count)).sum();
        if all < READINGS_MIN || energy_wh.is_none_or(|wh| wh < ENERGY_MIN_WH) {
            return None;
        }
        let mut below = 0;
        let class = counts.iter().position(|count| {
            below += u32::from(*count);
            below * 100 >= all * 95
        })?;
        let here = self.sessions.iter().filter(|session| session.at == at).count();
        if here >= KEPT
            && let Some(oldest) = self.sessions.iter().position(|session| session.at == at)
        {
            self.sessions.remove(oldest);
        }
        self.sessions.push(Session { at, class: class as u8, card });
        Some(class)
    }

    /// The most power that one of the last so many sessions at a connector got, W; `None` where there
    /// are fewer, or where too few different cards are among them.
    pub(crate) fn most(&self, at: ConnectorRef, last: usize) -> Option<f64> {
        let of_place = self.sessions.iter().rev().filter(|session| session.at == at);
        let recent: SmallVec<[&Session; KEPT]> = of_place.take(last).collect();
        let mut cards: SmallVec<[u32; KEPT]> = recent.iter().map(|session| session.card).collect();
        cards.sort_unstable();
        cards.dedup();
        let enough = recent.len() == last && cards.len() >= CARDS_MIN.min(last);
        let most = recent.iter().map(|session| session.class).max().filter(|_| enough)?;
        Some(power_of(usize::from(most)))
    }
}

/// How fast a charger uses up its budget of uptime, as multiples of what would use it up exactly by the
/// end of the year (`UPTIME_BUDGET`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UptimeBurn {
    /// Over the last five minutes.
    pub five_minutes: f64,
    /// Over the last hour.
    pub hour: f64,
    /// Over the last six hours.
    pub six_hours: f64,
    /// Over the last three days.
    pub three_days: f64,
    /// When that was.
    pub at: UnixMs,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ConnectorRef = ConnectorRef { evse: 1, connector: 1 };

    fn session(log: &mut PowerLog, power_w: f64, card: u32) -> Option<usize> {
        for _ in 0..10 {
            log.read(ONE, power_w, Some(40.0));
        }
        log.over(ONE, Some(20_000.0), card)
    }

    #[test]
    fn a_class_is_a_fourth_of_a_doubling() {
        assert_eq!(class_of(499.0), None);
        assert_eq!(class_of(500.0), Some(0));
        assert_eq!(class_of(1_000.0), Some(4));
        assert_eq!(class_of(f64::NAN), None);
        assert_eq!(class_of(1e12), Some(CLASSES - 1));
        for power_w in [750.0, 3_700.0, 11_000.0, 50_000.0, 350_000.0] {
            let told = power_of(class_of(power_w).expect("a class"));
            assert!((told / power_w - 1.0).abs() < 0.1, "{power_w} W is told as {told} W");
        }
    }

    #[test]
    fn the_best_of_the_last_sessions_counts_and_one_car_says_nothing() {
        let mut log = PowerLog::default();
        for card in 0..5 {
            assert!(session(&mut log, 20_000.0, card).is_some());
        }
        let most = log.most(ONE, 5).expect("five sessions of five cards");
        assert!((most / 20_000.0 - 1.0).abs() < 0.1, "{most}");
        assert_eq!(log.most(ONE, 6), None);
        let mut same = PowerLog::default();
        (0..5).for_each(|_| assert!(session(&mut same, 20_000.0, 7).is_some()));
        assert_eq!(same.most(ONE, 5), None, "one car");
    }

    #[test]
    fn a_nearly_full_battery_and_a_short_session_say_nothing() {
        let mut log = PowerLog::default();
        (0..10).for_each(|_| log.read(ONE, 5_000.0, Some(85.0)));
        assert_eq!(log.over(ONE, Some(5_000.0), 1), None);
        (0..10).for_each(|_| log.read(ONE, 5_000.0, None));
        assert_eq!(log.over(ONE, Some(200.0), 1), None);
        assert_eq!(log.over(ONE, Some(5_000.0), 1), None, "it is over");
    }

    #[test]
    fn half_of_a_kind_is_its_median() {
        let mut counts = vec![0.0; CLASSES];
        counts[10] = 9.0;
        counts[20] = 10.0;
        assert_eq!(median(&counts), None, "too few");
        counts[20] = 11.0;
        assert_eq!(median(&counts), Some(power_of(20)));
    }
}
