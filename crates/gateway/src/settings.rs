//! The gateway's settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mendpoint_model::{Protocol, SecurityProfile};
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::GatewayError;
use crate::head::ProxyWords;
use crate::tls::TlsFiles;

/// How the listener behaves. Every limit is here, so that no queue and no buffer is without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewaySettings {
    /// Where to listen, each with its own security profile.
    pub listeners: Vec<ListenerSettings>,
    /// How long a connection may take from accept to the upgrade, TLS included, milliseconds.
    pub handshake_timeout_ms: u64,
    /// How many connections may be in their handshake at once. When there are more, those that
    /// stall have to leave.
    pub handshakes_max: usize,
    /// How many of those one address may have before its own oldest has to leave.
    pub handshakes_per_address: usize,
    /// How many chargers may be connected at once. Checked after the charger is known, so that a
    /// dead connection never keeps its own charger out (behaviour 5).
    pub max_connections: usize,
    /// The longest message taken from a charger, bytes (behaviour 38).
    pub max_message_bytes: usize,
    /// How many bytes may wait for a charger that does not read, before it is disconnected.
    pub write_buffer_bytes_max: usize,
    /// Time between our WebSocket pings, milliseconds; below 60 s, because some chargers drop a
    /// socket that is silent longer (behaviour 8). 0 turns pings off.
    pub ping_interval_ms: u64,
    /// The version spoken with a charger that names no sub-protocol at all (behaviour 13); refused
    /// when not set.
    pub legacy_protocol: Option<Protocol>,
    /// How many commands may wait for one charger, beside the one in flight (behaviour 24).
    pub command_queue_max: usize,
    /// How many calls of one charger may wait for their answer before no more are read from it.
    pub pending_answers_max: usize,
    /// How many messages a second are taken from one charger, after a burst; it waits with the rest
    /// (behaviour 39). 0 is no limit.
    pub messages_per_second: u32,
    /// How long sessions may take to end when the server stops, milliseconds.
    pub drain_timeout_ms: u64,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed (behaviour 17).
    pub trusted_proxies: Vec<IpAddr>,
    /// What else they are believed.
    pub proxy_words: ProxyWords,
}

/// One address that chargers connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerSettings {
    /// The address.
    pub listen: SocketAddr,
    /// The weakest way in.
    pub profile: SecurityProfile,
    /// What it presents, for the profiles 2 and 3.
    pub tls: Option<TlsFiles>,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9000);
        Self { listen, profile: SecurityProfile::Open, tls: None }
    }
}

impl ListenerSettings {
    /// Refuses what does not fit together.
    fn check(&self) -> Result<(), String> {
        let (listen, number) = (self.listen, self.profile.number());
        match (self.profile.is_encrypted(), &self.tls) {
            (true, None) => Err(format!(
                "the listener {listen} of profile {number} needs a certificate and a key"
            )),
            (false, Some(_)) => Err(format!(
                "the listener {listen} has a certificate, but profile {number} is not encrypted; \
                 write profile = 2 or 3"
            )),
            (true, Some(files))
                if self.profile == SecurityProfile::Mutual && files.client_ca.is_none() =>
            {
                Err(format!(
                    "the listener {listen} of profile 3 needs client_ca: who may have signed the \
                     chargers' certificates"
                ))
            }
            (true, Some(files))
                if self.profile == SecurityProfile::Tls && files.client_ca.is_some() =>
            {
                Err(format!(
                    "the listener {listen} of profile 2 asks chargers for no certificate; leave \
                     client_ca out or write profile = 3"
                ))
            }
            (true, Some(files)) if files.client_crl.is_some() && files.client_ca.is_none() => {
                Err(format!("the listener {listen} has client_crl without client_ca"))
            }
            (true, Some(_)) | (false, None) => Ok(()),
        }
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            listeners: vec![ListenerSettings::default()],
            handshake_timeout_ms: 10_000,
            handshakes_max: 4_096,
            handshakes_per_address: 1_024,
            max_connections: 100_000,
            max_message_bytes: 1 << 20,
            write_buffer_bytes_max: 256 << 10,
            ping_interval_ms: 45_000,
            legacy_protocol: None,
            command_queue_max: 16,
            pending_answers_max: 32,
            messages_per_second: 200,
            drain_timeout_ms: 10_000,
            trusted_proxies: Vec::new(),
            proxy_words: ProxyWords::default(),
        }
    }
}

/// Read buffer of a connection, bytes: allocated at once for each, so small. It grows for longer
/// messages. With 640 a meter value of 1.8 KB takes one read more, and 7 % more processor time.
const READ_BUFFER_BYTES: usize = 1 << 10;
/// Answers collect up to this many bytes before they are written without being asked to.
const WRITE_BUFFER_BYTES: usize = 4 << 10;

impl GatewaySettings {
    /// Refuses what cannot work, with a sentence that says what to change.
    pub(crate) fn check(&self) -> Result<(), GatewayError> {
        let wrong = |sentence: &str| Err(GatewayError::Settings(sentence.to_owned()));
        if self.handshake_timeout_ms == 0 {
            return wrong("handshake_timeout_ms must be at least 1; 15000 is usual");
        }
        if self.handshakes_max == 0 || self.handshakes_per_address == 0 {
            return wrong("handshakes_max and handshakes_per_address must be at least 1");
        }
        if self.max_connections == 0 {
            return wrong("max_connections must be at least 1");
        }
        if self.listeners.is_empty() {
            return wrong("chargers need at least one listener");
        }
        for listener in &self.listeners {
            listener.check().map_err(GatewayError::Settings)?;
        }
        if self.pending_answers_max == 0 || self.command_queue_max == 0 {
            return wrong("pending_answers_max and command_queue_max must be at least 1");
        }
        if self.max_message_bytes < 1_024 {
            return wrong("max_message_bytes must be at least 1024: boot messages need that much");
        }
        if self.write_buffer_bytes_max <= 2 * WRITE_BUFFER_BYTES {
            return wrong("write_buffer_bytes_max must be more than 8192");
        }
        Ok(())
    }

    /// What is believed of this peer, if it is a trusted proxy.
    pub(crate) fn proxy_of(&self, peer: IpAddr) -> Option<&ProxyWords> {
        self.trusted_proxies.contains(&peer.to_canonical()).then_some(&self.proxy_words)
    }

    /// The time from accept to upgrade.
    pub(crate) fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }

    /// The time that one message of a charger may take; zero for no limit.
    pub(crate) fn message_time(&self) -> Duration {
        Duration::from_secs(1).checked_div(self.messages_per_second).unwrap_or_default()
    }

    /// Time between pings, if we ping at all.
    pub(crate) fn ping_interval(&self) -> Option<Duration> {
        (self.ping_interval_ms > 0).then(|| Duration::from_millis(self.ping_interval_ms))
    }

    /// The WebSocket limits. The library's own defaults are 64 MiB a message, an unlimited write
    /// buffer and 128 KiB of read buffer allocated for every connection.
    pub(crate) fn websocket(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_write_buffer_size(self.write_buffer_bytes_max)
            .max_message_size(Some(self.max_message_bytes))
            .max_frame_size(Some(self.max_message_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_usable_and_nonsense_is_refused() {
        GatewaySettings::default().check().expect("defaults work");
        let settings = GatewaySettings { write_buffer_bytes_max: 100, ..Default::default() };
        let said = settings.check().expect_err("too small").to_string();
        assert!(said.contains("write_buffer_bytes_max"), "{said}");
    }
}
