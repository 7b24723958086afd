//! The frames that are sent.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use mendpoint_model::UnixMs;

use super::Mix;

/// What a charger sends next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boot,
    Heartbeat,
    Status,
    Meter,
}

impl Mix {
    /// The kind of a charger's `count`th message. 37 shares no factor with 100, so every hundred
    /// messages have exactly the parts of the mix, and neighbours differ.
    pub(super) fn kind(self, charger: usize, count: u64) -> Kind {
        let slot = (count.wrapping_mul(37).wrapping_add(charger as u64 * 11) % 100) as u32;
        if slot < self.heartbeat_percent {
            Kind::Heartbeat
        } else if slot < self.heartbeat_percent + self.status_percent {
            Kind::Status
        } else {
            Kind::Meter
        }
    }
}

/// Writes a frame.
pub(super) fn write_frame(out: &mut String, kind: Kind, id: u64, now: UnixMs, mix: Mix) {
    out.clear();
    // Writing into a String cannot fail.
    let _ = match kind {
        Kind::Heartbeat => write!(out, r#"[2,"{id}","Heartbeat",{{}}]"#),
        Kind::Boot => write!(
            out,
            r#"[2,"{id}","BootNotification",{{"chargePointVendor":"Load","chargePointModel":"Generator","firmwareVersion":"1.0"}}]"#
        ),
        Kind::Status => {
            let is_available = mix.same_status || id.is_multiple_of(2);
            let status = if is_available { "Available" } else { "Preparing" };
            write!(
                out,
                r#"[2,"{id}","StatusNotification",{{"connectorId":1,"errorCode":"NoError","status":"{status}","timestamp":"{now}"}}]"#
            )
        }
        Kind::Meter => write_meter(out, id, now, mix.meter_bytes),
    };
}

fn write_meter(out: &mut String, id: u64, now: UnixMs, bytes_min: usize) -> std::fmt::Result {
    write!(
        out,
        r#"[2,"{id}","MeterValues",{{"connectorId":1,"meterValue":[{{"timestamp":"{now}","sampledValue":[{{"value":"{}","measurand":"Energy.Active.Import.Register","unit":"Wh"}}"#,
        1_000 + id
    )?;
    let others = [
        ("7360", "Power.Active.Import", "W", ""),
        ("32.0", "Current.Import", "A", "L1"),
        ("229.8", "Voltage", "V", "L1"),
        ("31.9", "Current.Import", "A", "L2"),
        ("230.1", "Voltage", "V", "L2"),
        ("31.8", "Current.Import", "A", "L3"),
        ("230.4", "Voltage", "V", "L3"),
        ("41", "Temperature", "Celsius", ""),
    ];
    for (value, measurand, unit, phase) in others.iter().cycle() {
        if out.len() + 4 >= bytes_min {
            break;
        }
        write!(out, r#",{{"value":"{value}","measurand":"{measurand}","unit":"{unit}""#)?;
        if !phase.is_empty() {
            write!(out, r#","phase":"{phase}""#)?;
        }
        out.push('}');
    }
    out.push_str("]}]}]");
    Ok(())
}

/// The time by the system's clock.
pub(super) fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What a frame from the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// The answer to a message of ours.
    Result(&'a str),
    /// The refusal of a message of ours.
    Error(&'a str),
    /// A request of the server.
    Call(&'a str),
    /// Something else.
    Other,
}

/// Reads type and id of a frame, without reading the rest.
pub(super) fn read_frame(text: &str) -> Heard<'_> {
    let Some((kind, rest)) = text.trim_start().strip_prefix('[').and_then(|it| it.split_once(','))
    else {
        return Heard::Other;
    };
    let Some(id) = rest.trim_start().strip_prefix('"').and_then(|it| it.split('"').next()) else {
        return Heard::Other;
    };
    match kind.trim() {
        "2" => Heard::Call(id),
        "3" => Heard::Result(id),
        "4" => Heard::Error(id),
        _ => Heard::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_messages_have_the_parts_of_the_mix() {
        let mix = Mix::default();
        let kinds: Vec<Kind> = (0..100).map(|count| mix.kind(3, count)).collect();
        let count = |wanted| kinds.iter().filter(|kind| **kind == wanted).count();
        assert_eq!((count(Kind::Heartbeat), count(Kind::Status), count(Kind::Meter)), (60, 10, 30));
    }

    #[test]
    fn frames_are_json_of_about_the_wanted_length() {
        let mut out = String::new();
        for kind in [Kind::Boot, Kind::Heartbeat, Kind::Status, Kind::Meter] {
            write_frame(&mut out, kind, 12_345, now(), Mix::default());
            let frame: serde_json::Value = serde_json::from_str(&out).expect("is JSON");
            assert_eq!(frame[1], "12345");
            assert_eq!(read_frame(&out), Heard::Call("12345"));
        }
        for bytes in [420, 1_800] {
            write_frame(
                &mut out,
                Kind::Meter,
                1,
                now(),
                Mix { meter_bytes: bytes, ..Mix::default() },
            );
            assert!((bytes..bytes + 80).contains(&out.len()), "{}", out.len());
        }
    }

    #[test]
    fn answers_are_told_from_requests() {
        assert_eq!(read_frame(r#"[3,"7",{}]"#), Heard::Result("7"));
        assert_eq!(read_frame(r#" [ 4 , "7", "x"]"#), Heard::Error("7"));
        assert_eq!(read_frame("nonsense"), Heard::Other);
        assert_eq!(read_frame("[3,7,{}]"), Heard::Other);
    }
}
