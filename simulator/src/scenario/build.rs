//! From the text of a scenario to a checked one.

use std::collections::HashSet;

use mendpoint_model::Protocol;
use toml::Spanned;

use super::file::{self, File, Kind, place};
use super::{EventKind, EventRule, FaultModel, Scenario};
use crate::{
    Behaviour, ChargerSpec, Cure, Current, ERROR_CODES, Fault, LinkKind, ScenarioProblem, Shows,
    SiteSpec, component_of,
};

/// Where a mistake is and what it is, before file and line are known.
struct Mistake(std::ops::Range<usize>, String);

type Checked<T> = Result<T, Mistake>;

fn mistake<T>(at: std::ops::Range<usize>, message: impl Into<String>) -> Checked<T> {
    Err(Mistake(at, message.into()))
}

pub(super) fn scenario(name: &str, text: &str) -> Result<Scenario, ScenarioProblem> {
    let problem = |span: std::ops::Range<usize>, message: String| {
        let (line, column) = place(text, &span);
        ScenarioProblem { file: name.to_owned(), line, column, message }
    };
    let file: File = toml::from_str(text)
        .map_err(|why| problem(why.span().unwrap_or(0..0), why.message().to_owned()))?;
    check(name, file).map_err(|Mistake(span, message)| problem(span, message))
}

fn check(name: &str, file: File) -> Checked<Scenario> {
    let max_broken = *file.fleet.max_broken.get_ref();
    if !(0.0..=1.0).contains(&max_broken) {
        return mistake(file.fleet.max_broken.span(), "`max_broken` is a share from 0 to 1");
    }
    let behaviour = behaviour(&file.behaviour)?;
    let sites = sites(&file.site)?;
    let chargers = chargers(&file, &sites)?;
    let repaired = file.behaviour.repaired_after.map(|length| length.0);
    let faults = faults(&file.fault, repaired)?;
    let events = events(&file.event, &sites, &chargers, &faults)?;
    let name = name.strip_suffix(".toml").unwrap_or(name).to_owned();
    let description = file.description;
    Ok(Scenario { name, description, behaviour, sites, chargers, faults, events, max_broken })
}

fn behaviour(file: &file::Behaviour) -> Checked<Behaviour> {
    let usual = Behaviour::default();
    let speed = match &file.speed {
        Some(speed) if !(0.01..=1_000.0).contains(speed.get_ref()) => {
            return mistake(speed.span(), "`speed` must be from 0.01 to 1000");
        }
        Some(speed) => *speed.get_ref(),
        None => usual.speed,
    };
    let between = |given: Option<file::Between>, usual: (i64, i64)| {
        given.map_or(usual, |given| (given.0, given.1))
    };
    let length = |given: Option<file::Length>, usual: i64| given.map_or(usual, |given| given.0);
    Ok(Behaviour {
        sessions_per_hour: file.sessions_per_hour.unwrap_or(0.0).max(0.0),
        speed,
        session_ms: between(file.session, usual.session_ms),
        boot_ms: between(file.boot, usual.boot_ms),
        meter_interval_ms: length(file.meter_interval, usual.meter_interval_ms),
        heartbeat_at_most_ms: length(file.heartbeat_at_most, usual.heartbeat_at_most_ms),
        prove_within_ms: length(file.prove_within, usual.prove_within_ms),
        connect_spread_ms: length(file.connect_spread, usual.connect_spread_ms),
        backoff_ms: between(file.backoff, usual.backoff_ms),
        signal_every_ms: length(file.signal_every, usual.signal_every_ms),
        call_timeout_ms: length(file.call_timeout, usual.call_timeout_ms).max(100),
        reset_harms: 0.0,
        drivers: true,
    })
}

fn sites(list: &[Spanned<file::Site>]) -> Checked<Vec<SiteSpec>> {
    let mut sites: Vec<SiteSpec> = Vec::new();
    for spanned in list {
        let site = spanned.get_ref();
        if sites.iter().any(|known| known.name == *site.name.get_ref()) {
            let text = format!("there are two sites named `{}`", site.name.get_ref());
            return mistake(site.name.span(), text);
        }
        if sites.iter().any(|known| known.code == *site.code.get_ref()) {
            let text = format!("there are two sites with the code `{}`", site.code.get_ref());
            return mistake(site.code.span(), text);
        }
        sites.push(SiteSpec {
            name: site.name.get_ref().clone(),
            code: site.code.get_ref().clone(),
            region: site.region.clone(),
            address: site.address.clone(),
            latitude: site.latitude,
            longitude: site.longitude,
            installer: site.installer.clone(),
            installer_email: site.installer_email.clone(),
            chargers: site.chargers,
        });
    }
    Ok(sites)
}

fn protocol(model: &file::Model) -> Checked<Protocol> {
    match Protocol::from_name(model.protocol.get_ref()) {
        Some(protocol @ (Protocol::V16 | Protocol::V201)) => Ok(protocol),
        _ => mistake(model.protocol.span(), "`protocol` is \"ocpp1.6\" or \"ocpp2.0.1\""),
    }
}

