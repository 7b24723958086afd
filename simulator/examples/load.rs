//! Load without the rest of the program:
//! `cargo run --release -p mendpoint-simulator --example load -- URL CHARGERS SECONDS [PID] [RATE]`.
//! With RATE (messages a second) the loop is open; with RATE `idle` nothing is sent.

use std::io::Write;
use std::time::Duration;

use mendpoint_simulator::load::{LoadOptions, Pace, run};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut options = LoadOptions::default();
    if let Some(url) = arguments.next() {
        options.url = url;
    }
    if let Some(chargers) = arguments.next() {
        options.chargers = chargers.parse()?;
    }
    if let Some(seconds) = arguments.next() {
        options.duration = Duration::from_secs(seconds.parse()?);
    }
    if let Some(pid) = arguments.next() {
        // 0 stands for none, so that a rate can follow.
        options.pid = Some(pid.parse()?).filter(|pid| *pid != 0);
    }
    options.pace = match arguments.next().as_deref() {
        None => Pace::ClosedLoop,
        Some("idle") => Pace::Idle,
        Some(rate) => Pace::OpenLoop { messages_per_s: rate.parse()? },
    };
    let report = run(options).await?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}
