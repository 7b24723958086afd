//! Who did something, as the audit log names them. A request is somebody's from the moment that it is
//! known whose it is; every line that is written for it names them, whatever name histories show.

use std::fmt;
use std::sync::OnceLock;

use mendpoint_model::{IncidentId, Origin};

tokio::task_local! {
    static CURRENT: OnceLock<AuditActor>;
}

/// Somebody, or a part of the program. Written out it cannot be taken for another kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditActor {
    /// An account, by the name that it signs in with.
    User(String),
    /// An API token, by its name.
    Token(String),
    /// The token of the settings.
    BootstrapToken,
    /// Whoever may run the program on this machine.
    CommandLine,
    /// Somebody who did not say who they are.
    Unknown,
    /// The engine, for an incident.
    Engine(IncidentId),
    /// The program itself.
    System,
    /// The part of it that asks chargers about themselves.
    Upkeep,
}

impl fmt::Display for AuditActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Token(name) => write!(f, "token {name}"),
            Self::BootstrapToken => f.write_str("bootstrap token"),
            Self::CommandLine => f.write_str("command line"),
            Self::Unknown => f.write_str("somebody unknown"),
            Self::Engine(incident) => write!(f, "engine for {incident}"),
            Self::System => f.write_str("system"),
            Self::Upkeep => f.write_str("upkeep"),
        }
    }
}

impl From<&Origin> for AuditActor {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::Engine(incident) => Self::Engine(*incident),
            Origin::User(name) => Self::User(name.clone()),
            Origin::Token(name) => Self::Token(name.clone()),
            Origin::System => Self::System,
            Origin::Upkeep(_) => Self::Upkeep,
        }
    }
}

impl AuditActor {
    /// Serves a request; whose it is, is said meanwhile.
    pub async fn serving<T>(request: impl Future<Output = T>) -> T {
        CURRENT.scope(OnceLock::new(), request).await
    }

    /// Says whose request this is. The first word counts.
    pub fn is_here(self) {
        // Outside of a request nobody asks.
        let _ = CURRENT.try_with(|current| current.set(self).is_ok());
    }

    /// Whose request this is.
    fn current() -> Option<Self> {
        CURRENT.try_with(|current| current.get().cloned()).ok().flatten()
    }

    /// The name for a line of the audit log: whose request it is, or a part of the program outside of
    /// requests.
    pub(crate) fn named(otherwise: &str) -> String {
        Self::current().map_or_else(|| otherwise.to_owned(), |actor| actor.to_string())
    }

    /// Who asks for a command: the same by the name that histories show.
    pub(crate) fn origin(name: &str) -> Origin {
        match Self::current() {
            Some(Self::Token(_) | Self::BootstrapToken) => Origin::Token(name.to_owned()),
            Some(Self::System) => Origin::System,
            _ => Origin::User(name.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn s19_who_asks_is_named_and_nobody_else() {
        assert_eq!(AuditActor::named("system"), "system");
        AuditActor::serving(async {
            assert_eq!(AuditActor::named("nobody"), "nobody", "it is not known yet");
            AuditActor::Token("ana".to_owned()).is_here();
            AuditActor::User("vio".to_owned()).is_here();
            assert_eq!(AuditActor::named("vio"), "token ana");
            assert_eq!(AuditActor::origin("ana"), Origin::Token("ana".to_owned()));
        })
        .await;
        AuditActor::serving(async {
            AuditActor::User("ana".to_owned()).is_here();
            assert_eq!(AuditActor::named("vio"), "user ana");
            assert_eq!(AuditActor::origin("ana"), Origin::User("ana".to_owned()));
        })
        .await;
        AuditActor::serving(async {
            AuditActor::System.is_here();
            assert_eq!(AuditActor::origin("Mendpoint"), Origin::System);
        })
        .await;
    }
}
