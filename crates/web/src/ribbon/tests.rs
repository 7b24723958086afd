//! What the ribbon shows of a history, and that nothing in it becomes markup.

use mendpoint_model::{ConnectorRef, HOUR_MS, MINUTE_MS};

use super::flags::flags;
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
        told_at: at(minutes),
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
            (span.from.since_ms(at(0)) / MINUTE_MS, span.to.since_ms(at(0)) / MINUTE_MS, span.token)
        })
        .collect();
    assert_eq!(shown, [(0, 10, "ok"), (10, 40, "charge"), (40, 60, "fault")]);
    assert_eq!(spans[2].label, "Faulted · GroundFailure");
}

#[test]
fn repeated_reports_and_old_ones_draw_one_band() {
    let rows =
        [state(1, -9, "Faulted", ""), state(1, -8, "Available", ""), state(1, 5, "Available", "")];
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

#[test]
fn no_word_is_cut_at_the_edges() {
    // A mark at the very beginning, beside another one, and a time of the grid there.
    let marks = [(at(0), "opened".to_owned()), (at(1), "handed over".to_owned())];
    let scale = Scale { from: at(0), to: at(60) };
    for flag in flags(&scale, &marks) {
        let width = flag.text.chars().count() as f64 * LETTER;
        let x = flag.x + flag.dx;
        let (left, right) = match flag.anchor {
            "middle" => (x - width / 2.0, x + width / 2.0),
            "end" => (x - width, x),
            _ => (x, x + width),
        };
        assert!(flag.line.is_none() || (left >= LEFT && right <= WIDTH), "{left} {}", flag.text);
    }
    let svg = ribbon(at(0), at(60), &[link(0, true)], &[], &[]);
    let times = svg.split(r#"<text class="tl" x=""#).skip(1);
    let places = times.filter_map(|rest| rest.split('"').next()?.parse::<f64>().ok());
    let places: Vec<_> = places.collect();
    assert!(places.len() > 3, "{svg}");
    let half = 5.0 * TICK_LETTER / 2.0;
    for x in places {
        assert!(x - half >= LEFT - 0.1 && x + half <= WIDTH + 0.1, "{x}");
    }
}
