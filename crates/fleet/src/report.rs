//! What chargers report of themselves beside their connectors: radio link and configuration.

use mendpoint_model::{ChargerEvent, ConfigurationEntry, ConfigurationValue, Fact, SignalReading};

use crate::settings::FleetSettings;
use crate::slot::Slot;

/// The longest configuration value that is kept, bytes (2.x allows 2,500 characters).
const VALUE_MAX: usize = 2_500;

impl Slot {
    pub(crate) fn signal(
        &mut self,
        event: &ChargerEvent,
        reading: SignalReading,
        facts: &mut Vec<Fact>,
    ) {
        if !reading.value.is_finite() {
            return;
        }
        let signals = &mut self.state.signals;
        let same = signals
            .iter_mut()
            .find(|(_, known)| known.transport == reading.transport && known.unit == reading.unit);
        match same {
            Some(known) => *known = (event.received_at, reading),
            None => signals.push((event.received_at, reading)),
        }
        facts.push(Fact::SignalRead(reading));
    }

    pub(crate) fn configured(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        values: &[ConfigurationValue],
    ) {
        let known = &mut self.state.configuration;
        for value in values {
            let is_known = known.contains_key(value.key.as_str());
            if !is_known && known.len() >= settings.configuration_keys_max {
                continue;
            }
            let text = value.value.as_deref().map(|text| {
                let end = text.floor_char_boundary(VALUE_MAX);
                text[..end].into()
            });
            let entry =
                ConfigurationEntry { value: text, readonly: value.readonly, at: event.received_at };
            known.insert(value.key.as_str().into(), entry);
        }
    }
}
