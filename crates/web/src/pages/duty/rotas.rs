//! Rotas: who takes turns, who stands in, and when nobody does.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use mendpoint_escalation::{Hours, Override, Rota, Turn};
use mendpoint_pipeline::Handle;
use serde::Deserialize;

use super::{AHEAD_MS, Asked, Tab, tabs};
use crate::AppState;
use crate::pages::errors::{Page, PageError, back, capitalised, render, wrong};
use crate::pages::extract::{Form, Query};
use crate::place::{Moment, utc};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;

/// Turns that are listed of a rota.
const TURNS_MAX: usize = 40;

struct RotaView {
    name: String,
    people: String,
    turn: &'static str,
    at: String,
    zone: String,
    hours: String,
    turns: Vec<TurnView>,
    gaps: Vec<String>,
}

struct TurnView {
    from: String,
    to: String,
    who: String,
    now: bool,
    /// Whether nobody is on call.
    gap: bool,
}

/// What was typed of a rota.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RotaForm {
    name: String,
    people: String,
    turn: String,
    since: String,
    at: String,
    zone: String,
    hours: String,
}

impl RotaForm {
    fn is_daily(&self) -> bool {
        self.turn == "daily"
    }

    fn of(rota: &Rota) -> Self {
        Self {
            name: rota.name.clone(),
            people: rota.people.join(", "),
            turn: turn_name(rota.turn).to_owned(),
            since: rota.since.clone(),
            at: rota.at.clone(),
            zone: rota.zone.clone(),
            hours: hours_words(&rota.hours),
        }
    }
}

fn turn_name(turn: Turn) -> &'static str {
    match turn {
        Turn::Daily => "daily",
        Turn::Weekly => "weekly",
    }
}

/// `1-5 08:00-18:00; 6 09:00-12:00`.
fn hours_words(hours: &[Hours]) -> String {
    let one = |hours: &Hours| {
        let days: Vec<String> = hours.days.iter().map(u8::to_string).collect();
        format!("{} {}-{}", days.join(","), hours.from, hours.to)
    };
    hours.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn parse_hours(text: &str) -> Option<Vec<Hours>> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (days, span) = part.split_once(' ')?;
            let (from, to) = span.trim().split_once('-')?;
            let mut chosen = Vec::new();
            for piece in days.split(',') {
                match piece.split_once('-') {
                    Some((first, last)) => {
                        let (first, last): (u8, u8) = (first.parse().ok()?, last.parse().ok()?);
                        if !(1..=7).contains(&first) || !(1..=7).contains(&last) {
                            return None;
                        }
                        chosen.extend(first..=last);
                    }
                    None => chosen.push(piece.parse().ok()?),
                }
            }
            let (from, to) = (from.trim().to_owned(), to.trim().to_owned());
            Some(Hours { days: chosen, from, to })
        })
        .collect()
}

#[derive(Template)]
#[template(path = "duty_rotas.html")]
struct RotasPage {
    shell: Shell,
    tabs: Vec<Tab>,
    rotas: Vec<RotaView>,
    /// Who signs in here: name, name for people, whether mail reaches them.
    people: Vec<(String, String, bool)>,
    form: Option<RotaForm>,
    problem: String,
}

fn views(handle: &Handle) -> Vec<RotaView> {
    let book = handle.duty_book();
    let now = handle.now();
    let shown = |who: &str| book.person(who).map_or(who, |person| person.label()).to_owned();
    let view = |rota: &Rota| RotaView {
        name: rota.name.clone(),
        people: rota.people.iter().map(|who| shown(who)).collect::<Vec<_>>().join(", "),
        turn: turn_name(rota.turn),
        at: rota.at.clone(),
        zone: if rota.zone.is_empty() { "UTC".to_owned() } else { rota.zone.clone() },
        hours: hours_words(&rota.hours),
        turns: rota
            .turns(now, now + AHEAD_MS)
            .into_iter()
            .take(TURNS_MAX)
            .map(|(from, to, who)| TurnView {
                from: rota.time_words(from),
                to: rota.time_words(to),
                gap: who.is_none(),
                who: who.map_or_else(|| "nobody".to_owned(), |who| shown(&who)),
                now: from <= now && now < to,
            })
            .collect(),
        gaps: rota
            .gaps(now, now + AHEAD_MS, |who| book.reaches(who))
            .into_iter()
            .take(5)
            .map(|gap| {
                let (from, to) = (rota.time_words(gap.from), rota.time_words(gap.to));
                format!("{from} to {to}: {}", gap.why)
            })
            .collect(),
    };
    book.rotas.values().map(view).collect()
}

