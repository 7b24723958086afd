//! Routes and chains, as they are set.

use askama::Template;
use axum::extract::State;
use mendpoint_escalation::{Access, Chain, CountsFrom, Route, Target};

use super::{Asked, Tab, tabs};
use crate::AppState;
use crate::pages::errors::{Page, render};
use crate::pages::extract::Query;
use crate::session::Viewer;
use crate::shell::Shell;

struct RouteView {
    name: String,
    takes: String,
    chain: String,
}

struct ChainView {
    name: String,
    words: String,
    steps: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "duty_routes.html")]
struct RoutesPage {
    shell: Shell,
    tabs: Vec<Tab>,
    routes: Vec<RouteView>,
    chains: Vec<ChainView>,
}

fn takes(route: &Route) -> String {
    let mut parts = Vec::new();
    for (name, values) in [("rule", &route.rules), ("site", &route.sites), ("label", &route.labels)]
    {
        if !values.is_empty() {
            parts.push(format!("{name} {}", values.join(" or ")));
        }
    }
    if route.severity_max < 9 {
        parts.push(format!("severity 0 to {}", route.severity_max));
    }
    if !route.access.is_empty() {
        let labels: Vec<&str> = route.access.iter().map(|access| Access::label(*access)).collect();
        parts.push(labels.join(" or "));
    }
    if parts.is_empty() { "everything else".to_owned() } else { parts.join(", ") }
}

fn chain(chain: &Chain) -> ChainView {
    let duration = crate::show::duration;
    let mut words = vec![match chain.counts_from {
        CountsFrom::Opened => "counts from the opening".to_owned(),
        CountsFrom::HandedOver if chain.heal_ms > 0 => {
            format!("begins when healing gave up, after {} at the latest", duration(chain.heal_ms))
        }
        CountsFrom::HandedOver => "begins when healing gave up".to_owned(),
    }];
    if chain.repeat_ms > 0 {
        words.push(format!("told again every {}", duration(chain.repeat_ms)));
    }
    if chain.breach_ms > 0 {
        words.push(format!("on the breach list after {}", duration(chain.breach_ms)));
    }
    if chain.skip_empty {
        words.push("a step that reaches nobody is not waited for".to_owned());
    }
    let steps = chain.steps.iter().map(|step| {
        let at = if step.after_ms == 0 {
            "at once".to_owned()
        } else {
            format!("after {}", duration(step.after_ms))
        };
        let roles: Vec<String> = step.tell.iter().map(Target::role).collect();
        (at, roles.join(", "))
    });
    ChainView { name: chain.name.clone(), words: words.join("; "), steps: steps.collect() }
}

pub(super) async fn page(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
) -> Page {
    let book = state.handle().duty_book();
    let routes = book.routes.routes.iter().map(|route| RouteView {
        name: route.name.clone(),
        takes: takes(route),
        chain: route.chain.clone(),
    });
    let shell = Shell::new(&state, &viewer, "duty", "Routes").await;
    render(RoutesPage {
        shell: shell.with_messages(asked.done, asked.error),
        tabs: tabs("/duty/routes"),
        routes: routes.collect(),
        chains: book.routes.chains.iter().map(chain).collect(),
    })
}
