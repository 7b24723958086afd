//! Which charger is connected where, and the way to reach it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use futures_util::task::AtomicWaker;
use mendpoint_model::{ChargerKey, Command, UnixMs};
use mendpoint_ocpp::BootStatus;

use crate::metrics::QueueMetrics;

/// The connected chargers: from a charger to its session. A cheap handle; clones share the book.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    sessions: Arc<DashMap<ChargerKey, Arc<Mailbox>>>,
    metrics: QueueMetrics,
}

/// A command that was not taken.
#[derive(Clone, Debug, PartialEq)]
pub struct SendRefused {
    /// The command, given back.
    pub command: Box<Command>,
    /// Why.
    pub why: WhyRefused,
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyRefused {
    /// The charger has no open connection.
    NotConnected,
    /// Too many commands already wait for it.
    QueueFull,
}

impl AddressBook {
    /// An empty book, for wiring things up before the gateway is bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues a command for its charger. What becomes of it comes back as a delivery.
    pub fn send(&self, command: Command) -> Result<(), SendRefused> {
        match self.mailbox(command.charger) {
            Some(mailbox) => mailbox.push(command),
            None => Err(refused(command, WhyRefused::NotConnected)),
        }
    }

    /// Closes a charger's connection with a WebSocket close code. False: there is none.
    pub fn close(
        &self,
        charger: ChargerKey,
        code: u16,
        reason: impl Into<Cow<'static, str>>,
    ) -> bool {
        let mailbox = self.mailbox(charger);
        let request = CloseRequest { code, reason: reason.into(), how: CloseHow::Asked };
        mailbox.is_some_and(|mailbox| mailbox.close(request))
    }

    /// Changes what a connected charger's boots are answered, once a person decided. False: it is
    /// not connected.
    pub fn set_boot(&self, charger: ChargerKey, boot: BootStatus) -> bool {
        let mailbox = self.mailbox(charger);
        mailbox.is_some_and(|mailbox| {
            mailbox.boot.store(boot_to_u8(boot), Ordering::Relaxed);
            true
        })
    }

    /// Whether a charger is connected.
    pub fn is_connected(&self, charger: ChargerKey) -> bool {
        self.sessions.contains_key(&charger)
    }

    /// The connection a charger has now, if any.
    pub fn epoch(&self, charger: ChargerKey) -> Option<u64> {
        self.mailbox(charger).map(|mailbox| mailbox.epoch)
    }

    /// How many chargers are connected.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no charger is connected.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The mailbox, taken out of the map so that no shard of it stays locked.
    fn mailbox(&self, charger: ChargerKey) -> Option<Arc<Mailbox>> {
        self.sessions.get(&charger).map(|found| Arc::clone(found.value()))
    }

    /// Enters a session. The newest epoch wins whatever the order of arrival (behaviours 1 and 2).
    pub(crate) fn register(&self, charger: ChargerKey, mailbox: &Arc<Mailbox>) -> Registered {
        match self.sessions.entry(charger) {
            Entry::Vacant(place) => {
                place.insert(Arc::clone(mailbox));
                Registered::First
            }
            Entry::Occupied(mut place) => {
                if place.get().epoch > mailbox.epoch {
                    return Registered::Stale;
                }
                let old = place.insert(Arc::clone(mailbox));
                drop(place);
                old.close(CloseRequest {
                    code: 1008,
                    reason: Cow::Borrowed("replaced by a newer connection"),
                    how: CloseHow::Replaced { by: mailbox.remote },
                });
                Registered::Replaced(old.remote)
            }
        }
    }

    /// Takes a session out, unless a newer one has taken its place: a late close must not
    /// unregister the newcomer (behaviour 1).
    pub(crate) fn unregister(&self, charger: ChargerKey, epoch: u64) {
        self.sessions.remove_if(&charger, |_, mailbox| mailbox.epoch == epoch);
    }

    /// What its queues count.
    pub(crate) fn metrics(&self) -> &QueueMetrics {
        &self.metrics
    }

    /// All sessions now, for the shutdown.
    pub(crate) fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        self.sessions.iter().map(|entry| Arc::clone(entry.value())).collect()
    }
}

/// What entering a session came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registered {
    /// The charger had none.
    First,
    /// It had one, from this address, which is being closed.
    Replaced(SocketAddr),
    /// A newer one is there already: this one must close.
    Stale,
}

