//! A chain: who is told first, who next when nobody answers, and when an installer is sent.

/// Who is told, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// From when its times count.
    pub counts_from: CountsFrom,
    /// How long self-healing may take before people are told all the same, milliseconds.
    pub heal_ms: i64,
    /// Whether a step that reaches nobody is followed by the next one at once.
    pub skip_empty: bool,
    /// How long after a step those who did not answer are told again, milliseconds; 0 is never.
    pub repeat_ms: i64,
    /// How long after the beginning an incident that still lasts stands on the breach list,
    /// milliseconds; 0 is never.
    pub breach_ms: i64,
    /// The steps, earliest first.
    pub steps: Vec<Step>,
}

/// From when the times of a chain count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountsFrom {
    /// The engine gave up, or `heal` has passed.
    #[default]
    HandedOver,
    /// The incident was opened.
    Opened,
}

/// A step of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How long after the beginning, milliseconds.
    pub after_ms: i64,
    /// Who.
    pub tell: Vec<Target>,
}

/// Somebody to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whoever is on call, of a rota.
    OnCall(String),
    /// Whoever is on call next.
    SecondOnCall(String),
    /// The owner of the site.
    Owner,
    /// The installer of the site: the ticket becomes theirs.
    Installer,
    /// Somebody who signs in here.
    Person(String),
    /// An address.
    Mail(String),
    /// A program.
    Webhook(String),
}

/// The rota that a chain means when it names none.
pub(crate) const DEFAULT_ROTA: &str = "default";

impl Target {
    /// Reads `on_call`, `on_call:night`, `second_on_call`, `owner`, `installer`, `person:ana`,
    /// `mail:a@b.example`, `webhook:noc`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, name) = match text.trim().split_once(':') {
            Some((kind, name)) => (kind, Some(name.trim().to_owned())),
            None => (text.trim(), None),
        };
        let rota = || name.clone().unwrap_or_else(|| DEFAULT_ROTA.to_owned());
        match (kind, &name) {
            ("on_call", _) => Some(Self::OnCall(rota())),
            ("second_on_call", _) => Some(Self::SecondOnCall(rota())),
            ("owner", None) => Some(Self::Owner),
            ("installer", None) => Some(Self::Installer),
            ("person", Some(name)) if !name.is_empty() => Some(Self::Person(name.clone())),
            ("mail", Some(name)) if name.contains('@') => Some(Self::Mail(name.clone())),
            ("webhook", Some(name)) if !name.is_empty() => Some(Self::Webhook(name.clone())),
            _ => None,
        }
    }

    /// As what somebody is told, for the history.
    pub fn role(&self) -> String {
        match self {
            Self::OnCall(rota) if rota == DEFAULT_ROTA => "on call".to_owned(),
            Self::OnCall(rota) => format!("on call, {rota}"),
            Self::SecondOnCall(rota) if rota == DEFAULT_ROTA => "second on call".to_owned(),
            Self::SecondOnCall(rota) => format!("second on call, {rota}"),
            Self::Owner => "owner".to_owned(),
            Self::Installer => "installer".to_owned(),
            Self::Person(_) | Self::Mail(_) => "as the route says".to_owned(),
            Self::Webhook(_) => "webhook".to_owned(),
        }
    }
}
