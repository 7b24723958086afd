//! Every operator of the rule language, shown by rules that carry their own tests.

use std::sync::Arc;

use mendpoint_incidents::Catalogue;

use crate::timeline_test::run_all;

/// One rule for each operator, as a person would write it.
const RULES: [(&str, &str); 7] = [
    ("sequence.toml", include_str!("operators/sequence.toml")),
    ("not_followed.toml", include_str!("operators/not_followed.toml")),
    ("flap.toml", include_str!("operators/flap.toml")),
    ("distinct.toml", include_str!("operators/distinct.toml")),
    ("often.toml", include_str!("operators/often.toml")),
    ("cohort.toml", include_str!("operators/cohort.toml")),
    ("silence.toml", include_str!("operators/silence.toml")),
];

#[test]
fn every_operator_fires_and_stays_silent_as_its_rule_says() {
    for (name, text) in RULES {
        let files = [(name.to_owned(), text.to_owned())];
        let catalogue = match Catalogue::parse(&files, &[]) {
            Ok(catalogue) => Arc::new(catalogue),
            Err(problems) => {
                let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
                panic!("{}", told.join("\n"));
            }
        };
        for outcome in run_all(&catalogue) {
            let told: Vec<_> = outcome.failures.iter().map(ToString::to_string).collect();
            assert!(told.is_empty(), "{}", told.join("\n"));
        }
    }
}
