//! Settings of a charger: configuration keys (1.6) and variables (2.0.1) with real effects where
//! they have one, and plausible values elsewhere.

use rust_decimal::prelude::ToPrimitive;
use rust_ocpp::v2_0_1::datatypes::message_info_type::MessageInfoType;
use rust_ocpp::v2_0_1::datatypes::set_monitoring_data_type::SetMonitoringDataType;
use rust_ocpp::v2_0_1::enumerations::monitor_enum_type::MonitorEnumType;

use crate::{Behaviour, ChargerSpec, Current, LinkKind};

/// The settings of one charger.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) settings: Vec<Setting>,
    /// 2.0.1 monitors by id.
    pub(crate) monitors: Vec<SetMonitoringDataType>,
    /// 2.0.1 messages for the display.
    pub(crate) messages: Vec<MessageInfoType>,
}

/// One setting. 1.6 keys have an empty component.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) component: &'static str,
    /// The component's instance; empty for none.
    pub(crate) instance: &'static str,
    /// The component's EVSE; 0 for the whole charger.
    pub(crate) evse: u16,
    pub(crate) name: &'static str,
    /// The unit of its value; empty for none.
    pub(crate) unit: &'static str,
    pub(crate) value: String,
    pub(crate) access: Access,
    pub(crate) kind: Kind,
}

/// Who may change a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
    /// A change takes effect after the next boot.
    Reboot,
    /// Never shown.
    WriteOnly,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// A whole number, not negative.
    Number,
    Switch,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Done,
    AfterReboot,
    ReadOnly,
    BadValue,
    Unknown,
}

use Access::{ReadOnly, ReadWrite, Reboot, WriteOnly};
use Kind::{Number, Switch, Text};

impl Device {
    pub(crate) fn new(spec: &ChargerSpec, behaviour: &Behaviour) -> Self {
        let settings = if spec.is_v16() { keys(spec) } else { variables(spec) };
        let mut device = Self { settings, monitors: Vec::new(), messages: Vec::new() };
        let interval = (behaviour.meter_interval_ms / 1_000).to_string();
        device.put("", "MeterValueSampleInterval", &interval);
        device.put("SampledDataCtrlr", "TxUpdatedInterval", &interval);
        device
    }

    fn put(&mut self, component: &str, name: &str, value: &str) {
        if let Some(setting) = self.find_mut(component, name) {
            value.clone_into(&mut setting.value);
        }
    }

