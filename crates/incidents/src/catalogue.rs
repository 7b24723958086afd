//! All rules and playbooks together, compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_model::HealMode;

use crate::correlate::{CARRIER_OUTAGE, FLEET_BLIND, FW_REGRESSION, SITE_OUTAGE};
use crate::parse::parse_rule;
use crate::playbook::{Playbook, parse_playbook};
use crate::problem::{Problem, Reader, suggestion};
use crate::rule::{Rule, Scope};
use crate::threshold::ThresholdOverride;

/// The id a file gives, and the byte it is at; also when the rest of the file is wrong.
fn id_of(text: &str) -> Option<(String, usize)> {
    #[derive(serde::Deserialize)]
    struct Named {
        id: toml::Spanned<String>,
    }
    let named: Named = toml::from_str(text).ok()?;
    let at = named.id.span().start;
    Some((named.id.into_inner(), at))
}

/// What a file is called that cannot be read: the id it gives, in a line at least, else its own name.
fn named_in(file: &str, text: &str) -> String {
    id_of(text).or_else(|| text.lines().find_map(id_of)).map_or_else(
        || {
            let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
            name.strip_suffix(".toml").unwrap_or(name).to_owned()
        },
        |(id, _)| id,
    )
}

/// Incidents that are in no file.
const BUILT_IN: [&str; 4] = [SITE_OUTAGE, CARRIER_OUTAGE, FLEET_BLIND, FW_REGRESSION];

/// The compiled rules and playbooks. Immutable: a change makes a new one.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    rules: Vec<Arc<Rule>>,
    playbooks: Vec<Arc<Playbook>>,
}

impl Catalogue {
    /// Compiles rule and playbook files, given as name and text. The order of the files does not
    /// matter: everything is sorted by id.
    ///
    /// # Errors
    /// Every mistake in every file, with its place.
    pub fn parse(
        rules: &[(String, String)],
        playbooks: &[(String, String)],
    ) -> Result<Self, Vec<Problem>> {
        Self::default().overlaid(rules, playbooks)
    }

    /// The same, where rules may name no other routes than these.
    ///
    /// # Errors
    /// Every mistake in every file, with its place.
    pub fn parse_routed(
        rules: &[(String, String)],
        playbooks: &[(String, String)],
        routes: &[String],
    ) -> Result<Self, Vec<Problem>> {
        Self::default().composed(rules, playbooks, Some(routes))
    }

    /// The same with these files put over it: a rule or playbook of the same id takes the place of
    /// the one that is here. For trying a change out.
    ///
    /// # Errors
    /// Every mistake in every file, with its place.
    pub fn overlaid(
        &self,
        rules: &[(String, String)],
        playbooks: &[(String, String)],
    ) -> Result<Self, Vec<Problem>> {
        self.composed(rules, playbooks, None)
    }

