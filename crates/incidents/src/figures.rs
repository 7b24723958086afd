//! Figures of charging and healing: what an attempt, a visit and an incident count as.

use mendpoint_model::{ChargeFigures, Incident, StepState};

use crate::visits::{AttemptEnded, Outcome, VisitEnded};

impl AttemptEnded {
    /// Counts it in.
    pub fn count_in(&self, figures: &mut ChargeFigures) {
        match self.outcome {
            Outcome::Completed | Outcome::Failed(_) => {
                figures.attempts += 1;
                figures.started += u64::from(self.started);
                figures.completed += u64::from(self.started && self.outcome == Outcome::Completed);
            }
            Outcome::Excused => figures.excused += 1,
            Outcome::Unknown => {}
        }
    }
}

impl VisitEnded {
    /// Counts it in.
    pub fn count_in(&self, figures: &mut ChargeFigures) {
        figures.visits += 1;
        figures.visits_first += u64::from(self.first_succeeded);
        figures.visits_succeeded += u64::from(self.succeeded);
    }
}

/// What became of incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealFigures {
    /// Incidents that were opened.
    pub incidents: u64,
    /// Of those, resolved.
    pub resolved: u64,
    /// Of those, by a command of ours, and nobody had to come.
    pub healed: u64,
    /// Of the resolved ones, gone by themselves: no command, nobody.
    pub by_itself: u64,
    /// Handed to a person.
    pub handed_over: u64,
    /// Handed over, and gone by themselves.
    pub false_alarms: u64,
    /// Steps that were sent.
    pub steps: u64,
    /// Of those, that made it worse (G9).
    pub worse: u64,
    /// From opening to resolved where a command did it, in the middle, milliseconds.
    pub heal_ms: Option<i64>,
}

impl HealFigures {
    /// The figures of these incidents.
    pub fn of<'a>(incidents: impl IntoIterator<Item = &'a Incident>) -> Self {
        let mut figures = Self::default();
        let mut times = Vec::new();
        for incident in incidents {
            figures.incidents += 1;
            let steps = || incident.healing.iter().flat_map(|healing| &healing.steps);
            let sent = steps().filter(|step| !step.commands.is_empty()).count() as u64;
            figures.steps += sent;
            figures.worse += steps().filter(|step| step.state == StepState::Worse).count() as u64;
            let fixed = steps().any(|step| step.state == StepState::Fixed);
            let person = incident.owner.is_some();
            figures.handed_over += u64::from(incident.ticket.is_some());
            let Some(resolved_at) = incident.resolved_at else { continue };
            figures.resolved += 1;
            if fixed && incident.ticket.is_none() && !person {
                figures.healed += 1;
                times.push(resolved_at.since_ms(incident.opened_at));
            } else if sent == 0 && !person {
                figures.by_itself += 1;
                figures.false_alarms += u64::from(incident.ticket.is_some());
            }
        }
        figures.heal_ms = middle(times);
        figures
    }

    /// Resolved incidents that were healed without a person, from 0 to 1; `None` while none is resolved.
    pub fn healed_share(&self) -> Option<f64> {
        share(self.healed, self.resolved)
    }

    /// Incidents handed to a person that went by themselves, from 0 to 1; `None` while none was handed over.
    pub fn false_alarm_share(&self) -> Option<f64> {
        share(self.false_alarms, self.handed_over)
    }

    /// Steps that made it worse (G9), from 0 to 1; `None` while none was sent.
    pub fn worse_share(&self) -> Option<f64> {
        share(self.worse, self.steps)
    }

    /// The figures of several times together; of how long healing took, the middle of their middles:
    /// exact enough to be watched, and the incidents need not be kept.
    pub fn together<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        let mut times = Vec::new();
        for part in parts {
            all.incidents += part.incidents;
            all.resolved += part.resolved;
            all.healed += part.healed;
            all.by_itself += part.by_itself;
            all.handed_over += part.handed_over;
            all.false_alarms += part.false_alarms;
            all.steps += part.steps;
            all.worse += part.worse;
            times.extend(part.heal_ms);
        }
        all.heal_ms = middle(times);
        all
    }
}