    /// A setting by its names, which are compared without case (`CiString`).
    pub(crate) fn find(&self, component: &str, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.is(component, name))
    }

    /// A setting of a component that may be on an EVSE (0: wherever it is).
    pub(crate) fn find_at(&self, component: &str, evse: u16, name: &str) -> Option<&Setting> {
        let fits = |setting: &&Setting| evse == 0 || setting.evse == evse;
        self.settings.iter().filter(|setting| setting.is(component, name)).find(fits)
    }

    fn find_mut(&mut self, component: &str, name: &str) -> Option<&mut Setting> {
        self.settings.iter_mut().find(|setting| setting.is(component, name))
    }

    /// The installed monitor of a variable: its id and kind.
    pub(crate) fn monitor_of(
        &self,
        component: &str,
        evse: u16,
        variable: &str,
    ) -> Option<(i32, MonitorEnumType)> {
        let monitor = self.monitors.iter().find(|monitor| {
            monitor.component.name == component
                && monitor.variable.name == variable
                && monitor.component.evse.as_ref().is_none_or(|place| place.id == i32::from(evse))
        })?;
        Some((monitor.id?, monitor.kind.clone()))
    }

    /// The installed lower threshold of a variable: its id and value.
    pub(crate) fn threshold_of(&self, component: &str, variable: &str) -> Option<(i32, f64)> {
        let monitor = self.monitors.iter().find(|monitor| {
            monitor.component.name == component
                && monitor.variable.name == variable
                && monitor.kind == MonitorEnumType::LowerThreshold
        })?;
        Some((monitor.id?, monitor.value.to_f64()?))
    }

    pub(crate) fn has_component(&self, component: &str) -> bool {
        self.settings.iter().any(|setting| setting.component.eq_ignore_ascii_case(component))
    }

    /// Changes a setting by command.
    pub(crate) fn change(&mut self, component: &str, name: &str, value: &str) -> Change {
        let Some(setting) = self.find_mut(component, name) else { return Change::Unknown };
        if setting.access == ReadOnly {
            return Change::ReadOnly;
        }
        let fits = match setting.kind {
            Text => value.len() <= 500,
            Number => value.parse::<u32>().is_ok(),
            Switch => matches!(value.to_ascii_lowercase().as_str(), "true" | "false"),
        };
        if !fits {
            return Change::BadValue;
        }
        value.clone_into(&mut setting.value);
        if setting.access == Reboot { Change::AfterReboot } else { Change::Done }
    }

    fn number(&self, names: [(&str, &str); 2]) -> Option<i64> {
        names.iter().find_map(|(component, name)| self.find(component, name)?.value.parse().ok())
    }

    /// Wall-clock time between meter values, ms; 0 for none.
    pub(crate) fn meter_interval_ms(&self) -> i64 {
        let names = [("", "MeterValueSampleInterval"), ("SampledDataCtrlr", "TxUpdatedInterval")];
        self.number(names).unwrap_or(60) * 1_000
    }

    /// The interval between heartbeats that somebody has just set, s.
    pub(crate) fn heartbeat_s(&self) -> i64 {
        let names = [("", "HeartbeatInterval"), ("OCPPCommCtrlr", "HeartbeatInterval")];
        self.number(names).unwrap_or(300)
    }

    pub(crate) fn set_heartbeat(&mut self, seconds: i64) {
        let seconds = seconds.to_string();
        self.put("", "HeartbeatInterval", &seconds);
        self.put("OCPPCommCtrlr", "HeartbeatInterval", &seconds);
    }

    /// Whether a token of a remote start is asked about like any other.
    pub(crate) fn authorizes_remote_starts(&self) -> bool {
        let names = [("", "AuthorizeRemoteTxRequests"), ("AuthCtrlr", "AuthorizeRemoteStart")];
        names.iter().find_map(|(c, n)| self.find(c, n)).is_some_and(|s| s.value == "true")
    }
}

impl Setting {
    fn is(&self, component: &str, name: &str) -> bool {
        self.component.eq_ignore_ascii_case(component) && self.name.eq_ignore_ascii_case(name)
    }
}

fn setting(
    component: &'static str,
    name: &'static str,
    value: &str,
    access: Access,
    kind: Kind,
) -> Setting {
    Setting {
        component,
        instance: "",
        evse: 0,
        name,
        unit: "",
        value: value.to_owned(),
        access,
        kind,
    }
}

