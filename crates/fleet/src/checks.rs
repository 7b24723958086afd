//! Checks of a finished transaction: soft ones ask for a look, hard ones say that the money is
//! wrong (behaviour 59). Pure: the same transaction gives the same findings.

use mendpoint_model::{DAY_MS, Finding, FindingCode, HOUR_MS, MINUTE_MS, Transaction, UnixMs};

use crate::sequence;

/// A transaction may last this long before somebody should look.
const LONG_MS: i64 = 2 * DAY_MS;

/// From this length on a transaction without energy is worth a look.
const NO_ENERGY_MS: i64 = 15 * MINUTE_MS;

/// Energy below which nothing was delivered, Wh.
const NO_ENERGY_WH: f64 = 10.0;

/// Two transactions that share less than this did not overlap: chargers cut times to seconds.
const OVERLAP_MS: i64 = 2_000;

/// An end this much before the start is no matter of rounding.
const BEFORE_START_MS: i64 = MINUTE_MS;

/// What a register may fall without having run backwards: some meters round to 0.1 kWh, Wh.
const ROUNDING_WH: f64 = 100.0;

/// What may always be added to the energy that the power allows, Wh.
const SLACK_WH: f64 = 1_000.0;

/// The checks that a close makes anew each time: of those, what no longer holds is taken back when
/// a close is corrected.
pub(crate) const AT_CLOSE: [FindingCode; 9] = [
    FindingCode::EnergyTooHigh,
    FindingCode::ZeroEnergy,
    FindingCode::StoppedByOther,
    FindingCode::Overlap,
    FindingCode::TooLong,
    FindingCode::SeqGap,
    FindingCode::EndNotTold,
    FindingCode::NoRegister,
    FindingCode::EndBeforeStart,
];

/// Another transaction of the same EVSE.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) id: mendpoint_model::TransactionId,
    pub(crate) from: UnixMs,
    pub(crate) until: UnixMs,
}

/// A transaction that is closed, and what is known of the closing.
#[derive(Debug)]
pub(crate) struct Closing<'a> {
    /// Its last state.
    pub(crate) transaction: &'a Transaction,
    /// When it ended.
    pub(crate) ended_at: UnixMs,
    /// Whether the charger told the end, or we gave it up.
    pub(crate) told: bool,
    /// Whether the end replaces one that we gave it.
    pub(crate) replaces: bool,
    /// The newest sample before the end, Wh.
    pub(crate) sampled_wh: Option<f64>,
    /// Whether it, or its end, waited in the charger.
    pub(crate) offline: bool,
    /// Other transactions of the EVSE.
    pub(crate) others: &'a [Span],
    /// What a connector can deliver at most, W.
    pub(crate) power_max_w: f64,
}

/// What is odd about a transaction that is closed.
pub(crate) fn check(closing: &Closing<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    register(closing, &mut findings);
    times(closing, &mut findings);
    messages(closing, &mut findings);
    findings
}

fn register(closing: &Closing<'_>, findings: &mut Vec<Finding>) {
    let transaction = closing.transaction;
    let mut add = |code, sentence| findings.push(Finding::new(code, sentence));
    let (Some(start_wh), Some(end_wh)) = (transaction.meter_start_wh, transaction.meter_wh) else {
        let sentence = match (transaction.meter_start_wh, transaction.meter_wh) {
            (Some(_), None) => "The register at the end was never told, so the energy is unknown.",
            _ => "No register was told, so the energy is unknown.",
        };
        return add(FindingCode::NoRegister, sentence.to_owned());
    };
    if end_wh < start_wh as f64 {
        add(
            FindingCode::RegisterBackwards,
            format!("The register ran backwards, from {start_wh} Wh to {end_wh:.0} Wh."),
        );
        return;
    }
    if let Some(sampled_wh) = closing.sampled_wh
        && end_wh + ROUNDING_WH < sampled_wh
    {
        add(
            FindingCode::RegisterBackwards,
            format!(
                "The register at the end, {end_wh:.0} Wh, is below the one measured before, {sampled_wh:.0} Wh."
            ),
        );
    }
    let energy_wh = end_wh - start_wh as f64;
    let lasted_ms = closing.ended_at.since_ms(transaction.started_at).max(0);
    let possible_wh = possible_wh(closing.power_max_w, lasted_ms);
    if energy_wh > possible_wh {
        add(
            FindingCode::EnergyTooHigh,
            format!(
                "{:.1} kWh in {} is more than {:.0} kW can deliver.",
                energy_wh / 1_000.0,
                duration(lasted_ms),
                closing.power_max_w / 1_000.0
            ),
        );
    }
    if energy_wh < NO_ENERGY_WH && lasted_ms >= NO_ENERGY_MS {
        add(FindingCode::ZeroEnergy, format!("It delivered no energy in {}.", duration(lasted_ms)));
    }
}

