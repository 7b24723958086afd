//! A text looked at before it is kept: what is wrong with it, and what its own tests say.

use std::sync::Arc;

use mendpoint_incidents::{Catalogue, Problem, Rule, TimelineTest};
use mendpoint_model::UnixMs;
use mendpoint_shard::timeline_test::{self, Outcome};
use mendpoint_store::RuleTextRow;

use super::compose::{file_of, files};
use super::edits::{RuleEdits, RuleKind};

/// What came of looking at a text.
#[derive(Clone, Debug, Default)]
pub struct CheckedRule {
    /// Its id, where it could be read.
    pub id: String,
    /// Every mistake in it.
    pub problems: Vec<Problem>,
    /// The mistakes it makes others have: a rule whose playbook is gone.
    pub elsewhere: Vec<Problem>,
    /// Its own tests, when it has no mistakes.
    pub outcomes: Vec<Outcome>,
    /// The rule, when it has no mistakes.
    pub rule: Option<Arc<Rule>>,
}

impl CheckedRule {
    /// Whether it may be kept.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
            && self.elsewhere.is_empty()
            && self.outcomes.iter().all(Outcome::passed)
    }

    /// Why not, a line each.
    pub fn told(&self) -> String {
        let problems = self.problems.iter().chain(&self.elsewhere).map(ToString::to_string);
        let failures = self.outcomes.iter().flat_map(|of| &of.failures).map(ToString::to_string);
        problems.chain(failures).collect::<Vec<_>>().join("\n")
    }
}

/// The id that a text gives itself.
fn id_in(text: &str) -> Option<String> {
    let line = text.lines().find(|line| {
        line.trim_start().strip_prefix("id").is_some_and(|rest| rest.trim_start().starts_with('='))
    })?;
    let value = line.split_once('=')?.1.trim();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..].split(quote).next().map(str::to_owned)
}

/// Looks at a text as if it were kept.
pub(super) fn check(
    base: &Catalogue,
    edits: &RuleEdits,
    kind: RuleKind,
    text: &str,
) -> CheckedRule {
    let id = id_in(text).unwrap_or_default();
    let row = RuleTextRow {
        kind: kind.name().to_owned(),
        name: id.clone(),
        version: 0,
        text: text.to_owned(),
        note: String::new(),
        saved_at: UnixMs(0),
        saved_by: String::new(),
    };
    let is_aside = |row: &RuleTextRow| {
        edits.set_aside.iter().any(|(of, name, _)| of.name() == row.kind && *name == row.name)
    };
    let mut used: Vec<&RuleTextRow> = edits
        .texts
        .iter()
        .filter(|other| !other.text.is_empty() && !is_aside(other))
        .filter(|other| other.kind != row.kind || other.name != row.name)
        .collect();
    used.push(&row);
    let (rules, playbooks) = files(base, &used);
    let mut checked = CheckedRule { id: id.clone(), ..CheckedRule::default() };
    match Catalogue::parse(&rules, &playbooks) {
        Err(problems) => {
            let file = file_of(kind, &id);
            (checked.problems, checked.elsewhere) =
                problems.into_iter().partition(|problem| problem.file == file);
        }
        Ok(catalogue) => {
            let catalogue = Arc::new(catalogue);
            let run = |rule: &Rule, test: &TimelineTest| timeline_test::run(&catalogue, rule, test);
            for rule in catalogue.rules() {
                let is_concerned = match kind {
                    RuleKind::Rule => rule.id == id,
                    RuleKind::Playbook => rule.playbook.as_deref() == Some(id.as_str()),
                };
                if is_concerned {
                    checked.outcomes.extend(rule.tests.iter().map(|test| run(rule, test)));
                }
            }
            checked.rule = catalogue.rule(&id).filter(|_| kind == RuleKind::Rule).cloned();
        }
    }
    checked
}
