//! What a run measured.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

/// What a run measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadReport {
    /// Where to.
    pub url: String,
    /// Chargers that were wanted.
    pub chargers: usize,
    /// Chargers that connected, booted and reported a status.
    pub connected: usize,
    /// From the first attempt until the last of them had, seconds.
    pub connecting_s: f64,
    /// Time of sending, seconds.
    pub sending_s: f64,
    /// Messages answered in that time.
    pub answered: u64,
    /// Answers a second.
    pub messages_per_s: f64,
    /// From sending (or from when it was due, in an open loop) to the answer.
    pub latency: LatencyReport,
    /// Attempts to connect that failed; each charger has a few.
    pub connect_errors: u64,
    /// Messages answered with an error.
    pub call_errors: u64,
    /// Messages without an answer at the end.
    pub unanswered: u64,
    /// Connections lost on the way.
    pub lost: u64,
    /// One reason of a failed or lost connection, the last; empty when there was none.
    pub last_error: String,
    /// What the server used, when its process was named.
    pub server: Option<ServerReport>,
}

/// How long answers took, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LatencyReport {
    /// Half were faster.
    pub p50_us: f64,
    /// 90 of 100 were faster.
    pub p90_us: f64,
    /// 99 of 100 were faster.
    pub p99_us: f64,
    /// 999 of 1,000 were faster.
    pub p999_us: f64,
    /// The slowest.
    pub max_us: f64,
}

/// What the server used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// Resident memory before the first connection, bytes.
    pub rss_before_bytes: u64,
    /// Resident memory with all connected and silent, bytes.
    pub rss_connected_bytes: u64,
    /// Resident memory after the run, bytes.
    pub rss_after_bytes: u64,
    /// What a connection costs with its state, bytes.
    pub rss_per_connection_bytes: f64,
    /// Processor time of connecting, booting and reporting, microseconds a charger.
    pub cpu_us_per_connect: f64,
    /// Processor time of a message, microseconds.
    pub cpu_us_per_message: f64,
}

impl LatencyReport {
    /// From a histogram of nanoseconds.
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: histogram.max() as f64 / 1e3,
        }
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "load on          {}", self.url)?;
        writeln!(
            f,
            "connected        {} of {} chargers, booted and reported, in {:.2} s",
            self.connected, self.chargers, self.connecting_s
        )?;
        if self.answered > 0 {
            writeln!(
                f,
                "answered         {} messages in {:.1} s, {:.0} messages/s",
                self.answered, self.sending_s, self.messages_per_s
            )?;
            let latency = &self.latency;
            writeln!(
                f,
                "latency          p50 {}  p90 {}  p99 {}  p99.9 {}  max {}",
                Time(latency.p50_us),
                Time(latency.p90_us),
                Time(latency.p99_us),
                Time(latency.p999_us),
                Time(latency.max_us)
            )?;
        }
        write!(
            f,
            "errors           {} answered with an error, {} unanswered, {} connections lost, \
             {} failed attempts to connect",
            self.call_errors, self.unanswered, self.lost, self.connect_errors
        )?;
        if !self.last_error.is_empty() {
            write!(f, "\nlast error       {}", self.last_error)?;
        }
        if let Some(server) = &self.server {
            write!(
                f,
                "\nserver memory    {:.1} MiB before, {:.1} connected, {:.1} after: {:.1} KiB a \
                 connection\nserver processor {:.0} us a charger that connects",
                server.rss_before_bytes as f64 / 1_048_576.0,
                server.rss_connected_bytes as f64 / 1_048_576.0,
                server.rss_after_bytes as f64 / 1_048_576.0,
                server.rss_per_connection_bytes / 1_024.0,
                server.cpu_us_per_connect
            )?;
            if self.answered > 0 {
                write!(f, ", {:.2} us a message", server.cpu_us_per_message)?;
            }
        }
        Ok(())
    }
}

/// Microseconds, shown in the unit that fits.
struct Time(f64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1e3 {
            write!(f, "{:.0} us", self.0)
        } else if self.0 < 1e6 {
            write!(f, "{:.2} ms", self.0 / 1e3)
        } else {
            write!(f, "{:.2} s", self.0 / 1e6)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_what_was_measured() {
        let mut histogram = Histogram::<u64>::new(3).expect("three digits");
        for us in 1..=1_000_u64 {
            histogram.record(us * 1_000).expect("fits");
        }
        let report = LoadReport {
            url: "ws://127.0.0.1:1".to_owned(),
            chargers: 10,
            connected: 9,
            connecting_s: 0.5,
            sending_s: 2.0,
            answered: 1_000,
            messages_per_s: 500.0,
            latency: LatencyReport::of(&histogram),
            connect_errors: 1,
            call_errors: 0,
            unanswered: 0,
            lost: 0,
            last_error: String::new(),
            server: None,
        };
        let text = report.to_string();
        assert!(text.contains("9 of 10 chargers"), "{text}");
        assert!(text.contains("500 messages/s"), "{text}");
        assert!(text.contains("p50 500 us") && text.contains("max 1.00 ms"), "{text}");
        let json = serde_json::to_value(&report).expect("is JSON");
        assert_eq!(json["answered"], 1_000);
    }
}
