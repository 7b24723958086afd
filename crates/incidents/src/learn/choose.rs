//! Which rung comes next: the one that saves most time, as far as is known; now and then another, to
//! learn (1.6).
//!
//! Only rungs that act are chosen among: waiting, asking and taking out of service stay where the
//! playbook put them. Where nothing is known, the playbook's order stands.

use mendpoint_model::{ModelKey, Rung, UnixMs};

use super::dice::Dice;
use super::evidence::{Evidence, Known, Tally};

/// From so many tries on this model a rung may come before a gentler one.
const KNOWN_FROM: f64 = 5.0;
/// One choice in so many is made to learn.
const EXPLORE_ONE_IN: f64 = 10.0;
/// So many hours is a charger worth that a repair made worse.
const WORSE_HOURS: f64 = 10.0;

/// What a choice is made for.
pub(crate) struct Situation<'a> {
    pub(crate) now: UnixMs,
    pub(crate) model: &'a ModelKey,
    pub(crate) code: &'a str,
    pub(crate) severity: u8,
    /// How many chargers there are: a small fleet does not try things out.
    pub(crate) fleet: usize,
    /// From this many on it does.
    pub(crate) fleet_min: usize,
    /// Of the incident.
    pub(crate) seed: u64,
    /// Which choice of the incident it is.
    pub(crate) nth: u64,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    /// The place in the rungs that were given.
    pub(crate) place: usize,
    /// Why, for people; empty when there was nothing to choose.
    pub(crate) why: String,
    /// Rungs that are known to be of no use here: their places, and why.
    pub(crate) useless: Vec<(usize, String)>,
}

/// Whether a rung is chosen among others, and not bound to its place.
pub(crate) fn is_chosen(rung: Rung) -> bool {
    matches!(rung, Rung::L2 | Rung::L3 | Rung::L4 | Rung::L5 | Rung::L6)
}

/// Hours of downtime that a repair saves: until a person would have been there.
fn hours_saved(severity: u8) -> f64 {
    match severity {
        0..=2 => 8.0,
        3..=4 => 4.0,
        5..=6 => 1.0,
        _ => 0.5,
    }
}

/// Hours that a rung costs whoever stands at the charger.
fn cost_hours(rung: Rung) -> f64 {
    match rung {
        Rung::L2 => 0.02,
        Rung::L3 | Rung::L6 => 0.05,
        Rung::L4 => 0.1,
        Rung::L5 => 0.2,
        _ => 0.0,
    }
}

fn score(rung: Rung, p: f64, known: &Known, severity: u8) -> f64 {
    p * hours_saved(severity) - cost_hours(rung) - WORSE_HOURS * known.worse
}

/// Chooses among the rungs that are still to come.
pub(crate) fn choose(evidence: &Evidence, of: &Situation<'_>, rungs: &[Rung]) -> Choice {
    let among = rungs.iter().take_while(|rung| is_chosen(**rung));
    let known: Vec<(usize, Rung, Known)> = among
        .enumerate()
        .map(|(place, rung)| (place, *rung, evidence.known(of.now, of.model, of.code, *rung)))
        .collect();
    let useless: Vec<(usize, String)> = known
        .iter()
        .filter_map(|(place, rung, known)| {
            let (tally, of_firmware) = known.useless()?;
            Some((*place, share_words(of.model, *rung, &tally, of_firmware)))
        })
        .collect();
    let of_use: Vec<&(usize, Rung, Known)> =
        known.iter().filter(|(place, ..)| useless.iter().all(|(of, _)| of != place)).collect();
    let Some(first) = of_use.first() else {
        return Choice { place: 0, why: String::new(), useless };
    };
    let mut dice = Dice::of(of.seed, of.nth);
    let explores =
        of.fleet >= of.fleet_min && of_use.len() > 1 && dice.share() < 1.0 / EXPLORE_ONE_IN;
    let mut best = (*first, f64::MIN);
    for candidate in &of_use {
        let (place, rung, known) = candidate;
        // A rung that nobody tried here does not come before a gentler one, not even to learn.
        if *place != first.0 && known.model.n < KNOWN_FROM {
            continue;
        }
        let p = if explores {
            let misses = known.firmware.n - known.firmware.fixed + 4.0 * (1.0 - known.above);
            dice.beta(known.firmware.fixed + 4.0 * known.above, misses)
        } else {
            known.p
        };
        let value = score(*rung, p, known, of.severity);
        if value > best.1 {
            best = (candidate, value);
        }
    }
    let (place, rung, known) = best.0;
    let (tally, of_firmware) = known.telling();
    let mut why = if tally.n.round() < 1.0 {
        String::new()
    } else {
        share_words(of.model, *rung, &tally, of_firmware)
    };
    if *place != first.0 {
        let (before, of_firmware) = first.2.telling();
        let other = share_words(of.model, first.1, &before, of_firmware);
        let reason = if explores {
            "Chosen to learn, as in one of ten repairs".to_owned()
        } else if before.n.round() < 1.0 {
            format!("Before {}, of which nothing is known here", lower(first.1))
        } else {
            format!("Before {}: {}", lower(first.1), lower_first(&other))
        };
        why = format!("{why}. {reason}");
    }
    Choice { place: *place, why, useless }
}

