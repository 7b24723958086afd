//! Measured values of both versions: `meterValue` folded into one reading in base units.
//!
//! Of several moments in one message the newest counts, measurand by measurand. One sample that
//! cannot be read loses itself and nothing else (behaviour 41).

use std::borrow::Cow;

use mendpoint_model::{ConnectorRef, MeterReading, TransactionId, UnixMs};

use crate::payload::{Payload, read_float, trimmed};

/// What `measurand` means when it is left out (1.6 s7.31, 2.x part 2 s2.36).
const DEFAULT_MEASURAND: &str = "Energy.Active.Import.Register";

/// The newest value of every measurand that is used here.
#[derive(Clone, Debug, Default)]
pub(crate) struct MeterBook {
    newest_at: Option<UnixMs>,
    energy_wh: Slot,
    power_w: Slot,
    current_a: Slot,
    offered_a: Slot,
    voltage_v: Slot,
    temperature_c: Slot,
    soc_percent: Slot,
}

impl MeterBook {
    /// Reads the list `meterValue` (1.6: `transactionData` as well) that stands next.
    pub(crate) fn read(&mut self, payload: &mut Payload<'_>) {
        payload.list("meterValue", |payload| self.read_moment(payload));
    }

    fn read_moment(&mut self, payload: &mut Payload<'_>) {
        if !payload.object("meterValue") {
            return;
        }
        let mut at = None;
        let mut is_time_read = false;
        let mut samples = None;
        while let Some(key) = payload.key() {
            match &*key {
                "timestamp" => {
                    at = payload.time("timestamp");
                    is_time_read = true;
                }
                "sampledValue" if is_time_read => {
                    payload.list("sampledValue", |payload| self.read_sample(payload, at));
                }
                // The samples need their time, which stands behind them.
                "sampledValue" => {
                    samples = Some(payload.mark());
                    payload.skip();
                }
                _ => payload.skip(),
            }
        }
        if let Some(samples) = samples {
            payload.at_mark(samples, |payload| {
                payload.list("sampledValue", |payload| self.read_sample(payload, at));
            });
        }
    }

    fn read_sample(&mut self, payload: &mut Payload<'_>, at: Option<UnixMs>) {
        if !payload.object("sampledValue") {
            return;
        }
        let mut value = None;
        let mut sample = Sample { at, multiplier: 0, ..Sample::default() };
        let mut is_signed = false;
        while let Some(key) = payload.key() {
            match &*key {
                "value" => value = payload.loose_text(),
                "measurand" => sample.measurand = payload.text("measurand").unwrap_or_default(),
                "unit" => sample.unit = payload.text("unit").unwrap_or_default(),
                "phase" => sample.phase = payload.text("phase").unwrap_or_default(),
                "context" => sample.context = payload.text("context").unwrap_or_default(),
                "location" => sample.location = payload.text("location").unwrap_or_default(),
                "format" => {
                    is_signed = payload.text("format").is_some_and(|word| word == "SignedData");
                }
                "unitOfMeasure" => sample.read_unit(payload),
                _ => payload.skip(),
            }
        }
        // A signed sample is a blob for the customer's own check; the plain one stands beside it.
        if is_signed {
            return;
        }
        let Some(value) = value else { return payload.missing("value") };
        match read_float(&value) {
            Some(number) => self.take(payload, &sample, number),
            None => payload.note("value", "not a number", &value),
        }
    }

    fn take(&mut self, payload: &mut Payload<'_>, sample: &Sample<'_>, number: f64) {
        let measurand = match trimmed(&sample.measurand) {
            "" => DEFAULT_MEASURAND,
            measurand => measurand,
        };
        let (slot, dimension) = match measurand {
            "Energy.Active.Import.Register" => (&mut self.energy_wh, Dimension::Energy),
            "Power.Active.Import" => (&mut self.power_w, Dimension::Power),
            "Current.Import" => (&mut self.current_a, Dimension::Current),
            "Current.Offered" => (&mut self.offered_a, Dimension::Current),
            "Voltage" => (&mut self.voltage_v, Dimension::Voltage),
            "Temperature" => (&mut self.temperature_c, Dimension::Temperature),
            "SoC" => (&mut self.soc_percent, Dimension::Percent),
            other => {
                if !is_known(other) {
                    payload.note("measurand", "not one of OCPP's", other);
                }
                return;
            }
        };
        let number = match sample.multiplier {
            0 => number,
            power => number * 10_f64.powi(power),
        };
        let base = dimension.to_base(number, trimmed(&sample.unit)).unwrap_or_else(|| {
            payload.note("unit", "does not belong to the measurand", &sample.unit);
            number
        });
        if base.is_finite() {
            slot.take(sample, base);
            self.newest_at = self.newest_at.max(sample.at);
        }
    }

