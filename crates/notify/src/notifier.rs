use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lettre::message::Mailbox;
use lettre::transport::smtp::Error as SmtpError;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use mendpoint_model::{HOUR_MS, MINUTE_MS, UnixMs};
use mendpoint_store::{MailRow, Store};
use prometheus::Registry;
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::settings::server_only;
use crate::{Error, NotifySettings, message, webhook};

/// Mails taken at a time.
const CLAIM: u32 = 10;
/// How long they are ours. Longer than ten mails take whose every step runs into the time-out.
const LEASE_MS: i64 = HOUR_MS;
/// How often a mail is tried.
const TRIES_MAX: u32 = 8;
/// How long after the first, second, .. try the next one comes; the last one repeats.
const PAUSES_MS: [i64; 4] = [MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS];

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// The task that sends mail.
pub struct Notifier {
    settings: NotifySettings,
    store: Store,
    from: Mailbox,
    transport: Option<Transport>,
    metrics: Metrics,
}

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Mails the server took.
    pub sent: u32,
    /// Mails that are tried again later.
    pub retried: u32,
    /// Mails that were given up.
    pub failed: u32,
    /// Mails that were put on hold, because no server is set.
    pub held: u64,
}

/// Why a mail was not taken.
pub(crate) struct NotTaken {
    pub(crate) why: String,
    /// Whether the same mail would be refused again.
    pub(crate) for_good: bool,
}

impl Notifier {
    /// Reads the settings; connects to nothing yet.
    ///
    /// # Errors
    /// When the sender is no address or the server's address cannot be used.
    pub fn new(settings: NotifySettings, store: Store, registry: &Registry) -> Result<Self, Error> {
        let from = settings
            .from
            .parse::<Mailbox>()
            .map_err(|_| Error::From { from: settings.from.clone() })?;
        let transport = transport(&settings)?;
        let metrics = Metrics::new(registry)?;
        Ok(Self { settings, store, from, transport, metrics })
    }

    /// Sends what is due until told to stop. A mail that is being sent is finished first.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        if self.transport.is_some() {
            let server = server_only(&self.settings.smtp_url);
            tracing::info!(mail.server = server, "mail is sent");
            self.release().await;
        } else {
            tracing::info!("no mail server is set: mails are held in the outbox");
        }
        let pause = Duration::from_millis(self.settings.poll_ms.max(10));
        let mut is_failing = false;
        while !*shutdown.borrow() {
            match self.deliver(now()).await {
                Ok(done) => {
                    is_failing = false;
                    // A full round means there is more.
                    if done.sent + done.retried + done.failed >= CLAIM {
                        continue;
                    }
                }
                Err(error) => {
                    if !is_failing {
                        tracing::warn!(%error, "the outbox cannot be read; it is tried again");
                    }
                    is_failing = true;
                }
            }
            tokio::select! {
                changed = shutdown.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Mails that were held go out now that there is a server.
    async fn release(&self) {
        match self.store.release_mails(now()).await {
            Ok(0) => {}
            Ok(mails) => tracing::info!(mails, "held mails are sent now"),
            Err(error) => tracing::warn!(%error, "held mails could not be queued"),
        }
    }

    /// One round: takes what is due and sends it, or puts it on hold where no server is set.
    ///
    /// # Errors
    /// When the outbox cannot be read or written.
    pub async fn deliver(&self, now: UnixMs) -> Result<Delivered, Error> {
        let mut done = Delivered::default();
        let rows = if self.transport.is_some() {
            self.store.claim_mails(now, LEASE_MS, CLAIM).await?
        } else {
            done.held = self.store.hold_mails().await?;
            // Programs need no mail server.
            self.store.claim_web_mails(now, LEASE_MS, CLAIM).await?
        };
        for row in rows {
            match self.send(&row).await {
                Ok(()) => {
                    self.store.mail_sent(row.id, self::now()).await?;
                    self.metrics.sent.inc();
                    done.sent += 1;
                }
                Err(not_taken) => self.not_taken(&row, &not_taken, now, &mut done).await?,
            }
        }
        Ok(done)
    }

    async fn send(&self, row: &MailRow) -> Result<(), NotTaken> {
        if let Some(name) = row.mail.recipient.strip_prefix("webhook:") {
            let timeout = Duration::from_millis(self.settings.timeout_ms.max(100));
            return webhook::post(self.settings.webhooks.get(name), row, timeout).await;
        }
        let Some(transport) = &self.transport else {
            let why = "no mail server is set".to_owned();
            return Err(NotTaken { why, for_good: false });
        };
        let message =
            message::build(row, &self.from).map_err(|why| NotTaken { why, for_good: true })?;
        match transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let for_good = is_for_good(&error);
                Err(NotTaken { why: chain(&error), for_good })
            }
        }
    }

    async fn not_taken(
        &self,
        row: &MailRow,
        not_taken: &NotTaken,
        now: UnixMs,
        done: &mut Delivered,
    ) -> Result<(), Error> {
        let again_at = if not_taken.for_good { None } else { next_try(row.attempts, now) };
        self.store.mail_failed(row.id, &not_taken.why, again_at).await?;
        let why = not_taken.why.as_str();
        if again_at.is_some() {
            self.metrics.retried.inc();
            done.retried += 1;
            tracing::warn!(mail.id = row.id, why, "a mail could not be sent; it is tried again");
        } else {
            self.metrics.failed.inc();
            done.failed += 1;
            tracing::error!(mail.id = row.id, why, "a mail was given up; the outbox shows it");
        }
        Ok(())
    }
}

