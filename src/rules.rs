//! `mendpoint rules`: checks and tests rules; and loads them for the server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use mendpoint_escalation::Routes;
use mendpoint_incidents::Catalogue;

use crate::cli::RuleFiles;
use crate::terminal::{complain, say};

/// The folders that are built in, as file name and text.
macro_rules! built_in {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$((concat!($folder, "/", $name), include_str!(concat!("../config/", $folder, "/", $name)))),+]
    };
}

const RULES: &[(&str, &str)] = built_in!("rules":
    "auth_reject_spike.toml", "auth_reject_spike_site.toml", "boot_loop.toml", "cert_expiry.toml", "cert_expiry_now.toml", "cert_expiry_soon.toml",
    "clock_drift.toml", "clock_drift_far.toml", "cmd_unresponsive.toml", "config_drift.toml", "cp_flapping_link.toml",
    "cp_never_seen.toml", "cp_offline.toml", "derated.toml", "err_faulted.toml", "err_heat_repeats.toml",
    "err_lock_repeats.toml", "err_warning.toml", "eternal_tx.toml", "ev_communication.toml", "failed_burst.toml", "fw_stalled.toml", "fw_update_failed.toml",
    "grid_voltage.toml", "identity_contested.toml", "meter_backwards.toml", "meter_frozen.toml", "meter_gap.toml",
    "no_power.toml", "no_soc_progress.toml", "reader_down.toml", "security_event.toml",
    "silent_charger.toml", "start_success_drop.toml", "stuck_finishing.toml",
    "stuck_occupied_no_tx.toml", "stuck_preparing.toml", "unavailable_unexpected.toml",
    "uptime_budget.toml", "uptime_budget_fast.toml", "uptime_budget_now.toml",
    "weak_cell.toml", "weak_wifi.toml", "zombie_tx.toml",
);
const PLAYBOOKS: &[(&str, &str)] = built_in!("playbooks":
    "ask_meter.toml", "ask_status.toml", "cmd_unresponsive.toml", "err_faulted.toml", "failed_burst.toml",
    "soft_reset_once.toml", "stop_stuck_charge.toml", "stuck_finishing.toml", "unavailable.toml",
);

/// `mendpoint rules ..`.
pub(crate) fn run(files: &RuleFiles, run_tests: bool) -> Result<ExitCode> {
    let (rules, playbooks) = read(files.rules.as_deref(), files.playbooks.as_deref())?;
    let catalogue = match Catalogue::parse(&rules, &playbooks) {
        Ok(catalogue) => catalogue,
        Err(problems) => {
            for problem in &problems {
                complain(&problem.to_string());
            }
            complain(&format!("{} to mend", count(problems.len(), "problem")));
            return Ok(ExitCode::from(crate::EXIT_USAGE));
        }
    };
    let profiles = match crate::vendors::read(files.vendors.as_deref())? {
        Ok(profiles) => profiles,
        Err(problems) => {
            for problem in &problems {
                complain(&problem.to_string());
            }
            complain(&format!("{} to mend", count(problems.len(), "problem")));
            return Ok(ExitCode::from(crate::EXIT_USAGE));
        }
    };
    if !run_tests {
        say(&format!(
            "{}, {} and {} are valid.",
            count(rules.len(), "rule"),
            count(playbooks.len(), "playbook"),
            count(profiles.len(), "vendor profile")
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let outcomes = mendpoint_shard::timeline_test::run_all(&Arc::new(catalogue));
    for failure in outcomes.iter().flat_map(|outcome| &outcome.failures) {
        complain(&failure.to_string());
    }
    let passed = outcomes.iter().filter(|outcome| outcome.passed()).count();
    let failed = outcomes.len() - passed;
    say(&format!("{passed} passed, {failed} failed"));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn count(number: usize, noun: &str) -> String {
    mendpoint_store::counted(number, noun)
}

/// Whether every rule names a route that is there.
pub(crate) fn check_routes(catalogue: &Catalogue, routes: &Routes) -> Result<()> {
    let names = routes.names();
    for rule in catalogue.rules() {
        anyhow::ensure!(
            names.contains(&rule.route),
            "the rule {} names the route \"{}\", and there are only: {}",
            rule.id,
            rule.route,
            names.join(", ")
        );
    }
    Ok(())
}

/// The rules and playbooks of the settings; built-in ones for empty names.
pub(crate) fn load(rules: &str, playbooks: &str) -> Result<Arc<Catalogue>> {
    let folder = |name: &str| (!name.is_empty()).then(|| PathBuf::from(name));
    let (rules, playbooks) = read(folder(rules).as_deref(), folder(playbooks).as_deref())?;
    let catalogue = Catalogue::parse(&rules, &playbooks).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the rules cannot be used:\n{}", lines.join("\n"))
    })?;
    // A rule whose own tests fail does not do what its author thinks it does.
    let catalogue = Arc::new(catalogue);
    let outcomes = mendpoint_shard::timeline_test::run_all(&catalogue);
    let failures: Vec<_> =
        outcomes.iter().flat_map(|outcome| &outcome.failures).map(ToString::to_string).collect();
    anyhow::ensure!(
        failures.is_empty(),
        "the rules fail their own tests:\n{}",
        failures.join("\n")
    );
    Ok(catalogue)
}

/// The ids of the built-in rules.
pub(crate) fn shipped_ids() -> BTreeSet<String> {
    // They are checked by a test.
    let catalogue = read(None, None)
        .ok()
        .and_then(|(rules, playbooks)| Catalogue::parse(&rules, &playbooks).ok())
        .unwrap_or_default();
    catalogue.rules().iter().map(|rule| rule.id.clone()).collect()
}

pub(crate) type Files = Vec<(String, String)>;

pub(crate) fn read(rules: Option<&Path>, playbooks: Option<&Path>) -> Result<(Files, Files)> {
    let either = |folder: Option<&Path>, built_in: &[(&str, &str)]| match folder {
        Some(folder) => read_folder(folder),
        None => Ok(built_in.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect()),
    };
    Ok((either(rules, RULES)?, either(playbooks, PLAYBOOKS)?))
}

/// The TOML files of a folder in the order of their names.
pub(crate) fn read_folder(folder: &Path) -> Result<Files> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("failed to read the folder {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    anyhow::ensure!(!paths.is_empty(), "the folder {} holds no .toml files", folder.display());
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("failed to read {}", path.display()))?;
            Ok((path.display().to_string(), text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folders_is_built_in() {
        for (folder, built_in) in [("rules", RULES), ("playbooks", PLAYBOOKS)] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(folder);
            let files = read_folder(&path).expect("the folder of the checkout");
            let names: Vec<_> = built_in.iter().map(|(name, _)| (*name).to_owned()).collect();
            let there: Vec<_> = files
                .iter()
                .filter_map(|(path, _)| Some(format!("{folder}/{}", path.rsplit('/').next()?)))
                .collect();
            assert_eq!(names, there);
        }
    }

    #[test]
    fn the_built_in_rules_are_valid() {
        let catalogue = load("", "").expect("valid");
        assert!(!catalogue.rules().is_empty());
    }
}
