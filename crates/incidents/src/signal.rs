//! What chargers tell of their radio links: readings of a while, and warnings without a number.

use std::collections::VecDeque;

use mendpoint_model::{Boot, ErrorReport, SignalReading, SignalUnit, Transport, UnixMs};

/// One series of readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel {
    WifiDbm,
    WifiPercent,
    CellRsrp,
    CellRssi,
    CellCsq,
    CellPercent,
}

impl Channel {
    /// All, with their names in rules.
    pub(crate) const NAMES: [(&'static str, Self); 6] = [
        ("signal.wifi.dbm", Self::WifiDbm),
        ("signal.wifi.percent", Self::WifiPercent),
        ("signal.cell.rsrp_dbm", Self::CellRsrp),
        ("signal.cell.rssi_dbm", Self::CellRssi),
        ("signal.cell.csq", Self::CellCsq),
        ("signal.cell.percent", Self::CellPercent),
    ];

    fn of(reading: &SignalReading) -> Option<Self> {
        Some(match (reading.transport, reading.unit) {
            (Transport::Wifi, SignalUnit::RssiDbm | SignalUnit::RsrpDbm) => Self::WifiDbm,
            (Transport::Wifi, SignalUnit::Percent) => Self::WifiPercent,
            (Transport::Cellular, SignalUnit::RsrpDbm) => Self::CellRsrp,
            (Transport::Cellular, SignalUnit::RssiDbm) => Self::CellRssi,
            // 99 is "not known" (2.2c).
            (Transport::Cellular, SignalUnit::Csq) if reading.value <= 31.0 => Self::CellCsq,
            (Transport::Cellular, SignalUnit::Percent) => Self::CellPercent,
            (_, SignalUnit::Csq) => return None,
        })
    }

    /// A value of this series for people: "−84 dBm".
    pub(crate) fn words(self, value: f64) -> String {
        let sign = if value < 0.0 { "\u{2212}" } else { "" };
        let number = format!("{sign}{:.0}", value.abs());
        match self {
            Self::WifiDbm | Self::CellRssi => format!("{number} dBm"),
            Self::CellRsrp => format!("{number} dBm RSRP"),
            Self::CellCsq => format!("CSQ {number}"),
            Self::WifiPercent | Self::CellPercent => format!("{number} %"),
        }
    }
}

/// How many readings are kept of a charger, all series together.
pub(crate) const READINGS_MAX: usize = 64;

/// The readings of one charger.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignalLog {
    readings: VecDeque<(UnixMs, Channel, f64)>,
    weak_wifi_at: Option<UnixMs>,
    weak_cell_at: Option<UnixMs>,
}

impl SignalLog {
    /// Takes in a reading. One that is not a finite number is none.
    pub(crate) fn read(&mut self, at: UnixMs, reading: &SignalReading) {
        let Some(channel) = Channel::of(reading).filter(|_| reading.value.is_finite()) else {
            return;
        };
        if self.readings.len() == READINGS_MAX {
            self.readings.pop_front();
        }
        self.readings.push_back((at, channel, reading.value));
    }

    /// Takes in a warning without a number.
    pub(crate) fn warn(&mut self, at: UnixMs, transport: Transport) {
        match transport {
            Transport::Wifi => self.weak_wifi_at = Some(at),
            Transport::Cellular => self.weak_cell_at = Some(at),
        }
    }

    /// When a transport was last warned about.
    pub(crate) fn warned_at(&self, transport: Transport) -> Option<UnixMs> {
        match transport {
            Transport::Wifi => self.weak_wifi_at,
            Transport::Cellular => self.weak_cell_at,
        }
    }

    /// The newest value of a series.
    pub(crate) fn last(&self, channel: Channel) -> Option<f64> {
        self.readings.iter().rev().find(|(_, of, _)| *of == channel).map(|(_, _, value)| *value)
    }

