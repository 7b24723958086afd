//! The state ribbon: what a charger's connection and connectors were over a stretch of time, as an
//! SVG drawn on the server.
//!
//! Colours come from classes and shapes from presentation attributes, so that the strict content
//! policy has nothing to refuse. Every text is escaped here, because the result goes into pages as
//! it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mendpoint_model::{ConnectorRef, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs};
use mendpoint_store::{LinkChangeRow, StateChangeRow};

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
/// A letter of the small type is about this wide.
const LETTER: f64 = 5.9;
/// The narrowest band that is drawn: a state of one second must not vanish in a day.
const MIN_WIDTH: f64 = 1.5;

/// A stretch of one state.
#[derive(Clone, Debug, PartialEq)]
struct Span {
    from: UnixMs,
    to: UnixMs,
    /// The word of the style sheet.
    token: &'static str,
    label: String,
}

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
        let _ = write!(
            svg,
            r#"<line class="tick" x1="{x:.1}" x2="{x:.1}" y1="{top:.0}" y2="{bottom:.0}"/><text class="tl" x="{x:.1}" y="{:.0}" text-anchor="middle">{}</text>"#,
            bottom + 15.0,
            tick_label(at, to.since_ms(from)),
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

/// What the connection was. Before the first row nothing is known, and nothing is drawn.
fn link_spans(from: UnixMs, to: UnixMs, rows: &[LinkChangeRow]) -> Vec<Span> {
    let changes = rows.iter().map(|row| {
        let (token, label) = if row.online { ("ok", "online") } else { ("offline", "offline") };
        (row.at, token, label.to_owned())
    });
    spans(from, to, changes)
}

fn state_spans(from: UnixMs, to: UnixMs, rows: &[&StateChangeRow]) -> Vec<Span> {
    let changes = rows.iter().map(|row| {
        let (token, word) = look(&row.status, &row.error);
        let label =
            if row.error.is_empty() { word.to_owned() } else { format!("{word} · {}", row.error) };
        (row.at, token, label)
    });
    spans(from, to, changes)
}

fn spans(
    from: UnixMs,
    to: UnixMs,
    changes: impl Iterator<Item = (UnixMs, &'static str, String)>,
) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (at, token, label) in changes {
        if at >= to {
            break;
        }
        let at = at.max(from);
        if let Some(last) = spans.last_mut() {
            if last.token == token && last.label == label {
                continue;
            }
            last.to = at;
        }
        spans.push(Span { from: at, to, token, label });
    }
    // Several changes before the beginning collapse into the last of them.
    spans.retain(|span| span.to > span.from);
    spans
}

/// A charger that is offline says nothing of its connectors: those stretches are shown as offline.
fn overlaid(spans: Vec<Span>, connection: &[Span]) -> Vec<Span> {
    let offline: Vec<&Span> = connection.iter().filter(|span| span.token == "offline").collect();
    let mut result: Vec<Span> = Vec::new();
    for span in spans {
        let mut from = span.from;
        for gap in &offline {
            if gap.to <= from || gap.from >= span.to {
                continue;
            }
            if gap.from > from {
                result.push(Span { from, to: gap.from, ..span.clone() });
            }
            let until = gap.to.min(span.to);
            result.push(Span {
                from: gap.from.max(from),
                to: until,
                token: "offline",
                label: "offline".to_owned(),
            });
            from = until;
        }
        if from < span.to {
            result.push(Span { from, ..span });
        }
    }
    result
}

fn by_connector(states: &[StateChangeRow]) -> BTreeMap<ConnectorRef, Vec<&StateChangeRow>> {
    let mut rows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in states {
        rows.entry(row.connector).or_default().push(row);
    }
    rows
}

/// The word of the style sheet and the word for people of an OCPP status.
fn look<'a>(status: &'a str, error: &str) -> (&'static str, &'a str) {
    match status {
        "Available" if error.is_empty() => ("ok", "available"),
        "Available" => ("warn", "available"),
        "Charging" => ("charge", "charging"),
        "Preparing" => ("busy", "plugged in"),
        "Finishing" => ("busy", "finishing"),
        "SuspendedEV" | "SuspendedEVSE" => ("busy", "paused"),
        "Reserved" => ("busy", "reserved"),
        "Unavailable" => ("maint", "out of service"),
        "Faulted" => ("fault", "Faulted"),
        other => ("maint", other),
    }
}

