//! `mendpoint rules`: checks and tests rules; and loads them for the server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use mendpoint_escalation::Routes;
use mendpoint_incidents::{Catalogue, Problem};

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

/// `mendpoint rules ..`. Everything that is wrong is told, whatever file it is in.
pub(crate) fn run(files: &RuleFiles, run_tests: bool) -> Result<ExitCode> {
    let sources = read_all(files.rules.as_deref(), files.playbooks.as_deref())?;
    let mut wrong = sources.unreadable.iter().map(ToString::to_string).collect::<Vec<_>>();
    let routes = routes(files.routes.as_deref())?;
    let parsed = Catalogue::parse_routed(&sources.rules, &sources.playbooks, &routes.names());
    wrong.extend(parsed.as_ref().err().into_iter().flatten().map(ToString::to_string));
    let vendors = crate::vendors::files(files.vendors.as_deref())?.len();
    if let Err(problems) = crate::vendors::read(files.vendors.as_deref())? {
        wrong.extend(problems.iter().map(ToString::to_string));
    }
    let catalogue = match parsed {
        Ok(catalogue) if wrong.is_empty() => catalogue,
        _ => {
            for line in &wrong {
                complain(line);
            }
            complain(&format!("{} to mend", count(wrong.len(), "problem")));
            return Ok(ExitCode::from(crate::EXIT_USAGE));
        }
    };
    if !run_tests {
        say(&format!(
            "{}, {} and {} are valid.",
            count(sources.rules.len(), "rule"),
            count(sources.playbooks.len(), "playbook"),
            count(vendors, "vendor profile")
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

/// The routes of a file; the built-in ones when there is none.
fn routes(file: Option<&Path>) -> Result<Routes> {
    let Some(path) = file else { return Ok(Routes::built_in(1.0)) };
    let bad = |why: String| anyhow::Error::new(crate::BadRules(why));
    let text = std::fs::read_to_string(path)
        .map_err(|error| bad(format!("failed to read {}: {error}", path.display())))?;
    Routes::parse(&text, 1.0)
        .map_err(|error| bad(format!("failed to {error} ({})", path.display())))
}

/// Whether every rule names a route that is there.
pub(crate) fn check_routes(catalogue: &Catalogue, routes: &Routes) -> Result<()> {
    refuse(&catalogue.unknown_routes(&routes.names()))
}

/// Fails with these problems, if there are any.
pub(crate) fn refuse(problems: &[Problem]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let text = format!("the rules cannot be used:\n{}", lines.join("\n"));
    Err(anyhow::Error::new(crate::BadRules(text)))
}

/// The rules and playbooks of the settings; built-in ones for empty names.
pub(crate) fn load(rules: &str, playbooks: &str) -> Result<Arc<Catalogue>> {
    let folder = |name: &str| (!name.is_empty()).then(|| PathBuf::from(name));
    let sources = read_all(folder(rules).as_deref(), folder(playbooks).as_deref())?;
    let parsed = Catalogue::parse(&sources.rules, &sources.playbooks);
    let mut problems = sources.unreadable;
    problems.extend(parsed.as_ref().err().cloned().unwrap_or_default());
    refuse(&problems)?;
    // A rule whose own tests fail does not do what its author thinks it does.
    let catalogue = Arc::new(parsed.unwrap_or_default());
    let outcomes = mendpoint_shard::timeline_test::run_all(&catalogue);
    let failures: Vec<_> =
        outcomes.iter().flat_map(|outcome| &outcome.failures).map(ToString::to_string).collect();
    if failures.is_empty() {
        return Ok(catalogue);
    }
    let text = format!("the rules fail their own tests:\n{}", failures.join("\n"));
    Err(anyhow::Error::new(crate::BadRules(text)))
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

/// The files of two folders, and which of them are no text.
struct Sources {
    rules: Files,
    playbooks: Files,
    unreadable: Vec<Problem>,
}

fn read_all(rules: Option<&Path>, playbooks: Option<&Path>) -> Result<Sources> {
    let either = |folder: Option<&Path>, built_in: &[(&str, &str)]| match folder {
        Some(folder) => read_folder(folder),
        None => {
            let files = built_in.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
            Ok((files, Vec::new()))
        }
    };
    let (rules, mut unreadable) = either(rules, RULES)?;
    let (playbooks, more) = either(playbooks, PLAYBOOKS)?;
    unreadable.extend(more);
    Ok(Sources { rules, playbooks, unreadable })
}

/// The rules and the playbooks, as name and text.
pub(crate) fn read(rules: Option<&Path>, playbooks: Option<&Path>) -> Result<(Files, Files)> {
    let sources = read_all(rules, playbooks)?;
    refuse(&sources.unreadable)?;
    Ok((sources.rules, sources.playbooks))
}

/// The TOML files of a folder in the order of their names, and what of them is no UTF-8. Such a file
/// is among the others with a mark in the place of each wrong byte, so that its other mistakes are told
/// as well.
pub(crate) fn read_folder(folder: &Path) -> Result<(Files, Vec<Problem>)> {
    let bad = |why: String| anyhow::Error::new(crate::BadRules(why));
    let unread = |error: &std::io::Error| {
        bad(format!("failed to read the folder {}: {error}", folder.display()))
    };
    if folder.is_file() {
        return Err(bad(format!(
            "{} is a file, and a folder of .toml files is wanted here: name the folder that it is in",
            folder.display()
        )));
    }
    let entries = std::fs::read_dir(folder).map_err(|error| unread(&error))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| unread(&error))?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    if paths.is_empty() {
        return Err(bad(format!("the folder {} holds no .toml files", folder.display())));
    }
    let (mut files, mut unreadable) = (Vec::new(), Vec::new());
    for path in paths {
        let file = path.display().to_string();
        let bytes =
            std::fs::read(&path).map_err(|error| bad(format!("failed to read {file}: {error}")))?;
        if let Some(text) = utf16(&bytes) {
            let message = "the file is UTF-16; save it as UTF-8".to_owned();
            unreadable.push(Problem { file: file.clone(), line: 1, column: 1, message });
            files.push((file, text));
            continue;
        }
        if let Err(error) = std::str::from_utf8(&bytes) {
            unreadable.push(no_text(&file, &bytes, error.valid_up_to()));
        }
        files.push((file, String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok((files, unreadable))
}

/// The text of a file that begins with the mark of UTF-16, so that its other mistakes can be told.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (mark, letters) = bytes.split_first_chunk::<2>()?;
    let unit: fn([u8; 2]) -> u16 = match mark {
        [0xFF, 0xFE] => u16::from_le_bytes,
        [0xFE, 0xFF] => u16::from_be_bytes,
        _ => return None,
    };
    let units: Vec<u16> = letters.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
    Some(String::from_utf16_lossy(&units))
}

/// A file with a byte that is no UTF-8.
fn no_text(file: &str, bytes: &[u8], at: usize) -> Problem {
    let before = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let byte = bytes.get(at).copied().unwrap_or_default();
    Problem {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: format!(
            "the byte 0x{byte:02X} is no UTF-8; save the file with the encoding UTF-8 (it looks like \
             Latin-1 or Windows-1252)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folders_is_built_in() {
        for (folder, built_in) in [("rules", RULES), ("playbooks", PLAYBOOKS)] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(folder);
            let (files, unreadable) = read_folder(&path).expect("the folder of the checkout");
            assert!(unreadable.is_empty());
            let names: Vec<_> = built_in.iter().map(|(name, _)| (*name).to_owned()).collect();
            let there: Vec<_> = files
                .iter()
                .filter_map(|(path, _)| Some(format!("{folder}/{}", path.rsplit('/').next()?)))
                .collect();
            assert_eq!(names, there);
        }
    }

    #[test]
    fn a_file_that_is_no_text_is_told_beside_the_mistakes_of_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).expect("it can be written");
        };
        write("a.toml", b"id = \"A\"\ntitle = \"caf\xe9\"\n");
        write("b.toml", b"sevrity = 3\n");
        let sources = read_all(Some(folder.path()), None).expect("the folder is there");
        let told = sources.unreadable[0].to_string();
        assert!(told.contains("a.toml:2:13: the byte 0xE9 is no UTF-8"), "{told}");
        let problems = Catalogue::parse(&sources.rules, &sources.playbooks).expect_err("wrong");
        assert!(problems.iter().any(|problem| problem.file.ends_with("b.toml")), "{problems:?}");
        let name = folder.path().to_str().expect("a name");
        let error = load(name, "").expect_err("they cannot be used");
        assert!(error.is::<crate::BadRules>(), "one exit code for all of it: {error}");
        assert!(error.to_string().contains("no UTF-8") && error.to_string().contains("b.toml"));
        let error = load("/no/such/folder", "").expect_err("there is none");
        assert!(error.is::<crate::BadRules>(), "{error}");
    }

    #[test]
    fn a_file_in_utf16_is_one_mistake() {
        let text = include_str!("../config/rules/cp_offline.toml");
        let units = || std::iter::once(0xFEFF).chain(text.encode_utf16());
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        for bytes in [little, big] {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::write(folder.path().join("a.toml"), bytes).expect("it can be written");
            let sources = read_all(Some(folder.path()), None).expect("the folder is there");
            let told: Vec<String> = sources.unreadable.iter().map(ToString::to_string).collect();
            assert!(
                told.len() == 1 && told[0].ends_with("is UTF-16; save it as UTF-8"),
                "{told:?}"
            );
            assert!(Catalogue::parse(&sources.rules, &sources.playbooks).is_ok(), "nothing else");
        }
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.toml");
        std::fs::write(&file, "").expect("it can be written");
        let error = read_folder(&file).expect_err("it is no folder");
        assert!(error.is::<crate::BadRules>(), "{error}");
        assert!(error.to_string().contains("is a file, and a folder of .toml files is wanted"));
    }

    #[test]
    fn the_built_in_rules_are_valid() {
        let catalogue = load("", "").expect("valid");
        assert!(!catalogue.rules().is_empty());
    }
}
