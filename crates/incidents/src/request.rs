//! What people do to incidents.

use mendpoint_model::{
    Actor, ChargerKey, Chargers, ConnectorRef, HOUR_MS, HealMode, IncidentId, IncidentState,
    SiteKey, Source, StepState, TicketId, UnixMs,
};
use serde::{Deserialize, Serialize};

use crate::case::{Case, Line};
use crate::credit::Hand;
use crate::effect::Effect;
use crate::engine::{Cx, Engine};
use crate::heal::approve::StepAsked;
use crate::report::{REASON_LIST, Report};
use crate::seen::Seen;

/// The longest a person puts an incident off, as long as the longest silence.
const SNOOZE_MAX_MS: i64 = 30 * 24 * HOUR_MS;
/// The longest text of a note, a report or a reason, in characters.
const TEXT_MAX: usize = 4_000;

/// What a person, or a program for a person, wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Takes an incident as one's own.
    Take {
        /// Which.
        incident: IncidentId,
        /// Who.
        user: String,
    },
    /// Gives it back.
    Release {
        /// Which.
        incident: IncidentId,
        /// Who.
        user: String,
    },
    /// Takes it out of "Needs you" for a while.
    Snooze {
        /// Which.
        incident: IncidentId,
        /// Who.
        user: String,
        /// Until when.
        until: UnixMs,
    },
    /// Writes a note into its history.
    Note {
        /// Which.
        incident: IncidentId,
        /// Who.
        user: String,
        /// What.
        text: String,
    },
    /// Declares it over.
    Resolve {
        /// Which.
        incident: IncidentId,
        /// Who.
        user: String,
        /// Why; may be empty.
        reason: String,
        /// Somebody saw that it is safe, although the charger still reports a fault of safety.
        safe: bool,
    },
    /// Stops its healing for good; what is under way is still watched.
    StopHealing {
        /// Which.
        incident: IncidentId,
        /// Who.
        user: String,
    },
    /// Begins its playbook anew, inside the guardrails.
    RunPlaybook {
        /// Which.
        incident: IncidentId,
        /// Who.
        user: String,
    },
    /// Approves the step that waits (G10).
    Approve {
        /// Which.
        incident: IncidentId,
        /// The step they were shown; when another one waits, nothing is approved.
        step: StepAsked,
        /// Who.
        user: String,
    },
    /// Refuses the step that waits.
    Refuse {
        /// Which.
        incident: IncidentId,
        /// The step they were shown.
        step: StepAsked,
        /// Who.
        user: String,
    },
    /// Something of the above, if the incident is still as it was seen.
    IfSeen {
        /// How it was seen.
        seen: Seen,
        /// What is wanted of it.
        request: Box<Request>,
    },
    /// Somebody reports that something is wrong.
    Report {
        /// With which charger.
        charger: ChargerKey,
        /// With which connector, if told.
        connector: Option<ConnectorRef>,
        /// Code of the reason (`not_working`, ..: features ).
        reason: String,
        /// In their own words; may be empty.
        text: String,
        /// Who; "a driver" when nobody knows.
        reporter: String,
        /// What kind of person.
        source: Source,
    },
    /// A ticket of an incident was opened or changed.
    TicketChanged {
        /// The incident.
        incident: IncidentId,
        /// Its ticket.
        ticket: TicketId,
        /// Its state now: `new`, `assigned`, `accepted`, `en_route`, `on_site`, `in_progress`,
        /// `waiting_..`, `resolved`, `verifying`, `closed`, `cancelled`.
        status: String,
        /// Who did it.
        user: String,
    },
    /// Puts an incident into another one: from now on only that one is worked on.
    Merge {
        /// Which.
        incident: IncidentId,
        /// Into which.
        into: IncidentId,
        /// Who.
        user: String,
    },
    /// The other side of a merge, for the shard of the incident that takes the other one in.
    MergeIn {
        /// Which takes it in.
        incident: IncidentId,
        /// What it takes in.
        child: IncidentId,
        /// Who.
        user: String,
    },
    /// Takes an incident out of the one it was merged into.
    Split {
        /// Which.
        incident: IncidentId,
        /// Who.
        user: String,
    },
    /// The other side of a split.
    SplitOut {
        /// Which loses it.
        incident: IncidentId,
        /// What it loses.
        child: IncidentId,
        /// Who.
        user: String,
    },
    /// An incident of another shard is over: what was merged into it is judged by itself.
    ParentOver {
        /// Which is over.
        incident: IncidentId,
    },
    /// Switches healing off, or on again (G11). Answered with incident 0.
    KillSwitch {
        /// Where.
        scope: KillScope,
        /// `true`: nothing is sent any more.
        on: bool,
        /// Who.
        user: String,
    },
}

