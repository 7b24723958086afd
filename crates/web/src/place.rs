//! Places and moments as pages show them: a charger with its site and connector, a time with its
//! machine form.

use mendpoint_model::{
    CellState, ChargerKey, ChargerState, ConnectorRef, ConnectorState, ConnectorStatus, SiteKey,
    UnixMs,
};
use mendpoint_pipeline::Directory;

use crate::shell::Glyph;
use crate::{show, url};

/// Where something is. What is not registered any more is shown by its number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The charger's name.
    pub(crate) charger: String,
    /// The page of the charger.
    pub(crate) href: String,
    /// The site's name.
    pub(crate) site: String,
    /// Its region; empty when none.
    pub(crate) region: String,
    /// `connector 2`, or nothing for the whole charger.
    pub(crate) connector: String,
}

impl Place {
    /// The place of a charger's connector.
    pub(crate) fn new(
        directory: &Directory,
        charger: ChargerKey,
        site: SiteKey,
        connector: ConnectorRef,
    ) -> Self {
        let record = directory.charger(charger);
        let site = directory.site(site);
        Self {
            charger: record
                .as_ref()
                .map_or_else(|| format!("charger number {charger}"), |record| record.name.clone()),
            href: record.as_ref().map_or_else(String::new, |record| charger_href(&record.identity)),
            site: site.as_ref().map(|site| site.name.clone()).unwrap_or_default(),
            region: site.as_ref().map(|site| site.region.clone()).unwrap_or_default(),
            connector: if connector.is_charger() {
                String::new()
            } else {
                format!("connector {connector}")
            },
        }
    }
}

/// The page of a charger. Identities are the chargers' own: anything may be in them.
pub(crate) fn charger_href(identity: &str) -> String {
    format!("/chargers/{}", url::encode(identity))
}

/// Whether a charger has a connector, as far as it told; a sentence when it has not. Nothing is known of
/// one that never connected.
pub(crate) fn check_connector(
    live: Option<&ChargerState>,
    connector: Option<ConnectorRef>,
) -> Result<(), String> {
    let known = live.map(|live| live.connectors.as_slice()).unwrap_or_default();
    let known: Vec<_> = known.iter().map(|state| state.at).filter(|at| !at.is_charger()).collect();
    let Some(at) = connector.filter(|at| !at.is_charger()) else { return Ok(()) };
    if known.is_empty() || known.contains(&at) {
        return Ok(());
    }
    let known: Vec<_> = known.iter().map(ConnectorRef::to_string).collect();
    Err(format!("the charger has no connector {at}, only {}", known.join(", ")))
}

/// `2`, `2.1` or nothing.
pub(crate) fn connector_of(text: &str) -> Result<Option<ConnectorRef>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let read = || {
        let (evse, connector) = text.split_once('.').unwrap_or((text, "1"));
        let (evse, connector) = (evse.parse().ok()?, connector.parse().ok()?);
        (evse > 0).then_some(ConnectorRef { evse, connector })
    };
    read().map(Some).ok_or_else(|| format!("There is no connector {text:?}."))
}

/// A time as a field for date and time holds it, which has no zone (`2026-09-21T14:00`): UTC, as
/// everywhere on the pages. A time with a zone is taken as it is.
pub(crate) fn utc(text: &str) -> Option<UnixMs> {
    let text = text.trim();
    let seconds = if text.len() == "2026-09-21T14:00".len() { ":00" } else { "" };
    UnixMs::parse_rfc3339(&format!("{text}{seconds}Z")).or_else(|| UnixMs::parse_rfc3339(text))
}

/// A time for `<time>`: the machine form, and forms for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Milliseconds, for what counts up or down in the browser.
    pub(crate) ms: i64,
    /// RFC 3339, for `datetime`.
    pub(crate) iso: String,
    /// `2026-11-21 14:07`, for the title.
    pub(crate) full: String,
    /// `14:07:32` on the same day, else with the date.
    pub(crate) clock: String,
    /// `4 min ago`, or `in 4 min`.
    pub(crate) ago: String,
}

impl Moment {
    /// A time as seen from `now`.
    pub(crate) fn new(now: UnixMs, at: UnixMs) -> Self {
        let full = format!("{} UTC", show::date_time(at));
        let is_today = show::date_time(at).get(..10) == show::date_time(now).get(..10);
        Self {
            ms: at.0,
            iso: at.rfc3339(),
            clock: if is_today { show::clock(at) } else { show::date_time(at) },
            ago: if at > now {
                format!("in {}", show::duration(at.since_ms(now)))
            } else {
                show::ago(now, at)
            },
            full,
        }
    }
}

/// A connector of the charger as it is now.
#[derive(Clone, Debug)]
pub(crate) struct ConnectorNow {
    /// "Connector 1".
    pub(crate) name: String,
    pub(crate) glyph: Glyph,
    /// At the right: power, or a word.
    pub(crate) end: String,
    /// A line below: status, error, since when.
    pub(crate) line: String,
}

