//! What a field becomes: a condition, and what a charger does so that it holds or does not.

use mendpoint_incidents::code_info;

use super::many::Many;
use super::steps::{Step, step};
use super::{Field, STATUSES, Sentence};

/// When the first thing happens in a test.
pub(super) const BEGIN_MS: i64 = 60_000;

/// The parts of a rule that depend on its field.
#[derive(Default)]
pub(super) struct Made {
    pub(super) condition: String,
    pub(super) title: String,
    pub(super) more: String,
    /// What a charger does so that the rule holds for it.
    pub(super) fires: Vec<Step>,
    /// From when on it has held long enough.
    pub(super) fires_at_ms: i64,
    /// What it does so that the rule does not.
    pub(super) silent: Vec<Step>,
    pub(super) silent_at_ms: i64,
}

fn status(word: &str) -> Vec<Step> {
    vec![step(BEGIN_MS, format!("status = {{ status = \"{word}\" }}"))]
}

fn number(value: &str, least: f64, most: f64) -> Result<f64, String> {
    let fits = |n: &f64| (least..=most).contains(n);
    value.parse().ok().filter(fits).ok_or(format!("The value is a number from {least} to {most}."))
}

impl Sentence {
    /// What the sentence says of one charger, or what is counted at many.
    pub(super) fn made(
        &self,
        field: &Field,
        lasting_ms: i64,
        many: Option<&Many>,
    ) -> Result<Made, String> {
        let value = self.value.trim();
        let at_ms = lasting_ms / 1_000 * 1_000 + 62_000;
        let mut made = Made { fires_at_ms: at_ms, silent_at_ms: at_ms, ..Made::default() };
        match field.key {
            "status" => self.made_of_status(value, &mut made)?,
            "error" => {
                let info = code_info(value)
                    .ok_or(format!("{value} is no error code that Mendpoint knows."))?;
                made.condition = format!("error.code == \"{}\"", info.name);
                info.name.clone_into(&mut made.title);
                let body =
                    format!("status = {{ status = \"Faulted\", error = \"{}\" }}", info.name);
                made.fires = vec![step(BEGIN_MS, body)];
                made.silent = status("Available");
            }
            "power" => {
                let watts = number(value, 0.0, 1_000_000.0)?;
                made.condition = format!("status == \"Charging\" and power_w <= {watts}");
                made.title = format!("Charges with {watts} W or less");
                let meter = |power: f64| {
                    let read = format!("meter = {{ connector = 1, power_w = {power:?} }}");
                    let mut steps = status("Charging");
                    steps.push(step(BEGIN_MS, "transaction_start = { connector = 1 }".into()));
                    steps.push(step(BEGIN_MS + 1_000, read));
                    steps
                };
                (made.fires, made.silent) = (meter(watts), meter(watts + 1_000.0));
            }
            "offline" => {
                "not connected".clone_into(&mut made.condition);
                "No connection".clone_into(&mut made.title);
                "exclusions = [\"not ever_connected\"]\n".clone_into(&mut made.more);
                made.fires = vec![step(BEGIN_MS, "disconnect = true".into())];
            }
            "wifi" | "cell" => {
                let dbm = number(value, -150.0, 0.0)?;
                let (series, transport, unit) = if field.key == "wifi" {
                    ("signal.wifi.dbm", "wifi", "dbm")
                } else {
                    ("signal.cell.rsrp_dbm", "cell", "rsrp_dbm")
                };
                made.condition = format!("{series} <= {dbm}");
                made.title = format!("Signal of {dbm} dBm or less");
                let signal = |value: f64| {
                    let of = format!("transport = \"{transport}\", unit = \"{unit}\"");
                    vec![step(BEGIN_MS, format!("signal = {{ {of}, value = {value:?} }}"))]
                };
                (made.fires, made.silent) = (signal(dbm), signal(dbm + 30.0));
            }
            "flap" => {
                let percent = number(value, 1.0, 100.0)?;
                made.condition = format!("flap(link, 3m) >= {percent}");
                "Its connection comes and goes".clone_into(&mut made.title);
                for at in (0..20).map(|n| BEGIN_MS + n * 180_000) {
                    made.fires.push(step(at, "disconnect = true".into()));
                    made.fires.push(step(at + 1_000, "connect = true".into()));
                }
                if lasting_ms > 10 * 60_000 {
                    return Err("A link that flaps is told within 10 minutes or not at all.".into());
                }
                made.fires_at_ms = BEGIN_MS + 19 * 180_000 + 2_000;
            }
            "silence" => {
                let condition = "status == \"Available\" and expected_usage_silence(0.001)";
                condition.clone_into(&mut made.condition);
                "Nobody charges here any more".clone_into(&mut made.title);
                made.silent = status("Available");
                made.fires.clone_from(&made.silent);
                let used = "used = { every = \"1h\", days = 28 }".to_owned();
                made.fires.push(step(BEGIN_MS + 1_000, used));
                made.fires_at_ms = 8 * 3_600_000 + at_ms;
            }
            kind => self.made_of_count(kind, lasting_ms, many, &mut made)?,
        }
        Ok(made)
    }

