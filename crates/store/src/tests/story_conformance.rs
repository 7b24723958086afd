//! The part of the story about what chargers send that is not as the specification says.

use mendpoint_model::{ChargerKey, UnixMs};

use crate::{ConformanceChange, DeviationCount, DeviationKey, ModelKey, Store};

fn of(model: &str) -> ModelKey {
    ModelKey { vendor: "ACME".into(), model: model.into(), firmware: "1.0".into() }
}

fn key(model: &str, place: &str) -> DeviationKey {
    DeviationKey {
        of: of(model),
        protocol: "ocpp1.6".into(),
        message: "MeterValues".into(),
        place: place.into(),
        rule: "word".into(),
    }
}

fn count(at: i64, example: &str, chargers: &[(u32, u64)]) -> DeviationCount {
    DeviationCount {
        allowed: "Wh, kWh".into(),
        example: example.into(),
        at: UnixMs(at),
        chargers: chargers.iter().map(|(charger, found)| (ChargerKey(*charger), *found)).collect(),
    }
}

pub(crate) async fn conformance(store: &Store) {
    let checked = |model, count, at| {
        (of(model), "ocpp1.6".to_owned(), "MeterValues".to_owned(), count, UnixMs(at))
    };
    let first = ConformanceChange {
        checked: vec![checked("X", 10, 5), checked("Y", 3, 5)],
        found: vec![(key("X", "unit"), count(5, "\"kWh \"", &[(1, 4), (2, 1)]))],
    };
    store.add_conformance(&first).await.expect("written");
    let second = ConformanceChange {
        checked: vec![checked("X", 10, 9)],
        found: vec![
            (key("X", "unit"), count(9, "\"KWH\"", &[(2, 2)])),
            (key("X", "phase"), count(9, "\"L4\"", &[(2, 1)])),
        ],
    };
    store.add_conformance(&second).await.expect("written");

    let models = store.conformance_models().await.expect("read");
    let told =
        models.iter().map(|row| (row.of.model.as_str(), row.checked, row.deviations, row.found));
    assert_eq!(told.collect::<Vec<_>>(), [("X", 20, 2, 8), ("Y", 3, 0, 0)]);
    assert_eq!((models[0].first_seen, models[0].last_seen), (UnixMs(5), UnixMs(9)));
    let messages = store.conformance_messages(&of("X")).await.expect("read");
    assert_eq!(messages, [("ocpp1.6".to_owned(), "MeterValues".to_owned(), 20)]);

    let report = store.conformance_report(&of("X")).await.expect("read");
    assert_eq!(report.len(), 2);
    let unit = &report[1];
    assert_eq!((unit.place.as_str(), unit.rule.as_str()), ("unit", "word"));
    assert_eq!((unit.found, unit.chargers, unit.checked), (7, 2, 20));
    assert_eq!((unit.first_seen, unit.last_seen), (UnixMs(5), UnixMs(9)));
    assert_eq!(unit.example, "\"KWH\"", "the newest");
    assert!(store.conformance_report(&of("Y")).await.expect("read").is_empty());

    let own = store.conformance_of_charger(ChargerKey(2), &of("X"), 10).await.expect("read");
    let told: Vec<_> = own.iter().map(|row| (row.place.as_str(), row.found)).collect();
    assert_eq!(told, [("unit", 3), ("phase", 1)]);
    assert_eq!(own[0].chargers, 2);
    let other = store.conformance_of_charger(ChargerKey(2), &of("Y"), 10).await.expect("read");
    assert!(other.is_empty(), "another firmware is another story");

    let mut keys = store.conformance_keys().await.expect("read");
    keys.sort();
    assert_eq!(keys, [key("X", "phase"), key("X", "unit")]);
    assert_eq!(store.prune_conformance(UnixMs(9)).await.expect("pruned"), 0);
    assert_eq!(store.conformance_models().await.expect("read").len(), 1, "Y is forgotten");
    assert_eq!(store.prune_conformance(UnixMs(10)).await.expect("pruned"), 2);
    let own = store.conformance_of_charger(ChargerKey(1), &of("X"), 10).await.expect("read");
    assert!(own.is_empty());
}
