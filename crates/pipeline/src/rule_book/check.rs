//! A text looked at before it is kept: what is wrong with it, and what its own tests say.

use std::sync::Arc;

use mendpoint_incidents::{Catalogue, Problem, Rule, TimelineTest};
use mendpoint_model::UnixMs;
use mendpoint_shard::timeline_test::{self, Outcome};
use mendpoint_store::RuleTextRow;

use super::RuleDraft;
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
    /// Its own tests, and of a playbook those of the rules that heal with it, when nothing has a
    /// mistake.
    pub outcomes: Vec<Outcome>,
    /// The rule, when nothing has a mistake.
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

    /// The rules that it does not fit to, but which are well formed themselves: of their tests some
    /// fail now. They can be changed together with it.
    pub fn others(&self) -> Vec<&str> {
        let failed = self.outcomes.iter().filter(|of| !of.passed() && of.rule != self.id);
        let mut others: Vec<&str> = failed.map(|of| of.rule.as_str()).collect();
        others.dedup();
        others
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

/// Looks at texts as if all of them were kept, in which rules may name these routes; what came of
/// each, in their order. A test of a rule runs once, for the text that it is in, or else for the
/// playbook that the rule heals with.
pub(super) fn check(
    base: &Catalogue,
    edits: &RuleEdits,
    routes: &[String],
    drafts: &[RuleDraft],
) -> Vec<CheckedRule> {
    let rows: Vec<RuleTextRow> = drafts
        .iter()
        .map(|draft| RuleTextRow {
            kind: draft.kind.name().to_owned(),
            name: id_in(&draft.text).unwrap_or_else(|| draft.id.clone()),
            version: 0,
            text: draft.text.clone(),
            note: String::new(),
            saved_at: UnixMs(0),
            saved_by: String::new(),
        })
        .collect();
    let is_aside = |row: &RuleTextRow| {
        edits.set_aside.iter().any(|(of, name, _)| of.name() == row.kind && *name == row.name)
    };
    let is_replaced = |row: &RuleTextRow| {
        rows.iter().any(|other| other.kind == row.kind && other.name == row.name)
    };
    let mut used: Vec<&RuleTextRow> = edits
        .texts
        .iter()
        .filter(|row| !row.text.is_empty() && !is_aside(row) && !is_replaced(row))
        .collect();
    used.extend(&rows);
    let (rules, playbooks) = files(base, &used);
    let mut all: Vec<CheckedRule> =
        rows.iter().map(|row| CheckedRule { id: row.name.clone(), ..Default::default() }).collect();
    match Catalogue::parse_routed(&rules, &playbooks, routes) {
        Err(problems) => {
            for problem in problems {
                let own = drafts
                    .iter()
                    .zip(&mut all)
                    .find(|(draft, one)| problem.file == file_of(draft.kind, &one.id));
                match own {
                    Some((_, one)) => one.problems.push(problem),
                    None => all.iter_mut().take(1).for_each(|first| {
                        first.elsewhere.push(problem.clone());
                    }),
                }
            }
        }
        Ok(catalogue) => {
            let catalogue = Arc::new(catalogue);
            let run = |rule: &Rule, test: &TimelineTest| timeline_test::run(&catalogue, rule, test);
            let has = |kind: RuleKind, id: &str| {
                rows.iter().any(|row| row.kind == kind.name() && row.name == id)
            };
            for (draft, one) in drafts.iter().zip(&mut all) {
                for rule in catalogue.rules() {
                    let is_concerned = match draft.kind {
                        RuleKind::Rule => rule.id == one.id,
                        RuleKind::Playbook => {
                            rule.playbook.as_deref() == Some(one.id.as_str())
                                && !has(RuleKind::Rule, &rule.id)
                        }
                    };
                    if is_concerned {
                        one.outcomes.extend(rule.tests.iter().map(|test| run(rule, test)));
                    }
                }
                one.rule =
                    catalogue.rule(&one.id).filter(|_| draft.kind == RuleKind::Rule).cloned();
            }
        }
    }
    all
}
