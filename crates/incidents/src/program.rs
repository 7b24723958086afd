//! The catalogue as one engine runs it: with its pace, with the operator's own numbers, and with
//! the news each rule listens to worked out once.

use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::memory::Wants;
use crate::playbook::Playbook;
use crate::predicate::Inputs;
use crate::rule::{Occurrence, Rule};
use crate::settings::EngineSettings;

/// Rules and playbooks, ready to run.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) rules: Vec<Arc<Rule>>,
    playbooks: Vec<Playbook>,
    pub(crate) enabled: Vec<bool>,
    /// Whether any rule asks whether chargers answer.
    pub(crate) reads_calls: bool,
    /// What each rule listens to before it fires, and while it does.
    pub(crate) inputs: Vec<(Inputs, Inputs)>,
    /// What the rules look back on.
    pub(crate) wants: Wants,
    /// The rules that listen to each kind of thing that happens.
    hearers: [Vec<u16>; Occurrence::NAMES.len()],
}

impl Program {
    pub(crate) fn new(catalogue: &Catalogue, settings: &EngineSettings) -> Self {
        let own = |rule: &Rule| settings.rules.get(&rule.id);
        let rules: Vec<Arc<Rule>> = catalogue
            .rules()
            .iter()
            .map(|rule| Arc::new(rule.paced(settings.pace, own(rule))))
            .collect();
        let enabled =
            |rule: &Rule| rule.enabled && own(rule).and_then(|own| own.enabled).unwrap_or(true);
        let mut wants = Wants::default();
        let mut hearers: [Vec<u16>; Occurrence::NAMES.len()] = Default::default();
        for (place, rule) in rules.iter().enumerate() {
            rule.predicates().for_each(|predicate| wants.add(predicate));
            for (_, kind) in Occurrence::NAMES.iter().filter(|(_, kind)| rule.hears(*kind)) {
                hearers[*kind as usize].push(place as u16);
            }
        }
        Self {
            wants,
            hearers,
            reads_calls: rules
                .iter()
                .any(|rule| enabled(rule) && rule.inputs(true).meets(Inputs::CALLS)),
            enabled: rules.iter().map(|rule| enabled(rule)).collect(),
            inputs: rules.iter().map(|rule| (rule.inputs(false), rule.inputs(true))).collect(),
            playbooks: catalogue
                .playbooks()
                .iter()
                .map(|playbook| playbook.paced(settings.pace))
                .collect(),
            rules,
        }
    }

    pub(crate) fn playbook(&self, id: &str) -> Option<&Playbook> {
        self.playbooks.iter().find(|playbook| playbook.id == id)
    }

    /// The rules that listen to things of a kind.
    pub(crate) fn hearers(&self, kind: Occurrence) -> &[u16] {
        &self.hearers[kind as usize]
    }

    /// A rule's place.
    pub(crate) fn place(&self, id: &str) -> Option<u16> {
        self.rules.iter().position(|rule| rule.id == id).map(|place| place as u16)
    }
}
