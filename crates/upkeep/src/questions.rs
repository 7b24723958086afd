//! Which question comes next, and how it is put.

use mendpoint_model::{Action, ChargerState, ModelKey, Protocol, UnixMs};
use serde_json::json;

use crate::monitors;
use crate::profile::{Profile, Profiles, ReadingRule, Source};
use crate::progress::{Progress, Stage};
use crate::settings::UpkeepSettings;
use crate::task::Task;
use crate::ward::Ward;

/// What is to be done with a charger now.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Ask it this.
    Ask(Task),
    /// Nothing before this time.
    Wait(UnixMs),
    /// Nothing on this connection.
    Nothing,
}

/// Questions about the radio link that stay without an answer before this connection is left alone.
const SILENCES_MAX: u32 = 2;

/// Severity up to which chargers report events (2.2b).
const MONITORING_LEVEL: u8 = 6;

impl Ward {
    /// The next question, if one is due.
    pub(crate) fn next(
        &self,
        settings: &UpkeepSettings,
        profiles: &Profiles,
        state: &ChargerState,
        now: UnixMs,
    ) -> Next {
        let Some(round) = &self.round else { return Next::Nothing };
        let mut wake: Option<UnixMs> = None;
        for (task, mut due) in self.candidates(settings, profiles, state, now) {
            if self.progress.refused.contains_key(&task.name()) {
                continue;
            }
            if let Some(asked_at) = round.asked_at(&task)
                && !matches!(task, Task::Signal(_))
            {
                due = due.max(asked_at + settings.repeat_ms);
            }
            if due <= now {
                return Next::Ask(task);
            }
            wake = Some(wake.map_or(due, |wake| wake.min(due)));
        }
        wake.map_or(Next::Nothing, Next::Wait)
    }

    /// Everything that may be asked, in the order of importance, and from when on.
    fn candidates(
        &self,
        settings: &UpkeepSettings,
        profiles: &Profiles,
        state: &ChargerState,
        now: UnixMs,
    ) -> Vec<(Task, UnixMs)> {
        let progress = &self.progress;
        let read = progress.read_at.map_or(now, |at| at + settings.repeat_ms);
        let is_v16 = is_v16(state);
        let mut tasks = vec![(if is_v16 { Task::Configuration } else { Task::Inventory }, read)];
        if !self.admitted {
            return tasks;
        }
        if !is_v16 && progress.inventory_at.is_some() {
            let asked =
                progress.monitors.wanted.iter().filter(|one| !one.status.is_empty()).count();
            match progress.monitors.stage {
                Stage::Base => tasks.push((Task::MonitoringBase, now)),
                Stage::Level => tasks.push((Task::MonitoringLevel, now)),
                Stage::Set => {
                    let again = if progress.monitors.mended { 10_000 } else { 0 };
                    tasks.push((Task::SetMonitors(asked + again), now));
                }
                Stage::Report => tasks.push((Task::MonitoringReport, now)),
                Stage::Done => {}
            }
        }
        if self.round.as_ref().is_some_and(|round| round.silences < SILENCES_MAX) {
            for ask in asks(profiles, progress, is_v16) {
                let due = progress.signal_asked.get(&ask.name);
                let due = due.map_or(now, |at| *at + settings.signal_every_ms);
                tasks.push((Task::Signal(ask.name), due));
            }
        }
        tasks
    }
}

/// A vendor's question about the radio link.
pub(crate) struct Ask {
    /// Its name: the same for the same question.
    pub(crate) name: String,
    action: Action,
    /// How the data of its answer is read; empty where values come as events of their own.
    pub(crate) readings: Vec<ReadingRule>,
}

/// What a charger of this model can be asked about its radio link.
pub(crate) fn asks(profiles: &Profiles, progress: &Progress, is_v16: bool) -> Vec<Ask> {
    let mut asks = Vec::new();
    let mut keys = Vec::new();
    for profile in profiles.of(&progress.model) {
        match &profile.source {
            Source::ConfigKey(key) if is_v16 => keys.push(key.clone()),
            Source::NotifyEvent(variable) if !is_v16 => keys.push(variable.clone()),
            Source::DataTransfer { vendor_id, message_id, data } => {
                asks.push(data_transfer(profile, vendor_id, message_id, data));
            }
            Source::ErrorCode(_) | Source::ConfigKey(_) | Source::NotifyEvent(_) => {}
        }
    }
    if !is_v16 {
        // What the charger reported of its links itself (2.2b): a monitor tells of one crossing,
        // rules want to see it last.
        let links = progress.monitors.wanted.iter().map(|wanted| &wanted.at);
        let links = links.filter(|at| at.variable == "SignalStrength").map(ToString::to_string);
        keys.extend(links);
    }
    keys.sort_unstable();
    keys.dedup();
    if !keys.is_empty() {
        let name = if is_v16 { "keys" } else { "variables" };
        let action = Action::GetConfiguration { keys };
        asks.push(Ask { name: name.to_owned(), action, readings: Vec::new() });
    }
    asks
}