/// What comes next while nobody accepted a ticket.
fn waits_words(ticket: TicketId, owner: Option<&str>) -> String {
    match owner {
        None => format!("{ticket} waits for somebody to accept it"),
        Some(owner) => format!("{owner} has it; nobody accepted {ticket} yet"),
    }
}

impl Request {
    /// The incident a request is about; `None` for reports and kill switches.
    pub fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::Take { incident, .. }
            | Self::Release { incident, .. }
            | Self::Snooze { incident, .. }
            | Self::Note { incident, .. }
            | Self::Resolve { incident, .. }
            | Self::StopHealing { incident, .. }
            | Self::RunPlaybook { incident, .. }
            | Self::Approve { incident, .. }
            | Self::Refuse { incident, .. }
            | Self::Merge { incident, .. }
            | Self::MergeIn { incident, .. }
            | Self::Split { incident, .. }
            | Self::SplitOut { incident, .. }
            | Self::ParentOver { incident }
            | Self::TicketChanged { incident, .. } => Some(*incident),
            Self::IfSeen { request, .. } => request.incident(),
            Self::Report { .. } | Self::KillSwitch { .. } => None,
        }
    }

    /// What a person wrote.
    fn text(&self) -> &str {
        match self {
            Self::Note { text, .. } | Self::Report { text, .. } => text,
            Self::Resolve { reason, .. } => reason,
            Self::IfSeen { request, .. } => request.text(),
            _ => "",
        }
    }
}

/// Where healing is switched off.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KillScope {
    /// Everywhere.
    Global,
    /// At a site.
    Site(SiteKey),
    /// At a charger.
    Charger(ChargerKey),
}

/// Why a request was refused, fit to follow "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The incident is not known here any more.
    #[error("find {0}: it is over and put away, or it never was")]
    UnknownIncident(IncidentId),
    /// The charger is not known.
    #[error("find the charger: register it first")]
    UnknownCharger,
    /// The incident is over.
    #[error("change {0}: it is over already")]
    Over(IncidentId),
    /// Nothing waits for an approval.
    #[error("decide about {0}: no step waits for an approval")]
    NothingToApprove(IncidentId),
    /// Another step waits than the one that was decided about.
    #[error("decide about {asked} of {incident}: that is not what waits; {waits}, waits now")]
    OtherStep {
        /// Of which incident.
        incident: IncidentId,
        /// What was decided about.
        asked: StepAsked,
        /// What waits for a decision now.
        waits: StepAsked,
    },
    /// It is not as it was seen any more.
    #[error("change {0}: since you looked, {1}; look again and decide anew")]
    Changed(IncidentId, String),
    /// It belongs to somebody else, or to nobody.
    #[error("give {0} back: it is not {1}'s")]
    NotTheirs(IncidentId, String),
    /// Its playbook is being worked through.
    #[error("start the playbook of {0}: it is under way already")]
    UnderWay(IncidentId),
    /// The time of a snooze is no use.
    #[error("put {0} off: {1}")]
    BadTime(IncidentId, String),
    /// A fault of safety that is still there is not talked away.
    #[error(
        "resolve {0}: its charger still reports {1}, a matter of safety; let somebody look at it \
         first, and then say that it is safe"
    )]
    StillDangerous(IncidentId, String),
    /// Nothing heals the incident, so that there is nothing to stop.
    #[error("stop the healing of {0}: nothing heals it")]
    NotHealed(IncidentId),
    /// The incident has no playbook.
    #[error("heal {0}: its rule has no playbook for this fault")]
    NoPlaybook(IncidentId),
    /// The reason of a report is none of the known ones.
    #[error("read the report: `{0}` is no reason; use one of {list}", list = REASON_LIST)]
    UnknownReason(String),
    /// An incident cannot be part of itself.
    #[error("merge {0}: it is the same incident")]
    MergeSelf(IncidentId),
    /// It is part of another one.
    #[error("merge {0}: it is part of {1} already")]
    MergedAlready(IncidentId, IncidentId),
    /// Others are part of it.
    #[error("merge {0}: others were merged into it; merge the other way round")]
    HasMembers(IncidentId),
    /// It is part of none.
    #[error("split {0} off: it is not merged into any other")]
    NotMerged(IncidentId),
    /// A text is missing.
    #[error("write it down: the text is empty")]
    EmptyText,
    /// A text is longer than anybody reads.
    #[error("write it down: the text has at most {TEXT_MAX} characters")]
    LongText,
}

