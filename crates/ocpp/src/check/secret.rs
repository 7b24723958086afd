//! Which fields may hold what names a person or opens a door. Their values are never shown in a
//! report, which is made to be sent to somebody else.

/// Parts of names, in lower case. Rather one too many: a hidden value costs a reader a question.
const WORDS: [&str; 17] = [
    "idtag",
    "message",
    "token",
    "password",
    "secret",
    "pin",
    "user",
    "customer",
    "emaid",
    "evccid",
    "vin",
    "vat",
    "csr",
    "exi",
    "certificate",
    "publickey",
    "data",
];

/// Whether the value of a field of this name is hidden.
pub(super) fn is_secret(name: &str) -> bool {
    // Lists whose name has `data` in it, and that hold ordinary fields.
    const OPEN: [&str; 4] = ["eventData", "reportData", "transactionData", "batteryData"];
    if OPEN.contains(&name) {
        return false;
    }
    let name = name.to_ascii_lowercase();
    // The values of variables and configuration keys, among which there are passwords.
    matches!(
        name.as_str(),
        "key" | "configurationkey" | "variableattribute" | "actualvalue" | "attributevalue"
    ) || WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_passwords_and_free_data_are_hidden() {
        for name in ["idTag", "parentIdTag", "groupIdToken", "apnPassword", "simPin", "data", "csr"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["unit", "connectorId", "eventData", "timestamp", "status", "vendorId"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
