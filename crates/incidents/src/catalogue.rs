//! All rules and playbooks together, compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_model::HealMode;

use crate::parse::parse_rule;
use crate::playbook::{Playbook, parse_playbook};
use crate::problem::{Problem, Reader, suggestion};
use crate::rule::Rule;

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
        let mut problems = Vec::new();
        let mut catalogue = self.clone();
        let is_new = |files: &[(String, String)], id: &str| {
            files.iter().any(|(_, text)| id_of(text).is_some_and(|(new, _)| new == id))
        };
        catalogue.rules.retain(|rule| !is_new(rules, &rule.id));
        catalogue.playbooks.retain(|playbook| !is_new(playbooks, &playbook.id));
        let mut broken: Vec<Option<String>> = Vec::new();
        for (file, text) in playbooks {
            let mut reader = Reader::new(file, text);
            if let Some(playbook) = parse_playbook(&mut reader) {
                if catalogue.playbook(&playbook.id).is_some() {
                    reader.refuse(0, format!("there are two playbooks \"{}\"", playbook.id));
                }
                catalogue.playbooks.push(Arc::new(playbook));
            } else {
                broken.push(id_of(text).map(|(id, _)| id));
            }
            problems.append(&mut reader.problems);
        }
        let mut seen: Vec<(String, &str)> = Vec::new();
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
            if let Some(rule) = rule {
                if let Some(id) = &rule.playbook
                    && catalogue.playbook(id).is_none()
                    // One that has mistakes is there all the same; of one whose id cannot be read
                    // nobody knows which it is.
                    && !broken.iter().any(|of| of.as_ref().is_none_or(|of| of == id))
                {
                    let names: Vec<_> =
                        catalogue.playbooks.iter().map(|playbook| playbook.id.as_str()).collect();
                    let at = text.find("\nplaybook").map_or(0, |at| at + 1);
                    reader
                        .refuse(at, format!("unknown playbook \"{id}\"{}", suggestion(id, &names)));
                }
                catalogue.rules.push(Arc::new(rule));
            }
            problems.append(&mut reader.problems);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        catalogue.rules.sort_by(|a, b| a.id.cmp(&b.id));
        catalogue.playbooks.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(catalogue)
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

    /// Whether a threshold of a rule may be set to a value.
    ///
    /// # Errors
    /// What is wrong, and what was expected.
    pub fn check_threshold(&self, rule: &str, name: &str, value: &str) -> Result<(), String> {
        let Some(known) = self.rule(rule) else {
            let names: Vec<_> = self.rules.iter().map(|rule| rule.id.as_str()).collect();
            return Err(format!("unknown rule {rule}{}", suggestion(rule, &names)));
        };
        if known.counts_together() {
            return Err(format!(
                "the rule {rule} counts over many chargers at once, so its numbers are the same for \
                 all of them; change them in its text"
            ));
        }
        known.with_thresholds(&BTreeMap::from([(name.to_owned(), value.to_owned())])).map(|_| ())
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
    fn a_playbook_with_a_mistake_is_not_told_to_be_missing() {
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
}
