//! The bundle of evidence of an incident (1.9): what happened, what was said, what was tried and what
//! came of it, what is probably broken, what drivers saw. As JSON, and as one file that needs nothing
//! else.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mendpoint_escalation::suspected_part;
use mendpoint_model::{
    HOUR_MS, Incident, IncidentId, Priority, SignalReading, SignalUnit, StepState, TimelineEntry,
    UnixMs, escape,
};
use mendpoint_pipeline::Handle;
use mendpoint_store::{Direction, FrameRecord, FrameTimes, PhotoRow, ReportRow};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{reasons, show};

/// Messages in the bundle.
const FRAMES: usize = 50;
/// Cases before this one.
const SIMILAR: u32 = 10;
/// How much of the radio link is drawn before the incident began.
const SIGNAL_MS: i64 = 24 * HOUR_MS;
const REPORTS: u32 = 50;
/// Photos that are in the file: it has to be sent by mail.
const PHOTOS: usize = 12;

/// The bundle.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Evidence {
    incident: String,
    ticket: Option<String>,
    title: String,
    description: String,
    state: &'static str,
    severity: u8,
    rule: String,
    code: String,
    /// What is probably broken; `null` when nothing points at a part.
    suspected_part: Option<&'static str>,
    charger: String,
    charger_name: String,
    connector: String,
    site: String,
    address: String,
    vendor: String,
    model: String,
    serial: String,
    firmware: String,
    began_at: String,
    opened_at: String,
    resolved_at: Option<String>,
    resolution: String,
    made_at: String,
    made_for: String,
    actions: Vec<ActionJson>,
    timeline: Vec<LineJson>,
    /// The newest messages until the end of the incident, oldest first.
    frames: Vec<FrameLine>,
    signal: Vec<SignalPoint>,
    similar: Vec<SimilarJson>,
    reports: Vec<ReportJson>,
}

/// A step that was tried.
#[derive(Debug, Serialize, ToSchema)]
struct ActionJson {
    rung: &'static str,
    name: &'static str,
    at: String,
    outcome: String,
    note: String,
}

/// A line of the history.
#[derive(Debug, Serialize, ToSchema)]
struct LineJson {
    at: String,
    who: String,
    kind: String,
    title: String,
    text: String,
}

/// A message on the wire.
#[derive(Debug, Serialize, ToSchema)]
struct FrameLine {
    at: String,
    /// `in` from the charger, `out` to it.
    way: &'static str,
    text: String,
}

/// A reading of the radio link.
#[derive(Debug, Serialize, ToSchema)]
struct SignalPoint {
    at: String,
    value: f64,
    unit: &'static str,
    #[serde(skip)]
    ms: i64,
}

/// A case before this one.
#[derive(Debug, Serialize, ToSchema)]
struct SimilarJson {
    incident: String,
    charger: String,
    opened_at: String,
    /// What fixed it, in words.
    fixed_by: String,
}

/// What a driver reported.
#[derive(Debug, Serialize, ToSchema)]
struct ReportJson {
    at: String,
    reason: String,
    text: String,
    /// Only for those who run the chargers.
    contact: Option<String>,
    /// Addresses of the photos.
    photos: Vec<String>,
    #[serde(skip)]
    rows: Vec<PhotoRow>,
}

/// Who asks, and what they may see.
pub(crate) struct For<'a> {
    /// Their name.
    pub(crate) name: &'a str,
    /// Whether they may see whose card it was, and how to reach drivers.
    pub(crate) sees_persons: bool,
}