fn times(closing: &Closing<'_>, findings: &mut Vec<Finding>) {
    let transaction = closing.transaction;
    let mut add = |code, sentence| findings.push(Finding::new(code, sentence));
    let lasted_ms = closing.ended_at.since_ms(transaction.started_at);
    let clock_is_odd = transaction.found.contains(&FindingCode::ClockOdd);
    if lasted_ms < -BEFORE_START_MS && !clock_is_odd {
        add(
            FindingCode::EndBeforeStart,
            format!("It ended at {}, {} before it began.", closing.ended_at, duration(-lasted_ms)),
        );
    }
    if lasted_ms > LONG_MS {
        add(FindingCode::TooLong, format!("It lasted {}.", duration(lasted_ms)));
    }
    let overlapped = closing.others.iter().find(|other| {
        other.id != transaction.id
            && other.until.since_ms(transaction.started_at) > OVERLAP_MS
            && closing.ended_at.since_ms(other.from) > OVERLAP_MS
    });
    if let Some(other) = overlapped {
        add(
            FindingCode::Overlap,
            format!(
                "Transaction {} ran on the same connector at the same time, from {} to {}.",
                other.id, other.from, other.until
            ),
        );
    }
}

fn messages(closing: &Closing<'_>, findings: &mut Vec<Finding>) {
    let transaction = closing.transaction;
    let mut add = |code, sentence| findings.push(Finding::new(code, sentence));
    if !closing.told {
        let sentence = "The charger never told the end; the energy is what was measured last.";
        add(FindingCode::EndNotTold, sentence.to_owned());
    }
    if !transaction.missing.is_empty() {
        let missing = sequence::missing_words(&transaction.missing);
        add(FindingCode::SeqGap, format!("Of its messages these never came: {missing}."));
    }
    if closing.offline {
        let sentence = if closing.replaces && !transaction.offline {
            "The charger told its end late, after it had been closed here: its own end replaced ours."
        } else {
            "The charger sent it from its queue, after it had been offline."
        };
        add(FindingCode::Offline, sentence.to_owned());
    }
    if let Some(stop_token) = &transaction.stop_token
        && !transaction.id_token.is_empty()
        && !stop_token.eq_ignore_ascii_case(&transaction.id_token)
    {
        let sentence = "Another card ended it than the one that began it.";
        add(FindingCode::StoppedByOther, sentence.to_owned());
    }
}

/// What a connector can deliver in a time, with room for clocks and rounding, Wh.
pub(crate) fn possible_wh(power_max_w: f64, lasted_ms: i64) -> f64 {
    power_max_w * 1.1 * (lasted_ms.max(0) as f64 / HOUR_MS as f64) + SLACK_WH
}

/// What is odd about two samples of a register, the second one `after_ms` later.
pub(crate) fn step(
    before_wh: f64,
    now_wh: f64,
    after_ms: i64,
    power_max_w: f64,
) -> Option<Finding> {
    if now_wh + ROUNDING_WH < before_wh {
        return Some(Finding::new(
            FindingCode::RegisterBackwards,
            format!("The register fell from {before_wh:.0} Wh to {now_wh:.0} Wh while it ran."),
        ));
    }
    if now_wh - before_wh > possible_wh(power_max_w, after_ms) {
        return Some(Finding::new(
            FindingCode::RegisterJumped,
            format!(
                "The register jumped from {before_wh:.0} Wh to {now_wh:.0} Wh within {}.",
                duration(after_ms)
            ),
        ));
    }
    None
}

