//! Things as the API tells them. Times are RFC 3339 in UTC; what is not known is `null`.

use mendpoint_model::{
    Actor, CellState, ChargerRecord, ChargerState, ConnectorState, Incident, Priority, SiteRecord,
    TimelineEntry, UnixMs,
};
use mendpoint_pipeline::{Directory, Handle};
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::ties::TiesJson;

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// What to ask for next, as `?cursor=`; `null` on the last page.
    pub(crate) next: Option<String>,
}

/// A time, or nothing.
pub(crate) fn time(at: Option<UnixMs>) -> Option<String> {
    at.map(UnixMs::rfc3339_ms)
}

/// Reads what is written as text or as a number, such as the connector `2` or `"2.1"`.
pub(crate) fn text_or_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<String, D::Error> {
    // Whatever its spelling: a number that was read would come out as another text.
    let raw = <Box<RawValue>>::deserialize(deserializer)?;
    match serde_json::from_str(raw.get()) {
        Ok(Value::String(text)) => Ok(text),
        Ok(Value::Number(_)) => Ok(raw.get().trim().to_owned()),
        _ => Err(D::Error::custom(format!("text or a number, not {}", raw.get()))),
    }
}

/// A charger in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChargerItem {
    /// OCPP identity: its name in every address of this API.
    id: String,
    name: String,
    site: String,
    vendor: String,
    model: String,
    serial: String,
    firmware: String,
    /// `accepted`, `quarantined` or `blocked`.
    admission: &'static str,
    /// How its messages are read: `server` (as the setting says), `tolerant` or `strict`.
    validation: &'static str,
    /// `ok`, `charge`, `busy`, `heal`, `warn`, `fault`, `offline`, `maint` or `new`.
    state: &'static str,
    /// The id of its public page, `/c/{public_id}`.
    public_id: String,
    created_at: String,
}

impl ChargerItem {
    pub(crate) fn new(
        record: &ChargerRecord,
        directory: &Directory,
        state: Option<CellState>,
    ) -> Self {
        Self {
            id: record.identity.to_string(),
            name: record.name.clone(),
            site: directory.site(record.site).map(|site| site.name.clone()).unwrap_or_default(),
            vendor: record.vendor.clone(),
            model: record.model.clone(),
            serial: record.serial.clone(),
            firmware: record.firmware.clone(),
            admission: record.admission.name(),
            validation: record.validation.name(),
            state: state.unwrap_or(CellState::NeverSeen).token(),
            public_id: record.public_id.clone(),
            created_at: record.created_at.rfc3339_ms(),
        }
    }
}

/// A charger with all that is known of it now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChargerDetail {
    #[schema(inline)]
    charger: ChargerItem,
    id: String,
    online: bool,
    /// `ocpp1.6`, `ocpp2.0.1` or `ocpp2.1`.
    protocol: Option<&'static str>,
    /// Since when it is online, or offline.
    since: Option<String>,
    last_seen_at: Option<String>,
    remote: String,
    booted_at: Option<String>,
    clock_skew_ms: Option<i64>,
    connectors: Vec<ConnectorJson>,
    signals: Vec<SignalJson>,
    configuration: Vec<ConfigurationJson>,
    open_transactions: Vec<i64>,
}

/// A connector.
#[derive(Debug, Serialize, ToSchema)]
struct ConnectorJson {
    evse: u16,
    connector: u16,
    /// The OCPP word. Last known while the charger is offline.
    status: &'static str,
    /// The word as sent, when it was none of OCPP's.
    raw_status: Option<String>,
    since: Option<String>,
    error_code: Option<String>,
    vendor_error_code: Option<String>,
    info: Option<String>,
    /// Faults of OCPP 2.x that are there now, as `component.variable`.
    faults: Vec<String>,
    power_w: Option<f64>,
    energy_wh: Option<f64>,
    soc_percent: Option<f64>,
    temperature_c: Option<f64>,
}

/// A reading of a radio link.
#[derive(Debug, Serialize, ToSchema)]
struct SignalJson {
    at: String,
    /// `wifi` or `cellular`.
    transport: &'static str,
    value: f64,
    /// `dbm`, `rsrp_dbm`, `csq` or `percent`.
    unit: &'static str,
}

/// A configuration key or variable.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigurationJson {
    key: String,
    value: Option<String>,
    readonly: bool,
    read_at: String,
}

impl ChargerDetail {
    pub(crate) fn new(
        record: &ChargerRecord,
        directory: &Directory,
        cell: Option<CellState>,
        state: Option<&ChargerState>,
    ) -> Self {
        let link = state.map(|state| state.link.clone()).unwrap_or_default();
        Self {
            charger: ChargerItem::new(record, directory, cell),
            id: record.identity.to_string(),
            online: link.connected,
            protocol: link.protocol.map(mendpoint_model::Protocol::name),
            since: time(link.since),
            last_seen_at: time(link.last_seen_at),
            remote: link.remote.to_string(),
            booted_at: time(state.and_then(|state| state.booted_at)),
            clock_skew_ms: state.and_then(|state| state.clock_skew_ms),
            connectors: state
                .map(|state| state.connectors.iter().map(ConnectorJson::new).collect())
                .unwrap_or_default(),
            signals: state.map(signals).unwrap_or_default(),
            configuration: state.map(configuration).unwrap_or_default(),
            open_transactions: state
                .map(|state| state.transactions.iter().map(|t| t.id.0).collect())
                .unwrap_or_default(),
        }
    }
}

