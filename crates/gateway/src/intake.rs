//! What the gateway needs from the rest of the program, and what it hands over.

use std::net::SocketAddr;
use std::sync::Arc;

use mendpoint_model::{
    ChargerKey, ClientCertificate, Events, FrameSeq, SecurityProfile, SiteKey, TokenInfo,
    TransactionId, UnixMs,
};
use mendpoint_ocpp::{BootStatus, Quirk};
use tokio::sync::oneshot;

/// Whoever knows the chargers and takes their messages.
pub trait Intake: Send + Sync + 'static {
    /// Decides, before the upgrade is answered, whether a charger may connect.
    fn admit(&self, hello: Hello) -> impl Future<Output = Admit> + Send;

    /// Takes what a charger said, unless the receiving queue is full: then the delivery comes back
    /// and [`Intake::deliver`] waits with it.
    ///
    /// # Errors
    /// The delivery, when there is no room for it now.
    #[expect(clippy::result_large_err, reason = "what comes back is what was given")]
    fn try_deliver(&self, delivery: Delivery) -> Result<(), Delivery>;

    /// Takes what a charger said. Waits while the receiving queue is full; meanwhile nothing more
    /// is read from that charger, which is how it learns to slow down.
    fn deliver(&self, delivery: Delivery) -> impl Future<Output = ()> + Send;

    /// Takes a message that says nothing but that the charger is there. Cheap, never waits. False:
    /// there is no room for it this way; it is delivered like any other.
    fn heard(&self, sign: SignOfLife) -> bool;

    /// Keeps a frame as it was received, and gives its number. Cheap, never waits.
    fn received(&self, charger: ChargerKey, at: UnixMs, frame: &str) -> FrameSeq;

    /// Keeps a frame that we sent: an answer or a call. Cheap, never waits.
    fn sent(&self, charger: ChargerKey, at: UnixMs, frame: &str);

    /// A charger on an encrypted connection asks for a certificate to be signed; `payload` is its
    /// request. `Ok`: it is in order, and `CertificateSigned` will be sent as a command. `Err`: why
    /// it is not. Cheap, never waits.
    ///
    /// # Errors
    /// A sentence for the security log.
    fn sign_certificate(
        &self,
        charger: ChargerKey,
        profile: SecurityProfile,
        payload: &str,
    ) -> Result<(), String>;

    /// Learns of something for the security log. Cheap, never waits.
    fn note(&self, event: GatewayEvent);
}

/// A charger at the door.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    /// The last segment of the path, percent-decoded (behaviour 14).
    pub identity: String,
    /// Name and password of a Basic `Authorization` header, split at the first colon, as bytes
    /// (behaviour 16). `None`: no such header, or one that cannot be read.
    pub credentials: Option<(Vec<u8>, Vec<u8>)>,
    /// Where it comes from; the address a trusted proxy tells, where there is one.
    pub remote: SocketAddr,
    /// The sub-protocols it offers, in its order.
    pub protocols: Vec<String>,
    /// Whether the charger's own connection is encrypted, by us or by a trusted proxy.
    pub tls: bool,
    /// The profile of the listener it came to: the weakest way in there.
    pub listener: SecurityProfile,
    /// The certificate it showed, with a chain that was found good; by us or by a trusted proxy.
    pub certificate: Option<ClientCertificate>,
}

impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("identity", &self.identity)
            .field("credentials", &self.credentials.as_ref().map(|_| "(hidden)"))
            .field("remote", &self.remote)
            .field("protocols", &self.protocols)
            .field("tls", &self.tls)
            .field("listener", &self.listener)
            .field("certificate", &self.certificate)
            .finish()
    }
}

/// Whether a charger may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admit {
    /// Yes.
    Accept(Admitted),
    /// No such charger: 404 (behaviour 12).
    Unknown,
    /// Wrong or missing credentials, or a way in that is too weak for it: 401 (behaviours 12
    /// and 17). The reason is for our log; the charger is told nothing that would help to guess.
    Unauthorized {
        /// Why, as a sentence.
        why: &'static str,
    },
    /// Too many failures: 429.
    TooMany {
        /// When to come back, seconds.
        retry_after_s: u32,
    },
    /// Cannot tell now: 503.
    Unavailable,
}

