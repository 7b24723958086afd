//! The short form of the quality benchmark: what must hold with every seed. The long form is
//! `mendpoint simulate quality`; docs/quality.md has its figures.

use std::path::Path;
use std::sync::Arc;

use mendpoint_incidents::{Catalogue, EngineSettings};
use mendpoint_quality::{Mix, QualitySettings, Report, compare, run};

fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            (path.display().to_string(), std::fs::read_to_string(path).expect("a file that reads"))
        })
        .collect()
}

fn settings(chargers: usize, days: u32, seed: u64) -> QualitySettings {
    let catalogue = Catalogue::parse(&files("rules"), &files("playbooks")).expect("valid");
    QualitySettings {
        chargers,
        days,
        seed,
        mix: Mix::built_in(),
        catalogue: Arc::new(catalogue),
        engine: EngineSettings::default(),
        restarts: 1,
    }
}

fn short(chargers: usize, days: u32, seed: u64) -> Report {
    let mut settings = settings(chargers, days, seed);
    // Few chargers and days: more failures of each, for the same number of them.
    settings.mix.failures_per_charger *= 6.0;
    run(settings)
}

#[test]
fn what_must_never_happen_does_not_and_what_can_be_healed_is() {
    for seed in 1..=2 {
        let report = short(24, 2, seed);
        assert!(report.failures > 12, "{report}");
        for name in [
            "healed with proof",
            "actions that make it worse",
            "resets in a transaction",
            "failing charges found (recall)",
            "alarms of failing charges that are right (precision)",
            "healing starts after (99th of 100)",
            "offline is told at 10 min, off by",
            "offline told of chargers that were not",
        ] {
            let gate = report.gate(name).expect("a gate of that name");
            assert!(gate.holds, "seed {seed}: {name} is missed\n{report}");
        }
    }
}

#[test]
fn silent_connectors_are_found_and_others_are_left_alone() {
    let mut settings = settings(12, 14, 3);
    settings.mix.causes.retain(|cause| cause.name.starts_with("looks available"));
    settings.mix.failures_per_charger = 0.6;
    let report = run(settings);
    for name in
        ["silent chargers found (recall)", "alarms of silent chargers that are right (precision)"]
    {
        let gate = report.gate(name).expect("a gate of that name");
        assert!(gate.holds && gate.of > 0, "{name} is missed\n{report}");
    }
}

#[test]
fn offline_is_told_at_ten_minutes_also_around_outages_of_sites_and_restarts_of_ours() {
    for seed in [1, 3] {
        let mut settings = settings(32, 2, seed);
        settings.restarts = 4;
        settings.mix.failures_per_charger = 90.0;
        settings.mix.sessions_per_day = 0.5;
        settings.mix.causes.retain(|cause| {
            cause.name.starts_with("link lost")
                || cause.name.starts_with("modem")
                || cause.name.ends_with("of a site lost")
        });
        // Chargers whose own link breaks while their site is away are not rare then.
        let of_sites =
            settings.mix.causes.iter_mut().filter(|it| it.name.ends_with("of a site lost"));
        of_sites.for_each(|cause| cause.share *= 6.0);
        let report = run(settings);
        for name in ["offline is told at 10 min, off by", "offline told of chargers that were not"]
        {
            let gate = report.gate(name).expect("a gate of that name");
            assert!(gate.holds && gate.of > 20, "seed {seed}: {name} is missed\n{report}");
        }
    }
}

/// What internal faults teach: here a soft reset mends nothing that shows, on no model. With the fixed
/// ladder those resets open the breaker (G8) for the charges which one would mend; who learned that
/// leaves them out. Seeds 1 to 4 save 40 to 80 %.
#[test]
fn what_repairs_taught_saves_a_fifth_of_the_downtime_beside_the_fixed_ladder() {
    let mut settings = settings(24, 8, 1);
    settings.restarts = 0;
    settings.mix.failures_per_charger = 12.0;
    settings.mix.sessions_per_day = 4.0;
    settings.mix.causes.retain(|cause| {
        cause.name == "internal error that a soft reset mends"
            || cause.name == "charges fail, nothing shows, a soft reset mends it"
    });
    let one = settings.mix.differs.first().expect("a model that differs").clone();
    for model in ["HYC150", "Wall 22"] {
        let mut other = one.clone();
        model.clone_into(&mut other.model);
        settings.mix.differs.push(other);
    }
    let compared = compare(settings);
    assert!(compared.saved.holds && compared.failures > 50, "{compared}");
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let report = short(8, 1, 7);
    assert_eq!(report, short(8, 1, 7));
    assert_ne!(report, short(8, 1, 8));
}
