//! Whose clock is right: the charger's own times are judged before anything goes by them.

use mendpoint_model::{DAY_MS, MINUTE_MS, SECOND_MS, UnixMs};

use crate::settings::FleetSettings;

/// How far from now a corrected time may lie before it is nonsense and the time of receipt stands
/// in for it (behaviour 44). Chargers offload months of backlog, so the past is generous.
const PAST_MAX_MS: i64 = 400 * DAY_MS;

/// How far two readings of a clock may differ to count as the same skew.
const SAME_SKEW_MS: i64 = 15 * SECOND_MS;

/// How long a new skew must hold before it is believed. A queue is replayed in a burst, so its
/// delays shrink from message to message; a wrong clock is wrong by the same amount a minute later.
const NEW_SKEW_HOLDS_MS: i64 = MINUTE_MS;

/// A skew below this is none: clocks that count seconds and messages under way look like that, and the
/// charger's own time is what stands on its bill.
const UNSURE_MS: i64 = 2 * SECOND_MS;

/// Chargers cut their times to whole seconds.
const GRAIN_MS: i64 = 5 * SECOND_MS;

/// When something happened, as far as the charger can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// The corrected time, never after the time of receipt.
    pub(crate) at: UnixMs,
    /// Whether it came from the charger's offline queue.
    pub(crate) historical: bool,
    /// Whether `at` is the charger's time and not our own standing in for it.
    pub(crate) told: bool,
}

/// The estimate of one charger's skew that is not believed yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SkewCandidate {
    since: UnixMs,
    skew_ms: i64,
}

/// Judges the charger's `own` time of a message.
pub(crate) fn judge(
    settings: &FleetSettings,
    skew_ms: Option<i64>,
    received_at: UnixMs,
    own: Option<UnixMs>,
) -> Timing {
    let receipt = Timing { at: received_at, historical: false, told: false };
    let Some(own) = own else { return receipt };
    // A time near ours needs no correction, and a clock that was just set right must not be judged
    // by the skew it had before.
    if received_at.since_ms(own).saturating_abs() <= settings.late_ms {
        return Timing { at: own.min(received_at), historical: false, told: true };
    }
    let corrected = own + skew_ms.filter(|skew| skew.abs() >= UNSURE_MS).unwrap_or(0);
    let delay_ms = received_at.since_ms(corrected);
    if delay_ms > PAST_MAX_MS || delay_ms < -settings.late_ms {
        return receipt;
    }
    Timing { at: corrected.min(received_at), historical: delay_ms > settings.late_ms, told: true }
}

/// Takes one reading of a charger's clock into the estimate of its skew: an exponentially weighted
/// mean (weight 1/8) over messages sent while online (incidents 1.2).
///
/// No version says whether a message waited in a queue, so a reading counts when it lies after the
/// connection opened and near the estimate; anything else must repeat itself for a minute.
pub(crate) fn observe(
    settings: &FleetSettings,
    skew_ms: &mut Option<i64>,
    candidate: &mut Option<Box<SkewCandidate>>,
    connected_since: Option<UnixMs>,
    received_at: UnixMs,
    own: UnixMs,
) {
    let sample_ms = received_at.since_ms(own);
    let estimate_ms = skew_ms.unwrap_or(0);
    let is_near = sample_ms.saturating_sub(estimate_ms).saturating_abs() <= settings.late_ms;
    let sent_online =
        connected_since.is_none_or(|since| (own + estimate_ms).since_ms(since) >= -GRAIN_MS);
    if is_near && sent_online {
        *skew_ms = Some(match *skew_ms {
            Some(skew_ms) => skew_ms.saturating_add(sample_ms.saturating_sub(skew_ms) / 8),
            None => sample_ms,
        });
        *candidate = None;
        return;
    }
    match candidate {
        Some(held) if held.skew_ms.saturating_sub(sample_ms).saturating_abs() <= SAME_SKEW_MS => {
            if received_at.since_ms(held.since) >= NEW_SKEW_HOLDS_MS {
                *skew_ms = Some(sample_ms);
                *candidate = None;
            }
        }
        _ => {
            let held = SkewCandidate { since: received_at, skew_ms: sample_ms };
            *candidate = Some(Box::new(held));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn at(own: UnixMs, skew_ms: Option<i64>) -> Timing {
        judge(&FleetSettings::default(), skew_ms, NOW, Some(own))
    }

    #[test]
    fn b44_absurd_clocks_fall_back_to_the_time_of_receipt() {
        for own in [UnixMs(0), UnixMs(-62_135_596_800_000), NOW + 400 * DAY_MS, UnixMs(i64::MIN)] {
            let timing = at(own, None);
            assert_eq!(timing.at, NOW, "{own}");
            assert!(!timing.historical && !timing.told, "{own}");
        }
    }

    #[test]
    fn a_clock_that_counts_seconds_is_not_corrected() {
        let own = NOW - 10 * MINUTE_MS;
        assert_eq!(at(own, Some(612)).at, own);
        assert_eq!(at(own, Some(-1_900)).at, own);
        assert_eq!(at(own, Some(5 * SECOND_MS)).at, own + 5 * SECOND_MS);
    }

    #[test]
    fn late_means_more_than_300_seconds_by_the_corrected_clock() {
        assert!(!at(NOW - 300 * SECOND_MS, None).historical);
        assert!(at(NOW - 301 * SECOND_MS, None).historical);
        // A clock that is an hour slow is not a queue.
        let slow = at(NOW - 60 * MINUTE_MS, Some(60 * MINUTE_MS));
        assert!(!slow.historical);
        assert_eq!(slow.at, NOW);
        // And its queue is still one.
        assert!(at(NOW - 70 * MINUTE_MS, Some(60 * MINUTE_MS)).historical);
    }

    #[test]
    fn a_replayed_queue_does_not_move_the_skew() {
        let settings = FleetSettings::default();
        let (mut skew, mut candidate) = (Some(200), None);
        for message in 0..100 {
            let received = NOW + message * 100;
            let own = NOW - 2 * 60 * MINUTE_MS + message * 60 * SECOND_MS;
            observe(&settings, &mut skew, &mut candidate, Some(NOW), received, own);
        }
        assert_eq!(skew, Some(200));
    }

    #[test]
    fn a_wrong_clock_is_believed_after_a_minute_and_followed_slowly() {
        let settings = FleetSettings::default();
        let (mut skew, mut candidate) = (None, None);
        let hour = 60 * MINUTE_MS;
        observe(&settings, &mut skew, &mut candidate, Some(NOW), NOW, NOW - hour);
        assert_eq!(skew, None);
        let later = NOW + MINUTE_MS;
        observe(&settings, &mut skew, &mut candidate, Some(NOW), later, later - hour);
        assert_eq!(skew, Some(hour));
        observe(&settings, &mut skew, &mut candidate, Some(NOW), later, later - hour - 800);
        assert_eq!(skew, Some(hour + 100));
    }
}