fn data_transfer(profile: &Profile, vendor_id: &str, message_id: &str, data: &str) -> Ask {
    let mut payload = json!({ "vendorId": vendor_id });
    let mut name = vendor_id.to_owned();
    if !message_id.is_empty() {
        payload["messageId"] = json!(message_id);
        name = format!("{vendor_id}/{message_id}");
    }
    if !data.is_empty() {
        payload["data"] = json!(data);
    }
    Ask { name, action: raw("DataTransfer", &payload), readings: profile.readings.clone() }
}

/// How a question is put: the action, and why, in words.
pub(crate) fn put(
    ward: &Ward,
    settings: &UpkeepSettings,
    profiles: &Profiles,
    state: &ChargerState,
    task: &Task,
    request: i64,
) -> Option<(Action, String)> {
    let progress = &ward.progress;
    let first = progress.read_at.is_none();
    Some(match task {
        Task::Configuration => {
            let why = if first { "first sight of this firmware" } else { "once a week" };
            (Action::GetConfiguration { keys: Vec::new() }, format!("configuration, {why}"))
        }
        Task::Inventory => {
            let (base, why) = if progress.inventory_at.is_none() {
                ("FullInventory", "first sight of this firmware")
            } else {
                ("ConfigurationInventory", "once a week")
            };
            let payload = json!({ "requestId": request, "reportBase": base });
            (raw("GetBaseReport", &payload), format!("inventory, {why}"))
        }
        Task::MonitoringBase => {
            let payload = json!({ "monitoringBase": "All" });
            (raw("SetMonitoringBase", &payload), "monitors: all there are stay".to_owned())
        }
        Task::MonitoringLevel => {
            let payload = json!({ "severity": MONITORING_LEVEL });
            (raw("SetMonitoringLevel", &payload), "monitors: down to warnings".to_owned())
        }
        Task::SetMonitors(_) => {
            let payload = monitors::set_payload(&progress.monitors, settings.monitors_a_message)?;
            (raw("SetVariableMonitoring", &payload), "monitors: faults and radio link".to_owned())
        }
        Task::MonitoringReport => {
            let payload = json!({ "requestId": request });
            (raw("GetMonitoringReport", &payload), "monitors: what is installed".to_owned())
        }
        Task::Signal(name) => {
            let asks = asks(profiles, progress, is_v16(state));
            let ask = asks.into_iter().find(|ask| ask.name == *name)?;
            (ask.action, "radio link".to_owned())
        }
    })
}

fn raw(action: &str, payload: &serde_json::Value) -> Action {
    Action::Raw { action: action.to_owned(), payload: payload.to_string() }
}

pub(crate) fn is_v16(state: &ChargerState) -> bool {
    state.link.protocol.is_none_or(|protocol| protocol == Protocol::V16)
}

/// What a charger says it is.
pub(crate) fn model_of(state: &ChargerState) -> ModelKey {
    state.boot.as_deref().and_then(ModelKey::of).unwrap_or_default()
}

/// Whether nobody charges, and nothing else runs that must not be disturbed (G2).
pub(crate) fn is_idle(state: &ChargerState) -> bool {
    let is_running = |status: Option<&(UnixMs, Box<str>)>, words: &[&str]| {
        status.is_some_and(|(_, word)| words.contains(&&**word))
    };
    state.transactions.is_empty()
        && !state.connectors.iter().any(|connector| {
            use mendpoint_model::ConnectorStatus::{
                Charging, Preparing, SuspendedEv, SuspendedEvse,
            };
            matches!(connector.status, Charging | Preparing | SuspendedEv | SuspendedEvse)
        })
        && !is_running(
            state.firmware_status.as_ref(),
            &["Downloading", "Installing", "InstallRebooting"],
        )
}
