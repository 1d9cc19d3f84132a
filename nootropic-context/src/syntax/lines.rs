//! Where the lines of a text begin and end, and which of them say anything.

use nootropic_core::Span;

/// The lines of a text. Rows are 0-based here; [`Span`]s count from 1.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    /// First byte of every line.
    starts: Vec<u32>,
    /// Rows that hold more than white space, ascending.
    filled: Vec<u32>,
}

impl<'a> Lines<'a> {
    /// Finds the lines of `text`, which must be shorter than 4 GiB. Only `\n` ends a line.
    pub(super) fn new(text: &'a str) -> Self {
        let guess = text.len() / 32 + 1;
        let (mut starts, mut filled) = (Vec::with_capacity(guess), Vec::with_capacity(guess));
        let mut start = 0;
        for (row, line) in text.split_inclusive('\n').enumerate() {
            starts.push(start as u32);
            if !is_blank(line) {
                filled.push(row as u32);
            }
            start += line.len();
        }
        if starts.is_empty() {
            starts.push(0);
        }
        Self { text, starts, filled }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// How many lines there are; at least 1.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The rows that hold more than white space, ascending.
    pub(super) fn filled(&self) -> &[u32] {
        &self.filled
    }

    /// First byte of a row; the end of the text for a row past the last.
    pub(super) fn start(&self, row: u32) -> u32 {
        self.starts.get(row as usize).copied().unwrap_or(self.text.len() as u32)
    }

    /// End of a row, before its line break.
    pub(super) fn end(&self, row: u32) -> u32 {
        let start = self.start(row);
        let line = self.text.get(start as usize..self.start(row + 1) as usize).unwrap_or_default();
        let line = line.strip_suffix('\n').unwrap_or(line);
        start + line.strip_suffix('\r').unwrap_or(line).len() as u32
    }

    /// The row's text, without its line break.
    pub(super) fn line(&self, row: u32) -> &'a str {
        self.text.get(self.start(row) as usize..self.end(row) as usize).unwrap_or_default()
    }

    /// The row that holds a byte.
    pub(super) fn row_of(&self, byte: u32) -> u32 {
        self.starts.partition_point(|&start| start <= byte).saturating_sub(1) as u32
    }

    /// A span of whole rows, both inclusive, without the last line break.
    pub(super) fn span_of_rows(&self, first: u32, last: u32) -> Span {
        Span { start_line: first + 1, end_line: last + 1, start_byte: self.start(first), end_byte: self.end(last) }
    }

    /// A span of bytes; blank lines at its end are left out, since grammars disagree on whose they are.
    pub(super) fn span_of_bytes(&self, bytes: std::ops::Range<usize>) -> Span {
        let (start, mut end) = (bytes.start as u32, bytes.end as u32);
        let first = self.row_of(start);
        let mut last = self.row_of(end.saturating_sub(1).max(start));
        let filled = self.filled.partition_point(|&row| row <= last);
        let inhabited = filled.checked_sub(1).and_then(|at| self.filled.get(at)).copied().unwrap_or(first).max(first);
        last = last.min(inhabited);
        end = end.min(self.end(last)).max(start);
        Span { start_line: first + 1, end_line: last + 1, start_byte: start, end_byte: end }
    }

    /// Columns of white space a row begins with; a tab counts as four.
    pub(super) fn indent(&self, row: u32) -> u32 {
        let mut columns = 0;
        for byte in self.line(row).bytes().take(200) {
            match byte {
                b' ' => columns += 1,
                b'\t' => columns += 4,
                _ => break,
            }
        }
        columns
    }
}

/// Whether a line says nothing.
pub(super) fn is_blank(line: &str) -> bool {
    // Nearly every line is decided by one of its first bytes.
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => {}
            0x21..=0x7e => return false,
            _ => return line[at..].trim().is_empty(),
        }
    }
    true
}
