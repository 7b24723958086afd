//! Who is told of incidents: who is on call, chains, rotas, silences, maintenance, places, persons.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use mendpoint_escalation::{
    Access, Case, Hours, Matcher, Override, Person, PlaceTags, QuietHours, Rota, Scope, Silence,
    Turn, Window,
};
use mendpoint_model::{IncidentId, UnixMs};
use mendpoint_pipeline::Handle;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Admin, Caller, Operator};
use super::chargers::find;
use super::error::{ApiError, Result};
use super::extract::Body;
use super::json::{Page, time};
use crate::AppState;

/// Reads a time.
fn at(field: &str, text: &str) -> Result<UnixMs> {
    UnixMs::parse_rfc3339(text).ok_or_else(|| {
        ApiError::bad_request(format!("{field} is a time as in 2026-11-23T08:00:00Z, not {text:?}"))
    })
}

fn all<T>(items: Vec<T>) -> Json<Page<T>> {
    Json(Page { items, next: None })
}

/// Who is on call by a rota now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OnCallJson {
    rota: String,
    /// The name they sign in with; `null` for nobody.
    first: Option<String>,
    second: Option<String>,
    /// When somebody else is; `null` when that does not change within a month.
    until: Option<String>,
    /// When nobody can be told within the next 14 days.
    gaps: Vec<GapJson>,
}

/// A time at which nobody can be told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GapJson {
    from: String,
    to: String,
    why: String,
}

/// How far the chain of an incident is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChainJson {
    incident: String,
    route: String,
    chain: String,
    /// From when its times count; `null` while nobody need be told.
    began_at: Option<String>,
    steps_done: usize,
    steps: usize,
    told: Vec<ToldJson>,
    taken_by: Option<String>,
    /// `silence` or `maintenance`, while that keeps people from being told.
    held_by: Option<&'static str>,
    held_until: Option<String>,
    breached_at: Option<String>,
    work_ordered_at: Option<String>,
}

/// Somebody who was told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ToldJson {
    name: String,
    role: String,
    at: String,
}

impl ChainJson {
    pub(crate) fn new(handle: &Handle, incident: IncidentId, case: &Case) -> Self {
        let book = handle.duty_book();
        let held = case.held.as_ref();
        Self {
            incident: incident.to_string(),
            route: case.route.clone(),
            chain: case.chain.clone(),
            began_at: time(case.began_at),
            steps_done: case.steps_done,
            steps: book.routes.chain(&case.chain).steps.len(),
            told: case
                .told
                .iter()
                .map(|told| ToldJson {
                    name: told.name.clone(),
                    role: told.role.clone(),
                    at: told.at.rfc3339_ms(),
                })
                .collect(),
            taken_by: case.taken.as_ref().map(|taken| taken.by.clone()),
            held_by: held.map(|held| match held.by {
                mendpoint_escalation::HeldBy::Silence => "silence",
                mendpoint_escalation::HeldBy::Maintenance => "maintenance",
            }),
            held_until: time(held.map(|held| held.until)),
            breached_at: time(case.breached_at),
            work_ordered_at: time(case.ordered_at),
        }
    }
}

/// `GET /duty/on-call`
pub(super) async fn on_call(
    _: Caller,
    State(state): State<AppState>,
) -> Result<Json<Page<OnCallJson>>> {
    let book = state.handle().duty_book();
    let now = state.handle().now();
    let one = |rota: &Rota| {
        let duty = rota.on_call(now);
        let gaps = rota.gaps(now, now + 14 * mendpoint_model::DAY_MS, |who| book.reaches(who));
        OnCallJson {
            rota: rota.name.clone(),
            first: duty.first,
            second: duty.second,
            until: rota.changes_at(now).map(UnixMs::rfc3339),
            gaps: gaps
                .into_iter()
                .map(|gap| GapJson { from: gap.from.rfc3339(), to: gap.to.rfc3339(), why: gap.why })
                .collect(),
        }
    };
    Ok(all(book.rotas.values().map(one).collect()))
}

