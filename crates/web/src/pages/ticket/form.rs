//! What the small forms of a ticket send.

use serde::Deserialize;

use crate::api::tickets::ActBodyView;

/// The longest way that is believed, in minutes: a week.
const MINUTES_MAX: i64 = 7 * 24 * 60;

/// The fields of all forms; each form has some of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ActForm {
    text: String,
    visibility: Option<String>,
    reason: String,
    kind: Option<String>,
    cause: String,
    action: String,
    name: String,
    email: String,
    phone: String,
    /// Minutes until they are there, for setting out; empty when nobody knows.
    minutes: String,
    /// The page to go back to; the ticket's own when empty.
    pub(super) to: String,
}

impl ActForm {
    /// The minutes until they are there, if a sensible number was given.
    pub(super) fn minutes(&self) -> Option<i64> {
        let minutes: i64 = self.minutes.trim().parse().ok()?;
        (0..=MINUTES_MAX).contains(&minutes).then_some(minutes)
    }

    /// The fields as the command is made of them.
    pub(super) fn view<'a>(&'a self, eta: Option<&'a str>) -> ActBodyView<'a> {
        ActBodyView {
            text: &self.text,
            visibility: self.visibility.as_deref(),
            reason: &self.reason,
            kind: self.kind.as_deref(),
            cause: &self.cause,
            action: &self.action,
            eta,
            name: &self.name,
            email: &self.email,
            phone: &self.phone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_taken_when_they_make_sense() {
        let minutes =
            |text: &str| ActForm { minutes: text.to_owned(), ..ActForm::default() }.minutes();
        assert_eq!(minutes(" 35 "), Some(35));
        assert_eq!(minutes(""), None);
        assert_eq!(minutes("-5"), None);
        assert_eq!(minutes("99999999"), None);
    }
}
