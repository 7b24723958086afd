//! The figures of charging and healing of the last thirty days as gauges, for `/metrics`.

use mendpoint_incidents::HealFigures;
use mendpoint_model::{ChargeFigures, DAY_MS, MINUTE_MS, UnixMs};
use prometheus::{Gauge, GaugeVec, IntGaugeVec, Opts, Registry};

use crate::{Error, Handle, KpiBy};

/// How often they are worked out anew.
pub(crate) const EVERY_MS: i64 = 5 * MINUTE_MS;
/// Over which time.
const BACK_MS: i64 = 30 * DAY_MS;

/// The gauges.
#[derive(Debug)]
pub(crate) struct KpiGauges {
    /// Parts from 0 to 1.
    ratio: GaugeVec,
    /// How many of each there were.
    count: IntGaugeVec,
    heal_seconds: Gauge,
}

impl KpiGauges {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let ratio = GaugeVec::new(
            Opts::new(
                "mendpoint_kpi_ratio",
                "Figures of the last 30 days, from 0 to 1; NaN while there is nothing to divide by",
            ),
            &["kpi"],
        )?;
        let count = IntGaugeVec::new(
            Opts::new("mendpoint_kpi_count", "What the figures of the last 30 days are made of"),
            &["of"],
        )?;
        let heal_seconds = Gauge::new(
            "mendpoint_kpi_time_to_heal_seconds",
            "From opening to resolved where a command did it, in the middle, over the last 30 days",
        )?;
        registry.register(Box::new(ratio.clone()))?;
        registry.register(Box::new(count.clone()))?;
        registry.register(Box::new(heal_seconds.clone()))?;
        Ok(Self { ratio, count, heal_seconds })
    }

    /// Shows other figures.
    pub(crate) fn set(&self, charging: &ChargeFigures, healing: &HealFigures) {
        for (name, ratio) in ratios(charging, healing) {
            self.ratio.with_label_values(&[name]).set(ratio.unwrap_or(f64::NAN));
        }
        for (name, many) in [
            ("visits", charging.visits),
            ("attempts", charging.attempts),
            ("incidents", healing.incidents),
            ("healed", healing.healed),
            ("handed_over", healing.handed_over),
            ("steps", healing.steps),
            ("steps_worse", healing.worse),
        ] {
            self.count.with_label_values(&[name]).set(i64::try_from(many).unwrap_or(i64::MAX));
        }
        let seconds = healing.heal_ms.map_or(f64::NAN, |ms| ms as f64 / 1_000.0);
        self.heal_seconds.set(seconds);
    }
}

/// Each figure by its name; `None` while there is nothing to divide by.
fn ratios(charging: &ChargeFigures, healing: &HealFigures) -> [(&'static str, Option<f64>); 7] {
    [
        ("first_time_charge_success", charging.ftcsr()),
        ("charge_success", charging.csr()),
        ("visit_success", charging.visit_success()),
        ("technical_success", charging.tsr()),
        ("healed_without_a_person", healing.healed_share()),
        ("false_alarms", healing.false_alarm_share()),
        ("steps_worse", healing.worse_share()),
    ]
}

impl Handle {
    /// Works the figures of the last thirty days out anew, for `/metrics`.
    pub(crate) async fn measure_kpis(&self, now: UnixMs) -> Result<(), Error> {
        let kpis = self.kpis(now - BACK_MS, now + 1, None, KpiBy::Day).await?;
        let mut charging = ChargeFigures::default();
        for day in kpis.values() {
            charging += day.charging;
        }
        let healing = HealFigures::together(kpis.values().map(|day| &day.healing));
        self.0.metrics.kpis.set(&charging, &healing);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_nothing_is_not_a_number_and_the_others_are_parts() {
        let registry = Registry::new();
        let gauges = KpiGauges::new(&registry).expect("registered");
        let charging = ChargeFigures {
            visits: 10,
            visits_first: 7,
            visits_succeeded: 9,
            attempts: 12,
            completed: 9,
            ..ChargeFigures::default()
        };
        let healing = HealFigures { resolved: 4, healed: 3, ..HealFigures::default() };
        gauges.set(&charging, &healing);
        let of = |name: &str| gauges.ratio.with_label_values(&[name]).get();
        assert!((of("first_time_charge_success") - 0.7).abs() < 1e-9);
        assert!((of("charge_success") - 0.75).abs() < 1e-9);
        assert!((of("healed_without_a_person") - 0.75).abs() < 1e-9);
        assert!(of("steps_worse").is_nan());
        assert!(gauges.heal_seconds.get().is_nan());
    }
}
