//! What a rule in shadow mode would have done, and what became of it without that (G10, 1.10): each of
//! its incidents held against what came to be known later at the same charger.

use mendpoint_model::{
    ConnectorRef, DAY_MS, HealMode, Incident, IncidentId, Source, StepState, TicketId, UnixMs,
};

/// What is known later belongs to an incident for so long.
pub const LATER_MS: i64 = DAY_MS;
/// Two incidents that opened so close together tell the same.
const SAME_MS: i64 = 10 * mendpoint_model::MINUTE_MS;

/// Charges at a connector after an incident opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChargesAfter {
    /// That delivered 100 Wh or more.
    pub worked: u32,
    /// That did not.
    pub failed: u32,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It is not over.
    Open,
    /// Somebody worked on its ticket.
    Ticket(TicketId),
    /// A driver reported the charger.
    Report(IncidentId, i64),
    /// Another rule found something at the charger, so long afterwards.
    Later(IncidentId, String, i64),
    /// Charges failed there afterwards.
    FailedCharges(u32),
    /// A person ended it.
    Person,
    /// Nothing: it was over by itself, and so many charges worked afterwards.
    Nothing(u32),
}

impl Truth {
    /// Whether something was really wrong.
    pub fn is_real(&self) -> bool {
        !matches!(self, Self::Open | Self::Nothing(_))
    }

    /// It in words.
    pub fn words(&self) -> String {
        match self {
            Self::Open => "it is still open".to_owned(),
            Self::Ticket(ticket) => format!("somebody worked on it ({ticket})"),
            Self::Report(id, ms) => {
                format!("a driver reported it {} later ({id})", duration(*ms))
            }
            Self::Later(id, rule, ms) => format!("{rule} found it {} later ({id})", duration(*ms)),
            Self::FailedCharges(1) => "a charge failed there afterwards".to_owned(),
            Self::FailedCharges(many) => format!("{many} charges failed there afterwards"),
            Self::Person => "a person ended it".to_owned(),
            Self::Nothing(0) => "nothing: it was over by itself, and nobody charged".to_owned(),
            Self::Nothing(1) => "nothing: it was over by itself, and a charge worked".to_owned(),
            Self::Nothing(many) => {
                format!("nothing: it was over by itself, and {many} charges worked")
            }
        }
    }

    /// One word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ticket(_) => "ticket",
            Self::Report(..) => "report",
            Self::Later(..) => "later_incident",
            Self::FailedCharges(_) => "failed_charges",
            Self::Person => "person",
            Self::Nothing(_) => "nothing",
        }
    }
}

fn duration(ms: i64) -> String {
    mendpoint_incidents::duration_words(ms)
}

/// How an incident stands to what was found without its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    /// Nothing else was found there.
    New,
    /// Something else was, at about the same time.
    Same,
    /// Something else was, so much later.
    Earlier(i64),
}

/// An incident of the rule, with what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadowed {
    /// The incident.
    pub incident: Incident,
    /// What would have been sent, and when; empty where the rule has no step for it.
    pub would: Vec<(UnixMs, &'static str)>,
    /// How it stands to what else was found.
    pub kin: Kin,
    /// What became of it.
    pub truth: Truth,
}

/// All of it, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How often it fired.
    pub fired: u32,
    /// Where nothing else was found.
    pub new: u32,
    /// Where something else was found at about the same time.
    pub same: u32,
    /// Where something else was found later.
    pub earlier: u32,
    /// How much later, in the middle, milliseconds.
    pub earlier_by_ms: i64,
    /// How often something was really wrong.
    pub real: u32,
    /// How often nothing was.
    pub nothing: u32,
    /// How many are not over.
    pub open: u32,
    /// How many steps it would have sent.
    pub steps: u32,
}

impl Sums {
    /// "fired 14 times in 30 days, 3 new, 9 same, 2 earlier by 41 min; 12 were real, 2 were nothing".
    pub fn words(&self, span_ms: i64) -> String {
        let times = match self.fired {
            1 => "once".to_owned(),
            many => format!("{many} times"),
        };
        let mut words = format!("fired {times} in {}", duration(span_ms));
        for (many, what) in [(self.new, "new"), (self.same, "same")] {
            if many > 0 {
                words = format!("{words}, {many} {what}");
            }
        }
        if self.earlier > 0 {
            let by = duration(self.earlier_by_ms);
            words = format!("{words}, {} earlier by {by}", self.earlier);
        }
        let rest = [(self.real, "real"), (self.nothing, "nothing"), (self.open, "still open")];
        let rest: Vec<String> = rest
            .iter()
            .filter(|(many, _)| *many > 0)
            .map(|(many, what)| {
                format!(
                    "{many} {}{what}",
                    if *what == "still open" {
                        ""
                    } else if *many == 1 {
                        "was "
                    } else {
                        "were "
                    }
                )
            })
            .collect();
        if rest.is_empty() { words } else { format!("{words}; {}", rest.join(", ")) }
    }
}

