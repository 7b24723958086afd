//! Marks over the bands: what happened at a moment, with a word or two.

use std::fmt::Write as _;

use mendpoint_model::UnixMs;

use super::{LEFT, LETTER, MARK_LINE, Scale, WIDTH, escape};

/// A mark with the place of its words.
pub(super) struct Flag {
    pub(super) x: f64,
    /// Which line of marks its words stand on, from the bands upwards; `None` when there was no room.
    pub(super) line: Option<u32>,
    pub(super) anchor: &'static str,
    pub(super) dx: f64,
    pub(super) text: String,
    /// Whether words of another flag stand below its own: its line begins under them.
    pub(super) is_above: bool,
}

/// Finds a place for the words of every mark: over the flag, or beside it, or a line higher.
pub(super) fn flags(scale: &Scale, marks: &[(UnixMs, String)]) -> Vec<Flag> {
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
                let is_free = *left >= LEFT
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
    pub(super) fn draw(&self, svg: &mut String, top: f64, bottom: f64, lines: u32) {
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