fn chargers(file: &File, sites: &[SiteSpec]) -> Checked<Vec<ChargerSpec>> {
    for spanned in &file.model {
        let model = spanned.get_ref();
        protocol(model)?;
        for (field, what) in [(&model.vendor, "vendor"), (&model.name, "model")] {
            if field.get_ref().chars().count() > 20 {
                let text = format!("a {what} has at most 20 characters (OCPP 1.6)");
                return mistake(field.span(), text);
            }
        }
        if model.firmware.is_empty() || model.connectors == 0 {
            let text = "a model needs at least one firmware version and one connector";
            return mistake(spanned.span(), text);
        }
    }
    let total: f64 = file.model.iter().map(|model| model.get_ref().weight.max(0.0)).sum();
    if total <= 0.0 {
        return mistake(0..0, "at least one [[model]] with a weight above 0 is needed");
    }
    let mut share = vec![0.0; file.model.len()];
    let mut identities = HashSet::new();
    let mut chargers = Vec::new();
    for site in sites {
        for number in 1..=site.chargers {
            // Each model in turn by its weight: the mix is exact, and the same at every site.
            for (model, due) in file.model.iter().zip(&mut share) {
                *due += model.get_ref().weight.max(0.0) / total;
            }
            let (index, _) = share.iter().enumerate().fold((0, f64::MIN), |best, (at, due)| {
                if *due > best.1 { (at, *due) } else { best }
            });
            share[index] -= 1.0;
            let identity = file
                .fleet
                .identity
                .get_ref()
                .replace("{code}", &site.code)
                .replace("{nnn}", &format!("{number:03}"))
                .replace("{nn}", &format!("{number:02}"))
                .replace("{n}", &number.to_string());
            if !identities.insert(identity.clone()) {
                let text = format!(
                    "the pattern gives `{identity}` twice; it needs {{code}} and one of {{n}}, {{nn}}, {{nnn}}"
                );
                return mistake(file.fleet.identity.span(), text);
            }
            let model = file.model[index].get_ref();
            chargers.push(charger(identity, site, model, protocol(model)?));
        }
    }
    if chargers.is_empty() {
        return mistake(0..0, "the sites have no chargers");
    }
    Ok(chargers)
}

fn charger(
    identity: String,
    site: &SiteSpec,
    model: &file::Model,
    protocol: Protocol,
) -> ChargerSpec {
    let number = crate::seed::mix(2, &identity);
    let prefix: String =
        model.vendor.get_ref().chars().filter(char::is_ascii_alphabetic).take(2).collect();
    ChargerSpec {
        site: site.name.clone(),
        region: site.region.clone(),
        vendor: model.vendor.get_ref().clone(),
        model: model.name.get_ref().clone(),
        serial: format!("{}{:09}", prefix.to_ascii_uppercase(), number % 1_000_000_000),
        firmware: model.firmware[number as usize % model.firmware.len()].clone(),
        protocol,
        connectors: model.connectors,
        power_w: model.power_kw * 1_000.0,
        current: match model.current {
            file::Current::Ac => Current::Ac,
            file::Current::Dc => Current::Dc,
        },
        link: match model.link {
            file::Link::Ethernet => LinkKind::Ethernet,
            file::Link::Wifi => LinkKind::Wifi,
            file::Link::Cellular => LinkKind::Cellular,
        },
        identity,
    }
}

fn faults(list: &[Spanned<file::Fault>], repaired: Option<i64>) -> Checked<Vec<FaultModel>> {
    let mut models: Vec<FaultModel> = Vec::new();
    for spanned in list {
        let given = spanned.get_ref();
        let name = given.name.get_ref();
        if models.iter().any(|model| model.name == *name) {
            return mistake(given.name.span(), format!("there are two faults named `{name}`"));
        }
        let code = given.code.get_ref();
        if !ERROR_CODES.contains(&code.as_str()) {
            let text = format!(
                "`{code}` is no error code of OCPP 1.6; it knows {}",
                ERROR_CODES.join(", ")
            );
            return mistake(given.code.span(), text);
        }
        let cure = match (given.cure, given.after) {
            (file::Cure::Itself, Some(after)) => Cure::Itself { after_ms: after.0 },
            (file::Cure::Itself, None) => {
                let text = "a fault that heals by itself needs `after`, e.g. after = \"5m\"";
                return mistake(spanned.span(), text);
            }
            (_, Some(_)) => {
                let text = "`after` only goes with cure = \"itself\"";
                return mistake(spanned.span(), text);
            }
            (file::Cure::SoftReset, None) => Cure::SoftReset,
            (file::Cure::HardReset, None) => Cure::HardReset,
            (file::Cure::Unlock, None) => Cure::Unlock,
            (file::Cure::AvailabilityCycle, None) => Cure::AvailabilityCycle,
            (file::Cure::Never, None) => Cure::Never,
            (file::Cure::WorseFaulted, None) => Cure::WorseFaulted,
            (file::Cure::WorseOffline, None) => Cure::WorseOffline,
        };
        let fault = Fault {
            code: code.clone(),
            vendor_code: given.vendor_code.clone(),
            info: given.info.clone(),
            component: given.component.clone().unwrap_or_else(|| component_of(code).to_owned()),
            variable: given.variable.clone().unwrap_or_else(|| "Problem".to_owned()),
            connector: given.connector.unwrap_or(1),
            cure,
            shows: match given.shows {
                file::Shows::Faulted => Shows::Faulted,
                file::Shows::Warning => Shows::Warning,
                file::Shows::FailsSessions => Shows::FailsSessions,
                file::Shows::FaultsInSession => Shows::FaultsInSession,
            },
            repaired_after_ms: given.repaired_after.map(|length| length.0).or(repaired),
        };
        let weight = given.weight.max(0.0);
        models.push(FaultModel { name: name.clone(), weight, connector: given.connector, fault });
    }
    Ok(models)
}