/// `GET /duty/chains`
pub(super) async fn chains(
    _: Caller,
    State(state): State<AppState>,
) -> Result<Json<Page<ChainJson>>> {
    let handle = state.handle();
    let cases = handle.duty_cases();
    let items = cases.iter().map(|one| ChainJson::new(handle, one.brief.incident, &one.case));
    Ok(all(items.collect()))
}

/// `GET /duty/breaches`
pub(super) async fn breaches(
    _: Caller,
    State(state): State<AppState>,
) -> Result<Json<Page<ChainJson>>> {
    let handle = state.handle();
    let cases = handle.duty_cases();
    let breached = cases.iter().filter(|one| one.case.breached_at.is_some());
    Ok(all(breached.map(|one| ChainJson::new(handle, one.brief.incident, &one.case)).collect()))
}

/// A rota.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotaJson {
    /// `default` is the one that chains mean when they name none.
    name: String,
    /// By the names they sign in with, in their order.
    people: Vec<String>,
    /// `daily` or `weekly`.
    turn: String,
    /// The day on which the first begins: `2026-11-23`.
    since: String,
    /// When turns change: `08:00`.
    at: String,
    /// IANA time zone; UTC when left out.
    #[serde(default)]
    zone: String,
    /// Only in these hours is anybody on call; always when empty.
    #[serde(default)]
    hours: Vec<HoursJson>,
    /// Who stands in.
    #[serde(default)]
    overrides: Vec<OverrideJson>,
}

/// Hours of some weekdays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoursJson {
    /// Monday is 1, Sunday is 7.
    days: Vec<u8>,
    from: String,
    to: String,
}

/// Somebody else, for a while.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OverrideJson {
    /// RFC 3339.
    from: String,
    to: String,
    /// Empty: nobody.
    person: String,
}

impl RotaJson {
    fn of(rota: &Rota) -> Self {
        let hours = rota.hours.iter().map(|one| HoursJson {
            days: one.days.clone(),
            from: one.from.clone(),
            to: one.to.clone(),
        });
        let overrides = rota.overrides.iter().map(|one| OverrideJson {
            from: one.from.rfc3339(),
            to: one.to.rfc3339(),
            person: one.person.clone(),
        });
        Self {
            name: rota.name.clone(),
            people: rota.people.clone(),
            turn: match rota.turn {
                Turn::Daily => "daily".to_owned(),
                Turn::Weekly => "weekly".to_owned(),
            },
            since: rota.since.clone(),
            at: rota.at.clone(),
            zone: rota.zone.clone(),
            hours: hours.collect(),
            overrides: overrides.collect(),
        }
    }

    fn read(self, by: &str) -> Result<Rota> {
        let turn = match self.turn.as_str() {
            "daily" => Turn::Daily,
            "weekly" => Turn::Weekly,
            other => {
                let sentence = format!("turn is daily or weekly, not {other:?}");
                return Err(ApiError::bad_request(sentence));
            }
        };
        let mut overrides = Vec::new();
        for one in self.overrides {
            overrides.push(Override {
                from: at("from", &one.from)?,
                to: at("to", &one.to)?,
                person: one.person,
                by: by.to_owned(),
            });
        }
        let hours = self.hours.into_iter();
        Ok(Rota {
            name: self.name,
            zone: self.zone,
            people: self.people,
            turn,
            since: self.since,
            at: self.at,
            hours: hours.map(|one| Hours { days: one.days, from: one.from, to: one.to }).collect(),
            overrides,
        })
    }
}

/// `GET /duty/rotas`
pub(super) async fn rotas(_: Caller, State(state): State<AppState>) -> Json<Page<RotaJson>> {
    all(state.handle().duty_book().rotas.values().map(RotaJson::of).collect())
}

/// `PUT /duty/rotas`
pub(super) async fn put_rota(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<RotaJson>,
) -> Result<Json<RotaJson>> {
    let rota = body.read(&caller.name)?;
    let name = rota.name.trim().to_owned();
    state.handle().put_rota(rota, &caller.name).await?;
    let book = state.handle().duty_book();
    let rota = book.rotas.get(&name).ok_or_else(|| ApiError::not_found("it is gone already"))?;
    Ok(Json(RotaJson::of(rota)))
}

