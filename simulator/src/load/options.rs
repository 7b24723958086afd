//! What load to make.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use super::LoadError;

/// The most connections one process makes: below the usual limit of file descriptors.
const CHARGERS_MAX: usize = 60_000;
/// The longest run.
const DURATION_MAX: Duration = Duration::from_hours(24);

/// What load to make, and on whom.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Where chargers connect, without the identity: `ws://127.0.0.1:9000/ocpp`, or `wss://..`.
    pub url: String,
    /// Who may have signed the server's certificate (`wss://`), as a PEM file.
    pub ca: Option<PathBuf>,
    /// How many chargers.
    pub chargers: usize,
    /// The identity of a charger; `{n}` is replaced by its number in five digits.
    pub identity: String,
    /// The password of all of them; no Basic authentication without one.
    pub password: Option<String>,
    /// How many may be connecting at the same time.
    pub connecting_max: usize,
    /// How long they send, after all have connected.
    pub duration: Duration,
    /// How long they stay silent between connecting and sending; memory is measured at its end.
    pub settle: Duration,
    /// When they send.
    pub pace: Pace,
    /// What they send.
    pub mix: Mix,
    /// The server's process, to measure its memory and processor time.
    pub pid: Option<u32>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            url: "ws://127.0.0.1:9000/ocpp".to_owned(),
            ca: None,
            chargers: 100,
            identity: "LOAD-{n}".to_owned(),
            password: None,
            connecting_max: 256,
            duration: Duration::from_secs(10),
            settle: Duration::from_secs(2),
            pace: Pace::ClosedLoop,
            mix: Mix::default(),
            pid: None,
        }
    }
}

/// When messages are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each charger sends its next message when the last one is answered.
    ClosedLoop,
    /// All together send so many messages a second, evenly. Latency counts from the moment a
    /// message was due, so that a server that stalls cannot hide the messages it kept waiting.
    OpenLoop {
        /// Messages a second, of all chargers together.
        messages_per_s: f64,
    },
    /// They only stay connected.
    Idle,
}

/// What is sent, in parts of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// `Heartbeat`.
    pub heartbeat_percent: u32,
    /// `StatusNotification`.
    pub status_percent: u32,
    /// `MeterValues`.
    pub meter_percent: u32,
    /// The least length of a `MeterValues` frame, bytes.
    pub meter_bytes: usize,
    /// Every `StatusNotification` says what the one before said; otherwise each is a change.
    pub same_status: bool,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            heartbeat_percent: 60,
            status_percent: 10,
            meter_percent: 30,
            meter_bytes: 420,
            same_status: false,
        }
    }
}

impl LoadOptions {
    /// The identity of one charger.
    pub(super) fn identity_of(&self, number: usize) -> String {
        self.identity.replace("{n}", &format!("{number:05}"))
    }

    /// The address to connect to, when all options can work.
    pub(super) fn check(&self) -> Result<SocketAddr, LoadError> {
        let wrong = |sentence: String| Err(LoadError::Options(sentence));
        if self.chargers == 0 || self.chargers > CHARGERS_MAX {
            return wrong(format!("the number of chargers must be from 1 to {CHARGERS_MAX}"));
        }
        if self.chargers > 1 && !self.identity.contains("{n}") {
            return wrong("the identity must have {n} in it, or all chargers are one".to_owned());
        }
        if self.duration > DURATION_MAX || self.settle > DURATION_MAX {
            return wrong("a run lasts at most a day".to_owned());
        }
        let mix = self.mix;
        if [mix.heartbeat_percent, mix.status_percent, mix.meter_percent].iter().sum::<u32>() != 100
        {
            return wrong("the parts of the mix must add up to 100".to_owned());
        }
        if let Pace::OpenLoop { messages_per_s } = self.pace
            && !(messages_per_s > 0.0 && messages_per_s <= 10_000_000.0)
        {
            return wrong("the rate must be more than 0 messages a second".to_owned());
        }
        self.address()
    }

    fn address(&self) -> Result<SocketAddr, LoadError> {
        let wrong = |sentence: String| LoadError::Options(sentence);
        let (host, port) = match (self.url.strip_prefix("ws://"), self.url.strip_prefix("wss://")) {
            (Some(host), _) => (host, 80),
            (None, Some(_)) if self.ca.is_none() => {
                let missing = "a wss:// address wants a file with the authority that signed the \
                               server's certificate";
                return Err(wrong(missing.to_owned()));
            }
            (None, Some(host)) => (host, 443),
            (None, None) => {
                let scheme = "does not begin with ws:// or wss://";
                return Err(wrong(format!("{} {scheme}", self.url)));
            }
        };
        let host = host.split('/').next().unwrap_or_default();
        let with_port =
            if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
                host.to_owned()
            } else {
                format!("{host}:{port}")
            };
        let mut addresses = with_port
            .to_socket_addrs()
            .map_err(|error| wrong(format!("{host} is no address: {error}")))?;
        let address = addresses.next().ok_or_else(|| wrong(format!("{host} has no address")))?;
        // What makes load for one's own server makes trouble for everybody else's.
        if !address.ip().is_loopback() {
            return Err(wrong(format!(
                "{host} is not on this machine; the load generator only connects to loopback \
                 addresses such as 127.0.0.1"
            )));
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loaded() {
        let of = |url: &str| LoadOptions { url: url.to_owned(), ..LoadOptions::default() }.check();
        assert_eq!(of("ws://127.0.0.1:9000/ocpp").ok(), "127.0.0.1:9000".parse().ok());
        assert_eq!(of("ws://[::1]:9000").ok(), "[::1]:9000".parse().ok());
        assert!(of("wss://127.0.0.1:9443").is_err(), "nobody to trust");
        for url in ["ws://192.0.2.1:9000/ocpp", "http://127.0.0.1", "127.0.0.1:9000"] {
            assert!(of(url).is_err(), "{url}");
        }
    }

    #[test]
    fn nonsense_is_a_sentence() {
        let said = |options: LoadOptions| options.check().expect_err("nonsense").to_string();
        let good = LoadOptions::default;
        assert!(said(LoadOptions { chargers: 0, ..good() }).contains("number of chargers"));
        assert!(said(LoadOptions { identity: "CP".to_owned(), ..good() }).contains("{n}"));
        let mix = Mix { heartbeat_percent: 61, ..Mix::default() };
        assert!(said(LoadOptions { mix, ..good() }).contains("100"));
        let pace = Pace::OpenLoop { messages_per_s: f64::NAN };
        assert!(said(LoadOptions { pace, ..good() }).contains("rate"));
    }
}
