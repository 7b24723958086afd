//! Numbers about the pipeline, for `/metrics` and the system page.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mendpoint_model::{Incident, IncidentId, IncidentState};
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use crate::kpi_gauges::KpiGauges;

/// The pipeline's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Events taken in.
    pub(crate) events: IntCounter,
    /// Questions that the upkeep put to chargers.
    pub(crate) upkeep_questions: IntCounter,
    /// From receipt to the engine's decision.
    pub(crate) delay_seconds: Histogram,
    /// Messages that wait for a shard, by shard.
    pub(crate) queued: IntGaugeVec,
    /// Batches that wait for the disk, by shard.
    pub(crate) waiting: IntGaugeVec,
    /// How late the engine is, in seconds, by shard (G11).
    pub(crate) lag_seconds: GaugeVec,
    /// Whether it sends nothing because of that, or because the fleet vanished, by shard (G11).
    pub(crate) held: IntGaugeVec,
    /// Messages that wait to be held against the specification.
    pub(crate) samples_waiting: IntGauge,
    /// Those that were left out because too many waited.
    pub(crate) samples_left_out: IntCounter,
    /// Batches of reports that wait for the overseer.
    pub(crate) overseer_queue: IntGauge,
    /// Reports that it never got because too many waited.
    pub(crate) overseer_dropped: IntCounter,
    /// Opened incidents by rule.
    opened: IntCounterVec,
    /// Ended incidents by how they ended.
    ended: IntCounterVec,
    /// Incidents by state.
    open: IntGaugeVec,
    /// Figures of charging and healing.
    pub(crate) kpis: KpiGauges,
    states: Mutex<BTreeMap<IncidentId, IncidentState>>,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let events = IntCounter::new(
            "mendpoint_events_total",
            "Facts from chargers that the pipeline took in",
        )?;
        let upkeep_questions = IntCounter::new(
            "mendpoint_upkeep_questions_total",
            "Questions that chargers were asked about themselves",
        )?;
        let delay_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "mendpoint_decision_delay_seconds",
                "From the receipt of a message to the engine's decision on it",
            )
            .buckets(vec![
                0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
            ]),
        )?;
        let queued = IntGaugeVec::new(
            Opts::new("mendpoint_shard_queue_messages", "Messages that wait for a shard"),
            &["shard"],
        )?;
        let waiting = IntGaugeVec::new(
            Opts::new(
                "mendpoint_shard_waiting_batches",
                "Batches of answers and commands that wait for the disk",
            ),
            &["shard"],
        )?;
        let lag_seconds = GaugeVec::new(
            Opts::new(
                "mendpoint_engine_lag_seconds",
                "How late the engine is: messages, deadlines or decisions that wait",
            ),
            &["shard"],
        )?;
        let held = IntGaugeVec::new(
            Opts::new(
                "mendpoint_engine_held",
                "1 while the engine sends nothing of its own accord (guardrail G11)",
            ),
            &["shard"],
        )?;
        let samples_waiting = IntGauge::new(
            "mendpoint_conformance_queue_messages",
            "Messages that wait to be held against the specification",
        )?;
        let samples_left_out = IntCounter::new(
            "mendpoint_conformance_left_out_total",
            "Messages that were not held against the specification because too many waited",
        )?;
        let overseer_queue = IntGauge::new(
            "mendpoint_overseer_queue_batches",
            "Batches of reports that wait for the overseer",
        )?;
        let overseer_dropped = IntCounter::new(
            "mendpoint_overseer_dropped_total",
            "Reports of shards that were dropped because too many waited for the overseer",
        )?;
        let opened = IntCounterVec::new(
            Opts::new("mendpoint_incidents_opened_total", "Incidents opened, by rule"),
            &["rule"],
        )?;
        let ended = IntCounterVec::new(
            Opts::new("mendpoint_incidents_resolved_total", "Incidents resolved, by who did it"),
            &["by"],
        )?;
        let open = IntGaugeVec::new(
            Opts::new("mendpoint_incidents", "Incidents that are not over, by state"),
            &["state"],
        )?;
        registry.register(Box::new(events.clone()))?;
        registry.register(Box::new(upkeep_questions.clone()))?;
        registry.register(Box::new(delay_seconds.clone()))?;
        registry.register(Box::new(queued.clone()))?;
        registry.register(Box::new(waiting.clone()))?;
        registry.register(Box::new(lag_seconds.clone()))?;
        registry.register(Box::new(held.clone()))?;
        registry.register(Box::new(samples_waiting.clone()))?;
        registry.register(Box::new(samples_left_out.clone()))?;
        registry.register(Box::new(overseer_queue.clone()))?;
        registry.register(Box::new(overseer_dropped.clone()))?;
        registry.register(Box::new(opened.clone()))?;
        registry.register(Box::new(ended.clone()))?;
        registry.register(Box::new(open.clone()))?;
        Ok(Self {
            events,
            upkeep_questions,
            delay_seconds,
            queued,
            waiting,
            lag_seconds,
            held,
            samples_waiting,
            samples_left_out,
            overseer_queue,
            overseer_dropped,
            opened,
            ended,
            open,
            kpis: KpiGauges::new(registry)?,
            states: Mutex::default(),
        })
    }

    /// Takes in the new state of an incident.
    pub(crate) fn incident(&self, incident: &Incident) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if incident.state.is_over() {
            states.remove(&incident.id)
        } else {
            states.insert(incident.id, incident.state)
        };
        match before {
            Some(before) => self.open.with_label_values(&[before.name()]).dec(),
            None if !incident.state.is_over() => {
                self.opened.with_label_values(&[incident.rule.as_str()]).inc();
            }
            None => {}
        }
        if !incident.state.is_over() {
            self.open.with_label_values(&[incident.state.name()]).inc();
        } else if before.is_some() {
            let by = match incident.ticket {
                Some(_) => "person",
                None if healed_by_us(incident) => "engine",
                None => "itself",
            };
            self.ended.with_label_values(&[by]).inc();
        }
    }

    /// An estimate of a quantile of the decision delay since the start, in milliseconds.
    pub(crate) fn delay_ms(&self, quantile: f64) -> f64 {
        use prometheus::core::Metric;
        let metric = self.delay_seconds.metric();
        let histogram = metric.get_histogram();
        let wanted = quantile * histogram.get_sample_count() as f64;
        histogram
            .get_bucket()
            .iter()
            .find(|bucket| bucket.cumulative_count() as f64 >= wanted)
            .map_or(f64::INFINITY, |bucket| bucket.upper_bound() * 1_000.0)
    }
}

/// Whether a step of ours was followed by the recovery.
fn healed_by_us(incident: &Incident) -> bool {
    incident.healing.as_ref().is_some_and(|healing| {
        healing.steps.iter().any(|step| step.state == mendpoint_model::StepState::Fixed)
    })
}
