//! `GET /api/v1/events`: what changes, as it changes, for scripts.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;

use super::auth::Caller;
use crate::AppState;

/// How often changes are looked for.
const EVERY: Duration = Duration::from_millis(250);

/// A stream of `versions` (which lists changed) and `charger` (a charger's new state).
pub(super) async fn stream(
    _: Caller,
    State(state): State<AppState>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let start = (state.handle().board().seq(), None, std::collections::VecDeque::new(), state);
    let events =
        futures_util::stream::unfold(start, |(mut seq, mut told, mut waiting, state)| async move {
            loop {
                if let Some(event) = waiting.pop_front() {
                    return Some((Ok(event), (seq, told, waiting, state)));
                }
                let handle = state.handle();
                if state.is_stopping() {
                    return None;
                }
                let versions = handle.topics().now();
                if told != Some(versions) {
                    told = Some(versions);
                    if let Ok(event) = Event::default().event("versions").json_data(versions) {
                        waiting.push_back(event);
                    }
                }
                match handle.board().changes_since(seq) {
                    Some((newest, changes)) => {
                        seq = newest;
                        for (charger, cell) in changes {
                            let Some(record) = handle.directory().charger(charger) else {
                                continue;
                            };
                            let data =
                                serde_json::json!({ "id": record.identity, "state": cell.token() });
                            if let Ok(event) = Event::default().event("charger").json_data(data) {
                                waiting.push_back(event);
                            }
                        }
                    }
                    None => {
                        seq = handle.board().seq();
                        waiting.push_back(Event::default().event("resync").data("{}"));
                    }
                }
                if waiting.is_empty() {
                    tokio::time::sleep(EVERY).await;
                }
            }
        });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(5)))
}
