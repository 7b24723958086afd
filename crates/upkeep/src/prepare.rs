//! What events go through before anybody takes them in: values are made fit to be kept, and what a
//! vendor profile or a confirmed key says of the radio link becomes a reading.

use mendpoint_model::{
    ChargerKey, ChargerState, CommandOutcome, ConfigurationValue, EventKind, Events, ModelKey,
    UnixMs, is_secret_name,
};

use crate::profile::{Profiles, Source};
use crate::questions::{asks, is_v16, model_of};
use crate::signal;
use crate::task::Task;
use crate::upkeep::Upkeep;

impl Upkeep {
    /// Makes the events of one message ready. `state` is what is known of the charger before them.
    pub fn prepare(
        &mut self,
        now: UnixMs,
        charger: ChargerKey,
        state: Option<&ChargerState>,
        events: &mut Events,
    ) {
        let mut readings = Vec::new();
        let mut replaces = false;
        for event in events.iter_mut() {
            match event {
                EventKind::Device(report) => {
                    let max = self.settings.values_an_hour_max;
                    let ward = self.wards.entry(charger).or_default();
                    let taken = ward.take_values(now, report.variables.len(), max);
                    report.variables.truncate(taken);
                    for variable in &mut report.variables {
                        variable.make_fit();
                    }
                    let told = report.variables.iter().map(|variable| {
                        (variable.at.to_string(), variable.value.as_deref().unwrap_or_default())
                    });
                    if let Some(model) = state.map(model_of) {
                        readings.extend(self.profiles.of_variables(&model, told));
                    }
                }
                EventKind::Configuration(values) => {
                    let max = self.settings.values_an_hour_max;
                    let ward = self.wards.entry(charger).or_default();
                    let taken = ward.take_values(now, values.len(), max);
                    values.truncate(taken);
                    values.iter_mut().for_each(hide_secret);
                    if let Some(model) = state.map(model_of) {
                        readings.extend(self.profiles.of_keys(&model, values));
                    }
                }
                EventKind::Status(report) => {
                    let (Some(error), Some(state)) = (&mut report.error, state) else { continue };
                    let texts = [error.info.as_deref(), error.vendor_code.as_deref()];
                    let model = model_of(state);
                    let found = self.profiles.of_error(&model, &error.code, &texts);
                    readings.extend(found);
                    self.profiles.name_error(&model, error);
                }
                EventKind::CommandAnswered(answered) => {
                    let Some(state) = state else { continue };
                    let CommandOutcome::Answered { accepted: true, payload, .. } =
                        &answered.outcome
                    else {
                        continue;
                    };
                    let question = self.wards.get(&charger).and_then(|ward| {
                        let question = ward.round.as_ref()?.question.as_ref()?;
                        (question.command == answered.command).then_some((ward, question))
                    });
                    let Some((ward, question)) = question else { continue };
                    let Task::Signal(name) = &question.task else { continue };
                    let asks = asks(&self.profiles, &ward.progress, is_v16(state));
                    let ask = asks.into_iter().find(|ask| ask.name == *name);
                    let Some(ask) = ask.filter(|ask| !ask.readings.is_empty()) else { continue };
                    // The profile knows what the numbers mean; a guess from their names does not.
                    replaces = true;
                    readings.extend(signal::read(&ask.readings, &data_of(payload)));
                }
                _ => {}
            }
        }
        if replaces {
            events.retain(|event| !matches!(event, EventKind::Signal(_)));
        }
        events.extend(readings.into_iter().map(EventKind::Signal));
    }
}

fn hide_secret(value: &mut ConfigurationValue) {
    if is_secret_name(&value.key) {
        value.value = None;
    }
}

/// The data of an answer to `DataTransfer`, as text.
fn data_of(payload: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(payload).unwrap_or_default();
    match answer.get("data") {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(data) => data.to_string(),
        None => String::new(),
    }
}

impl Profiles {
    fn of_variables<'a>(
        &self,
        model: &ModelKey,
        told: impl Iterator<Item = (String, &'a str)>,
    ) -> Vec<mendpoint_model::SignalReading> {
        let rules: Vec<_> = self
            .of(model)
            .filter_map(|profile| match &profile.source {
                Source::NotifyEvent(variable) => Some((variable, &profile.readings)),
                _ => None,
            })
            .collect();
        if rules.is_empty() {
            return Vec::new();
        }
        told.flat_map(|(name, value)| {
            let fits =
                rules.iter().filter(move |(variable, _)| variable.eq_ignore_ascii_case(&name));
            fits.flat_map(move |(_, readings)| signal::read(readings, value)).collect::<Vec<_>>()
        })
        .collect()
    }

    fn of_keys(
        &self,
        model: &ModelKey,
        values: &[ConfigurationValue],
    ) -> Vec<mendpoint_model::SignalReading> {
        let mut found = Vec::new();
        for profile in self.of(model) {
            let Source::ConfigKey(key) = &profile.source else { continue };
            let value = values.iter().find(|value| value.key.eq_ignore_ascii_case(key));
            if let Some(text) = value.and_then(|value| value.value.as_deref()) {
                found.extend(signal::read(&profile.readings, text));
            }
        }
        found
    }

    fn of_error(
        &self,
        model: &ModelKey,
        code: &str,
        texts: &[Option<&str>],
    ) -> Vec<mendpoint_model::SignalReading> {
        let mut found = Vec::new();
        for profile in self.of(model) {
            let Source::ErrorCode(wanted) = &profile.source else { continue };
            if wanted.eq_ignore_ascii_case(code) {
                let read = texts.iter().flatten().map(|text| signal::read(&profile.readings, text));
                found.extend(read.into_iter().find(|read| !read.is_empty()).unwrap_or_default());
            }
        }
        found
    }
}
