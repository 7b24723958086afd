//! The device model of a charger: what it can be asked about itself. A configuration key of OCPP 1.6
//! is a variable of no component.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ConnectorRef;

/// The name of a variable.
///
/// Displays as `Component[instance]:evse:connector.Variable[instance]`; a key of 1.6, which has no
/// component, as the bare key. That form is unique and is the name under which it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VariableRef {
    /// The component; empty for a key of 1.6.
    pub component: String,
    /// The component's instance; empty for none.
    pub instance: String,
    /// The component's EVSE.
    pub evse: Option<u16>,
    /// The component's connector.
    pub connector: Option<u16>,
    /// The variable, or the key of 1.6.
    pub variable: String,
    /// The variable's instance; empty for none.
    pub variable_instance: String,
}

impl VariableRef {
    /// A configuration key of 1.6.
    pub fn key(name: impl Into<String>) -> Self {
        Self { variable: name.into(), ..Self::default() }
    }

    /// Where on the charger its component is.
    pub fn place(&self) -> ConnectorRef {
        match self.evse {
            None | Some(0) => ConnectorRef::CHARGER,
            Some(evse) => ConnectorRef { evse, connector: self.connector.unwrap_or_default() },
        }
    }

    /// Whether its value opens something: it is neither kept nor shown.
    pub fn is_secret(&self) -> bool {
        is_secret_name(&self.variable)
    }
}

impl fmt::Display for VariableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.component.is_empty() {
            f.write_str(&self.component)?;
            if !self.instance.is_empty() {
                write!(f, "[{}]", self.instance)?;
            }
            if let Some(evse) = self.evse {
                write!(f, ":{evse}")?;
                if let Some(connector) = self.connector {
                    write!(f, ":{connector}")?;
                }
            }
            f.write_str(".")?;
        }
        f.write_str(&self.variable)?;
        if !self.variable_instance.is_empty() {
            write!(f, "[{}]", self.variable_instance)?;
        }
        Ok(())
    }
}

/// Whether a key or variable of this name holds what opens something (`AuthorizationKey`,
/// `BasicAuthPassword`, a Wi-Fi passphrase, ..).
pub fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 10] = [
        "authorizationkey",
        "password",
        "passphrase",
        "passwd",
        "secret",
        "basicauth",
        "privatekey",
        "apikey",
        "accesstoken",
        "pincode",
    ];
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word)) || name.ends_with("psk")
}

/// Which value of a variable (2.x).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum AttributeKind {
    /// The value now.
    #[default]
    Actual,
    /// The value wanted.
    Target,
    /// The lowest that may be set.
    MinSet,
    /// The highest that may be set.
    MaxSet,
}

impl AttributeKind {
    /// The OCPP word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Actual => "Actual",
            Self::Target => "Target",
            Self::MinSet => "MinSet",
            Self::MaxSet => "MaxSet",
        }
    }

    /// The kind of an OCPP word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Actual, Self::Target, Self::MinSet, Self::MaxSet]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// Who may do what with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mutability {
    /// It can be read.
    ReadOnly,
    /// It can be set, never read: a secret.
    WriteOnly,
    /// It can be read and set.
    ReadWrite,
}

impl Mutability {
    /// The OCPP word.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "ReadOnly",
            Self::WriteOnly => "WriteOnly",
            Self::ReadWrite => "ReadWrite",
        }
    }

    /// The mutability of an OCPP word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::ReadOnly, Self::WriteOnly, Self::ReadWrite]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One value of one variable, as the charger told it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableReport {
    /// Which variable.
    pub at: VariableRef,
    /// Which of its values.
    pub attribute: AttributeKind,
    /// The value; `None` when it was not told.
    pub value: Option<String>,
    /// Who may set it, if told.
    pub mutability: Option<Mutability>,
    /// `string`, `decimal`, `integer`, `boolean`, `OptionList`, ..; empty when not told.
    pub data_type: String,
    /// The unit (`dBm`, `Percent`, ..); empty when not told.
    pub unit: String,
    /// Whether the charger can watch it by itself, if told.
    pub supports_monitoring: Option<bool>,
    /// How many characters the value had, when it was too long to be kept whole.
    pub cut_from: Option<u32>,
}

