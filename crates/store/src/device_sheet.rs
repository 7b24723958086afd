//! How what chargers say of themselves is written down. See [`sheet`](crate::sheet).

use std::collections::BTreeMap;

use mendpoint_model::{
    AttributeKind, CapabilityCounts, ChargerKey, ModelKey, MonitorReport, UnixMs, VariableReport,
};

use crate::memory::Memory;
use crate::sheet::{Form, Sheet, Value};

/// A change is written where a known value becomes another one; the first sight of a value is none.
/// Before [`VARIABLE`], which overwrites what is compared with.
const CHANGE: Form = Form {
    head: "INSERT INTO variable_change
            (charger_key, name, attribute, at_ms, value_before, value, changed_by)
        SELECT v.column1, v.column2, v.column3, v.column4, d.value, v.column5, v.column6
        FROM (VALUES ",
    columns: 6,
    tail: ") AS v JOIN device_variable AS d ON d.charger_key = v.column1
            AND d.name = v.column2 AND d.attribute = v.column3
        WHERE d.value IS DISTINCT FROM v.column5
        ON CONFLICT (charger_key, name, attribute, at_ms) DO NOTHING",
};
const VARIABLE: Form = Form {
    head: "INSERT INTO device_variable (charger_key, name, attribute, component, instance, evse,
        connector, variable, variable_instance, value, cut_from, mutability, data_type, unit,
        supports_monitoring, since_ms, seen_ms, changed_by) VALUES ",
    columns: 18,
    tail: " ON CONFLICT (charger_key, name, attribute) DO UPDATE SET
        since_ms = CASE WHEN device_variable.value IS DISTINCT FROM excluded.value
            THEN excluded.since_ms ELSE device_variable.since_ms END,
        changed_by = CASE WHEN device_variable.value IS DISTINCT FROM excluded.value
            THEN excluded.changed_by ELSE device_variable.changed_by END,
        value = excluded.value, cut_from = excluded.cut_from, seen_ms = excluded.seen_ms,
        mutability = CASE WHEN excluded.mutability = '' THEN device_variable.mutability
            ELSE excluded.mutability END,
        data_type = CASE WHEN excluded.data_type = '' THEN device_variable.data_type
            ELSE excluded.data_type END,
        unit = CASE WHEN excluded.unit = '' THEN device_variable.unit ELSE excluded.unit END,
        supports_monitoring =
            COALESCE(excluded.supports_monitoring, device_variable.supports_monitoring)",
};
const MONITOR: Form = Form {
    head: "INSERT INTO device_monitor
        (charger_key, name, kind, monitor_id, value, severity, status, seen_ms) VALUES ",
    columns: 8,
    tail: " ON CONFLICT (charger_key, name, kind, monitor_id) DO UPDATE SET
        value = COALESCE(excluded.value, device_monitor.value), severity = excluded.severity,
        status = excluded.status, seen_ms = excluded.seen_ms",
};
/// What a whole report did not name is gone.
const MONITORS_GONE: Form = Form {
    head: "DELETE FROM device_monitor WHERE (charger_key) IN (SELECT v.column1 FROM (VALUES ",
    columns: 2,
    tail: ") AS v WHERE device_monitor.seen_ms < v.column2)",
};
const UPKEEP: Form = Form {
    head: "INSERT INTO upkeep (charger_key, updated_at_ms, json) VALUES ",
    columns: 3,
    tail: " ON CONFLICT (charger_key) DO UPDATE SET updated_at_ms = excluded.updated_at_ms,
        json = excluded.json",
};
/// The newest counts of a model replace the older ones: the program keeps them in memory.
const CAPABILITY: Form = Form {
    head: "INSERT INTO capability (vendor, model, firmware, name, works, not_supported,
        not_implemented, rejected, no_answer, last_at_ms) VALUES ",
    columns: 10,
    tail: " ON CONFLICT (vendor, model, firmware, name) DO UPDATE SET works = excluded.works,
        not_supported = excluded.not_supported, not_implemented = excluded.not_implemented,
        rejected = excluded.rejected, no_answer = excluded.no_answer,
        last_at_ms = excluded.last_at_ms",
};

/// A row that is older than the one that is there changes nothing: shards write in any order.
const MEMORY: Form = Form {
    head: "INSERT INTO heal_memory (kind, name, revision, json) VALUES ",
    columns: 4,
    tail: " ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision,
        json = excluded.json WHERE heal_memory.revision < excluded.revision",
};

type Row = Vec<Value>;

