//! The questions.

use std::fmt;

/// What a charger is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Task {
    /// 1.6 `GetConfiguration`, all keys.
    Configuration,
    /// 2.x `GetBaseReport`: everything at first, then what can be set.
    Inventory,
    /// 2.x `SetMonitoringBase`.
    MonitoringBase,
    /// 2.x `SetMonitoringLevel`.
    MonitoringLevel,
    /// 2.x `SetVariableMonitoring`: this part of what is wanted.
    SetMonitors(usize),
    /// 2.x `GetMonitoringReport`.
    MonitoringReport,
    /// The radio link, as a vendor profile says.
    Signal(String),
}

impl Task {
    /// The name under which a refusal is kept. Parts of one thing share it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Configuration => "configuration".to_owned(),
            Self::Inventory => "inventory".to_owned(),
            Self::MonitoringBase => "monitoring base".to_owned(),
            Self::MonitoringLevel => "monitoring level".to_owned(),
            Self::SetMonitors(_) => "monitors".to_owned(),
            Self::MonitoringReport => "monitoring report".to_owned(),
            Self::Signal(ask) => format!("signal {ask}"),
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
