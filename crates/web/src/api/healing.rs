//! How healing stands beyond one charger, and what it learned.

use axum::Json;
use axum::extract::State;
use mendpoint_pipeline::Handle;
use serde_json::{Value, json};

use super::auth::{Caller, Operator};
use super::chargers::find;
use super::error::Result;
use super::extract::Path;
use crate::AppState;

/// Everything that healing knows beyond single incidents.
pub(crate) fn healing_json(handle: &Handle) -> Value {
    let report = handle.healing_report();
    let name =
        |charger| handle.directory().charger(charger).map(|record| record.identity.to_string());
    let site = |key| handle.directory().site(key).map(|site| site.name.clone());
    let model = |of: &mendpoint_model::ModelKey| json!({ "vendor": of.vendor, "model": of.model, "firmware": of.firmware });
    let learned: Vec<Value> = handle
        .learned()
        .iter()
        .map(|row| {
            let bounds = row.tally.bounds();
            json!({
                "vendor": row.model.vendor,
                "model": row.model.model,
                "firmware": row.model.firmware,
                "code": row.code,
                "rung": row.rung.name(),
                "n": row.tally.n,
                "fixed": row.tally.fixed,
                "worse": row.tally.worse,
                "seconds_to_fix": if row.tally.fixed > 0.0 {
                    Some(row.tally.seconds / row.tally.fixed)
                } else {
                    None
                },
                "low": bounds.low,
                "high": bounds.high,
            })
        })
        .collect();
    json!({
        "at": handle.now().rfc3339_ms(),
        "chargers": report.chargers,
        "storms": report.storms.iter().map(|row| json!({
            "site": row.site.and_then(site),
            "model": row.model,
            "in_trouble": row.unwell,
            "of": row.known,
            "since": row.since.rfc3339_ms(),
            "until": row.until.map(mendpoint_model::UnixMs::rfc3339_ms),
        })).collect::<Vec<_>>(),
        "running": report.running.iter().map(|row| json!({
            "charger": name(row.charger),
            "incident": row.incident.to_string(),
            "rung": row.rung.name(),
            "since": row.since.rfc3339_ms(),
        })).collect::<Vec<_>>(),
        "records": report.records.iter().map(|row| json!({
            "model": model(&row.model),
            "rung": row.rung.name(),
            "fixed": row.fixed,
            "of": row.of,
            "worse": row.worse,
            "canary": row.canary,
            "breaker": row.breaker,
            "until": row.until.map(mendpoint_model::UnixMs::rfc3339_ms),
        })).collect::<Vec<_>>(),
        "off": report.off.iter().map(|row| json!({
            "charger": name(row.charger),
            "rung": row.rung.name(),
            "since": row.since.rfc3339_ms(),
            "incident": row.incident.to_string(),
        })).collect::<Vec<_>>(),
        "boots": report.boots.iter().map(|row| json!({
            "vendor": row.vendor,
            "model": row.model,
            "starts": row.starts,
            "p95_ms": row.p95_ms,
        })).collect::<Vec<_>>(),
        "shadows": report.shadows.iter().map(|(rule, tally)| json!({
            "rule": rule,
            "steps": tally.steps,
            "by_itself": tally.by_itself,
            "by_person": tally.by_person,
            "by_neighbour": tally.by_neighbour,
        })).collect::<Vec<_>>(),
        "new_rules": report.new_rules.iter().map(|(rule, until)| json!({
            "rule": rule,
            "shadow_until": until.rfc3339_ms(),
        })).collect::<Vec<_>>(),
        "learned": learned,
    })
}

/// How healing stands.
pub(super) async fn report(_: Caller, State(state): State<AppState>) -> Json<Value> {
    Json(healing_json(state.handle()))
}

/// Steps that are off for a charger, because they made it worse, are allowed again (G9).
pub(super) async fn allow(
    Operator(caller): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Value>> {
    let key = find(&state, &id)?.key;
    let was_off = state.handle().allow_steps_again(key, &caller.name).await?;
    Ok(Json(json!({ "allowed": true, "was_off": was_off })))
}
