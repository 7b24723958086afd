//! The strip below the honeycomb: what was healed and what a person ended, over time.

use mendpoint_model::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs};
use mendpoint_pipeline::Handle;
use mendpoint_store::{Error, HourStats};

use crate::show;

/// The drawing is 640 wide and 60 high; bars stand on this line.
const GROUND: f64 = 56.0;
const WIDTH: f64 = 640.0;
/// The highest bar.
const HIGHEST: f64 = 52.0;
/// Between the parts of a bar.
const GAP: f64 = 1.0;

/// What ended in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    healed: u64,
    by_itself: u64,
    by_person: u64,
}

impl Bucket {
    fn total(self) -> u64 {
        self.healed + self.by_itself + self.by_person
    }
}

/// A rectangle of the drawing, numbers as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// `a` healed, `c` went away, `b` a person.
    pub(crate) class: &'static str,
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) width: String,
    pub(crate) height: String,
}

/// The strip.
#[derive(Clone, Debug)]
pub(crate) struct Strip {
    pub(crate) title: &'static str,
    pub(crate) healed: u64,
    pub(crate) by_itself: u64,
    pub(crate) by_person: u64,
    /// Those that have not ended and wait for a person now: they are in the queue, in no bar.
    pub(crate) waiting: u64,
    pub(crate) bars: Vec<Bar>,
    /// Times along the axis.
    pub(crate) labels: Vec<String>,
}

impl Strip {
    /// The last 24 hours; while all there is happened within an hour, the last hour.
    pub(crate) async fn read(handle: &Handle) -> Result<Self, Error> {
        let now = handle.now();
        let hours = handle.store().incident_hours(now, 24).await?;
        let waiting = handle.store().incident_counts().await?.needs_person;
        let is_young = now.since_ms(handle.vitals().started_at) < HOUR_MS;
        if !(is_young && is_quiet_before_the_last(&hours)) {
            let buckets: Vec<_> = hours.iter().map(Bucket::from).collect();
            let from = now - DAY_MS;
            let labels = labels(from, 3 * HOUR_MS, 8);
            return Ok(Self::new("Last 24 hours", waiting, &buckets, labels));
        }
        let from = now - HOUR_MS;
        let parts = handle.store().incident_parts(now, 5 * MINUTE_MS, 12).await?;
        let buckets: Vec<_> = parts.iter().map(Bucket::from).collect();
        let labels = labels(from, 15 * MINUTE_MS, 4);
        Ok(Self::new("Last hour", waiting, &buckets, labels))
    }

    fn new(title: &'static str, waiting: u64, buckets: &[Bucket], labels: Vec<String>) -> Self {
        let sum = |of: fn(&Bucket) -> u64| buckets.iter().map(of).sum();
        Self {
            title,
            healed: sum(|bucket| bucket.healed),
            by_itself: sum(|bucket| bucket.by_itself),
            by_person: sum(|bucket| bucket.by_person),
            waiting,
            bars: bars(buckets),
            labels,
        }
    }
}

impl From<&HourStats> for Bucket {
    fn from(hour: &HourStats) -> Self {
        Self { healed: hour.healed, by_itself: hour.by_itself, by_person: hour.by_person }
    }
}

fn is_quiet_before_the_last(hours: &[HourStats]) -> bool {
    hours.iter().rev().skip(1).all(|hour| Bucket::from(hour).total() == 0)
}

/// The times along the axis, and `now` below the newest bar.
fn labels(from: UnixMs, step_ms: i64, steps: i64) -> Vec<String> {
    let mut labels: Vec<_> = (0..steps).map(|n| clock(from + n * step_ms)).collect();
    labels.push("now".to_owned());
    labels
}

fn clock(at: UnixMs) -> String {
    show::clock(at).chars().take(5).collect()
}

fn bars(buckets: &[Bucket]) -> Vec<Bar> {
    let highest = buckets.iter().map(|bucket| bucket.total()).max().unwrap_or_default();
    if highest == 0 {
        return Vec::new();
    }
    // Few incidents do not become high bars: four is the least scale.
    let unit = HIGHEST / highest.max(4) as f64;
    let stride = WIDTH / buckets.len() as f64;
    let mut bars = Vec::new();
    for (place, bucket) in buckets.iter().enumerate() {
        let mut top = GROUND;
        for (class, count) in
            [("a", bucket.healed), ("c", bucket.by_itself), ("b", bucket.by_person)]
        {
            if count == 0 {
                continue;
            }
            let height = (count as f64 * unit - GAP).max(1.0);
            top -= height;
            bars.push(Bar {
                class,
                x: format!("{:.1}", place as f64 * stride + stride * 0.11),
                y: format!("{top:.1}"),
                width: format!("{:.1}", stride * 0.78),
                height: format!("{height:.1}"),
            });
            top -= GAP;
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(healed: u64, by_itself: u64, by_person: u64) -> Bucket {
        Bucket { healed, by_itself, by_person }
    }

    #[test]
    fn bars_stand_on_the_ground_and_on_each_other() {
        let bars = bars(&[bucket(4, 0, 0), bucket(1, 0, 3)]);
        let parts: Vec<_> = bars.iter().map(|bar| (bar.class, &*bar.y, &*bar.height)).collect();
        assert_eq!(parts, [("a", "5.0", "51.0"), ("a", "44.0", "12.0"), ("b", "5.0", "38.0")]);
        assert_eq!(bars[1].x, "355.2");
    }

    #[test]
    fn nothing_draws_nothing_and_one_stays_low() {
        assert!(bars(&[Bucket::default(); 3]).is_empty());
        let one = bars(&[bucket(1, 0, 0)]);
        assert_eq!(one[0].height, "12.0", "a quarter of the height");
    }

    #[test]
    fn the_newest_bar_is_now() {
        let labels = labels(UnixMs(1_790_000_000_000), 15 * MINUTE_MS, 4);
        assert_eq!(labels, ["14:13", "14:28", "14:43", "14:58", "now"]);
    }

    #[test]
    fn only_a_quiet_past_lets_the_hour_be_shown() {
        let mut hours = vec![HourStats::default(); 24];
        hours[23].healed = 5;
        assert!(is_quiet_before_the_last(&hours));
        hours[3].by_person = 1;
        assert!(!is_quiet_before_the_last(&hours));
    }
}
