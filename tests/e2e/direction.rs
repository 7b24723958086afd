//! The direction of dependencies, as ARCHITECTURE.md draws it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What each crate of ours may stand on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("cards", &[]),
    ("ocpp", &["model"]),
    ("fleet", &["model"]),
    ("incidents", &["model"]),
    ("tickets", &["model"]),
    ("escalation", &["model"]),
    ("upkeep", &["model"]),
    ("shard", &["model", "fleet", "incidents", "upkeep"]),
    (
        "replay",
        &[
            "model",
            "escalation",
            "fleet",
            "incidents",
            "ocpp",
            "shard",
            "tickets",
            "upkeep",
            "uptime",
        ],
    ),
    ("uptime", &["model"]),
    ("store", &["model", "cards", "uptime"]),
    ("gateway", &["model", "ocpp"]),
    (
        "pipeline",
        &[
            "model",
            "cards",
            "escalation",
            "fleet",
            "incidents",
            "ocpp",
            "replay",
            "shard",
            "store",
            "tickets",
            "upkeep",
            "uptime",
        ],
    ),
    ("notify", &["model", "store"]),
    (
        "web",
        &[
            "model",
            "cards",
            "escalation",
            "fleet",
            "incidents",
            "ocpp",
            "pipeline",
            "replay",
            "store",
            "tickets",
            "upkeep",
            "uptime",
        ],
    ),
];

/// The crates that decide, and what they must not touch.
const PURE: &[&str] = &[
    "model",
    "cards",
    "ocpp",
    "fleet",
    "incidents",
    "tickets",
    "escalation",
    "shard",
    "upkeep",
    "replay",
    "uptime",
];
const IO: &[&str] = &["tokio", "tokio-tungstenite", "sqlx", "axum", "lettre", "rand", "getrandom"];

#[test]
fn dependencies_point_one_way() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&crates).expect("crates/") {
        let folder = entry.expect("an entry").path();
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = toml::from_str(&text).expect("TOML");
        let names = |section: &str| -> BTreeSet<String> {
            manifest
                .get(section)
                .and_then(toml::Value::as_table)
                .map(|table| table.keys().cloned().collect())
                .unwrap_or_default()
        };
        found.insert(name, names("dependencies"));
    }
    let known: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    let there: BTreeSet<_> = found.keys().cloned().collect();
    assert_eq!(there, known, "a crate was added or removed: say here what it may stand on");

    for (name, allowed) in ALLOWED {
        for dependency in &found[*name] {
            if let Some(ours) = dependency.strip_prefix("mendpoint-") {
                assert!(allowed.contains(&ours), "{name} must not stand on {ours}");
            }
            let is_pure = PURE.contains(name);
            assert!(
                !is_pure || !IO.contains(&dependency.as_str()),
                "{name} decides; {dependency} does not belong there"
            );
        }
    }
}
