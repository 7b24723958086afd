//! The description of this API for programs (`OpenAPI` 3.1), at `/api/v1/openapi.json`.

use std::sync::LazyLock;

use axum::Json;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::{
    audit, chargers, commands, conformance, desired, device, duty, frames, history, incidents,
    json as shapes, neutral, orders, persons, replay, rules, security, sites, system, tickets,
    ties, tokens, transactions, uptime,
};

/// The shapes of requests and answers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Mendpoint",
        description = "Chargers, incidents, tickets and commands. Times are RFC 3339 in UTC."
    ),
    components(schemas(
        audit::AuditJson,
        audit::VerdictJson,
        chargers::Change,
        chargers::Create,
        chargers::Created,
        commands::Ask,
        commands::CommandItem,
        commands::CommandJson,
        frames::FrameJson,
        conformance::DeviationJson,
        conformance::ModelJson,
        desired::DesiredKeyJson,
        desired::DesiredValueJson,
        device::CapabilityJson,
        device::MonitorJson,
        device::SignalKeyJson,
        device::UpkeepJson,
        device::VariableChangeJson,
        device::VariableJson,
        crate::evidence::Evidence,
        duty::AddSilence,
        duty::AddWindow,
        duty::ChainJson,
        duty::OnCallJson,
        duty::PersonJson,
        duty::PlaceJson,
        duty::PutPerson,
        duty::RotaJson,
        duty::SilenceJson,
        duty::WindowJson,
        history::SpanJson,
        incidents::ActBody,
        incidents::SeenBody,
        incidents::Report,
        security::ChangeSecurity,
        security::SecurityEventJson,
        security::SecurityJson,
        security::Upgrade,
        shapes::ChargerDetail,
        shapes::ChargerItem,
        neutral::ClearCacheCommand,
        neutral::GetConfigurationCommand,
        neutral::GetLogCommand,
        neutral::ResetCommand,
        neutral::SetAvailabilityCommand,
        neutral::StartCommand,
        neutral::StopCommand,
        neutral::TriggerCommand,
        neutral::UnlockCommand,
        neutral::UpdateFirmwareCommand,
        shapes::IncidentJson,
        shapes::SiteJson,
        sites::Put,
        orders::LocalListBody,
        orders::LocalListJson,
        orders::PeriodJson,
        orders::ProfileBody,
        orders::ProfileJson,
        orders::ReservationJson,
        orders::ReserveBody,
        persons::EraseBody,
        persons::ErasureJson,
        persons::PersonBody,
        rules::ChangeRule,
        rules::CheckJson,
        rules::OverrideJson,
        rules::ProblemJson,
        rules::PutText,
        rules::PutThreshold,
        rules::RuleJson,
        rules::PutTexts,
        rules::OneOfTexts,
        rules::TextsJson,
        rules::ShadowJson,
        rules::ShadowedJson,
        rules::TakeBack,
        rules::TestJson,
        rules::TextJson,
        rules::ThresholdJson,
        rules::VersionJson,
        replay::ReplayBody,
        replay::RuleFile,
        system::Healing,
        tickets::ActBody,
        tickets::Open,
        tickets::TicketJson,
        ties::CohortJson,
        ties::RolloutJson,
        ties::TiesJson,
        ties::VehicleJson,
        tokens::Imported,
        tokens::LineError,
        tokens::TokenJson,
        transactions::FindingJson,
        transactions::LookBody,
        transactions::NoteJson,
        transactions::OrphanJson,
        transactions::TransactionJson,
        uptime::ExclusionBody,
        uptime::HoursBody,
    ))
)]
struct Shapes;

/// One address: method, path, what it does, query parameters, body and answer by shape.
struct Address {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    body: Option<&'static str>,
    answer: Answer,
}