fn events(
    list: &[Spanned<file::Event>],
    sites: &[SiteSpec],
    chargers: &[ChargerSpec],
    faults: &[FaultModel],
) -> Checked<Vec<EventRule>> {
    list.iter().map(|event| one_event(event, sites, chargers, faults)).collect()
}

fn one_event(
    spanned: &Spanned<file::Event>,
    sites: &[SiteSpec],
    chargers: &[ChargerSpec],
    faults: &[FaultModel],
) -> Checked<EventRule> {
    let event = spanned.get_ref();
    if event.at.is_none() && event.every.is_none() {
        return mistake(spanned.span(), "an event needs `at`, `every` or both");
    }
    if event.every.is_some_and(|every| every.0 < 100) {
        return mistake(spanned.span(), "`every` must be at least 100ms");
    }
    let mut only = Vec::new();
    for name in &event.sites {
        let Some(index) = sites.iter().position(|site| site.name == *name.get_ref()) else {
            let text = format!("there is no site named `{}`", name.get_ref());
            return mistake(name.span(), text);
        };
        only.push(index);
    }
    let charger = match &event.charger {
        None => None,
        Some(name) => {
            let found = chargers.iter().position(|charger| charger.identity == *name.get_ref());
            if found.is_none() {
                let text = format!("there is no charger named `{}`", name.get_ref());
                return mistake(name.span(), text);
            }
            found
        }
    };
    let weak = matches!(event.kind, Kind::WeakWifi | Kind::WeakCell);
    for (given, fits, what) in [
        (!event.faults.is_empty(), event.kind == Kind::Fault, "faults"),
        (event.times.is_some() || event.up.is_some(), event.kind == Kind::Flap, "times and up"),
        (event.dbm.is_some() || event.error_code, weak, "dbm and error_code"),
        (event.power, matches!(event.kind, Kind::Offline | Kind::SiteDown), "power"),
    ] {
        if given && !fits {
            return mistake(
                spanned.span(),
                format!("`{what}` does not go with this kind of event"),
            );
        }
    }
    let kind = match event.kind {
        Kind::Fault => {
            let mut picked = Vec::new();
            for name in &event.faults {
                let found = faults.iter().position(|fault| fault.name == *name.get_ref());
                let Some(index) = found else {
                    let text = format!("there is no fault named `{}`", name.get_ref());
                    return mistake(name.span(), text);
                };
                picked.push(index);
            }
            if picked.is_empty() {
                picked = (0..faults.len()).collect();
            }
            if picked.is_empty() {
                return mistake(spanned.span(), "a fault event needs at least one [[fault]]");
            }
            EventKind::Fault(picked)
        }
        Kind::Offline => EventKind::Offline { power: event.power },
        Kind::Flap => EventKind::Flap {
            times: event.times.unwrap_or(3),
            up_ms: event.up.map_or(10_000, |up| up.0),
        },
        Kind::SiteDown => EventKind::SiteDown { power: event.power },
        Kind::CarrierDown => EventKind::CarrierDown,
        Kind::WeakWifi => EventKind::Weak {
            wifi: true,
            dbm: event.dbm.unwrap_or((-90, -83)),
            error_code: event.error_code,
        },
        Kind::WeakCell => EventKind::Weak {
            wifi: false,
            dbm: event.dbm.unwrap_or((-111, -104)),
            error_code: event.error_code,
        },
        Kind::Session => EventKind::Session,
        Kind::FailedSession => EventKind::FailedSession,
        Kind::Report => EventKind::Report,
    };
    let every = event.every.map(|every| every.0);
    let lasts = event.lasts.map_or((60_000, 120_000), |lasts| (lasts.0, lasts.1));
    Ok(EventRule {
        kind,
        at_ms: event.at.map_or(every.unwrap_or(0), |at| at.0),
        every_ms: every,
        jitter_ms: event.jitter.0,
        until_ms: event.until.map(|until| until.0),
        sites: only,
        charger,
        lasts_ms: lasts,
    })
}
