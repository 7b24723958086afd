//! Edited rules: kept, refused, taken back, set aside, and there again after a restart.

use std::sync::Arc;

use mendpoint_incidents::{Catalogue, EngineSettings, HealMode, Target, ThresholdOverride};
use mendpoint_model::UnixMs;

use super::kit::Kit;
use crate::rule_book::{RuleEdits, compose};
use crate::{NewRuleText, RuleKind};

fn new(id: &str, made_from: i64, text: &str) -> NewRuleText {
    NewRuleText {
        kind: RuleKind::Rule,
        id: id.to_owned(),
        made_from,
        text: text.to_owned(),
        note: "a try".to_owned(),
        by: "ana".to_owned(),
    }
}

const OWN: &str = r#"
id = "FAULTED_LONG"
version = 1
title = "Faulted for long"
description = "Somebody should look."
severity = 6
scope = "connector"
auto_heal = "on"
playbook = "err_faulted"
[thresholds]
long = { default = "30m", min = "5m", max = "1d" }
[condition]
when = 'status == "Faulted"'
for = "long"
[[test]]
name = "it opens"
steps = [
  { at = "0s", connect = true },
  { at = "1m", status = { status = "Faulted" } },
  { every = "5m", times = 6, heartbeat = true },
  { at = "31m1s", expect = { has = ["FAULTED_LONG"] } },
]
[[test]]
name = "it is silent"
steps = [{ at = "0s", connect = true }, { at = "1h", expect = { has_not = ["FAULTED_LONG"] } }]
"#;

async fn kit() -> Kit {
    Kit::start(EngineSettings::default()).await
}

#[tokio::test]
async fn an_edit_is_a_version_and_a_stale_one_is_refused() {
    let kit = kit().await;
    let handle = kit.handle();
    let text = handle.catalogue().rule("ERR_FAULTED").expect("shipped").source.to_string();
    let longer = text.replacen("title = \"", "title = \"Edited: ", 1);
    assert_ne!(longer, text);
    let saved = handle.save_rule(new("ERR_FAULTED", 0, &longer)).await.expect("it is good");
    assert_eq!(saved, ("ERR_FAULTED".to_owned(), 1));
    let rule = handle.catalogue().rule("ERR_FAULTED").cloned().expect("in force");
    assert!(rule.title.starts_with("Edited: "), "{}", rule.title);
    assert_eq!(rule.auto_heal, handle.rule_files().rule("ERR_FAULTED").expect("file").auto_heal);
    let stale = handle.save_rule(new("ERR_FAULTED", 0, &text)).await.expect_err("too late");
    assert!(
        stale
            .to_string()
            .contains("ana changed the rule ERR_FAULTED meanwhile: version 1 is newer"),
        "{stale}"
    );
    let none = handle.save_rule(new("ERR_FAULTED", 99, &text)).await.expect_err("there is none");
    assert_eq!(
        none.to_string(),
        "there is no version 99 of the rule ERR_FAULTED: the newest is version 1; begin from that one"
    );
    let nameless = handle.save_rule(new("ERR_FAULTED", 1, "title = \"x\"\n")).await;
    let told = nameless.expect_err("it has no id").to_string();
    assert!(told.starts_with("edited rule ERR_FAULTED:"), "{told}");
    let wrong =
        handle.save_rule(new("ERR_FAULTED", 1, &longer.replace("\"60s\"", "\"60x\""))).await;
    let told = wrong.expect_err("no duration").to_string();
    assert!(told.contains("edited rule ERR_FAULTED:") && told.contains("is no duration"), "{told}");
    let nowhere = longer.replace("route = \"default\"", "route = \"defualt\"");
    let nobody = handle.save_rule(new("ERR_FAULTED", 1, &nowhere)).await.expect_err("no route");
    let told = nobody.to_string();
    assert!(told.contains("unknown route \"defualt\"; did you mean `default`?"), "{told}");
    let other = handle.save_rule(new("CP_OFFLINE", 1, &longer)).await.expect_err("another id");
    assert!(other.to_string().contains("begin a new rule"), "{other}");

    // What a start would make of it.
    let mut edits = RuleEdits::read(&kit.store).await.expect("read");
    let again = compose(&handle.rule_files(), &mut edits);
    assert!(again.rule("ERR_FAULTED").expect("there").title.starts_with("Edited: "));

    handle.take_back_rule(RuleKind::Rule, "ERR_FAULTED", 0, "ana").await.expect("taken back");
    let rule = handle.catalogue().rule("ERR_FAULTED").cloned().expect("the file's");
    assert!(!rule.title.starts_with("Edited: "));
    let back = handle.take_back_rule(RuleKind::Rule, "ERR_FAULTED", 1, "ana").await;
    assert_eq!(back.expect("it still fits"), 3);
    assert!(handle.catalogue().rule("ERR_FAULTED").expect("x").title.starts_with("Edited: "));
}