    /// The register alone, Wh.
    pub(crate) fn energy_wh(&self) -> Option<f64> {
        self.energy_wh.sum()
    }

    /// The reading, or `None` when nothing was measured that is used here.
    pub(crate) fn reading(
        &self,
        connector: ConnectorRef,
        transaction: Option<TransactionId>,
    ) -> Option<MeterReading> {
        let reading = MeterReading {
            connector,
            transaction,
            at: self.newest_at,
            energy_wh: self.energy_wh.sum(),
            power_w: self.power_w.sum(),
            current_a: self.current_a.largest(),
            offered_a: self.offered_a.largest(),
            voltage_v: self.voltage_v.largest(),
            temperature_c: self.temperature_c.largest(),
            soc_percent: self.soc_percent.largest(),
        };
        let empty =
            MeterReading { connector, transaction, at: self.newest_at, ..MeterReading::default() };
        (reading != empty).then_some(reading)
    }
}

/// One sample as sent.
#[derive(Clone, Debug, Default)]
struct Sample<'a> {
    at: Option<UnixMs>,
    measurand: Cow<'a, str>,
    unit: Cow<'a, str>,
    /// 2.x: the value is to be multiplied with ten to this power.
    multiplier: i32,
    phase: Cow<'a, str>,
    context: Cow<'a, str>,
    location: Cow<'a, str>,
}

impl<'a> Sample<'a> {
    fn read_unit(&mut self, payload: &mut Payload<'a>) {
        if !payload.object("unitOfMeasure") {
            return;
        }
        while let Some(key) = payload.key() {
            match &*key {
                "unit" => self.unit = payload.text("unit").unwrap_or_default(),
                "multiplier" => {
                    let multiplier = payload.int("multiplier").unwrap_or_default();
                    self.multiplier = multiplier.clamp(-30, 30) as i32;
                }
                _ => payload.skip(),
            }
        }
    }

    /// What makes one sample count before another of the same measurand: a newer time, then the
    /// outlet (what a car gets) before the inlet, then the end of a transaction before its begin,
    /// because some chargers stamp both with one time.
    fn rank(&self) -> (Option<UnixMs>, bool, u8) {
        let is_outlet = matches!(&*self.location, "" | "Outlet" | "EV");
        let context = match &*self.context {
            "Transaction.Begin" => 0,
            "Transaction.End" => 2,
            _ => 1,
        };
        (self.at, is_outlet, context)
    }
}

/// The value of one measurand: as a whole, or by phase.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    rank: (Option<UnixMs>, bool, u8),
    total: Option<f64>,
    phases: [Option<f64>; 3],
    /// Between two phases (a voltage of `L1-L2`), for want of anything else.
    between: Option<f64>,
}

impl Slot {
    fn take(&mut self, sample: &Sample<'_>, value: f64) {
        let rank = sample.rank();
        if rank < self.rank {
            return;
        }
        if rank > self.rank {
            *self = Self { rank, ..Self::default() };
        }
        match trimmed(&sample.phase) {
            "" => self.total = Some(value),
            "L1" | "L1-N" => self.phases[0] = Some(value),
            "L2" | "L2-N" => self.phases[1] = Some(value),
            "L3" | "L3-N" => self.phases[2] = Some(value),
            // The neutral conductor carries what the phases leave over; it is no phase.
            "N" => {}
            _ => self.between = Some(self.between.map_or(value, |before| before.max(value))),
        }
    }

    /// A total sample, else the sum of the phases.
    fn sum(&self) -> Option<f64> {
        self.total
            .or_else(|| self.phases.iter().flatten().copied().reduce(|sum, phase| sum + phase))
    }