impl Evidence {
    /// Gathers it; `None` when there is no such incident.
    pub(crate) async fn gather(
        handle: &Handle,
        id: IncidentId,
        who: For<'_>,
    ) -> Result<Option<Self>, mendpoint_store::Error> {
        let store = handle.store();
        let Some(incident) = store.incident(id).await? else { return Ok(None) };
        let now = handle.now();
        let until = incident.resolved_at.unwrap_or(now);
        let timeline = store.timeline(id).await?;
        let log = store.frame_log();
        let mask = |text: &str| {
            if who.sees_persons { text.to_owned() } else { crate::mask::json(text) }
        };
        let frames = frames_until(&log, &incident, until).await?;
        let signal = store.signals(incident.charger, incident.began_at - SIGNAL_MS, until).await?;
        let similar = store.similar_incidents(&incident, SIMILAR).await?;
        let mut reports = Vec::new();
        for report in store.reports(None, Some(id), None, REPORTS).await?.0 {
            let photos = store.photos(&report.reference).await?;
            reports.push(report_json(&report, photos, who.sees_persons));
        }
        reports.reverse();
        let record = handle.directory().charger(incident.charger);
        let site = handle.directory().site(incident.site);
        let of = |read: fn(&mendpoint_model::ChargerRecord) -> String| {
            record.as_deref().map(read).unwrap_or_default()
        };
        Ok(Some(Self {
            incident: id.to_string(),
            ticket: incident.ticket.map(|ticket| ticket.to_string()),
            title: incident.title.clone(),
            description: incident.description.clone(),
            state: incident.state.name(),
            severity: incident.severity,
            rule: incident.rule.clone(),
            code: incident.code.clone(),
            suspected_part: suspected_part(&incident.rule, &incident.code),
            charger: of(|one| one.identity.to_string()),
            charger_name: of(|one| one.name.clone()),
            connector: if incident.connector.is_charger() {
                String::new()
            } else {
                incident.connector.to_string()
            },
            site: site.as_ref().map(|site| site.name.clone()).unwrap_or_default(),
            address: site.map(|site| site.address.clone()).unwrap_or_default(),
            vendor: of(|one| one.vendor.clone()),
            model: of(|one| one.model.clone()),
            serial: of(|one| one.serial.clone()),
            firmware: of(|one| one.firmware.clone()),
            began_at: incident.began_at.rfc3339(),
            opened_at: incident.opened_at.rfc3339(),
            resolved_at: incident.resolved_at.map(UnixMs::rfc3339),
            resolution: incident.resolution.clone(),
            made_at: now.rfc3339(),
            made_for: who.name.to_owned(),
            actions: actions(&incident),
            timeline: timeline.iter().map(line_json).collect(),
            frames: frames.iter().map(|frame| frame_line(frame, mask(&frame.text))).collect(),
            signal: signal.iter().map(signal_point).collect(),
            similar: similar.iter().map(|other| similar_json(handle, other)).collect(),
            reports,
        }))
    }
}

/// The newest messages of a charger until a time, oldest first.
async fn frames_until(
    log: &mendpoint_store::FrameLog,
    incident: &Incident,
    until: UnixMs,
) -> Result<Vec<FrameRecord>, mendpoint_store::Error> {
    let times = FrameTimes { from: None, to: Some(until + 1) };
    let mut frames = log.frames_in(incident.charger, times, None, FRAMES).await?;
    frames.sort_by_key(|frame| frame.seq);
    Ok(frames)
}

fn actions(incident: &Incident) -> Vec<ActionJson> {
    let steps = incident.healing.iter().flat_map(|healing| &healing.steps);
    let word = |state: StepState| {
        // The words of the API are those of its JSON.
        serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned))
    };
    steps
        .map(|step| ActionJson {
            rung: step.rung.name(),
            name: step.rung.label(),
            at: step.at.rfc3339(),
            outcome: word(step.state).unwrap_or_default(),
            note: step.note.clone(),
        })
        .collect()
}

fn line_json(entry: &TimelineEntry) -> LineJson {
    use mendpoint_model::Actor;
    LineJson {
        at: entry.at.rfc3339_ms(),
        who: match &entry.actor {
            Actor::Engine => "system".to_owned(),
            Actor::Charger => "charger".to_owned(),
            Actor::User(name) => name.clone(),
        },
        kind: entry.kind.clone(),
        title: entry.title.clone(),
        text: entry.text.clone(),
    }
}

fn frame_line(frame: &FrameRecord, text: String) -> FrameLine {
    let way = if frame.direction == Direction::In { "in" } else { "out" };
    FrameLine { at: frame.at.rfc3339_ms(), way, text }
}

fn signal_point((at, reading): &(UnixMs, SignalReading)) -> SignalPoint {
    let unit = match reading.unit {
        SignalUnit::RssiDbm => "dBm",
        SignalUnit::RsrpDbm => "dBm RSRP",
        SignalUnit::Csq => "CSQ",
        SignalUnit::Percent => "%",
    };
    SignalPoint { at: at.rfc3339(), value: reading.value, unit, ms: at.0 }
}

