//! The state ribbon: what a charger's connection and connectors were over a stretch of time, as an
//! SVG drawn on the server.
//!
//! Colours come from classes and shapes from presentation attributes, so that the strict content
//! policy has nothing to refuse. Every text is escaped here, because the result goes into pages as
//! it is.

mod flags;
mod grid;
mod spans;

use std::fmt::Write as _;

use mendpoint_model::UnixMs;
use mendpoint_store::{LinkChangeRow, StateChangeRow};

use self::flags::flags;
use self::grid::{tick_label, ticks};
use self::spans::{Span, by_connector, link_spans, overlaid, state_spans};

/// Width of the drawing, in its own units.
const WIDTH: f64 = 960.0;
/// Where time begins, right of the names.
const LEFT: f64 = 118.0;
/// Where time ends.
const RIGHT: f64 = 940.0;
/// Height of a band.
const BAND: f64 = 20.0;
/// From one band to the next.
const PITCH: f64 = 27.0;
/// Height of a line of marks above the bands.
const MARK_LINE: f64 = 14.0;
/// A letter of the small bold type is about this wide.
const LETTER: f64 = 6.3;
/// A digit of the times below the bands is about this wide.
const TICK_LETTER: f64 = 6.6;
/// The narrowest band that is drawn: a state of one second must not vanish in a day.
const MIN_WIDTH: f64 = 1.5;