impl Engine {
    /// Does what a person asks. Answers with the incident it concerned.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing was changed then.
    pub fn request(
        &mut self,
        now: UnixMs,
        request: Request,
        fleet: &dyn Chargers,
        out: &mut Vec<Effect>,
    ) -> Result<IncidentId, RequestError> {
        let cx = Cx { now, fleet, frame: 0, from: None };
        let result = self.do_request(&cx, request);
        self.run_due(&cx);
        self.flush(now, out);
        result
    }

    fn do_request(&mut self, cx: &Cx<'_>, request: Request) -> Result<IncidentId, RequestError> {
        if request.text().chars().nth(TEXT_MAX).is_some() {
            return Err(RequestError::LongText);
        }
        match request {
            Request::KillSwitch { scope, on, user } => {
                self.kill_switch(cx, &scope, on, &user);
                Ok(IncidentId(0))
            }
            Request::Report { charger, connector, reason, text, reporter, source } => {
                let report = Report { charger, connector, reason, text, reporter, source };
                self.report(cx, report)
            }
            Request::Note { incident, user, text } => {
                if text.trim().is_empty() {
                    return Err(RequestError::EmptyText);
                }
                let line = Line::new("note", format!("Note by {user}")).text(text);
                let entry = line.by(Actor::User(user)).entry(incident, cx.now, 0);
                // A note may come after the incident was put away: the line is enough.
                self.lines.push(entry);
                Ok(incident)
            }
            Request::MergeIn { incident, child, user } => {
                self.merge_in(cx, incident, child, &user)?;
                Ok(incident)
            }
            Request::SplitOut { incident, child, user } => {
                self.split_out(cx, incident, child, &user);
                Ok(incident)
            }
            Request::ParentOver { incident } => {
                self.release_children(cx, incident);
                Ok(incident)
            }
            Request::TicketChanged { incident, ticket, status, user } => {
                self.ticket_changed(cx, incident, ticket, &status, &user)
            }
            Request::IfSeen { seen, request } => {
                let id = request.incident().unwrap_or_default();
                if let Some(case) = self.cases.get(&id)
                    && !case.incident.state.is_over()
                {
                    seen.check(case)?;
                }
                self.do_request(cx, *request)
            }
            other => {
                let id = other.incident().unwrap_or_default();
                let case = self.cases.get(&id).ok_or(RequestError::UnknownIncident(id))?;
                if case.incident.state.is_over() {
                    return Err(RequestError::Over(id));
                }
                self.do_for_case(cx, id, other)?;
                Ok(id)
            }
        }
    }