    fn made_of_status(&self, value: &str, made: &mut Made) -> Result<(), String> {
        if !STATUSES.contains(&value) {
            return Err(format!("A status is one of {}.", STATUSES.join(", ")));
        }
        let is = self.op == "is";
        let other = if value == "Available" { "Unavailable" } else { "Available" };
        let (good, bad) = if is { (other, value) } else { (value, other) };
        // The charger as a whole has no status of its own most of the time.
        made.condition = if is {
            format!("status == \"{value}\"")
        } else {
            format!("connector >= 1 and status not in [\"{value}\", \"Unknown\"]")
        };
        made.title = format!("{}{value}", if is { "" } else { "Not " });
        (made.fires, made.silent) = (status(bad), status(good));
        Ok(())
    }

    /// So many of a kind within a window.
    fn made_of_count(
        &self,
        kind: &str,
        lasting_ms: i64,
        many: Option<&Many>,
        made: &mut Made,
    ) -> Result<(), String> {
        let most = if many.is_some() { 1_000.0 } else { 50.0 };
        let times = number(self.value.trim(), 1.0, most)?.trunc() as u32;
        let within = self.lasting.trim();
        let times_words = if times == 1 { "once".to_owned() } else { format!("{times} times") };
        made.title = match kind {
            "boot" => format!("Restarts {times_words}"),
            "faulted" => format!("Faulted {times_words}"),
            "refused" => format!("Cards refused {times_words}"),
            _ => format!("Lost its connection {times_words}"),
        };
        let step_ms = (lasting_ms / i64::from(times) / 3).clamp(1, 20_000);
        let length_ms = i64::from(times) * step_ms * 2;
        if (length_ms / 1_000 + 1) * 1_000 >= lasting_ms {
            return Err("This window is too short for so many.".into());
        }
        if let Some(many) = many {
            many.made_of_count(kind, (times, within), (lasting_ms, step_ms), made);
            return many.fits(kind, times, lasting_ms);
        }
        made.condition = format!("count({kind}, {within}) >= {times}");
        for n in 0..times {
            made.fires.extend(happens(kind, n, BEGIN_MS, step_ms));
        }
        let end_ms = BEGIN_MS + length_ms;
        if kind == "disconnect" {
            made.fires.push(step(end_ms, "connect = true".into()));
        }
        made.fires_at_ms = end_ms / 1_000 * 1_000 + 1_000;
        Ok(())
    }
}

/// The `n`-th of a kind, counted from a moment on.
pub(super) fn happens(kind: &str, n: u32, from_ms: i64, step_ms: i64) -> Vec<Step> {
    let at = |part: i64| from_ms + i64::from(n) * step_ms * 2 + part * step_ms / 2;
    match kind {
        "boot" => vec![step(at(0), BOOT.to_owned())],
        "faulted" => vec![
            step(at(0), "status = { status = \"Available\" }".to_owned()),
            step(at(1), "status = { status = \"Faulted\" }".to_owned()),
        ],
        "refused" => {
            let card = format!("authorize = {{ id_token = \"CARD-{n}\", accepted = false }}");
            vec![step(at(0), card)]
        }
        _ => vec![
            step(at(0), "connect = true".to_owned()),
            step(at(1), "disconnect = true".to_owned()),
        ],
    }
}

/// A charger that says what it is.
pub(super) const BOOT: &str = "boot = { vendor = \"ACME\", model = \"X\", firmware = \"1.0\" }";
