use std::sync::Arc;

use super::*;

fn of(field: &Field, op: &str) -> Sentence {
    Sentence {
        id: "FROM_A_SENTENCE".to_owned(),
        field: field.key.to_owned(),
        op: op.to_owned(),
        value: field.hint.to_owned(),
        lasting: "10m".to_owned(),
        severity: "5".to_owned(),
        ..Sentence::default()
    }
}

/// The rule of a sentence, read and its own tests run.
fn passes(sentence: &Sentence) -> String {
    let text = match sentence.rule(&Catalogue::default()) {
        Ok(text) => text,
        Err(why) => panic!("{why:?}: {sentence:?}"),
    };
    let files = [("new.toml".to_owned(), text.clone())];
    let catalogue = match Catalogue::parse(&files, &[]) {
        Ok(catalogue) => Arc::new(catalogue),
        Err(problems) => panic!("{problems:?}\n{text}"),
    };
    for outcome in mendpoint_pipeline::run_rule_tests(&catalogue) {
        let told: Vec<_> = outcome.failures.iter().map(ToString::to_string).collect();
        assert!(outcome.passed(), "{told:?}\n{text}");
    }
    text
}

/// A sentence about many chargers.
fn about(field: &Field, scope: &str, chargers: &str, percent: &str, times: &str) -> Sentence {
    let [scope, chargers, percent, times_usual] =
        [scope, chargers, percent, times].map(str::to_owned);
    let op = field.ops.first().copied().unwrap_or_default();
    Sentence { scope, chargers, percent, times_usual, ..of(field, op) }
}

#[test]
fn every_sentence_becomes_a_rule_that_passes_its_own_tests() {
    for field in &FIELDS {
        let ops = if field.ops.is_empty() { &[""][..] } else { field.ops };
        for op in ops {
            passes(&of(field, op));
        }
    }
}

#[test]
fn every_sentence_about_many_chargers_does_so_too() {
    for (scope, _) in WIDE {
        for field in &FIELDS {
            let text = passes(&about(field, scope, "3", "50", ""));
            assert!(text.contains(&format!("scope = \"{scope}\"")), "{text}");
            assert!(text.contains("chargers = { at_least = 3, percent = 50 }"), "{text}");
            passes(&about(field, scope, "1", "", ""));
            passes(&about(field, scope, "", "30", ""));
            if field.is_window {
                let text = passes(&about(field, scope, "", "", "5"));
                assert!(text.contains("times_usual = 5.0"), "{text}");
                passes(&about(field, scope, "2", "", "2.5"));
                passes(&Sentence { value: "1".to_owned(), ..about(field, scope, "", "", "") });
            }
        }
    }
    let status = &FIELDS[0];
    passes(&Sentence { op: "is not".to_owned(), ..about(status, "fleet", "40", "10", "") });
    let counted =
        Sentence { value: "300".to_owned(), ..about(&FIELDS[9], "fleet", "100", "", "20") };
    passes(&counted);
}

#[test]
fn it_reads_as_a_sentence() {
    let sentence = Sentence { playbook: "err_faulted".to_owned(), ..of(&FIELDS[0], "is") };
    assert_eq!(
        sentence.words(),
        "When the status is Unavailable for 10 min on a connector, then severity 5; heal with \
         err_faulted."
    );
    let often = of(&FIELDS[6], "at least");
    assert!(often.words().contains("at least 5 within 10 min on a charger"), "{}", often.words());
}

#[test]
fn many_chargers_read_as_a_sentence() {
    assert_eq!(
        about(&FIELDS[0], "site", "3", "30", "").words(),
        "When the status is Unavailable for 10 min on at least 3 chargers and 30 % of those of a site, \
         then severity 5; a person is asked."
    );
    assert_eq!(
        about(&FIELDS[9], "fleet", "", "", "5").words(),
        "When the number of refused cards at least 5 within 10 min, 5 times as many as usual, on the \
         fleet, then severity 5; a person is asked."
    );
}