#[tokio::test]
async fn g10_a_new_rule_begins_in_shadow_and_stays_there_for_a_week() {
    let kit = kit().await;
    let handle = kit.handle();
    handle.save_rule(new("", 0, OWN)).await.expect("it is good");
    let mode = || handle.catalogue().rule("FAULTED_LONG").expect("in force").auto_heal;
    assert_eq!(mode(), HealMode::Shadow, "whatever the text says");
    let early = handle.set_rule_mode("FAULTED_LONG", HealMode::On, false, "ana").await;
    assert!(early.expect_err("too early").to_string().contains("stays in shadow until"));
    handle.set_rule_mode("FAULTED_LONG", HealMode::Off, false, "ana").await.expect("less is fine");
    handle.set_rule_mode("FAULTED_LONG", HealMode::On, true, "ana").await.expect("said so");
    assert_eq!(mode(), HealMode::On);
    handle.set_rule_on("FAULTED_LONG", false, "ana").await.expect("off");
    assert!(!handle.catalogue().rule("FAULTED_LONG").expect("known").enabled);
    assert_eq!(mode(), HealMode::On, "its mode stays");
    let unknown = handle.set_rule_on("FAULTED_LNG", true, "ana").await.expect_err("unknown");
    assert!(unknown.to_string().contains("did you mean `FAULTED_LONG`?"), "{unknown}");
    let twice = handle.save_rule(new("", 0, OWN)).await.expect_err("there is one");
    assert!(twice.to_string().contains("already"), "{twice}");
    handle.take_back_rule(RuleKind::Rule, "FAULTED_LONG", 0, "ana").await.expect("gone");
    assert!(handle.catalogue().rule("FAULTED_LONG").is_none());
}

#[tokio::test]
async fn an_edit_that_fits_no_more_is_set_aside_and_the_files_hold() {
    let kit = kit().await;
    let handle = kit.handle();
    handle.save_rule(new("", 0, OWN)).await.expect("it is good");
    // The files come without the playbook that the edit names.
    let rule = include_str!("../../../../config/rules/identity_contested.toml");
    let files = [("identity_contested.toml".to_owned(), rule.to_owned())];
    let other = Arc::new(Catalogue::parse(&files, &[]).expect("well formed"));
    handle.set_catalogue(other).await.expect("it goes on");
    assert!(handle.catalogue().rule("FAULTED_LONG").is_none());
    assert!(handle.catalogue().rule("IDENTITY_CONTESTED").is_some());
    let edits = handle.rule_edits();
    let (kind, id, why) = edits.set_aside.first().expect("one is set aside");
    assert_eq!((*kind, id.as_str()), (RuleKind::Rule, "FAULTED_LONG"));
    assert!(why[0].message.contains("unknown playbook"), "{why:?}");
}

