//! What people set, and what is known of an incident.

use std::collections::BTreeMap;

use mendpoint_model::{ChargerKey, IncidentId, IncidentState, SiteKey, TicketId, UnixMs};
use serde::{Deserialize, Serialize};

use crate::case::{Held, HeldBy};
use crate::chain::{DEFAULT_ROTA, Target};
use crate::inbox::Recipient;
use crate::{Person, Rota, Routes, Scope, Silence, Window};

/// Everything that people set.
#[derive(Clone, Debug)]
pub struct Book {
    /// Routes and chains.
    pub routes: Routes,
    /// Programs that are told, by name.
    pub webhooks: BTreeMap<String, Webhook>,
    /// Rotas by name.
    pub rotas: BTreeMap<String, Rota>,
    /// Persons by the name they sign in with.
    pub persons: BTreeMap<String, Person>,
    /// Silences by number.
    pub silences: BTreeMap<i64, Silence>,
    /// Maintenance windows by number.
    pub windows: BTreeMap<i64, Window>,
    /// What is known of places.
    pub places: BTreeMap<Scope, PlaceTags>,
    /// How long a first notification waits for others of its group, milliseconds.
    pub group_wait_ms: i64,
    /// How long after one the next of the same group comes, milliseconds.
    pub group_interval_ms: i64,
    /// How long after a digest the next one comes, milliseconds.
    pub digest_ms: i64,
    /// Where the pages are, without a slash at the end.
    pub base_url: String,
}

/// A program that is told. Where it is, and what signs for us, only the one who sends knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhook {
    /// What is sent.
    pub format: WebhookFormat,
    /// The topic, for ntfy.
    pub topic: String,
}

/// What a program is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// Our own JSON.
    #[default]
    Json,
    /// What an ntfy server shows on telephones.
    Ntfy,
}

/// Who may charge at a place, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Anybody, direct current.
    PublicDc,
    /// Anybody, alternating current.
    PublicAc,
    /// Few, direct current.
    PrivateDc,
    /// Few, alternating current.
    PrivateAc,
}

impl Access {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::PublicDc, Self::PublicAc, Self::PrivateDc, Self::PrivateAc];

    /// The word in files and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::PublicDc => "public_dc",
            Self::PublicAc => "public_ac",
            Self::PrivateDc => "private_dc",
            Self::PrivateAc => "private_ac",
        }
    }

    /// The words for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::PublicDc => "Public, DC",
            Self::PublicAc => "Public, AC",
            Self::PrivateDc => "Private, DC",
            Self::PrivateAc => "Private, AC",
        }
    }

    /// The access of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.name() == name)
    }
}

/// What is known of a site or a charger besides what chargers tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlaceTags {
    /// Who may charge there; of a charger: else as its site.
    pub access: Option<Access>,
    /// Words to choose by.
    pub labels: Vec<String>,
    /// Where mail of the owner goes; for sites.
    pub owner_email: String,
}

/// What is known of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Which.
    pub incident: IncidentId,
    /// Its rule.
    pub rule: String,
    /// The route that its rule names.
    pub route: String,
    /// What it is told together with: the group the engine gave it, else site and family.
    pub group: String,
    /// 0 danger to 9 debug.
    pub severity: u8,
    /// The charger.
    pub charger: ChargerKey,
    /// Its OCPP identity.
    pub identity: String,
    /// Its name for people.
    pub charger_name: String,
    /// Vendor and model.
    pub model: String,
    /// The site.
    pub site: SiteKey,
    /// Its name.
    pub site_name: String,
    /// What is wrong, in a line.
    pub title: String,
    /// What happened, in sentences.
    pub text: String,
    /// When it was opened.
    pub opened_at: UnixMs,
    /// Where it stands.
    pub state: IncidentState,
    /// Whether the engine gave it to people.
    pub handed_over: bool,
    /// Whether another incident stands for it: people are told of that one.
    pub inhibited: bool,
    /// Who took it.
    pub taken_by: Option<String>,
    /// Its ticket.
    pub ticket: Option<TicketId>,
    /// How it ended; empty while it lasts.
    pub resolution: String,
}

