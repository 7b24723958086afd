//! Settings of the pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use mendpoint_fleet::FleetSettings;
use mendpoint_incidents::EngineSettings;
use mendpoint_upkeep::{Profiles, UpkeepSettings};

/// What the pipeline needs to know before it starts.
#[derive(Clone, Debug)]
pub struct PipelineSettings {
    /// How many shards own the state. One a core is plenty: a shard takes about a million events a
    /// second.
    pub shards: u32,
    /// How many messages may wait for a shard; past that the sockets that feed it wait.
    pub queue: usize,
    /// What happens with chargers that nobody registered.
    pub unknown_chargers: UnknownChargers,
    /// Whether an identity in other capitals is another charger.
    pub identity_case: IdentityCase,
    /// The operator's name, as it stands in the O of chargers' certificates; any when empty.
    pub operator_name: String,
    /// Whether a token that nobody registered may charge.
    pub accept_unknown_tokens: bool,
    /// Whether one token may charge at several places at once.
    pub concurrent_transactions: bool,
    /// Heartbeat interval that chargers are told, in seconds.
    pub heartbeat_interval_s: u32,
    /// Whether payloads are checked against the standard and refused when they differ.
    pub strict: bool,
    /// The key that charger passwords are hashed with; one is made and kept when empty.
    pub credential_pepper: String,
    /// The address of the web pages, for links in mails; no slash at the end.
    pub public_url: String,
    /// Who gets a mail about every ticket's progress besides the installer; may be empty.
    pub dispatch_email: String,
    /// Who gets a mail when the trouble seems to be Mendpoint's own; `dispatch_email` when empty.
    pub platform_email: String,
    /// The state's rules.
    pub fleet: FleetSettings,
    /// The engine's rules.
    pub engine: EngineSettings,
    /// Where the power of chargers can be switched off and on, by the names of their sites.
    pub power_hooks: BTreeMap<String, PowerHook>,
    /// The ids of the rules that are built in: they do not begin in shadow (G10). None does
    /// where this is empty.
    pub shipped_rules: BTreeSet<String>,
    /// When chargers are asked about themselves.
    pub upkeep: UpkeepSettings,
    /// How vendors tell of radio links.
    pub profiles: Profiles,
    /// Who is told of incidents.
    pub duty: crate::DutySettings,
}

/// Where a site's power is switched.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerHook {
    /// `http://` or `https://`: what is asked with a POST.
    pub url: String,
    /// What requests are signed with (HMAC-SHA256).
    pub secret: String,
}

impl fmt::Debug for PowerHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may hold a password too.
        f.debug_struct("PowerHook").finish_non_exhaustive()
    }
}

/// What happens with a charger that nobody registered (behaviour 52).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownChargers {
    /// 404 before the handshake.
    Reject,
    /// Registered, shown, and told to wait (boot answered Pending) until a person accepts it.
    #[default]
    Quarantine,
    /// Registered and served at once.
    Accept,
}

/// How identities are compared (behaviour 15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityCase {
    /// Letter by letter: `cp1` is not `CP1`.
    #[default]
    Exact,
    /// `cp1` is the `CP1` that is registered.
    Ignore,
}