    fn do_for_case(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        request: Request,
    ) -> Result<(), RequestError> {
        match request {
            Request::Take { user, .. } => self.take(cx, id, &user),
            Request::Release { user, .. } => return self.give_back(cx, id, user),
            Request::Snooze { user, until, .. } => return self.snooze(cx, id, user, until),
            Request::Resolve { user, reason, safe, .. } => {
                if let Some(code) = self.danger_of(cx, id).filter(|_| !safe) {
                    return Err(RequestError::StillDangerous(id, code));
                }
                let words = if reason.trim().is_empty() {
                    format!("Resolved by {user}")
                } else {
                    format!("Resolved by {user}: {}", reason.trim())
                };
                self.resolve(cx, id, &words, &Actor::User(user), None);
                self.tend(cx, id);
            }
            Request::StopHealing { user, .. } => return self.stop_healing(cx, id, &user),
            Request::RunPlaybook { user, .. } => return self.run_playbook(cx, id, &user),
            Request::Approve { step, user, .. } => {
                return self.decide_step(cx, id, step, &user, true);
            }
            Request::Refuse { step, user, .. } => {
                return self.decide_step(cx, id, step, &user, false);
            }
            Request::Merge { into, user, .. } => return self.merge(cx, id, into, &user),
            Request::Split { user, .. } => return self.split(cx, id, &user),
            Request::IfSeen { .. }
            | Request::MergeIn { .. }
            | Request::SplitOut { .. }
            | Request::ParentOver { .. }
            | Request::Note { .. }
            | Request::Report { .. }
            | Request::TicketChanged { .. }
            | Request::KillSwitch { .. } => {}
        }
        Ok(())
    }

    /// The fault of safety that an incident is about, unless it is known to be gone. What was taken
    /// out of service for it does not report it any more.
    fn danger_of(&self, cx: &Cx<'_>, id: IncidentId) -> Option<String> {
        let case = self.cases.get(&id)?;
        let code = &case.incident.code;
        let is_gone = self.condition_now(cx, id) == Some(false) && !case.is_quarantined();
        let recovered = case.incident.state == IncidentState::RecoveredUnproven;
        (crate::codes::is_safety(code) && !is_gone && !recovered).then(|| code.clone())
    }

    fn take(&mut self, cx: &Cx<'_>, id: IncidentId, user: &str) {
        if let Some(case) = self.cases.get_mut(&id) {
            if case.incident.owner.as_deref() == Some(user) {
                return;
            }
            let waited = case
                .incident
                .ticket
                .map(|ticket| (waits_words(ticket, case.incident.owner.as_deref()), ticket));
            if let Some((words, ticket)) = waited
                && case.incident.next == words
            {
                case.incident.next = waits_words(ticket, Some(user));
            }
            case.incident.owner = Some(user.to_owned());
            let rests =
                matches!(case.incident.state, IncidentState::Open | IncidentState::Escalated);
            if rests && !case.run.active {
                case.incident.state = IncidentState::Acknowledged;
            }
        }
        let line = Line::new("taken", format!("{user} took it"));
        self.say(cx, id, line.by(Actor::User(user.to_owned())));
    }

    fn give_back(&mut self, cx: &Cx<'_>, id: IncidentId, user: String) -> Result<(), RequestError> {
        let case = self.cases.get_mut(&id).ok_or(RequestError::UnknownIncident(id))?;
        if case.incident.owner.as_deref() != Some(user.as_str()) {
            return Err(RequestError::NotTheirs(id, user));
        }
        if let Some(ticket) = case.incident.ticket
            && case.incident.next == waits_words(ticket, Some(&user))
        {
            case.incident.next = waits_words(ticket, None);
        }
        case.incident.owner = None;
        if case.incident.state == IncidentState::Acknowledged {
            case.incident.state = case.resting();
        }
        let line = Line::new("released", format!("{user} gave it back"));
        self.say(cx, id, line.by(Actor::User(user)));
        Ok(())
    }

