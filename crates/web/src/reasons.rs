//! The reasons a driver may give (features ).

/// A reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reason {
    /// The stable word.
    pub(crate) code: &'static str,
    /// The words on the form.
    pub(crate) label: &'static str,
    /// Whether text is wanted with it.
    pub(crate) needs_text: bool,
    /// The only country it is for, as its IANA time zone: nothing else says where a site is.
    pub(crate) only_in: Option<&'static str>,
}

const fn reason(code: &'static str, label: &'static str) -> Reason {
    Reason { code, label, needs_text: false, only_in: None }
}

/// All of them in the order of the form.
pub(crate) const ALL: &[Reason] = &[
    reason("not_working", "It does not work"),
    reason("not_in_location", "It is not here"),
    reason("inaccessible", "I cannot get to it"),
    reason("broken", "It is broken"),
    reason("charge_interrupted", "My charge was interrupted"),
    reason("blocked_by_car", "A car blocks the space"),
    Reason { needs_text: true, ..reason("other", "Something else") },
    Reason {
        only_in: Some("Europe/Copenhagen"),
        ..reason("tax_refund", "Tax refund problem (Denmark)")
    },
];

/// The reason of a word.
pub(crate) fn find(code: &str) -> Option<Reason> {
    ALL.iter().copied().find(|reason| reason.code == code)
}

/// The reasons that are offered at a site.
pub(crate) fn at(time_zone: &str) -> impl Iterator<Item = Reason> {
    ALL.iter().copied().filter(move |reason| reason.only_in.is_none_or(|zone| zone == time_zone))
}
