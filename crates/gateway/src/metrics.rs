//! What the gateway counts. Labels come from closed lists, never from a charger.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::AddressBook;

/// The actions that have a counter of their own: what chargers send in any version. Everything
/// else counts as `other`, so that a charger cannot make new time series.
const ACTIONS: [&str; 42] = [
    "other",
    "Authorize",
    "BatterySwap",
    "BootNotification",
    "ClearedChargingLimit",
    "ClosePeriodicEventStream",
    "DataTransfer",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Get15118EVCertificate",
    "GetCertificateChainStatus",
    "GetCertificateStatus",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDERAlarm",
    "NotifyDERStartStop",
    "NotifyDisplayMessages",
    "NotifyEVChargingNeeds",
    "NotifyEVChargingSchedule",
    "NotifyEvent",
    "NotifyMonitoringReport",
    "NotifyPeriodicEventStream",
    "NotifyPriorityCharging",
    "NotifyReport",
    "NotifySettlement",
    "OpenPeriodicEventStream",
    "PublishFirmwareStatusNotification",
    "PullDynamicScheduleUpdate",
    "ReportChargingProfiles",
    "ReportDERControl",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "SignCertificate",
    "SignedFirmwareStatusNotification",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
    "TransactionEvent",
    "VatNumberValidation",
];

/// The position of an action in [`ACTIONS`]; the frequent ones first, one comparison each.
fn action_index(action: &str) -> usize {
    match action {
        "Heartbeat" => 12,
        "MeterValues" => 14,
        "StatusNotification" => 38,
        "TransactionEvent" => 40,
        _ => ACTIONS.iter().position(|known| *known == action).unwrap_or(0),
    }
}

/// Every counter and gauge of the gateway, looked up once: counting costs an addition.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) sessions: IntGauge,
    pub(crate) handshakes_open: IntGauge,
    pub(crate) handshakes_evicted: IntCounter,
    pub(crate) accept_errors: IntCounter,
    handshakes: [IntCounter; HandshakeResult::ALL.len()],
    messages: [IntCounter; ACTIONS.len()],
    pub(crate) bad_frames: IntCounter,
    pub(crate) duplicates: IntCounter,
    pub(crate) received_bytes: IntCounter,
    pub(crate) sent_bytes: IntCounter,
    pub(crate) replaced: IntCounter,
    pub(crate) dead_peers: IntCounter,
    pub(crate) slow_readers: IntCounter,
    pub(crate) slowed_down: IntCounter,
    pub(crate) contested: IntCounter,
    pub(crate) calls_sent: IntCounter,
    pub(crate) call_timeouts: IntCounter,
    pub(crate) late_answers: IntCounter,
    pub(crate) commands_expired: IntCounter,
    pub(crate) pings_disabled: IntCounter,
    pub(crate) answers_waiting: IntGauge,
}

/// How a handshake went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeResult {
    Accepted,
    Unknown,
    Unauthorized,
    TooMany,
    Unavailable,
    Full,
    BadRequest,
    BadTls,
    NoCommonProtocol,
    TimedOut,
    Lost,
}

impl HandshakeResult {
    const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Unknown,
        Self::Unauthorized,
        Self::TooMany,
        Self::Unavailable,
        Self::Full,
        Self::BadRequest,
        Self::BadTls,
        Self::NoCommonProtocol,
        Self::TimedOut,
        Self::Lost,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unknown => "unknown",
            Self::Unauthorized => "unauthorized",
            Self::TooMany => "too_many",
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::BadRequest => "bad_request",
            Self::BadTls => "bad_tls",
            Self::NoCommonProtocol => "no_common_protocol",
            Self::TimedOut => "timed_out",
            Self::Lost => "lost",
        }
    }
}