/// `DELETE /duty/rotas/{name}`
pub(super) async fn delete_rota(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    if state.handle().delete_rota(&name, &caller.name).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::not_found(format!("there is no rota {name:?}")))
}

/// A silence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SilenceJson {
    id: i64,
    #[schema(inline)]
    matcher: MatcherJson,
    from: String,
    until: String,
    reason: String,
    author: String,
    /// `later`, `active` or `over`.
    state: &'static str,
    ended_by: Option<String>,
}

/// What a silence is about: all that is said must fit; `*` stands for anything.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MatcherJson {
    rule: String,
    /// OCPP identity.
    charger: String,
    /// A site's name.
    site: String,
    /// Vendor and model.
    model: String,
    label: String,
}

/// A silence to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddSilence {
    #[schema(inline)]
    matcher: MatcherJson,
    /// RFC 3339; now when left out.
    from: Option<String>,
    /// RFC 3339, at most 30 days later.
    until: String,
    reason: String,
}

impl SilenceJson {
    fn of(silence: &Silence, now: UnixMs) -> Self {
        let matcher = silence.matcher.clone();
        Self {
            id: silence.id,
            matcher: MatcherJson {
                rule: matcher.rule,
                charger: matcher.charger,
                site: matcher.site,
                model: matcher.model,
                label: matcher.label,
            },
            from: silence.from.rfc3339(),
            until: silence.until.rfc3339(),
            reason: silence.reason.clone(),
            author: silence.author.clone(),
            state: if silence.is_over(now) {
                "over"
            } else if silence.is_active(now) {
                "active"
            } else {
                "later"
            },
            ended_by: Some(silence.ended_by.clone()).filter(|by| !by.is_empty()),
        }
    }
}

/// `GET /duty/silences`
pub(super) async fn silences(_: Caller, State(state): State<AppState>) -> Json<Page<SilenceJson>> {
    let now = state.handle().now();
    let book = state.handle().duty_book();
    all(book.silences.values().rev().map(|one| SilenceJson::of(one, now)).collect())
}

/// `POST /duty/silences`
pub(super) async fn add_silence(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<AddSilence>,
) -> Result<(StatusCode, Json<SilenceJson>)> {
    let asked = state.handle().now();
    let MatcherJson { rule, charger, site, model, label } = body.matcher;
    let silence = Silence {
        matcher: Matcher { rule, charger, site, model, label },
        from: body.from.as_deref().map(|text| at("from", text)).transpose()?.unwrap_or(asked),
        until: at("until", &body.until)?,
        reason: body.reason,
        ..Silence::default()
    };
    let id = state.handle().add_silence(silence, &caller.name).await?;
    let book = state.handle().duty_book();
    let silence =
        book.silences.get(&id).ok_or_else(|| ApiError::not_found("it is gone already"))?;
    // Read again: the book may have begun it a moment after it was asked for.
    Ok((StatusCode::CREATED, Json(SilenceJson::of(silence, state.handle().now()))))
}