/// Whether mails could go through the server of an address (`mail.smtp_url`). Empty is fine: mails
/// are held then. Nothing is connected to.
///
/// # Errors
/// When the address cannot be used; the sentence says what to write.
pub fn check(smtp_url: &str) -> Result<(), Error> {
    match smtp_url.trim() {
        "" => Ok(()),
        url => Transport::from_url(url).map(drop).map_err(|error| unusable(url, &error)),
    }
}

fn unusable(url: &str, error: &SmtpError) -> Error {
    // What the reader of the address says may quote it.
    let why = if url.contains('@') { "it cannot be read".to_owned() } else { chain(error) };
    Error::SmtpUrl { why }
}

fn transport(settings: &NotifySettings) -> Result<Option<Transport>, Error> {
    let url = settings.smtp_url.trim();
    if url.is_empty() {
        return Ok(None);
    }
    let builder = Transport::from_url(url).map_err(|error| unusable(url, &error))?;
    let timeout = Duration::from_millis(settings.timeout_ms.max(100));
    Ok(Some(builder.timeout(Some(timeout)).build()))
}

/// When a mail is tried again after so many tries; `None` when it is given up.
fn next_try(attempts: u32, now: UnixMs) -> Option<UnixMs> {
    if attempts >= TRIES_MAX {
        return None;
    }
    let index = (attempts.max(1) as usize - 1).min(PAUSES_MS.len() - 1);
    Some(now + PAUSES_MS[index])
}