/// The body of a command: one of [`COMMAND_SHAPES`].
const COMMAND_BODY: &str = "Command";
const COMMAND_SHAPES: [&str; 11] = [
    "Ask",
    "ResetCommand",
    "SetAvailabilityCommand",
    "UnlockCommand",
    "StartCommand",
    "StopCommand",
    "TriggerCommand",
    "GetConfigurationCommand",
    "GetLogCommand",
    "UpdateFirmwareCommand",
    "ClearCacheCommand",
];

/// What an address answers.
enum Answer {
    One(&'static str),
    Page(&'static str),
    Free,
    Stream,
    Csv,
}

const MODEL: &[&str] = &["vendor", "model", "firmware"];
const PAGED: &[&str] = &["limit", "cursor"];

const TRANSACTIONS: &[&str] =
    &["charger", "site", "open", "suspect", "from", "until", "limit", "cursor"];

const ADDRESSES: &[Address] = &[
    get("/chargers", "Chargers", &["state", "site", "admission", "q", "limit", "cursor"])
        .page("ChargerItem"),
    post("/chargers", "Register a charger").takes("Create").one("Created"),
    get("/chargers/{id}", "A charger with its state now", &[]).one("ChargerDetail"),
    patch("/chargers/{id}", "Change a charger's name, admission, validation or password")
        .takes("Change")
        .one("ChargerItem"),
    get("/chargers/{id}/commands", "The commands of a charger, newest first", PAGED)
        .page("CommandItem"),
    post(
        "/chargers/{id}/commands",
        "Send a command and wait for the charger's own answer; with `wait_s` it may wait for a \
         charger that is away (202)",
    )
    .takes(COMMAND_BODY)
    .one("CommandJson"),
    get("/chargers/{id}/commands/{command}", "A command and what became of it", &[])
        .one("CommandItem"),
    Address {
        method: "delete",
        ..get("/chargers/{id}/commands/{command}", "Take a command back that still waits", &[])
    }
    .one("CommandItem"),
    get("/chargers/{id}/frames", "Raw frames, newest first", frames::QUERY).page("FrameJson"),
    get("/transactions", "Charging sessions, newest first", TRANSACTIONS).page("TransactionJson"),
    get("/transactions.csv", "The same as a file for spreadsheets", TRANSACTIONS),
    get("/transactions/{id}", "A charging session, with what is odd about it", &[])
        .one("TransactionJson"),
    get("/transactions/{id}/notes", "What was said of it, oldest first", PAGED).page("NoteJson"),
    post("/transactions/{id}/look", "Write down that somebody looked at a suspect session")
        .takes("LookBody")
        .one("TransactionJson"),
    get("/chargers/{id}/local-list", "The cards that a charger knows by heart", &[])
        .one("LocalListJson"),
    post("/chargers/{id}/local-list", "Say which cards a charger should know, and send them")
        .takes("LocalListBody")
        .one("LocalListJson"),
    get("/reservations", "Reservations, newest first", &["charger", "limit", "cursor"])
        .page("ReservationJson"),
    get("/reservations/{id}", "A reservation", &[]).one("ReservationJson"),
    post("/chargers/{id}/reservations", "Hold a connector for a card")
        .takes("ReserveBody")
        .one("ReservationJson"),
    post("/reservations/{id}/cancel", "Take a reservation back").one("ReservationJson"),
    get("/chargers/{id}/charging-profiles", "Charging profiles that were set", &[])
        .page("ProfileJson"),
    post("/chargers/{id}/charging-profiles", "Set a charging profile")
        .takes("ProfileBody")
        .one("ProfileJson"),
    get("/chargers/{id}/charging-profiles/reported", "The profiles that a 2.x charger has", &[]),
    delete("/chargers/{id}/charging-profiles/{profile}", "Clear a charging profile"),
    get(
        "/chargers/{id}/composite-schedule",
        "What all profiles of a charger come to",
        &["connector", "duration", "unit"],
    ),
    get("/orphans", "Ends of sessions that are not known here", &["charger", "limit", "cursor"])
        .page("OrphanJson"),
    post("/orphans/{id}/look", "Write down that somebody looked at an orphan")
        .takes("LookBody")
        .one("OrphanJson"),
    get("/chargers/{id}/security", "How a charger may come in, and how it came last", &[])
        .one("SecurityJson"),
    patch("/chargers/{id}/security", "Change a charger's least profile or its certificate")
        .takes("ChangeSecurity")
        .one("SecurityJson"),
    post("/chargers/{id}/security/password", "Make a password to type in; shown once"),
    post("/chargers/{id}/security/rotate", "Give it a new password over its own connection"),
    post("/chargers/{id}/security/upgrade", "Lead it to a stronger security profile")
        .takes("Upgrade"),
    get("/security", "Listeners, their profiles and certificates", &[]),
    get("/security-events", "Security events, newest first", &["charger", "limit", "cursor"])
        .page("SecurityEventJson"),
    get(
        "/chargers/{id}/variables",
        "Configuration keys (1.6) and variables (2.x) that a charger told",
        &["q", "sort", "limit", "cursor"],
    )
    .page("VariableJson"),
    get("/chargers/{id}/variables.csv", "The same as CSV", &[]),
    get("/chargers/{id}/variables/history", "Their changes, newest first", &["name", "limit"])
        .page("VariableChangeJson"),
    get("/chargers/{id}/history", "Days (or hours) of a charger, oldest first", &["by", "days"])
        .page("SpanJson"),
    get("/chargers/{id}/monitors", "Monitors of a charger (2.x)", &[]).page("MonitorJson"),
    get("/chargers/{id}/upkeep", "How far the upkeep of a charger is", &[]).one("UpkeepJson"),
    get("/capabilities", "What models can do", &["vendor", "model", "firmware"])
        .page("CapabilityJson"),
    get("/signal-keys", "What people said of keys that may tell of a radio link", &[])
        .page("SignalKeyJson"),
    put("/signal-keys", "Say whether a key tells of a model's radio link")
        .takes("SignalKeyJson")
        .one("SignalKeyJson"),
    get("/desired-keys", "What configuration keys should be", &[]).page("DesiredKeyJson"),
    put("/desired-keys", "Say what a key should be; a value of null wants nothing any more")
        .takes("DesiredKeyJson")
        .one("DesiredKeyJson"),
    get("/chargers/{id}/desired-keys", "What a charger's keys should be and what they are", &[])
        .page("DesiredValueJson"),
    get("/conformance", "What models send that is not as OCPP says", MODEL).page("DeviationJson"),
    Address {
        answer: Answer::Csv,
        ..get("/conformance.csv", "The same as a file for the manufacturer", MODEL)
    },
    get("/conformance/models", "Models whose messages were looked at", MODEL).page("ModelJson"),
    get(
        "/incidents",
        "Incidents, newest first",
        &["state", "charger", "reason", "rule", "source", "needs_person", "hide_inhibited", "q", "limit", "cursor"],
    )
    .page("IncidentJson"),
    post("/incidents", "Report a problem of a charger").takes("Report").one("IncidentJson"),
    get("/cohorts", "Alerts per 1,000 connector-hours by vendor, model and firmware", &[])
        .page("CohortJson"),
    get("/vehicles", "Cards and vehicles that fail at several sites while others charge", &[])
        .page("VehicleJson"),
    get("/rollouts", "Firmware whose updates are paused", &[]).page("RolloutJson"),
    post("/rollouts/{id}/lift", "Let updates go on that an incident paused; administrators")
        .page("RolloutJson"),
    get("/incidents/{id}", "An incident with its timeline", &[]).one("IncidentJson"),
    get("/incidents/{id}/evidence", "The bundle of evidence of an incident", &[]).one("Evidence"),
    get("/incidents/{id}/chain", "Who was told of an incident, and who is next", &[])
        .one("ChainJson"),
    post(
        "/incidents/{id}/{action}",
        "take, release, note, resolve, stop-healing, run-playbook, approve, refuse, snooze, escalate, merge, split",
    )
    .takes("IncidentAct")
    .one("IncidentJson"),
    get(
        "/tickets",
        "Tickets, newest first, or `order=due`",
        &["status", "charger", "assignee", "q", "order", "limit", "cursor"],
    )
    .page("TicketJson"),
    post("/tickets", "Open a ticket by hand").takes("Open").one("TicketJson"),
    get("/tickets/{id}", "A ticket with its history", &[]).one("TicketJson"),
    post("/tickets/{id}/{command}", "Do something with a ticket; `commands` says what can be done")
        .takes("TicketAct")
        .one("TicketJson"),
    get("/sites", "Sites", &[]).page("SiteJson"),
    post("/sites", "Register or change a site").takes("Put").one("SiteJson"),
    get("/duty/on-call", "Who is on call now, and gaps of the next 14 days", &[]).page("OnCallJson"),
    get("/duty/chains", "How far the chain of each open incident is", &[]).page("ChainJson"),
    get("/duty/breaches", "Incidents that were not mended in time", &[]).page("ChainJson"),
    get("/duty/rotas", "Rotas", &[]).page("RotaJson"),
    put("/duty/rotas", "Make a rota, or change the one of its name").takes("RotaJson").one("RotaJson"),
    delete("/duty/rotas/{name}", "Delete a rota"),
    get("/duty/silences", "Silences, newest first", &[]).page("SilenceJson"),
    post("/duty/silences", "Silence what fits, for at most 30 days")
        .takes("AddSilence")
        .one("SilenceJson"),
    delete("/duty/silences/{id}", "End a silence before its time"),
    get("/duty/windows", "Maintenance windows with their next times", &[]).page("WindowJson"),
    post("/duty/windows", "Plan maintenance of a site or a charger")
        .takes("AddWindow")
        .one("WindowJson"),
    delete("/duty/windows/{id}", "Cancel planned maintenance"),
    get("/duty/persons", "What people want of notifications", &[]).page("PersonJson"),
    put("/duty/persons/{name}", "Quiet hours and notifications a day of a person")
        .takes("PutPerson")
        .one("PersonJson"),
    get("/duty/places", "Access, labels and owners of sites and chargers", &[]).page("PlaceJson"),
    put("/duty/places", "Say who may charge at a site or charger, its labels, its owner's mail")
        .takes("PlaceJson")
        .one("PlaceJson"),
    get("/rules", "The rules in force", &[]).page("RuleJson"),
    post("/rules", "Add a rule; it begins on trial").takes("PutText").one("TextJson"),
    post("/rules/check", "Look at a text and run its tests; nothing is kept")
        .takes("PutText")
        .one("CheckJson"),
    post("/rules/together", "Keep several rules and playbooks in one go, all of them or none")
        .takes("PutTexts")
        .one("TextsJson"),
    post("/rules/reload", "Read the files again; timers and counts go on"),
    get("/rules/{id}", "A rule with its text", &[]).one("TextJson"),
    put("/rules/{id}", "Edit a rule: a new version").takes("PutText").one("TextJson"),
    patch("/rules/{id}", "Switch a rule on, on trial or off, or say how much it may do")
        .takes("ChangeRule")
        .one("TextJson"),
    get("/rules/{id}/shadow", "What a rule found on trial, or would have sent, and what became of it", &[])
        .one("ShadowJson"),
    get("/rules/{id}/versions", "Its versions, newest first", &[]).page("VersionJson"),
    post("/rules/{id}/take-back", "Put an older version in force, or (0) the file's")
        .takes("TakeBack"),
    put("/rules/{id}/thresholds", "Set a threshold otherwise for a site, a model or a charger")
        .takes("PutThreshold")
        .one("TextJson"),
    get("/playbooks", "The playbooks in force", &[]),
    post("/playbooks", "Add a playbook").takes("PutText").one("TextJson"),
    get("/playbooks/{id}", "A playbook with its text", &[]).one("TextJson"),
    put("/playbooks/{id}", "Edit a playbook: a new version").takes("PutText").one("TextJson"),
    get("/playbooks/{id}/versions", "Its versions, newest first", &[]).page("VersionJson"),
    post("/playbooks/{id}/take-back", "Put an older version in force, or (0) the file's")
        .takes("TakeBack"),
    get("/rules/replay", "The last replays of the past, newest first", &[]),
    post("/rules/replay", "Live through the stored past with other rules, beside the server")
        .takes("ReplayBody"),
    get("/rules/replay/{id}", "How far a replay is, and its report", &[]),
    delete("/rules/replay/{id}", "Stop a replay"),
    get(
        "/uptime",
        "Minutes and figures of connectors in a month or a range",
        &["month", "from", "until", "site", "charger"],
    ),
    get(
        "/uptime.csv",
        "The quarter of a month as a file: every connector and month with all figures and outages",
        &["month", "site", "charger"],
    ),
    get("/kpis", "Figures of charging and healing", &["by", "from", "until", "site"]),
    get("/kpis.csv", "The same as a file for spreadsheets", &["by", "from", "until", "site"]),
    get(
        "/uptime/exclusions",
        "Minutes that do not count, with what shows it; of a site, or what an outage proposed",
        &["site", "incident"],
    ),
    post("/uptime/outages/{id}/{decision}", "approve or refuse all that an outage proposed"),
    post("/uptime/exclusions", "Propose an exclusion").takes("ExclusionBody"),
    post("/uptime/exclusions/{id}/{decision}", "approve or refuse an exclusion"),
    put("/uptime/hours", "Set the opening hours of a site").takes("HoursBody"),
    get("/chargers/{id}/uptime-burn", "How fast a charger uses up the budget of 97 %", &[]),
    get("/outbox", "Mail, newest first", PAGED),
    get("/system", "Numbers about the running program", &[]),
    get("/healing", "How healing stands by model, and what it learned", &[]),
    post(
        "/chargers/{id}/healing/allow",
        "Allow the steps again that are off because they made the charger worse",
    ),
    put("/healing", "Stop or allow healing: everywhere, at a site, on a charger").takes("Healing"),
    get(
        "/id-tokens",
        "Registered idTags and idTokens",
        &["status", "group", "q", "limit", "cursor"],
    )
    .page("TokenJson"),
    get("/id-tokens.csv", "All of them as a file", &[]),
    post("/id-tokens.csv", "Register those of a file (text/csv): all, or none and why").one("Imported"),
    get("/id-tokens/{token}", "A registered idTag or idToken", &[]).one("TokenJson"),
    delete("/id-tokens/{token}", "Forget an idTag or idToken"),
    post("/id-tokens", "Register or change an idTag or idToken").takes("TokenJson").one("TokenJson"),
    post("/persons/export", "All that is kept of a card").takes("PersonBody"),
    post("/persons/erase", "Put a pseudonym in the place of a card's number everywhere")
        .takes("EraseBody")
        .one("ErasureJson"),
    get("/persons/erased", "Who was erased, by pseudonym", &[]).page("ErasureJson"),
    get("/audit", "The audit log, newest first", &["actor", "subject", "limit", "cursor"])
        .page("AuditJson"),
    Address {
        answer: Answer::Csv,
        ..get("/audit.csv", "The same as a file", &["actor", "subject"])
    },
    get("/audit/verify", "Whether the audit log is as it was written", &[]).one("VerdictJson"),
    Address { answer: Answer::Stream, ..get("/events", "What changes, as it changes (SSE)", &[]) },
];

const fn address(method: &'static str, path: &'static str, summary: &'static str) -> Address {
    Address { method, path, summary, query: &[], body: None, answer: Answer::Free }
}

const fn get(path: &'static str, summary: &'static str, query: &'static [&'static str]) -> Address {
    Address { query, ..address("get", path, summary) }
}

const fn post(path: &'static str, summary: &'static str) -> Address {
    address("post", path, summary)
}

const fn delete(path: &'static str, summary: &'static str) -> Address {
    address("delete", path, summary)
}

const fn put(path: &'static str, summary: &'static str) -> Address {
    address("put", path, summary)
}

const fn patch(path: &'static str, summary: &'static str) -> Address {
    address("patch", path, summary)
}

impl Address {
    const fn takes(self, shape: &'static str) -> Self {
        Self { body: Some(shape), ..self }
    }

