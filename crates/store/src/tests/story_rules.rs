//! Edited rules, in the story that both databases are told.

use mendpoint_model::UnixMs;

use crate::{DayPart, RuleSwitchRow, RuleTextRow, RuleThresholdRow, Store};

fn text(version: i64, text: &str) -> RuleTextRow {
    RuleTextRow {
        kind: "rule".to_owned(),
        name: "CP_OFFLINE".to_owned(),
        version,
        text: text.to_owned(),
        note: "sooner".to_owned(),
        saved_at: UnixMs(7),
        saved_by: "ana".to_owned(),
    }
}

pub(crate) async fn rules(store: &Store) {
    assert!(store.rule_texts().await.expect("read").is_empty());
    assert_eq!(store.put_rule_text(&text(0, "one")).await.expect("kept"), Some(1));
    assert_eq!(store.put_rule_text(&text(1, "two")).await.expect("kept"), Some(2));
    let stale = store.put_rule_text(&text(1, "lost")).await.expect("looked at");
    assert_eq!(stale, None, "somebody was quicker");
    let other = RuleTextRow { kind: "playbook".to_owned(), ..text(0, "p") };
    assert_eq!(store.put_rule_text(&other).await.expect("kept"), Some(1));
    let newest = store.rule_texts().await.expect("read");
    let shown: Vec<_> = newest.iter().map(|row| (&*row.kind, &*row.text)).collect();
    assert_eq!(shown, [("playbook", "p"), ("rule", "two")]);
    let versions = store.rule_versions("rule", "CP_OFFLINE").await.expect("read");
    assert_eq!(versions.iter().map(|row| row.version).collect::<Vec<_>>(), [2, 1]);
    let first = store.rule_version("rule", "CP_OFFLINE", 1).await.expect("read");
    assert_eq!(first, Some(RuleTextRow { version: 1, ..text(1, "one") }));
    assert_eq!(store.rule_version("rule", "CP_OFFLINE", 9).await.expect("read"), None);

    let switch = RuleSwitchRow {
        name: "CP_OFFLINE".to_owned(),
        is_on: false,
        mode: "shadow".to_owned(),
        first_at: UnixMs(5),
        changed_at: UnixMs(6),
        changed_by: "ana".to_owned(),
    };
    store.put_rule_switch(&switch).await.expect("kept");
    let later = RuleSwitchRow { is_on: true, first_at: UnixMs(99), ..switch.clone() };
    store.put_rule_switch(&later).await.expect("kept");
    let kept = store.rule_switches().await.expect("read");
    assert_eq!(kept, [RuleSwitchRow { is_on: true, ..switch }], "its first time stays");
    assert!(store.delete_rule_switch("CP_OFFLINE").await.expect("gone"));
    assert!(!store.delete_rule_switch("CP_OFFLINE").await.expect("gone already"));

    let threshold = RuleThresholdRow {
        rule: "CP_OFFLINE".to_owned(),
        target_kind: "site".to_owned(),
        target: "4".to_owned(),
        name: "offline_for".to_owned(),
        setting: "20m".to_owned(),
        set_at: UnixMs(8),
        set_by: "ana".to_owned(),
    };
    store.put_rule_threshold(&threshold).await.expect("kept");
    let longer = RuleThresholdRow { setting: "30m".to_owned(), ..threshold };
    store.put_rule_threshold(&longer).await.expect("kept");
    assert_eq!(store.rule_thresholds().await.expect("read"), [longer]);
    let gone = store.delete_rule_threshold("CP_OFFLINE", "site", "4", "offline_for").await;
    assert!(gone.expect("gone"));
    assert!(store.rule_thresholds().await.expect("read").is_empty());

    let used = store.parts_of_use(UnixMs(0), UnixMs(i64::MAX), 0.0).await.expect("read");
    let sum = |hours: bool| -> u32 {
        let of = used.iter().filter(|row| matches!(row.part, DayPart::Hour(_)) == hours);
        of.map(|row| row.sessions).sum()
    };
    assert!(sum(true) > 0 && sum(true) == sum(false), "each is in an hour and in a day: {used:?}");
    let (first, all) = (used.first().expect("the story charged"), used.len());
    let before = store.parts_of_use(UnixMs(0), first.last, 0.0).await.expect("read");
    assert!(before.len() <= all, "what ended later is left out");
    let much = store.parts_of_use(UnixMs(0), UnixMs(i64::MAX), 1e12).await.expect("read");
    assert!(much.is_empty(), "so much energy has no session");
}