fn lower(rung: Rung) -> String {
    rung.label().to_lowercase()
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// "On ACME X, firmware 1.4, soft reset fixed 18 of 20 (70-97 %)".
pub(crate) fn share_words(
    model: &ModelKey,
    rung: Rung,
    tally: &Tally,
    of_firmware: bool,
) -> String {
    let name = format!("{} {}", model.vendor, model.model);
    let name = if name.trim().is_empty() { "chargers of an unknown model" } else { name.trim() };
    let firmware = if of_firmware && !model.firmware.is_empty() {
        format!(", firmware {}", model.firmware)
    } else {
        String::new()
    };
    let (n, fixed) = (tally.n.round(), tally.fixed.round());
    let bounds = super::wilson::wilson(fixed, n);
    format!(
        "On {name}{firmware}, {} fixed {fixed:.0} of {n:.0} ({:.0}\u{2013}{:.0} %)",
        lower(rung),
        bounds.low * 100.0,
        bounds.high * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Lesson;
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn model() -> ModelKey {
        ModelKey { vendor: "ACME".into(), model: "X".into(), firmware: "1.4".into() }
    }

    fn taught(rows: &[(Rung, u32, u32)]) -> Evidence {
        let mut evidence = Evidence::default();
        for (rung, fixed, failed) in rows {
            for n in 0..fixed + failed {
                let lesson =
                    if n < *fixed { Lesson::Fixed { seconds: 1.0 } } else { Lesson::NotFixed };
                evidence.add(NOW, &model(), "InternalError", *rung, lesson);
            }
        }
        evidence
    }

    fn chosen(evidence: &Evidence, fleet: usize, seed: u64, rungs: &[Rung]) -> Choice {
        let model = model();
        let of = Situation {
            now: NOW,
            model: &model,
            code: "InternalError",
            severity: 3,
            fleet,
            fleet_min: 50,
            seed,
            nth: 1,
        };
        choose(evidence, &of, rungs)
    }

    const LADDER: [Rung; 3] = [Rung::L3, Rung::L4, Rung::L5];

    #[test]
    fn where_nothing_is_known_the_playbook_stands() {
        let nothing = Evidence::default();
        for seed in 0..200 {
            let choice = chosen(&nothing, 1_000, seed, &LADDER);
            assert_eq!((choice.place, choice.why.as_str()), (0, ""), "{seed}");
        }
        let choice = chosen(&nothing, 1_000, 3, &[Rung::L5, Rung::L4]);
        assert_eq!(choice.place, 0, "the order is the playbook's, whatever it costs");
        assert_eq!(chosen(&nothing, 1_000, 1, &[Rung::L1, Rung::L4]).place, 0);
        assert_eq!(chosen(&nothing, 1_000, 1, &[]).place, 0);
    }

    #[test]
    fn what_helps_comes_before_what_does_not_and_says_why() {
        let evidence = taught(&[(Rung::L3, 1, 11), (Rung::L4, 18, 2)]);
        let choice = chosen(&evidence, 10, 1, &LADDER);
        assert_eq!(choice.place, 1);
        assert_eq!(
            choice.why,
            "On ACME X, firmware 1.4, soft reset fixed 18 of 20 (70\u{2013}97 %). Before switch \
             off and on: on ACME X, firmware 1.4, switch off and on fixed 1 of 12 (1\u{2013}35 %)"
        );
        assert_eq!(choice.useless, []);
    }

    #[test]
    fn what_never_helped_is_left_out() {
        let evidence = taught(&[(Rung::L3, 0, 12), (Rung::L4, 3, 3)]);
        let choice = chosen(&evidence, 10, 1, &LADDER);
        assert_eq!(choice.place, 1);
        assert_eq!(choice.useless.len(), 1);
        assert!(choice.useless[0].1.contains("fixed 0 of 12"), "{}", choice.useless[0].1);
        assert!(!choice.why.contains("Before"), "nothing of use comes before it: {}", choice.why);
    }

    #[test]
    fn a_large_fleet_tries_things_out_once_in_ten_and_a_small_one_never() {
        let evidence = taught(&[(Rung::L3, 8, 4), (Rung::L4, 7, 5)]);
        let others = |fleet| {
            (0..1_000).filter(|seed| chosen(&evidence, fleet, *seed, &LADDER).place != 0).count()
        };
        assert_eq!(others(49), 0);
        let tried = others(50);
        assert!((10..100).contains(&tried), "{tried} of 1000");
        // The same incident gives the same choice again.
        for seed in 0..50 {
            assert_eq!(
                chosen(&evidence, 1_000, seed, &LADDER),
                chosen(&evidence, 1_000, seed, &LADDER)
            );
        }
    }

    #[test]
    fn what_makes_it_worse_is_worth_ten_hours() {
        let mut evidence = taught(&[(Rung::L3, 6, 6), (Rung::L4, 9, 3)]);
        assert_eq!(chosen(&evidence, 10, 1, &LADDER).place, 1);
        evidence.add(NOW, &model(), "InternalError", Rung::L4, Lesson::Worse);
        assert_eq!(chosen(&evidence, 10, 1, &LADDER).place, 0);
    }
}