/// The part of a batch that is about devices.
#[derive(Debug, Default)]
pub(crate) struct DeviceBatch {
    variables: BTreeMap<(ChargerKey, String, AttributeKind), (Row, Row)>,
    monitors: BTreeMap<(ChargerKey, String, String, i64), Row>,
    gone: BTreeMap<ChargerKey, Row>,
    upkeep: BTreeMap<ChargerKey, Row>,
    capabilities: BTreeMap<(ModelKey, String), Row>,
    memories: BTreeMap<(&'static str, String), (u64, Row)>,
}

macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$(Value::from($value)),*] };
}

impl DeviceBatch {
    pub(crate) fn variable(
        &mut self,
        charger: ChargerKey,
        at: UnixMs,
        by: &str,
        report: &VariableReport,
    ) {
        let name = report.at.to_string();
        let value = report.value.clone();
        let key = (charger, name.clone(), report.attribute);
        // Told twice in one batch: who set it first set it.
        let by = match self.variables.get(&key) {
            Some((change, _)) if change[4] == Value::from(value.clone()) => change[5].clone(),
            _ => Value::from(by),
        };
        let mut change = row![charger, name.as_str(), report.attribute.name(), at, value.clone(),];
        change.push(by.clone());
        let place = |number: Option<u16>| number.map(i64::from);
        let mut row = row![
            charger,
            name,
            report.attribute.name(),
            report.at.component.as_str(),
            report.at.instance.as_str(),
            place(report.at.evse),
            place(report.at.connector),
            report.at.variable.as_str(),
            report.at.variable_instance.as_str(),
            value,
            report.cut_from.map(i64::from),
            report.mutability.map_or("", mendpoint_model::Mutability::name),
            report.data_type.as_str(),
            report.unit.as_str(),
            report.supports_monitoring.map(i64::from),
            at,
            at,
        ];
        row.push(by);
        self.variables.insert(key, (change, row));
    }

    pub(crate) fn monitor(&mut self, charger: ChargerKey, at: UnixMs, monitor: &MonitorReport) {
        let name = monitor.at.to_string();
        let id = monitor.id.unwrap_or_default();
        let status = if monitor.status.is_empty() { "Accepted" } else { &monitor.status };
        let row = row![
            charger,
            name.as_str(),
            monitor.kind.as_str(),
            id,
            monitor.value,
            i64::from(monitor.severity),
            status,
            at,
        ];
        self.monitors.insert((charger, name, monitor.kind.clone(), id), row);
    }

    /// The report is whole: what was last seen before it began is gone.
    pub(crate) fn monitors_are_all(&mut self, charger: ChargerKey, began_at: UnixMs) {
        self.gone.insert(charger, row![charger, began_at]);
    }

    pub(crate) fn memory(&mut self, memory: &Memory) {
        let key = (memory.kind, memory.key.clone());
        let is_old = self.memories.get(&key).is_some_and(|(known, _)| *known >= memory.revision);
        if !is_old {
            let revision = memory.revision as i64;
            let row = row![memory.kind, memory.key.as_str(), revision, memory.json.as_str()];
            self.memories.insert(key, (memory.revision, row));
        }
    }

    pub(crate) fn upkeep(&mut self, charger: ChargerKey, at: UnixMs, json: &str) {
        self.upkeep.insert(charger, row![charger, at, json]);
    }

    pub(crate) fn capability(&mut self, model: &ModelKey, name: &str, counts: &CapabilityCounts) {
        let row = row![
            &*model.vendor,
            &*model.model,
            &*model.firmware,
            name,
            i64::from(counts.works),
            i64::from(counts.not_supported),
            i64::from(counts.not_implemented),
            i64::from(counts.rejected),
            i64::from(counts.no_answer),
            counts.last_at,
        ];
        self.capabilities.insert((model.clone(), name.to_owned()), row);
    }

    pub(crate) fn into_sheets(self) -> [Sheet; 7] {
        let (changes, variables) = self.variables.into_values().unzip();
        [
            Sheet { form: &CHANGE, rows: changes },
            Sheet { form: &VARIABLE, rows: variables },
            Sheet { form: &MONITOR, rows: self.monitors.into_values().collect() },
            Sheet { form: &MONITORS_GONE, rows: self.gone.into_values().collect() },
            Sheet {
                form: &MEMORY,
                rows: self.memories.into_values().map(|(_, row)| row).collect(),
            },
            Sheet { form: &UPKEEP, rows: self.upkeep.into_values().collect() },
            Sheet { form: &CAPABILITY, rows: self.capabilities.into_values().collect() },
        ]
    }
}