/// Whether the server refused this very mail for good. Refused credentials (530 to 538) and an
/// unwilling server (521) are put right by people; the mail is as good as before.
fn is_for_good(error: &SmtpError) -> bool {
    let code = error.status().map_or(0, u16::from);
    error.is_permanent() && !matches!(code, 500..=504 | 521 | 530..=538)
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use mendpoint_store::{MailState, NewMail, StoreSettings};

    use super::*;
    use crate::sink::{Manner, Sink};

    struct Kit {
        _folder: tempfile::TempDir,
        store: Store,
    }

    async fn kit() -> Kit {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("mail.db").display());
        let settings = StoreSettings { url, ..StoreSettings::default() };
        let store = Store::open(&settings, &Registry::new()).await.expect("it opens");
        Kit { _folder: folder, store }
    }

    fn notifier(store: &Store, smtp_url: String) -> Notifier {
        let settings = NotifySettings {
            smtp_url,
            from: "Mendpoint <mendpoint@op.example>".to_owned(),
            poll_ms: 20,
            timeout_ms: 2_000,
            webhooks: std::collections::BTreeMap::new(),
        };
        Notifier::new(settings, store.clone(), &Registry::new()).expect("good settings")
    }

    fn mail(key: &str, to: &str) -> NewMail {
        NewMail {
            dedupe_key: key.to_owned(),
            recipient: to.to_owned(),
            subject: "Charger faulted".to_owned(),
            text: "Please come.".to_owned(),
            html: "<p>Please come.</p>".to_owned(),
            reply_to: None,
            ticket: None,
            not_before: UnixMs(0),
        }
    }

    async fn states(store: &Store) -> Vec<(String, MailState, u32)> {
        let (rows, _) = store.mails(None, None, None, 100).await.expect("a list");
        rows.into_iter().map(|row| (row.mail.dedupe_key, row.state, row.attempts)).collect()
    }

    #[tokio::test]
    async fn without_a_server_mails_are_held_and_a_server_sends_them_once() {
        let kit = kit().await;
        kit.store.put_mails(&[mail("a", "a@example.com")]).await.expect("put");
        let done = notifier(&kit.store, String::new()).deliver(now()).await.expect("a round");
        assert_eq!(done, Delivered { held: 1, ..Delivered::default() });
        assert_eq!(states(&kit.store).await, [("a".to_owned(), MailState::Held, 0)]);

        let sink = Sink::start(Manner::Takes).await;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(notifier(&kit.store, sink.url()).run(stopped));
        let mails = sink.wait_for(1).await;
        stop.send(true).expect("it runs");
        task.await.expect("it ends");
        assert_eq!(mails[0].to, ["<a@example.com>"]);
        assert!(mails[0].data.contains("Message-ID: <mail."), "{}", mails[0].data);
        assert!(mails[0].data.contains("<p>Please come.</p>"), "{}", mails[0].data);
        assert_eq!(states(&kit.store).await, [("a".to_owned(), MailState::Sent, 1)]);
        assert_eq!(sink.mails().len(), 1);
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_tried_again_until_eight_tries_are_used_up() {
        let kit = kit().await;
        kit.store.put_mails(&[mail("a", "a@example.com")]).await.expect("put");
        // A port that nobody listens on any more.
        let sink = Sink::start(Manner::Takes).await;
        let url = sink.url();
        drop(sink);
        let notifier = notifier(&kit.store, url);
        let mut at = now();
        let mut tries = 0;
        loop {
            let done = notifier.deliver(at).await.expect("a round");
            tries += 1;
            if done.failed == 1 {
                break;
            }
            assert_eq!(done.retried, 1, "try {tries}");
            assert_eq!(notifier.deliver(at).await.expect("a round"), Delivered::default());
            at = kit.store.next_mail_at().await.expect("read").expect("it is queued");
        }
        assert_eq!(tries, TRIES_MAX);
        assert_eq!(states(&kit.store).await, [("a".to_owned(), MailState::Failed, TRIES_MAX)]);
        let (rows, _) = kit.store.mails(None, None, None, 1).await.expect("a list");
        assert!(!rows[0].last_error.is_empty());
    }

    #[tokio::test]
    async fn a_refused_recipient_is_given_up_at_once_and_others_still_go() {
        let kit = kit().await;
        let mails = [mail("bad", "bad@example.com"), mail("good", "good@example.com")];
        kit.store.put_mails(&mails).await.expect("put");
        let sink = Sink::start(Manner::RefusesBad).await;
        let done = notifier(&kit.store, sink.url()).deliver(now()).await.expect("a round");
        assert_eq!(done, Delivered { sent: 1, failed: 1, ..Delivered::default() });
        assert_eq!(sink.mails()[0].to, ["<good@example.com>"]);
    }

    #[tokio::test]
    async fn a_busy_server_is_tried_again() {
        let kit = kit().await;
        kit.store.put_mails(&[mail("a", "a@example.com")]).await.expect("put");
        let sink = Sink::start(Manner::Busy).await;
        let notifier = notifier(&kit.store, sink.url());
        let at = now();
        assert_eq!(notifier.deliver(at).await.expect("a round").retried, 1);
        let next = kit.store.next_mail_at().await.expect("read").expect("it is queued");
        assert_eq!(next, at + MINUTE_MS);
    }

    #[tokio::test]
    async fn wrong_settings_get_a_sentence_without_the_password() {
        let kit = kit().await;
        let open = |smtp_url: &str, from: &str| {
            let settings = NotifySettings {
                smtp_url: smtp_url.to_owned(),
                from: from.to_owned(),
                ..NotifySettings::default()
            };
            let made = Notifier::new(settings, kit.store.clone(), &Registry::new());
            made.err().map(|error| error.to_string()).unwrap_or_default()
        };
        let shown = open("ftp://u:s3cret@host", "a@example.com");
        assert!(shown.contains("smtp://HOST:PORT") && !shown.contains("s3cret"), "{shown}");
        assert!(open("", "nobody").contains("\"nobody\""));
    }

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<_> = (1..=8).map(|n| next_try(n, UnixMs(0)).map(|at| at.0)).collect();
        let two_hours = Some(2 * HOUR_MS);
        assert_eq!(pauses[..3], [Some(60_000), Some(300_000), Some(1_800_000)]);
        assert_eq!(pauses[3..7], [two_hours; 4]);
        assert_eq!(pauses[7], None);
    }
}
