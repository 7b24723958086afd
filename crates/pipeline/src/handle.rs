//! The way in for people, pages and scripts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use mendpoint_incidents::{Catalogue, HealingReport, LearnedRow, Request, RequestError};
use mendpoint_model::{
    Actor, Admission, ChargerKey, ChargerRecord, ChargerState, ClientCertificate, FrameSeq,
    IncidentId, SecurityProfile, SiteKey, SiteRecord, TicketId, UnixMs,
};
use mendpoint_store::{Direction, Erasure, IdTokenRow, IfUnknown, Store};
use mendpoint_tickets::{Ticket, TicketCommand, TicketEvent};
use tokio::sync::oneshot;

use crate::message::{Incoming, ShardMessage};
use crate::pipeline::Inner;
use crate::security_log::SecurityNote;
use crate::{Admitted, Board, Directory, Door, Error, NotAdmitted, Topics, clock, redact};
use mendpoint_cards::TextForm;

/// Chargers that are looked through at once for a card that is erased: some milliseconds of a shard.
const ERASED_AT_ONCE: usize = 200;

/// Everything that pages, the API and the command line may ask of the running program. Cheap to
/// clone.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Inner>);

/// A charger to be registered.
#[derive(Clone, Debug, Default)]
pub struct NewCharger {
    /// OCPP identity.
    pub identity: String,
    /// Name for people; the identity when empty.
    pub name: String,
    /// Its site; the site "Unassigned" when `None`.
    pub site: Option<SiteKey>,
    /// Password for Basic authentication; none when `None`.
    pub password: Option<Vec<u8>>,
    /// The weakest security profile it may come in with.
    pub profile: SecurityProfile,
}

/// What to change of how a charger may come in; `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityChange {
    /// The weakest profile, also if it has come in with a stronger one.
    pub profile: Option<SecurityProfile>,
    /// The CN its certificate must have; empty for whatever it comes with next.
    pub certificate_name: Option<String>,
    /// The SHA-256 of the one certificate it may use, in hexadecimal; empty for any of its name.
    pub certificate_sha256: Option<String>,
}

/// How a charger may come in, and how it came last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargerSecurity {
    /// The weakest profile a person allows.
    pub required: SecurityProfile,
    /// The strongest it has come in with: weaker ones are refused.
    pub reached: SecurityProfile,
    /// How it came in last since the start.
    pub last: Option<SecurityProfile>,
    /// `none`, `generated` or `chosen`.
    pub password: &'static str,
    /// Whether two passwords are good, because it is not known which one it has.
    pub two_passwords: bool,
    /// How it sends its 1.6 key; empty while unknown.
    pub key_spelling: String,
    /// The CN of its certificate; empty while none is bound.
    pub certificate_name: String,
    /// The one certificate it may use; empty for any of its name.
    pub certificate_sha256: String,
    /// The certificate it showed last since the start.
    pub certificate: Option<ClientCertificate>,
}

impl Handle {
    /// Who is registered.
    pub fn directory(&self) -> &Directory {
        &self.0.directory
    }

    /// How healing stands beyond single incidents.
    pub fn healing_report(&self) -> HealingReport {
        self.0.permits.report(clock::now())
    }

    /// What was learned of steps, by model and code.
    pub fn learned(&self) -> Vec<LearnedRow> {
        self.0.permits.learned(clock::now(), None)
    }

    /// What is known of steps against a code on a charger's model, in sentences.
    pub fn known_of_steps(
        &self,
        charger: ChargerKey,
        code: &str,
        rungs: &[mendpoint_model::Rung],
    ) -> Vec<String> {
        self.0.permits.known_words(clock::now(), charger, code, rungs)
    }

    /// On how many chargers a step must have done no harm before it is trusted (G7).
    pub fn canary_chargers(&self) -> u32 {
        self.0.settings.engine.guardrails.canary_chargers
    }

