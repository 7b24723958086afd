//! Files, edits, switches and thresholds become one catalogue.

use std::sync::Arc;

use mendpoint_incidents::{Catalogue, HealMode};
use mendpoint_store::RuleTextRow;

use super::edits::{RuleEdits, RuleKind};

/// The name under which problems of an edit are told.
pub(super) fn file_of(kind: RuleKind, id: &str) -> String {
    let noun = kind.name();
    if id.is_empty() { format!("new {noun}") } else { format!("edited {noun} {id}") }
}

type Files = Vec<(String, String)>;

/// The files of a catalogue with edits in their places.
pub(super) fn files(base: &Catalogue, edits: &[&RuleTextRow]) -> (Files, Files) {
    let of_kind = |kind: RuleKind, known: Vec<(String, String, String)>| {
        let edited = || edits.iter().filter(move |row| row.kind == kind.name());
        let mut files: Files = known
            .into_iter()
            .filter(|(id, ..)| !edited().any(|row| row.name == *id))
            .map(|(_, file, text)| (file, text))
            .collect();
        files.extend(edited().map(|row| (file_of(kind, &row.name), row.text.clone())));
        files
    };
    let rules = base.rules().iter();
    let playbooks = base.playbooks().iter();
    (
        of_kind(
            RuleKind::Rule,
            rules.map(|r| (r.id.clone(), r.file.clone(), r.source.to_string())).collect(),
        ),
        of_kind(
            RuleKind::Playbook,
            playbooks.map(|p| (p.id.clone(), p.file.clone(), p.source.to_string())).collect(),
        ),
    )
}

/// The rules in force; what cannot be used is set aside in `edits`.
pub(crate) fn compose(base: &Arc<Catalogue>, edits: &mut RuleEdits) -> Arc<Catalogue> {
    edits.set_aside.clear();
    let mut used: Vec<RuleTextRow> =
        edits.texts.iter().filter(|row| !row.text.is_empty()).cloned().collect();
    let mut catalogue = (**base).clone();
    while !used.is_empty() {
        let (rules, playbooks) = files(base, &used.iter().collect::<Vec<_>>());
        match Catalogue::parse(&rules, &playbooks) {
            Ok(parsed) => {
                catalogue = parsed;
                break;
            }
            Err(problems) => {
                let before = used.len();
                used.retain(|row| {
                    let Some(kind) = RuleKind::from_name(&row.kind) else { return false };
                    let file = file_of(kind, &row.name);
                    let own: Vec<_> =
                        problems.iter().filter(|problem| problem.file == file).cloned().collect();
                    let is_good = own.is_empty();
                    if !is_good {
                        edits.set_aside.push((kind, row.name.clone(), own));
                    }
                    is_good
                });
                if used.len() == before {
                    // Nobody is to blame alone: the files hold.
                    for row in used.drain(..) {
                        let kind = RuleKind::from_name(&row.kind).unwrap_or(RuleKind::Rule);
                        edits.set_aside.push((kind, row.name.clone(), problems.clone()));
                    }
                }
            }
        }
    }
    for switch in &edits.switches {
        catalogue.set_enabled(&switch.name, switch.is_on);
        // One about many chargers cannot be on trial: then it is off.
        let is_wide = catalogue.rule(&switch.name).is_some_and(|rule| rule.scope.is_wide());
        if switch.on_trial && !is_wide {
            catalogue.set_on_trial(&switch.name);
        }
        if let Some(mode) = mode_of(&switch.mode) {
            catalogue.set_mode(&switch.name, mode);
        }
    }
    Arc::new(catalogue)
}

/// A mode by its word in rules.
fn mode_of(word: &str) -> Option<HealMode> {
    Some(match word {
        "off" => HealMode::Off,
        "shadow" => HealMode::Shadow,
        "approve" => HealMode::Approve,
        "on" => HealMode::On,
        _ => return None,
    })
}
