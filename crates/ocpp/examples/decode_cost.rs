//! What reading a message costs, in nanoseconds, the best of many rounds on one core:
//! `cargo run --release -p mendpoint-ocpp --example decode_cost`.

#![expect(clippy::disallowed_methods, reason = "this measures; the crate itself has no clock")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use mendpoint_model::{Protocol, UnixMs};
use mendpoint_ocpp::{Frame, decode, read_frame};

const ROUNDS: usize = 200;
const MESSAGES: u32 = 500;

fn main() -> std::io::Result<()> {
    let now = UnixMs(1_795_305_600_000);
    let mut samples = String::new();
    let phases = ["L1", "L2", "L3"];
    for (index, phase) in phases.iter().cycle().take(19).enumerate() {
        let (measurand, unit) =
            if index % 2 == 0 { ("Current.Import", "A") } else { ("Voltage", "V") };
        // Writing into a String cannot fail.
        let _ = write!(
            samples,
            r#",{{"value":"{index}.25","measurand":"{measurand}","unit":"{unit}","phase":"{phase}"}}"#
        );
    }
    let meter = format!(
        r#"[2,"17","MeterValues",{{"connectorId":1,"meterValue":[{{"timestamp":"2026-11-22T10:00:00Z","sampledValue":[{{"value":"10017","measurand":"Energy.Active.Import.Register","unit":"Wh"}}{samples}]}}]}}]"#
    );
    let status = r#"[2,"17","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available","timestamp":"2026-11-22T10:00:00Z"}]"#;
    let mut out = std::io::stdout();
    for text in [r#"[2,"17","Heartbeat",{}]"#, status, &meter] {
        let mut best = f64::MAX;
        let mut name = String::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            for _ in 0..MESSAGES {
                let Ok(Frame::Call { action, payload, .. }) = read_frame(black_box(text)) else {
                    continue;
                };
                black_box(decode(Protocol::V16, &action, payload, now));
                if name.is_empty() {
                    name = action.into_owned();
                }
            }
            best = best.min(began.elapsed().as_nanos() as f64 / f64::from(MESSAGES));
        }
        writeln!(out, "{name:20} {:5} bytes {best:8.0} ns", text.len())?;
    }
    Ok(())
}