/// Where a session's commands and orders arrive.
///
/// A mutex around a queue that allocates nothing while it is empty: a channel would cost several
/// KiB for every idle connection.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) epoch: u64,
    pub(crate) remote: SocketAddr,
    queue_max: usize,
    metrics: QueueMetrics,
    boot: AtomicU8,
    /// Something came since the session last looked.
    changed: AtomicBool,
    waker: AtomicWaker,
    state: Mutex<MailboxState>,
}

#[derive(Debug, Default)]
struct MailboxState {
    commands: VecDeque<Command>,
    close: Option<Box<CloseRequest>>,
    ended: bool,
}

/// An order to close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloseRequest {
    pub(crate) code: u16,
    pub(crate) reason: Cow<'static, str>,
    pub(crate) how: CloseHow,
}

/// What kind of closing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseHow {
    /// By the engine or a person.
    Asked,
    /// Because a newer connection took its place.
    Replaced {
        /// Where that one comes from.
        by: SocketAddr,
    },
    /// Because the server stops: answers that are owed leave first (behaviour 23).
    Shutdown,
}

impl Mailbox {
    pub(crate) fn new(
        epoch: u64,
        remote: SocketAddr,
        boot: BootStatus,
        queue_max: usize,
        metrics: QueueMetrics,
    ) -> Self {
        Self {
            epoch,
            remote,
            queue_max,
            metrics,
            boot: AtomicU8::new(boot_to_u8(boot)),
            changed: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            state: Mutex::default(),
        }
    }

    /// What boots are answered now.
    pub(crate) fn boot(&self) -> BootStatus {
        boot_from_u8(self.boot.load(Ordering::Relaxed))
    }

    /// Queues a command, unless the session ended or its queue is full.
    pub(crate) fn push(&self, command: Command) -> Result<(), SendRefused> {
        let mut state = self.lock();
        if state.ended || state.close.is_some() {
            return Err(refused(command, WhyRefused::NotConnected));
        }
        if state.commands.len() >= self.queue_max {
            self.metrics.full.inc();
            return Err(refused(command, WhyRefused::QueueFull));
        }
        state.commands.push_back(command);
        self.metrics.waiting.inc();
        drop(state);
        self.announce();
        Ok(())
    }

    /// Orders the session to close; the first order stands. False: it has ended already.
    pub(crate) fn close(&self, request: CloseRequest) -> bool {
        let mut state = self.lock();
        if state.ended {
            return false;
        }
        state.close.get_or_insert_with(|| Box::new(request));
        drop(state);
        self.announce();
        true
    }

    /// Says whether something came since the last call.
    pub(crate) fn take_changed(&self) -> bool {
        self.changed.load(Ordering::Acquire) && self.changed.swap(false, Ordering::AcqRel)
    }

    /// Asks to be woken, then says whether something came since the last call.
    pub(crate) fn poll_changed(&self, waker: &std::task::Waker) -> bool {
        self.waker.register(waker);
        self.take_changed()
    }

    /// The order to close, if one was given.
    pub(crate) fn close_request(&self) -> Option<CloseRequest> {
        self.lock().close.as_deref().cloned()
    }

    /// The next command.
    pub(crate) fn pop(&self) -> Option<Command> {
        let command = self.lock().commands.pop_front()?;
        self.metrics.waiting.dec();
        Some(command)
    }

    /// When the first of the waiting commands is no longer worth sending.
    pub(crate) fn first_expiry(&self) -> Option<UnixMs> {
        self.lock().commands.iter().map(|command| command.not_after).min()
    }

    /// Takes out the commands that are no longer worth sending.
    pub(crate) fn take_expired(&self, now: UnixMs) -> Vec<Command> {
        let mut state = self.lock();
        if state.commands.iter().all(|command| command.not_after > now) {
            return Vec::new();
        }
        let mut expired = Vec::new();
        for command in std::mem::take(&mut state.commands) {
            if command.not_after > now {
                state.commands.push_back(command);
            } else {
                expired.push(command);
            }
        }
        self.metrics.waiting.sub(expired.len() as i64);
        expired
    }

    /// Marks the session as ended and gives back what still waited.
    pub(crate) fn end(&self) -> VecDeque<Command> {
        let mut state = self.lock();
        state.ended = true;
        self.metrics.waiting.sub(state.commands.len() as i64);
        std::mem::take(&mut state.commands)
    }

