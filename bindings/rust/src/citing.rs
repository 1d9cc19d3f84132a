//! Citations in an answer, checked as it comes.

use std::collections::BTreeSet;

/// Lets an answer through, without citations of what was not given: `[3]` where there are two passages.
#[derive(Debug)]
pub(crate) struct Citations {
    /// How many passages there are, numbered from 1.
    given: u32,
    /// What may become a citation.
    begun: String,
    cited: BTreeSet<u32>,
    refused: BTreeSet<u32>,
}

/// The longest text between brackets that may be one.
const LONGEST: usize = 64;

impl Citations {
    pub(crate) fn of(given: u32) -> Self {
        Self { given, begun: String::new(), cited: BTreeSet::new(), refused: BTreeSet::new() }
    }

    /// What can be shown of the answer once `text` follows.
    pub(crate) fn push(&mut self, text: &str) -> String {
        let mut shown = String::new();
        for c in text.chars() {
            match c {
                '[' => {
                    shown.push_str(&std::mem::take(&mut self.begun));
                    self.begun.push('[');
                }
                _ if self.begun.is_empty() => shown.push(c),
                ']' => {
                    self.begun.push(']');
                    shown.push_str(&self.checked());
                }
                _ => {
                    self.begun.push(c);
                    if !(c.is_ascii_digit() || matches!(c, ',' | ' ' | '-' | '–')) || self.begun.len() > LONGEST {
                        shown.push_str(&std::mem::take(&mut self.begun));
                    }
                }
            }
        }
        shown
    }

    /// The rest, and the numbers that were cited: those there are, and those there are not.
    pub(crate) fn finish(self) -> (String, BTreeSet<u32>, BTreeSet<u32>) {
        (self.begun, self.cited, self.refused)
    }

    /// `[1, 3-5]` with the numbers that there are; nothing if there are none; as it is if it holds no number.
    fn checked(&mut self) -> String {
        let whole = std::mem::take(&mut self.begun);
        let inner = whole.trim_start_matches('[').trim_end_matches(']');
        let parts = inner.split(',').map(|part| range(part.trim())).collect::<Option<Vec<_>>>();
        let Some(parts) = parts else { return whole };
        let mut kept = Vec::new();
        for (first, last) in parts {
            // A range as wide as this is no citation.
            for number in first..=last.min(first.saturating_add(self.given)) {
                let known = (1..=self.given).contains(&number);
                if known {
                    self.cited.insert(number)
                } else {
                    self.refused.insert(number)
                };
                if known {
                    kept.push(number.to_string());
                }
            }
        }
        if kept.is_empty() { String::new() } else { format!("[{}]", kept.join(", ")) }
    }
}

/// `3`, or `3-5`.
fn range(text: &str) -> Option<(u32, u32)> {
    match text.split_once(['-', '–']) {
        Some((first, last)) => {
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some((first, last))
        }
        None => text.parse().ok().map(|number| (number, number)),
    }
}

#[cfg(test)]
mod tests {
    use super::Citations;

    /// Whole and character by character: both are the same.
    fn shown(given: u32, text: &str) -> (String, Vec<u32>, Vec<u32>) {
        let read = |pieces: &mut dyn Iterator<Item = &str>| {
            let mut citations = Citations::of(given);
            let mut shown: String = pieces.map(|piece| citations.push(piece)).collect();
            let (rest, cited, refused) = citations.finish();
            shown.push_str(&rest);
            (shown, cited.into_iter().collect::<Vec<_>>(), refused.into_iter().collect::<Vec<_>>())
        };
        let whole = read(&mut std::iter::once(text));
        assert_eq!(read(&mut text.split_inclusive(|_| true)), whole);
        whole
    }

    #[test]
    fn only_what_was_given_is_cited() {
        let answer = "It waits [1], doubling each time [2, 7]. Up to a minute [9].";
        let right = "It waits [1], doubling each time [2]. Up to a minute .";
        assert_eq!(shown(3, answer), (right.into(), vec![1, 2], vec![7, 9]));
        assert_eq!(shown(4, "All [2-4][1].").1, [1, 2, 3, 4]);
        assert_eq!(shown(2, "[0] [1–9999999]"), (" [1, 2]".into(), vec![1, 2], vec![0, 3]));
    }

    #[test]
    fn brackets_that_cite_nothing_stay() {
        for text in
            ["a[i] = b[0x1];", "#[derive(Debug)]", "[link](x)", "[", "[[", "[1", "[]", "[ ]", "[5-3]", "[1,]", "é[é]"]
        {
            assert_eq!(shown(1, text), (text.into(), vec![], vec![]), "{text}");
        }
        assert_eq!(shown(1, "[[1]]").0, "[[1]]");
    }
}
