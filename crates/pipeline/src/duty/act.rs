//! What people set and see of who is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mendpoint_escalation::{
    Book, Brief, Case, Claim, Held, Matcher, Person, PlaceTags, Rota, Scope, Silence, Window,
};
use mendpoint_incidents::{Request, Seen, correlate};
use mendpoint_model::{ChargerKey, ChargerRecord, IncidentId, SiteKey, UnixMs};
use mendpoint_store::Entry;

use super::book::place_name;
use crate::{Error, Handle, clock};

/// An open incident with how far its chain is.
#[derive(Clone, Debug)]
pub struct DutyCase {
    /// What is known of it.
    pub brief: Brief,
    /// How far it is.
    pub case: Case,
}

/// Planned work that is going on somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// Until when.
    pub until: UnixMs,
    /// The number of the window.
    pub window: i64,
    /// What is done.
    pub title: String,
}

fn refused(error: &mendpoint_escalation::Error) -> Error {
    Error::Refused(format!("failed to {error}"))
}

impl Handle {
    /// Everything that people set about who is told.
    pub fn duty_book(&self) -> Arc<Book> {
        Arc::clone(self.0.duty.machine().book())
    }

    /// Every open incident with how far its chain is, by number.
    pub fn duty_cases(&self) -> Vec<DutyCase> {
        let machine = self.0.duty.machine();
        let cases = machine.cases();
        cases.map(|(brief, case)| DutyCase { brief: brief.clone(), case: case.clone() }).collect()
    }

    /// How far the chain of an incident is; `None` when it is over, or nobody need be told.
    pub fn duty_case(&self, incident: IncidentId) -> Option<Case> {
        self.0.duty.machine().case(incident).cloned()
    }

    /// What keeps people from being told of an incident: a silence, or planned work.
    pub fn held(&self, incident: IncidentId) -> Option<Held> {
        self.0.duty.machine().case(incident)?.held.clone()
    }

    /// How many things wait for somebody, and how many they were told today.
    pub fn duty_inbox(&self, person: &str) -> (usize, u32) {
        let machine = self.0.duty.machine();
        let inbox = machine.inbox(&format!("user:{person}"));
        inbox.map_or((0, 0), |inbox| (inbox.waiting(), inbox.sent_today()))
    }

    /// Planned work at a site, or at one of its chargers, that is going on now.
    pub fn maintenance(&self, site: SiteKey, charger: Option<ChargerKey>) -> Option<Maintenance> {
        let now = clock::now();
        let book = self.duty_book();
        let here = |scope: Scope| {
            scope == Scope::Site(site) || charger.is_some_and(|key| scope == Scope::Charger(key))
        };
        let machine = self.0.duty.machine();
        // The machine knows what is open; most places have no window at all.
        if !machine.maintenance().iter().any(|(scope, until)| here(*scope) && *until > now) {
            return None;
        }
        let open = book.windows.values().filter(|window| here(window.scope)).filter_map(|window| {
            let until = window.state(now).0?;
            Some(Maintenance { until, window: window.id, title: window.title.clone() })
        });
        open.max_by_key(|one| one.until)
    }

    /// Writes a rota over the one of its name.
    ///
    /// # Errors
    /// What is wrong with it, or that the database refused.
    pub async fn put_rota(&self, mut rota: Rota, by: &str) -> Result<(), Error> {
        rota.name = rota.name.trim().to_owned();
        let mut book = self.duty_book();
        if rota.check(|name| book.persons.contains_key(name)).is_err() {
            // Somebody may have been added just now, from the command line.
            self.0.read_book_now().await;
            book = self.duty_book();
        }
        rota.check(|name| book.persons.contains_key(name)).map_err(|error| refused(&error))?;
        // Stand-ins of long ago are history, and history is in the audit log.
        let long_ago = clock::now() - 90 * mendpoint_model::DAY_MS;
        rota.overrides.retain(|one| one.to > long_ago);
        self.0.put("rota", &rota.name, &rota, by).await?;
        self.note(by, "rota changed", &rota.name, &rota.people.join(", ")).await;
        Ok(())
    }

    /// Forgets a rota; `false` when there is none of that name.
    ///
    /// # Errors
    /// When the database refused.
    pub async fn delete_rota(&self, name: &str, by: &str) -> Result<bool, Error> {
        let was_there = self.0.forget("rota", name).await?;
        if was_there {
            self.note(by, "rota deleted", name, "").await;
        }
        Ok(was_there)
    }

    /// Keeps what somebody wants of notifications.
    ///
    /// # Errors
    /// What is wrong with it, or that the database refused.
    pub async fn put_person(&self, person: Person, by: &str) -> Result<(), Error> {
        person.check().map_err(|error| refused(&error))?;
        if !self.duty_book().persons.contains_key(&person.name) {
            self.0.read_book_now().await;
        }
        if !self.duty_book().persons.contains_key(&person.name) {
            return Err(Error::Refused(format!("nobody signs in as \"{}\"", person.name)));
        }
        self.0.put("person", &person.name, &person, by).await?;
        let detail = format!("quiet {}, budget {}", person.quiet_words(), person.budget);
        self.note(by, "notifications changed", &person.name, &detail).await;
        Ok(())
    }

