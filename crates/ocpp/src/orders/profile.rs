//! Charging profiles: set, read and cleared.

use mendpoint_model::{Action, ConnectorRef, Protocol, UnixMs};
use serde_json::{Value, json};

use super::raw;

/// The most periods of a schedule, as in the device model of 2.x.
const PERIODS_MAX: usize = 1_024;
/// The highest limit, in watts or amperes: no charger comes near, and a slip of the keys goes beyond.
const LIMIT_MAX: f64 = 100_000_000.0;
/// Whole numbers of chargers have 32 bits.
const INTEGER_MAX: i64 = i32::MAX as i64;

/// What a profile is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfilePurpose {
    /// What every transaction begins with.
    TxDefault,
    /// What the whole charger may draw.
    ChargerMax,
    /// One running transaction.
    Tx,
}

impl ProfilePurpose {
    /// The purpose of a word of any version.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "TxDefaultProfile" => Some(Self::TxDefault),
            "ChargePointMaxProfile" | "ChargingStationMaxProfile" => Some(Self::ChargerMax),
            "TxProfile" => Some(Self::Tx),
            _ => None,
        }
    }

    /// The word of a version.
    pub fn name(self, protocol: Protocol) -> &'static str {
        match (self, protocol) {
            (Self::TxDefault, _) => "TxDefaultProfile",
            (Self::ChargerMax, Protocol::V16) => "ChargePointMaxProfile",
            (Self::ChargerMax, _) => "ChargingStationMaxProfile",
            (Self::Tx, _) => "TxProfile",
        }
    }
}

/// What limits are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateUnit {
    /// Amperes a phase.
    A,
    /// Watts.
    W,
}

impl RateUnit {
    /// The unit of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "A" => Some(Self::A),
            "W" => Some(Self::W),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::W => "W",
        }
    }
}

/// How the times of a schedule are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileKind {
    /// From `start_at`.
    Absolute,
    /// From the start of the transaction.
    Relative,
    /// Every day from the time of `start_at`.
    Daily,
    /// Every week from the day and time of `start_at`.
    Weekly,
}

impl ProfileKind {
    /// The kind of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "Absolute" => Some(Self::Absolute),
            "Relative" => Some(Self::Relative),
            "Daily" => Some(Self::Daily),
            "Weekly" => Some(Self::Weekly),
            _ => None,
        }
    }
}

/// A stretch of a schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    /// When it begins, seconds after the schedule's start.
    pub start_s: i64,
    /// What may be drawn, in the schedule's unit.
    pub limit: f64,
    /// Over how many phases; 3 when not told.
    pub phases: Option<u8>,
}

/// A charging profile.
#[derive(Clone, Debug, PartialEq)]
pub struct ChargingProfile {
    /// What it is for.
    pub purpose: ProfilePurpose,
    /// Where; the whole charger for `0`.
    pub connector: ConnectorRef,
    /// Higher wins.
    pub stack_level: u32,
    /// How its times are meant.
    pub kind: ProfileKind,
    /// When it begins to count, for absolute and recurring ones.
    pub start_at: Option<UnixMs>,
    /// How long the schedule is, seconds; to the end of the last period when `None`.
    pub duration_s: Option<i64>,
    /// From when it may be used.
    pub valid_from: Option<UnixMs>,
    /// Until when.
    pub valid_to: Option<UnixMs>,
    /// The unit of its limits.
    pub unit: RateUnit,
    /// Its stretches.
    pub periods: Vec<Period>,
    /// The running transaction of a `TxProfile`: our number (1.6) and the charger's own id (2.x).
    pub transaction: Option<(i64, String)>,
}