fn similar_json(handle: &Handle, other: &Incident) -> SimilarJson {
    let record = handle.directory().charger(other.charger);
    let fixed = other
        .healing
        .iter()
        .flat_map(|healing| &healing.steps)
        .find(|step| step.state == StepState::Fixed)
        .map(|step| format!("{} fixed it", step.rung.label()));
    let ended = || {
        if other.resolution.is_empty() {
            other.state.label().to_owned()
        } else {
            other.resolution.clone()
        }
    };
    SimilarJson {
        incident: other.id.to_string(),
        charger: record.map(|one| one.name.clone()).unwrap_or_default(),
        opened_at: other.opened_at.rfc3339(),
        fixed_by: fixed.unwrap_or_else(ended),
    }
}

fn report_json(report: &ReportRow, rows: Vec<PhotoRow>, sees_persons: bool) -> ReportJson {
    ReportJson {
        at: report.created_at.rfc3339(),
        reason: reasons::find(&report.reason)
            .map_or_else(|| report.reason.clone(), |reason| reason.label.to_owned()),
        text: report.text.clone(),
        contact: Some(report.contact.clone()).filter(|text| sees_persons && !text.is_empty()),
        photos: rows.iter().map(|photo| format!("/photos/{}", photo.id)).collect(),
        rows,
    }
}

