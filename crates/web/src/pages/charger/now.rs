//! The part of a charger's page that changes by itself: how it is now.

use askama::Template;
use mendpoint_model::{
    CellState, ChargerRecord, ChargerState, ConnectorRef, ConnectorState, ConnectorStatus, UnixMs,
};

use super::sentence;
use crate::place::Moment;
use crate::shell::Glyph;
use crate::{AppState, show};

/// How the charger is now.
#[derive(Clone, Debug)]
pub(super) struct Now {
    pub(super) name: String,
    /// The identity; empty when it is the name.
    pub(super) identity: String,
    /// The address of its page.
    pub(super) href: String,
    pub(super) glyph: Glyph,
    pub(super) sentence: String,
    pub(super) online: bool,
    /// "online since", "offline since" or "never connected".
    pub(super) link: &'static str,
    pub(super) link_since: Option<Moment>,
    pub(super) last_seen: Option<Moment>,
    pub(super) remote: String,
    pub(super) protocol: &'static str,
    pub(super) connectors: Vec<Connector>,
    pub(super) open: Vec<OpenTransaction>,
}

/// A row of the table of connectors.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) name: String,
    pub(super) glyph: Glyph,
    /// The OCPP word.
    pub(super) status: String,
    /// Error and fault codes as sent.
    pub(super) codes: Vec<String>,
    /// Vendor's code and free text.
    pub(super) more: String,
    pub(super) since: Option<Moment>,
    pub(super) lasted: String,
    /// Power, energy, state of charge, temperature: what was measured.
    pub(super) measured: Vec<String>,
    /// Whether we switched it off.
    pub(super) switched_off: bool,
}

/// A charge that is under way.
#[derive(Clone, Debug)]
pub(super) struct OpenTransaction {
    pub(super) number: String,
    pub(super) connector: String,
    pub(super) token: String,
    pub(super) started: Moment,
    pub(super) energy: String,
    pub(super) power: String,
    pub(super) state: String,
}

#[derive(Template)]
#[template(path = "charger_now.html")]
pub(super) struct NowFragment {
    pub(super) now: Now,
}

impl Now {
    pub(super) fn new(
        app: &AppState,
        record: &ChargerRecord,
        state: Option<&ChargerState>,
    ) -> Self {
        let handle = app.handle();
        let now = handle.now();
        let cell = handle.board().get(record.key).unwrap_or(CellState::NeverSeen);
        let link = state.map(|state| &state.link);
        let online = link.is_some_and(|link| link.connected);
        let since = link.and_then(|link| link.since);
        let identity = if record.name == *record.identity {
            String::new()
        } else {
            record.identity.to_string()
        };
        Self {
            name: record.name.clone(),
            identity,
            href: crate::place::charger_href(&record.identity),
            glyph: cell.into(),
            sentence: sentence::of(now, record.admission, state),
            online,
            link: match (online, since) {
                (true, _) => "Online",
                (false, Some(_)) => "Offline",
                (false, None) => "Never connected",
            },
            link_since: since.map(|at| Moment::new(now, at)),
            last_seen: link.and_then(|link| link.last_seen_at).map(|at| Moment::new(now, at)),
            remote: link.map(|link| link.remote.to_string()).unwrap_or_default(),
            protocol: link.and_then(|link| link.protocol).map_or("", protocol_label),
            connectors: state.map_or_else(Vec::new, |state| connectors(now, state, online)),
            open: state.map_or_else(Vec::new, |state| open(now, state)),
        }
    }
}

fn protocol_label(protocol: mendpoint_model::Protocol) -> &'static str {
    match protocol {
        mendpoint_model::Protocol::V16 => "OCPP 1.6",
        mendpoint_model::Protocol::V201 => "OCPP 2.0.1",
        mendpoint_model::Protocol::V21 => "OCPP 2.1",
    }
}

fn connectors(now: UnixMs, state: &ChargerState, online: bool) -> Vec<Connector> {
    // The charger as a whole is a row only when it says more than that it is there.
    let whole = Some(&state.whole).filter(|whole| {
        whole.error.is_some()
            || !whole.faults.is_empty()
            || matches!(whole.status, ConnectorStatus::Faulted | ConnectorStatus::Unavailable)
    });
    let all = whole.into_iter().chain(&state.connectors);
    all.map(|connector| Connector::new(now, connector, online)).collect()
}

