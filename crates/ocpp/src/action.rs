//! Which actions a version has, and the nearest one to a misspelt name.

use mendpoint_model::Protocol;

use crate::definition::{message, messages};

/// The names of 2.x for what 1.6 calls differently.
const RENAMED_IN_2_X: &[(&str, &str)] = &[
    ("RemoteStartTransaction", "RequestStartTransaction"),
    ("RemoteStopTransaction", "RequestStopTransaction"),
    ("GetConfiguration", "GetVariables"),
    ("ChangeConfiguration", "SetVariables"),
    ("GetDiagnostics", "GetLog"),
    ("ExtendedTriggerMessage", "TriggerMessage"),
    ("SignedUpdateFirmware", "UpdateFirmware"),
];

/// The names of 1.6 for what 2.x calls differently.
const RENAMED_IN_1_6: &[(&str, &str)] = &[
    ("RequestStartTransaction", "RemoteStartTransaction"),
    ("RequestStopTransaction", "RemoteStopTransaction"),
    ("GetVariables", "GetConfiguration"),
    ("SetVariables", "ChangeConfiguration"),
];

/// The actions of one version.
#[derive(Debug)]
pub(crate) struct ActionList {
    protocol: Protocol,
    /// The version's name for people.
    pub(crate) version: &'static str,
    /// What another version calls differently: its name, and this version's.
    renamed: &'static [(&'static str, &'static str)],
}

impl ActionList {
    pub(crate) fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::V16 => Self { protocol, version: "OCPP 1.6", renamed: RENAMED_IN_1_6 },
            Protocol::V201 => Self { protocol, version: "OCPP 2.0.1", renamed: RENAMED_IN_2_X },
            Protocol::V21 => Self { protocol, version: "OCPP 2.1", renamed: RENAMED_IN_2_X },
        }
    }

    /// Every action that we may send, in alphabetical order.
    fn sendable(&self) -> impl Iterator<Item = &'static str> {
        let ours = messages(self.protocol).filter(|message| message.sender.is_central_system());
        ours.map(|message| message.action)
    }

    /// The action of this exact name, if we may send it.
    pub(crate) fn find_sendable(&self, name: &str) -> Option<&'static str> {
        let message = message(self.protocol, name)?;
        message.sender.is_central_system().then_some(message.action)
    }

    /// Whether chargers send an action of this name.
    fn is_from_charger(&self, name: &str) -> bool {
        message(self.protocol, name).is_some_and(|message| message.sender.is_charger())
    }

    /// Why an action cannot be sent, in a sentence that says what to do.
    pub(crate) fn explain_unknown(&self, name: &str) -> String {
        let version = self.version;
        if let Some((_, here)) = self.renamed.iter().find(|(elsewhere, _)| *elsewhere == name) {
            return format!("{version} has no action {name}; there it is called {here}");
        }
        if self.is_from_charger(name) {
            return format!(
                "{name} is sent by chargers, not to them; ask for it with TriggerMessage"
            );
        }
        if let Some(elsewhere) = self.version_with(name) {
            return format!("{version} has no action {name}; {elsewhere} has it");
        }
        let nearest = self
            .sendable()
            .map(|action| (!begins(action, name), distance(action, name), action))
            .min()
            .filter(|(strange, distance, action)| {
                // Of a misspelling no more than a third of the letters are wrong.
                !strange || distance * 3 <= action.len().max(name.len())
            });
        match nearest {
            Some((_, _, nearest)) => {
                format!("{version} has no action {name:?}; the nearest one is {nearest}")
            }
            // A name that resembles nothing gets no guess: a wrong one sends people astray.
            None => format!("{version} has no action {name:?}, nor one with a name like it"),
        }
    }

    /// The first other version that has an action of this name.
    fn version_with(&self, name: &str) -> Option<&'static str> {
        [Protocol::V16, Protocol::V201, Protocol::V21]
            .into_iter()
            .map(Self::of)
            .find(|list| list.version != self.version && list.find_sendable(name).is_some())
            .map(|list| list.version)
    }
}

/// The actions that may be sent to a charger of this version, in alphabetical order: what a form
/// or an API document offers.
pub fn sendable_actions(protocol: Protocol) -> Vec<&'static str> {
    ActionList::of(protocol).sendable().collect()
}

/// Whether a name is the beginning of an action's.
fn begins(action: &str, name: &str) -> bool {
    name.len() >= 3
        && action.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// Letters of a misspelt name that are compared; no action is longer.
const COMPARED_LEN_MAX: usize = 48;

/// The number of letters to change, insert or remove, without regard to case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<_> =
        right.chars().take(COMPARED_LEN_MAX).map(|letter| letter.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let letter = letter.to_ascii_lowercase();
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_actions_get_the_nearest_one() {
        for (name, nearest) in
            [("reset", "Reset"), ("UnlockConector", "UnlockConnector"), ("ClearCach", "ClearCache")]
        {
            let why = ActionList::of(Protocol::V16).explain_unknown(name);
            assert!(why.ends_with(&format!("the nearest one is {nearest}")), "{why}");
        }
    }

    #[test]
    fn names_of_other_versions_and_directions_are_told_apart() {
        assert_eq!(
            ActionList::of(Protocol::V201).explain_unknown("RemoteStartTransaction"),
            "OCPP 2.0.1 has no action RemoteStartTransaction; there it is called RequestStartTransaction"
        );
        assert_eq!(
            ActionList::of(Protocol::V16).explain_unknown("Heartbeat"),
            "Heartbeat is sent by chargers, not to them; ask for it with TriggerMessage"
        );
    }

    #[test]
    fn a_name_that_is_like_none_gets_no_guess() {
        let v16 = ActionList::of(Protocol::V16);
        assert_eq!(
            v16.explain_unknown("GetBaseReport"),
            "OCPP 1.6 has no action GetBaseReport; OCPP 2.0.1 has it"
        );
        assert_eq!(
            v16.explain_unknown("Dance"),
            "OCPP 1.6 has no action \"Dance\", nor one with a name like it"
        );
        assert!(v16.explain_unknown("Unlock").ends_with("the nearest one is UnlockConnector"));
    }

    #[test]
    fn the_lists_are_complete_and_without_doubles() {
        for (protocol, count) in [(Protocol::V16, 26), (Protocol::V201, 40), (Protocol::V21, 55)] {
            let mut actions = sendable_actions(protocol);
            actions.dedup();
            assert_eq!(actions.len(), count, "{protocol:?}");
        }
    }
}
