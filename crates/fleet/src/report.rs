//! What chargers report of themselves beside their connectors: radio link and configuration.

use mendpoint_model::{
    AttributeKind, ChargerEvent, ConfigurationEntry, ConfigurationValue, DeviceReport, Fact,
    Mutability, SignalReading, is_secret_name,
};

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
        for value in values {
            self.keep(settings, event, &value.key, value.value.as_deref(), value.readonly);
        }
    }

    /// Keeps what can be set of a 2.x device model, and what we set ourselves. The rest, which may
    /// be thousands of readings, is on disk only.
    pub(crate) fn device(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        report: &DeviceReport,
    ) {
        for value in &report.variables {
            if value.attribute != AttributeKind::Actual {
                continue;
            }
            let name = value.at.to_string();
            let is_known = self.state.configuration.contains_key(name.as_str());
            if is_known || value.mutability == Some(Mutability::ReadWrite) {
                self.keep(settings, event, &name, value.value.as_deref(), false);
            }
        }
    }

    fn keep(
        &mut self,
        settings: &FleetSettings,
        event: &ChargerEvent,
        name: &str,
        value: Option<&str>,
        readonly: bool,
    ) {
        let known = &mut self.state.configuration;
        let is_known = known.contains_key(name);
        if !is_known && known.len() >= settings.configuration_keys_max {
            return;
        }
        let value = value.filter(|_| !is_secret_name(name));
        let value = value.map(|text| text[..text.floor_char_boundary(VALUE_MAX)].into());
        known.insert(name.into(), ConfigurationEntry { value, readonly, at: event.received_at });
    }
}