struct Flag {
    x: f64,
    /// Which line of marks its words stand on, from the bands upwards; `None` when there was no room.
    line: Option<u32>,
    anchor: &'static str,
    dx: f64,
    text: String,
    /// Whether words of another flag stand below its own: its line begins under them.
    is_above: bool,
}

/// Finds a place for the words of every mark: over the flag, or beside it, or a line higher.
fn flags(scale: &Scale, marks: &[(UnixMs, String)]) -> Vec<Flag> {
    let mut marks: Vec<_> =
        marks.iter().filter(|(at, _)| *at >= scale.from && *at <= scale.to).collect();
    marks.sort_by_key(|(at, _)| *at);
    let mut taken: [Vec<(f64, f64)>; 2] = [Vec::new(), Vec::new()];
    let mut flags = Vec::new();
    for (index, (at, text)) in marks.iter().enumerate() {
        let x = scale.x(*at);
        let width = text.chars().count() as f64 * LETTER;
        // Words stand over their flag where it is alone. Beside another flag they stand to the
        // left or the right of their own, so that no line goes through them.
        let is_near = |other: Option<&&(UnixMs, String)>| {
            other.is_some_and(|(other, _)| (scale.x(*other) - x).abs() < width / 2.0 + 6.0)
        };
        let is_crowded = is_near(index.checked_sub(1).and_then(|index| marks.get(index)))
            || is_near(marks.get(index + 1));
        let over = ("middle", 0.0, x - width / 2.0);
        let left = ("end", -5.0, x - 5.0 - width);
        let right = ("start", 5.0, x + 5.0);
        let places: [&[_]; 2] = if is_crowded {
            [&[left, right], &[left, right, over]]
        } else {
            [&[over, left, right], &[over, left, right]]
        };
        let mut flag =
            Flag { x, line: None, anchor: "middle", dx: 0.0, text: text.clone(), is_above: false };
        'lines: for ((line, taken), places) in (0_u32..).zip(taken.iter_mut()).zip(places) {
            for (anchor, dx, left) in places {
                let right = left + width;
                let is_free = *left >= LEFT - 8.0
                    && right <= WIDTH
                    && taken.iter().all(|(from, to)| right + 6.0 < *from || *left > *to + 6.0);
                if is_free {
                    taken.push((*left, right));
                    (flag.line, flag.anchor, flag.dx) = (Some(line), *anchor, *dx);
                    break 'lines;
                }
            }
        }
        flags.push(flag);
    }
    for flag in &mut flags {
        let lowest = &taken[0];
        flag.is_above =
            flag.line != Some(0) && lowest.iter().any(|(from, to)| (*from..=*to).contains(&flag.x));
    }
    flags
}

impl Flag {
    fn draw(&self, svg: &mut String, top: f64, bottom: f64, lines: u32) {
        let is_now = self.text == "now";
        let class = if is_now { "now" } else { "flag" };
        let line = f64::from(self.line.unwrap_or(0));
        let base = MARK_LINE * (f64::from(lines) - line);
        let _ = write!(
            svg,
            r#"<line class="{class}" x1="{x:.1}" x2="{x:.1}" y1="{y:.1}" y2="{end:.1}"><title>{text}</title></line>"#,
            x = self.x,
            y = if self.is_above { top } else { base + 6.0 },
            end = if is_now { bottom } else { bottom - 2.0 },
            text = escape(&self.text),
        );
        if self.line.is_some() {
            let _ = write!(
                svg,
                r#"<text class="{}" x="{:.1}" y="{base:.1}" text-anchor="{}">{}</text>"#,
                if is_now { "tl" } else { "flagt" },
                self.x + self.dx,
                self.anchor,
                escape(&self.text)
            );
        }
    }
}