/// The median: of an even number the mean of the two in the middle.
fn middle(mut times: Vec<i64>) -> Option<i64> {
    times.sort_unstable();
    let upper = *times.get(times.len() / 2)?;
    let lower = times[(times.len() - 1) / 2];
    Some(lower + (upper - lower) / 2)
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{
        ChargerKey, CommandId, ConnectorRef, HealMode, Healing, IncidentId, Rung, SiteKey, Step,
        TicketId, UnixMs,
    };

    use super::*;
    use crate::Failure;

    fn attempt(started: bool, outcome: Outcome) -> AttemptEnded {
        AttemptEnded {
            charger: ChargerKey(1),
            site: SiteKey(1),
            connector: ConnectorRef::v16(1),
            began_at: UnixMs(0),
            ended_at: UnixMs(1_000),
            started,
            outcome,
            energy_wh: None,
        }
    }

    fn visit(first_succeeded: bool, succeeded: bool) -> VisitEnded {
        VisitEnded {
            site: SiteKey(1),
            charger: ChargerKey(1),
            began_at: UnixMs(0),
            ended_at: UnixMs(0),
            attempts: 1,
            first_succeeded,
            succeeded,
        }
    }

    #[test]
    fn the_four_rates_come_of_one_fold() {
        let mut figures = ChargeFigures::default();
        assert_eq!((figures.csr(), figures.ftcsr()), (None, None));
        for (started, outcome) in [
            (true, Outcome::Completed),
            (true, Outcome::Completed),
            (true, Outcome::Completed),
            (true, Outcome::Failed(Failure::NoEnergy)),
            (true, Outcome::Excused),
            (true, Outcome::Unknown),
            (false, Outcome::Failed(Failure::NeverStarted)),
        ] {
            attempt(started, outcome).count_in(&mut figures);
        }
        assert_eq!((figures.attempts, figures.started, figures.completed), (5, 4, 3));
        assert_eq!(figures.csr(), Some(0.5));
        assert_eq!(figures.tsr(), Some(0.6));
        for (first, any) in [(true, true), (false, true), (false, false), (true, true)] {
            visit(first, any).count_in(&mut figures);
        }
        assert_eq!(figures.ftcsr(), Some(0.5));
        assert_eq!(figures.visit_success(), Some(0.75));
        let mut both = figures;
        both += figures;
        assert_eq!((both.attempts, both.excused, both.visits_succeeded), (10, 2, 6));
    }

    /// An incident that was opened at zero and took `resolved_s` to be over.
    fn incident(resolved_s: Option<i64>, step: Option<StepState>) -> Incident {
        let step = step.map(|state| Step {
            number: 1,
            rung: Rung::L4,
            state,
            at: UnixMs(0),
            commands: vec![(CommandId("c-1".into()), None)],
            accepted_at: None,
            ended_at: None,
            note: String::new(),
            guardrail: String::new(),
            why: String::new(),
        });
        Incident {
            resolved_at: resolved_s.map(|s| UnixMs(s * 1_000)),
            healing: step.map(|step| Healing {
                playbook: "reset".to_owned(),
                mode: HealMode::On,
                ladder: vec![Rung::L4],
                steps: vec![step],
                stopped_by: None,
            }),
            ..Incident::opened(IncidentId(1), "ERR_FAULTED", ChargerKey(1), SiteKey(1), UnixMs(0))
        }
    }

    #[test]
    fn an_incident_was_healed_or_went_by_itself_or_needed_somebody() {
        let fixed = incident(Some(90), Some(StepState::Fixed));
        let slower = incident(Some(300), Some(StepState::Fixed));
        let by_itself = incident(Some(60), None);
        let worse = incident(None, Some(StepState::Worse));
        let mut handed = incident(Some(600), Some(StepState::Fixed));
        handed.ticket = Some(TicketId(1));
        let mut false_alarm = incident(Some(600), None);
        false_alarm.ticket = Some(TicketId(2));
        let mut taken = incident(Some(600), None);
        taken.owner = Some("Ana".to_owned());
        let all = [fixed, slower, by_itself, worse, handed, false_alarm, taken];
        let figures = HealFigures::of(&all);
        let wanted = HealFigures {
            incidents: 7,
            resolved: 6,
            healed: 2,
            by_itself: 2,
            handed_over: 2,
            false_alarms: 1,
            steps: 4,
            worse: 1,
            heal_ms: Some(195_000),
        };
        assert_eq!(figures, wanted);
        assert_eq!(middle(vec![30, 10, 20]), Some(20));
        assert_eq!(HealFigures::of(&[]), HealFigures::default());
        assert_eq!(figures.healed_share(), Some(2.0 / 6.0));
        assert_eq!(figures.false_alarm_share(), Some(0.5));
        assert_eq!(figures.worse_share(), Some(0.25));
        assert_eq!(HealFigures::default().worse_share(), None);
        let (first, rest) = all.split_at(3);
        let parts = [HealFigures::of(first), HealFigures::of(rest)];
        assert_eq!(
            HealFigures::together(&parts),
            HealFigures { heal_ms: wanted.heal_ms, ..wanted }
        );
    }
}