    fn snooze(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        user: String,
        until: UnixMs,
    ) -> Result<(), RequestError> {
        if until <= cx.now {
            return Err(RequestError::BadTime(id, format!("{} is over already", until.rfc3339())));
        }
        if until.since_ms(cx.now) > SNOOZE_MAX_MS {
            let words = "for 30 days at most; what is accepted for good is resolved".to_owned();
            return Err(RequestError::BadTime(id, words));
        }
        let case = self.cases.get_mut(&id).ok_or(RequestError::UnknownIncident(id))?;
        case.snoozed_until = Some(until);
        case.incident.needs_person = false;
        let line = Line::new("snoozed", format!("{user} put it off until {until}"));
        self.say(cx, id, line.by(Actor::User(user)));
        self.tend(cx, id);
        Ok(())
    }

    fn stop_healing(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        user: &str,
    ) -> Result<(), RequestError> {
        let is_stopped = |case: &Case| {
            !case.run.active && case.healing().is_some_and(|healing| healing.stopped_by.is_some())
        };
        if self.cases.get(&id).is_some_and(is_stopped) {
            return Ok(());
        }
        let case = self.cases.get_mut(&id).ok_or(RequestError::UnknownIncident(id))?;
        let healing = case.incident.healing.as_mut().ok_or(RequestError::NotHealed(id))?;
        healing.stopped_by = Some(user.to_owned());
        case.run.active = false;
        let is_owned = case.incident.owner.is_some();
        let line = Line::new("healing_stopped", format!("{user} stopped the healing"));
        self.say(cx, id, line.by(Actor::User(user.to_owned())));
        let waits = self.cases.get(&id).and_then(Case::step).is_some_and(|step| {
            matches!(step.state, StepState::Waiting | StepState::AwaitingApproval)
        });
        if waits {
            // What held it back before is not why it is not done.
            self.set_guardrail(id, "");
            self.end_step(cx, id, StepState::Skipped, &format!("Stopped by {user}"));
        }
        // Whoever has it goes on by hand; else somebody is asked.
        if is_owned {
            self.leave_to_owner(id);
        } else {
            self.escalate(cx, id, &format!("{user} stopped the healing."));
        }
        self.tend(cx, id);
        Ok(())
    }

    fn leave_to_owner(&mut self, id: IncidentId) {
        let Some(case) = self.cases.get_mut(&id) else { return };
        let incident = &mut case.incident;
        if matches!(
            incident.state,
            IncidentState::Open | IncidentState::Healing | IncidentState::Verifying
        ) {
            incident.state = IncidentState::Acknowledged;
        }
        incident.next.clear();
        incident.next_at = None;
        self.dirty.insert(id);
    }

    fn run_playbook(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        user: &str,
    ) -> Result<(), RequestError> {
        let case = self.cases.get(&id).ok_or(RequestError::UnknownIncident(id))?;
        let rule = case.rule.map(|place| &self.program.rules[usize::from(place)]);
        // Who starts it by hand has decided that it may act; step by step stays step by step.
        let fresh = rule.and_then(|rule| self.healing_in(rule, &case.incident.code, HealMode::On));
        let case = self.cases.get_mut(&id).ok_or(RequestError::UnknownIncident(id))?;
        let under_way = case.step().is_some();
        if case.incident.healing.is_none() {
            case.incident.healing = fresh;
        }
        if under_way && case.is_healing() {
            return Err(RequestError::UnderWay(id));
        }
        let healing = case.incident.healing.as_mut().ok_or(RequestError::NoPlaybook(id))?;
        healing.stopped_by = None;
        if healing.mode != HealMode::Approve {
            healing.mode = HealMode::On;
        }
        case.run.active = true;
        if !under_way {
            case.run.position = 0;
            case.run.begin_step();
        }
        let line = Line::new("playbook_started", format!("{user} started the playbook"));
        self.say(cx, id, line.by(Actor::User(user.to_owned())));
        self.tend(cx, id);
        Ok(())
    }