    fn composed(
        &self,
        rules: &[(String, String)],
        playbooks: &[(String, String)],
        routes: Option<&[String]>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut catalogue = self.clone();
        let is_new = |files: &[(String, String)], id: &str| {
            files.iter().any(|(_, text)| id_of(text).is_some_and(|(new, _)| new == id))
        };
        catalogue.rules.retain(|rule| !is_new(rules, &rule.id));
        catalogue.playbooks.retain(|playbook| !is_new(playbooks, &playbook.id));
        // What a file with mistakes would have been: nobody is told that it is not there.
        let mut broken: Vec<String> = Vec::new();
        for (file, text) in playbooks {
            let mut reader = Reader::new(file, text);
            if let Some(playbook) = parse_playbook(&mut reader) {
                if catalogue.playbook(&playbook.id).is_some() {
                    reader.refuse(0, format!("there are two playbooks \"{}\"", playbook.id));
                }
                catalogue.playbooks.push(Arc::new(playbook));
            } else {
                broken.push(named_in(file, text));
            }
            problems.append(&mut reader.take_problems());
        }
        let mut seen: Vec<(String, &str)> = Vec::new();
        let mut readers = Vec::new();
        for (file, text) in rules {
            let mut reader = Reader::new(file, text);
            let rule = parse_rule(&mut reader);
            if let Some((id, at)) = id_of(text) {
                if let Some((_, first)) = seen.iter().find(|(other, _)| *other == id) {
                    // A copy need not have tests of its own to be told what it is.
                    reader.problems.retain(|problem| !problem.message.contains("needs a [[test]]"));
                    let message = format!(
                        "rule {id} is in two files, {first} and {file}; give one another id or \
                         delete it"
                    );
                    reader.refuse(at, message);
                } else {
                    seen.push((id, file));
                }
            }
            match rule {
                Some(rule) => catalogue.rules.push(Arc::new(rule)),
                None => broken.push(named_in(file, text)),
            }
            readers.push(reader);
        }
        for mut reader in readers {
            catalogue.check_named(&mut reader, &broken, routes);
            problems.append(&mut reader.take_problems());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        catalogue.rules.sort_by(|a, b| a.id.cmp(&b.id));
        catalogue.playbooks.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(catalogue)
    }

    /// Tells what a file names that is nowhere: a playbook, a route, incidents that its tests expect.
    fn check_named(&self, reader: &mut Reader<'_>, broken: &[String], routes: Option<&[String]>) {
        let named = std::mem::take(&mut reader.named);
        if let Some((at, id)) = named.playbook
            && self.playbook(&id).is_none()
            && !broken.contains(&id)
        {
            let mut names: Vec<_> = self.playbooks.iter().map(|known| known.id.as_str()).collect();
            names.extend(broken.iter().map(String::as_str));
            reader.refuse(at, format!("unknown playbook \"{id}\"{}", suggestion(&id, &names)));
        }
        if let (Some((at, route)), Some(routes)) = (named.route, routes)
            && !routes.contains(&route)
        {
            let names: Vec<&str> = routes.iter().map(String::as_str).collect();
            reader.refuse(at, format!("unknown route \"{route}\"{}", suggestion(&route, &names)));
        }
        let mut names: Vec<&str> = self.rules.iter().map(|rule| rule.id.as_str()).collect();
        names.extend(BUILT_IN);
        names.extend(broken.iter().map(String::as_str));
        for (line, id) in named.expected {
            if !names.contains(&id.as_str()) {
                let hint = suggestion(&id, &names);
                let message = format!("no rule opens the incident \"{id}\"{hint}");
                let file = reader.file.to_owned();
                reader.problems.push(Problem { file, line, column: 1, message });
            }
        }
    }

    /// The rules whose route is none of these, each with its place.
    pub fn unknown_routes(&self, routes: &[String]) -> Vec<Problem> {
        let names: Vec<&str> = routes.iter().map(String::as_str).collect();
        let unknown = self.rules.iter().filter(|rule| !names.contains(&rule.route.as_str()));
        unknown
            .flat_map(|rule| {
                let mut reader = Reader::new(&rule.file, &rule.source);
                let at = rule.source.find("\nroute").map_or(0, |at| at + 1);
                let hint = suggestion(&rule.route, &names);
                reader.refuse(at, format!("unknown route \"{}\"{hint}", rule.route));
                reader.problems
            })
            .collect()
    }

    /// Switches a rule on or off.
    pub fn set_enabled(&mut self, id: &str, enabled: bool) {
        if let Some(rule) = self.rules.iter_mut().find(|rule| rule.id == id) {
            Arc::make_mut(rule).enabled = enabled;
        }
    }

    /// Puts a rule on trial: it opens nothing, and what it would find can be seen with
    /// [`Catalogue::rehearsed`].
    pub fn set_on_trial(&mut self, id: &str) {
        if let Some(rule) = self.rules.iter_mut().find(|rule| rule.id == id) {
            let rule = Arc::make_mut(rule);
            (rule.enabled, rule.on_trial) = (false, true);
        }
    }

    /// The same with the rules on trial, and those of these ids, enabled as any other; `None` when there
    /// are none.
    pub fn rehearsed(&self, others: &[&str]) -> Option<Self> {
        let is_meant =
            |rule: &Rule| rule.on_trial || (!rule.enabled && others.contains(&rule.id.as_str()));
        if !self.rules.iter().any(|rule| is_meant(rule)) {
            return None;
        }
        let mut catalogue = self.clone();
        for rule in catalogue.rules.iter_mut().filter(|rule| is_meant(rule)) {
            let rule = Arc::make_mut(rule);
            (rule.enabled, rule.on_trial) = (true, false);
        }
        Some(catalogue)
    }

    /// Says how much a rule may do by itself (G10). A rule without a playbook does nothing.
    pub fn set_mode(&mut self, id: &str, mode: HealMode) {
        if let Some(rule) = self.rules.iter_mut().find(|rule| rule.id == id) {
            Arc::make_mut(rule).auto_heal = mode;
        }
    }

    /// Whether a threshold may be set to a value for a model, a site or a charger, beside what is set
    /// there already.
    ///
    /// # Errors
    /// What is wrong, and what was expected.
    pub fn check_override(
        &self,
        own: &ThresholdOverride,
        others: &[ThresholdOverride],
    ) -> Result<(), String> {
        let rule = self.known_rule(&own.rule)?;
        if !own.target.suits(rule.scope) {
            let (id, about) = (&rule.id, rule.scope.name());
            return Err(match rule.scope {
                Scope::Site => format!(
                    "the rule {id} is about a whole {about}, so its numbers can be set for a site \
                     only"
                ),
                Scope::Cohort => format!(
                    "the rule {id} is about all chargers of a model, so its numbers can be set for \
                     a model only"
                ),
                _ => format!(
                    "the rule {id} is about the whole {about}, so its numbers are the same for all \
                     chargers; change them in its text"
                ),
            });
        }
        let beside = others.iter().filter(|other| {
            (&other.rule, &other.target) == (&own.rule, &own.target)
                && rule.thresholds.iter().any(|known| known.name == other.name)
        });
        let mut values: BTreeMap<String, String> =
            beside.map(|other| (other.name.clone(), other.value.clone())).collect();
        values.insert(own.name.clone(), own.value.clone());
        rule.with_thresholds(&values).map(|_| ())
    }

    /// A rule by its id.
    ///
    /// # Errors
    /// That there is none, with the nearest id.
    pub fn known_rule(&self, id: &str) -> Result<&Arc<Rule>, String> {
        self.rule(id).ok_or_else(|| {
            let names: Vec<_> = self.rules.iter().map(|rule| rule.id.as_str()).collect();
            format!("unknown rule {id}{}", suggestion(id, &names))
        })
    }

    /// The rules, by id.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The playbooks, by id.
    pub fn playbooks(&self) -> &[Arc<Playbook>] {
        &self.playbooks
    }

    /// A rule.
    pub fn rule(&self, id: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// A playbook.
    pub fn playbook(&self, id: &str) -> Option<&Arc<Playbook>> {
        self.playbooks.iter().find(|playbook| playbook.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_rule_takes_the_place_of_the_old_one() {
        let text = include_str!("../../../config/rules/cp_offline.toml").to_owned();
        let other = include_str!("../../../config/rules/weak_wifi.toml").to_owned();
        let files = [("a.toml".to_owned(), text.clone()), ("b.toml".to_owned(), other)];
        let old = Catalogue::parse(&files, &[]).expect("valid");
        let changed = ("new.toml".to_owned(), text.replace("version = 2", "version = 7"));
        let new = old.overlaid(&[changed], &[]).expect("valid");
        let versions: Vec<_> =
            new.rules().iter().map(|rule| (rule.id.as_str(), rule.version)).collect();
        assert_eq!(versions, [("CP_OFFLINE", 7), ("WEAK_WIFI", 1)]);
    }

    #[test]
    fn a_playbook_whose_text_breaks_off_is_not_told_to_be_missing() {
        let rule = include_str!("../../../config/rules/silent_charger.toml").to_owned();
        let playbook = include_str!("../../../config/playbooks/failed_burst.toml");
        for wrong in [playbook.replace("L4", "L44"), playbook.replace("ladder =", "ladder")] {
            let rules = [("rule.toml".to_owned(), rule.clone())];
            let problems = Catalogue::parse(&rules, &[("book.toml".to_owned(), wrong)]);
            let files: Vec<_> =
                problems.expect_err("it is wrong").into_iter().map(|told| told.file).collect();
            assert_eq!(files, ["book.toml"], "only the playbook is wrong");
        }
    }

    #[test]
    fn one_id_in_two_files_names_both() {
        let good = include_str!("../../../config/rules/cp_offline.toml");
        let bare = &good[..good.find("[[test]]").expect("it has tests")];
        for copy in [good, bare] {
            let files = [("a.toml", good), ("b.toml", copy)];
            let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
            let problems = Catalogue::parse(&files, &[]).expect_err("there are two");
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(
                told,
                ["b.toml:1:6: rule CP_OFFLINE is in two files, a.toml and b.toml; give one \
                  another id or delete it"]
            );
        }
    }

    #[test]
    fn a_playbook_with_a_mistake_is_not_told_to_be_missing() {
        let rule = include_str!("../../../config/rules/stuck_finishing.toml").to_owned();
        let playbook = include_str!("../../../config/playbooks/stuck_finishing.toml");
        for (wrong, lines) in [(playbook.replace("\"L1\"", "\"L12\""), 1), ("id = ".to_owned(), 1)]
        {
            let rules = [("rules/stuck_finishing.toml".to_owned(), rule.clone())];
            let playbooks = [("playbooks/stuck_finishing.toml".to_owned(), wrong)];
            let problems = Catalogue::parse(&rules, &playbooks).expect_err("it is wrong");
            assert_eq!(problems.len(), lines, "{problems:?}");
            assert!(problems.iter().all(|problem| problem.file.starts_with("playbooks/")));
        }
    }

    #[test]
    fn a_test_that_expects_what_nobody_opens_and_a_route_that_is_not_there_are_refused() {
        let text = include_str!("../../../config/rules/cp_offline.toml");
        let wrong = text.replacen("incidents = [\"CP_OFFLINE\"]", "incidents = [\"CP_OFLINE\"]", 1);
        let problems =
            Catalogue::parse(&[("a.toml".to_owned(), wrong)], &[]).expect_err("it is wrong");
        let told = problems[0].to_string();
        assert!(
            told.contains("no rule opens the incident \"CP_OFLINE\"; did you mean `CP_OFFLINE`?"),
            "{told}"
        );
        let expected = "expect = { incidents = [\"CP_OFFLINE\"]";
        let instead = "expect = { states = [\"resolvd\"], has = [], actions = [\"Reste Soft\"] } },\n  \
                       { every = \"1s\", times = 1, expect = { incidents = [\"CP_OFFLINE\"]";
        let wrong = text.replacen(expected, instead, 1);
        assert_ne!(wrong, text);
        let problems =
            Catalogue::parse(&[("a.toml".to_owned(), wrong)], &[]).expect_err("it is wrong");
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(
            told[0].contains("unknown state \"resolvd\"; did you mean `resolved`?"),
            "{told:?}"
        );
        assert!(told[1].contains("unknown action \"Reste\"; did you mean `Reset`?"), "{told:?}");
        let told = |actions: &str| {
            let instead =
                format!("expect = {{ actions = [\"{actions}\"], incidents = [\"CP_OFFLINE\"]");
            let wrong = text.replacen(expected, &instead, 1);
            let problems = Catalogue::parse(&[("a.toml".to_owned(), wrong)], &[]).err();
            let told: Vec<String> =
                problems.unwrap_or_default().iter().map(|one| one.message.clone()).collect();
            told.join("\n")
        };
        let meant = [
            ("Reset Sotf", "no action is ever \"Reset Sotf\"; did you mean `Reset Soft`?"),
            (
                "Reset Fast",
                "no action is ever \"Reset Fast\"; write Reset KIND, with one of Soft, Hard",
            ),
            (
                "TriggerMessage Hartbeat",
                "no action is ever \"TriggerMessage Hartbeat\"; did you mean `TriggerMessage Heartbeat`?",
            ),
            (
                "TriggerMessage StatusNotification one",
                "no action is ever \"TriggerMessage StatusNotification one\"; write it as \
                 TriggerMessage StatusNotification 1",
            ),
            (
                "ChangeAvailability 2 Inoperativ",
                "no action is ever \"ChangeAvailability 2 Inoperativ\"; did you mean \
                 `ChangeAvailability 2 Inoperative`?",
            ),
            ("ClearCache now", "no action is ever \"ClearCache now\"; write ClearCache alone"),
        ];
        for (actions, words) in meant {
            assert_eq!(told(actions), words);
        }
        for good in ["Reset", "UnlockConnector 2.3", "ChangeAvailability charger Operative"] {
            assert_eq!(told(good), "");
        }
        for (every, times, words) in [
            ("0s", 3, "`every` must be longer than nothing, as in every = \"1m\""),
            ("1m", 0, "`times` counts from 1; a step that never happens tests nothing"),
        ] {
            let instead = format!(
                "heartbeat = true }},\n  {{ every = \"{every}\", times = {times}, {expected}"
            );
            let wrong = text.replacen(expected, &instead, 1);
            let problems =
                Catalogue::parse(&[("a.toml".to_owned(), wrong)], &[]).expect_err("wrong");
            assert!(problems[0].message == words, "{problems:?}");
        }
        let text = text.replace("route = \"default\"", "route = \"platfrom\"");
        let good = Catalogue::parse(&[("a.toml".to_owned(), text)], &[]).expect("it is good");
        let routes = ["default".to_owned(), "platform".to_owned()];
        let told: Vec<String> =
            good.unknown_routes(&routes).iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains(":1: unknown route \"platfrom\"; did you mean `platform`?"),
            "{told:?}"
        );
    }
    #[test]
    fn every_mistake_of_all_files_is_told_at_once() {
        let rule = r#"id = "LAMP"
version = "1"
title = "A lamp"
description = "It is dark."
severity = "six"
scope = "conector"
auto_heal = "onn"
playbook = "resett"
rout = "nigt"
label = ["x"]
[thresholds]
wait = { defualt = "10m" }
[condition]
whn = 'statsu == "Faulted" and powr_w > 5'
for = "wait"
[[clear]]
absent = "disconect"
for = "5 minutes"
[severity_by_code]
GroundFalt = 12
[[test]]
name = "fires"
steps = [
  { at = "0s", conect = true },
  { at = "5s", status = { status = "Fautled" } },
  { at = "6s", expect = { incidents = ["LAMPP"], stats = [] } },
  { every = "1s", times = "3", heartbeat = true },
]
"#;
        let playbook = "id = \"reset\"\nversion = 0\ntitel = \"Reset\"\nladder = [\"RESET\", \
                        4]\nwait = \"soon\"\n[by_code]\nGroundFalt = \"Q\"\n";
        let problems = Catalogue::parse_routed(
            &[("rule.toml".to_owned(), rule.to_owned())],
            &[("book.toml".to_owned(), playbook.to_owned())],
            &["default".to_owned(), "night".to_owned()],
        )
        .expect_err("all of it is wrong");
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for wanted in [
            "book.toml:2:11: version counts from 1",
            "book.toml:3:1: unknown key `titel`",
            "book.toml:4:11: unknown rung \"RESET\"; a Soft reset is L4, a Hard reset L5",
            "book.toml:4:20: each part of `ladder` is a text in quotes; this is the number 4",
            "book.toml:5:8: \"soon\" is no duration",
            "book.toml:7:1: unknown error code \"GroundFalt\"; did you mean `GroundFailure`?",
            "book.toml:7:14: `GroundFalt` is a list",
            "rule.toml:2:11: `version` is a whole number",
            "rule.toml:5:12: a severity goes from 0 (danger) to 9 (debug)",
            "rule.toml:6:9: unknown scope \"conector\"; did you mean `connector`?",
            "rule.toml:7:13: unknown mode \"onn\"",
            "rule.toml:8:12: unknown playbook \"resett\"; did you mean `reset`?",
            "rule.toml:9:1: unknown key `rout`",
            "rule.toml:9:8: unknown route \"nigt\"; did you mean `night`?",
            "rule.toml:10:1: unknown key `label`",
            "rule.toml:12:8: unknown key `defualt`; did you mean `default`?",
            "rule.toml:14:1: unknown key `whn`",
            "rule.toml:14:8: unknown field `statsu`; did you mean `status`?",
            "rule.toml:14:32: unknown field `powr_w`; did you mean `power_w`?",
            "rule.toml:17:10: unknown kind \"disconect\"; did you mean `disconnect`?",
            "rule.toml:18:7: \"5 minutes\" is no duration",
            "rule.toml:20:1: unknown error code \"GroundFalt\"",
            "rule.toml:20:14: a severity goes from 0 (danger) to 9 (debug); 12 is none",
            "rule.toml:24:16: unknown key `conect`",
            "rule.toml:25:25: unknown status \"Fautled\"; did you mean `Faulted`?",
            "rule.toml:26:1: no rule opens the incident \"LAMPP\"; did you mean `LAMP`?",
            "rule.toml:26:50: unknown key `stats`",
            "rule.toml:27:27: `times` is a whole number, 0 or more",
        ] {
            assert!(told.iter().any(|line| line.starts_with(wanted)), "{wanted}: {told:#?}");
        }
        assert_eq!(told.len(), 28, "nothing else follows: {told:#?}");
    }
}
