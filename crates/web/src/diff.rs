//! What changed between two texts, line by line.

/// Longer texts are shown as wholly replaced: the comparison takes the product of their lengths.
const LINES_MAX: usize = 1_500;
/// How many lines that stayed are shown around a change.
const AROUND: usize = 3;

/// A line of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It stayed.
    Same(String),
    /// It is gone.
    Gone(String),
    /// It is new.
    New(String),
    /// So many lines that stayed are not shown.
    Hidden(usize),
}

impl Line {
    /// The class of its row.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Same(_) => "",
            Self::Gone(_) => "gone",
            Self::New(_) => "new",
            Self::Hidden(_) => "hidden",
        }
    }

    /// The sign before it.
    pub(crate) fn sign(&self) -> &'static str {
        match self {
            Self::Same(_) => " ",
            Self::Gone(_) => "\u{2212}",
            Self::New(_) => "+",
            Self::Hidden(_) => "\u{22ee}",
        }
    }

    /// Its text.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Same(text) | Self::Gone(text) | Self::New(text) => text.clone(),
            Self::Hidden(1) => "1 line as before".to_owned(),
            Self::Hidden(count) => format!("{} as before", crate::number::counted(count, "line")),
        }
    }
}

/// Compares two texts. Long parts that stayed are left out.
pub(crate) fn lines(before: &str, after: &str) -> Vec<Line> {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    shorten(compare(&old, &new))
}

fn compare(old: &[&str], new: &[&str]) -> Vec<Line> {
    if old.len() > LINES_MAX || new.len() > LINES_MAX {
        let gone = old.iter().map(|line| Line::Gone((*line).to_owned()));
        return gone.chain(new.iter().map(|line| Line::New((*line).to_owned()))).collect();
    }
    // The length of the longest common rest, from each pair of places on.
    let width = new.len() + 1;
    let mut rest = vec![0_u32; (old.len() + 1) * width];
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            rest[i * width + j] = if one == other {
                rest[(i + 1) * width + j + 1] + 1
            } else {
                rest[(i + 1) * width + j].max(rest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i].to_owned()));
            i += 1;
            j += 1;
        } else if j == new.len()
            || (i < old.len() && rest[(i + 1) * width + j] >= rest[i * width + j + 1])
        {
            lines.push(Line::Gone(old[i].to_owned()));
            i += 1;
        } else {
            lines.push(Line::New(new[j].to_owned()));
            j += 1;
        }
    }
    lines
}

fn shorten(all: Vec<Line>) -> Vec<Line> {
    let is_near = |at: usize| {
        let (from, to) = (at.saturating_sub(AROUND), (at + AROUND + 1).min(all.len()));
        all[from..to].iter().any(|line| !matches!(line, Line::Same(_)))
    };
    let near: Vec<bool> = (0..all.len()).map(is_near).collect();
    let mut lines = Vec::new();
    for (line, near) in all.into_iter().zip(near) {
        if near {
            lines.push(line);
        } else if let Some(Line::Hidden(count)) = lines.last_mut() {
            *count += 1;
        } else {
            lines.push(Line::Hidden(1));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_stands_in_its_place() {
        let shown: Vec<String> = lines("a\nb\nc\n", "a\nB\nc\nd\n")
            .iter()
            .map(|line| format!("{}{}", line.sign(), line.text()))
            .collect();
        assert_eq!(shown, [" a", "\u{2212}b", "+B", " c", "+d"]);
        assert!(lines("a\n", "a\n").iter().all(|line| line.class() == "hidden"));
    }

    #[test]
    fn long_parts_that_stayed_are_left_out() {
        let numbers: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let before = numbers.join("\n") + "\n";
        let after = before.replace("10\n", "ten\n");
        let shown = lines(&before, &after);
        assert_eq!(shown.first(), Some(&Line::Hidden(7)));
        assert_eq!(shown.last(), Some(&Line::Hidden(6)));
        assert_eq!(shown.len(), 2 + 2 + 6);
    }
}