    fn kill_switch(&mut self, cx: &Cx<'_>, scope: &KillScope, on: bool, user: &str) {
        let changed =
            if on { self.switches.insert(scope.clone()) } else { self.switches.remove(scope) };
        if !changed {
            return;
        }
        let concerned: Vec<IncidentId> = self
            .cases
            .values()
            .filter(|case| case.run.active)
            .filter(|case| match scope {
                KillScope::Global => true,
                KillScope::Site(site) => case.incident.site == *site,
                KillScope::Charger(charger) => case.incident.charger == *charger,
            })
            .map(|case| case.incident.id)
            .collect();
        for id in concerned {
            let title = if on {
                format!("{user} switched healing off")
            } else {
                format!("{user} switched healing on again")
            };
            let line = Line::new(if on { "healing_off" } else { "healing_on" }, title);
            self.say(cx, id, line.by(Actor::User(user.to_owned())));
            self.tend(cx, id);
        }
    }

    fn ticket_changed(
        &mut self,
        cx: &Cx<'_>,
        id: IncidentId,
        ticket: TicketId,
        status: &str,
        user: &str,
    ) -> Result<IncidentId, RequestError> {
        let case = self.cases.get_mut(&id).ok_or(RequestError::UnknownIncident(id))?;
        let bound = case.incident.ticket.is_some();
        case.incident.ticket = Some(ticket);
        case.ticket_asked = true;
        case.escalate_at = None;
        case.hand = Hand::after(case.hand.take(), ticket, status, user);
        let over = case.incident.state.is_over();
        let recovered = case.incident.state == IncidentState::RecoveredUnproven;
        let state = match status {
            "accepted" | "en_route" => Some(IncidentState::Acknowledged),
            "on_site" | "in_progress" => Some(IncidentState::InProgress),
            "opened" | "new" | "assigned" | "cancelled" => Some(IncidentState::Escalated),
            _ => None,
        };
        if let Some(state) = state.filter(|_| !over && !recovered && !case.run.active) {
            case.incident.state = state;
            case.incident.needs_person = state == IncidentState::Escalated;
            case.incident.next = match state {
                _ if status == "cancelled" => format!("{ticket} was cancelled"),
                IncidentState::Escalated => waits_words(ticket, case.incident.owner.as_deref()),
                _ => format!("{ticket} is with {user}"),
            };
        }
        let title = if bound {
            format!("{ticket}: {}", status.replace('_', " "))
        } else {
            format!("{ticket} opened")
        };
        let line = Line::new("ticket", title).by(Actor::User(user.to_owned()));
        self.say(cx, id, line);
        if matches!(status, "resolved" | "closed") && !over {
            self.ticket_resolved(cx, id, ticket, user);
        }
        self.tend(cx, id);
        Ok(id)
    }

    /// A person says it is repaired. The charger has the last word.
    fn ticket_resolved(&mut self, cx: &Cx<'_>, id: IncidentId, ticket: TicketId, user: &str) {
        let Some(case) = self.cases.get(&id) else { return };
        if case.incident.state == IncidentState::RecoveredUnproven {
            return;
        }
        if case.rule.is_none() {
            let words = format!("Resolved by {user}, {ticket}");
            self.resolve(cx, id, &words, &Actor::User(user.to_owned()), None);
            return;
        }
        match self.condition_now(cx, id) {
            Some(false) => self.recovered(cx, id, None),
            Some(true) => {
                let why = format!("{ticket} was resolved, but the charger still reports it");
                self.say(cx, id, Line::new("still_there", why.clone()));
                self.tail.push(Effect::TicketEvidence {
                    ticket,
                    incident: id,
                    kind: crate::effect::Evidence::FaultReturned,
                    at: cx.now,
                    text: why,
                });
            }
            None => {}
        }
    }
}