    /// A total sample, else the largest phase.
    fn largest(&self) -> Option<f64> {
        let phases = self.phases.iter().flatten().copied().reduce(f64::max);
        self.total.or(phases).or(self.between)
    }
}

/// What a measurand measures, and so which units it may have.
#[derive(Clone, Copy, Debug)]
enum Dimension {
    Energy,
    Power,
    Current,
    Voltage,
    Temperature,
    Percent,
}

impl Dimension {
    /// Converts into the base unit; `None` for a unit that does not fit (behaviour 40: `Celcius`,
    /// `kWh ` and whatever else there is).
    fn to_base(self, value: f64, unit: &str) -> Option<f64> {
        let is = |words: &[&str]| words.iter().any(|word| unit.eq_ignore_ascii_case(word));
        // Nothing, or the word of the specification: all there is in nearly every message.
        let usual = match self {
            Self::Energy => "Wh",
            Self::Power => "W",
            Self::Current => "A",
            Self::Voltage => "V",
            Self::Temperature => "Celsius",
            Self::Percent => "Percent",
        };
        if unit.is_empty() || unit == usual {
            return Some(value);
        }
        match self {
            // Milli never occurs here, so that `MWh` may be written in any case.
            Self::Energy if is(&["Wh"]) => Some(value),
            Self::Energy if is(&["kWh"]) => Some(value * 1_000.0),
            Self::Energy if is(&["MWh"]) => Some(value * 1_000_000.0),
            Self::Power if is(&["W", "VA"]) => Some(value),
            Self::Power if is(&["kW", "kVA"]) => Some(value * 1_000.0),
            Self::Power if is(&["MW"]) => Some(value * 1_000_000.0),
            Self::Current if is(&["A", "Amp", "Ampere", "Amperes"]) => Some(value),
            Self::Current if is(&["mA"]) => Some(value / 1_000.0),
            Self::Voltage if is(&["V", "Volt", "Volts"]) => Some(value),
            Self::Voltage if is(&["kV"]) => Some(value * 1_000.0),
            Self::Temperature if is(&["Celsius", "Celcius", "C", "°C", "degC"]) => Some(value),
            Self::Temperature if is(&["Fahrenheit", "F", "°F"]) => Some((value - 32.0) / 1.8),
            Self::Temperature if is(&["K", "Kelvin"]) => Some(value - 273.15),
            Self::Percent if is(&["Percent", "%"]) => Some(value),
            _ => None,
        }
    }
}