/// What a session needs to know of its charger; nothing is looked up again after this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its handle.
    pub charger: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// What its boots are answered.
    pub boot: BootStatus,
    /// The number of this connection, larger for every newer one (behaviour 1).
    pub epoch: u64,
    /// The heartbeat interval to hand out, seconds.
    pub heartbeat_interval_s: u32,
    /// Whether payloads that break the schema are answered with an error.
    pub strict: bool,
    /// How it came in.
    pub profile: SecurityProfile,
}

/// A charger was heard, and said nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignOfLife {
    /// The charger.
    pub charger: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// Its connection.
    pub epoch: u64,
    /// When it was heard.
    pub received_at: UnixMs,
    /// The number of the frame.
    pub frame: FrameSeq,
}

/// One thing that went over a connection, or happened to it.
#[derive(Debug)]
pub struct Delivery {
    /// The charger.
    pub charger: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// Its connection.
    pub epoch: u64,
    /// When it came, or was sent.
    pub received_at: UnixMs,
    /// The number of the frame it was read from; 0 when there was none.
    pub frame: FrameSeq,
    /// What it means.
    pub events: Events,
    /// What was odd about it.
    pub quirks: Vec<Quirk>,
    /// The message itself, when it is one of those that are held against the specification.
    pub sample: Option<Box<Sample>>,
    /// Where to say that the answer may leave; dropped without a word, no answer is written and
    /// the charger asks again (behaviour 72).
    pub answer: Option<oneshot::Sender<Answer>>,
}

/// A message that is to be held against the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The frame as received.
    pub text: Box<str>,
    /// For an answer of the charger: the action that it answers.
    pub answers: Option<Box<str>>,
}

/// The leave to answer a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The transaction's number, where the message is about one.
    pub transaction: TransactionId,
    /// Whether the token presented is accepted.
    pub token_accepted: bool,
    /// What else is known of the token; `None` for one that nobody registered.
    pub token: Option<Arc<TokenInfo>>,
}

/// Something for the security log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayEvent {
    /// A charger nobody knows.
    UnknownCharger {
        /// What it calls itself.
        identity: String,
        /// Where it comes from.
        remote: SocketAddr,
    },
    /// Wrong or missing credentials.
    LoginRefused {
        /// What it calls itself.
        identity: String,
        /// Where it comes from.
        remote: SocketAddr,
        /// Why, as a sentence.
        why: &'static str,
    },
    /// Refused for trying too often.
    TooManyAttempts {
        /// What it calls itself.
        identity: String,
        /// Where it comes from.
        remote: SocketAddr,
    },
    /// A request that is no upgrade a charger would send.
    BadRequest {
        /// Where it comes from.
        remote: SocketAddr,
        /// What is wrong with it.
        why: String,
    },
    /// A connection that could not be encrypted, or whose certificate is not good.
    TlsRefused {
        /// Where it comes from.
        remote: SocketAddr,
        /// Why, as a sentence.
        why: String,
    },
    /// A known charger that speaks no version of ours (behaviour 12).
    NoCommonProtocol {
        /// The charger.
        charger: ChargerKey,
        /// Where it comes from.
        remote: SocketAddr,
        /// What it offered.
        offered: Vec<String>,
    },
    /// A connection took the place of one that was still open. Two addresses taking turns are two
    /// devices with one identity (behaviours 3 and 4).
    Replaced {
        /// The charger.
        charger: ChargerKey,
        /// The address of the connection that was closed.
        old: SocketAddr,
        /// The address of the connection that stays.
        new: SocketAddr,
    },
    /// Two devices take turns at pushing each other out of one identity (behaviour 4). From now on
    /// each keeps it for a while.
    IdentityContested {
        /// The charger.
        charger: ChargerKey,
        /// What tells them apart, for people.
        parties: Vec<String>,
    },
    /// A charger asked for a certificate and does not get one (S6).
    CertificateRefused {
        /// The charger.
        charger: ChargerKey,
        /// Why, as a sentence.
        why: String,
    },
    /// A frame that breaks the protocol.
    ProtocolError {
        /// The charger.
        charger: ChargerKey,
        /// Its connection.
        epoch: u64,
        /// What is wrong with it.
        why: String,
    },
}
