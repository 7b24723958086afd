//! Good files are read; every mistake has a place and a way out.

use super::*;

const GOOD: &str = r#"id = "ERR_FAULTED"
version = 1
title = "Faulted"
headline = "{code}{where}"
description = "A connector is broken."
severity = 4
scope = "connector"
auto_heal = "on"
playbook = "RESET"
exclusions = ['whole.status == "Faulted"']
[condition]
when = 'status == "Faulted"'
for = "60s"
for_by_code = { safety = "0s" }
[[clear]]
when = 'status != "Faulted"'
for = "300s"
[severity_by_code]
GroundFailure = 1
[[test]]
name = "fires"
steps = [
  { at = "0s", connect = true },
  { at = "5s", status = { status = "Faulted", error = "InternalError" } },
  { every = "10s", times = 3, heartbeat = true },
  { at = "65s", expect = { incidents = ["ERR_FAULTED"] } },
]
[[test]]
name = "is silent"
steps = [{ at = "0s", connect = true }, { at = "1h", expect = { incidents = [] } }]
"#;

fn problems(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "the test changes something");
    let text = GOOD.replace(from, to);
    let mut reader = Reader::new("r.toml", &text);
    assert!(parse_rule(&mut reader).is_none(), "{to} is refused");
    reader.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_rule_that_heals_names_what_it_does() {
    let told = problems("playbook = \"RESET\"\n", "");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("r.toml:8:13: rule ERR_FAULTED heals"), "{told:?}");
    assert!(told[0].contains("names no playbook"), "{told:?}");
}

#[test]
fn a_good_rule_is_read() {
    let mut reader = Reader::new("r.toml", GOOD);
    let rule = parse_rule(&mut reader).expect("it is well formed");
    assert_eq!(rule.for_ms("InternalError"), 60_000);
    assert_eq!(rule.for_ms("GroundFailure"), 0);
    assert_eq!(rule.severity_of("groundfailure"), 1);
    assert_eq!(rule.severity_of("InternalError"), 4);
    assert_eq!(rule.condition_text, "status == \"Faulted\" for 60s");
    let beats: Vec<i64> = rule.tests[0].steps[2..5].iter().map(|step| step.at_ms).collect();
    assert_eq!(beats, [15_000, 25_000, 35_000]);
    assert_eq!(rule.tests[0].line, 21);
}

#[test]
fn mistakes_have_a_place_and_a_way_out() {
    for (from, to, wanted) in [
        ("severity = 4", "sevrity = 4", "r.toml:6:1: unknown key `sevrity`"),
        ("severity = 4", "sevrity = 4", "did you mean `severity`?"),
        ("severity = 4", "severity = 10", "r.toml:6:12: a severity goes from 0"),
        (
            "\"connector\"",
            "\"conector\"",
            "r.toml:7:9: unknown scope \"conector\"; did you mean `connector`?",
        ),
        (
            "'status == \"Faulted\"'",
            "'statsu == \"Faulted\"'",
            "r.toml:12:9: unknown field `statsu`",
        ),
        ("'status == \"Faulted\"'", "'status == \"Fautled\"'", "r.toml:12:19: unknown status"),
        ("for = \"60s\"", "for = \"60\"", "r.toml:13:7: \"60\" is no duration"),
        ("GroundFailure = 1", "GroundFault = 1", "r.toml:19:1: unknown error code"),
        ("scope = \"connector\"", "scope = \"charger\"", "reads the state of a connector"),
        ("incidents = [\"ERR_FAULTED\"]", "incidents = []", "needs a [[test]] in which it fires"),
        ("expect = { incidents = [] }", "expect = { tickets = 0 }", "in which it stays silent"),
        ("{code}{where}", "{cod}", "did you mean `code`?"),
        ("at = \"65s\"", "at = \"3s\"", "r.toml:26:3: this step lies before"),
        (
            "connect = true }, {",
            "connect = true, heartbeat = true }, {",
            "exactly one thing, this one does 2",
        ),
        (
            "when = 'status != \"Faulted\"'\nfor = \"300s\"",
            "when = 'status == \"Faulted\"'",
            "r.toml:15:1: this clear holds whenever the condition of the rule does",
        ),
        (
            "when = 'status != \"Faulted\"'\nfor = \"300s\"",
            "when = 'status != \"Available\"'",
            "r.toml:15:1: this clear holds whenever the condition of the rule does",
        ),
        (
            "version = 1",
            "version = \"1\"",
            "r.toml:2:11: `version` is a whole number, 0 or more; this is the text \"1\"; write it",
        ),
        ("severity = 4", "severity = 4\nroute = \"at night\"", "is no name of a route"),
        (
            "for = \"60s\"",
            "for = \"60s\"\nkeep_firing_for = \"5m\"",
            "r.toml:14:19: keep_firing_for has no effect here",
        ),
        (
            "[condition]",
            "[condition]\nabsent = \"boot\"",
            "exactly one of `when`, `count`, `absent`, `sequence` and",
        ),
    ] {
        let found = problems(from, to);
        assert!(found.iter().any(|text| text.contains(wanted)), "{to}: {found:?}");
    }
}

#[test]
fn names_and_titles_fit_where_they_stand() {
    let told = problems("id = \"ERR_FAULTED\"", &format!("id = \"{}\"", "Q".repeat(65)));
    assert!(told[0].contains("an id has at most 64 characters; this one has 65"), "{told:?}");
    let told = problems("\"Faulted\"\nheadline", &format!("\"{}\"\nheadline", "x".repeat(201)));
    assert!(told[0].contains("title has at most 200 characters"), "{told:?}");
}

