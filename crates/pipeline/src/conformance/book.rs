//! The counts since they were last written down.

use std::collections::{BTreeMap, BTreeSet};

use mendpoint_model::{ChargerKey, UnixMs};
use mendpoint_ocpp::{
    BadFrameKind, Deviation, Frame, answer_deviations, deviations, envelope_deviation, read_frame,
};
use mendpoint_store::{ConformanceChange, DeviationCount, DeviationKey, ModelKey};

use super::Sample;

/// Models, each in one firmware version, that are kept account of.
const MODELS_MAX: usize = 500;
/// Deviations that are told apart for one model.
const DEVIATIONS_MAX: usize = 200;
/// Messages of one kind and model that are checked since the start before it gets less.
const SETTLED: u64 = 1_000;
/// After that one sample in so many is checked.
const ONE_SETTLED_IN: u64 = 20;
/// Bytes of a name that a charger gives itself.
const NAME_LEN_MAX: usize = 64;

/// What the tolerant reading notices and the definitions cannot know, with what should be.
const SENSE: [(&str, &str); 3] = [
    ("clock not set", "a time of a clock that is set"),
    ("Faulted without an error", "an error code that says why the status is Faulted"),
    ("does not belong to the measurand", "a unit of the measurand"),
];

/// What stands around the payload, as a place and as a rule.
const ENVELOPE: &str = "envelope";
/// How it should be.
const ENVELOPE_FORM: &str = "[2, \"id of at most 36 characters\", \"Action\", {payload}]";

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Book {
    models: BTreeSet<ModelKey>,
    /// Deviations of each model that are on disk or will be.
    known: BTreeMap<ModelKey, BTreeSet<Kind>>,
    /// Samples of each kind of message since the start.
    offered: BTreeMap<(ModelKey, String), u64>,
    checked: BTreeMap<(ModelKey, &'static str, String), (u64, UnixMs)>,
    found: BTreeMap<DeviationKey, Found>,
}

/// What tells the deviations of one model apart: version, message, place, rule.
type Kind = (String, String, String, String);

#[derive(Debug)]
struct Found {
    allowed: String,
    example: String,
    at: UnixMs,
    chargers: BTreeMap<ChargerKey, u64>,
}

impl Book {
    /// A book that goes on where the database stands.
    pub(super) fn new(models: Vec<ModelKey>, keys: Vec<DeviationKey>) -> Self {
        let mut book = Self { models: models.into_iter().collect(), ..Self::default() };
        for key in keys {
            let DeviationKey { of, protocol, message, place, rule } = key;
            book.known.entry(of).or_default().insert((protocol, message, place, rule));
        }
        book
    }

    /// Looks at a sample of a charger of this model; of one without a name for that of the nameless.
    pub(super) fn take(&mut self, of: &ModelKey, sample: &Sample) {
        let of = ModelKey {
            vendor: cut(&of.vendor),
            model: cut(&of.model),
            firmware: cut(&of.firmware),
        };
        // A charger that never named itself (or did not yet) deviates too: they share one report.
        let of = if of.vendor.is_empty() && of.model.is_empty() { nameless() } else { of };
        let Some((message, payload)) = message_of(sample) else { return };
        if !self.models.contains(&of) {
            if self.models.len() >= MODELS_MAX {
                return;
            }
            self.models.insert(of.clone());
        }
        let offered = self.offered.entry((of.clone(), message.clone())).or_default();
        *offered += 1;
        if *offered > SETTLED && !offered.is_multiple_of(ONE_SETTLED_IN) {
            return;
        }
        let protocol = sample.protocol;
        let mut found = match (&sample.answers, payload) {
            (_, Err(odd)) => {
                self.note(&of, &message, odd, sample);
                return;
            }
            (Some(action), Ok(payload)) => answer_deviations(protocol, action, payload),
            (None, Ok(payload)) => deviations(protocol, &message, payload),
        }
        .into_iter()
        .map(|deviation| {
            let rule = deviation.rule.name().to_owned();
            let place = deviation.place();
            let Deviation { allowed, found, .. } = deviation;
            (place, rule, allowed, found)
        })
        .collect::<Vec<_>>();
        found.extend(sample.quirks.iter().filter_map(|(field, why)| {
            let (_, allowed) = SENSE.iter().find(|(known, _)| known == why)?;
            Some((field.clone(), "sense".to_owned(), (*allowed).to_owned(), String::new()))
        }));
        // A payload that is none was found above already.
        let is_whole = |place: &str| found.iter().any(|one| one.0.is_empty()) && place == "payload";
        if sample.answers.is_none()
            && let Some((part, why)) = envelope_deviation(&sample.text)
            && !is_whole(part)
        {
            let place = format!("{ENVELOPE}.{part}");
            found.push((place, ENVELOPE.to_owned(), ENVELOPE_FORM.to_owned(), why));
        }
        // Once a message, however often in it.
        found.sort_unstable_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        found.dedup_by(|one, other| (&one.0, &one.1) == (&other.0, &other.1));

        self.note(&of, &message, found, sample);
    }

    /// Counts a message, with what was found in it: place, rule, what is allowed, what was there.
    fn note(&mut self, of: &ModelKey, message: &str, found: Vec<Finding>, sample: &Sample) {
        let protocol = sample.protocol.name();
        let entry = self.checked.entry((of.clone(), protocol, message.to_owned()));
        let (count, at) = entry.or_default();
        *count += 1;
        *at = sample.at.max(*at);
        for (place, rule, allowed, example) in found {
            let (of, protocol, message) = (of.clone(), protocol.to_owned(), message.to_owned());
            self.count(
                DeviationKey { of, protocol, message, place, rule },
                allowed,
                example,
                sample,
            );
        }
    }

    fn count(&mut self, key: DeviationKey, allowed: String, example: String, sample: &Sample) {
        let DeviationKey { of, protocol, message, place, rule } = key.clone();
        let known = self.known.entry(of).or_default();
        let kind = (protocol, message, place, rule);
        if !known.contains(&kind) {
            if known.len() >= DEVIATIONS_MAX {
                return;
            }
            known.insert(kind);
        }
        let found = self.found.entry(key).or_insert_with(|| Found {
            allowed: String::new(),
            example: String::new(),
            at: sample.at,
            chargers: BTreeMap::new(),
        });
        found.allowed = allowed;
        found.example = example;
        found.at = sample.at.max(found.at);
        *found.chargers.entry(sample.charger).or_default() += 1;
    }

    /// What is to be written down; the counts begin anew.
    pub(super) fn take_change(&mut self) -> ConformanceChange {
        let checked = std::mem::take(&mut self.checked).into_iter();
        let found = std::mem::take(&mut self.found).into_iter();
        ConformanceChange {
            checked: checked
                .map(|((of, protocol, message), (count, at))| {
                    (of, protocol.to_owned(), message, count, at)
                })
                .collect(),
            found: found
                .map(|(key, found)| {
                    let Found { allowed, example, at, chargers } = found;
                    let chargers = chargers.into_iter().collect();
                    (key, DeviationCount { allowed, example, at, chargers })
                })
                .collect(),
        }
    }
}

/// Place, rule, what is allowed, what was there.
type Finding = (String, String, String, String);

/// The message's name as reports have it, and its payload, or what is odd about it where it has no
/// definition to be held against. `None` for what is neither.
fn message_of(sample: &Sample) -> Option<(String, Result<&str, Vec<Finding>>)> {
    let frame = match read_frame(&sample.text) {
        Ok(frame) => frame,
        Err(bad) if bad.kind == BadFrameKind::Empty || sample.answers.is_some() => return None,
        Err(bad) => {
            let (place, form) = (ENVELOPE.to_owned(), ENVELOPE_FORM.to_owned());
            let found = vec![(place.clone(), place, form, bad.why)];
            return Some(("unreadable message".to_owned(), Err(found)));
        }
    };
    match (frame, &sample.answers) {
        (Frame::CallResult { payload, .. }, Some(action)) => {
            Some((format!("{action} answer"), Ok(payload)))
        }
        (Frame::Call { action, payload, .. } | Frame::Send { action, payload, .. }, None) => {
            if mendpoint_ocpp::definition::message(sample.protocol, &action).is_some() {
                return Some((action.into_owned(), Ok(payload)));
            }
            let allowed = format!("an action of OCPP {}", &sample.protocol.name()["ocpp".len()..]);
            let found = ("action".to_owned(), "word".to_owned(), allowed, cut(&action));
            Some(("unknown action".to_owned(), Err(vec![found])))
        }
        _ => None,
    }
}

fn cut(name: &str) -> String {
    name[..name.floor_char_boundary(NAME_LEN_MAX)].to_owned()
}

/// What stands for a model that its chargers do not name.
fn nameless() -> ModelKey {
    ModelKey { vendor: "unknown".into(), model: "unknown".into(), firmware: String::new() }
}

#[cfg(test)]
mod tests {
    use mendpoint_model::Protocol;

    use super::*;

    fn of(model: &str) -> ModelKey {
        ModelKey { vendor: "ACME".into(), model: model.into(), firmware: "1.0".into() }
    }

    fn sample(charger: u32, text: &str) -> Sample {
        Sample {
            charger: ChargerKey(charger),
            protocol: Protocol::V16,
            at: UnixMs(5),
            text: text.into(),
            answers: None,
            quirks: Vec::new(),
        }
    }

    const METER: &str = r#"[2,"1","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-09-21T14:13:00Z","sampledValue":[{"value":1},{"value":2,"unit":"kWh "}]}]}]"#;

    #[test]
    fn an_odd_envelope_is_a_deviation_of_its_message() {
        let mut book = Book::default();
        for text in [
            r#"[2,"1","Heartbeat",{}]"#,
            r#"[2,17,"Heartbeat",{}]"#,
            r#"[2,"2","Heartbeat",{},"more"]"#,
            r#"[2,"3","Heartbeat",[]]"#,
            r#"[2,null,"Heartbeat",{}]"#,
            r#"[2,"4","Nonsense",{}]"#,
            "  ",
        ] {
            book.take(&of("X"), &sample(1, text));
        }
        let change = book.take_change();
        let told: Vec<_> = change
            .found
            .iter()
            .map(|(key, count)| {
                (
                    key.message.as_str(),
                    key.place.as_str(),
                    key.rule.as_str(),
                    count.example.as_str(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("Heartbeat", "", "type", "a list"),
                ("Heartbeat", "envelope.messageId", "envelope", "the message id is not text"),
                (
                    "Heartbeat",
                    "envelope.parts",
                    "envelope",
                    "a request has 4 parts; this one has 5"
                ),
                ("unknown action", "action", "word", "Nonsense"),
                (
                    "unreadable message",
                    "envelope",
                    "envelope",
                    "the message id is neither text nor a number"
                ),
            ]
        );
        let checked: u64 = change.checked.iter().map(|checked| checked.3).sum();
        assert_eq!(checked, 6);
    }

    #[test]
    fn deviations_are_counted_once_a_message_and_by_charger() {
        let mut book = Book::default();
        for charger in [1, 1, 2] {
            book.take(&of("X"), &sample(charger, METER));
        }
        let change = book.take_change();
        assert_eq!(
            change.checked,
            [(of("X"), "ocpp1.6".into(), "MeterValues".into(), 3, UnixMs(5))]
        );
        let told: Vec<_> = change
            .found
            .iter()
            .map(|(key, count)| (key.place.as_str(), key.rule.as_str(), count.chargers.as_slice()))
            .collect();
        let counts: &[_] = &[(ChargerKey(1), 2), (ChargerKey(2), 1)];
        assert_eq!(
            told,
            [
                ("meterValue[].sampledValue[].unit", "word", counts),
                ("meterValue[].sampledValue[].value", "type", counts),
            ]
        );
        assert_eq!(change.found[0].1.example, "\"kWh \"");
        assert_eq!(book.take_change(), ConformanceChange::default());
    }

    #[test]
    fn chargers_that_name_no_model_share_one_report() {
        let mut book = Book::default();
        for charger in [1, 2] {
            book.take(&ModelKey::default(), &sample(charger, METER));
        }
        let change = book.take_change();
        assert_eq!(change.checked[0].0, nameless());
        assert_eq!(change.found[0].1.chargers.len(), 2);
    }

    #[test]
    fn answers_and_what_makes_no_sense_are_counted_too() {
        let mut book = Book::default();
        let mut answer = sample(1, r#"[3,"u-1",{"status":"Fine"}]"#);
        answer.answers = Some("Reset".into());
        book.take(&of("X"), &answer);
        let mut odd = sample(1, r#"[2,"1","Heartbeat",{}]"#);
        odd.quirks = vec![
            ("timestamp".into(), "clock not set".into()),
            ("unit".into(), "not in quotes".into()),
        ];
        book.take(&of("X"), &odd);
        let found = book.take_change().found;
        let told: Vec<_> = found
            .iter()
            .map(|(key, _)| (key.message.as_str(), key.place.as_str(), key.rule.as_str()))
            .collect();
        assert_eq!(told, [("Heartbeat", "timestamp", "sense"), ("Reset answer", "status", "word")]);
    }

    #[test]
    fn a_charger_that_makes_up_names_fills_nothing_up() {
        let mut book = Book::default();
        for number in 0..2 * MODELS_MAX {
            book.take(&of(&format!("M{number}")), &sample(1, r#"[2,"1","Heartbeat",{}]"#));
        }
        assert_eq!(book.take_change().checked.len(), MODELS_MAX);
        let mut book = Book::default();
        for number in 0..2 * DEVIATIONS_MAX {
            let text = format!(r#"[2,"1","Heartbeat",{{"x{number}":1}}]"#);
            book.take(&of("X"), &sample(1, &text));
        }
        assert_eq!(book.take_change().found.len(), DEVIATIONS_MAX);
        book.take(&of("X"), &sample(1, r#"[2,"1","Heartbeat",{"x0":1}]"#));
        assert_eq!(book.take_change().found.len(), 1, "what is known goes on being counted");
    }

    #[test]
    fn what_was_looked_at_often_is_looked_at_less() {
        let mut book = Book::default();
        for _ in 0..SETTLED + 100 {
            book.take(&of("X"), &sample(1, METER));
        }
        assert_eq!(book.take_change().checked[0].3, SETTLED + 5);
    }
}
