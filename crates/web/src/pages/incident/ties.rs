//! What an incident has to do with others: its members, what it explains, what it was merged into,
//! and the firmware it holds back.

use mendpoint_escalation::{Held, HeldBy};
use mendpoint_model::{Breadth, Incident, UnixMs};
use mendpoint_pipeline::Handle;

use crate::pages::errors::PageError;
use crate::place::{Moment, charger_href};
use crate::show;

/// Rows of members and children that are shown.
const ROWS: usize = 50;

/// A flag with its colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    pub(crate) token: &'static str,
    pub(crate) label: String,
    /// The incident it points to; empty for none.
    pub(crate) href: String,
}

/// A charger in an outage.
#[derive(Clone, Debug)]
pub(super) struct MemberView {
    pub(super) charger: String,
    pub(super) href: String,
    pub(super) lost: Moment,
    pub(super) back: Option<Moment>,
    /// How long it was away.
    pub(super) away: String,
    /// "booted", "without a boot", or nothing while it is away.
    pub(super) how: String,
}

/// An outage.
#[derive(Clone, Debug)]
pub(super) struct OutageView {
    pub(super) lost: u32,
    pub(super) back: u32,
    pub(super) of: u32,
    pub(super) sites: u32,
    pub(super) cause: &'static str,
    pub(super) evidence: String,
    pub(super) members: Vec<MemberView>,
    pub(super) more: usize,
    /// How many times are proposed to be excluded from uptimes.
    pub(super) excluded: usize,
}

