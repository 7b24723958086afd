//! What is matched of an incident: everything that is said must fit, what is not said fits anything.

use crate::book::{Book, Brief};
use crate::words::fits;

/// Whether a choice of several fits: nothing chosen fits all.
pub(crate) fn any(choices: &[String], text: &str) -> bool {
    choices.is_empty() || choices.iter().any(|choice| fits(choice, text))
}

/// Whether one of the labels of the charger or its site fits.
pub(crate) fn any_label(choices: &[String], book: &Book, brief: &Brief) -> bool {
    choices.is_empty()
        || book.labels(brief).any(|label| choices.iter().any(|choice| fits(choice, label)))
}
