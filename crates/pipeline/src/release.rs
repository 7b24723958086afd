//! What may leave only after the commit: answers to transaction messages, commands, tickets.
//!
//! A shard hands over what waits together with the journal number it waits for, and goes on. So a
//! slow disk delays what needs the disk, and nothing else.

use std::sync::Arc;

use mendpoint_incidents::TicketRequest;
use mendpoint_incidents::correlate::Notice;
use mendpoint_model::{
    ChargerKey, Command, CommandAnswered, CommandId, CommandOutcome, EventKind, IncidentId,
    TicketId, UnixMs,
};
use smallvec::smallvec;
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::message::{Answer, Incoming, ReplyTo, ShardMessage};
use crate::outbound::SendRefused;
use crate::pipeline::Inner;
use crate::power::PowerRequest;
use crate::waiting::Kept;

/// One thing that waits for the disk.
pub(crate) enum Release {
    /// An answer to a session.
    Answer(ReplyTo, Answer),
    /// A command to a charger.
    Command(Command),
    /// A ticket to be opened.
    Ticket(TicketRequest),
    /// News from the charger for a ticket.
    Evidence(TicketEvidence),
    /// A site's hook to be asked to switch a charger's power.
    Power(PowerRequest),
    /// People are to be told of a group of incidents.
    Notice(Box<Notice>),
    /// A connection to be dropped.
    Close(ChargerKey),
    /// A command of this charger changed.
    CommandNews(ChargerKey),
    /// A command waits for its charger, and whoever asked for that may go.
    Kept(oneshot::Sender<Kept>),
}

/// What the charger itself shows about a ticket's repair.
#[derive(Clone, Debug)]
pub(crate) struct TicketEvidence {
    pub(crate) ticket: TicketId,
    pub(crate) incident: IncidentId,
    pub(crate) kind: mendpoint_incidents::Evidence,
    pub(crate) text: String,
}

/// A batch that waits for one journal number.
pub(crate) struct Batch {
    pub(crate) seq: u64,
    /// When it was handed over.
    pub(crate) since: UnixMs,
    pub(crate) releases: Vec<Release>,
}

/// Releases batches in order, one task a shard.
pub(crate) async fn run(inner: Arc<Inner>, mut batches: mpsc::Receiver<Batch>) {
    while let Some(batch) = batches.recv().await {
        if batch.seq > 0 && !cfg!(feature = "planted-early-answers") {
            inner.journal.wait(batch.seq).await;
        }
        // Who asked for a reset a minute ago, when the disk was stuck, has given that up.
        let is_late = clock::now().since_ms(batch.since) > LEAVES_WITHIN_MS;
        for release in batch.releases {
            match release {
                Release::Answer(session, answer) => session.send(answer),
                Release::Command(command) if is_late => {
                    refuse(&inner, command.id, command.charger, CommandOutcome::Expired);
                }
                Release::Power(request) if is_late || clock::now() > request.not_after => {
                    refuse(&inner, request.command, request.charger, CommandOutcome::Expired);
                }
                Release::Power(request) => crate::power::begin(&inner, request),
                Release::Command(command) => send(&inner, command),
                Release::Ticket(request) => inner.desk.open_for_incident(request),
                Release::Evidence(evidence) => inner.desk.evidence(evidence),
                Release::Notice(notice) => inner.desk.notice(notice),
                Release::CommandNews(charger) => {
                    // Nobody may be listening.
                    let _ = inner.command_news.send(charger);
                }
                Release::Kept(kept) => {
                    // Whoever asked may have gone; it is kept all the same.
                    let _ = kept.send(Ok(true));
                }
                Release::Close(charger) => {
                    inner.outbound.close(charger, "the charger does not answer commands");
                }
            }
        }
    }
}

/// How long the disk may keep a command that shall leave.
const LEAVES_WITHIN_MS: i64 = 10_000;

/// Sends a command; when it cannot leave, that is its outcome.
fn send(inner: &Inner, command: Command) {
    let (id, charger) = (command.id.clone(), command.charger);
    let outcome = match inner.outbound.send(command) {
        Ok(()) => return,
        Err(SendRefused::NotConnected) => CommandOutcome::NotConnected,
        Err(SendRefused::QueueFull) => CommandOutcome::QueueFull,
    };
    refuse(inner, id, charger, outcome);
}

/// Tells the shard what became of a command without the charger's word.
pub(crate) fn refuse(inner: &Inner, id: CommandId, charger: ChargerKey, outcome: CommandOutcome) {
    let Some(record) = inner.directory.charger(charger) else { return };
    let event = EventKind::CommandAnswered(CommandAnswered { command: id, outcome, late: false });
    inner.feed_back(
        record.site,
        ShardMessage::Incoming(Incoming {
            charger,
            site: record.site,
            epoch: 0,
            received_at: clock::now(),
            frame: 0,
            events: smallvec![event],
            quirks: Vec::new(),
            sample: None,
            answer: None,
        }),
    );
}
