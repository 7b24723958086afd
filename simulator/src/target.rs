//! The server that chargers talk to.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

use crate::{ChargerSpec, SimulatorError};

/// Gives the password of a charger; `None` for a connection without one.
pub type Password = Arc<dyn Fn(&ChargerSpec) -> Option<String> + Send + Sync>;

/// Where the server is and how chargers sign in.
#[derive(Clone)]
pub struct Target {
    /// Address to which the identity is added: `ws://127.0.0.1:9000/ocpp`.
    pub url: String,
    /// Passwords for Basic authentication, if the server wants them.
    pub password: Option<Password>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Passwords stay out of logs.
        f.debug_struct("Target").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Target {
    /// A server without passwords.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), password: None }
    }

    /// The same with passwords.
    #[must_use]
    pub fn with_password(
        mut self,
        password: impl Fn(&ChargerSpec) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.password = Some(Arc::new(password));
        self
    }

    /// The handshake of a charger.
    pub(crate) fn request(&self, spec: &ChargerSpec) -> Result<Request, SimulatorError> {
        let refuse = |why: String| SimulatorError::Url { url: self.url.clone(), why };
        if !self.url.starts_with("ws://") {
            return Err(refuse(
                "it must begin with ws:// (put a TLS proxy in front for wss)".into(),
            ));
        }
        let url = format!("{}/{}", self.url.trim_end_matches('/'), escaped(&spec.identity));
        let mut request = url.into_client_request().map_err(|why| refuse(why.to_string()))?;
        let protocol = HeaderValue::from_static(spec.protocol.name());
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        if let Some(password) = self.password.as_ref().and_then(|password| password(spec)) {
            let pair = format!("{}:{password}", spec.identity);
            let text = base64::engine::general_purpose::STANDARD.encode(pair);
            let mut value = HeaderValue::try_from(format!("Basic {text}"))
                .map_err(|why| refuse(why.to_string()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(request)
    }
}

/// An identity as a path segment (behaviour 14).
fn escaped(identity: &str) -> String {
    let mut text = String::with_capacity(identity.len());
    for byte in identity.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            for digit in [byte >> 4, byte & 15] {
                text.push(
                    char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase(),
                );
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use mendpoint_model::Protocol;

    #[test]
    fn the_handshake_names_identity_protocol_and_password() {
        let spec = ChargerSpec::new("RDAM|123", Protocol::V201);
        let target = Target::new("ws://127.0.0.1:9000/ocpp/").with_password(|_| Some("pw".into()));
        let request = target.request(&spec).expect("the address is good");
        assert_eq!(request.uri().path(), "/ocpp/RDAM%7C123");
        assert_eq!(request.headers()[SEC_WEBSOCKET_PROTOCOL], "ocpp2.0.1");
        assert_eq!(request.headers()[AUTHORIZATION], "Basic UkRBTXwxMjM6cHc=");
    }

    #[test]
    fn other_schemes_are_refused_with_advice() {
        let spec = ChargerSpec::new("A", Protocol::V16);
        let refused = Target::new("http://x").request(&spec).expect_err("no WebSocket");
        assert!(refused.to_string().contains("ws://"), "{refused}");
    }
}
