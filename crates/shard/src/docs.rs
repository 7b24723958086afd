//! Holds the tables of `docs/incidents.md` to the rules, the playbooks and the codes. With
//! `MENDPOINT_WRITE_DOCS=1` in the environment the test writes them instead.

use std::fmt::Write as _;
use std::path::Path;

use mendpoint_incidents::{CODES, Catalogue, Rule, duration_words};
use mendpoint_model::HealMode;

use crate::tests::delivered;

/// What is tried, for the table.
fn tried(catalogue: &Catalogue, rule: &Rule) -> String {
    let after = match rule.escalate_after_ms {
        0 => "a person is asked".to_owned(),
        ms => format!("a person is asked after {}", duration_words(ms)),
    };
    let Some(playbook) = rule.playbook.as_deref().and_then(|id| catalogue.playbook(id)) else {
        return format!("nothing; {after}");
    };
    let mode = match rule.auto_heal {
        HealMode::Off => "off",
        HealMode::Shadow => "written down only",
        HealMode::Approve => "after a person's yes",
        HealMode::On => "on",
    };
    format!("`{}` ({mode}); then {after}", playbook.id)
}

fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn rules() -> String {
    let catalogue = delivered();
    let mut table = String::from(
        "| Rule | What it means | Opens when | Ends when | Severity | What is tried |\n\
         |---|---|---|---|---|---|\n",
    );
    for rule in catalogue.rules() {
        let ends: Vec<_> = rule.clear_text.iter().map(|text| format!("`{}`", cell(text))).collect();
        let written = writeln!(
            table,
            "| `{}` | {} | `{}` | {} | {} | {} |",
            rule.id,
            cell(&rule.description),
            cell(&rule.condition_text),
            ends.join(" or "),
            rule.severity,
            tried(&catalogue, rule),
        );
        written.expect("a string takes everything");
    }
    table
}

fn codes() -> String {
    let mut table = String::from(
        "| Code | MREC | What it means | What to do | Severity | Reset |\n|---|---|---|---|---|---|\n",
    );
    for info in CODES {
        let reset = match (info.safety, info.no_reset) {
            (true, _) => "never: safety",
            (false, true) => "no: it does not help",
            (false, false) => "may help",
        };
        let written = writeln!(
            table,
            "| `{}` | {} | {} | {} | {} | {reset} |",
            info.name,
            info.mrec.unwrap_or_default(),
            info.meaning,
            info.advice,
            info.severity,
        );
        written.expect("a string takes everything");
    }
    table
}

/// The text with what stands between two marks replaced.
fn with(text: &str, mark: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- end of {mark} -->"));
    let from = text.find(&begin).expect("the page has the mark") + begin.len();
    let until = text.find(&end).expect("the page has its end");
    format!("{}\n{table}\n{}", &text[..from], &text[until..])
}

fn thresholds() -> String {
    let mut table = String::from(
        "| Rule | Threshold | Default | From | To | What it is |\n|---|---|---|---|---|---|\n",
    );
    for rule in delivered().rules() {
        for known in &rule.thresholds {
            let above = match known.above.as_str() {
                "" => String::new(),
                other => format!("; more than `{other}`"),
            };
            let written = writeln!(
                table,
                "| `{}` | `{}` | {} | {} | {} | {}{above} |",
                rule.id,
                known.name,
                known.default,
                known.min,
                known.max,
                cell(&known.about),
            );
            written.expect("a string takes everything");
        }
    }
    table
}

/// Compares a page with what it should be, or writes it.
fn check(path: &Path, text: &str, wanted: &str) {
    if std::env::var_os("MENDPOINT_WRITE_DOCS").is_some() {
        std::fs::write(path, wanted).expect("the page can be written");
        return;
    }
    for (there, wanted) in text.lines().zip(wanted.lines()) {
        assert_eq!(there, wanted, "run the test with MENDPOINT_WRITE_DOCS=1");
    }
    assert_eq!(text.len(), wanted.len());
}

#[test]
fn the_page_of_rules_lists_every_threshold() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md");
    let text = std::fs::read_to_string(&path).expect("the page is part of the repository");
    check(&path, &text, &with(&text, "thresholds", &thresholds()));
}

/// Numbers of rules that nothing has to be set otherwise for: one event is enough.
const WITHOUT: [&str; 1] = ["SECURITY_EVENT"];

#[test]
fn every_rule_that_is_shipped_has_its_numbers_named() {
    for rule in delivered().rules() {
        assert_eq!(rule.thresholds.is_empty(), WITHOUT.contains(&rule.id.as_str()), "{}", rule.id);
        for known in &rule.thresholds {
            assert!(!known.about.is_empty(), "{} {}", rule.id, known.name);
            assert!(!known.min.is_empty() && !known.max.is_empty(), "{} {}", rule.id, known.name);
            for limit in [&known.min, &known.max] {
                assert_eq!(known.check(limit), Ok(()), "{} {}", rule.id, known.name);
            }
        }
    }
}

#[test]
fn the_page_of_incidents_says_what_the_files_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/incidents.md");
    let text = std::fs::read_to_string(&path).expect("the page is part of the repository");
    let wanted = with(&with(&text, "rules", &rules()), "codes", &codes());
    check(&path, &text, &wanted);
}
