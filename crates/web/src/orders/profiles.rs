//! Charging profiles: what a charger may draw, and when.

use mendpoint_model::Protocol;
use mendpoint_model::{Action, ChargerRecord, ChargerState, ConnectorRef, UnixMs};
use mendpoint_ocpp::orders::{
    ChargingProfile, Period, ProfileKind, ProfilePurpose, RateUnit, clear_profile,
    get_composite_schedule, get_profiles, set_profile,
};
use mendpoint_store::ChargingProfileRow;
use serde_json::Value;

use super::limits::{told_number, told_text};
use super::{OrderError, Told, ask, has_connector, spoken};
use crate::AppState;

/// How long reports are waited for that follow a yes, milliseconds.
const REPORTS_WAIT_MS: u64 = 5_000;
/// How often it is looked whether they came.
const REPORTS_LOOK_MS: u64 = 250;

/// A profile as it was asked for, in words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) purpose: String,
    /// `0` or empty for the whole charger.
    pub(crate) connector: String,
    pub(crate) stack_level: u32,
    /// `Absolute` when empty, with a start; `Relative` without.
    pub(crate) kind: String,
    pub(crate) start_at: Option<UnixMs>,
    pub(crate) duration_s: Option<i64>,
    pub(crate) valid_from: Option<UnixMs>,
    pub(crate) valid_to: Option<UnixMs>,
    pub(crate) unit: String,
    pub(crate) periods: Vec<Period>,
}

impl Wanted {
    fn read(&self, live: &ChargerState, now: UnixMs) -> Result<ChargingProfile, OrderError> {
        let wrong = |sentence: &str| OrderError::Wrong(sentence.to_owned());
        let purpose = ProfilePurpose::from_name(&self.purpose).ok_or_else(|| {
            wrong(
                "The purpose is TxDefaultProfile, ChargePointMaxProfile (ChargingStationMaxProfile) \
                 or TxProfile.",
            )
        })?;
        let unit = RateUnit::from_name(&self.unit)
            .ok_or_else(|| wrong("The unit is A (amperes a phase) or W (watts)."))?;
        let connector = super::connector_of(&self.connector)?;
        if !has_connector(live, connector) {
            return Err(OrderError::Wrong(format!("This charger has no connector {connector}.")));
        }
        let mut start_at = self.start_at;
        let kind = match self.kind.as_str() {
            "" if purpose == ProfilePurpose::ChargerMax || start_at.is_some() => {
                ProfileKind::Absolute
            }
            "" => ProfileKind::Relative,
            word => ProfileKind::from_name(word)
                .ok_or_else(|| wrong("The kind is Absolute, Relative, Daily or Weekly."))?,
        };
        if kind == ProfileKind::Absolute {
            start_at.get_or_insert(now);
        }
        let running = live
            .transactions
            .iter()
            .find(|open| purpose == ProfilePurpose::Tx && open.connector.evse == connector.evse);
        let profile = ChargingProfile {
            purpose,
            connector,
            stack_level: self.stack_level,
            kind,
            start_at,
            duration_s: self.duration_s,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            unit,
            periods: self.periods.clone(),
            transaction: running.map(|open| (open.id.0, open.external_id.to_string())),
        };
        profile.check().map_err(OrderError::Wrong)?;
        if profile.valid_to.is_some_and(|valid_to| valid_to <= now) {
            return Err(wrong(
                "This profile is over already: it is valid until a time that is past.",
            ));
        }
        Ok(profile)
    }
}

/// What this charger told of its own limits.
async fn fits(
    state: &AppState,
    live: &ChargerState,
    profile: &ChargingProfile,
) -> Result<(), OrderError> {
    let levels = &["ChargeProfileMaxStackLevel", "SmartChargingCtrlr.ProfileStackLevel"];
    let levels = told_number(state, live, levels).await?;
    if let Some(highest) = levels.filter(|highest| profile.stack_level as usize > *highest) {
        return Err(OrderError::Wrong(format!("This charger knows stack levels up to {highest}.")));
    }
    let periods = &["ChargingScheduleMaxPeriods", "SmartChargingCtrlr.PeriodsPerSchedule"];
    let periods = told_number(state, live, periods).await?;
    if let Some(most) = periods.filter(|most| *most > 0 && profile.periods.len() > *most) {
        return Err(OrderError::Wrong(format!("This charger takes at most {most} periods.")));
    }
    let units = ["ChargingScheduleAllowedChargingRateUnit", "SmartChargingCtrlr.RateUnit"];
    if let Some(told) = told_text(state, live, &units).await? {
        // 1.6 says Current and Power, 2.x A and W.
        let letters: Vec<&str> = told.split(',').map(str::trim).collect();
        let takes = match profile.unit {
            RateUnit::A => letters.iter().any(|word| matches!(*word, "A" | "Current")),
            RateUnit::W => letters.iter().any(|word| matches!(*word, "W" | "Power")),
        };
        if !takes {
            return Err(OrderError::Wrong(format!("This charger takes limits in {told} only.")));
        }
    }
    Ok(())
}

