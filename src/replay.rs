//! `mendpoint rules replay`: what other rules would have made of the stored past.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use mendpoint_incidents::{Catalogue, parse_duration};
use mendpoint_model::{DAY_MS, UnixMs};
use mendpoint_pipeline::{Progress, ReplayAsk, replay_past, rules_in_force};
use mendpoint_replay::Report;

use crate::cli::RulesReplay;
use crate::people::open;
use crate::rules::{self, Files};
use crate::settings::Settings;
use crate::terminal::{complain, say};

/// How many incidents and commands are printed; `--json` has more.
const LINES: usize = 40;

/// `mendpoint rules replay ..`.
pub(crate) async fn run(
    options: RulesReplay,
    read: impl Fn(Option<&Path>) -> Result<Settings>,
) -> Result<ExitCode> {
    let settings = read(options.config.config.as_deref())?;
    let told = |problems: Vec<mendpoint_incidents::Problem>| {
        for problem in &problems {
            complain(&problem.to_string());
        }
        complain(&format!("{} to mend", rules::count(problems.len(), "problem")));
        ExitCode::from(crate::EXIT_USAGE)
    };
    let files = match files(&options, &settings)? {
        Ok(files) => files,
        Err(problems) => return Ok(told(problems)),
    };
    let now = now();
    let (from, until) = range(&options.from, options.to.as_deref(), now)?;
    let profiles = crate::vendors::load(&settings.ocpp.vendors)?;
    let duty = settings.duty.settings(settings.engine.pace)?;
    let pipeline = settings.pipeline(profiles, duty);
    let store = open(read, &options.config).await?;
    // A folder is all rules; without one the rules in force are those of the program, as on its page.
    let is_folder = options.rules.as_deref().is_some_and(Path::is_dir);
    let base = if is_folder { files } else { rules_in_force(&store, files).await? };
    let overlaid =
        base.overlaid(&one(options.rules.as_deref())?, &one(options.playbooks.as_deref())?);
    let catalogue = match overlaid {
        Ok(catalogue) => catalogue,
        Err(problems) => {
            store.close().await;
            return Ok(told(problems));
        }
    };
    let site = match &options.site {
        None => None,
        Some(name) => {
            let sites = store.all_sites().await?;
            let site = sites.iter().find(|site| site.name == *name);
            Some(site.with_context(|| format!("there is no site {name:?}"))?.key)
        }
    };
    let charger = match &options.charger {
        None => None,
        Some(identity) => {
            let charger = store.charger_by_identity(identity).await?;
            Some(charger.with_context(|| format!("there is no charger {identity:?}"))?.key)
        }
    };
    let ask = ReplayAsk {
        rules: Arc::new(catalogue),
        only: options.rule.clone(),
        from,
        until,
        site,
        charger,
        lead_ms: DAY_MS,
        by: "command line".to_owned(),
    };
    if let Some(rule) = &options.rule
        && ask.rules.rule(rule).is_none()
    {
        bail!("there is no rule {rule:?} among them");
    }
    let progress = Progress::default();
    let began = Instant::now();
    let report = replay_past(&store, &pipeline, &ask, &progress, false).await;
    let took_s = began.elapsed().as_secs_f64();
    let identities = store.all_chargers().await?;
    store.close().await;
    let report = report?;
    if options.json {
        say(&serde_json::to_string_pretty(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    let name = |key| {
        identities
            .binary_search_by_key(&key, |record| record.key)
            .map_or_else(|_| format!("charger {key}"), |index| identities[index].name.clone())
    };
    tell(&report, name);
    let frames = progress.frames.load(Ordering::Relaxed);
    say(&format!(
        "{frames} frames in {took_s:.1} s, {:.0} a second.",
        frames as f64 / took_s.max(0.001)
    ));
    Ok(ExitCode::SUCCESS)
}

/// The rules of the folder that is to be tried, or of the program's own.
fn files(
    options: &RulesReplay,
    settings: &Settings,
) -> Result<Result<Catalogue, Vec<mendpoint_incidents::Problem>>> {
    let folder = |path: Option<&Path>, set: &str| {
        let path = path.filter(|path| path.is_dir()).map(Path::to_path_buf);
        path.or_else(|| (!set.is_empty()).then(|| set.into()))
    };
    let rules = folder(options.rules.as_deref(), &settings.engine.rules);
    let playbooks = folder(options.playbooks.as_deref(), &settings.engine.playbooks);
    let (rules, playbooks) = rules::read(rules.as_deref(), playbooks.as_deref())?;
    Ok(Catalogue::parse(&rules, &playbooks))
}

/// A file that takes the place of one rule or playbook.
fn one(path: Option<&Path>) -> Result<Files> {
    let Some(path) = path.filter(|path| !path.is_dir()) else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    Ok(vec![(path.display().to_string(), text)])
}

/// The range that is meant. It ends now at the latest: what comes meanwhile is no past.
fn range(from: &str, to: Option<&str>, now: UnixMs) -> Result<(UnixMs, UnixMs)> {
    let begins = time(from, now)?;
    let ends = to.map_or(Ok(now), |text| time(text, now))?;
    if ends <= begins {
        bail!("--to must be after --from");
    }
    if begins >= now {
        bail!(
            "--from {from} is still to come: rules are tried on what happened, so let it be before now"
        );
    }
    Ok((begins, ends.min(now)))
}

/// `2026-10-01`, an RFC 3339 time, or so long ago.
fn time(text: &str, now: UnixMs) -> Result<UnixMs> {
    let day = || UnixMs::parse_rfc3339(&format!("{text}T00:00:00Z"));
    let ago = || parse_duration(text).map(|ms| now - ms);
    UnixMs::parse_rfc3339(text).or_else(day).or_else(ago).with_context(|| {
        format!(
            "{text:?} is no time: write 2026-10-01, 2026-10-01T08:00:00Z, or 30d for 30 days ago"
        )
    })
}

fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(since.as_millis() as i64)
}

fn tell(report: &Report, name: impl Fn(mendpoint_model::ChargerKey) -> String) {
    use mendpoint_replay::Kinship;

    say(&format!("All rules: {}.", report.sentence));
    for rule in &report.rules {
        say(&format!("{}: {}.", rule.rule, rule.sentence));
    }
    for pair in report.pairs.iter().filter(|pair| pair.kinship != Kinship::Same).take(LINES) {
        let Some(found) = pair.either() else { continue };
        let words = match pair.kinship {
            Kinship::New => "new".to_owned(),
            Kinship::Same => "same".to_owned(),
            Kinship::Gone => "gone".to_owned(),
            Kinship::Earlier(ms) => format!("{} earlier", words(ms)),
            Kinship::Later(ms) => format!("{} later", words(ms)),
        };
        say(&format!(
            "  {} {:20} {:22} {}, {words}",
            found.opened_at,
            name(found.charger),
            found.rule,
            found.title
        ));
    }
    say(&format!(
        "It would have sent {} and opened {} (live {}).",
        rules::count(report.actions_counted as usize, "command"),
        rules::count(report.tickets().0 as usize, "ticket"),
        report.tickets().1
    ));
    for action in report.actions.iter().take(LINES) {
        let sent = if action.was_sent { ", as it was sent" } else { "" };
        say(&format!("  {} {:20} {}{sent}", action.at, name(action.charger), action.action));
    }
    let proxies = &report.proxies;
    say(&format!(
        "False alarms: {} (live {}). Missed of {} bursts of failures and reports{}: {} (live {}).",
        proxies.false_alarms,
        proxies.false_alarms_live,
        proxies.troubles,
        report.only.as_ref().map(|rule| format!(", by {rule} alone")).unwrap_or_default(),
        proxies.missed,
        proxies.missed_live
    ));
}

fn words(ms: i64) -> String {
    mendpoint_incidents::duration_words(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_lies_in_the_past() {
        let at = |text: &str| UnixMs::parse_rfc3339(text).expect("a time");
        let now = at("2026-11-23T06:00:00Z");
        let wrong = |from: &str, to| range(from, to, now).expect_err("wrong").to_string();
        assert!(wrong("2027-01-01", Some("2027-02-01")).contains("2027-01-01 is still to come"));
        assert!(wrong("2026-11-02", Some("2026-11-01")).contains("--to must be after --from"));
        let (from, until) = range("2026-11-01", Some("2027-02-01"), now).expect("it began");
        assert_eq!((from, until), (at("2026-11-01T00:00:00Z"), now));
    }
}