/// Whether an incident was opened while its rule only wrote down what it would do.
pub fn is_shadowed(incident: &Incident) -> bool {
    incident.healing.as_ref().is_some_and(|healing| healing.mode == HealMode::Shadow)
}

/// Holds an incident against the others of its charger and the charges after it.
pub fn judge(incident: &Incident, others: &[Incident], charges: ChargesAfter) -> Shadowed {
    let after = |other: &Incident| other.opened_at.since_ms(incident.opened_at);
    let is_here = |other: &&Incident| {
        let same_place = other.connector == incident.connector
            || other.connector.is_charger()
            || incident.connector == ConnectorRef::CHARGER;
        other.id != incident.id && other.rule != incident.rule && same_place
    };
    let mut near: Vec<&Incident> = others
        .iter()
        .filter(is_here)
        .filter(|other| (-SAME_MS..=LATER_MS).contains(&after(other)))
        .collect();
    near.sort_by_key(|other| (other.opened_at, other.id));
    let kin = match near.first() {
        None => Kin::New,
        Some(_) if near.iter().any(|other| after(other) <= SAME_MS) => Kin::Same,
        Some(first) => Kin::Earlier(after(first)),
    };
    let report = near.iter().find(|other| other.source == Source::User && after(other) > 0);
    let later = near.iter().find(|other| other.source == Source::System && after(other) > 0);
    // In shadow mode every incident is handed over: a ticket alone says nothing, work on it does.
    let words = &incident.resolution;
    let worked_on = words.contains(" worked on it") || words.contains(" in hand");
    let truth = if let Some(report) = report {
        Truth::Report(report.id, after(report))
    } else if let Some(later) = later {
        Truth::Later(later.id, later.rule.clone(), after(later))
    } else if charges.failed > 0 {
        Truth::FailedCharges(charges.failed)
    } else if !incident.state.is_over() {
        Truth::Open
    } else if let Some(ticket) = incident.ticket.filter(|_| worked_on) {
        Truth::Ticket(ticket)
    } else if incident.owner.is_some() || incident.resolution.starts_with("Resolved by ") {
        Truth::Person
    } else {
        Truth::Nothing(charges.worked)
    };
    let steps = incident.healing.iter().flat_map(|healing| &healing.steps);
    let would = steps
        .filter(|step| step.state == StepState::Shadowed)
        .map(|step| (step.at, step.rung.label()))
        .collect();
    Shadowed { incident: incident.clone(), would, kin, truth }
}

