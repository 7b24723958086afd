//! The part of the story about what chargers say of themselves.

use mendpoint_model::{
    AttributeKind, CapabilityCounts, ChargerKey, Lesson, ModelKey, MonitorReport, Mutability,
    SignalUnit, Transport, UnixMs, VariableRef, VariableReport,
};

use super::kit::write;
use crate::{Entry, SignalKeyRow, Store};

fn value(at: VariableRef, value: &str) -> VariableReport {
    VariableReport {
        at,
        value: Some(value.to_owned()),
        mutability: Some(Mutability::ReadWrite),
        data_type: "integer".to_owned(),
        ..VariableReport::default()
    }
}

fn station(evse: u16) -> VariableRef {
    VariableRef {
        component: "EVSE".to_owned(),
        evse: Some(evse),
        variable: "Problem".to_owned(),
        ..VariableRef::default()
    }
}

fn told(charger: ChargerKey, at: i64, by: &str, variables: Vec<VariableReport>) -> Entry {
    Entry::Variables { charger, at: UnixMs(at), by: by.to_owned(), variables }
}

pub(crate) async fn variables(store: &Store, charger: ChargerKey) {
    let interval = || VariableRef::key("HeartbeatInterval");
    let mut bare = value(interval(), "60");
    bare.mutability = None;
    bare.data_type = String::new();
    write(store, vec![told(charger, 100, "charger", vec![value(interval(), "300")])]).await;
    write(
        store,
        vec![
            told(
                charger,
                200,
                "charger",
                vec![value(interval(), "300"), value(station(1), "false")],
            ),
            // We set it, and the same batch holds the charger's own word for it.
            told(charger, 300, "dispatch", vec![bare.clone()]),
            told(charger, 301, "charger", vec![bare]),
        ],
    )
    .await;
    write(store, vec![told(charger, 400, "charger", vec![value(interval(), "30")])]).await;

    let (rows, next) = store.variables(charger, "", None, 1).await.expect("read");
    assert_eq!(rows[0].name, "EVSE:1.Problem");
    assert_eq!(rows[0].report.at, station(1));
    let (rows, end) = store.variables(charger, "", next, 5).await.expect("read");
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.name.as_str(), end), ("HeartbeatInterval", None));
    assert_eq!(
        (row.report.value.as_deref(), row.since, row.seen),
        (Some("30"), UnixMs(400), UnixMs(400))
    );
    assert_eq!(row.report.mutability, Some(Mutability::ReadWrite), "kept when it is not told");
    assert_eq!(row.report.data_type, "integer");
    assert_eq!(store.variable_count(charger).await.expect("read"), 2);
    let one = async |name| store.variable_value(charger, name).await.expect("read");
    assert_eq!(one("heartbeatINTERVAL").await.as_deref(), Some("30"), "whatever its case");
    assert_eq!(one("EVSE:1.Problem").await.as_deref(), Some("false"));
    assert_eq!(one("Problem").await, None);

    let changes =
        store.variable_changes(charger, Some("HeartbeatInterval"), 9).await.expect("read");
    let told: Vec<_> = changes
        .iter()
        .map(|row| (row.at.0, row.before.as_deref(), row.value.as_deref(), row.changed_by.as_str()))
        .collect();
    assert_eq!(
        told,
        [(400, Some("60"), Some("30"), "charger"), (301, Some("300"), Some("60"), "dispatch"),],
        "a row a change, none for what was told again"
    );
    assert!(
        store.variable_changes(charger, Some("EVSE:1.Problem"), 9).await.expect("read").is_empty()
    );

    let found = store.recent_variables(charger, "problem", 9).await.expect("read");
    assert_eq!(found.len(), 1);
    assert!(store.recent_variables(charger, "100%_", 9).await.expect("read").is_empty());
    let all = store.recent_variables(charger, "", 9).await.expect("read");
    assert_eq!(all[0].name, "HeartbeatInterval", "what changed last comes first");

    // What is told anew is kept, what was not told for the longest goes.
    assert_eq!(store.prune_variables(UnixMs(350), 1).await.expect("pruned"), 2);
    let (rows, _) = store.variables(charger, "", None, 5).await.expect("read");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].report.attribute, AttributeKind::Actual);
    assert_eq!(store.variable_changes(charger, None, 9).await.expect("read").len(), 1);
}