/// Sets a profile. The row says what the charger made of it.
pub(crate) async fn set(
    state: &AppState,
    record: &ChargerRecord,
    wanted: &Wanted,
    user: &str,
) -> Result<ChargingProfileRow, OrderError> {
    let handle = state.handle();
    let (live, protocol) = spoken(state, record).await?;
    let now = handle.now();
    let profile = wanted.read(&live, now)?;
    fits(state, &live, &profile).await?;
    let is_tenth = |limit: f64| (limit * 10.0 - (limit * 10.0).round()).abs() < 1e-6;
    // 2.1 has no such sentence any more.
    if protocol != Protocol::V21 && !profile.periods.iter().all(|period| is_tenth(period.limit)) {
        let sentence = "A limit has one decimal at most in OCPP 1.6 and 2.0.1: 16 or 16.5.";
        return Err(OrderError::Wrong(sentence.to_owned()));
    }
    let mut row = ChargingProfileRow {
        id: 0,
        charger: record.key,
        evse: profile.connector.evse,
        purpose: profile.purpose.name(Protocol::V16).to_owned(),
        stack_level: profile.stack_level,
        transaction: profile
            .transaction
            .as_ref()
            .map(|(number, _)| mendpoint_model::TransactionId(*number)),
        state: "requested".to_owned(),
        problem: String::new(),
        set_by: user.to_owned(),
        set_at: now,
        changed_at: now,
        json: String::new(),
    };
    row.id = handle.store().insert_charging_profile(&row).await?;
    let action = set_profile(protocol, row.id, &profile);
    let sent = match &action {
        Action::Raw { payload, .. } => payload.clone(),
        _ => String::new(),
    };
    let told = ask(state, record, action, user).await?;
    let became = match &told {
        Told { accepted: true, .. } => "accepted",
        Told { status, .. } if status == "Rejected" => "rejected",
        _ => "failed",
    };
    let store = handle.store();
    store.update_charging_profile(row.id, became, &told.problem, handle.now(), &sent).await?;
    if told.accepted && protocol == Protocol::V16 {
        // A charger of 1.6 puts a profile in the place of one of the same purpose and level (3.13.2);
        // one of 2.x refuses the second.
        store.replace_charging_profiles(&row, handle.now()).await?;
    }
    let subject = format!("charging profile {} at {}", row.id, record.identity);
    handle.audit(user, became, &subject).await;
    read(state, row.id).await
}

async fn read(state: &AppState, id: i64) -> Result<ChargingProfileRow, OrderError> {
    state
        .handle()
        .store()
        .charging_profile(id)
        .await?
        .ok_or_else(|| OrderError::Missing(format!("There is no charging profile {id}.")))
}

/// Takes a profile off the charger.
pub(crate) async fn clear(
    state: &AppState,
    record: &ChargerRecord,
    id: i64,
    user: &str,
) -> Result<ChargingProfileRow, OrderError> {
    let row = read(state, id).await?;
    if row.charger != record.key {
        return Err(OrderError::Missing(format!("{} has no profile {id}.", record.identity)));
    }
    let (_, protocol) = spoken(state, record).await?;
    let told = ask(state, record, clear_profile(protocol, id), user).await?;
    // "Unknown" means that there is none of this number: gone all the same.
    if !told.accepted && told.status != "Unknown" {
        return Err(OrderError::Wrong(format!("It still holds. {}", told.problem)));
    }
    let problem = if told.accepted {
        String::new()
    } else {
        "The charger knew nothing of it any more.".to_owned()
    };
    let handle = state.handle();
    handle.store().update_charging_profile(id, "cleared", &problem, handle.now(), "").await?;
    handle.audit(user, "cleared", &format!("charging profile {id}")).await;
    read(state, id).await
}