/// A length of time for people.
fn duration(ms: i64) -> String {
    let minutes = ms / MINUTE_MS;
    match minutes {
        0 => format!("{} s", ms / 1_000),
        1..=119 => format!("{minutes} min"),
        120..=2_879 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::TransactionId;

    use super::*;

    const START: UnixMs = UnixMs(1_790_000_000_000);

    fn sound() -> Transaction {
        Transaction {
            id: TransactionId(41),
            id_token: "TAG".into(),
            started_at: START,
            meter_start_wh: Some(1_000),
            meter_wh: Some(8_000.0),
            ..Transaction::default()
        }
    }

    fn codes(transaction: &Transaction, lasted_ms: i64) -> Vec<FindingCode> {
        let closing = Closing {
            transaction,
            ended_at: START + lasted_ms,
            told: true,
            replaces: false,
            sampled_wh: None,
            offline: false,
            others: &[],
            power_max_w: 22_000.0,
        };
        check(&closing).into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn b59_a_sound_transaction_has_no_findings() {
        assert_eq!(codes(&sound(), HOUR_MS), []);
    }

    #[test]
    fn b59_each_oddity_has_its_code() {
        use FindingCode as C;
        let tell = |change: fn(&mut Transaction), lasted_ms: i64| {
            let mut transaction = sound();
            change(&mut transaction);
            codes(&transaction, lasted_ms)
        };
        assert_eq!(tell(|t| t.meter_wh = Some(400.0), HOUR_MS), [C::RegisterBackwards]);
        assert_eq!(tell(|t| t.meter_wh = None, HOUR_MS), [C::NoRegister]);
        assert_eq!(tell(|t| t.meter_start_wh = None, HOUR_MS), [C::NoRegister]);
        assert_eq!(tell(|t| t.meter_wh = Some(90_000.0), HOUR_MS), [C::EnergyTooHigh]);
        assert_eq!(tell(|t| t.meter_wh = Some(1_009.0), 15 * MINUTE_MS), [C::ZeroEnergy]);
        assert_eq!(tell(|t| t.meter_wh = Some(1_009.0), 14 * MINUTE_MS), []);
        assert_eq!(tell(|_| {}, -2 * MINUTE_MS), [C::EnergyTooHigh, C::EndBeforeStart]);
        assert_eq!(tell(|_| {}, LONG_MS), []);
        assert_eq!(tell(|_| {}, LONG_MS + 1), [C::TooLong]);
        assert_eq!(tell(|t| t.missing = vec![(3, 5)], HOUR_MS), [C::SeqGap]);
        assert_eq!(tell(|t| t.stop_token = Some("OTHER".into()), HOUR_MS), [C::StoppedByOther]);
        assert_eq!(tell(|t| t.stop_token = Some("tag".into()), HOUR_MS), []);
    }

    #[test]
    fn b59_what_the_closing_tells_is_found_too() {
        use FindingCode as C;
        let transaction = sound();
        let other = |from: i64, until: i64| Span {
            id: TransactionId(40),
            from: START + from,
            until: START + until,
        };
        let closing = |others: &[Span], told, sampled_wh, offline| {
            let ended_at = START + HOUR_MS;
            let power_max_w = 22_000.0;
            let transaction = &transaction;
            let replaces = false;
            let closing = Closing {
                transaction,
                ended_at,
                told,
                replaces,
                sampled_wh,
                offline,
                others,
                power_max_w,
            };
            check(&closing).into_iter().map(|finding| finding.code).collect::<Vec<_>>()
        };
        assert_eq!(closing(&[other(-HOUR_MS, 2_000)], true, None, false), []);
        assert_eq!(closing(&[other(-HOUR_MS, 2_001)], true, None, false), [C::Overlap]);
        assert_eq!(closing(&[other(HOUR_MS, 2 * HOUR_MS)], true, None, false), []);
        assert_eq!(closing(&[], false, None, false), [C::EndNotTold]);
        assert_eq!(closing(&[], true, None, true), [C::Offline]);
        assert_eq!(closing(&[], true, Some(8_100.0), false), []);
        assert_eq!(closing(&[], true, Some(8_101.0), false), [C::RegisterBackwards]);
    }

    #[test]
    fn b59_two_samples_show_a_jump_or_a_fall() {
        let code = |before, now, after| step(before, now, after, 22_000.0).map(|f| f.code);
        assert_eq!(code(1_000.0, 1_360.0, MINUTE_MS), None);
        assert_eq!(code(1_000.0, 950.0, MINUTE_MS), None, "rounding");
        assert_eq!(code(1_000.0, 800.0, MINUTE_MS), Some(FindingCode::RegisterBackwards));
        assert_eq!(code(1_000.0, 9_000.0, MINUTE_MS), Some(FindingCode::RegisterJumped));
    }
}