    /// Allows again what is off for a charger because it made it worse (G9). Says whether anything
    /// was.
    ///
    /// # Errors
    /// None now; the signature leaves room for a database that is away.
    pub async fn allow_steps_again(&self, charger: ChargerKey, user: &str) -> Result<bool, Error> {
        let rows = self.0.permits.allow_again(charger);
        if rows.is_empty() {
            return Ok(false);
        }
        let entries = rows.into_iter().map(crate::shard_task::memory_entry).collect();
        self.0.journal.append(entries).await;
        let record = self.0.directory.charger(charger);
        let identity = record.map(|record| record.identity.to_string()).unwrap_or_default();
        self.0.audit(user, "steps allowed again", &identity).await;
        Ok(true)
    }

    /// One byte a charger.
    pub fn board(&self) -> &Board {
        &self.0.board
    }

    /// The database, for lists and history.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Versions of what pages show.
    pub fn topics(&self) -> &Topics {
        &self.0.topics
    }

    /// The rules and playbooks in force.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.0.catalogue.load_full()
    }

    /// Begins to live through the past with other rules, in a thread of its own; gives the replay's
    /// number. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When one is running already, or what is asked for cannot be meant.
    pub fn start_replay(&self, ask: crate::ReplayAsk) -> Result<u64, Error> {
        self.0.replays.start(&self.0, ask)
    }

    /// The newest replay of the whole fleet that tried a rule as it stands now: its text and its
    /// playbook's are the same.
    pub fn tried(&self, rule: &str) -> Option<crate::ReplayView> {
        let digest = crate::rule_digest(&self.catalogue(), rule)?;
        self.tried_as(rule, &digest)
    }

    /// The same for what a rule would be.
    pub fn tried_as(&self, rule: &str, digest: &str) -> Option<crate::ReplayView> {
        let is_whole = |view: &crate::ReplayView| {
            matches!(view.status, crate::ReplayStatus::Done(_))
                && view.ask.site.is_none()
                && view.ask.charger.is_none()
        };
        let is_same =
            |view: &crate::ReplayView| view.digests.get(rule).is_some_and(|tried| tried == digest);
        self.replays().all().into_iter().find(|view| is_whole(view) && is_same(view))
    }

    /// Whether a rule that is not on was edited or made here, and nobody tried it on the past as it
    /// stands: what it would do is not known (1.10).
    pub fn is_untried(&self, rule: &str) -> bool {
        let edits = self.rule_edits();
        let is_edited = edits.text(crate::RuleKind::Rule, rule).is_some();
        let is_off = self.catalogue().rule(rule).is_some_and(|rule| !rule.enabled);
        is_off && is_edited && self.tried(rule).is_none()
    }

    /// The last replays.
    pub fn replays(&self) -> &crate::ReplayBoard {
        &self.0.replays
    }

    /// Numbers about the running program.
    pub fn vitals(&self) -> crate::Vitals {
        self.0.vitals()
    }

    /// Decides on a connection before its handshake is answered.
    ///
    /// # Errors
    /// Why the charger is not let in.
    pub async fn admit(&self, door: Door<'_>) -> Result<Admitted, NotAdmitted> {
        self.0.admit(door).await
    }

    /// Notes something for the security log. Never waits. Must be called inside a tokio runtime.
    pub fn note_security(&self, note: SecurityNote) {
        self.0.security_log.note(note);
    }

    /// How a charger may come in, and how it came last.
    pub fn security(&self, charger: ChargerKey) -> ChargerSecurity {
        self.0.keyring.of(charger).summary()
    }

    /// Changes how a charger may come in, as an administrator decides: the one way down from a
    /// profile it has reached (S7).
    ///
    /// # Errors
    /// When the charger is unknown, the name is another charger's, or the database refuses.
    pub async fn set_security(
        &self,
        charger: ChargerKey,
        change: SecurityChange,
    ) -> Result<ChargerSecurity, Error> {
        self.0.set_security(charger, change).await
    }

    /// The state of a charger now.
    pub async fn charger(&self, key: ChargerKey) -> Option<Box<ChargerState>> {
        let site = self.directory().charger(key)?.site;
        let (sender, receiver) = oneshot::channel();
        self.0.to_shard(site, ShardMessage::Look(key, sender)).await.ok()?;
        receiver.await.ok()?
    }

    /// Takes in what a charger sent, if the queue of its site's shard has room: only then is it
    /// asked for.
    pub fn try_take(&self, site: SiteKey, incoming: impl FnOnce() -> Option<Incoming>) {
        self.0.try_incoming(site, incoming);
    }

    /// Takes in that a charger was heard. False: there is no room for it this way, and it goes like
    /// any other message.
    pub fn heard(&self, pulse: crate::Pulse) -> bool {
        self.0.pulse(pulse)
    }

    /// Keeps a raw frame in the frame log, and gives its number. Never waits.
    pub fn log_frame(
        &self,
        charger: ChargerKey,
        at: UnixMs,
        direction: Direction,
        text: &str,
    ) -> FrameSeq {
        let seq = self.0.next_frame();
        self.0.frames.push(
            seq,
            charger,
            at,
            direction,
            &redact::frame(text, direction == Direction::Out),
        );
        if direction == Direction::Out {
            self.0.note_sent(charger, at, text);
        }
        seq
    }

    /// Takes in what a charger sent. Waits while the shard's queue is full.
    pub async fn take(&self, incoming: Incoming) {
        let site = incoming.site;
        // A shard ends only when the program does; the charger will send it again then.
        let _ = self.0.to_shard(site, ShardMessage::Incoming(incoming)).await;
    }

    /// What a person wants of an incident, or a new report.
    ///
    /// # Errors
    /// When the incident is unknown, or what is asked cannot be done now; the sentence says why.
    pub async fn request(&self, request: Request) -> Result<IncidentId, Error> {
        let decision = crate::audited::decision(&request);
        let done = self.0.request(request).await?;
        if let Some((who, what, incident)) = decision {
            self.audit(&who, what, &incident).await;
        }
        Ok(done)
    }

    /// Does something with a ticket.
    ///
    /// # Errors
    /// When the ticket is unknown, or its state forbids it; the sentence says why.
    pub async fn ticket(
        &self,
        ticket: TicketId,
        command: TicketCommand,
        actor: Actor,
    ) -> Result<Ticket, Error> {
        self.0.desk.act(ticket, command, actor).await
    }

    /// A ticket as it stands, with its history.
    ///
    /// # Errors
    /// When the ticket is unknown.
    pub async fn ticket_with_events(
        &self,
        ticket: TicketId,
    ) -> Result<(Ticket, Vec<TicketEvent>), Error> {
        let events = self.0.ticket_events(ticket).await?;
        let ticket = Ticket::fold(&events).ok_or(Error::UnknownTicket)?;
        Ok((ticket, events))
    }

    /// Opens a ticket by hand, without an incident.
    ///
    /// # Errors
    /// When the charger is unknown or the form is not complete.
    pub async fn open_ticket(
        &self,
        charger: ChargerKey,
        title: String,
        description: String,
        user: &str,
    ) -> Result<Ticket, Error> {
        self.0.desk.open_by_hand(charger, title, description, user).await
    }

    /// Opens a ticket for an incident that has none, and binds them.
    ///
    /// # Errors
    /// When the incident is unknown.
    pub async fn hand_over(&self, incident: IncidentId, user: &str) -> Result<Ticket, Error> {
        self.0.desk.hand_over(incident, user).await
    }

    /// Registers a charger.
    ///
    /// # Errors
    /// When the identity is taken or is not fit to be one.
    pub async fn register_charger(&self, new: NewCharger) -> Result<Arc<ChargerRecord>, Error> {
        self.0.register_charger(new, Admission::Accepted).await
    }

    /// Gives a charger a new password, or none. The old one is dead at once.
    ///
    /// # Errors
    /// When the charger is unknown or the database refuses.
    pub async fn set_password(
        &self,
        charger: ChargerKey,
        password: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        self.0.set_password(charger, password).await
    }

    /// Changes a charger's particulars: name, site, admission.
    ///
    /// # Errors
    /// When the charger is unknown or the database refuses.
    pub async fn update_charger(&self, record: ChargerRecord) -> Result<Arc<ChargerRecord>, Error> {
        self.0.update_charger(record).await
    }

    /// Registers a site, or changes the particulars of the one with its handle.
    ///
    /// # Errors
    /// When the name is empty or another site's, or the database refuses.
    pub async fn put_site(&self, site: SiteRecord) -> Result<Arc<SiteRecord>, Error> {
        self.0.put_site(site).await
    }

    /// Waits until what the shard of a site decided so far is on disk, so that a page read from the
    /// database shows it.
    pub async fn settle(&self, site: SiteKey) {
        let (done, waiting) = oneshot::channel();
        if self.0.to_shard(site, ShardMessage::Settle(done)).await.is_ok() {
            // Gone without a word only when the program stops.
            let _ = waiting.await;
        }
    }

    /// The same for the shard of an incident.
    pub async fn settle_incident(&self, incident: IncidentId) {
        if let Ok(Some(incident)) = self.0.store.incident(incident).await {
            self.settle(incident.site).await;
        }
    }

    /// Registers tokens, or changes them: all or none. OCPP's tokens are the same whatever their
    /// case, so one that is known keeps its spelling.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn put_tokens(&self, mut rows: Vec<IdTokenRow>) -> Result<(), Error> {
        for row in &mut rows {
            if let Some(spelling) = self.0.tokens.spelling(&row.token) {
                row.token = spelling.into();
            }
            row.updated_at = clock::now();
        }
        self.0.store.put_id_tokens(&rows).await?;
        for row in &rows {
            self.0.tokens.put(row);
        }
        Ok(())
    }

    /// Forgets a token; `false` when it is not registered.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn delete_token(&self, token: &str) -> Result<bool, Error> {
        let Some(spelling) = self.0.tokens.spelling(token) else { return Ok(false) };
        let deleted = self.0.store.delete_id_token(&spelling).await?;
        self.0.tokens.remove(&spelling);
        Ok(deleted)
    }

    /// How often tokens were registered, changed or forgotten since the start: a number that is the
    /// same when nothing changed.
    pub fn token_changes(&self) -> u64 {
        self.0.tokens.changes()
    }

    /// All that is kept of a card, for the person who asks (S21).
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn export_person(&self, token: &str, by: &str) -> Result<serde_json::Value, Error> {
        let told = self.0.store.person(token).await?;
        self.0.hand_out(by, "person exported", "a card").await?;
        Ok(told)
    }

    /// Puts a pseudonym in the place of a card's number, in memory and in the database.
    ///
    /// # Errors
    /// When the card charges now, when it is no card that is known here, or the database refuses.
    pub async fn erase_person(
        &self,
        token: &str,
        by: &str,
        if_unknown: IfUnknown,
    ) -> Result<mendpoint_store::ErasureReport, Error> {
        let erasure = Arc::new(self.0.store.begin_erasure(token, by, if_unknown).await?);
        self.erase_in_memory(&erasure).await?;
        let report = self.0.store.erase(&erasure).await?;
        while let Some(spelling) = self.0.tokens.find(|token| erasure.number().is(token)) {
            self.0.tokens.remove(&spelling);
            self.0.tokens.cards.forget(&spelling);
        }
        self.0.tokens.cards.forget(token.trim());
        let all = self.0.store.id_tokens().await?;
        let of_group = |row: &IdTokenRow| row.parent.as_deref() == Some(&*report.pseudonym);
        self.put_tokens(all.into_iter().filter(of_group).collect()).await?;
        let entry = mendpoint_store::Entry::Audit {
            at: clock::now(),
            actor: crate::AuditActor::named(by),
            action: "person erased".to_owned(),
            subject: report.pseudonym.clone(),
            detail: mendpoint_store::counted(report.rows, "row"),
        };
        self.0.write_down(entry).await;
        Ok(report)
    }

    /// First in memory, in small steps between which shards do their work: what is held there is
    /// written down again.
    async fn erase_in_memory(&self, erasure: &Arc<Erasure>) -> Result<(), Error> {
        self.settle_conformance().await;
        self.0.sight.forget(erasure.number());
        let mut by_site = BTreeMap::<SiteKey, Vec<ChargerKey>>::new();
        for record in self.0.directory.chargers() {
            by_site.entry(record.site).or_default().push(record.key);
        }
        for (site, chargers) in by_site {
            for some in chargers.chunks(ERASED_AT_ONCE) {
                let (done, amended) = oneshot::channel();
                let message = ShardMessage::Erase(Arc::clone(erasure), some.to_vec(), done);
                self.0.to_shard(site, message).await?;
                amended.await.map_err(|_| Error::Stopping)?;
            }
        }
        let waiting = Mutex::new(Vec::new());
        let incidents = || {
            let (done, amended) = oneshot::channel();
            waiting.lock().unwrap_or_else(PoisonError::into_inner).push(amended);
            ShardMessage::Erase(Arc::clone(erasure), Vec::new(), done)
        };
        self.0.to_all_shards(incidents).await?;
        for amended in waiting.into_inner().unwrap_or_else(PoisonError::into_inner) {
            amended.await.map_err(|_| Error::Stopping)?;
        }
        Ok(())
    }

    /// A registered token, whatever the case it is asked for in.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn token(&self, token: &str) -> Result<Option<IdTokenRow>, Error> {
        let Some(spelling) = self.0.tokens.spelling(token) else { return Ok(None) };
        Ok(self.0.store.id_token(&spelling).await?)
    }

    /// The first registered token that fits: for what people click on, in links that must not show
    /// the token itself.
    pub fn find_token(&self, fits: impl Fn(&str) -> bool) -> Option<Box<str>> {
        self.0.tokens.find(fits)
    }

    /// A text with the numbers of all cards that are known here shortened, wherever they stand in
    /// it: what people, drivers and chargers wrote is shown so to whoever need not know whose card
    /// it was (S21).
    pub fn hide_cards<'a>(&self, text: &'a str, form: TextForm) -> Cow<'a, str> {
        self.0.tokens.cards.hide(text, form)
    }

    /// Whether a token that nobody registered may charge.
    pub fn accepts_unknown_tokens(&self) -> bool {
        self.0.settings.accept_unknown_tokens
    }

    /// Waits until what was found of chargers' deviations so far is in the database, so that a
    /// report read from there shows it.
    pub async fn settle_conformance(&self) {
        // What was answered may still wait in a shard's queue.
        let waiting = Mutex::new(Vec::new());
        let asked = self.0.to_all_shards(|| {
            let (done, settled) = oneshot::channel();
            waiting.lock().unwrap_or_else(PoisonError::into_inner).push(settled);
            ShardMessage::Settle(done)
        });
        if asked.await.is_ok() {
            for settled in waiting.into_inner().unwrap_or_else(PoisonError::into_inner) {
                // Gone without a word only when the program stops.
                let _ = settled.await;
            }
        }
        self.0.conformance.flush().await;
    }

    /// Writes a line of the audit log, and waits until it is on disk; not for long where the database is
    /// behind, for what was done stands already.
    pub async fn audit(&self, actor: &str, action: &str, subject: &str) {
        self.0.audit(actor, action, subject).await;
    }

    /// Writes down who is given something to take away, before it leaves.
    ///
    /// # Errors
    /// [`Error::NotAudited`] when the line is not on disk in time: then nothing may leave.
    pub async fn exported(&self, actor: &str, subject: &str) -> Result<(), Error> {
        self.0.hand_out(actor, "exported", subject).await
    }

    /// The time of the program's clock.
    pub fn now(&self) -> UnixMs {
        clock::now()
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        Self::Refused(format!("failed to {error}"))
    }
}