impl ChargingProfile {
    /// Checks what a charger would refuse, or take and then do something else than was meant.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.check_place()?;
        self.check_times()?;
        let longest =
            self.duration_s.into_iter().chain(self.periods.iter().map(|it| it.start_s)).max();
        if longest.is_some_and(|seconds| seconds > INTEGER_MAX) {
            return Err(format!("Times of a schedule are {INTEGER_MAX} seconds at most."));
        }
        if i64::from(self.stack_level) > INTEGER_MAX {
            return Err(format!("A stack level is {INTEGER_MAX} at most."));
        }
        let Some(first) = self.periods.first() else {
            return Err("A profile needs at least one period.".to_owned());
        };
        if self.periods.len() > PERIODS_MAX {
            return Err(format!("A profile has at most {PERIODS_MAX} periods."));
        }
        if first.start_s != 0 {
            return Err(format!("The first period begins at 0 seconds, not at {}.", first.start_s));
        }
        for pair in self.periods.windows(2) {
            if let [before, after] = pair
                && after.start_s <= before.start_s
            {
                return Err(format!(
                    "Periods are in the order of their start: {} s comes after {} s.",
                    after.start_s, before.start_s
                ));
            }
        }
        for period in &self.periods {
            if !period.limit.is_finite() || period.limit < 0.0 {
                return Err(format!("A limit is 0 or more, not {}.", period.limit));
            }
            if period.limit > LIMIT_MAX {
                return Err(format!("A limit is {LIMIT_MAX} at most, not {:e}.", period.limit));
            }
            if period.phases.is_some_and(|phases| !(1..=3).contains(&phases)) {
                return Err("A period has 1 to 3 phases.".to_owned());
            }
        }
        if let (Some(duration_s), Some(last)) = (self.duration_s, self.periods.last())
            && duration_s <= last.start_s
        {
            return Err(format!(
                "The schedule lasts {duration_s} s and its last period begins at {} s.",
                last.start_s
            ));
        }
        Ok(())
    }

    fn check_place(&self) -> Result<(), String> {
        match self.purpose {
            ProfilePurpose::ChargerMax if !self.connector.is_charger() => {
                Err("What the whole charger may draw is set for connector 0.".to_owned())
            }
            ProfilePurpose::Tx if self.connector.is_charger() => {
                Err("A TxProfile needs the connector of its transaction.".to_owned())
            }
            ProfilePurpose::Tx if self.transaction.is_none() => {
                Err("A TxProfile needs a running transaction; none runs there.".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn check_times(&self) -> Result<(), String> {
        if self.kind == ProfileKind::Relative {
            if self.start_at.is_some() {
                return Err(
                    "A relative profile begins with its transaction and has no start.".to_owned()
                );
            }
            if self.purpose == ProfilePurpose::ChargerMax {
                return Err("What the whole charger may draw cannot be relative to a transaction."
                    .to_owned());
            }
        }
        if matches!(self.kind, ProfileKind::Daily | ProfileKind::Weekly) && self.start_at.is_none()
        {
            return Err("A profile that recurs needs a start to count from.".to_owned());
        }
        if self.duration_s.is_some_and(|duration_s| duration_s <= 0) {
            return Err("The duration is more than 0 seconds.".to_owned());
        }
        if let (Some(from), Some(to)) = (self.valid_from, self.valid_to)
            && to <= from
        {
            return Err("A profile is valid until after it begins to be.".to_owned());
        }
        Ok(())
    }
}

/// Writes a `SetChargingProfile`. `id` is our number of it.
pub fn set_profile(protocol: Protocol, id: i64, profile: &ChargingProfile) -> Action {
    let is_v16 = protocol == Protocol::V16;
    let mut schedule = json!({
        "chargingRateUnit": profile.unit.name(),
        "chargingSchedulePeriod": profile.periods.iter().map(period).collect::<Vec<_>>(),
    });
    if let Some(start_at) = profile.start_at {
        schedule["startSchedule"] = start_at.rfc3339().into();
    }
    if let Some(duration_s) = profile.duration_s {
        schedule["duration"] = duration_s.into();
    }
    let (kind, recurs) = match profile.kind {
        ProfileKind::Absolute => ("Absolute", None),
        ProfileKind::Relative => ("Relative", None),
        ProfileKind::Daily => ("Recurring", Some("Daily")),
        ProfileKind::Weekly => ("Recurring", Some("Weekly")),
    };
    let mut value = json!({
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": profile.purpose.name(protocol),
        "chargingProfileKind": kind,
    });
    value[if is_v16 { "chargingProfileId" } else { "id" }] = id.into();
    if let Some(recurs) = recurs {
        value["recurrencyKind"] = recurs.into();
    }
    for (name, at) in [("validFrom", profile.valid_from), ("validTo", profile.valid_to)] {
        if let Some(at) = at {
            value[name] = at.rfc3339().into();
        }
    }
    if let (ProfilePurpose::Tx, Some((number, external_id))) =
        (profile.purpose, &profile.transaction)
    {
        value["transactionId"] =
            if is_v16 { (*number).into() } else { external_id.as_str().into() };
    }
    let evse = profile.connector.evse;
    if is_v16 {
        value["chargingSchedule"] = schedule;
        return raw(
            "SetChargingProfile",
            &json!({ "connectorId": evse, "csChargingProfiles": value }),
        );
    }
    schedule["id"] = id.into();
    value["chargingSchedule"] = json!([schedule]);
    raw("SetChargingProfile", &json!({ "evseId": evse, "chargingProfile": value }))
}

fn period(period: &Period) -> Value {
    let mut value = json!({ "startPeriod": period.start_s, "limit": period.limit });
    if let Some(phases) = period.phases {
        value["numberPhases"] = phases.into();
    }
    value
}

/// Writes a `ClearChargingProfile` for one profile.
pub fn clear_profile(protocol: Protocol, id: i64) -> Action {
    let name = if protocol == Protocol::V16 { "id" } else { "chargingProfileId" };
    let mut payload = json!({});
    payload[name] = id.into();
    raw("ClearChargingProfile", &payload)
}

/// Writes a `GetCompositeSchedule`: what all profiles together come to.
pub fn get_composite_schedule(
    protocol: Protocol,
    connector: ConnectorRef,
    duration_s: i64,
    unit: Option<RateUnit>,
) -> Action {
    let place = if protocol == Protocol::V16 { "connectorId" } else { "evseId" };
    let mut payload = json!({ "duration": duration_s });
    payload[place] = connector.evse.into();
    if let Some(unit) = unit {
        payload["chargingRateUnit"] = unit.name().into();
    }
    raw("GetCompositeSchedule", &payload)
}

/// Writes a `GetChargingProfiles` of 2.x: everything, reported under a number.
pub fn get_profiles(request: i64) -> Action {
    raw("GetChargingProfiles", &json!({ "requestId": request, "chargingProfile": {} }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> ChargingProfile {
        ChargingProfile {
            purpose: ProfilePurpose::TxDefault,
            connector: ConnectorRef::v16(1),
            stack_level: 2,
            kind: ProfileKind::Daily,
            start_at: Some(UnixMs(1_790_000_000_000)),
            duration_s: Some(86_400),
            valid_from: None,
            valid_to: None,
            unit: RateUnit::A,
            periods: vec![
                Period { start_s: 0, limit: 16.0, phases: Some(3) },
                Period { start_s: 3_600, limit: 8.5, phases: None },
            ],
            transaction: None,
        }
    }

    type Change = fn(&mut ChargingProfile);

    #[test]
    fn what_a_charger_would_misunderstand_gets_a_sentence() {
        assert_eq!(sound().check(), Ok(()));
        let cases: [(Change, &str); 16] = [
            (|p| p.purpose = ProfilePurpose::Tx, "running transaction"),
            (
                |p| {
                    p.purpose = ProfilePurpose::Tx;
                    p.connector = ConnectorRef::CHARGER;
                },
                "connector of its transaction",
            ),
            (|p| p.purpose = ProfilePurpose::ChargerMax, "connector 0"),
            (|p| p.kind = ProfileKind::Relative, "no start"),
            (|p| p.start_at = None, "recurs"),
            (|p| p.periods.clear(), "at least one"),
            (|p| p.periods[0].start_s = 5, "0 seconds"),
            (|p| p.periods[1].start_s = 0, "order"),
            (|p| p.periods[1].limit = -1.0, "0 or more"),
            (|p| p.periods[1].limit = f64::NAN, "0 or more"),
            (|p| p.periods[1].limit = 1e30, "100000000 at most"),
            (|p| p.periods[1].start_s = 99_999_999_999, "seconds at most"),
            (|p| p.stack_level = u32::MAX, "stack level"),
            (|p| p.periods[0].phases = Some(4), "1 to 3"),
            (|p| p.duration_s = Some(3_600), "last period"),
            (
                |p| {
                    p.valid_from = Some(UnixMs(5));
                    p.valid_to = Some(UnixMs(5));
                },
                "until after",
            ),
        ];
        for (change, word) in cases {
            let mut profile = sound();
            change(&mut profile);
            let error = profile.check().expect_err(word);
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_profile_has_the_form_of_its_version() {
        let value = |action| match action {
            Action::Raw { payload, .. } => serde_json::from_str::<Value>(&payload).expect("JSON"),
            other => panic!("{other:?}"),
        };
        let periods = json!([
            { "startPeriod": 0, "limit": 16.0, "numberPhases": 3 },
            { "startPeriod": 3600, "limit": 8.5 },
        ]);
        assert_eq!(
            value(set_profile(Protocol::V16, 9, &sound())),
            json!({ "connectorId": 1, "csChargingProfiles": {
                "chargingProfileId": 9, "stackLevel": 2,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Recurring", "recurrencyKind": "Daily",
                "chargingSchedule": {
                    "chargingRateUnit": "A", "startSchedule": "2026-09-21T14:13:20Z",
                    "duration": 86400, "chargingSchedulePeriod": periods,
                },
            } })
        );
        let max = ChargingProfile {
            purpose: ProfilePurpose::ChargerMax,
            connector: ConnectorRef::CHARGER,
            ..sound()
        };
        let v201 = value(set_profile(Protocol::V201, 9, &max));
        assert_eq!(v201["evseId"], 0);
        assert_eq!(v201["chargingProfile"]["chargingProfilePurpose"], "ChargingStationMaxProfile");
        assert_eq!(
            v201["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"],
            periods
        );
        let tx = ChargingProfile {
            purpose: ProfilePurpose::Tx,
            transaction: Some((41, "tx-a".to_owned())),
            ..sound()
        };
        assert_eq!(
            value(set_profile(Protocol::V201, 9, &tx))["chargingProfile"]["transactionId"],
            "tx-a"
        );
        assert_eq!(
            value(set_profile(Protocol::V16, 9, &tx))["csChargingProfiles"]["transactionId"],
            41
        );
        assert_eq!(value(clear_profile(Protocol::V16, 9)), json!({ "id": 9 }));
        assert_eq!(value(clear_profile(Protocol::V21, 9)), json!({ "chargingProfileId": 9 }));
        assert_eq!(
            value(get_composite_schedule(
                Protocol::V16,
                ConnectorRef::v16(1),
                60,
                Some(RateUnit::W)
            )),
            json!({ "connectorId": 1, "duration": 60, "chargingRateUnit": "W" })
        );
    }
}
