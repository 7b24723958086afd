//! The thin shell round a charger: one task, one socket, one timer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use mendpoint_model::UnixMs;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::{Act, ChargerCore, Input, Note, Output, SimulatorError, Target};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Connecting = Pin<Box<dyn Future<Output = Result<Socket, String>> + Send>>;

/// How long a handshake may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Memory a charger's socket reads with: frames of a server are small.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Largest message taken from a server.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Who is told what a charger does.
pub(crate) trait Watcher: Send {
    /// After each step: how the charger stands, and what it said about itself.
    fn notes(&mut self, core: &ChargerCore, now: UnixMs, notes: Vec<Note>);
    /// A frame was sent.
    fn sent(&mut self, text: &str);
    /// The connection could not be opened or ended; why.
    fn closed(&mut self, why: &str);
    /// The connection is open.
    fn opened(&mut self);
}

enum Wire {
    Idle,
    Connecting(Connecting),
    Open(Box<Socket>),
}

enum Event {
    Opened(Box<Socket>),
    Closed(String),
    Text(String),
    Nothing,
}

impl Wire {
    /// The next thing that happens on the wire; never, while there is none. Dropping the future
    /// loses nothing: both the handshake and the socket keep their state.
    async fn next(&mut self) -> Event {
        match self {
            Self::Idle => std::future::pending().await,
            Self::Connecting(connecting) => match connecting.await {
                Ok(socket) => Event::Opened(Box::new(socket)),
                Err(why) => Event::Closed(why),
            },
            Self::Open(socket) => match socket.next().await {
                Some(Ok(Message::Text(text))) => Event::Text(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => Event::Closed(match frame {
                    Some(frame) => format!("closed by the server ({})", frame.code),
                    None => "closed by the server".to_owned(),
                }),
                // Pings are answered by the library; binary frames are nothing in OCPP-J.
                Some(Ok(_)) => Event::Nothing,
                Some(Err(why)) => Event::Closed(why.to_string()),
                None => Event::Closed("the connection ended".to_owned()),
            },
        }
    }
}

/// Wall-clock time that never jumps: read once, then counted on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    at_start: UnixMs,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), at_start: UnixMs(since.as_millis() as i64) }
    }

    pub(crate) fn now(&self) -> UnixMs {
        self.at_start + self.started.elapsed().as_millis() as i64
    }

    fn instant(&self, at: UnixMs) -> Instant {
        let ms = at.since_ms(self.at_start).max(0);
        // One more, so that a deadline is never a fraction of a millisecond in the future.
        self.started + Duration::from_millis(ms as u64 + 1)
    }
}

/// Runs a charger until `shutdown` says so or nobody can act on it any more.
pub(crate) async fn run(
    mut core: ChargerCore,
    target: Arc<Target>,
    clock: Clock,
    mut acts: mpsc::UnboundedReceiver<Act>,
    mut watcher: impl Watcher,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut wire = Wire::Idle;
    let mut input = Input::Start;
    loop {
        let now = clock.now();
        let outputs = core.handle(now, input);
        let mut notes = Vec::new();
        let mut failed = None;
        for output in outputs {
            match output {
                Output::Open => wire = Wire::Connecting(connect(&target, &core)),
                Output::Close => {
                    wire = Wire::Idle;
                    watcher.closed("the charger dropped it");
                }
                Output::Send(text) => {
                    watcher.sent(&text);
                    if let Wire::Open(socket) = &mut wire
                        && let Err(why) = socket.send(Message::text(text)).await
                    {
                        failed = Some(why.to_string());
                    }
                }
                Output::Note(note) => notes.push(note),
            }
        }
        watcher.notes(&core, now, notes);
        if let Some(why) = failed {
            wire = Wire::Idle;
            watcher.closed(&why);
            input = Input::Closed(why);
            continue;
        }
        let deadline = core.next_deadline().map(|at| clock.instant(at));
        let sleep = async move {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        input = tokio::select! {
            biased;
            stopped = shutdown.wait_for(|stop| *stop) => {
                drop(stopped);
                break;
            }
            event = wire.next() => match event {
                Event::Opened(socket) => {
                    wire = Wire::Open(socket);
                    watcher.opened();
                    Input::Opened
                }
                Event::Closed(why) => {
                    wire = Wire::Idle;
                    watcher.closed(&why);
                    Input::Closed(why)
                }
                Event::Text(text) => Input::Text(text),
                Event::Nothing => Input::Tick,
            },
            act = acts.recv() => match act {
                Some(act) => Input::Act(act),
                None => break,
            },
            () = sleep => Input::Tick,
        };
    }
    if let Wire::Open(socket) = &mut wire {
        // A server that does not answer the close is not waited for.
        let _ =
            tokio::time::timeout(Duration::from_millis(500), SinkExt::close(&mut **socket)).await;
    }
}

fn connect(target: &Target, core: &ChargerCore) -> Connecting {
    let request = target.request(core.spec());
    Box::pin(async move {
        let request = request.map_err(|why: SimulatorError| why.to_string())?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let connecting = connect_async_with_config(request, Some(config), true);
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(why)) => Err(why.to_string()),
            Err(_) => Err("no answer to the handshake".to_owned()),
        }
    })
}