/// Steps of the grid, from fine to coarse.
const STEPS_MS: [i64; 14] = [
    5 * SECOND_MS,
    10 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    7 * DAY_MS,
];

/// Round times between the ends, at most nine.
fn ticks(from: UnixMs, to: UnixMs) -> Vec<UnixMs> {
    let whole = to.since_ms(from);
    let step = STEPS_MS.into_iter().find(|step| whole / step <= 8).unwrap_or(30 * DAY_MS);
    let first = (from.0 + step - 1).div_euclid(step) * step;
    (0..=9).map(|index| UnixMs(first + index * step)).take_while(|at| *at <= to).collect()
}

fn tick_label(at: UnixMs, whole_ms: i64) -> String {
    let text = at.to_string();
    let part = |from: usize, len: usize| text.chars().skip(from).take(len).collect::<String>();
    match whole_ms {
        0..=600_000 => part(11, 8),
        _ if whole_ms <= 2 * DAY_MS => part(11, 5),
        _ => part(5, 5),
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

/// Makes a text safe inside markup and inside quoted attributes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Control characters have no place in XML at all.
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMs = UnixMs(1_790_000_000_000);

    fn at(minutes: i64) -> UnixMs {
        START + minutes * MINUTE_MS
    }

    fn link(minutes: i64, online: bool) -> LinkChangeRow {
        LinkChangeRow { at: at(minutes), online, reason: String::new() }
    }

    fn state(connector: u16, minutes: i64, status: &str, error: &str) -> StateChangeRow {
        StateChangeRow {
            connector: ConnectorRef::v16(connector),
            at: at(minutes),
            status: status.to_owned(),
            error: error.to_owned(),
        }
    }

    #[test]
    fn what_chargers_and_people_write_stays_text() {
        let svg = ribbon(
            at(0),
            at(60),
            &[link(0, true)],
            &[state(1, 0, "Faulted", "<script>alert('x')</script>\"&")],
            &[(at(30), "<b onload=\"x\">".to_owned())],
        );
        assert!(!svg.contains("<script"), "{svg}");
        assert!(!svg.contains("<b "), "{svg}");
        assert!(!svg.contains("style="), "the content policy forbids it: {svg}");
        assert!(svg.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{svg}");
        assert_eq!(svg.matches("<svg").count(), 2, "names and time");
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }

    #[test]
    fn a_state_lasts_from_its_change_to_the_next() {
        let rows = [
            state(1, -20, "Available", ""),
            state(1, 10, "Charging", ""),
            state(1, 40, "Faulted", "GroundFailure"),
        ];
        let rows: Vec<_> = rows.iter().collect();
        let spans = state_spans(at(0), at(60), &rows);
        let shown: Vec<_> = spans
            .iter()
            .map(|span| {
                (
                    span.from.since_ms(at(0)) / MINUTE_MS,
                    span.to.since_ms(at(0)) / MINUTE_MS,
                    span.token,
                )
            })
            .collect();
        assert_eq!(shown, [(0, 10, "ok"), (10, 40, "charge"), (40, 60, "fault")]);
        assert_eq!(spans[2].label, "Faulted · GroundFailure");
    }

    #[test]
    fn repeated_reports_and_old_ones_draw_one_band() {
        let rows = [
            state(1, -9, "Faulted", ""),
            state(1, -8, "Available", ""),
            state(1, 5, "Available", ""),
        ];
        let rows: Vec<_> = rows.iter().collect();
        let spans = state_spans(at(0), at(60), &rows);
        assert_eq!(spans.len(), 1, "{spans:?}");
        assert_eq!(spans[0].token, "ok");
    }

    #[test]
    fn while_offline_a_connector_is_offline_too() {
        let svg = ribbon(
            at(0),
            at(60),
            &[link(-5, true), link(20, false), link(30, true)],
            &[state(2, -5, "Charging", "")],
            &[],
        );
        assert_eq!(svg.matches("f-offline").count(), 2, "the connection and the connector: {svg}");
        assert_eq!(svg.matches("f-charge").count(), 2, "before and after: {svg}");
        assert!(svg.contains(">Connector 2<"), "{svg}");
    }

    #[test]
    fn nothing_is_drawn_after_now_or_before_the_first_news() {
        let marks = [(at(30), "now".to_owned())];
        let svg = ribbon(at(0), at(60), &[link(10, true)], &[], &marks);
        let scale = Scale { from: at(10), to: at(60) };
        let x = scale.x(at(10));
        assert!((x - LEFT).abs() < 0.1, "time begins where something is known");
        assert!(svg.contains(&format!(r#"<rect class="f-ok" x="{x:.1}""#)), "{svg}");
        let width = scale.x(at(30)) - x - 1.0;
        assert!(svg.contains(&format!(r#"width="{width:.1}""#)), "{svg}");
        assert!(svg.contains(r#"class="now""#));
    }

    #[test]
    fn the_whole_charger_has_a_band_only_when_it_says_something() {
        let quiet = ribbon(at(0), at(60), &[], &[state(0, 0, "Available", "")], &[]);
        assert!(!quiet.contains(">Charger<"), "{quiet}");
        let faulted = ribbon(at(0), at(60), &[], &[state(0, 0, "Faulted", "")], &[]);
        assert!(faulted.contains(">Charger<"), "{faulted}");
    }

    #[test]
    fn words_of_marks_do_not_cover_each_other() {
        let marks: Vec<_> = (0..6).map(|n| (at(30) + n, format!("mark number {n}"))).collect();
        let scale = Scale { from: at(0), to: at(60) };
        let flags = flags(&scale, &marks);
        assert_eq!(flags.len(), 6, "every mark has a flag");
        let shown = flags.iter().filter(|flag| flag.line.is_some()).count();
        assert!((2..6).contains(&shown), "{shown} of six fit without covering each other");
    }

    #[test]
    fn two_marks_of_one_moment_stand_on_both_sides_of_it() {
        let marks = [(at(30), "opened".to_owned()), (at(30), "handed over".to_owned())];
        let flags = flags(&Scale { from: at(0), to: at(60) }, &marks);
        let shown: Vec<_> = flags.iter().map(|flag| (flag.line, flag.anchor)).collect();
        assert_eq!(shown, [(Some(0), "end"), (Some(0), "start")]);
    }

    #[test]
    fn no_line_goes_through_the_word_of_a_band() {
        let span = Span { from: at(0), to: at(60), token: "ok", label: "available".to_owned() };
        let scale = Scale { from: at(0), to: at(60) };
        let word_at = |lines: &[f64]| {
            let mut svg = String::new();
            band(&mut svg, &scale, &span, 0.0, lines);
            let words = svg.split("<text").nth(1)?;
            words.split('"').nth(3).and_then(|x| x.parse::<f64>().ok())
        };
        assert_eq!(word_at(&[]), Some(LEFT + 6.0));
        assert_eq!(word_at(&[LEFT + 20.0]), Some(LEFT + 26.0), "right of the line");
        let fence: Vec<f64> = (0..40).map(|n| LEFT + 20.0 * f64::from(n)).collect();
        assert_eq!(word_at(&fence), None);
    }

    #[test]
    fn an_empty_stretch_of_time_is_drawn_all_the_same() {
        let svg = ribbon(at(0), at(0), &[], &[], &[]);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg></div>"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn the_grid_has_round_times() {
        let hour = ticks(at(0), at(60));
        assert!(hour.len() <= 9, "{hour:?}");
        assert!(hour.iter().all(|tick| tick.0 % (10 * MINUTE_MS) == 0), "{hour:?}");
        assert_eq!(tick_label(UnixMs(1_790_000_000_000), HOUR_MS), "14:13");
    }
}