impl ConnectorNow {
    /// How a connector is. While the charger is offline its last status is shown as that.
    pub(crate) fn new(now: UnixMs, state: &ConnectorState, online: bool) -> Self {
        let cell = if online { cell_of(state) } else { CellState::Offline };
        let mut line = state.raw_status.as_deref().unwrap_or(state.status.name()).to_owned();
        if let Some(error) = &state.error {
            line = format!("{line}, {}", error.code);
            for more in [&error.vendor_code, &error.info].into_iter().flatten() {
                line = format!("{line}, {more}");
            }
        }
        for fault in &state.faults {
            let code = fault.code.as_deref().unwrap_or(&fault.variable);
            line = format!("{line}, {} {code}", fault.component);
        }
        if let Some(since) = state.since {
            line = format!("{line} for {}", show::duration(now.since_ms(since)));
        }
        if !online {
            line = format!("Last known: {line}");
        }
        let end = match state.power_w {
            Some(power) if online && state.status == ConnectorStatus::Charging => {
                show::power(power)
            }
            _ if state.desired_operative == Some(false) => "switched off".to_owned(),
            _ => String::new(),
        };
        let name = if state.at.is_charger() {
            "The charger".to_owned()
        } else {
            format!("Connector {}", state.at)
        };
        Self { name, glyph: cell.into(), end, line }
    }
}

fn cell_of(state: &ConnectorState) -> CellState {
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

/// A charger as it is now, for the column of facts.
#[derive(Clone, Debug)]
pub(crate) struct ChargerNow {
    pub(crate) place: Place,
    /// Vendor and model.
    pub(crate) model: String,
    pub(crate) firmware: String,
    pub(crate) online: bool,
    /// "online", or "offline for 4 min".
    pub(crate) link: String,
    pub(crate) connectors: Vec<ConnectorNow>,
}

impl ChargerNow {
    /// Looks at a charger: its record, and its state where it has one.
    pub(crate) async fn look(
        handle: &mendpoint_pipeline::Handle,
        charger: ChargerKey,
        site: SiteKey,
    ) -> Self {
        let now = handle.now();
        let directory = handle.directory();
        let record = directory.charger(charger);
        let state = handle.charger(charger).await;
        let online = state.as_ref().is_some_and(|state| state.link.connected);
        let since = state.as_ref().and_then(|state| state.link.since);
        let link = match (online, since) {
            (true, _) => "online".to_owned(),
            (false, Some(since)) => format!("offline for {}", show::duration(now.since_ms(since))),
            (false, None) => "never connected".to_owned(),
        };
        let connectors = state.as_ref().map_or_else(Vec::new, |state| {
            let whole = Some(&state.whole).filter(|whole| {
                matches!(whole.status, ConnectorStatus::Faulted | ConnectorStatus::Unavailable)
            });
            let all = whole.into_iter().chain(&state.connectors);
            all.map(|connector| ConnectorNow::new(now, connector, online)).collect()
        });
        Self {
            place: Place::new(directory, charger, site, ConnectorRef::CHARGER),
            model: record.as_ref().map_or_else(String::new, |record| {
                format!("{} {}", record.vendor, record.model).trim().to_owned()
            }),
            firmware: record.map(|record| record.firmware.clone()).unwrap_or_default(),
            online,
            link,
            connectors,
        }
    }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{ErrorReport, MINUTE_MS};

    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    #[test]
    fn a_moment_of_another_day_shows_its_date() {
        assert_eq!(Moment::new(NOW, NOW - 4 * MINUTE_MS).clock, "14:09:20");
        assert_eq!(Moment::new(NOW, NOW - 24 * 60 * MINUTE_MS).clock, "2026-09-20 14:13");
        assert_eq!(Moment::new(NOW, NOW + 4 * MINUTE_MS).ago, "in 4 min");
        assert_eq!(Moment::new(NOW, NOW - 4 * MINUTE_MS).ago, "4 min ago");
    }

    #[test]
    fn a_broken_connector_says_what_the_charger_said() {
        let error = ErrorReport {
            code: "GroundFailure".to_owned(),
            vendor_code: Some("E-0417".to_owned()),
            ..ErrorReport::default()
        };
        let state = ConnectorState {
            at: ConnectorRef::v16(2),
            status: ConnectorStatus::Faulted,
            since: Some(NOW - 5 * MINUTE_MS),
            error: Some(Box::new(error)),
            ..ConnectorState::default()
        };
        let shown = ConnectorNow::new(NOW, &state, true);
        assert_eq!(shown.glyph.token, "fault");
        assert_eq!(shown.line, "Faulted, GroundFailure, E-0417 for 5 min");
        let offline = ConnectorNow::new(NOW, &state, false);
        assert_eq!(offline.glyph.token, "offline");
        assert!(offline.line.starts_with("Last known: "), "{}", offline.line);
    }

    #[test]
    fn an_identity_cannot_leave_its_place_in_the_address() {
        assert_eq!(charger_href("a/../b?x"), "/chargers/a%2F..%2Fb%3Fx");
    }
}
