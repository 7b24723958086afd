//! What the upkeep wants done, what chargers say of themselves on its way to the disk, and what
//! people ask of both.

use std::sync::Arc;

use mendpoint_model::{
    CapabilityCounts, ChargerKey, ChargerRecord, CommandId, ConfigurationValue, Desired,
    DesiredFor, DesiredKey, DeviceSource, EventKind, ModelKey, Mutability, Origin, UnixMs,
    VariableRef, VariableReport,
};
use mendpoint_store::{Entry, SignalKeyRow};
use mendpoint_upkeep::{ConfirmedKey, Profiles, Progress, UpkeepEffect};
use tokio::sync::oneshot;

use crate::message::ShardMessage;
use crate::shard_task::ShardTask;
use crate::{Error, Handle};

/// Who is held to have changed a value that a charger told.
const CHARGER: &str = "charger";

/// The profiles of files with the keys that people confirmed.
pub(crate) fn with_confirmed(profiles: &Profiles, keys: &[SignalKeyRow]) -> Profiles {
    let confirmed: Vec<_> = keys
        .iter()
        .filter(|key| key.confirmed)
        .map(|key| ConfirmedKey {
            vendor: key.vendor.clone(),
            model: key.model.clone(),
            key: key.name.clone(),
            unit: key.unit,
            transport: key.transport,
        })
        .collect();
    profiles.with_confirmed(&confirmed)
}

impl ShardTask {
    /// Hands the shard what was learned and confirmed elsewhere, when it is news.
    pub(crate) fn take_what_all_know(&mut self) {
        let capabilities = self.inner.capabilities.snapshot();
        if !Arc::ptr_eq(&capabilities, &self.state.capabilities) {
            self.shard.set_capabilities(&capabilities);
            self.state.capabilities = capabilities;
        }
        let profiles = self.inner.profiles.load_full();
        let known = self.state.profiles.replace(Arc::clone(&profiles));
        if known.is_some_and(|known| !Arc::ptr_eq(&known, &profiles)) {
            self.shard.set_profiles(self.state.now, profiles);
        }
        let desired = self.inner.desired.load_full();
        let known = self.state.desired.replace(Arc::clone(&desired));
        if known.is_none_or(|known| !Arc::ptr_eq(&known, &desired)) {
            self.shard.set_desired(self.state.now, desired, &mut self.state.outputs);
            self.take_outputs();
        }
    }

    /// Does what the upkeep wants done.
    pub(crate) fn upkeep(&mut self, effect: UpkeepEffect) {
        match effect {
            UpkeepEffect::Send(command) => {
                self.inner.metrics.upkeep_questions.inc();
                self.send(command);
            }
            UpkeepEffect::Progress(charger, progress) => {
                let at = self.state.now;
                match serde_json::to_string(&progress) {
                    Ok(json) => self.state.entries.push(Entry::Upkeep { charger, at, json }),
                    Err(error) => tracing::error!(%error, "an upkeep's progress is not written"),
                }
            }
            UpkeepEffect::Learned { model, capability, lesson, at } => {
                let counts = self.inner.capabilities.learn(&model, &capability, lesson, at);
                if let Some(counts) = counts {
                    let name = capability;
                    self.state.entries.push(Entry::Capability { model, name, counts });
                }
            }
        }
    }

    /// Writes down what a message tells of the charger itself. Before its events are handled: then
    /// it is known still who asked.
    pub(crate) fn write_device(&mut self, charger: ChargerKey, at: UnixMs, events: &[EventKind]) {
        let is_reading = events.iter().any(|event| match event {
            EventKind::CommandAnswered(answered) => {
                self.shard.upkeep().is_signal_question(charger, &answered.command)
            }
            _ => false,
        });
        if is_reading {
            return;
        }
        for event in events {
            match event {
                EventKind::Configuration(values) => {
                    let variables = values.iter().map(variable_of).collect();
                    let by = CHARGER.to_owned();
                    self.state.entries.push(Entry::Variables { charger, at, by, variables });
                }
                EventKind::Device(report) if !report.variables.is_empty() => {
                    let by = match report.source {
                        DeviceSource::Written => self.asker_of(events),
                        DeviceSource::Report | DeviceSource::Answer | DeviceSource::Event => {
                            CHARGER.to_owned()
                        }
                    };
                    let variables = report.variables.clone();
                    self.state.entries.push(Entry::Variables { charger, at, by, variables });
                }
                EventKind::Monitors(report) => {
                    let is_whole = self.shard.upkeep().asked_for_monitors(charger, report);
                    let since = *self.state.monitors_since.entry(charger).or_insert(at);
                    let all_since = (is_whole && !report.more).then_some(since);
                    if !report.more {
                        self.state.monitors_since.remove(&charger);
                    }
                    let monitors = report.monitors.clone();
                    self.state.entries.push(Entry::Monitors { charger, at, all_since, monitors });
                }
                _ => {}
            }
        }
    }

