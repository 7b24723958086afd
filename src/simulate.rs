//! `mendpoint simulate`: chargers against any OCPP server, and load.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mendpoint_incidents::{Catalogue, EngineSettings};
use mendpoint_quality::{Mix as FaultMix, QualitySettings};
use mendpoint_simulator::load::{self, LoadOptions, Mix, Pace, ServerFiles};
use mendpoint_simulator::{Scenario, Simulation, Target};
use mendpoint_store::counted;
use tokio::sync::watch;

use crate::cli::{Simulate, SimulateLoad, SimulateQuality, SimulateRun};
use crate::server::wait_for_stop;
use crate::terminal::say;

/// How often a running scenario says how it goes.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// `mendpoint simulate ..`.
pub(crate) async fn run(command: Simulate) -> Result<ExitCode> {
    match command {
        Simulate::Run(options) => scenario(options).await,
        Simulate::Load(options) => put_load(options).await,
        Simulate::Bare(options) => {
            let files = options.certificate.zip(options.key);
            let files = files.map(|(certificate, key)| ServerFiles { certificate, key });
            let scheme = if files.is_some() { "wss" } else { "ws" };
            say(&format!("A bare WebSocket server answers {{}} at {scheme}://{}", options.listen));
            tokio::select! {
                result = load::bare::serve(options.listen, files.as_ref()) => {
                    result.with_context(|| format!("failed to listen on {}", options.listen))?;
                }
                stopped = wait_for_stop() => stopped?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Simulate::Quality(options) => quality(&options),
        Simulate::Scenarios => {
            for name in Scenario::BUILTIN {
                let scenario = Scenario::builtin(name)?;
                say(&format!("{name:10} {}", counted(scenario.chargers().len(), "charger")));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A built-in scenario, or the one in a file.
fn find(name: &str) -> Result<Scenario> {
    if Scenario::BUILTIN.contains(&name) {
        return Ok(Scenario::builtin(name)?);
    }
    let text = std::fs::read_to_string(name).with_context(|| {
        format!(
            "{name} is neither a built-in scenario ({}) nor a file that can be read",
            Scenario::BUILTIN.join(", ")
        )
    })?;
    Scenario::parse(name, &text).map_err(|error| anyhow::anyhow!("failed to {error}"))
}

async fn scenario(options: SimulateRun) -> Result<ExitCode> {
    let scenario = find(&options.scenario)?;
    let mut target = Target::new(&options.url);
    if let Some(password) = options.password {
        target = target.with_password(move |_| Some(password.clone()));
    }
    say(&format!(
        "{} of the scenario {} to connect to {} (seed {}); Ctrl-C ends it",
        counted(scenario.chargers().len(), "charger"),
        options.scenario,
        options.url,
        options.seed
    ));
    let simulation = Arc::new(Simulation::new(scenario, target, options.seed));
    let (stop, stopped) = watch::channel(false);
    let running = {
        let simulation = Arc::clone(&simulation);
        tokio::spawn(async move { simulation.run(stopped).await })
    };
    let end = async {
        match options.duration {
            Some(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(())
            }
            None => wait_for_stop().await,
        }
    };
    let telling = async {
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            let stats = simulation.stats();
            say(&format!(
                "{} connected, {} sent, {} received, {} without an answer",
                stats.connected,
                counted(stats.sent, "message"),
                counted(stats.commands, "command"),
                stats.no_answers
            ));
        }
    };
    tokio::select! {
        result = end => result?,
        () = telling => {}
    }
    stop.send_replace(true);
    running.await?.map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    let stats = simulation.stats();
    say(&format!("{stats:#?}"));
    anyhow::ensure!(
        stats.connects > 0,
        "no charger could connect to {}; does the server run, and does it accept them?",
        options.url
    );
    Ok(ExitCode::SUCCESS)
}

/// Measures the engine: in this thread, in virtual time.
fn quality(options: &SimulateQuality) -> Result<ExitCode> {
    let mix = match &options.mix {
        None => FaultMix::built_in(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("failed to read {}", path.display()))?;
            FaultMix::parse(&text)
                .map_err(|why| anyhow::anyhow!("{} cannot be used: {why}", path.display()))?
        }
    };
    anyhow::ensure!(options.chargers > 0 && options.days > 0, "nothing would happen");
    let (rules, playbooks) =
        crate::rules::read(options.rules.as_deref(), options.playbooks.as_deref())?;
    let catalogue = Catalogue::parse(&rules, &playbooks).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the rules cannot be used:\n{}", lines.join("\n"))
    })?;
    let began = Instant::now();
    let settings = QualitySettings {
        chargers: options.chargers,
        days: options.days,
        seed: options.seed,
        mix,
        catalogue: Arc::new(catalogue),
        engine: EngineSettings::default(),
        restarts: options.restarts,
    };
    let (text, json, is_missed) = if options.compare {
        let comparison = mendpoint_quality::compare(settings);
        let json = serde_json::to_string_pretty(&comparison)?;
        (comparison.to_string(), json, comparison.is_missed())
    } else {
        let report = mendpoint_quality::run(settings);
        let json = serde_json::to_string_pretty(&report)?;
        (report.to_string(), json, report.is_missed())
    };
    if options.json {
        say(&json);
    } else {
        say(&format!("{text}\n  {:.1} s", began.elapsed().as_secs_f64()));
    }
    Ok(if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn put_load(options: SimulateLoad) -> Result<ExitCode> {
    let pace = match (options.idle, options.rate) {
        (true, _) => Pace::Idle,
        (false, Some(messages_per_s)) => Pace::OpenLoop { messages_per_s },
        (false, None) => Pace::ClosedLoop,
    };
    let parts = options.mix.as_deref().unwrap_or(&[60, 10, 30]);
    let &[heartbeat_percent, status_percent, meter_percent] = parts else {
        anyhow::bail!("--mix wants three parts of a hundred, such as 60,10,30");
    };
    let meter_bytes = options.meter_bytes;
    let same_status = options.same_status;
    let mix = Mix { heartbeat_percent, status_percent, meter_percent, meter_bytes, same_status };
    let settle = Duration::try_from_secs_f64(options.settle)
        .context("--settle wants a number of seconds, such as 0.5")?;
    let report = load::run(LoadOptions {
        url: options.url,
        ca: options.ca,
        settle,
        chargers: options.chargers,
        identity: format!("{}{{n}}", options.prefix),
        password: options.password,
        duration: Duration::from_secs(options.duration),
        pace,
        mix,
        pid: options.pid,
        ..LoadOptions::default()
    })
    .await
    .map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    if options.json {
        say(&serde_json::to_string_pretty(&report)?);
    } else {
        say(&report.to_string());
    }
    Ok(ExitCode::SUCCESS)
}
