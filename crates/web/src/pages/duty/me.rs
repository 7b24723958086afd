//! What somebody wants of notifications: quiet hours, how many a day.

use askama::Template;
use axum::extract::State;
use mendpoint_escalation::{Person, QuietHours};
use serde::Deserialize;

use super::{Asked, Tab, tabs};
use crate::AppState;
use crate::pages::errors::{Page, back, capitalised, render, wrong};
use crate::pages::extract::{Form, Query};
use crate::session::Viewer;
use crate::shell::Shell;

/// What was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MyForm {
    zone: String,
    quiet_from: String,
    quiet_to: String,
    budget: String,
    tell_over: String,
}

impl MyForm {
    fn of(person: &Person) -> Self {
        let quiet = person.quiet.clone();
        let (quiet_from, quiet_to) = quiet.map(|quiet| (quiet.from, quiet.to)).unwrap_or_default();
        Self {
            zone: person.zone.clone(),
            quiet_from,
            quiet_to,
            budget: person.budget.to_string(),
            tell_over: if person.tell_over { "on".to_owned() } else { String::new() },
        }
    }

    fn tells_over(&self) -> bool {
        !self.tell_over.is_empty()
    }
}

#[derive(Template)]
#[template(path = "duty_me.html")]
struct MePage {
    shell: Shell,
    tabs: Vec<Tab>,
    email: String,
    form: MyForm,
    problem: String,
    waiting: usize,
    sent_today: u32,
}

pub(super) async fn page(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
) -> Page {
    let person = state.handle().duty_book().persons.get(&viewer.login).cloned();
    let form = MyForm::of(&person.unwrap_or_default());
    show(&state, &viewer, asked, form, String::new()).await
}

async fn show(
    state: &AppState,
    viewer: &Viewer,
    asked: Asked,
    form: MyForm,
    problem: String,
) -> Page {
    let handle = state.handle();
    let person = handle.duty_book().persons.get(&viewer.login).cloned().unwrap_or_default();
    let (waiting, sent_today) = handle.duty_inbox(&viewer.login);
    let shell = Shell::new(state, viewer, "duty", "My notifications").await;
    render(MePage {
        shell: shell.with_messages(asked.done, asked.error),
        tabs: tabs("/duty/me"),
        email: person.email,
        form,
        problem: capitalised(&problem),
        waiting,
        sent_today,
    })
}

pub(super) async fn put(
    viewer: Viewer,
    State(state): State<AppState>,
    Form(form): Form<MyForm>,
) -> Page {
    let known = state.handle().duty_book().persons.get(&viewer.login).cloned();
    let (from, to) = (form.quiet_from.trim().to_owned(), form.quiet_to.trim().to_owned());
    let Ok(budget) = form.budget.trim().parse() else {
        let problem = "How many a day is a number.".to_owned();
        return wrong(show(&state, &viewer, Asked::default(), form, problem).await);
    };
    let person = Person {
        name: viewer.login.clone(),
        zone: form.zone.trim().to_owned(),
        quiet: (!from.is_empty() || !to.is_empty()).then_some(QuietHours { from, to }),
        budget,
        tell_over: form.tells_over(),
        ..known.unwrap_or_default()
    };
    match state.handle().put_person(person, &viewer.name).await {
        Ok(()) => Ok(back("/duty/me", Ok("Kept.".to_owned()))),
        Err(mendpoint_pipeline::Error::Refused(problem)) => {
            wrong(show(&state, &viewer, Asked::default(), form, problem).await)
        }
        Err(error) => Err(error.into()),
    }
}
