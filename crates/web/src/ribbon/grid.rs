//! Round times behind the bands.

use mendpoint_model::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs};

/// Steps of the grid, from fine to coarse.
const STEPS_MS: [i64; 14] = [
    5 * SECOND_MS,
    10 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    7 * DAY_MS,
];

/// Round times between the ends, at most nine.
pub(super) fn ticks(from: UnixMs, to: UnixMs) -> Vec<UnixMs> {
    let whole = to.since_ms(from);
    let step = STEPS_MS.into_iter().find(|step| whole / step <= 8).unwrap_or(30 * DAY_MS);
    let first = (from.0 + step - 1).div_euclid(step) * step;
    (0..=9).map(|index| UnixMs(first + index * step)).take_while(|at| *at <= to).collect()
}

pub(super) fn tick_label(at: UnixMs, whole_ms: i64) -> String {
    let text = at.to_string();
    let part = |from: usize, len: usize| text.chars().skip(from).take(len).collect::<String>();
    match whole_ms {
        0..=600_000 => part(11, 8),
        _ if whole_ms <= 2 * DAY_MS => part(11, 5),
        _ => part(5, 5),
    }
}