/// What all profiles together come to: the charger's own answer.
pub(crate) async fn composite(
    state: &AppState,
    record: &ChargerRecord,
    connector: ConnectorRef,
    duration_s: i64,
    unit: &str,
    user: &str,
) -> Result<Value, OrderError> {
    if !(1..=7 * 86_400).contains(&duration_s) {
        return Err(OrderError::Wrong(
            "The duration is between 1 second and 7 days (604800).".to_owned(),
        ));
    }
    let unit = match unit {
        "" => None,
        word => Some(RateUnit::from_name(word).ok_or_else(|| {
            OrderError::Wrong("The unit is A (amperes a phase) or W (watts).".to_owned())
        })?),
    };
    let (live, protocol) = spoken(state, record).await?;
    if !has_connector(&live, connector) {
        return Err(OrderError::Wrong(format!("This charger has no connector {connector}.")));
    }
    let action = get_composite_schedule(protocol, connector, duration_s, unit);
    let told = ask(state, record, action, user).await?;
    if !told.accepted {
        return Err(OrderError::Refused(told.problem));
    }
    serde_json::from_str(&told.payload)
        .map_err(|_| OrderError::Refused("The charger's answer cannot be read.".to_owned()))
}

/// What profiles the charger has (2.x): its reports, which follow its answer.
pub(crate) async fn reported(
    state: &AppState,
    record: &ChargerRecord,
    user: &str,
) -> Result<Vec<Value>, OrderError> {
    let (_, protocol) = spoken(state, record).await?;
    if protocol == Protocol::V16 {
        return Err(OrderError::Wrong(
            "OCPP 1.6 cannot read profiles; ask for the composite schedule.".to_owned(),
        ));
    }
    let handle = state.handle();
    // Any number will do that was not used a moment ago.
    let request = handle.now().0 % i64::from(i32::MAX);
    let told = ask(state, record, get_profiles(request), user).await?;
    if told.status == "NoProfiles" {
        return Ok(Vec::new());
    }
    if !told.accepted {
        return Err(OrderError::Refused(told.problem));
    }
    let mut waited = 0;
    loop {
        let (reports, is_whole) = reports_of(state, record, request).await?;
        if is_whole || waited >= REPORTS_WAIT_MS {
            return Ok(reports);
        }
        tokio::time::sleep(std::time::Duration::from_millis(REPORTS_LOOK_MS)).await;
        waited += REPORTS_LOOK_MS;
    }
}

/// The reports of a request among the newest messages, in the order in which they came, and whether
/// the last one was among them.
async fn reports_of(
    state: &AppState,
    record: &ChargerRecord,
    request: i64,
) -> Result<(Vec<Value>, bool), mendpoint_store::Error> {
    let log = state.handle().store().frame_log();
    let mut reports: Vec<Value> = log
        .frames_of(record.key, None, 200)
        .await?
        .iter()
        .filter_map(|frame| match mendpoint_ocpp::read_frame(&frame.text) {
            Ok(mendpoint_ocpp::Frame::Call { action, payload, .. })
                if action == "ReportChargingProfiles" =>
            {
                serde_json::from_str::<Value>(payload).ok()
            }
            _ => None,
        })
        .filter(|report| report["requestId"].as_i64() == Some(request))
        .collect();
    reports.reverse();
    let is_whole = reports.last().is_some_and(|last| !last["tbc"].as_bool().unwrap_or_default());
    Ok((reports, is_whole))
}

/// Reads periods as people write them: `0 16; 3600 8`, a start in seconds and a limit each, and the
/// number of phases where it matters.
pub(crate) fn periods_of(text: &str) -> Result<Vec<Period>, OrderError> {
    text.split([';', '\n'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let mut words = part.split_whitespace();
            let read = || {
                let start_s = words.next()?.parse().ok()?;
                let limit = words.next()?.parse().ok()?;
                let phases = match words.next() {
                    Some(word) => Some(word.parse().ok()?),
                    None => None,
                };
                words.next().is_none().then_some(Period { start_s, limit, phases })
            };
            let mut read = read;
            read().ok_or_else(|| {
                OrderError::Wrong(format!(
                    "A period is its start in seconds and its limit, as in \"3600 16\", not {part:?}."
                ))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_as_they_are_written() {
        let periods = periods_of("0 16; 3600 8.5 1\n7200 0").expect("sound");
        let told: Vec<_> = periods.iter().map(|p| (p.start_s, p.limit, p.phases)).collect();
        assert_eq!(told, [(0, 16.0, None), (3_600, 8.5, Some(1)), (7_200, 0.0, None)]);
        for wrong in ["16", "0 x", "0 1 2 3"] {
            let error = periods_of(wrong).expect_err(wrong).sentence();
            assert!(error.contains("3600 16"), "{error}");
        }
    }
}