fn keys(spec: &ChargerSpec) -> Vec<Setting> {
    let measured = match spec.current {
        Current::Ac => "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage",
        Current::Dc => {
            "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC"
        }
    };
    let count = spec.connectors.to_string();
    let table: [(&'static str, &str, Access, Kind); 38] = [
        ("AllowOfflineTxForUnknownId", "true", ReadWrite, Switch),
        ("AuthorizationCacheEnabled", "true", ReadWrite, Switch),
        ("AuthorizeRemoteTxRequests", "false", ReadWrite, Switch),
        ("ClockAlignedDataInterval", "0", ReadWrite, Number),
        ("ConnectionTimeOut", "60", ReadWrite, Number),
        ("ConnectorPhaseRotation", "NotApplicable", ReadWrite, Text),
        ("GetConfigurationMaxKeys", "60", ReadOnly, Number),
        ("HeartbeatInterval", "300", ReadWrite, Number),
        ("LightIntensity", "70", ReadWrite, Number),
        ("LocalAuthorizeOffline", "true", ReadWrite, Switch),
        ("LocalPreAuthorize", "false", ReadWrite, Switch),
        ("MeterValuesAlignedData", "Energy.Active.Import.Register", ReadWrite, Text),
        ("MeterValuesSampledData", measured, ReadWrite, Text),
        ("MeterValueSampleInterval", "60", ReadWrite, Number),
        ("MinimumStatusDuration", "0", ReadWrite, Number),
        ("NumberOfConnectors", &count, ReadOnly, Number),
        ("ResetRetries", "1", ReadWrite, Number),
        ("StopTransactionOnEVSideDisconnect", "true", ReadOnly, Switch),
        ("StopTransactionOnInvalidId", "true", ReadWrite, Switch),
        ("StopTxnAlignedData", "", ReadWrite, Text),
        ("StopTxnSampledData", "Energy.Active.Import.Register", ReadWrite, Text),
        (
            "SupportedFeatureProfiles",
            "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
            ReadOnly,
            Text,
        ),
        ("TransactionMessageAttempts", "3", ReadWrite, Number),
        ("TransactionMessageRetryInterval", "10", ReadWrite, Number),
        ("UnlockConnectorOnEVSideDisconnect", "true", ReadWrite, Switch),
        ("WebSocketPingInterval", "0", ReadWrite, Number),
        ("LocalAuthListEnabled", "true", ReadWrite, Switch),
        ("LocalAuthListMaxLength", "500", ReadOnly, Number),
        ("SendLocalListMaxLength", "100", ReadOnly, Number),
        ("ReserveConnectorZeroSupported", "true", ReadOnly, Switch),
        ("ChargeProfileMaxStackLevel", "8", ReadOnly, Number),
        ("ChargingScheduleAllowedChargingRateUnit", "Current,Power", ReadOnly, Text),
        ("ChargingScheduleMaxPeriods", "24", ReadOnly, Number),
        ("MaxChargingProfilesInstalled", "20", ReadOnly, Number),
        ("ConnectorSwitch3to1PhaseSupported", "false", ReadOnly, Switch),
        ("CpoName", "", ReadWrite, Text),
        ("SecurityProfile", "0", Reboot, Number),
        ("AuthorizationKey", "", WriteOnly, Text),
    ];
    let mut settings: Vec<Setting> = table
        .into_iter()
        .map(|(name, value, access, kind)| setting("", name, value, access, kind))
        .collect();
    // As some makers do: the radio link as a key that can only be read, under a name of their own.
    let key = match spec.link {
        LinkKind::Ethernet => return settings,
        LinkKind::Wifi => "WLAN_RSSI",
        LinkKind::Cellular => "Modem_RSSI",
    };
    settings.push(setting("", key, "-60", ReadOnly, Number));
    settings
}

/// What can have a problem on an EVSE: see [`component_of`](crate::fault::component_of).
const FAULTY: [&str; 12] = [
    "EVSE",
    "Connector",
    "ConnectorPlugRetentionLock",
    "CPPWMController",
    "Controller",
    "ElectricalFeed",
    "FiscalMetering",
    "OverCurrentBreaker",
    "PowerContactor",
    "RCD",
    "TemperatureSensor",
    "TokenReader",
];

fn variables(spec: &ChargerSpec) -> Vec<Setting> {
    let interface = match spec.link {
        LinkKind::Ethernet => "Wired0",
        LinkKind::Wifi | LinkKind::Cellular => "Wireless0",
    };
    let phases = if spec.current == Current::Ac { "3" } else { "0" };
    let power = (spec.power_w as i64).to_string();
    let table: [(&'static str, &'static str, &str, Access, Kind); 39] = [
        ("ChargingStation", "Available", "true", ReadOnly, Switch),
        ("ChargingStation", "AvailabilityState", "Available", ReadOnly, Text),
        ("ChargingStation", "Model", &spec.model, ReadOnly, Text),
        ("ChargingStation", "VendorName", &spec.vendor, ReadOnly, Text),
        ("ChargingStation", "SerialNumber", &spec.serial, ReadOnly, Text),
        ("ChargingStation", "SupplyPhases", phases, ReadOnly, Number),
        ("ChargingStation", "Problem", "false", ReadOnly, Switch),
        ("Controller", "SelftestActive", "false", ReadWrite, Switch),
        ("EmergencyStopSensor", "Active", "false", ReadOnly, Switch),
        ("EmergencyStopSensor", "Tripped", "false", ReadOnly, Switch),
        ("DataLink", "Active", "true", ReadOnly, Switch),
        ("MonitoringCtrlr", "Available", "true", ReadOnly, Switch),
        ("MonitoringCtrlr", "Enabled", "true", ReadWrite, Switch),
        ("DeviceDataCtrlr", "ItemsPerMessageGetVariables", "40", ReadOnly, Number),
        ("OCPPCommCtrlr", "HeartbeatInterval", "300", ReadWrite, Number),
        ("OCPPCommCtrlr", "WebSocketPingInterval", "0", ReadWrite, Number),
        ("OCPPCommCtrlr", "RetryBackOffWaitMinimum", "2", ReadWrite, Number),
        ("OCPPCommCtrlr", "RetryBackOffRepeatTimes", "5", ReadWrite, Number),
        ("OCPPCommCtrlr", "RetryBackOffRandomRange", "3", ReadWrite, Number),
        ("OCPPCommCtrlr", "NetworkConfigurationPriority", "0", ReadWrite, Text),
        ("OCPPCommCtrlr", "NetworkProfileConnectionAttempts", "3", ReadWrite, Number),
        ("OCPPCommCtrlr", "OfflineThreshold", "60", ReadWrite, Number),
        ("OCPPCommCtrlr", "MessageAttempts", "3", ReadWrite, Number),
        ("OCPPCommCtrlr", "ActiveNetworkProfile", interface, ReadOnly, Text),
        ("AuthCtrlr", "AuthorizeRemoteStart", "false", ReadWrite, Switch),
        ("AuthCtrlr", "LocalAuthorizeOffline", "true", ReadWrite, Switch),
        ("AuthCtrlr", "LocalPreAuthorize", "false", ReadWrite, Switch),
        ("AuthCacheCtrlr", "Enabled", "true", ReadWrite, Switch),
        ("LocalAuthListCtrlr", "Enabled", "true", ReadWrite, Switch),
        ("LocalAuthListCtrlr", "Entries", "0", ReadOnly, Number),
        ("TxCtrlr", "EVConnectionTimeOut", "60", ReadWrite, Number),
        ("TxCtrlr", "StopTxOnInvalidId", "true", ReadWrite, Switch),
        ("TxCtrlr", "TxStartPoint", "PowerPathClosed", ReadOnly, Text),
        ("TxCtrlr", "TxStopPoint", "PowerPathClosed", ReadOnly, Text),
        ("SampledDataCtrlr", "TxUpdatedInterval", "60", ReadWrite, Number),
        ("SampledDataCtrlr", "TxEndedInterval", "0", ReadWrite, Number),
        ("ClockCtrlr", "TimeZone", "Europe/Bucharest", ReadWrite, Text),
        ("SecurityCtrlr", "SecurityProfile", "0", Reboot, Number),
        ("SecurityCtrlr", "BasicAuthPassword", "", WriteOnly, Text),
    ];
    let mut settings: Vec<Setting> = table
        .into_iter()
        .map(|(component, name, value, access, kind)| setting(component, name, value, access, kind))
        .collect();
    for evse in 1..=spec.connectors {
        let place = |name, component, value, kind| Setting {
            evse,
            unit: if name == "Power" { "W" } else { "" },
            ..setting(component, name, value, ReadOnly, kind)
        };
        settings.push(place("Available", "EVSE", "true", Switch));
        settings.push(place("AllowReset", "EVSE", "true", Switch));
        settings.push(place("Power", "EVSE", &power, Number));
        settings.push(place("Available", "Connector", "true", Switch));
        for component in FAULTY {
            settings.push(place("Problem", component, "false", Switch));
        }
        for component in ["RCD", "PowerContactor"] {
            settings.push(place("Tripped", component, "false", Switch));
        }
    }
    let instance = match spec.link {
        LinkKind::Ethernet => return settings,
        LinkKind::Wifi => "WiFi",
        LinkKind::Cellular => "Cellular",
    };
    settings.push(Setting {
        instance,
        unit: "dBm",
        ..setting("DataLink", "SignalStrength", "-60", ReadOnly, Number)
    });
    settings
}