/// Draws the ribbon from `from` to `to`. `link` and `states` may begin before `from`: the last row
/// before it says what the ribbon begins with. `marks` are flags with a word or two; the word `now`
/// is drawn as the end of what is known.
pub(crate) fn ribbon(
    from: UnixMs,
    to: UnixMs,
    link: &[LinkChangeRow],
    states: &[StateChangeRow],
    marks: &[(UnixMs, String)],
) -> String {
    let to = if to > from { to } else { from + 1 };
    let from = first_known(from, to, link, states, marks);
    let scale = Scale { from, to };
    // What is not known yet is not drawn: beyond "now" there is only the grid.
    let known_until = marks
        .iter()
        .filter(|(_, word)| word == "now")
        .map(|(at, _)| *at)
        .min()
        .unwrap_or(to)
        .min(to);
    let connection = link_spans(from, known_until, link);
    let mut rows = vec![("Connection".to_owned(), connection.clone())];
    for (connector, changes) in by_connector(states) {
        let spans = state_spans(from, known_until, &changes);
        // The charger as a whole is worth a band only when it says more than that it is there.
        if connector.is_charger() && spans.iter().all(|span| span.token == "ok") {
            continue;
        }
        let name = if connector.is_charger() {
            "Charger".to_owned()
        } else {
            format!("Connector {connector}")
        };
        rows.push((name, overlaid(spans, &connection)));
    }
    let flags = flags(&scale, marks);
    let mark_lines = flags.iter().filter_map(|flag| flag.line).max().unwrap_or(0) + 1;
    let top = MARK_LINE * f64::from(mark_lines) + 12.0;
    let bottom = top + PITCH * rows.len() as f64;

    let height = bottom + 22.0;
    let mut svg = String::with_capacity(4_096);
    // The names stay where they are when time does not fit and is moved beside them.
    let _ = write!(
        svg,
        r#"<svg class="lanes" viewBox="0 0 {LEFT:.0} {height:.0}" aria-hidden="true">"#
    );
    for (index, (name, _)) in rows.iter().enumerate() {
        let y = top + PITCH * index as f64 + 17.0;
        let _ = write!(svg, r#"<text x="0" y="{y:.1}">{}</text>"#, escape(name));
    }
    let _ = write!(
        svg,
        r#"</svg><div class="time" tabindex="0"><svg viewBox="{LEFT:.0} 0 {:.0} {height:.0}" role="img" aria-label="{}">"#,
        WIDTH - LEFT,
        escape(&description(from, known_until, &rows, marks))
    );
    for at in ticks(from, to) {
        let x = scale.x(at);
        let label = tick_label(at, to.since_ms(from));
        // The drawing ends beside the names: a time near its edge moves in, or it would be cut.
        let half = label.chars().count() as f64 * TICK_LETTER / 2.0;
        let middle = x.clamp(LEFT + half, WIDTH - half);
        let _ = write!(
            svg,
            r#"<line class="tick" x1="{x:.1}" x2="{x:.1}" y1="{top:.0}" y2="{bottom:.0}"/><text class="tl" x="{middle:.1}" y="{:.0}" text-anchor="middle">{label}</text>"#,
            bottom + 15.0,
        );
    }
    let lines: Vec<f64> = flags.iter().map(|flag| flag.x).collect();
    for (index, (_, spans)) in rows.iter().enumerate() {
        let y = top + PITCH * index as f64 + 3.0;
        for span in spans {
            band(&mut svg, &scale, span, y, &lines);
        }
    }
    for flag in &flags {
        flag.draw(&mut svg, top, bottom, mark_lines);
    }
    svg.push_str("</svg></div>");
    svg
}

/// Where the drawing begins: there is no use in showing time of which nothing is known.
fn first_known(
    from: UnixMs,
    to: UnixMs,
    link: &[LinkChangeRow],
    states: &[StateChangeRow],
    marks: &[(UnixMs, String)],
) -> UnixMs {
    let told = link.iter().map(|row| row.at).chain(states.iter().map(|row| row.at));
    let marked = marks.iter().filter(|(at, word)| word != "now" && *at >= from).map(|(at, _)| *at);
    let first = told.chain(marked).min();
    first.filter(|at| *at > from && *at < to).unwrap_or(from)
}

/// Time to place.
struct Scale {
    from: UnixMs,
    to: UnixMs,
}

impl Scale {
    fn x(&self, at: UnixMs) -> f64 {
        let whole = self.to.since_ms(self.from).max(1) as f64;
        let share = (at.since_ms(self.from) as f64 / whole).clamp(0.0, 1.0);
        LEFT + share * (RIGHT - LEFT)
    }
}

/// Draws a band. Its word stands where none of the `lines` of flags goes through it.
fn band(svg: &mut String, scale: &Scale, span: &Span, y: f64, lines: &[f64]) {
    let x = scale.x(span.from);
    // A hair of the page between two bands tells them apart without a line.
    let width = (scale.x(span.to) - x - 1.0).max(MIN_WIDTH);
    let _ = write!(
        svg,
        r#"<rect class="f-{}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{BAND:.0}" rx="2"><title>{}, {} to {}</title></rect>"#,
        span.token,
        escape(&span.label),
        crate::show::clock(span.from),
        crate::show::clock(span.to),
    );
    let mut cuts: Vec<f64> =
        lines.iter().copied().filter(|line| *line > x && *line < x + width).collect();
    cuts.extend([x, x + width]);
    cuts.sort_by(f64::total_cmp);
    let place = |text: &str| {
        let needed = text.chars().count() as f64 * LETTER + 12.0;
        cuts.windows(2).find(|gap| gap[1] - gap[0] >= needed).map(|gap| gap[0])
    };
    // "Faulted · GroundFailure" where there is room for it, else "Faulted", else nothing.
    let short = span.label.split(" · ").next().unwrap_or_default();
    let text = [span.label.as_str(), short].into_iter().find_map(|text| Some((text, place(text)?)));
    if let Some((text, x)) = text.filter(|(text, _)| !text.is_empty()) {
        // Dark letters on pale bands, light letters on full ones.
        let tone = if matches!(span.token, "fault" | "offline" | "heal") { "l" } else { "q" };
        let _ = write!(
            svg,
            r#"<text class="on {tone}" x="{:.1}" y="{:.1}">{}</text>"#,
            x + 6.0,
            y + 14.0,
            escape(text)
        );
    }
}

/// The ribbon in words, for people who hear it.
fn description(
    from: UnixMs,
    to: UnixMs,
    rows: &[(String, Vec<Span>)],
    marks: &[(UnixMs, String)],
) -> String {
    let mut words =
        format!("State from {} to {}.", crate::show::date_time(from), crate::show::date_time(to));
    for (name, spans) in rows {
        let last = spans.iter().rev().find(|span| !span.label.is_empty());
        let _ = match last {
            Some(last) => {
                write!(words, " {name}: {} stretches, at the end {}.", spans.len(), last.label)
            }
            None => write!(words, " {name}: nothing known."),
        };
    }
    for (at, text) in marks.iter().filter(|(_, text)| text != "now") {
        let _ = write!(words, " {} {text}.", crate::show::clock(*at));
    }
    words
}

/// Makes a text safe inside the drawing. Control characters have no place in XML at all.
fn escape(text: &str) -> String {
    mendpoint_model::escape(&text.replace(char::is_control, " "))
}

#[cfg(test)]
mod tests;
