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
        let nearest = self.sendable().min_by_key(|action| distance(action, name));
        let nearest = nearest.unwrap_or_default();
        format!("{version} has no action {name:?}; the nearest one is {nearest}")
    }
}

/// The actions that may be sent to a charger of this version, in alphabetical order: what a form
/// or an API document offers.
pub fn sendable_actions(protocol: Protocol) -> Vec<&'static str> {
    ActionList::of(protocol).sendable().collect()
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
    fn the_lists_are_complete_and_without_doubles() {
        for (protocol, count) in [(Protocol::V16, 26), (Protocol::V201, 40), (Protocol::V21, 55)] {
            let mut actions = sendable_actions(protocol);
            actions.dedup();
            assert_eq!(actions.len(), count, "{protocol:?}");
        }
    }
}
