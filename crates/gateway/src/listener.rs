//! The accept loop, and the end of it all.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mendpoint_model::SecurityProfile;
use prometheus::Registry;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};

use crate::address_book::{CloseHow, CloseRequest};
use crate::clock::Clock;
use crate::contest::Contests;
use crate::handshake::{self, Peer};
use crate::intake::Intake;
use crate::lobby::Lobby;
use crate::metrics::Metrics;
use crate::session::{Alive, PingMemory};
use crate::tls::{Certificates, Presented};
use crate::{AddressBook, GatewayError, GatewaySettings, ListenerSettings};

/// Connections the system may hold for us while we are busy: a fleet that returns at once comes
/// with thousands a second (behaviour 21).
const BACKLOG: u32 = 4_096;
/// The pause after the system refused a connection for want of descriptors or memory: the refusal
/// stays until something is freed, and asking again at once would only burn the processor.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);
/// Sessions closed in one go when the server stops; the next go follows after [`DRAIN_STEP`].
const DRAIN_BATCH: usize = 100;
/// Spreads closing, so that ten thousand chargers do not come back in the same instant.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// The OCPP listener.
#[derive(Debug)]
pub struct Gateway<I> {
    doors: Vec<Door>,
    certificates: Certificates,
    shared: Arc<Shared<I>>,
}

/// One listener.
#[derive(Debug)]
struct Door {
    listener: TcpListener,
    address: SocketAddr,
    profile: SecurityProfile,
    tls: Option<Arc<Presented>>,
}

/// What every connection needs.
#[derive(Debug)]
pub(crate) struct Shared<I> {
    pub(crate) intake: Arc<I>,
    pub(crate) settings: GatewaySettings,
    pub(crate) metrics: Metrics,
    pub(crate) book: AddressBook,
    pub(crate) clock: Clock,
    pub(crate) pings: PingMemory,
    pub(crate) contests: Contests,
    stopping: AtomicBool,
}

impl<I> Shared<I> {
    pub(crate) fn new(
        intake: Arc<I>,
        settings: GatewaySettings,
        metrics: Metrics,
        book: AddressBook,
        clock: Clock,
    ) -> Self {
        let stopping = AtomicBool::new(false);
        let (pings, contests) = (PingMemory::default(), Contests::default());
        Self { intake, settings, metrics, book, clock, pings, contests, stopping }
    }

    /// Whether the server is on its way out.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

impl<I: Intake> Gateway<I> {
    /// Starts listening. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When a setting cannot work, the address is taken, or the registry has these metrics already.
    pub fn bind(
        settings: GatewaySettings,
        intake: Arc<I>,
        registry: &Registry,
    ) -> Result<Self, GatewayError> {
        Self::bind_with_book(settings, intake, registry, AddressBook::new())
    }

    /// The same with an address book made before, for an intake that needs it first.
    ///
    /// # Errors
    /// As [`Gateway::bind`].
    pub fn bind_with_book(
        settings: GatewaySettings,
        intake: Arc<I>,
        registry: &Registry,
        book: AddressBook,
    ) -> Result<Self, GatewayError> {
        settings.check()?;
        let doors: Result<Vec<Door>, _> = settings.listeners.iter().map(Door::open).collect();
        let doors = doors?;
        let presented = doors.iter().filter_map(|door| door.tls.clone()).collect();
        let metrics = Metrics::new(registry, &book)?;
        let shared = Arc::new(Shared::new(intake, settings, metrics, book, Clock::System));
        Ok(Self { doors, certificates: Certificates::new(presented), shared })
    }

    /// The first address it listens on; tells the port when the settings said 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.doors[0].address
    }

    /// All addresses it listens on, with their profiles, in the order of the settings.
    pub fn listeners(&self) -> Vec<(SocketAddr, SecurityProfile)> {
        self.doors.iter().map(|door| (door.address, door.profile)).collect()
    }

    /// What is presented on encrypted listeners, to read it again or to see when it ends.
    pub fn certificates(&self) -> Certificates {
        self.certificates.clone()
    }

    /// The connected chargers.
    pub fn address_book(&self) -> AddressBook {
        self.shared.book.clone()
    }