impl Metrics {
    /// Registers everything.
    pub(crate) fn new(registry: &Registry, book: &AddressBook) -> Result<Self, prometheus::Error> {
        book.metrics().register(registry)?;
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("mendpoint_gateway_{name}_total"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(format!("mendpoint_gateway_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let family = |name: &str, help: &str, label: &str| {
            let opts = Opts::new(format!("mendpoint_gateway_{name}_total"), help);
            let family = IntCounterVec::new(opts, &[label])?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let handshakes = family("handshakes", "Connection attempts by how they ended.", "result")?;
        let messages = family("messages", "Calls received from chargers by action.", "action")?;
        Ok(Self {
            sessions: gauge("sessions", "Chargers connected.")?,
            handshakes_open: gauge("handshakes_open", "Connections in their handshake.")?,
            handshakes_evicted: counter(
                "handshakes_evicted",
                "Stalled handshakes that were ended to make room.",
            )?,
            accept_errors: counter("accept_errors", "Connections the system could not accept.")?,
            handshakes: HandshakeResult::ALL.map(|it| handshakes.with_label_values(&[it.label()])),
            messages: ACTIONS.map(|action| messages.with_label_values(&[action])),
            bad_frames: counter("bad_frames", "Frames that are no OCPP-J message.")?,
            duplicates: counter("duplicates", "Calls that were sent to us twice.")?,
            received_bytes: counter("received_bytes", "Bytes received from chargers.")?,
            sent_bytes: counter("sent_bytes", "Bytes sent to chargers.")?,
            replaced: counter("replaced", "Connections replaced by a newer one.")?,
            dead_peers: counter("dead_peers", "Connections closed for silence.")?,
            slowed_down: counter("slowed_down", "Messages after which a charger had to wait.")?,
            contested: counter("contested", "Connections kept out of a contested identity.")?,
            slow_readers: counter("slow_readers", "Connections closed because nobody read.")?,
            calls_sent: counter("calls_sent", "Calls sent to chargers.")?,
            call_timeouts: counter("call_timeouts", "Calls to chargers without an answer.")?,
            late_answers: counter("late_answers", "Answers that came after their time.")?,
            commands_expired: counter("commands_expired", "Commands dropped unsent, too old.")?,
            pings_disabled: counter("pings_disabled", "Connections on which pings were stopped.")?,
            answers_waiting: gauge("answers_waiting", "Calls waiting for leave to be answered.")?,
        })
    }

    pub(crate) fn message(&self, action: &str) {
        self.messages[action_index(action)].inc();
    }

    pub(crate) fn handshake(&self, result: HandshakeResult) {
        self.handshakes[result as usize].inc();
    }
}

/// What the command queues count. They live with the address book, which is there before the
/// gateway is.
#[derive(Clone, Debug)]
pub(crate) struct QueueMetrics {
    pub(crate) waiting: IntGauge,
    pub(crate) full: IntCounter,
}

impl Default for QueueMetrics {
    fn default() -> Self {
        let waiting = IntGauge::new(
            "mendpoint_gateway_commands_waiting",
            "Commands waiting for their charger, in all queues together.",
        );
        let full = IntCounter::new(
            "mendpoint_gateway_queue_full_total",
            "Commands refused because their charger's queue was full.",
        );
        Self { waiting: waiting.expect("a valid name"), full: full.expect("a valid name") }
    }
}

impl QueueMetrics {
    fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.waiting.clone()))?;
        registry.register(Box::new(self.full.clone()))
    }
}

/// One more in a gauge for as long as this lives.
#[derive(Debug)]
pub(crate) struct Counted(IntGauge);

impl Counted {
    pub(crate) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::Protocol;
    use mendpoint_ocpp::definition::messages;

    use super::*;

    #[test]
    fn actions_count_under_their_own_name_and_strangers_under_other() {
        for (index, action) in ACTIONS.iter().enumerate() {
            assert_eq!(action_index(action), index, "{action}");
        }
        assert_eq!(action_index("MakeCoffee"), 0);
        for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
            for message in messages(protocol).filter(|message| message.sender.is_charger()) {
                assert!(action_index(message.action) > 0, "{}", message.action);
            }
        }
    }

    #[test]
    fn results_stand_at_their_own_place() {
        for (index, result) in HandshakeResult::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, index);
        }
    }
}
