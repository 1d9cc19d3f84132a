//! How deep brackets of JSON are nested.

/// Readers of JSON give up at 128 levels or more.
pub(super) const DEEPEST: usize = 100;

/// Follows a text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Goes on in the text.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Whether it is too deep once `bytes` follow.
    pub(super) fn is_too_deep_after(mut self, bytes: &[u8]) -> bool {
        self.push(bytes);
        self.depth > DEEPEST
    }
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, Nesting};

    #[test]
    fn brackets_in_strings_do_not_count() {
        let mut nesting = Nesting::default();
        nesting.push(br#"{"a[\"{": [["#);
        assert_eq!(nesting.depth, 3);
        nesting.push(b"]]}");
        assert_eq!(nesting.depth, 0);
        assert!(!nesting.is_too_deep_after(&[b'['; DEEPEST]) && nesting.is_too_deep_after(&[b'['; DEEPEST + 1]));
    }
}