    fn announce(&self) {
        self.changed.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// A panic elsewhere while holding the lock leaves a plain queue, which is still good.
    fn lock(&self) -> MutexGuard<'_, MailboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(command: Command, why: WhyRefused) -> SendRefused {
    SendRefused { command: Box::new(command), why }
}

fn boot_to_u8(boot: BootStatus) -> u8 {
    match boot {
        BootStatus::Accepted => 0,
        BootStatus::Pending => 1,
        BootStatus::Rejected => 2,
    }
}

fn boot_from_u8(value: u8) -> BootStatus {
    match value {
        0 => BootStatus::Accepted,
        1 => BootStatus::Pending,
        _ => BootStatus::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{Action, CommandId, Origin};
    use proptest::prelude::*;

    use super::*;

    const CHARGER: ChargerKey = ChargerKey(1);

    fn mailbox(epoch: u64, book: &AddressBook) -> Arc<Mailbox> {
        let remote = SocketAddr::from(([192, 0, 2, 1], 1));
        let metrics = book.metrics().clone();
        Arc::new(Mailbox::new(epoch, remote, BootStatus::Accepted, 2, metrics))
    }

    fn command(not_after: i64) -> Command {
        Command {
            id: CommandId("c".into()),
            charger: CHARGER,
            action: Action::Reset { hard: false, evse: None },
            origin: Origin::System,
            created_at: UnixMs(0),
            timeout_ms: 30_000,
            not_after: UnixMs(not_after),
        }
    }

    #[test]
    fn b01_a_handshake_that_finishes_late_does_not_evict_a_newer_connection() {
        let book = AddressBook::new();
        let (old, new) = (mailbox(1, &book), mailbox(2, &book));
        assert_eq!(book.register(CHARGER, &new), Registered::First);
        assert_eq!(book.register(CHARGER, &old), Registered::Stale);
        assert_eq!(new.close_request(), None);
        book.unregister(CHARGER, 1);
        assert_eq!(book.epoch(CHARGER), Some(2));
    }

    #[test]
    fn the_queue_counts_what_waits_in_it() {
        let book = AddressBook::new();
        let session = mailbox(1, &book);
        book.register(CHARGER, &session);
        book.send(command(10)).expect("there is room");
        book.send(command(20)).expect("there is room");
        let refused = book.send(command(30)).expect_err("it is full");
        assert_eq!((refused.why, refused.command.not_after), (WhyRefused::QueueFull, UnixMs(30)));
        assert_eq!((book.metrics.waiting.get(), book.metrics.full.get()), (2, 1));
        assert_eq!(session.first_expiry(), Some(UnixMs(10)));
        assert_eq!(session.take_expired(UnixMs(10)), [command(10)]);
        assert_eq!(book.metrics.waiting.get(), 1);
        assert_eq!(session.end(), [command(20)]);
        assert_eq!(book.metrics.waiting.get(), 0);
    }

    proptest! {
        /// Connections come, are entered and end in any order; the newest one that is entered and
        /// has not ended is the one that commands go to, and every other one is told to close.
        #[test]
        fn b01_the_newest_connection_is_the_one_that_is_routed_to(
            steps in proptest::collection::vec((any::<bool>(), 1_u64..12), 1..60),
        ) {
            let book = AddressBook::new();
            let mut entered: Vec<Arc<Mailbox>> = Vec::new();
            let mut expected: Option<u64> = None;
            for (enter, epoch) in steps {
                if enter && entered.iter().all(|it| it.epoch != epoch) {
                    let session = mailbox(epoch, &book);
                    let registered = book.register(CHARGER, &session);
                    let is_stale = expected.is_some_and(|current| current > epoch);
                    prop_assert_eq!(registered == Registered::Stale, is_stale);
                    if !is_stale {
                        expected = Some(epoch);
                        entered.push(session);
                    }
                } else if !enter {
                    book.unregister(CHARGER, epoch);
                    expected = expected.filter(|current| *current != epoch);
                }
                prop_assert_eq!(book.epoch(CHARGER), expected);
                for session in &entered {
                    let is_current = Some(session.epoch) == expected;
                    prop_assert!(!is_current || session.close_request().is_none());
                }
            }
        }
    }
}
