//! The catalogue as one engine runs it: with its pace, with the operator's own numbers, and with
//! the news each rule listens to worked out once.

use std::sync::Arc;

use mendpoint_model::{ChargerState, ConnectorRef};
use smallvec::SmallVec;

use crate::alert::{Alert, Phase};
use crate::catalogue::Catalogue;
use crate::gate::Gate;
use crate::memory::Wants;
use crate::overseer::WideRule;
use crate::playbook::Playbook;
use crate::predicate::{Inputs, is_in_doubt};
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

    fn has(&self, place: u16) -> bool {
        self.0.get(usize::from(place / 64)).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
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

/// What rules are looked at for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    /// News of these kinds.
    Of(Inputs),
    /// Something happened that some look back on.
    Happened(Occurrence),
}

/// The rules that look back on things of one kind.
#[derive(Clone, Debug, Default)]
struct Recallers {
    before: Places,
    /// Those as well that look back only while they fire.
    firing: Places,
}

/// Rules and playbooks, ready to run.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) rules: Vec<Arc<Rule>>,
    playbooks: Vec<Playbook>,
    pub(crate) enabled: Vec<bool>,
    /// Whether each rule can be judged while the charger is offline.
    pub(crate) judges_link: Vec<bool>,
    /// Whether each rule is about an open charge, or about there being none.
    pub(crate) judges_charge: Vec<bool>,
    /// Whether any rule asks whether chargers answer.
    pub(crate) reads_calls: bool,
    /// What each rule listens to before it fires, and while it does.
    pub(crate) inputs: Vec<(Inputs, Inputs)>,
    /// The rules that each single kind of news can begin, a bit a rule.
    listeners: [Places; Inputs::KINDS],
    /// The rules about many chargers, as the overseer is told of them.
    pub(crate) wide: Vec<Option<Arc<WideRule>>>,
    /// The rules that look back on each kind of thing.
    recallers: [Recallers; Occurrence::NAMES.len()],
    /// The kinds of things of which some rule asks when they last happened, a bit each.
    missed: u64,
    /// What must hold of a subject before each rule's condition is worth working out.
    pub(crate) gates: Vec<Gate>,
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
            rule.predicates().for_each(|predicate| wants.add(predicate, rule.unit));
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
        let mut recallers: [Recallers; Occurrence::NAMES.len()] = Default::default();
        let mut missed = 0;
        for (_, kind) in Occurrence::NAMES {
            let of = &mut recallers[kind as usize];
            for (place, rule) in rules.iter().enumerate() {
                if rule.recalls(kind, false) {
                    of.before.add(place as u16);
                }
                if rule.recalls(kind, true) {
                    of.firing.add(place as u16);
                }
                missed |= u64::from(rule.misses(kind)) << kind as u32;
            }
        }
        Self {
            listeners,
            wide: rules.iter().map(|rule| rule.wide().map(Arc::new)).collect(),
            recallers,
            missed,
            gates: rules.iter().map(|rule| Gate::of_rule(rule)).collect(),
            wants,
            hearers,
            reads_calls: rules
                .iter()
                .any(|rule| enabled(rule) && rule.inputs(true).meets(Inputs::CALLS)),
            judges_link: rules.iter().map(|rule| rule.judges_link()).collect(),
            judges_charge: rules.iter().map(|rule| rule.judges_charge()).collect(),
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
    pub(crate) fn concerned(&self, news: News, alerts: &[Alert]) -> Places {
        let inputs = match news {
            News::Of(inputs) => inputs,
            News::Happened(kind) => return self.recalled(kind, alerts),
        };
        let mut places = Places::default();
        let mut left = inputs.0;
        while left != 0 {
            places.join(&self.listeners[left.trailing_zeros() as usize]);
            left &= left - 1;
        }
        for alert in alerts {
            let (before, firing) = self.inputs[usize::from(alert.rule)];
            // What has not fired yet waits for its condition only, and not for what would end it.
            let waits = matches!(alert.phase, Phase::Pending);
            if inputs.meets(if waits { before } else { Inputs(before.0 | firing.0) }) {
                places.add(alert.rule);
            }
        }
        places
    }

    fn recalled(&self, kind: Occurrence, alerts: &[Alert]) -> Places {
        let recallers = &self.recallers[kind as usize];
        let mut places = recallers.before.clone();
        for alert in alerts.iter().filter(|alert| !matches!(alert.phase, Phase::Pending)) {
            if recallers.firing.has(alert.rule) {
                places.add(alert.rule);
            }
        }
        places
    }

    /// Whether any rule looks back on things of a kind.
    pub(crate) fn is_recalled(&self, kind: Occurrence) -> bool {
        !self.recallers[kind as usize].firing.is_empty()
    }

    /// Whether any rule asks when something of a kind last happened.
    pub(crate) fn is_missed(&self, kind: Occurrence) -> bool {
        self.missed & (1 << kind as u32) != 0
    }

    /// The rules that listen to things of a kind.
    pub(crate) fn hearers(&self, kind: Occurrence) -> &[u16] {
        &self.hearers[kind as usize]
    }

    /// The ids of the rules about many chargers that are switched on.
    pub(crate) fn wide_ids(&self) -> Vec<Box<str>> {
        let on = self.wide.iter().zip(&self.enabled).filter(|(_, enabled)| **enabled);
        on.filter_map(|(wide, _)| Some(wide.as_ref()?.id.clone())).collect()
    }

    /// Whether a rule cannot be judged at a place now: its charger is offline, or it is not known
    /// whether a charge there goes on.
    pub(crate) fn is_blind(&self, place: u16, charger: &ChargerState, at: ConnectorRef) -> bool {
        let place = usize::from(place);
        (!charger.link.connected && !self.judges_link[place])
            || (self.judges_charge[place] && is_in_doubt(charger, at))
    }

    /// A rule's place.
    pub(crate) fn place(&self, id: &str) -> Option<u16> {
        self.rules.iter().position(|rule| rule.id == id).map(|place| place as u16)
    }
}
