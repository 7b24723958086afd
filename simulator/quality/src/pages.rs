//! Pages by what they were about: which rule asked a person for what, and what became of it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::book::Book;
use crate::mix::Mix;
use crate::truth::Truth;

/// The pages of one rule about one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PageReport {
    /// The rule.
    pub rule: String,
    /// What was wrong when its incident was opened; "nothing" when nothing was.
    pub cause: String,
    /// How many.
    pub pages: u64,
    /// How many of them cleared by themselves.
    pub by_themselves: u64,
}

/// All pages, by rule and cause.
pub(crate) fn pages(mix: &Mix, truth: &Truth, book: &Book) -> Vec<PageReport> {
    let mut table: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for entry in book.entries.values().filter(|entry| entry.paged_at.is_some()) {
        let names: Vec<&str> = entry
            .failures
            .iter()
            .map(|failure| mix.causes[truth.failures[*failure].cause].name.as_str())
            .collect();
        let cause = if names.is_empty() { "nothing".to_owned() } else { names.join(" + ") };
        let count = table.entry((entry.rule.clone(), cause)).or_default();
        count.0 += 1;
        count.1 += u64::from(truth.cleared_by_itself(&entry.failures));
    }
    table
        .into_iter()
        .map(|((rule, cause), (pages, by_themselves))| PageReport {
            rule,
            cause,
            pages,
            by_themselves,
        })
        .collect()
}