    /// Who asked for the command that these events answer.
    fn asker_of(&self, events: &[EventKind]) -> String {
        let command = events.iter().find_map(|event| match event {
            EventKind::CommandAnswered(answered) => Some(&answered.command),
            _ => None,
        });
        let asker = command.and_then(|command: &CommandId| self.shard.upkeep().asker(command));
        match asker {
            Some(Origin::User(name) | Origin::Token(name)) => name.clone(),
            Some(Origin::Engine(incident)) => format!("Mendpoint for {incident}"),
            Some(Origin::System | Origin::Upkeep(_)) => "Mendpoint".to_owned(),
            None => CHARGER.to_owned(),
        }
    }
}

fn variable_of(value: &ConfigurationValue) -> VariableReport {
    let mutability = if value.readonly { Mutability::ReadOnly } else { Mutability::ReadWrite };
    let mut report = VariableReport {
        at: VariableRef::key(value.key.as_str()),
        value: value.value.clone(),
        mutability: Some(mutability),
        ..VariableReport::default()
    };
    report.make_fit();
    report
}

/// The kind of charger that a record is of.
pub(crate) fn model_of(record: &ChargerRecord) -> ModelKey {
    ModelKey {
        vendor: record.vendor.as_str().into(),
        model: record.model.as_str().into(),
        firmware: record.firmware.as_str().into(),
    }
}

impl Handle {
    /// How far the upkeep of a charger is.
    pub async fn upkeep(&self, charger: ChargerKey) -> Option<Box<Progress>> {
        let site = self.directory().charger(charger)?.site;
        let (sender, receiver) = oneshot::channel();
        self.0.to_shard(site, ShardMessage::LookUpkeep(charger, sender)).await.ok()?;
        receiver.await.ok()?
    }

    /// What the model of a charger was seen to do, in the order of the names.
    pub fn capabilities_of(&self, record: &ChargerRecord) -> Vec<(Box<str>, CapabilityCounts)> {
        let rows = self.0.capabilities.list(Some(&model_of(record)));
        rows.into_iter().map(|(_, name, counts)| (name, counts)).collect()
    }

    /// What all models were seen to do.
    pub fn capabilities(&self) -> Vec<(ModelKey, Box<str>, CapabilityCounts)> {
        self.0.capabilities.list(None)
    }

    /// What people said of keys that may tell of a radio link.
    pub fn signal_keys(&self) -> Arc<Vec<SignalKeyRow>> {
        self.0.signal_keys.load_full()
    }

    /// Keeps what a person says of a key, and goes by it from now on.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn decide_signal_key(&self, row: SignalKeyRow) -> Result<(), Error> {
        self.0.store.put_signal_key(&row).await?;
        self.reload_signal_keys().await
    }

    /// Forgets what was said of a key. `false`: nothing was.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_signal_key(
        &self,
        vendor: &str,
        model: &str,
        name: &str,
    ) -> Result<bool, Error> {
        let was_there = self.0.store.delete_signal_key(vendor, model, name).await?;
        self.reload_signal_keys().await?;
        Ok(was_there)
    }

    /// What configuration keys should be.
    pub fn desired(&self) -> Arc<Desired> {
        self.0.desired.load_full()
    }

    /// Keeps what a configuration key should be, and goes by it from now on.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn want_key(&self, row: DesiredKey) -> Result<(), Error> {
        self.0.store.put_desired_key(&row).await?;
        self.reload_desired().await
    }

    /// Wants nothing of a configuration key any more. `false`: nothing was wanted.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn unwant_key(&self, target: &DesiredFor, name: &str) -> Result<bool, Error> {
        let was_there = self.0.store.delete_desired_key(target, name).await?;
        self.reload_desired().await?;
        Ok(was_there)
    }

    async fn reload_desired(&self) -> Result<(), Error> {
        let desired = Desired::new(self.0.store.desired_keys().await?);
        self.0.desired.store(Arc::new(desired));
        Ok(())
    }

    async fn reload_signal_keys(&self) -> Result<(), Error> {
        let keys = self.0.store.signal_keys().await?;
        let profiles = with_confirmed(&self.0.settings.profiles, &keys);
        self.0.signal_keys.store(Arc::new(keys));
        self.0.profiles.store(Arc::new(profiles));
        Ok(())
    }
}