    /// Writes a silence down; gives its number.
    ///
    /// # Errors
    /// What is wrong with it, or that the database refused.
    pub async fn add_silence(&self, mut silence: Silence, by: &str) -> Result<i64, Error> {
        let now = clock::now();
        silence.from = silence.from.max(now);
        silence.check(now).map_err(|error| refused(&error))?;
        self.names_what_is(&silence.matcher)?;
        silence.id = self.0.duty.next_id.fetch_add(1, Ordering::Relaxed);
        by.clone_into(&mut silence.author);
        silence.ended_by.clear();
        silence.announced = false;
        self.0.put("silence", &silence.id.to_string(), &silence, by).await?;
        let detail = format!("until {}: {}", silence.until, silence.reason);
        self.note(by, "silence added", &silence.matcher.words(), &detail).await;
        Ok(silence.id)
    }

    /// Refuses a name that nothing has, for whoever wrote it believes that something is silent now.
    /// A name with `*` may fit what comes later.
    fn names_what_is(&self, matcher: &Matcher) -> Result<(), Error> {
        let directory = self.directory();
        let catalogue = self.catalogue();
        let is_rule = |name: &str| {
            catalogue.rules().iter().any(|rule| rule.id.eq_ignore_ascii_case(name))
                || correlate::BUILT_IN.iter().any(|(id, ..)| id.eq_ignore_ascii_case(name))
                || ["USER_REPORT", "MANUAL"].iter().any(|id| id.eq_ignore_ascii_case(name))
        };
        let is_charger = |name: &str| {
            let all = directory.chargers();
            all.iter().any(|charger| charger.identity.to_lowercase() == name.to_lowercase())
        };
        let is_site = |name: &str| {
            let all = directory.sites();
            all.iter().any(|site| site.name.to_lowercase() == name.to_lowercase())
        };
        let is_model = |name: &str| {
            let of = |charger: &ChargerRecord| format!("{} {}", charger.vendor, charger.model);
            let all = directory.chargers();
            all.iter().any(|charger| of(charger).trim().to_lowercase() == name.to_lowercase())
        };
        let is_label = |name: &str| {
            let book = self.duty_book();
            let mut all = book.places.values().flat_map(|tags| &tags.labels);
            all.any(|label| label.to_lowercase() == name.to_lowercase())
        };
        let (rule, charger, site) =
            (matcher.rule.trim(), matcher.charger.trim(), matcher.site.trim());
        let (model, label) = (matcher.model.trim(), matcher.label.trim());
        let is_exact = |name: &str| !name.is_empty() && !name.contains('*');
        let wrong = if is_exact(rule) && !is_rule(rule) {
            Some(("rule", rule))
        } else if is_exact(charger) && !is_charger(charger) {
            Some(("charger", charger))
        } else if is_exact(site) && !is_site(site) {
            Some(("site", site))
        } else if is_exact(model) && !is_model(model) {
            let why =
                "a model is written behind its vendor, as ACME X, and a charger must have told it";
            return Err(Error::Refused(format!(
                "no charger is a \u{201c}{model}\u{201d}, so nothing would be silent; {why}; with * a \
                 name stands for several, as in *{model}*"
            )));
        } else if is_exact(label) && !is_label(label) {
            Some(("label", label))
        } else {
            None
        };
        if let Some((what, name)) = wrong {
            return Err(Error::Refused(format!(
                "there is no {what} \u{201c}{name}\u{201d}, so nothing would be silent; with * a name \
                 stands for several, as in {name}*"
            )));
        }
        Ok(())
    }

    /// Ends a silence before its time.
    ///
    /// # Errors
    /// When there is none of that number or it is over, or the database refused.
    pub async fn end_silence(&self, id: i64, by: &str) -> Result<(), Error> {
        let silence = self.duty_book().silences.get(&id).cloned();
        let Some(mut silence) = silence.filter(|silence| !silence.is_over(clock::now())) else {
            return Err(Error::Refused(format!("there is no silence {id} that is not over")));
        };
        by.clone_into(&mut silence.ended_by);
        silence.announced = true;
        self.0.put("silence", &id.to_string(), &silence, by).await?;
        self.note(by, "silence ended", &silence.matcher.words(), &silence.reason).await;
        if silence.author != by {
            let title = format!("{by} ended your silence of {}", silence.matcher.words());
            let text = "People are told again from now on.";
            self.0.duty.machine().note(clock::now(), &silence.author, &title, text);
            self.0.desk.look();
        }
        Ok(())
    }