/// The good rule with another condition, between its own and `[[clear]]`.
fn condition(text: &str) -> Vec<String> {
    let old = "[condition]\nwhen = 'status == \"Faulted\"'\nfor = \"60s\"\nfor_by_code = { \
               safety = \"0s\" }\n";
    problems(old, text)
}

#[test]
fn mistakes_in_what_looks_back_have_a_place_and_a_way_out() {
    for (text, wanted) in [
        ("[condition]\nwhen = 'count(disconect, 1h) >= 5'", "12:15: unknown kind `disconect`; did"),
        ("[condition]\nwhen = 'count(boot, 1x) >= 5'", "12:21: `1x` is neither a number nor"),
        ("[condition]\nwhen = 'count(boot, 1h) == 5'", "expected one of >=, >, <, <= and a number"),
        ("[condition]\nwhen = 'count(boot, 1h) >= 0'", "12:28: expected a whole number from 1 to"),
        ("[condition]\nwhen = 'distinct(boot, 1h) >= 2'", "12:24: expected a field (one of"),
        ("[condition]\nwhen = 'ratio(boot, boot, 5) < 0.5'", "12:21: the two kinds must differ"),
        (
            "[condition]\nwhen = 'ratio(attempt_succeeded, attempt_failed, 5) < 50'",
            "a ratio lies between 0 and 1, so this",
        ),
        ("[condition]\nwhen = 'flap(lnk, 3m) >= 20'", "unknown thing that flaps `lnk`; did you"),
        ("[condition]\nwhen = 'flap(link, 0s) >= 20'", "a look must last longer than nothing"),
        ("[condition]\nwhen = 'expected_usage_silence(2)'", "a probability lies between 0 and 1"),
        (
            "[condition]\nsequence = { first = { kind = \"boot\" }, than = { kind = \"boot\" } }",
            "did you mean `then`?",
        ),
        (
            "[condition]\nfor = \"5m\"\nsequence = { first = { kind = \"boot\" }, then = { kind = \
             \"faulted\" }, within = \"5m\" }",
            "12:7: a sequence has a window (`within`), not a `for`",
        ),
        (
            "[condition]\nnot_followed = { first = { kind = \"boot\" }, by = { kind = \"boot\" }, \
             within = \"5m\" }",
            "must differ from what it is to follow",
        ),
        (
            "[condition]\ncount = { kind = \"boot\", at_least = 3, within = \"1h\", \
             at_least_distinct = 2 }",
            "add distinct_by =",
        ),
        (
            "[condition]\ncount = { kind = \"boot\", at_least = \"many\", within = \"1h\" }",
            "12:37: at_least is a number; \"many\" is none, and this rule declares no threshold",
        ),
    ] {
        let found = condition(&format!("{text}\n"));
        assert!(found.iter().any(|told| told.contains(wanted)), "{text}: {found:?}");
    }
}

#[test]
fn mistakes_in_thresholds_have_a_place_and_a_way_out() {
    let with = |declared: &str, lasting: &str| {
        condition(&format!(
            "[thresholds]\n{declared}\n[condition]\nwhen = 'status == \"Faulted\"'\nfor = \
             \"{lasting}\"\n"
        ))
    };
    for (declared, lasting, wanted) in [
        ("wait = \"10m\"", "wiat", "did you mean the threshold `wait`?"),
        ("wait = \"10m\"", "5m", "12:1: nothing in this rule reads the threshold wait"),
        ("wait = 10", "wait", "wait is a number, and here belongs a duration"),
        ("wait = \"10 m\"", "wait", "12:8: the threshold wait is neither a duration"),
        ("wait = { default = \"1m\", min = \"2m\" }", "wait", "out of its own limits: wait is at"),
        ("wait = { defualt = \"1m\" }", "wait", "unknown key `defualt`; did you mean `default`?"),
        ("wait = { default = \"1m\", max = 3 }", "wait", "`max` of wait must be a duration"),
        ("Wait = \"10m\"", "Wait", "12:1: \"Wait\" is no name for a threshold"),
    ] {
        let found = with(declared, lasting);
        assert!(found.iter().any(|told| told.contains(wanted)), "{declared}: {found:?}");
    }
}

#[test]
fn what_ends_a_rule_says_for_how_long() {
    let text = GOOD.replace("[[clear]]\nwhen = 'status != \"Faulted\"'\nfor = \"300s\"\n", "");
    let ends = |text: &str| {
        let mut reader = Reader::new("r.toml", text);
        let rule = parse_rule(&mut reader);
        rule.unwrap_or_else(|| panic!("{:?}", reader.problems)).clear_text
    };
    assert_eq!(ends(&text), ["as soon as the condition is gone"]);
    let kept = text.replace("for = \"60s\"", "for = \"60s\"\nkeep_firing_for = \"5m\"");
    assert_eq!(ends(&kept), ["the condition is gone for 5m"]);
    let named = kept.replace("\"5m\"", "\"calm\"");
    let named = named.replace("[condition]", "[thresholds]\ncalm = \"7m\"\n[condition]");
    assert_eq!(ends(&named), ["the condition is gone for 7m"]);
}

#[test]
fn a_file_that_is_no_toml_has_a_place_too() {
    let found = problems("severity = 4", "severity = ");
    assert!(found[0].starts_with("r.toml:6:"), "{found:?}");
}
