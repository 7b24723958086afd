//! The catalogue as one engine runs it: with its pace, with the operator's own numbers, and with
//! the news each rule listens to worked out once.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::alert::Alert;
use crate::catalogue::Catalogue;
use crate::memory::Wants;
use crate::playbook::Playbook;
use crate::predicate::Inputs;
use crate::rule::{Occurrence, Rule};
use crate::settings::EngineSettings;

/// Some places of rules, a bit each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(SmallVec<[u64; 2]>);

impl Places {
    fn add(&mut self, place: u16) {
        let word = usize::from(place / 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (place % 64);
    }

    fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// They in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u16> + use<'_> {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut left = *bits;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(word as u16 * 64 + bit as u16)
            })
        })
    }
}

/// Rules and playbooks, ready to run.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) rules: Vec<Arc<Rule>>,
    playbooks: Vec<Playbook>,
    pub(crate) enabled: Vec<bool>,
    /// Whether each rule can be judged while the charger is offline.
    pub(crate) judges_link: Vec<bool>,
    /// Whether any rule asks whether chargers answer.
    pub(crate) reads_calls: bool,
    /// What each rule listens to before it fires, and while it does.
    pub(crate) inputs: Vec<(Inputs, Inputs)>,
    /// The rules that each single kind of news can begin, a bit a rule.
    listeners: [Places; Inputs::KINDS],
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
            rule.predicates().for_each(|predicate| wants.add(predicate, rule.scope));
            for (_, kind) in Occurrence::NAMES.iter().filter(|(_, kind)| rule.hears(*kind)) {
                hearers[*kind as usize].push(place as u16);
            }
        }
        let inputs: Vec<_> =
            rules.iter().map(|rule| (rule.inputs(false), rule.inputs(true))).collect();
        let listeners = std::array::from_fn(|kind| {
            let mut places = Places::default();
            for (place, (before, _)) in inputs.iter().enumerate() {
                if before.0 & (1 << kind) != 0 {
                    places.add(place as u16);
                }
            }
            places
        });
        Self {
            listeners,
            wants,
            hearers,
            reads_calls: rules
                .iter()
                .any(|rule| enabled(rule) && rule.inputs(true).meets(Inputs::CALLS)),
            judges_link: rules.iter().map(|rule| rule.judges_link()).collect(),
            enabled: rules.iter().map(|rule| enabled(rule)).collect(),
            inputs,
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

    /// The rules that some news concerns: those it can begin, and those of the alerts that are there.
    pub(crate) fn concerned(&self, inputs: Inputs, alerts: &[Alert]) -> Places {
        let mut places = Places::default();
        let mut left = inputs.0;
        while left != 0 {
            places.join(&self.listeners[left.trailing_zeros() as usize]);
            left &= left - 1;
        }
        for alert in alerts {
            let (before, firing) = self.inputs[usize::from(alert.rule)];
            if inputs.meets(Inputs(before.0 | firing.0)) {
                places.add(alert.rule);
            }
        }
        places
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
