//! Steps of a test, as they are written in the text of a rule.

use std::fmt::Write as _;

/// One thing that a charger does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at_ms: i64,
    /// Which one of the site; 1 is not written.
    pub(super) charger: u32,
    body: String,
}

/// Something that the first charger does.
pub(super) fn step(at_ms: i64, body: String) -> Step {
    Step { at_ms, charger: 1, body }
}

impl Step {
    /// The same, done by another one.
    pub(super) fn by(mut self, charger: u32) -> Self {
        self.charger = charger;
        self
    }
}

/// A test: what so many chargers do after they connected, and what is expected then.
pub(super) fn test(
    name: &str,
    chargers: u32,
    mut steps: Vec<Step>,
    (expect_ms, expect): (i64, String),
) -> String {
    let connects = (1..=chargers).map(|charger| step(0, "connect = true".into()).by(charger));
    steps.extend(connects);
    // What happens at one time keeps its order; nothing comes before the connections.
    steps.sort_by_key(|step| step.at_ms);
    steps.push(step(expect_ms, format!("expect = {{ {expect} }}")));
    let mut text = format!("[[test]]\nname = \"{name}\"\nsteps = [\n");
    for Step { at_ms, charger, body } in steps {
        let at =
            if at_ms % 1_000 == 0 { format!("{}s", at_ms / 1_000) } else { format!("{at_ms}ms") };
        let who = if charger == 1 { String::new() } else { format!("charger = {charger}, ") };
        let _ = writeln!(text, "  {{ at = \"{at}\", {who}{body} }},");
    }
    text.push_str("]\n");
    text
}
