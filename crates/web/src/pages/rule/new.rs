//! A rule or playbook that is not kept yet, and the sentence a rule is built from.

use axum::extract::State;
use mendpoint_pipeline::RuleKind;

use super::page::{Asked, whole};
use super::text::Draft;
use crate::AppState;
use crate::pages::errors::Page;
use crate::pages::extract::Query;
use crate::sentence::Sentence;
use crate::session::Viewer;

/// What a new playbook begins with.
const PLAYBOOK: &str = "id = \"my_playbook\"\nversion = 1\ntitle = \"What it does\"\ndescription = \
                        \"Asks for the status, then restarts the charger.\"\nladder = [\"L1\", \
                        \"L4\"]\n";

/// The sentence builder.
pub(super) struct Builder {
    pub(super) sentence: Sentence,
    pub(super) words: String,
    pub(super) problems: Vec<String>,
    pub(super) playbooks: Vec<(String, String)>,
    pub(super) asked: bool,
}

pub(super) async fn new_rule(
    viewer: Viewer,
    State(state): State<AppState>,
    Query(sentence): Query<Sentence>,
) -> Page {
    let catalogue = state.handle().catalogue();
    let asked = !sentence.field.is_empty();
    let sentence = if asked { sentence.tidied() } else { Sentence::example() };
    let made = if asked { sentence.rule(&catalogue) } else { Ok(String::new()) };
    let (text, problems) = match made {
        Ok(text) => (text, Vec::new()),
        Err(problems) => (String::new(), problems),
    };
    let builder = Builder {
        words: sentence.words(),
        sentence,
        problems,
        playbooks: catalogue
            .playbooks()
            .iter()
            .map(|book| (book.id.clone(), book.title.clone()))
            .collect(),
        asked,
    };
    let draft = Draft::of(text, 0);
    let asked = Asked::default();
    whole(&state, &viewer, RuleKind::Rule, None, asked, Some(draft), Some(builder)).await
}

pub(super) async fn new_playbook(viewer: Viewer, State(state): State<AppState>) -> Page {
    let draft = Draft::of(PLAYBOOK.to_owned(), 0);
    whole(&state, &viewer, RuleKind::Playbook, None, Asked::default(), Some(draft), None).await
}
