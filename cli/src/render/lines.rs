//! Which lines of a passage to show.

use std::collections::HashSet;
use std::ops::Range;

/// A word of the question on a line: where, in bytes of the line, and which.
pub(super) type Found = (Range<usize>, u64);

/// A line of a passage with the words of the question on it.
#[derive(Debug)]
pub(super) struct Line<'t> {
    pub(super) text: &'t str,
    pub(super) found: Vec<Found>,
}

/// Cuts a passage into lines, with the words that were found in it.
pub(super) fn split(passage: &str, found: Vec<Found>) -> Vec<Line<'_>> {
    let mut found = found.into_iter().peekable();
    let mut start = 0;
    passage
        .split('\n')
        .map(|text| {
            let end = start + text.len();
            let mut on_line = Vec::new();
            while let Some((range, word)) = found.next_if(|(range, _)| range.start < end) {
                on_line.push((range.start - start..range.end.min(end) - start, word));
            }
            start = end + 1;
            Line { text: text.strip_suffix('\r').unwrap_or(text), found: on_line }
        })
        .collect()
}

/// The numbers of at most `most` lines that tell most: the one that names the definition, those with words not yet seen,
/// and what follows them.
pub(super) fn choose(lines: &[Line<'_>], symbol: Option<&str>, most: usize) -> Vec<usize> {
    let filled = |line: &Line<'_>| line.text.chars().any(char::is_alphanumeric);
    let candidates: Vec<usize> = (0..lines.len()).filter(|i| lines.get(*i).is_some_and(filled)).collect();
    if candidates.len() <= most {
        return candidates;
    }
    let mut chosen: Vec<usize> = Vec::with_capacity(most);
    let name = symbol.map(|symbol| symbol.rsplit('.').next().unwrap_or(symbol)).filter(|name| !name.is_empty());
    let names = |i: &usize| name.is_some_and(|name| lines.get(*i).is_some_and(|line| line.text.contains(name)));
    chosen.extend(candidates.iter().copied().find(names).or_else(|| candidates.first().copied()));
    let mut seen: HashSet<u64> = HashSet::new();
    while chosen.len() < most {
        let gain = |i: usize| {
            let Some(line) = lines.get(i) else { return 0 };
            let words: HashSet<u64> = line.found.iter().map(|(_, word)| *word).collect();
            let fresh = words.iter().filter(|word| !seen.contains(word)).count();
            4 * fresh + words.len()
        };
        let best =
            candidates.iter().copied().filter(|i| !chosen.contains(i)).max_by_key(|i| (gain(*i), usize::MAX - i));
        match best {
            Some(best) if gain(best) > 0 => {
                seen.extend(lines.get(best).into_iter().flat_map(|line| line.found.iter().map(|(_, word)| *word)));
                chosen.push(best);
            }
            _ => break,
        }
    }
    // Nothing more was asked for: go on from the head.
    let head = chosen.first().copied().unwrap_or_default();
    for i in candidates.into_iter().filter(|i| *i > head) {
        if chosen.len() >= most.min(4) {
            break;
        }
        if !chosen.contains(&i) {
            chosen.push(i);
        }
    }
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &'static str, word: &str) -> Vec<Line<'static>> {
        let found = texts.match_indices(word).map(|(at, word)| (at..at + word.len(), 1)).collect();
        split(texts, found)
    }

    #[test]
    fn words_fall_on_their_lines() {
        let lines = lines("a x\r\nb\n  x x", "x");
        let found: Vec<_> =
            lines.iter().map(|line| line.found.iter().map(|(r, _)| r.start).collect::<Vec<_>>()).collect();
        assert_eq!(found, [vec![2], vec![], vec![2, 4]]);
        assert_eq!(lines[0].text, "a x");
    }

    #[test]
    fn the_head_and_the_words_are_shown() {
        let text = "/// Doc\nfn open() {\n a\n b\n c\n d\n commit\n e\n}";
        assert_eq!(choose(&lines(text, "commit"), Some("Store.open"), 3), [1, 2, 6]);
        assert_eq!(choose(&lines(text, "nothing"), None, 3), [0, 1, 2]);
        assert_eq!(choose(&lines("\n\na\n", "a"), None, 3), [2], "blank lines say nothing");
        assert!(choose(&[], None, 3).is_empty());
    }
}
