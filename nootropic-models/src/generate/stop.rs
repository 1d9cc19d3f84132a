//! Where a stop string ends the text.

/// Finds stop strings in a text that comes in pieces, and holds back what may become one.
#[derive(Debug)]
pub(crate) struct StopStrings {
    strings: Vec<String>,
    /// What was not given out yet: the beginning of a stop string, perhaps.
    held: String,
    stopped: bool,
}

impl StopStrings {
    /// None of the strings is empty.
    pub(crate) fn new(strings: &[String]) -> Self {
        Self { strings: strings.to_vec(), held: String::new(), stopped: false }
    }

    /// Takes the next piece; gives what is certain to be text.
    pub(crate) fn push(&mut self, piece: &str) -> String {
        if self.stopped {
            return String::new();
        }
        self.held.push_str(piece);
        // The one that is complete first, as if the text came character by character; of those the longest.
        let end = |string: &String| self.held.find(string.as_str()).map(|start| (start + string.len(), start));
        if let Some((_, start)) = self.strings.iter().filter_map(end).min() {
            self.stopped = true;
            self.held.truncate(start);
            return std::mem::take(&mut self.held);
        }
        let keep = self.strings.iter().map(|string| overlap(&self.held, string)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        std::mem::replace(&mut self.held, rest)
    }

    /// Whether a stop string came.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// What was held back, at the end of the text.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// How many bytes at the end of `text` begin `string` and are not all of it.
fn overlap(text: &str, string: &str) -> usize {
    let longest = text.len().min(string.len().saturating_sub(1));
    let begins = |len: &usize| string.is_char_boundary(*len) && text.as_bytes().ends_with(&string.as_bytes()[..*len]);
    (1..=longest).rev().find(begins).unwrap_or(0)
}