/// Adds them up.
pub fn sums(all: &[Shadowed]) -> Sums {
    let mut sums = Sums::default();
    let mut earlier = Vec::new();
    for one in all {
        sums.fired += 1;
        sums.steps += one.would.len() as u32;
        match one.kin {
            Kin::New => sums.new += 1,
            Kin::Same => sums.same += 1,
            Kin::Earlier(ms) => earlier.push(ms),
        }
        match &one.truth {
            Truth::Open => sums.open += 1,
            Truth::Nothing(_) => sums.nothing += 1,
            _ => sums.real += 1,
        }
    }
    earlier.sort_unstable();
    sums.earlier = earlier.len() as u32;
    sums.earlier_by_ms = earlier.get(earlier.len() / 2).copied().unwrap_or(0);
    sums
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{ChargerKey, Healing, IncidentState, MINUTE_MS, Rung, SiteKey, Step};

    use super::*;

    const AT: UnixMs = UnixMs(1_800_000_000_000);

    fn incident(id: i64, rule: &str, after_ms: i64) -> Incident {
        Incident {
            state: IncidentState::Resolved,
            connector: ConnectorRef::v16(1),
            resolution: "Went away by itself".to_owned(),
            ..Incident::opened(IncidentId(id), rule, ChargerKey(1), SiteKey(1), AT + after_ms)
        }
    }

    fn mine() -> Incident {
        let step = Step {
            number: 1,
            rung: Rung::L4,
            state: StepState::Shadowed,
            at: AT,
            commands: Vec::new(),
            accepted_at: None,
            ended_at: None,
            note: String::new(),
            guardrail: String::new(),
            why: String::new(),
        };
        Incident {
            healing: Some(Healing {
                playbook: "p".to_owned(),
                mode: HealMode::Shadow,
                ladder: vec![Rung::L4],
                steps: vec![step],
                stopped_by: None,
            }),
            ..incident(1, "MINE", 0)
        }
    }

    fn truth(own: &Incident, others: &[Incident], worked: u32, failed: u32) -> (Kin, Truth) {
        let judged = judge(own, others, ChargesAfter { worked, failed });
        (judged.kin, judged.truth)
    }

    #[test]
    fn what_becomes_of_it_is_the_strongest_that_shows() {
        let own = mine();
        assert_eq!(truth(&own, &[], 3, 0), (Kin::New, Truth::Nothing(3)));
        assert_eq!(truth(&own, &[], 3, 2), (Kin::New, Truth::FailedCharges(2)));
        let later = incident(2, "ERR_FAULTED", 41 * MINUTE_MS);
        let found = truth(&own, std::slice::from_ref(&later), 0, 2);
        assert_eq!(found.0, Kin::Earlier(41 * MINUTE_MS));
        assert_eq!(found.1.words(), "ERR_FAULTED found it 41 min later (INC-2)");
        let report =
            Incident { source: Source::User, ..incident(3, "USER_REPORT", 50 * MINUTE_MS) };
        let both = [later.clone(), report];
        assert_eq!(truth(&own, &both, 0, 0).1, Truth::Report(IncidentId(3), 50 * MINUTE_MS));
        let ticket = Incident { ticket: Some(TicketId(7)), ..mine() };
        assert_eq!(truth(&ticket, &[], 0, 0).1, Truth::Nothing(0), "it was handed over, no more");
        let resolution = "Recovered after Radu worked on it".to_owned();
        let ticket = Incident { resolution, ..ticket };
        assert_eq!(truth(&ticket, &[], 0, 0).1.words(), "somebody worked on it (T-7)");
        let open = Incident { state: IncidentState::Escalated, ..mine() };
        assert_eq!(truth(&open, &[], 0, 0).1, Truth::Open);
        let ended = Incident { resolution: "Resolved by ana".to_owned(), ..mine() };
        assert_eq!(truth(&ended, &[], 0, 0).1, Truth::Person);
        assert!(is_shadowed(&own) && !is_shadowed(&later));
        assert_eq!(judge(&own, &[], ChargesAfter::default()).would, [(AT, "Soft reset")]);
    }

    #[test]
    fn only_what_is_near_in_place_and_time_counts() {
        let own = mine();
        let elsewhere = Incident {
            connector: ConnectorRef::v16(2),
            ..incident(2, "ERR_FAULTED", 5 * MINUTE_MS)
        };
        let long_after = incident(3, "ERR_FAULTED", LATER_MS + 1);
        let same_rule = incident(4, "MINE", 5 * MINUTE_MS);
        let others = [elsewhere, long_after, same_rule, own.clone()];
        assert_eq!(truth(&own, &others, 1, 0), (Kin::New, Truth::Nothing(1)));
        let just_before = incident(5, "CP_OFFLINE", -5 * MINUTE_MS);
        assert_eq!(truth(&own, &[just_before], 1, 0), (Kin::Same, Truth::Nothing(1)));
    }

    #[test]
    fn the_sentence_counts() {
        let judged = |others: &[Incident], worked| {
            judge(&mine(), others, ChargesAfter { worked, failed: 0 })
        };
        let later = [incident(2, "ERR_FAULTED", 41 * MINUTE_MS)];
        let all = [judged(&[], 1), judged(&[], 0), judged(&later, 0)];
        let sums = sums(&all);
        assert_eq!((sums.fired, sums.steps), (3, 3));
        assert_eq!(
            sums.words(30 * DAY_MS),
            "fired 3 times in 30 days, 2 new, 1 earlier by 41 min; 1 was real, 2 were nothing"
        );
        assert_eq!(super::sums(&[]).words(30 * DAY_MS), "fired 0 times in 30 days");
    }
}
