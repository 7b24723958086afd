//! The figures of charging and healing, each with what it is: the same words on the page and in the API.

use std::collections::BTreeMap;

use mendpoint_pipeline::Kpis;
use serde_json::{Map, Value, json};

/// A figure: its name in the API, its name for people, and what it is.
pub(crate) struct Definition {
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
}

/// All of them, in the order of the page.
pub(crate) const DEFINITIONS: [Definition; 8] = [
    Definition {
        key: "first_time_success",
        name: "First time",
        what: "Visits whose first attempt succeeded, of all visits. A visit is the attempts of one card \
               at one site with less than five minutes between them.",
    },
    Definition {
        key: "charge_success",
        name: "Charges",
        what: "Attempts that began and were properly completed, of all attempts, those that the driver \
               broke off included (NOW, P3).",
    },
    Definition {
        key: "technical_success",
        name: "Technical",
        what: "The same, without the attempts that drivers and their cards caused.",
    },
    Definition {
        key: "visit_success",
        name: "Visits",
        what: "Visits with at least one success, of all visits.",
    },
    Definition {
        key: "healed_share",
        name: "Healed, nobody came",
        what: "Incidents that a command of ours fixed, without ticket and without a person, of all that \
               are resolved.",
    },
    Definition {
        key: "time_to_heal_ms",
        name: "Time to heal",
        what: "From the opening of those incidents until they were resolved: the median.",
    },
    Definition {
        key: "false_alarm_share",
        name: "False alarms",
        what: "Incidents that were handed over with a ticket and then went by themselves, without a \
               command and without a person, of all that were handed over.",
    },
    Definition {
        key: "worse_share",
        name: "Made worse",
        what: "Steps after which the charger was worse off than before, of all steps that were sent (G9).",
    },
];

/// The figures of several as a file: a line for each, `by` what they are told apart by, with the names
/// and numbers of the API. What is not known is empty.
pub(crate) fn file(by: &str, all: &BTreeMap<String, Kpis>) -> String {
    let mut out = String::new();
    let empty = figures("", &Kpis::default());
    let keys: Vec<&str> = empty
        .as_object()
        .into_iter()
        .flat_map(|of| of.keys().map(String::as_str))
        .filter(|key| *key != "name")
        .collect();
    let head: Vec<&str> = std::iter::once(by).chain(keys.iter().copied()).collect();
    crate::csv::line(&mut out, &head);
    for (name, kpis) in all {
        let of = figures(name, kpis);
        let cells = keys.iter().map(|key| match &of[*key] {
            Value::Null => String::new(),
            value => value.to_string(),
        });
        let cells: Vec<String> = std::iter::once(name.clone()).chain(cells).collect();
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        crate::csv::line(&mut out, &cells);
    }
    out
}

/// What the figures are, by their names in the API.
pub(crate) fn definitions() -> Value {
    DEFINITIONS
        .iter()
        .map(|one| (one.key.to_owned(), json!(one.what)))
        .collect::<Map<_, _>>()
        .into()
}

/// The figures themselves and the counts that they are made of. A share is from 0 to 1; null while there
/// is nothing to divide by.
pub(crate) fn figures(name: &str, kpis: &Kpis) -> Value {
    let (charging, healing) = (&kpis.charging, &kpis.healing);
    json!({
        "name": name,
        "first_time_success": charging.ftcsr(),
        "charge_success": charging.csr(),
        "technical_success": charging.tsr(),
        "visit_success": charging.visit_success(),
        "healed_share": healing.healed_share(),
        "false_alarm_share": healing.false_alarm_share(),
        "worse_share": healing.worse_share(),
        "time_to_heal_ms": healing.heal_ms,
        "visits": charging.visits,
        "visits_first_time": charging.visits_first,
        "visits_succeeded": charging.visits_succeeded,
        "attempts": charging.attempts,
        "attempts_started": charging.started,
        "attempts_completed": charging.completed,
        "attempts_excused": charging.excused,
        "incidents": healing.incidents,
        "resolved": healing.resolved,
        "healed_without_a_person": healing.healed,
        "gone_by_themselves": healing.by_itself,
        "handed_over": healing.handed_over,
        "false_alarms": healing.false_alarms,
        "steps": healing.steps,
        "steps_worse": healing.worse,
    })
}

#[cfg(test)]
mod tests {
    use mendpoint_model::ChargeFigures;

    use super::*;

    #[test]
    fn every_figure_is_there_with_its_definition_and_right() {
        let charging = ChargeFigures {
            attempts: 16,
            started: 15,
            completed: 12,
            excused: 4,
            visits: 10,
            visits_first: 7,
            visits_succeeded: 9,
        };
        let mut kpis = Kpis { charging, ..Kpis::default() };
        let healing = &mut kpis.healing;
        (healing.incidents, healing.resolved, healing.healed) = (12, 8, 6);
        (healing.by_itself, healing.handed_over, healing.false_alarms) = (1, 5, 1);
        (healing.steps, healing.worse, healing.heal_ms) = (20, 1, Some(90_000));
        let of = figures("all", &kpis);
        for (key, by_hand) in [
            ("first_time_success", 7.0 / 10.0),
            ("charge_success", 12.0 / 20.0),
            ("technical_success", 12.0 / 16.0),
            ("visit_success", 9.0 / 10.0),
            ("healed_share", 6.0 / 8.0),
            ("false_alarm_share", 1.0 / 5.0),
            ("worse_share", 1.0 / 20.0),
            ("time_to_heal_ms", 90_000.0),
        ] {
            let shown = of[key].as_f64().expect("a number");
            assert!((shown - by_hand).abs() < 1e-9, "{key}: {shown}");
            assert!(definitions()[key].is_string(), "{key} says what it is");
        }
        assert_eq!(definitions().as_object().map(Map::len), Some(8));
        let all = BTreeMap::from([("A, B".to_owned(), kpis), ("C".to_owned(), Kpis::default())]);
        let text = file("site", &all);
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.trim_matches('"').split("\",\"").collect()).collect();
        assert_eq!(lines.len(), 3, "{text}");
        let at = |key: &str| lines[0].iter().position(|head| *head == key).expect("a column");
        assert_eq!((lines[0][0], lines[1][0], lines[2][0]), ("site", "A, B", "C"));
        assert_eq!((lines[1][at("charge_success")], lines[1][at("attempts")]), ("0.6", "16"));
        assert_eq!((lines[2][at("charge_success")], lines[2][at("attempts")]), ("", "0"));
        assert_eq!(lines[0].len(), of.as_object().map_or(0, Map::len), "all that the API tells");
        assert_eq!(figures("none", &Kpis::default())["charge_success"], Value::Null);
    }
}