/// Whether a measurand is one of the specifications', used here or not.
fn is_known(measurand: &str) -> bool {
    let begins = ["Energy.", "Power.", "Current.", "Voltage", "Display.", "EnergyRequest."];
    matches!(measurand, "Frequency" | "RPM")
        || begins.iter().any(|begin| measurand.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quirk::Quirk;

    fn read(text: &str) -> (MeterReading, Vec<Quirk>) {
        let mut payload = Payload::new(text, UnixMs(1_790_000_000_000));
        let mut book = MeterBook::default();
        book.read(&mut payload);
        (book.reading(ConnectorRef::v16(1), None).unwrap_or_default(), payload.quirks)
    }

    #[test]
    fn b41_one_bad_sample_does_not_discard_the_batch() {
        let (reading, quirks) = read(
            r#"[{"timestamp":"2026-09-21T14:00:00Z","sampledValue":[
                {"value":"230","measurand":"Voltage"},
                {"value":"garbage"}, 7, null, {}, {"value":{"x":1}},
                {"value":"1500","measurand":"Power.Active.Import"},
                {"value":12.5,"unit":"kWh "},
                {"value":"n/a","measurand":"Power.Active.Import"}]},
               {"timestamp":"2026-09-21T14:00:00Z","sampledValue":[]}, "x"]"#,
        );
        assert_eq!(reading.energy_wh, Some(12_500.0));
        assert_eq!(reading.power_w, Some(1_500.0));
        assert_eq!(reading.voltage_v, Some(230.0), "what came before the bad one");
        assert!(quirks.contains(&Quirk::new("value", "not a number", "garbage")));
    }

    #[test]
    fn b40_units_and_words_outside_the_enumeration() {
        let (reading, quirks) = read(
            r#"{"sampledValue":[
                {"value":"41","measurand":"Temperature","unit":"Celcius"},
                {"value":"7,2","measurand":"Power.Active.Import","unit":" kW "},
                {"value":"5","measurand":"Energy.Active.Import.Register","unit":"bananas"},
                {"value":"5","measurand":"Vendor.Humidity"},
                {"value":"50","measurand":"Frequency","unit":"Hertz"},
                {"value":"55","measurand":"SoC","unit":"Percent","location":"EV"}]}"#,
        );
        assert_eq!(reading.temperature_c, Some(41.0));
        assert_eq!(reading.power_w, Some(7_200.0));
        assert_eq!(reading.energy_wh, Some(5.0));
        assert_eq!(reading.soc_percent, Some(55.0));
        let fields: Vec<_> = quirks.iter().map(|quirk| quirk.field).collect();
        assert_eq!(fields, ["meterValue", "unit", "measurand"]);
    }

    #[test]
    fn phases_are_summed_unless_there_is_a_total() {
        let phases = r#"
            {"value":"1000","measurand":"Power.Active.Import","phase":"L1"},
            {"value":"1100","measurand":"Power.Active.Import","phase":"L2"},
            {"value":"0.9","measurand":"Power.Active.Import","phase":"L3","unit":"kW"},
            {"value":"6","measurand":"Current.Import","phase":"L1"},
            {"value":"8","measurand":"Current.Import","phase":"L2"},
            {"value":"99","measurand":"Current.Import","phase":"N"},
            {"value":"400","measurand":"Voltage","phase":"L1-L2"},
            {"value":"229","measurand":"Voltage","phase":"L1-N"}"#;
        let (reading, _) = read(&format!(r#"[{{"sampledValue":[{phases}]}}]"#));
        assert_eq!(reading.power_w, Some(3_000.0));
        assert_eq!(reading.current_a, Some(8.0));
        assert_eq!(reading.voltage_v, Some(229.0));
        let total = r#"{"value":"2900","measurand":"Power.Active.Import"}"#;
        let (reading, _) = read(&format!(r#"[{{"sampledValue":[{total},{phases}]}}]"#));
        assert_eq!(reading.power_w, Some(2_900.0));
    }

    #[test]
    fn the_newest_moment_counts_measurand_by_measurand() {
        let (reading, _) = read(
            r#"[{"sampledValue":[{"value":"300"}],"timestamp":"2026-09-21T14:02:00Z"},
               {"sampledValue":[{"value":"100"},{"value":"40","measurand":"SoC"}],"timestamp":"2026-09-21T14:00:00Z"},
               {"sampledValue":[{"value":"200"}],"timestamp":"2026-09-21T14:01:00Z"}]"#,
        );
        assert_eq!(reading.energy_wh, Some(300.0));
        assert_eq!(reading.soc_percent, Some(40.0));
        assert_eq!(reading.at, UnixMs::parse_rfc3339("2026-09-21T14:02:00Z"));
    }

    #[test]
    fn end_and_outlet_count_before_begin_and_inlet_of_the_same_moment() {
        let (reading, _) = read(
            r#"[{"timestamp":"2026-09-21T14:02:00Z","sampledValue":[
                {"value":"900","context":"Transaction.End"},
                {"value":"100","context":"Transaction.Begin"},
                {"value":"950","context":"Transaction.End","location":"Inlet"}]}]"#,
        );
        assert_eq!(reading.energy_wh, Some(900.0));
    }

    #[test]
    fn b42_a_multiplier_counts_in_2_x_and_signed_data_is_left_alone() {
        let (reading, quirks) = read(
            r#"[{"sampledValue":[{"value":1.5,"unitOfMeasure":{"unit":"Wh","multiplier":3}},
                {"value":"OCMF|{...}","format":"SignedData"}]}]"#,
        );
        assert_eq!(reading.energy_wh, Some(1_500.0));
        assert!(quirks.is_empty());
    }

    #[test]
    fn nothing_measured_is_no_reading() {
        let mut payload = Payload::new(r#"[{"sampledValue":[]}]"#, UnixMs(0));
        let mut book = MeterBook::default();
        book.read(&mut payload);
        assert_eq!(book.reading(ConnectorRef::CHARGER, None), None);
    }
}