#[tokio::test]
async fn thresholds_are_kept_and_checked() {
    let kit = kit().await;
    let handle = kit.handle();
    handle.save_rule(new("", 0, OWN)).await.expect("it is good");
    let own = |value: &str| ThresholdOverride {
        rule: "FAULTED_LONG".to_owned(),
        target: Target::Charger(kit.charger.key),
        name: "long".to_owned(),
        value: value.to_owned(),
    };
    let wrong = handle.set_threshold(own("1m"), "ana").await.expect_err("too little");
    assert!(
        matches!(wrong, crate::Error::Unfit(_)),
        "the value is wrong, and nothing is in its way"
    );
    assert_eq!(wrong.to_string(), "long is at least 5m; 1m is less");
    handle.set_threshold(own("10m"), "ana").await.expect("set");
    let edits = RuleEdits::read(&kit.store).await.expect("read");
    assert_eq!(edits.overrides(), [own("10m")]);
    assert_eq!(handle.threshold_counts().get("FAULTED_LONG"), Some(&1));
    let target = Target::Charger(kit.charger.key);
    assert!(handle.clear_threshold("FAULTED_LONG", &target, "long", "ana").await.expect("gone"));
    assert!(!handle.clear_threshold("FAULTED_LONG", &target, "long", "ana").await.expect("none"));
}

#[tokio::test]
async fn reading_the_files_again_says_what_is_wrong_with_them() {
    let kit = kit().await;
    let handle = kit.handle();
    handle.set_rule_reader(|| Err("rules/x.toml:1:1: unknown key".to_owned()));
    let told = handle.reload_rules("ana").await.expect_err("they are wrong").to_string();
    assert_eq!(told, "rules/x.toml:1:1: unknown key");
    assert!(handle.catalogue().rule("ERR_FAULTED").is_some(), "everything stays as it was");
}

/// A playbook and the tests of a rule that heals with it, as they stand.
fn ladder_and_test(handle: &crate::Handle) -> (String, String) {
    let catalogue = handle.catalogue();
    let playbook = catalogue.playbook("failed_burst").expect("shipped").source.to_string();
    let rule = catalogue.rule("SILENT_CHARGER").expect("shipped").source.to_string();
    (playbook, rule)
}