    const fn one(self, shape: &'static str) -> Self {
        Self { answer: Answer::One(shape), ..self }
    }

    const fn page(self, shape: &'static str) -> Self {
        Self { answer: Answer::Page(shape), ..self }
    }

    fn operation(&self) -> Value {
        let in_path = self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let parameters: Vec<Value> = in_path
            .map(|name| parameter(name, "path"))
            .chain(self.query.iter().map(|name| parameter(name, "query")))
            .collect();
        let answer = match self.answer {
            Answer::One(shape) => content("application/json", &reference(shape)),
            Answer::Page(shape) => content(
                "application/json",
                &json!({
                    "type": "object",
                    "required": ["items", "next"],
                    "properties": {
                        "items": { "type": "array", "items": reference(shape) },
                        "next": { "type": ["string", "null"] },
                    },
                }),
            ),
            Answer::Free => content("application/json", &json!({ "type": "object" })),
            Answer::Csv => content("text/csv", &json!({ "type": "string" })),
            Answer::Stream => content("text/event-stream", &json!({ "type": "string" })),
        };
        let mut operation = json!({
            "summary": self.summary,
            "parameters": parameters,
            "responses": {
                "200": { "description": "Done", "content": answer },
                "4XX": { "description": "A sentence that says what is wrong" },
            },
        });
        if let Some(shape) = self.body {
            operation["requestBody"] =
                json!({ "content": content("application/json", &reference(shape)) });
        }
        operation
    }
}

fn parameter(name: &str, place: &str) -> Value {
    json!({
        "name": name, "in": place, "required": place == "path", "schema": { "type": "string" },
    })
}

fn content(kind: &str, schema: &Value) -> Value {
    json!({ kind: { "schema": schema } })
}

/// A shape by its name.
fn reference(shape: &str) -> Value {
    if shape == COMMAND_BODY {
        let shapes: Vec<Value> = COMMAND_SHAPES.iter().map(|shape| reference(shape)).collect();
        return json!({ "oneOf": shapes });
    }
    json!({ "$ref": format!("#/components/schemas/{shape}") })
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = serde_json::to_value(Shapes::openapi()).unwrap_or_default();
    let mut paths: Map<String, Value> = Map::new();
    for address in ADDRESSES {
        let path = paths.entry(format!("/api/v1{}", address.path)).or_insert_with(|| json!({}));
        path[address.method] = address.operation();
    }
    document["paths"] = Value::Object(paths);
    document["components"]["securitySchemes"] =
        json!({ "token": { "type": "http", "scheme": "bearer" } });
    document["security"] = json!([{ "token": [] }]);
    document
});

pub(super) async fn document() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_that_is_named_is_described() {
        let schemas = &DOCUMENT["components"]["schemas"];
        for shape in COMMAND_SHAPES {
            assert!(schemas[shape].is_object(), "{shape} is a body of a command");
        }
        for address in ADDRESSES {
            let shapes = address.body.into_iter().chain(match address.answer {
                Answer::One(shape) | Answer::Page(shape) => Some(shape),
                _ => None,
            });
            for shape in shapes {
                if shape == COMMAND_BODY {
                    continue;
                }
                assert!(schemas[shape].is_object(), "{} names {shape}", address.path);
            }
        }
    }
}
