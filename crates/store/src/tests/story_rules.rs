//! Edited rules, in the story that both databases are told.

use mendpoint_model::{ChargerKey, Incident, IncidentId, SiteKey, UnixMs};

use crate::{DayPart, Entry, RuleSwitchRow, RuleTextRow, RuleThresholdRow, Store};

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
    let both = [RuleTextRow { version: 1, ..other.clone() }, text(1, "stale")];
    assert_eq!(store.put_rule_texts(&both).await.expect("looked at"), None, "one is stale");
    let newest = store.rule_texts().await.expect("read");
    let shown: Vec<_> = newest.iter().map(|row| (&*row.kind, &*row.text)).collect();
    assert_eq!(shown, [("playbook", "p"), ("rule", "two")]);
    let versions = store.rule_versions("rule", "CP_OFFLINE").await.expect("read");
    assert_eq!(versions.iter().map(|row| row.version).collect::<Vec<_>>(), [2, 1]);
    let first = store.rule_version("rule", "CP_OFFLINE", 1).await.expect("read");
    assert_eq!(first, Some(RuleTextRow { version: 1, ..text(1, "one") }));
    assert_eq!(store.rule_version("rule", "CP_OFFLINE", 9).await.expect("read"), None);

    let both = [RuleTextRow { version: 1, ..other }, text(2, "three")];
    assert_eq!(store.put_rule_texts(&both).await.expect("kept"), Some(vec![2, 3]));

    let switch = RuleSwitchRow {
        name: "CP_OFFLINE".to_owned(),
        is_on: false,
        on_trial: true,
        mode: "shadow".to_owned(),
        first_at: UnixMs(5),
        changed_at: UnixMs(6),
        changed_by: "ana".to_owned(),
    };
    store.put_rule_switch(&switch).await.expect("kept");
    let later =
        RuleSwitchRow { is_on: true, on_trial: false, first_at: UnixMs(99), ..switch.clone() };
    store.put_rule_switch(&later).await.expect("kept");
    let kept = store.rule_switches().await.expect("read");
    assert_eq!(
        kept,
        [RuleSwitchRow { is_on: true, on_trial: false, ..switch }],
        "its first time stays"
    );
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

    let json = |id: i64| format!("{{\"id\":{id}}}");
    for id in 1..=4 {
        store.put_rule_replay(id, UnixMs(id), &json(id), 3).await.expect("kept");
    }
    assert_eq!(store.rule_replays(9).await.expect("read"), [json(4), json(3), json(2)]);

    trials(store).await;

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

/// What a rule on trial finds is kept apart from incidents.
async fn trials(store: &Store) {
    let before = store.incident_counts().await.expect("read");
    let at = |at: i64| {
        let (id, rule) = (IncidentId(1 << 40), "ON_TRIAL");
        Box::new(Incident::opened(id, rule, ChargerKey(1), SiteKey(1), UnixMs(at)))
    };
    let journal = store.journal();
    let entries = vec![
        Entry::Trial { incident: at(5), asks: true },
        Entry::Trial { incident: at(7), asks: false },
    ];
    let seq = journal.append(entries).await;
    journal.wait(seq).await;
    // What was asked once was asked, whatever comes later.
    let seq = journal.append(vec![Entry::Trial { incident: at(5), asks: false }]).await;
    journal.wait(seq).await;
    let found = store.rule_trials("ON_TRIAL", UnixMs(0), 9).await.expect("read");
    let shown: Vec<_> = found.iter().map(|row| (row.incident.opened_at.0, row.asks)).collect();
    assert_eq!(shown, [(7, false), (5, true)]);
    assert!(found.iter().all(|row| !row.incident.state.is_over()));
    let counts = store.rule_trial_counts(UnixMs(6)).await.expect("read");
    assert_eq!(counts.get("ON_TRIAL"), Some(&1));
    store.end_rule_trials(Some("OTHER"), UnixMs(9)).await.expect("none");
    store.end_rule_trials(Some("ON_TRIAL"), UnixMs(9)).await.expect("ended");
    let ended = store.rule_trials("ON_TRIAL", UnixMs(6), 9).await.expect("read");
    let [row] = &ended[..] else { panic!("{ended:?}") };
    assert_eq!(row.incident.resolved_at, Some(UnixMs(9)), "its trial is over");
    store.forget_rule_trials(UnixMs(7)).await.expect("forgotten");
    assert_eq!(store.rule_trials("ON_TRIAL", UnixMs(0), 9).await.expect("read").len(), 1);
    assert_eq!(store.incident_counts().await.expect("read"), before, "they are no incidents");
}