pub(crate) async fn monitors(store: &Store, charger: ChargerKey) {
    let monitor = |id: i64, kind: &str| MonitorReport {
        at: station(1),
        id: Some(id),
        kind: kind.to_owned(),
        value: Some(1.0),
        severity: 4,
        status: "Accepted".to_owned(),
    };
    let entry = |at: i64, all_since: Option<i64>, monitors: Vec<MonitorReport>| Entry::Monitors {
        charger,
        at: UnixMs(at),
        all_since: all_since.map(UnixMs),
        monitors,
    };
    write(store, vec![entry(100, None, vec![monitor(1, "Delta"), monitor(2, "Periodic")])]).await;
    assert_eq!(store.monitors(charger, 9).await.expect("read").len(), 2);
    write(store, vec![entry(200, Some(200), vec![monitor(1, "Delta")])]).await;
    let left = store.monitors(charger, 9).await.expect("read");
    let [(name, left)] = left.as_slice() else { panic!("{left:?}") };
    assert_eq!((name.as_str(), left.id, left.value), ("EVSE:1.Problem", Some(1), Some(1.0)));
}

pub(crate) async fn models(store: &Store, charger: ChargerKey) {
    let model = ModelKey { vendor: "ACME".into(), model: "X".into(), firmware: "".into() };
    let mut counts = CapabilityCounts::default();
    for lesson in [Lesson::NotSupported, Lesson::NoAnswer] {
        counts.add(lesson, UnixMs(7));
        let name = "Reset Hard".to_owned();
        write(store, vec![Entry::Capability { model: model.clone(), name, counts }]).await;
    }
    let rows = store.capabilities().await.expect("read");
    assert_eq!(rows, [(model, "Reset Hard".to_owned(), counts)]);

    let json = "{\"values\":3}".to_owned();
    write(store, vec![Entry::Upkeep { charger, at: UnixMs(1), json: json.clone() }]).await;
    assert_eq!(store.upkeep().await.expect("read"), [(charger, json)]);

    let mut key = SignalKeyRow {
        vendor: "ACME".to_owned(),
        model: "X".to_owned(),
        name: "ModemRSSI".to_owned(),
        confirmed: true,
        unit: SignalUnit::Csq,
        transport: Transport::Wifi,
        decided_by: "ana".to_owned(),
        decided_at: UnixMs(5),
    };
    store.put_signal_key(&key).await.expect("kept");
    key.confirmed = false;
    store.put_signal_key(&key).await.expect("kept");
    assert_eq!(store.signal_keys().await.expect("read"), [key]);
    assert!(store.delete_signal_key("ACME", "X", "ModemRSSI").await.expect("deleted"));
    assert!(!store.delete_signal_key("ACME", "X", "ModemRSSI").await.expect("asked"));
    let model = mendpoint_model::DesiredFor::Model("ACME".to_owned(), "X 1".to_owned());
    let one = mendpoint_model::DesiredFor::Charger(mendpoint_model::ChargerKey(1));
    for (target, value) in [(&model, "60"), (&one, "30"), (&one, "45")] {
        let wanted = mendpoint_model::DesiredKey {
            target: target.clone(),
            name: "HeartbeatInterval".to_owned(),
            value: value.to_owned(),
            set_by: "ana".to_owned(),
            set_at: mendpoint_model::UnixMs(5),
        };
        store.put_desired_key(&wanted).await.expect("kept");
    }
    let wanted = store.desired_keys().await.expect("read");
    let values: Vec<_> = wanted.iter().map(|row| (&row.target, row.value.as_str())).collect();
    assert_eq!(values, [(&one, "45"), (&model, "60")]);
    assert!(store.delete_desired_key(&one, "HeartbeatInterval").await.expect("deleted"));
    assert!(!store.delete_desired_key(&one, "HeartbeatInterval").await.expect("asked"));
}