/// `DELETE /duty/silences/{id}`
pub(super) async fn end_silence(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<StatusCode> {
    state.handle().end_silence(id, &caller.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A maintenance window.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WindowJson {
    id: i64,
    site: Option<String>,
    /// OCPP identity.
    charger: Option<String>,
    title: String,
    /// By the clock of the zone: `2026-11-23T02:00`.
    starts: String,
    minutes: i64,
    zone: String,
    rrule: String,
    author: String,
    cancelled_by: Option<String>,
    /// Until when it is open, if it is.
    open_until: Option<String>,
    /// The next times, at most 20 within 60 days.
    occurrences: Vec<OccurrenceJson>,
}

/// One time that a window is open.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OccurrenceJson {
    from: String,
    until: String,
}

/// A maintenance window to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddWindow {
    /// A site's name; or `charger`.
    site: Option<String>,
    /// OCPP identity.
    charger: Option<String>,
    title: String,
    /// By the clock of the zone: `2026-11-23T02:00`.
    starts: String,
    minutes: i64,
    /// IANA time zone; that of the site when left out.
    zone: Option<String>,
    /// `FREQ=WEEKLY;BYDAY=SU`; once when left out.
    #[serde(default)]
    rrule: String,
}

impl WindowJson {
    fn of(handle: &Handle, window: &Window) -> Self {
        let now = handle.now();
        let directory = handle.directory();
        let (site, charger) = match window.scope {
            Scope::Site(site) => (directory.site(site).map(|site| site.name.clone()), None),
            Scope::Charger(charger) => {
                (None, directory.charger(charger).map(|one| one.identity.to_string()))
            }
        };
        let ahead = window.occurrences(now, now + 60 * mendpoint_model::DAY_MS);
        Self {
            id: window.id,
            site,
            charger,
            title: window.title.clone(),
            starts: window.starts.clone(),
            minutes: window.minutes,
            zone: window.zone.clone(),
            rrule: window.rrule.clone(),
            author: window.author.clone(),
            cancelled_by: Some(window.cancelled_by.clone()).filter(|by| !by.is_empty()),
            open_until: window.state(now).0.map(UnixMs::rfc3339),
            occurrences: ahead
                .into_iter()
                .take(20)
                .map(|one| OccurrenceJson { from: one.from.rfc3339(), until: one.until.rfc3339() })
                .collect(),
        }
    }
}

/// `GET /duty/windows`
pub(super) async fn windows(_: Caller, State(state): State<AppState>) -> Json<Page<WindowJson>> {
    let handle = state.handle();
    let book = handle.duty_book();
    all(book.windows.values().rev().map(|one| WindowJson::of(handle, one)).collect())
}

/// `POST /duty/windows`
pub(super) async fn add_window(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<AddWindow>,
) -> Result<(StatusCode, Json<WindowJson>)> {
    let handle = state.handle();
    let (scope, zone) = match (&body.site, &body.charger) {
        (Some(name), None) => {
            let site = handle.directory().site_named(name);
            let site =
                site.ok_or_else(|| ApiError::not_found(format!("there is no site {name:?}")))?;
            (Scope::Site(site.key), site.time_zone.clone())
        }
        (None, Some(id)) => {
            let record = find(&state, id)?;
            let site = handle.directory().site(record.site);
            let zone = site.map(|site| site.time_zone.clone()).unwrap_or_default();
            (Scope::Charger(record.key), zone)
        }
        _ => return Err(ApiError::bad_request("say either site or charger")),
    };
    let window = Window {
        id: 0,
        scope,
        title: body.title,
        starts: body.starts,
        minutes: body.minutes,
        zone: body.zone.unwrap_or(zone),
        rrule: body.rrule,
        author: String::new(),
        cancelled_by: String::new(),
    };
    let id = handle.add_window(window, &caller.name).await?;
    let book = handle.duty_book();
    let window = book.windows.get(&id).ok_or_else(|| ApiError::not_found("it is gone already"))?;
    Ok((StatusCode::CREATED, Json(WindowJson::of(handle, window))))
}

/// `DELETE /duty/windows/{id}`
pub(super) async fn cancel_window(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<StatusCode> {
    state.handle().cancel_window(id, &caller.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What somebody wants of notifications.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PersonJson {
    /// The name they sign in with.
    name: String,
    shown: String,
    /// Whether mail reaches them.
    reachable: bool,
    zone: String,
    quiet_from: Option<String>,
    quiet_to: Option<String>,
    budget: u32,
    tell_over: bool,
}

/// What somebody wants of notifications, to be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutPerson {
    #[serde(default)]
    zone: String,
    /// `22:00`.
    quiet_from: Option<String>,
    /// `07:00`.
    quiet_to: Option<String>,
    /// Notifications a day before the rest comes in one mail; 20 when left out.
    budget: Option<u32>,
    tell_over: Option<bool>,
}

impl PersonJson {
    fn of(person: &Person) -> Self {
        let (quiet_from, quiet_to) =
            person.quiet.clone().map(|quiet| (quiet.from, quiet.to)).unzip();
        Self {
            name: person.name.clone(),
            shown: person.label().to_owned(),
            reachable: person.email.contains('@'),
            zone: person.zone.clone(),
            quiet_from,
            quiet_to,
            budget: person.budget,
            tell_over: person.tell_over,
        }
    }
}

/// `GET /duty/persons`
pub(super) async fn persons(_: Admin, State(state): State<AppState>) -> Json<Page<PersonJson>> {
    all(state.handle().duty_book().persons.values().map(PersonJson::of).collect())
}

/// `PUT /duty/persons/{name}`
pub(super) async fn put_person(
    Admin(caller): Admin,
    State(state): State<AppState>,
    Path(name): Path<String>,
    Body(body): Body<PutPerson>,
) -> Result<Json<PersonJson>> {
    let known = state.handle().duty_book().persons.get(&name).cloned();
    let known = known.ok_or_else(|| ApiError::not_found(format!("nobody signs in as {name:?}")))?;
    let quiet = match (body.quiet_from, body.quiet_to) {
        (Some(from), Some(to)) => Some(QuietHours { from, to }),
        (None, None) => None,
        _ => return Err(ApiError::bad_request("quiet_from and quiet_to belong together")),
    };
    let defaults = Person::default();
    let person = Person {
        zone: body.zone,
        quiet,
        budget: body.budget.unwrap_or(defaults.budget),
        tell_over: body.tell_over.unwrap_or(defaults.tell_over),
        ..known
    };
    let answer = PersonJson::of(&person);
    state.handle().put_person(person, &caller.name).await?;
    Ok(Json(answer))
}

/// What is known of a site or charger besides what chargers tell.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceJson {
    /// A site's name; or `charger`.
    site: Option<String>,
    /// OCPP identity.
    charger: Option<String>,
    /// `public_dc`, `public_ac`, `private_dc` or `private_ac`.
    access: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    /// Where mail of a site's owner goes.
    #[serde(default)]
    owner_email: String,
}

impl PlaceJson {
    fn of(handle: &Handle, scope: Scope, tags: &PlaceTags) -> Self {
        let directory = handle.directory();
        let (site, charger) = match scope {
            Scope::Site(site) => (directory.site(site).map(|site| site.name.clone()), None),
            Scope::Charger(charger) => {
                (None, directory.charger(charger).map(|one| one.identity.to_string()))
            }
        };
        Self {
            site,
            charger,
            access: tags.access.map(|access| access.name().to_owned()),
            labels: tags.labels.clone(),
            owner_email: tags.owner_email.clone(),
        }
    }
}

/// `GET /duty/places`
pub(super) async fn places(_: Caller, State(state): State<AppState>) -> Json<Page<PlaceJson>> {
    let handle = state.handle();
    let book = handle.duty_book();
    all(book.places.iter().map(|(scope, tags)| PlaceJson::of(handle, *scope, tags)).collect())
}

/// `PUT /duty/places`
pub(super) async fn put_place(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Body(body): Body<PlaceJson>,
) -> Result<Json<PlaceJson>> {
    let handle = state.handle();
    let scope = match (&body.site, &body.charger) {
        (Some(name), None) => {
            let site = handle.directory().site_named(name);
            Scope::Site(
                site.ok_or_else(|| ApiError::not_found(format!("there is no site {name:?}")))?.key,
            )
        }
        (None, Some(id)) => Scope::Charger(find(&state, id)?.key),
        _ => return Err(ApiError::bad_request("say either site or charger")),
    };
    let access = match body.access.as_deref() {
        None | Some("") => None,
        Some(word) => Some(Access::from_name(word).ok_or_else(|| {
            let known: Vec<_> = Access::ALL.iter().map(|access| access.name()).collect();
            ApiError::bad_request(format!("access is one of {}, not {word:?}", known.join(", ")))
        })?),
    };
    let tags = PlaceTags { access, labels: body.labels, owner_email: body.owner_email };
    handle.put_place(scope, tags.clone(), &caller.name).await?;
    Ok(Json(PlaceJson::of(handle, scope, &tags)))
}