impl Connector {
    fn new(now: UnixMs, state: &ConnectorState, online: bool) -> Self {
        let error = state.error.as_deref();
        let mut more: Vec<&str> = error
            .map(|error| [&error.vendor_code, &error.info, &error.vendor_id])
            .into_iter()
            .flatten()
            .filter_map(|text| text.as_deref())
            .filter(|text| !text.is_empty())
            .collect();
        more.extend(state.faults.iter().filter_map(|fault| fault.info.as_deref()));
        Self {
            name: name_of(state.at),
            glyph: if online { cell_of(state) } else { CellState::Offline }.into(),
            status: state.raw_status.as_deref().unwrap_or(state.status.name()).to_owned(),
            codes: sentence::causes(state),
            more: more.join(" · "),
            since: state.since.map(|at| Moment::new(now, at)),
            lasted: state.since.map(|at| show::duration(now.since_ms(at))).unwrap_or_default(),
            measured: measured(state),
            switched_off: state.desired_operative == Some(false),
        }
    }
}

fn name_of(at: ConnectorRef) -> String {
    if at.is_charger() { "Whole charger".to_owned() } else { format!("Connector {at}") }
}

/// The glyph of a connector of a charger that is there.
pub(in crate::pages) fn cell_of(state: &ConnectorState) -> CellState {
    match state.status {
        // What we took out of service is out of service, whatever else it says.
        ConnectorStatus::Unavailable if state.desired_operative == Some(false) => {
            CellState::Planned
        }
        ConnectorStatus::Faulted => CellState::Faulted,
        _ if !state.faults.is_empty() => CellState::Faulted,
        _ if state.error.is_some() => CellState::Degraded,
        ConnectorStatus::Charging => CellState::Charging,
        ConnectorStatus::Unavailable => CellState::Planned,
        ConnectorStatus::Unknown => CellState::NeverSeen,
        ConnectorStatus::Available => CellState::Available,
        _ => CellState::PluggedIn,
    }
}

fn measured(state: &ConnectorState) -> Vec<String> {
    let is_charging = state.status.is_plugged();
    let power = state.power_w.filter(|_| is_charging).map(show::power);
    let energy = state.energy_wh.map(|energy| format!("meter {}", show::energy(energy)));
    let charge = state.soc_percent.filter(|_| is_charging).map(|soc| format!("car at {soc:.0} %"));
    let warmth = state.temperature_c.map(|celsius| format!("{celsius:.0} °C"));
    [power, charge, energy, warmth].into_iter().flatten().collect()
}

fn open(now: UnixMs, state: &ChargerState) -> Vec<OpenTransaction> {
    state
        .transactions
        .iter()
        .map(|transaction| OpenTransaction {
            number: transaction.id.to_string(),
            connector: name_of(transaction.connector),
            token: crate::search::masked(&transaction.id_token),
            started: Moment::new(now, transaction.started_at),
            energy: transaction.energy_wh().map(show::energy).unwrap_or_default(),
            power: transaction.power_w.map(show::power).unwrap_or_default(),
            state: match (&transaction.charging_state, transaction.idle_since) {
                (_, Some(since)) => {
                    format!("no energy for {}", show::duration(now.since_ms(since)))
                }
                (Some(word), None) => word.to_string(),
                (None, None) => String::new(),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use mendpoint_model::ErrorReport;

    use super::*;

    #[test]
    fn a_connector_of_an_absent_charger_is_shown_as_that() {
        let state = ConnectorState {
            at: ConnectorRef::v16(1),
            status: ConnectorStatus::Faulted,
            error: Some(Box::new(ErrorReport {
                code: "OtherError".to_owned(),
                vendor_code: Some("E-0417".to_owned()),
                info: Some("door <open>".to_owned()),
                ..ErrorReport::default()
            })),
            ..ConnectorState::default()
        };
        let shown = Connector::new(UnixMs(0), &state, false);
        assert_eq!(shown.glyph.token, "offline");
        assert_eq!(shown.codes, ["OtherError"]);
        assert_eq!(shown.more, "E-0417 · door <open>");
        assert_eq!(Connector::new(UnixMs(0), &state, true).glyph.token, "fault");
    }

    #[test]
    fn what_a_charger_says_cannot_become_markup() {
        let connector = Connector {
            name: "Connector 1".to_owned(),
            glyph: CellState::Faulted.into(),
            status: "<b>Odd</b>".to_owned(),
            codes: vec!["<script>".to_owned()],
            more: "\"x\"".to_owned(),
            since: None,
            lasted: String::new(),
            measured: Vec::new(),
            switched_off: false,
        };
        let now = Now {
            name: "<i>".to_owned(),
            identity: String::new(),
            href: "/chargers/x".to_owned(),
            glyph: CellState::Faulted.into(),
            sentence: "a & b".to_owned(),
            online: true,
            link: "Online",
            link_since: None,
            last_seen: None,
            remote: String::new(),
            protocol: "",
            connectors: vec![connector],
            open: Vec::new(),
        };
        let page = NowFragment { now }.render().expect("renders");
        for markup in ["<script>", "<b>Odd", "<i>"] {
            assert!(!page.contains(markup), "{markup} in {page}");
        }
    }
}
