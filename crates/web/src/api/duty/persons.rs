//! What persons want of notifications, and what places are.

use axum::Json;
use axum::extract::State;
use mendpoint_escalation::{Access, Person, PlaceTags, QuietHours, Scope};
use mendpoint_pipeline::Handle;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::all;
use crate::AppState;
use crate::api::auth::{Admin, Caller, Operator};
use crate::api::chargers::find;
use crate::api::error::{ApiError, Result};
use crate::api::extract::{Body, Path};
use crate::api::json::Page;

/// What somebody wants of notifications.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonJson {
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
pub(crate) struct PutPerson {
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
pub(crate) async fn persons(_: Admin, State(state): State<AppState>) -> Json<Page<PersonJson>> {
    all(state.handle().duty_book().persons.values().map(PersonJson::of).collect())
}

/// `PUT /duty/persons/{name}`
pub(crate) async fn put_person(
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
pub(crate) struct PlaceJson {
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
pub(crate) async fn places(_: Caller, State(state): State<AppState>) -> Json<Page<PlaceJson>> {
    let handle = state.handle();
    let book = handle.duty_book();
    all(book.places.iter().map(|(scope, tags)| PlaceJson::of(handle, *scope, tags)).collect())
}

/// `PUT /duty/places`
pub(crate) async fn put_place(
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
