//! Taking an incident from a letter: one click on a telephone, without signing in.
//!
//! The link shows a page with one button. The link alone takes nothing: programs that look into mail
//! for people open every link in it.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;
use mendpoint_escalation::Claim;
use serde::Deserialize;

use super::errors::{Page, PageError, render};
use crate::AppState;
use crate::pages::extract::Form;
use crate::place::{Moment, Place};

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/take/{token}", get(page).post(take))
}

#[derive(Template)]
#[template(path = "take.html")]
struct TakePage {
    id: String,
    title: String,
    place: String,
    description: String,
    opened: Moment,
    /// Who has it; empty for nobody.
    owner: String,
    over: bool,
    resolution: String,
    /// Whoever the letter went to.
    who: String,
    action: String,
    /// Whether it was taken right now.
    taken: bool,
    problem: String,
}

/// The claim of a link that may be used, or the page that says why it may not.
async fn claim_of(state: &AppState, token: &str) -> Result<Claim, Page> {
    let Some(claim) = state.handle().read_take_link(token) else {
        return Err(not_good("Links in mails are good for seven days."));
    };
    if !state.handle().may_take(&claim).await {
        return Err(not_good("Whoever it was sent to is not told of incidents any more."));
    }
    Ok(claim)
}

fn not_good(why: &str) -> Page {
    let page = render(TakePage {
        id: String::new(),
        title: "This link is not good any more".to_owned(),
        place: String::new(),
        description: format!("{why} Sign in to see the incident."),
        opened: Moment::default(),
        owner: String::new(),
        over: true,
        resolution: String::new(),
        who: String::new(),
        action: String::new(),
        taken: false,
        problem: String::new(),
    })?;
    Ok((StatusCode::NOT_FOUND, page).into_response())
}

async fn page(State(state): State<AppState>, Path(token): Path<String>) -> Page {
    let claim = match claim_of(&state, &token).await {
        Ok(claim) => claim,
        Err(page) => return page,
    };
    show(&state, &claim, &token, false, String::new()).await
}

async fn show(state: &AppState, claim: &Claim, token: &str, taken: bool, problem: String) -> Page {
    let handle = state.handle();
    let Some(incident) = handle.store().incident(claim.incident).await? else {
        return not_good("Its incident is kept no longer.");
    };
    let place = Place::new(handle.directory(), incident.charger, incident.site, incident.connector);
    let person = handle.duty_book().person(&claim.who).map(|person| person.label().to_owned());
    render(TakePage {
        id: incident.id.to_string(),
        title: incident.title.clone(),
        place: format!("{}, {}", place.charger, place.site),
        description: incident.description.clone(),
        opened: Moment::new(handle.now(), incident.opened_at),
        owner: incident.owner.clone().unwrap_or_default(),
        over: incident.state.is_over(),
        resolution: incident.resolution.clone(),
        who: person.unwrap_or_else(|| claim.who.clone()),
        action: format!("/take/{}", crate::url::encode(token)),
        taken,
        problem,
    })
}

/// What the page showed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TakeForm {
    owner: Option<String>,
}

async fn take(
    State(state): State<AppState>,
    Path(token): Path<String>,
    form: Result<Form<TakeForm>, PageError>,
) -> Page {
    let claim = match claim_of(&state, &token).await {
        Ok(claim) => claim,
        Err(page) => return page,
    };
    // Whether the link is good comes first; a page of before the field was there has none.
    let owner = form.ok().and_then(|Form(form)| form.owner);
    match state.handle().take_by_link(&claim, owner).await {
        Ok(incident) => {
            state.handle().settle_incident(incident).await;
            show(&state, &claim, &token, true, String::new()).await
        }
        Err(mendpoint_pipeline::Error::Refused(why)) => {
            show(&state, &claim, &token, false, why).await
        }
        Err(error) => Err(error.into()),
    }
}
