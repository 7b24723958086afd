//! Incidents that may be one: suggestions for people, who decide. What people merged before counts.

use mendpoint_model::{HOUR_MS, Incident, IncidentId, MINUTE_MS, SiteKey};

use super::family::family_of;

/// How often people merged incidents of one rule into those of another, and took that back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeHabit {
    /// The rule of the merged incident.
    pub rule: String,
    /// The rule of the one it was merged into.
    pub into: String,
    /// How often.
    pub merged: u32,
    /// How many of those were split again.
    pub split: u32,
}

/// An incident that another one may belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// Which.
    pub into: IncidentId,
    /// Why, in a sentence.
    pub why: String,
    /// The more, the likelier.
    pub score: u32,
}

/// The incidents among the open ones that `of` may belong to, the likeliest first, three at most.
/// `unassigned` is the site of chargers without one: to stand there says nothing.
pub fn suggestions(
    of: &Incident,
    open: &[Incident],
    habits: &[MergeHabit],
    unassigned: Option<SiteKey>,
) -> Vec<Suggestion> {
    let mut found: Vec<Suggestion> = open
        .iter()
        .filter(|other| other.id != of.id && !other.state.is_over())
        .filter(|other| other.ties.parent().is_none() && of.ties.parent().is_none())
        .filter_map(|other| weigh(of, other, habits, unassigned))
        .collect();
    found.sort_by_key(|found| (std::cmp::Reverse(found.score), found.into));
    found.truncate(3);
    found
}

fn weigh(
    of: &Incident,
    other: &Incident,
    habits: &[MergeHabit],
    unassigned: Option<SiteKey>,
) -> Option<Suggestion> {
    let mut score = 0;
    let is_neighbour = of.site == other.site && unassigned != Some(of.site);
    let is_same_charger = of.charger == other.charger && !other.is_wide();
    let mut reasons = Vec::new();
    let apart = of.began_at.since_ms(other.began_at).abs();
    if is_same_charger {
        score += 30;
        reasons.push("the same charger");
    } else if is_neighbour {
        score += 20;
        reasons.push("the same site");
    }
    if !of.code.is_empty() && of.code == other.code {
        score += 25;
        reasons.push("the same code");
    } else if family_of(&of.rule).name() == family_of(&other.rule).name() {
        score += 15;
        reasons.push("the same kind of trouble");
    }
    if apart <= 5 * MINUTE_MS {
        score += 25;
        reasons.push("began within five minutes");
    } else if apart <= HOUR_MS {
        score += 10;
        reasons.push("began within an hour");
    }
    if other.is_wide() && is_neighbour {
        score += 20;
        reasons.push("an outage of the whole site");
    }
    let habit = habits.iter().find(|habit| habit.rule == of.rule && habit.into == other.rule);
    if let Some(habit) = habit {
        let kept = habit.merged.saturating_sub(2 * habit.split);
        if kept > 0 {
            score += (10 * kept).min(30);
            reasons.push("people merged such incidents before");
        } else if habit.split > 0 {
            score = score.saturating_sub(20);
        }
    }
    let is_same_code = !of.code.is_empty() && of.code == other.code;
    let together = is_same_charger || is_neighbour || is_same_code;
    (together && score >= 50).then(|| Suggestion { into: other.id, why: sentence(&reasons), score })
}

fn sentence(reasons: &[&str]) -> String {
    let text = reasons.join(", ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