impl ConnectorJson {
    fn new(connector: &ConnectorState) -> Self {
        let error = connector.error.as_deref();
        Self {
            evse: connector.at.evse,
            connector: connector.at.connector,
            status: connector.status.name(),
            raw_status: connector.raw_status.as_deref().map(str::to_owned),
            since: time(connector.since),
            error_code: error.map(|error| error.code.clone()),
            vendor_error_code: error.and_then(|error| error.vendor_code.clone()),
            info: error.and_then(|error| error.info.clone()),
            faults: connector
                .faults
                .iter()
                .filter(|fault| fault.active)
                .map(|fault| format!("{}.{}", fault.component, fault.variable))
                .collect(),
            power_w: connector.power_w,
            energy_wh: connector.energy_wh,
            soc_percent: connector.soc_percent,
            temperature_c: connector.temperature_c,
        }
    }
}

fn signals(state: &ChargerState) -> Vec<SignalJson> {
    use mendpoint_model::{SignalUnit, Transport};
    state
        .signals
        .iter()
        .map(|(at, reading)| SignalJson {
            at: at.rfc3339_ms(),
            transport: match reading.transport {
                Transport::Wifi => "wifi",
                Transport::Cellular => "cellular",
            },
            value: reading.value,
            unit: match reading.unit {
                SignalUnit::RssiDbm => "dbm",
                SignalUnit::RsrpDbm => "rsrp_dbm",
                SignalUnit::Csq => "csq",
                SignalUnit::Percent => "percent",
            },
        })
        .collect()
}

fn configuration(state: &ChargerState) -> Vec<ConfigurationJson> {
    state
        .configuration
        .iter()
        .map(|(key, entry)| ConfigurationJson {
            key: key.to_string(),
            value: entry.value.as_deref().map(str::to_owned),
            readonly: entry.readonly,
            read_at: entry.at.rfc3339_ms(),
        })
        .collect()
}

/// A site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteJson {
    pub(crate) name: String,
    region: String,
    address: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    time_zone: String,
    operator: String,
    owner: String,
    installer_name: Option<String>,
    installer_email: Option<String>,
    installer_phone: Option<String>,
    price_cents_per_kwh: i64,
}

impl From<&SiteRecord> for SiteJson {
    fn from(site: &SiteRecord) -> Self {
        let installer = site.installer.as_ref();
        Self {
            name: site.name.clone(),
            region: site.region.clone(),
            address: site.address.clone(),
            latitude: site.latitude,
            longitude: site.longitude,
            time_zone: site.time_zone.clone(),
            operator: site.operator.clone(),
            owner: site.owner.clone(),
            installer_name: installer.map(|installer| installer.name.clone()),
            installer_email: installer.map(|installer| installer.email.clone()),
            installer_phone: installer.map(|installer| installer.phone.clone()),
            price_cents_per_kwh: site.price_cents_per_kwh,
        }
    }
}

/// An incident.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IncidentJson {
    /// `INC-20431`.
    id: String,
    /// The rule that opened it.
    rule: String,
    rule_version: u32,
    /// `open`, `healing`, `verifying`, `recovered_unproven`, `escalated`, `acknowledged`,
    /// `in_progress`, `resolved` or `closed`.
    state: &'static str,
    /// 0 danger to 9 debug.
    severity: u8,
    /// `P1` to `P4`.
    priority: &'static str,
    /// `system`, `user`, `support` or `external`.
    source: &'static str,
    /// Who filed it.
    reporter: String,
    /// The charger's OCPP identity; of an incident about many chargers the first that it was seen at.
    charger: String,
    site: String,
    /// Who runs the charger.
    operator: String,
    /// `charger`, or the connector's number.
    connector: String,
    code: String,
    title: String,
    description: String,
    /// What happens next.
    next: String,
    next_at: Option<String>,
    began_at: String,
    opened_at: String,
    updated_at: String,
    resolved_at: Option<String>,
    occurrences: u32,
    previous: Option<String>,
    /// `T-1882`, when it was handed over.
    ticket: Option<String>,
    needs_person: bool,
    owner: Option<String>,
    resolution: String,
    blind: bool,
    /// What ties it to others, and what keeps it quiet.
    ties: TiesJson,
    healing: Option<HealingJson>,
    /// What happened, oldest first. Only on the incident's own page.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<TimelineJson>>,
}