/// The longest value that is kept, in characters: the most that 2.x allows.
pub const VARIABLE_VALUE_MAX: usize = 2_500;

impl VariableReport {
    /// Makes it fit to be kept: what opens something loses its value, what is too long is cut.
    pub fn make_fit(&mut self) {
        if self.at.is_secret() || self.mutability == Some(Mutability::WriteOnly) {
            self.value = None;
        }
        let Some(value) = &mut self.value else { return };
        if let Some((end, _)) = value.char_indices().nth(VARIABLE_VALUE_MAX) {
            self.cut_from = Some(value.chars().count().try_into().unwrap_or(u32::MAX));
            value.truncate(end);
        }
    }
}

/// Where values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceSource {
    /// A part of a report that was asked for (`NotifyReport`).
    Report,
    /// An answer to `GetVariables`.
    Answer,
    /// Told by the charger itself (`NotifyEvent`).
    Event,
    /// We set it, and the charger took it (`SetVariables`, `ChangeConfiguration`).
    Written,
}

/// Variables of a charger, as one message told them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Where they come from.
    pub source: DeviceSource,
    /// The number of the request that a report answers.
    pub request: Option<i64>,
    /// Which part of the report, from 0.
    pub seq_no: i64,
    /// Whether more parts follow.
    pub more: bool,
    /// The values.
    pub variables: Vec<VariableReport>,
}

/// What makes a charger report a variable by itself (2.x).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MonitorReport {
    /// The variable that is watched.
    pub at: VariableRef,
    /// The charger's own number of the monitor, if it gave one.
    pub id: Option<i64>,
    /// `UpperThreshold`, `LowerThreshold`, `Delta`, `Periodic`, `PeriodicClockAligned`.
    pub kind: String,
    /// The threshold, the difference, or the interval in seconds; `None` when not told.
    pub value: Option<f64>,
    /// 0 (danger) to 9 (debug).
    pub severity: u8,
    /// `Accepted`, or the charger's word for why not. Empty in a report of what is installed.
    pub status: String,
}

/// Monitors of a charger, as one message told them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MonitorsReport {
    /// Whether it answers `SetVariableMonitoring`; else it is a part of a report of all there are.
    pub set: bool,
    /// The number of the request that a report answers.
    pub request: Option<i64>,
    /// Which part of the report, from 0.
    pub seq_no: i64,
    /// Whether more parts follow.
    pub more: bool,
    /// The monitors.
    pub monitors: Vec<MonitorReport>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_readable() {
        let at = VariableRef {
            component: "Connector".into(),
            instance: "left".into(),
            evse: Some(1),
            connector: Some(2),
            variable: "Problem".into(),
            variable_instance: "a".into(),
        };
        assert_eq!(at.to_string(), "Connector[left]:1:2.Problem[a]");
        assert_eq!(VariableRef::key("HeartbeatInterval").to_string(), "HeartbeatInterval");
    }

    #[test]
    fn secrets_and_long_values_are_not_kept_as_they_came() {
        let mut secret = VariableReport {
            at: VariableRef::key("AuthorizationKey"),
            value: Some("00112233".into()),
            ..VariableReport::default()
        };
        secret.make_fit();
        assert_eq!(secret.value, None);
        let mut long = VariableReport {
            at: VariableRef::key("Banner"),
            value: Some("é".repeat(3_000)),
            ..VariableReport::default()
        };
        long.make_fit();
        assert_eq!(long.value.as_ref().map(|value| value.chars().count()), Some(2_500));
        assert_eq!(long.cut_from, Some(3_000));
    }

    #[test]
    fn what_opens_something_is_a_secret() {
        for name in ["AuthorizationKey", "BasicAuthPassword", "WifiPSK", "wifi_pass_phrase"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["HeartbeatInterval", "SecurityProfile", "AuthorizeRemoteTxRequests"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