    /// The median of the readings not older than `within_ms`, when there are at least `samples`,
    /// and when the oldest of them leaves the window.
    pub(crate) fn median(
        &self,
        channel: Channel,
        now: UnixMs,
        within_ms: i64,
        samples: usize,
    ) -> Option<(f64, UnixMs)> {
        let window = self
            .readings
            .iter()
            .filter(|(at, of, _)| *of == channel && now.since_ms(*at) <= within_ms);
        let mut values: Vec<f64> = window.clone().map(|(_, _, value)| *value).collect();
        let oldest = window.map(|(at, _, _)| *at).next()?;
        if values.len() < samples.max(1) {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some((median, oldest + within_ms + 1))
    }

    /// Which link a warning without a transport is about: what the text says, else what was ever
    /// measured, else a SIM card in the boot, else Wi-Fi.
    pub(crate) fn transport_of(&self, error: &ErrorReport, boot: Option<&Boot>) -> Transport {
        let text = format!(
            "{} {}",
            error.info.as_deref().unwrap_or_default(),
            error.vendor_code.as_deref().unwrap_or_default()
        )
        .to_lowercase();
        if ["wifi", "wi-fi", "wlan"].iter().any(|word| text.contains(word)) {
            return Transport::Wifi;
        }
        if ["lte", "4g", "gsm", "cell", "modem", "rsrp"].iter().any(|word| text.contains(word)) {
            return Transport::Cellular;
        }
        let measured = |wifi: bool| {
            self.readings.iter().any(|(_, channel, _)| {
                matches!(channel, Channel::WifiDbm | Channel::WifiPercent) == wifi
            })
        };
        match (measured(true), measured(false)) {
            (true, false) => return Transport::Wifi,
            (false, true) => return Transport::Cellular,
            _ => {}
        }
        let has_sim = boot.is_some_and(|boot| {
            [&boot.iccid, &boot.imsi].into_iter().flatten().any(|text| !text.trim().is_empty())
        });
        if has_sim { Transport::Cellular } else { Transport::Wifi }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wifi(value: f64) -> SignalReading {
        SignalReading { transport: Transport::Wifi, value, unit: SignalUnit::RssiDbm }
    }

    #[test]
    fn the_median_needs_its_samples_inside_the_window() {
        let mut log = SignalLog::default();
        for (at, value) in [(0, -90.0), (10, -70.0), (20, -84.0)] {
            log.read(UnixMs(at), &wifi(value));
        }
        let median = |now, samples| log.median(Channel::WifiDbm, UnixMs(now), 100, samples);
        assert_eq!(median(20, 3), Some((-84.0, UnixMs(101))));
        assert_eq!(median(100, 3), Some((-84.0, UnixMs(101))));
        assert_eq!(median(101, 3), None);
        assert_eq!(median(101, 2), Some((-77.0, UnixMs(111))));
        assert_eq!(log.last(Channel::WifiDbm), Some(-84.0));
    }

    #[test]
    fn csq_is_weak_where_its_dbm_are() {
        // 2.2c: RSSI dBm = -113 + 2 x CSQ. WEAK_CELL begins at CSQ 6 and at -100 dBm.
        let dbm = |csq: f64| {
            let (transport, unit) = (Transport::Cellular, SignalUnit::Csq);
            SignalReading { transport, value: csq, unit }.dbm().expect("a power")
        };
        assert_eq!([0.0, 6.0, 7.0, 31.0].map(|csq| dbm(csq) as i64), [-113, -101, -99, -51]);
        assert!(dbm(6.0) <= -100.0 && dbm(7.0) > -100.0);
    }

    #[test]
    fn unknown_values_are_not_readings() {
        let mut log = SignalLog::default();
        log.read(UnixMs(0), &wifi(f64::NAN));
        let csq =
            SignalReading { transport: Transport::Cellular, value: 99.0, unit: SignalUnit::Csq };
        log.read(UnixMs(0), &csq);
        assert_eq!(log.last(Channel::WifiDbm), None);
        assert_eq!(log.last(Channel::CellCsq), None);
    }

    #[test]
    fn a_warning_finds_its_transport() {
        let log = SignalLog::default();
        let error = |info: &str| ErrorReport {
            code: "WeakSignal".to_owned(),
            info: Some(info.to_owned()),
            ..ErrorReport::default()
        };
        let sim = Boot { iccid: Some("8940".to_owned()), ..Boot::default() };
        assert_eq!(log.transport_of(&error(""), None), Transport::Wifi);
        assert_eq!(log.transport_of(&error(""), Some(&sim)), Transport::Cellular);
        assert_eq!(log.transport_of(&error("WiFi -82"), Some(&sim)), Transport::Wifi);
        assert_eq!(log.transport_of(&error("LTE quality 18 %"), None), Transport::Cellular);
    }

    #[test]
    fn values_read_as_people_write_them() {
        assert_eq!(Channel::WifiDbm.words(-84.0), "\u{2212}84 dBm");
        assert_eq!(Channel::CellPercent.words(18.4), "18 %");
    }
}