/// A repair.
#[derive(Debug, Serialize, ToSchema)]
struct HealingJson {
    playbook: String,
    /// `off`, `shadow`, `approve` or `on`.
    mode: &'static str,
    ladder: Vec<&'static str>,
    steps: Vec<StepJson>,
    stopped_by: Option<String>,
}

/// One try of one rung.
#[derive(Debug, Serialize, ToSchema)]
struct StepJson {
    number: u32,
    rung: &'static str,
    label: &'static str,
    /// `waiting`, `awaiting_approval`, `sent`, `verifying`, `fixed`, `not_fixed`, `worse`,
    /// `blocked`, `skipped`, `shadowed` or `unknown`.
    state: String,
    at: String,
    accepted_at: Option<String>,
    ended_at: Option<String>,
    note: String,
    commands: Vec<String>,
}

/// A line of an incident's history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineJson {
    at: String,
    /// `engine`, `charger`, or a person's name.
    actor: String,
    kind: String,
    title: String,
    text: String,
    /// The frame that shows it, as in the charger's frame log.
    frame: Option<u64>,
    command: Option<String>,
    rung: Option<&'static str>,
}

impl IncidentJson {
    pub(crate) fn new(incident: &Incident, handle: &Handle) -> Self {
        let directory = handle.directory();
        let site = directory.site(incident.site);
        Self {
            id: incident.id.to_string(),
            rule: incident.rule.clone(),
            rule_version: incident.rule_version,
            state: incident.state.name(),
            severity: incident.severity,
            priority: Priority::of_severity(incident.severity).name(),
            source: incident.source.name(),
            reporter: incident.reporter.clone(),
            charger: directory
                .charger(incident.charger)
                .map(|charger| charger.identity.to_string())
                .unwrap_or_default(),
            site: site.as_ref().map(|site| site.name.clone()).unwrap_or_default(),
            operator: site.map(|site| site.operator.clone()).unwrap_or_default(),
            connector: incident.connector.to_string(),
            code: incident.code.clone(),
            title: incident.title.clone(),
            description: incident.description.clone(),
            next: incident.next.clone(),
            next_at: time(incident.next_at),
            began_at: incident.began_at.rfc3339_ms(),
            opened_at: incident.opened_at.rfc3339_ms(),
            updated_at: incident.updated_at.rfc3339_ms(),
            resolved_at: time(incident.resolved_at),
            occurrences: incident.occurrences,
            previous: incident.previous.map(|id| id.to_string()),
            ticket: incident.ticket.map(|id| id.to_string()),
            needs_person: incident.needs_person,
            owner: incident.owner.clone(),
            resolution: incident.resolution.clone(),
            blind: incident.blind,
            ties: TiesJson::new(incident, directory, handle.held(incident.id).as_ref()),
            healing: incident.healing.as_ref().map(|healing| HealingJson {
                playbook: healing.playbook.clone(),
                mode: match healing.mode {
                    mendpoint_model::HealMode::Off => "off",
                    mendpoint_model::HealMode::Shadow => "shadow",
                    mendpoint_model::HealMode::Approve => "approve",
                    mendpoint_model::HealMode::On => "on",
                },
                ladder: healing.ladder.iter().map(|rung| rung.name()).collect(),
                steps: healing.steps.iter().map(StepJson::new).collect(),
                stopped_by: healing.stopped_by.clone(),
            }),
            timeline: None,
        }
    }

    pub(crate) fn with_timeline(mut self, timeline: &[TimelineEntry]) -> Self {
        self.timeline = Some(timeline.iter().map(TimelineJson::new).collect());
        self
    }
}

impl StepJson {
    fn new(step: &mendpoint_model::Step) -> Self {
        Self {
            number: step.number,
            rung: step.rung.name(),
            label: step.rung.label(),
            state: serde_json::to_value(step.state)
                .ok()
                .and_then(|value| value.as_str().map(str::to_owned))
                .unwrap_or_default(),
            at: step.at.rfc3339_ms(),
            accepted_at: time(step.accepted_at),
            ended_at: time(step.ended_at),
            note: step.note.clone(),
            commands: step
                .commands
                .iter()
                .map(|(id, outcome)| match outcome {
                    Some(outcome) => format!("{id}: {}", outcome.summary()),
                    None => format!("{id}: sent"),
                })
                .collect(),
        }
    }
}

impl TimelineJson {
    pub(crate) fn new(entry: &TimelineEntry) -> Self {
        Self {
            at: entry.at.rfc3339_ms(),
            actor: match &entry.actor {
                Actor::Engine => "engine".to_owned(),
                Actor::Charger => "charger".to_owned(),
                Actor::User(name) => name.clone(),
            },
            kind: entry.kind.clone(),
            title: entry.title.clone(),
            text: entry.text.clone(),
            frame: (entry.frame > 0).then_some(entry.frame),
            command: entry.command.as_ref().map(ToString::to_string),
            rung: entry.rung.map(mendpoint_model::Rung::name),
        }
    }
}