impl Book {
    /// A book with routes and nothing else.
    pub fn new(routes: Routes) -> Self {
        Self {
            routes,
            webhooks: BTreeMap::new(),
            rotas: BTreeMap::new(),
            persons: BTreeMap::new(),
            silences: BTreeMap::new(),
            windows: BTreeMap::new(),
            places: BTreeMap::new(),
            group_wait_ms: 30_000,
            group_interval_ms: 5 * mendpoint_model::MINUTE_MS,
            digest_ms: 4 * mendpoint_model::HOUR_MS,
            base_url: String::new(),
        }
    }

    /// Who may charge where an incident is.
    pub fn access(&self, brief: &Brief) -> Option<Access> {
        let of = |scope| self.places.get(&scope).and_then(|tags| tags.access);
        of(Scope::Charger(brief.charger)).or_else(|| of(Scope::Site(brief.site)))
    }

    /// The labels of where an incident is.
    pub(crate) fn labels<'a>(&'a self, brief: &Brief) -> impl Iterator<Item = &'a str> {
        [Scope::Charger(brief.charger), Scope::Site(brief.site)]
            .into_iter()
            .filter_map(|scope| self.places.get(&scope))
            .flat_map(|tags| tags.labels.iter().map(String::as_str))
    }

    /// The rota that a target means.
    pub fn rota(&self, name: &str) -> Option<&Rota> {
        let only = || Some(&self.rotas).filter(|all| name == DEFAULT_ROTA && all.len() == 1);
        self.rotas.get(name).or_else(|| only().and_then(|all| all.values().next()))
    }

    /// The person of a name: the one they sign in with, or the one for people, which histories show.
    pub fn person(&self, who: &str) -> Option<&Person> {
        let shown = || self.persons.values().find(|person| person.label() == who);
        self.persons.get(who).or_else(shown)
    }

    /// Whether a person can be told.
    pub fn reaches(&self, name: &str) -> bool {
        self.persons.get(name).is_some_and(|person| person.email.contains('@'))
    }

    /// Whom a target means now; nobody when it reaches nobody. Work orders reach no inbox.
    pub(crate) fn recipient(
        &self,
        target: &Target,
        brief: &Brief,
        now: UnixMs,
    ) -> Option<Recipient> {
        let person = |name: &str| {
            let person = self.persons.get(name).filter(|_| self.reaches(name))?;
            Some(Recipient::person(person))
        };
        match target {
            Target::OnCall(rota) => person(&self.rota(rota)?.on_call(now).first?),
            Target::SecondOnCall(rota) => person(&self.rota(rota)?.on_call(now).second?),
            Target::Person(name) => person(name),
            Target::Owner => {
                // A charger may have an owner of its own.
                let owner = |scope| {
                    let email = &self.places.get(&scope)?.owner_email;
                    (!email.trim().is_empty()).then_some(email)
                };
                let email = owner(Scope::Charger(brief.charger))
                    .or_else(|| owner(Scope::Site(brief.site)))?;
                Recipient::mail(email)
            }
            Target::Mail(address) => Recipient::mail(address),
            Target::Webhook(name) => {
                self.webhooks.contains_key(name).then(|| Recipient::webhook(name))
            }
            Target::Installer => None,
        }
    }

    /// What keeps people from being told of an incident now. `open` are the maintenance windows that
    /// are open, with their ends.
    pub(crate) fn hold(
        &self,
        brief: &Brief,
        now: UnixMs,
        open: &[(Scope, UnixMs, i64)],
    ) -> Option<Held> {
        let window = open
            .iter()
            .filter(|(scope, until, _)| {
                *until > now
                    && (*scope == Scope::Site(brief.site)
                        || *scope == Scope::Charger(brief.charger))
            })
            .max_by_key(|(_, until, _)| *until);
        if let Some((_, until, id)) = window {
            let title = self.windows.get(id).map_or("", |window| window.title.as_str());
            return Some(Held {
                by: HeldBy::Maintenance,
                number: *id,
                until: *until,
                why: title.to_owned(),
            });
        }
        let silence = self
            .silences
            .values()
            .filter(|silence| silence.is_active(now) && silence.matcher.fits(self, brief))
            .max_by_key(|silence| silence.until)?;
        Some(Held {
            by: HeldBy::Silence,
            number: silence.id,
            until: silence.until,
            why: format!("{} ({})", silence.reason, silence.author),
        })
    }
}