/// Another incident in a line.
#[derive(Clone, Debug)]
pub(super) struct OtherView {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) title: String,
    /// Why it is named here.
    pub(super) note: String,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct TiesView {
    pub(super) flags: Vec<Flag>,
    /// What a wide incident is about; empty for one of a charger.
    pub(super) scope: String,
    pub(super) outage: Option<OutageView>,
    /// Names and values.
    pub(super) regression: Vec<(&'static str, String)>,
    /// What this incident explains, or what was merged into it.
    pub(super) children: Vec<OtherView>,
    pub(super) suggestions: Vec<OtherView>,
    pub(super) can_merge: bool,
    pub(super) can_split: bool,
    /// "updates to 2.1.0 are paused", when an administrator can lift that.
    pub(super) pause: String,
}

impl TiesView {
    /// Whether there is anything to show besides flags.
    pub(super) fn is_something(&self) -> bool {
        self.outage.is_some() || !self.regression.is_empty() || !self.children.is_empty()
    }
}

/// The flags of an incident, for its page and for lists.
pub(crate) fn flags(incident: &Incident, held: Option<&Held>) -> Vec<Flag> {
    let ties = &incident.ties;
    let mut flags = Vec::new();
    let mut add = |token, label: String, href: String| flags.push(Flag { token, label, href });
    let link = |id| format!("/incidents/{id}");
    if let Some(parent) = ties.merged_into {
        add("maint", format!("merged into {parent}"), link(parent));
    }
    if let Some(parent) = ties.inhibited_by {
        add("maint", format!("explained by {parent}"), link(parent));
    }
    if let Some(held) = held {
        let (what, href) = match held.by {
            HeldBy::Silence => ("silenced", "/duty/silences"),
            HeldBy::Maintenance => ("maintenance", "/duty/maintenance"),
        };
        let label = format!("{what} until {}: {}", crate::show::date_time(held.until), held.why);
        add("maint", label, href.to_owned());
    }
    if ties.flapping {
        add("warn", format!("flapping, {} changes", ties.flaps), String::new());
    }
    if incident.blind && !incident.state.is_over() {
        add("offline", "not seen now".to_owned(), String::new());
    }
    flags
}

/// What a wide incident is about.
pub(crate) fn scope_words(incident: &Incident, site: &str) -> String {
    match &incident.ties.breadth {
        Breadth::Charger => String::new(),
        Breadth::Site => format!("The whole site {site}"),
        Breadth::Carrier(carrier) => format!("Mobile network {carrier}"),
        Breadth::Cohort(cohort) => format!("Firmware of {cohort}"),
        Breadth::Fleet => "The whole fleet".to_owned(),
    }
}

/// Reads it.
pub(super) async fn ties(
    handle: &Handle,
    incident: &Incident,
    site: &str,
    is_admin: bool,
    now: UnixMs,
) -> Result<TiesView, PageError> {
    let ties = &incident.ties;
    let is_over = incident.state.is_over();
    let children = handle.store().incident_children(incident.id, ROWS as u32).await?;
    let children = children.iter().map(|child| {
        let place = handle.directory().charger(child.charger);
        OtherView {
            id: child.id.to_string(),
            href: format!("/incidents/{}", child.id),
            title: child.title.clone(),
            note: place.map(|charger| charger.name.clone()).unwrap_or_default(),
        }
    });
    let suggestions = handle.merge_suggestions(incident).await.unwrap_or_default();
    let mut others = Vec::new();
    for suggestion in suggestions {
        let Some(other) = handle.store().incident(suggestion.into).await? else { continue };
        others.push(OtherView {
            id: other.id.to_string(),
            href: format!("/incidents/{}", other.id),
            title: other.title.clone(),
            note: suggestion.why,
        });
    }
    let excluded = handle.store().exclusions_of(incident.id).await?.len();
    let pause = handle
        .paused_rollouts()
        .into_iter()
        .find(|(id, _)| is_admin && *id == incident.id)
        .map(|(_, pause)| format!("Updates to {} are paused", pause.cohort.firmware))
        .unwrap_or_default();
    Ok(TiesView {
        flags: flags(incident, handle.held(incident.id).as_ref()),
        scope: scope_words(incident, site),
        outage: ties.outage.as_deref().map(|outage| OutageView {
            lost: outage.lost,
            back: outage.back,
            of: outage.of,
            sites: outage.sites,
            cause: outage.cause.map_or("", mendpoint_model::Cause::label),
            evidence: outage.evidence.clone(),
            members: outage.members.iter().take(ROWS).map(|m| member(handle, m, now)).collect(),
            more: (outage.lost as usize).saturating_sub(ROWS.min(outage.members.len())),
            excluded,
        }),
        regression: ties.regression.as_deref().map(figures).unwrap_or_default(),
        children: children.collect(),
        suggestions: others,
        can_merge: !is_over && ties.merged_into.is_none() && ties.merged.is_empty(),
        can_split: !is_over && ties.merged_into.is_some(),
        pause,
    })
}

fn member(handle: &Handle, member: &mendpoint_model::Member, now: UnixMs) -> MemberView {
    let record = handle.directory().charger(member.charger);
    let how = match (&member.boot, member.back_at) {
        (Some(reason), _) if reason.is_empty() => "booted".to_owned(),
        (Some(reason), _) => format!("booted, {reason}"),
        (None, Some(_)) => "without a boot".to_owned(),
        (None, None) => "away".to_owned(),
    };
    MemberView {
        charger: record
            .as_ref()
            .map_or_else(|| member.charger.to_string(), |record| record.name.clone()),
        href: record.map(|record| charger_href(&record.identity)).unwrap_or_default(),
        lost: Moment::new(now, member.lost_at),
        back: member.back_at.map(|at| Moment::new(now, at)),
        away: show::duration(member.back_at.unwrap_or(now).since_ms(member.lost_at).max(0)),
        how,
    }
}

fn figures(found: &mendpoint_model::Regression) -> Vec<(&'static str, String)> {
    let rate = |(events, hours): (u32, f64)| {
        let per = if hours > 0.0 { f64::from(events) / hours } else { 0.0 };
        format!("{per:.2} per 1,000 connector-hours ({events} in {hours:.2} thousand)")
    };
    let ratio = found.ratio.map_or_else(
        || "it never came before".to_owned(),
        |ratio| format!("{ratio:.1} times as often"),
    );
    vec![
        ("Fault", found.code.clone()),
        ("Chargers compared", found.chargers.to_string()),
        ("Chargers that show it", found.affected.to_string()),
        ("Now", rate(found.now)),
        ("Before", format!("{}, with {}", rate(found.then), found.before)),
        ("Difference", ratio),
        ("By chance", format!("p = {:.4}, corrected after Holm", found.p)),
        ("Proposed", format!("Go back to {}", found.before)),
    ]
}