pub(super) async fn page(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
) -> Page {
    let book = state.handle().duty_book();
    let form = match asked.edit.as_str() {
        "" => None,
        "new" => {
            let today = Moment::new(state.handle().now(), state.handle().now());
            let name = if book.rotas.is_empty() { "default" } else { "" };
            Some(RotaForm {
                name: name.to_owned(),
                turn: "weekly".to_owned(),
                since: today.iso.get(..10).unwrap_or_default().to_owned(),
                at: "08:00".to_owned(),
                zone: "Europe/Bucharest".to_owned(),
                ..RotaForm::default()
            })
        }
        name => book.rotas.get(name).map(RotaForm::of),
    };
    show(&state, &viewer, asked, form, String::new()).await
}

async fn show(
    state: &AppState,
    viewer: &Viewer,
    asked: Asked,
    form: Option<RotaForm>,
    problem: String,
) -> Page {
    let handle = state.handle();
    let book = handle.duty_book();
    let people = book
        .persons
        .values()
        .map(|person| (person.name.clone(), person.label().to_owned(), person.email.contains('@')));
    let shell = Shell::new(state, viewer, "duty", "Rotas").await;
    render(RotasPage {
        shell: shell.with_messages(asked.done, asked.error),
        tabs: tabs("/duty/rotas"),
        rotas: views(handle),
        people: people.collect(),
        form,
        problem: capitalised(&problem),
    })
}

fn may_plan(viewer: &Viewer) -> Result<(), PageError> {
    if viewer.manages_cards() {
        return Ok(());
    }
    Err(PageError::forbidden("Rotas are planned by administrators, operators and dispatchers."))
}

pub(super) async fn put(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(form): Form<RotaForm>,
) -> Page {
    may_plan(&viewer)?;
    let known = state.handle().duty_book().rotas.get(form.name.trim()).cloned();
    let Some(hours) = parse_hours(&form.hours) else {
        let problem = "Hours are weekdays and times, as in 1-5 08:00-18:00; 6 09:00-12:00.";
        let page = show(&state, &viewer, Asked::default(), Some(form), problem.to_owned()).await;
        return wrong(page);
    };
    let rota = Rota {
        name: form.name.trim().to_owned(),
        zone: form.zone.trim().to_owned(),
        people: form
            .people
            .split([',', '\n'])
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect(),
        turn: if form.is_daily() { Turn::Daily } else { Turn::Weekly },
        since: form.since.trim().to_owned(),
        at: form.at.trim().to_owned(),
        hours,
        overrides: known.map(|rota| rota.overrides).unwrap_or_default(),
    };
    match state.handle().put_rota(rota, &viewer.name).await {
        Ok(()) => Ok(back("/duty/rotas", Ok("The rota is kept.".to_owned()))),
        Err(mendpoint_pipeline::Error::Refused(problem)) => {
            wrong(show(&state, &viewer, Asked::default(), Some(form), problem).await)
        }
        Err(error) => Err(error.into()),
    }
}

/// Somebody stands in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StandIn {
    person: String,
    from: String,
    to: String,
}

pub(super) async fn stand_in(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(name): Path<String>,
    Form(form): Form<StandIn>,
) -> Result<Response, PageError> {
    may_plan(&viewer)?;
    let Some(mut rota) = state.handle().duty_book().rotas.get(&name).cloned() else {
        return Err(PageError::not_found("There is no such rota."));
    };
    let times = utc(&form.from).zip(utc(&form.to));
    let Some((from, to)) = times else {
        return Ok(back("/duty/rotas", Err("Say from when and until when, in UTC.".to_owned())));
    };
    let person = form.person.trim().to_owned();
    rota.overrides.push(Override { from, to, person, by: viewer.name.clone() });
    let done = match state.handle().put_rota(rota, &viewer.name).await {
        Ok(()) => Ok("Noted.".to_owned()),
        Err(mendpoint_pipeline::Error::Refused(why)) => Err(why),
        Err(error) => return Err(error.into()),
    };
    Ok(back("/duty/rotas", done))
}

pub(super) async fn delete(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    may_plan(&viewer)?;
    let was_there = state.handle().delete_rota(&name, &viewer.name).await?;
    let done = if was_there {
        Ok("The rota is deleted.".to_owned())
    } else {
        Err("There is no such rota.".to_owned())
    };
    Ok(back("/duty/rotas", done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_as_they_are_written() {
        let hours = parse_hours("1-5 08:00-18:00; 6 09:00-12:00").expect("good");
        assert_eq!(hours[0].days, [1, 2, 3, 4, 5]);
        assert_eq!(hours_words(&hours), "1,2,3,4,5 08:00-18:00; 6 09:00-12:00");
        assert_eq!(parse_hours(""), Some(Vec::new()));
        for wrong in ["1-5", "x 08:00-18:00", "1-9 08:00-18:00"] {
            assert_eq!(parse_hours(wrong), None, "{wrong}");
        }
    }
}