    /// Accepts chargers until `shutdown` turns true (or its sender is gone), then closes all
    /// sessions with 1001 (behaviour 23) and waits for them within the drain time.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let Self { doors, certificates, shared } = self;
        let (alive, all_gone) = mpsc::channel(1);
        let metrics = &shared.metrics;
        let lobby = Lobby::new(
            shared.settings.handshakes_max,
            shared.settings.handshakes_per_address,
            metrics.handshakes_open.clone(),
            metrics.handshakes_evicted.clone(),
        );
        let accepting = doors.iter().map(|door| accept_forever(door, &lobby, &shared, &alive));
        tokio::select! {
            _ = futures_util::future::join_all(accepting) => {}
            () = certificates.watch() => {}
            _ = shutdown.wait_for(|stop| *stop) => {}
        }
        // New chargers are refused by the system from here on, and find the next server.
        drop(doors);
        drop(alive);
        shared.stopping.store(true, Ordering::Release);
        stop_sessions(&shared, all_gone).await;
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server must get its port back while old connections are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Door {
    fn open(settings: &ListenerSettings) -> Result<Self, GatewayError> {
        let ListenerSettings { listen: address, profile, tls } = settings;
        let (address, profile) = (*address, *profile);
        let material = tls
            .as_ref()
            .map(|files| files.load().map_err(|why| GatewayError::Certificates { address, why }));
        let material = material.transpose()?;
        let refused = |source| GatewayError::Listen { address, source };
        let listener = listen(address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let tls = tls
            .clone()
            .zip(material)
            .map(|(files, material)| Presented::new(address, profile, files, material));
        Ok(Self { listener, address, profile, tls: tls.map(Arc::new) })
    }
}

async fn accept_forever<I: Intake>(
    door: &Door,
    lobby: &Lobby,
    shared: &Arc<Shared<I>>,
    alive: &Alive,
) {
    loop {
        // Room first: what cannot be served waits in the system's backlog, not in our memory.
        lobby.room().await;
        let (stream, address) = match door.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                shared.metrics.accept_errors.inc();
                pause_after(&error).await;
                continue;
            }
        };
        let place = lobby.enter(address.ip());
        let number = place.number();
        let peer = Peer { address, listener: door.profile, certificate: None };
        let acceptor = door.tls.as_ref().map(|tls| tls.acceptor());
        let (shared, alive) = (Arc::clone(shared), alive.clone());
        let task = tokio::spawn(async move {
            prepare(&stream);
            match acceptor {
                None => handshake::serve(stream, peer, place, shared, alive).await,
                // Boxed: the plain handshake shall not carry room for the encrypted one.
                Some(tls) => {
                    Box::pin(handshake::serve_tls(stream, tls, peer, place, shared, alive)).await;
                }
            }
        });
        lobby.belongs_to(address.ip(), number, task.abort_handle());
    }
}

/// Small answers leave at once.
fn prepare(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not turn off Nagle's algorithm for a charger's connection");
    }
}

/// Waits when the system is out of something; a connection that died in the queue is nothing.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
    {
        return;
    }
    tracing::warn!(%error, "cannot accept chargers for the moment");
    sleep(EXHAUSTED_PAUSE).await;
}

async fn stop_sessions<I: Intake>(shared: &Shared<I>, mut all_gone: mpsc::Receiver<()>) {
    let drain = Duration::from_millis(shared.settings.drain_timeout_ms);
    let deadline = Instant::now() + drain;
    let mailboxes = shared.book.mailboxes();
    // However many they are, closing them takes at most half of the time there is.
    let batches = mailboxes.len().div_ceil(DRAIN_BATCH).max(1) as u32;
    let step = DRAIN_STEP.min(drain / 2 / batches);
    for (index, batch) in mailboxes.chunks(DRAIN_BATCH).enumerate() {
        if index > 0 {
            sleep(step).await;
        }
        for mailbox in batch {
            mailbox.close(CloseRequest {
                code: 1001,
                reason: mendpoint_model::STOPPING.into(),
                how: CloseHow::Shutdown,
            });
        }
    }
    drop(mailboxes);
    // Nothing is ever sent: the channel ends when the last session has gone.
    if timeout_at(deadline, all_gone.recv()).await.is_err() {
        let left = shared.metrics.sessions.get();
        tracing::warn!(sessions = left, "stopped without waiting longer for chargers to close");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn want_of_descriptors_makes_a_pause_and_a_lost_connection_does_not() {
        let began = Instant::now();
        pause_after(&io::Error::from(io::ErrorKind::ConnectionAborted)).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        // EMFILE: too many open files.
        pause_after(&io::Error::from_raw_os_error(24)).await;
        assert!(began.elapsed() >= EXHAUSTED_PAUSE);
    }
}
