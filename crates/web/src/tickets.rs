//! Ticket statuses as words, for filters.

use mendpoint_tickets::Status;

/// The words of tickets that are not over.
pub(crate) fn active() -> Vec<String> {
    let open = Status::ALL.into_iter().filter(|status| !status.is_over());
    open.map(|status| status.name().to_owned()).collect()
}

/// Whether a word is the status of a ticket that is not over.
pub(crate) fn is_active(word: &str) -> bool {
    Status::from_name(word).is_some_and(|status| !status.is_over())
}

/// The words of a filter: a status, `active`, or `waiting` for every kind of waiting.
///
/// # Errors
/// The word that is none of these.
pub(crate) fn statuses_of(words: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for word in words.split(',').map(str::trim) {
        match word {
            "active" => found.extend(active()),
            "waiting" => found.extend(
                Status::ALL
                    .into_iter()
                    .filter(|status| matches!(status, Status::Waiting { .. }))
                    .map(|status| status.name().to_owned()),
            ),
            _ => match Status::from_name(word) {
                Some(status) => found.push(status.name().to_owned()),
                None => return Err(format!("there is no status {word:?}")),
            },
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_every_kind_of_it() {
        assert!(statuses_of("waiting").is_ok_and(|found| found.len() == 5));
        assert!(active().iter().any(|word| word == "waiting_parts"));
        assert!(!is_active("closed"));
        assert!(statuses_of("new,nonsense").is_err());
    }
}
