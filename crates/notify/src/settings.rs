use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// Settings of mail (`[mail]`).
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifySettings {
    /// The server mails go through: `smtp://127.0.0.1:1025`,
    /// `smtp://user:password@host:587?tls=required` or `smtps://user:password@host`. Empty: mails
    /// are held.
    pub smtp_url: String,
    /// The sender, as in `Mendpoint <mendpoint@example.com>`.
    pub from: String,
    /// How often the outbox is looked at, milliseconds.
    pub poll_ms: u64,
    /// How long the server may take for one step, milliseconds.
    pub timeout_ms: u64,
    /// Programs that are told, by name.
    pub webhooks: BTreeMap<String, WebhookAddress>,
}

/// Where a program is.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookAddress {
    /// `https://noc.example/hook`; may hold a secret.
    pub url: String,
    /// What each body is signed with; empty: bodies are not signed.
    pub secret: String,
}

impl fmt::Debug for WebhookAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookAddress(***)")
    }
}

impl Default for NotifySettings {
    fn default() -> Self {
        Self {
            smtp_url: String::new(),
            from: "Mendpoint <mendpoint@localhost>".to_owned(),
            poll_ms: 1_000,
            timeout_ms: 30_000,
            webhooks: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for NotifySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifySettings")
            .field("smtp_url", &server_only(&self.smtp_url))
            .field("from", &self.from)
            .field("poll_ms", &self.poll_ms)
            .field("timeout_ms", &self.timeout_ms)
            .field("webhooks", &self.webhooks)
            .finish()
    }
}

/// The address without user, password and query, any of which may be secret.
pub(crate) fn server_only(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.is_empty() { String::new() } else { "***".to_owned() };
    };
    let rest = rest.split('?').next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}"),
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_password() {
        let settings = NotifySettings {
            smtp_url: "smtps://mend:s3cr@et@mail.example:465/?tls=required".to_owned(),
            ..NotifySettings::default()
        };
        let shown = format!("{settings:?}");
        assert!(shown.contains("smtps://***@mail.example:465"), "{shown}");
        assert!(!shown.contains("s3cr"), "{shown}");
        assert_eq!(server_only("smtp://127.0.0.1:1025"), "smtp://127.0.0.1:1025");
        assert_eq!(server_only("user:s3cret@host"), "***");
    }
}