#[test]
fn a_wrong_choice_about_many_chargers_is_told() {
    let none = Catalogue::default();
    let told = |sentence: Sentence| sentence.rule(&none).expect_err("it is wrong").join("\n");
    let (status, refused) = (&FIELDS[0], &FIELDS[9]);
    assert!(told(about(status, "", "3", "", "")).contains("under \"About\""));
    assert!(told(about(status, "region", "3", "", "")).contains("a cohort or the fleet"));
    assert!(told(about(status, "site", "", "", "")).contains("how many chargers of a site"));
    assert!(told(about(status, "site", "0", "", "")).contains("from 1 to 100"));
    assert!(told(about(status, "site", "", "101", "")).contains("from 1 to 100"));
    assert!(told(about(status, "site", "2", "", "5")).contains("what is counted"));
    assert!(told(about(refused, "fleet", "6", "", "")).contains("cannot come from 6"));
    assert!(told(about(refused, "fleet", "", "", "0.5")).contains("from 1 to 1000"));
    let often = Sentence { lasting: "1d".to_owned(), ..about(refused, "fleet", "", "", "1000") };
    assert!(told(often).contains("anywhere"));
    let long = Sentence { lasting: "2d".to_owned(), ..about(refused, "fleet", "", "", "2") };
    assert!(told(long).contains("a day at most"));
    let heals =
        Sentence { playbook: "err_faulted".to_owned(), ..about(status, "site", "2", "", "") };
    assert!(told(heals).contains("no playbook err_faulted"), "an unknown one is told first");
}

#[test]
fn a_wrong_choice_is_told() {
    let none = Catalogue::default();
    let told = |change: fn(&mut Sentence)| {
        let mut sentence = of(&FIELDS[0], "is");
        change(&mut sentence);
        sentence.rule(&none).expect_err("it is wrong").join("\n")
    };
    assert!(told(|s| s.id = "lower".to_owned()).contains("capitals"));
    assert!(told(|s| s.value = "Broken".to_owned()).contains("one of Available"));
    assert!(told(|s| s.lasting = "10".to_owned()).contains("90s"));
    assert!(told(|s| s.severity = "10".to_owned()).contains("0 (danger)"));
    assert!(told(|s| s.op = "at least".to_owned()).contains("\"is\" or \"is not\""));
    assert!(told(|s| s.playbook = "nothing".to_owned()).contains("no playbook nothing"));
}

#[test]
fn a_time_may_be_written_in_words() {
    let tidied = |text: &str| {
        let sentence = Sentence { lasting: text.to_owned(), ..of(&FIELDS[0], "is") };
        sentence.tidied().lasting
    };
    assert_eq!(tidied("15 minutes"), "15m");
    assert_eq!(tidied(" 1 hour and 30 min "), "1h30m");
    assert_eq!(tidied("2 Days, 3 hours"), "2d3h");
    assert_eq!(tidied("90s"), "90s");
    assert_eq!(tidied("a while"), "a while");
    assert_eq!(tidied("15"), "15");
    let odd = Sentence { lasting: "a while".to_owned(), ..of(&FIELDS[0], "is") };
    assert!(odd.words().contains("for a while on a connector"), "{}", odd.words());
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let wrong = Sentence {
        id: "lower".to_owned(),
        lasting: "soon".to_owned(),
        severity: "11".to_owned(),
        ..of(&FIELDS[0], "is")
    };
    let told = wrong.rule(&Catalogue::default()).expect_err("it is wrong");
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn what_is_missing_is_asked_for_and_what_is_wrong_is_told_with_one_comma() {
    let told =
        |sentence: Sentence| sentence.rule(&Catalogue::default()).expect_err("wrong").join("\n");
    for field in FIELDS.iter().filter(|field| !field.ops.is_empty()) {
        let told = told(of(field, "never"));
        assert!(told.contains(", choose \"") && !told.contains(",,"), "{told}");
    }
    let good = of(&FIELDS[0], FIELDS[0].ops[0]);
    let nameless = told(Sentence { id: " ".to_owned(), ..good.clone() });
    assert_eq!(nameless, "Give the rule an id, as in PLUG_FORGOTTEN.");
    let small = told(Sentence { id: "plug".to_owned(), ..good });
    assert!(small.starts_with("The id is written in capitals"), "{small}");
}
