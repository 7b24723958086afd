//! The sequence numbers of a 2.x transaction: which came, which never did (behaviour 62).

/// How many gaps are kept for one transaction; a charger that counts wildly has no more of them.
const GAPS_MAX: usize = 32;

/// What a sequence number means beside those that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is the newest.
    Newest,
    /// It was missing.
    Filled,
    /// It came already.
    Again,
}

/// Takes in a sequence number. `missing` holds ranges with both ends, in order.
pub(crate) fn hear(newest: &mut i64, missing: &mut Vec<(i64, i64)>, seq_no: i64) -> Heard {
    if seq_no > *newest {
        let expected = newest.saturating_add(1);
        if seq_no > expected && missing.len() < GAPS_MAX {
            missing.push((expected, seq_no - 1));
        }
        *newest = seq_no;
        return Heard::Newest;
    }
    let gap = missing.iter().position(|&(from, to)| (from..=to).contains(&seq_no));
    let Some(index) = gap else { return Heard::Again };
    let (from, to) = missing.remove(index);
    if seq_no < to {
        missing.insert(index, (seq_no + 1, to));
    }
    if from < seq_no {
        missing.insert(index, (from, seq_no - 1));
    }
    Heard::Filled
}

/// The numbers that never came, for people: `3`, or `3 to 5, 9`.
pub fn missing_words(missing: &[(i64, i64)]) -> String {
    let words: Vec<_> = missing
        .iter()
        .map(|&(from, to)| if from == to { from.to_string() } else { format!("{from} to {to}") })
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(numbers: &[i64]) -> (i64, Vec<(i64, i64)>, Vec<Heard>) {
        let (mut newest, mut missing) = (0, Vec::new());
        let told = numbers.iter().map(|&n| hear(&mut newest, &mut missing, n)).collect();
        (newest, missing, told)
    }

    #[test]
    fn b62_gaps_are_noted_and_filled() {
        let (newest, missing, _) = heard(&[1, 2, 6, 8]);
        assert_eq!((newest, missing_words(&missing)), (8, "3 to 5, 7".to_owned()));
        let (_, missing, told) = heard(&[1, 6, 4, 4, 2, 3, 5]);
        assert!(missing.is_empty());
        assert_eq!(told[2..4], [Heard::Filled, Heard::Again]);
        assert_eq!(heard(&[1, 5, 3]).1, [(2, 2), (4, 4)]);
    }

    #[test]
    fn numbers_at_the_ends_of_the_range_and_wild_counting_are_survived() {
        let (newest, missing, _) = heard(&[i64::MAX, i64::MAX, i64::MIN]);
        assert_eq!((newest, missing), (i64::MAX, vec![(1, i64::MAX - 1)]));
        let wild: Vec<i64> = (1..200).map(|n| n * 2).collect();
        assert_eq!(heard(&wild).1.len(), GAPS_MAX);
    }
}