#[tokio::test]
async fn a_playbook_and_the_tests_that_name_its_steps_change_together_or_not_at_all() {
    let kit = kit().await;
    let handle = kit.handle();
    let rule = include_str!("../../../../config/rules/silent_charger.toml");
    let playbook = include_str!("../../../../config/playbooks/failed_burst.toml");
    let offline = include_str!("../../../../config/rules/cp_offline.toml");
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let rules = [file("a.toml", rule), file("c.toml", offline)];
    let playbooks = [file("b.toml", playbook)];
    let files = Catalogue::parse(&rules, &playbooks).expect("shipped");
    handle.set_catalogue(Arc::new(files)).await.expect("in force");
    let (playbook, rule) = ladder_and_test(&handle);
    let shorter = playbook.replace(r#"ladder = ["L1", "L4"]"#, r#"ladder = ["L1"]"#);
    let tested = rule
        .replace(
            r#""TriggerMessage StatusNotification 1", "Reset Soft"]"#,
            r#""TriggerMessage StatusNotification 1"]"#,
        )
        .replace(", tickets = 0", "");
    assert!(shorter != playbook && tested != rule);
    let playbook_of = |text: &str, made_from| NewRuleText {
        kind: RuleKind::Playbook,
        ..new("failed_burst", made_from, text)
    };

    // Alone, neither fits to the other; it is told which rule it is.
    let checked = handle.check_rule(RuleKind::Playbook, shorter.clone()).await;
    assert_eq!((checked.others(), checked.is_good()), (vec!["SILENT_CHARGER"], false));
    let alone = handle.save_rule(playbook_of(&shorter, 0)).await.expect_err("it does not fit");
    assert!(matches!(alone, crate::Error::Unfit(_)), "{alone}");
    let alone = handle.save_rule(new("SILENT_CHARGER", 0, &tested)).await.expect_err("nor this");
    assert!(matches!(alone, crate::Error::Unfit(_)), "{alone}");

    // Together they do, and one that is not good keeps the other away.
    let stale = vec![playbook_of(&shorter, 0), new("SILENT_CHARGER", 7, &tested)];
    let told = handle.save_rules(stale).await.expect_err("made from another version").to_string();
    let none = "there is no version 7 of the rule SILENT_CHARGER: it was never edited";
    assert!(told.contains(none), "{told}");
    assert_eq!(ladder_and_test(&handle), (playbook.clone(), rule.clone()), "none was kept");
    let both = vec![playbook_of(&shorter, 0), new("SILENT_CHARGER", 0, &tested)];
    let kept = handle.save_rules(both).await.expect("they fit");
    assert_eq!(kept, [("failed_burst".to_owned(), 1), ("SILENT_CHARGER".to_owned(), 1)]);
    assert_eq!(ladder_and_test(&handle), (shorter, tested));

    // The way back is the same: alone it would leave a rule whose test fails.
    let alone = handle.take_back_rule(RuleKind::Playbook, "failed_burst", 0, "ana").await;
    assert!(matches!(alone, Err(crate::Error::Unfit(_))), "{alone:?}");
    let both = vec![playbook_of(&playbook, 1), new("SILENT_CHARGER", 1, &rule)];
    handle.save_rules(both).await.expect("as in the files");
    assert_eq!(ladder_and_test(&handle), (playbook, rule));
    let edits = handle.rule_edits();
    let is_edited = edits.text(RuleKind::Playbook, "failed_burst").is_some();
    assert!(!is_edited, "what is as in the file is no edit of it");
}

/// Opens as soon as a connector is Faulted for a second.
fn hasty() -> String {
    OWN.replace("FAULTED_LONG", "FAULTED_SOON")
        .replace("\"30m\", min = \"5m\"", "\"1s\", min = \"1s\"")
}

#[tokio::test]
async fn a_new_rule_is_on_trial_and_nobody_is_told_of_what_it_finds() {
    let kit = kit().await;
    let handle = kit.handle();
    handle.save_rule(new("", 0, &hasty())).await.expect("it is good");
    let rule = handle.catalogue().rule("FAULTED_SOON").cloned().expect("kept");
    assert_eq!((rule.enabled, rule.on_trial), (false, true));
    kit.faulted("InternalError").await;
    let found = async || {
        for _ in 0..3_000 {
            let seen = handle.hindsight("FAULTED_SOON").await.expect("read");
            if seen.sums.fired > 0 {
                return seen;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("it never found anything");
    };
    let seen = found().await;
    assert_eq!((seen.sums.fired, seen.sums.open), (1, 1), "{:?}", seen.sums);
    assert_eq!(seen.incidents[0].incident.rule, "FAULTED_SOON");
    let incidents = async || {
        let filter = mendpoint_store::IncidentFilter {
            rule: Some("FAULTED_SOON".to_owned()),
            ..Default::default()
        };
        kit.store.incidents(&filter, None, 9).await.expect("read").0.len()
    };
    assert_eq!(incidents().await, 0, "it opens no incident");
    let counts = kit.store.rule_trial_counts(UnixMs(0)).await.expect("read");
    assert_eq!(counts.get("FAULTED_SOON"), Some(&1));

    // On, it opens one; what its trial had open is over.
    handle.set_rule_on("FAULTED_SOON", true, "ana").await.expect("on");
    assert!(handle.catalogue().rule("FAULTED_SOON").expect("kept").enabled);
    for _ in 0..3_000 {
        if incidents().await > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(incidents().await, 1);
    let trials = kit.store.rule_trials("FAULTED_SOON", UnixMs(0), 9).await.expect("read");
    assert!(trials.iter().all(|row| row.incident.state.is_over()), "{trials:?}");
    handle.set_rule_on_trial("FAULTED_SOON", "ana").await.expect("on trial again");
    assert!(handle.catalogue().rule("FAULTED_SOON").expect("kept").on_trial);
}