    /// Writes a maintenance window down; gives its number.
    ///
    /// # Errors
    /// What is wrong with it, or that the database refused.
    pub async fn add_window(&self, mut window: Window, by: &str) -> Result<i64, Error> {
        window.check().map_err(|error| refused(&error))?;
        let place = self.place_words(window.scope)?;
        let now = clock::now();
        if window.is_over(now) {
            return Err(Error::Refused(window.why_never(now).to_owned()));
        }
        window.id = self.0.duty.next_id.fetch_add(1, Ordering::Relaxed);
        by.clone_into(&mut window.author);
        window.cancelled_by.clear();
        self.0.put("window", &window.id.to_string(), &window, by).await?;
        let detail = format!("{} {} min {}", window.starts, window.minutes, window.rrule);
        self.note(by, "maintenance planned", &place, &detail).await;
        Ok(window.id)
    }

    /// Cancels a maintenance window, also one that is open.
    ///
    /// # Errors
    /// When there is none of that number, or the database refused.
    pub async fn cancel_window(&self, id: i64, by: &str) -> Result<(), Error> {
        let window = self.duty_book().windows.get(&id).cloned();
        let Some(mut window) = window.filter(|window| window.cancelled_by.is_empty()) else {
            return Err(Error::Refused(format!("there is no planned maintenance {id}")));
        };
        by.clone_into(&mut window.cancelled_by);
        self.0.put("window", &id.to_string(), &window, by).await?;
        let place = self.place_words(window.scope).unwrap_or_default();
        self.note(by, "maintenance cancelled", &place, &window.title).await;
        Ok(())
    }

    /// Keeps what is known of a site or a charger.
    ///
    /// # Errors
    /// What is wrong with it, or that the database refused.
    pub async fn put_place(&self, scope: Scope, tags: PlaceTags, by: &str) -> Result<(), Error> {
        let place = self.place_words(scope)?;
        let email = tags.owner_email.trim();
        if !email.is_empty() && (!email.contains('@') || email.contains(char::is_control)) {
            return Err(Error::Refused(format!("{email:?} is no address for mail")));
        }
        if tags.labels.len() > 50 || tags.labels.iter().any(|label| label.chars().count() > 60) {
            return Err(Error::Refused("50 labels of 60 letters are the most".to_owned()));
        }
        self.0.put("place", &place_name(scope), &tags, by).await?;
        let access = tags.access.map_or("", mendpoint_escalation::Access::name);
        let detail = format!("{access} {}", tags.labels.join(", "));
        self.note(by, "place changed", &place, detail.trim()).await;
        Ok(())
    }

    /// What a link of a letter says, if it is ours and still good.
    pub fn read_take_link(&self, token: &str) -> Option<Claim> {
        self.0.duty.signer.read(token, clock::now())
    }

    /// Whether the one a link was sent to is still told of anything: somebody who may sign in, or an
    /// owner without an account.
    pub async fn may_take(&self, claim: &Claim) -> bool {
        // Who left a moment ago left by another program.
        self.0.read_book_now().await;
        let book = self.duty_book();
        let is_owner = |place: &PlaceTags| place.owner_email.trim() == claim.who;
        book.person(&claim.who).is_some() || book.places.values().any(is_owner)
    }

    /// Somebody takes an incident by the link of a letter. `owner` is whose it was on the page that
    /// the link shows, if that is known.
    ///
    /// # Errors
    /// When the incident is over or unknown, or somebody else took it since.
    pub async fn take_by_link(
        &self,
        claim: &Claim,
        owner: Option<String>,
    ) -> Result<IncidentId, Error> {
        let incident = claim.incident;
        let person = self.duty_book().person(&claim.who).map(|person| person.label().to_owned());
        let user = person.unwrap_or_else(|| claim.who.clone());
        let request = Box::new(Request::Take { incident, user: user.clone() });
        let seen = Seen { owner, ..Seen::default() };
        let taken = self.request(Request::IfSeen { seen, request }).await?;
        self.note(&user, "incident taken by link", &incident.to_string(), "").await;
        Ok(taken)
    }

    /// The name of a place.
    fn place_words(&self, scope: Scope) -> Result<String, Error> {
        match scope {
            Scope::Site(site) => {
                let site = self.directory().site(site);
                site.map(|site| site.name.clone())
                    .ok_or_else(|| Error::Refused("there is no such site".to_owned()))
            }
            Scope::Charger(charger) => {
                let record = self.directory().charger(charger).ok_or(Error::UnknownCharger)?;
                Ok(record.identity.to_string())
            }
        }
    }

    async fn note(&self, actor: &str, action: &str, subject: &str, detail: &str) {
        let entry = Entry::Audit {
            at: clock::now(),
            actor: crate::AuditActor::named(actor),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
        };
        self.0.write_down(entry).await;
        self.0.topics.touch(|versions| versions.incidents += 1);
    }
}