/// A line of readings, drawn small: 600 by 120.
fn chart(points: &[SignalPoint]) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let values = points.iter().map(|point| point.value);
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    let (width, height) = (600.0, 100.0);
    let span = ((last.ms - first.ms) as f64).max(1.0);
    let range = (high - low).max(1.0);
    let places: Vec<String> = points
        .iter()
        .map(|point| {
            let x = (point.ms - first.ms) as f64 / span * width;
            let y = 10.0 + (high - point.value) / range * height;
            format!("{x:.1},{y:.1}")
        })
        .collect();
    format!(
        "<svg viewBox=\"0 0 600 120\" role=\"img\" aria-label=\"Signal from {low} to {high} {unit}\">\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#2563eb\" stroke-width=\"1.5\"/>\
         <text x=\"0\" y=\"9\">{high} {unit}</text><text x=\"0\" y=\"119\">{low} {unit}</text></svg>",
        places.join(" "),
        unit = first.unit,
    )
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
    padding:0 1rem;color:#111;background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;\
    margin-top:2rem;border-bottom:1px solid #ccc}table{border-collapse:collapse;width:100%}\
    td,th{text-align:left;vertical-align:top;padding:.25rem .5rem;border-bottom:1px solid #eee}\
    td:first-child{white-space:nowrap}pre{white-space:pre-wrap;word-break:break-all;margin:0;\
    font-size:12px}img{max-width:100%;max-height:30rem}svg{width:100%;font-size:10px}";

impl Evidence {
    /// The bundle as one HTML file: no script, nothing from elsewhere.
    ///
    /// # Errors
    /// When a photo cannot be read.
    pub(crate) async fn file(&self, handle: &Handle) -> Result<String, mendpoint_store::Error> {
        let mut html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; img-src data:\">\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <title>{0} {1}</title><style>{STYLE}</style></head><body>\n<h1>{0}: {1}</h1>\n<p>{2}</p>\n",
            self.incident,
            escape(&self.title),
            escape(&self.description)
        );
        self.facts(&mut html);
        self.lists(&mut html);
        self.drivers(&mut html, handle).await?;
        html.push_str("<h2>Messages</h2>\n<table>");
        for frame in &self.frames {
            row(&mut html, &[&frame.at, frame.way], &format!("<pre>{}</pre>", escape(&frame.text)));
        }
        let _ = write!(
            html,
            "</table>\n<p>Made {} for {}.</p>\n</body></html>\n",
            self.made_at,
            escape(&self.made_for)
        );
        Ok(html)
    }

    fn facts(&self, html: &mut String) {
        let priority = Priority::of_severity(self.severity).name();
        let place = [self.charger_name.as_str(), &self.connector].join(" ");
        let model = [self.vendor.as_str(), &self.model].join(" ");
        let facts: [(&str, &str); 14] = [
            ("Urgency", priority),
            ("State", self.state),
            ("Ticket", self.ticket.as_deref().unwrap_or_default()),
            ("Charger", place.trim()),
            ("Identity", &self.charger),
            ("Site", &self.site),
            ("Address", &self.address),
            ("Model", model.trim()),
            ("Serial number", &self.serial),
            ("Firmware", &self.firmware),
            ("Rule", &self.rule),
            ("Code", &self.code),
            ("Began", &self.began_at),
            ("How it ended", &self.resolution),
        ];
        html.push_str("<table>");
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
            row(html, &[name], &escape(value));
        }
        if let Some(part) = self.suspected_part {
            row(html, &["Suspected part"], &format!("<b>{}</b>", escape(part)));
        }
        html.push_str("</table>\n");
    }

    fn lists(&self, html: &mut String) {
        html.push_str("<h2>What was tried</h2>\n<table>");
        for action in &self.actions {
            let note = escape(&action.note);
            row(html, &[&action.at, action.name, &action.outcome], &note);
        }
        html.push_str("</table>\n<h2>What fixed it before</h2>\n<table>");
        for other in &self.similar {
            let fixed = escape(&other.fixed_by);
            row(html, &[&other.opened_at, &other.incident, &other.charger], &fixed);
        }
        html.push_str("</table>\n<h2>Signal</h2>\n");
        if self.signal.is_empty() {
            html.push_str("<p>It told nothing of its radio link.</p>\n");
        } else {
            let _ = writeln!(html, "{}", chart(&self.signal));
        }
        html.push_str("<h2>Timeline</h2>\n<table>");
        for line in &self.timeline {
            let text = if line.text.is_empty() {
                escape(&line.title)
            } else {
                format!("{}<br>{}", escape(&line.title), escape(&line.text))
            };
            row(html, &[&line.at, &line.who], &text);
        }
        html.push_str("</table>\n");
    }

    async fn drivers(
        &self,
        html: &mut String,
        handle: &Handle,
    ) -> Result<(), mendpoint_store::Error> {
        if self.reports.is_empty() {
            return Ok(());
        }
        html.push_str("<h2>Drivers</h2>\n<table>");
        let mut photos = 0;
        for report in &self.reports {
            let mut text = escape(&report.text);
            if let Some(contact) = &report.contact {
                let _ = write!(text, "<br>{}", escape(contact));
            }
            for photo in &report.rows {
                if photos == PHOTOS {
                    break;
                }
                if let Some((kind, data)) = handle.store().photo(photo.id).await? {
                    photos += 1;
                    let data = STANDARD.encode(data);
                    let _ = write!(
                        text,
                        "<br><img alt=\"Photo of a driver\" src=\"data:{kind};base64,{data}\">"
                    );
                }
            }
            row(html, &[&report.at, &report.reason], &text);
        }
        html.push_str("</table>\n");
        Ok(())
    }
}

/// A row of a table; the last cell is markup already.
fn row(html: &mut String, cells: &[&str], last: &str) {
    html.push_str("<tr>");
    for cell in cells {
        let _ = write!(html, "<td>{}</td>", escape(cell));
    }
    let _ = writeln!(html, "<td>{last}</td></tr>");
}

/// The name of the file.
pub(crate) fn file_name(id: IncidentId, now: UnixMs) -> String {
    let day = show::date_time(now);
    format!("{id}-{}.html", day.get(..10).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_drawn_from_two_readings_and_more() {
        let point = |ms, value| SignalPoint { at: String::new(), value, unit: "dBm", ms };
        assert_eq!(chart(&[]), "");
        let drawn = chart(&[point(0, -90.0), point(10, -70.0)]);
        assert!(drawn.contains("0.0,110.0 600.0,10.0"), "{drawn}");
    }

    #[test]
    fn what_others_wrote_is_text() {
        let mut html = String::new();
        row(&mut html, &["<b>"], &escape("<script>"));
        assert_eq!(html, "<tr><td>&lt;b&gt;</td><td>&lt;script&gt;</td></tr>\n");
    }
}
