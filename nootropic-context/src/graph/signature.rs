//! The line a definition shows itself by: from its text, without its body.

use nootropic_core::{Symbol, SymbolKind};

/// A definition's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    /// On one line, cut to the length asked for.
    pub(super) text: String,
    /// The first line it stands on, after attributes; 1-based.
    pub(super) first_line: u32,
    /// The last line it stands on.
    pub(super) last_line: u32,
}

/// Bytes of a definition that are looked at.
const LOOK: usize = 4096;
/// Where a language marks blocks by indentation or words, `#` begins a comment.
const HASH_COMMENTS: &[&str] = &["python", "ruby", "bash", "elixir", "yaml", "toml"];
/// Languages in which `'` quotes a string.
const SINGLE_QUOTES: &[&str] = &["python", "javascript", "typescript", "tsx", "php", "ruby", "lua"];

/// The head of `symbol`, whose file has this text, in at most about `longest` characters.
pub(super) fn signature(text: &str, symbol: &Symbol, language: Option<&str>, longest: usize) -> Signature {
    let start = line_start(text, symbol.span.start_byte as usize);
    let end = (symbol.span.end_byte as usize).clamp(start, text.len());
    let source = cut_at(text.get(start..end).unwrap_or_default(), LOOK);
    let skipped = skip_attributes(source);
    let mut head = Head::new(source, skipped, symbol, language.unwrap_or_default());
    head.read();
    let line = |at: usize| symbol.span.start_line.saturating_add(source[..at].matches('\n').count() as u32);
    Signature { first_line: line(skipped), last_line: line(head.end), text: shorten(head.tidy(), longest) }
}

/// Where the line of `at` begins, if what stands before it there belongs to the definition (`export`, `static`).
fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |i| i + 1);
    let lead = &before[line..];
    let words = lead.len() <= 48 && lead.chars().all(|c| c.is_alphanumeric() || " \t_()".contains(c));
    if words { line } else { at.min(text.len()) }
}

fn cut_at(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// How many bytes of attributes, annotations and comments stand before the definition proper.
fn skip_attributes(source: &str) -> usize {
    let mut at = 0;
    loop {
        at += source[at..].len() - source[at..].trim_start().len();
        let rest = &source[at..];
        let skip = if rest.starts_with("//") {
            rest.find('\n')
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|i| i + 2)
        } else if rest.starts_with("#[") {
            bracketed(&rest[1..]).map(|n| n + 1)
        } else if rest.starts_with('[') {
            // An attribute of C#, not a computed name of JavaScript.
            bracketed(rest).filter(|n| !rest[*n..].trim_start().starts_with(['(', '=', ':', '?']))
        } else if rest.starts_with('@') && !rest.starts_with("@interface") {
            annotation(rest)
        } else {
            None
        };
        match skip {
            Some(n) if at + n < source.len() && !source[at + n..].trim().is_empty() => at += n,
            _ => return at,
        }
    }
}

fn annotation(rest: &str) -> Option<usize> {
    let name = rest[1..].find(|c: char| !c.is_alphanumeric() && !"_.:".contains(c)).map(|i| i + 1)?;
    if name == 1 {
        return None;
    }
    let arguments = if rest[name..].starts_with('(') { bracketed(&rest[name..])? } else { 0 };
    Some(name + arguments)
}

/// The length of the bracketed run that `text` begins with.
fn bracketed(text: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0usize, false);
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Reads a head up to where the body begins.
struct Head<'a> {
    source: &'a str,
    at: usize,
    end: usize,
    /// From here on a line break may end it.
    named: usize,
    depth: usize,
    function: bool,
    value: bool,
    /// Whether lines that begin with `#` are the preprocessor's.
    directives: bool,
    language: &'a str,
    /// Whether there was a line break after what was read last.
    broken: bool,
    out: String,
}

impl<'a> Head<'a> {
    fn new(source: &'a str, at: usize, symbol: &Symbol, language: &'a str) -> Self {
        use SymbolKind as K;
        let named = source[at..].find(symbol.name.as_str()).map_or(at, |i| at + i + symbol.name.len());
        Self {
            source,
            at,
            end: at,
            named,
            depth: 0,
            function: matches!(symbol.kind, K::Function | K::Method),
            value: matches!(symbol.kind, K::Constant | K::Variable | K::Field | K::Type | K::Key),
            directives: matches!(language, "c" | "cpp" | "csharp") && symbol.kind != K::Macro,
            language,
            broken: false,
            out: String::new(),
        }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn read(&mut self) {
        while let Some(c) = self.rest().chars().next() {
            if self.comment(c) {
                continue;
            }
            if self.depth == 0 && self.at >= self.named && self.ends_at(c) {
                return;
            }
            match c {
                '(' | '[' => self.depth += 1,
                '{' if self.depth > 0 => self.depth += 1,
                ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
                '"' => {
                    self.quoted(c);
                    continue;
                }
                '\'' if SINGLE_QUOTES.contains(&self.language) => {
                    self.quoted(c);
                    continue;
                }
                _ => {}
            }
            self.take(c.len_utf8());
        }
    }

    fn take(&mut self, n: usize) {
        let piece = &self.source[self.at..self.at + n];
        self.at += n;
        for c in piece.chars() {
            if !c.is_whitespace() {
                if c == '>' && self.broken {
                    self.out.truncate(self.out.trim_end_matches([' ', ',']).len());
                }
                self.out.push(c);
                self.end = self.at;
                self.broken = false;
            } else {
                self.broken |= c == '\n';
                let opened = self.broken && self.out.ends_with('<');
                if !self.out.is_empty() && !self.out.ends_with(' ') && !opened {
                    self.out.push(' ');
                }
            }
        }
    }

    /// Passes a comment over.
    fn comment(&mut self, c: char) -> bool {
        if c == '#' && self.directives {
            if self.rest().starts_with("#el") {
                // Of several ways to write it the last one is shown.
                self.out.clear();
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            return true;
        }
        let after_space = self.out.is_empty() || self.out.ends_with([' ', '(', ',']);
        let hash = c == '#' && HASH_COMMENTS.contains(&self.language);
        if after_space && (hash || self.rest().starts_with("//")) {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            return true;
        }
        if self.rest().starts_with("/*") {
            self.at += self.rest().find("*/").map_or(self.rest().len(), |i| i + 2);
            return true;
        }
        false
    }

    fn quoted(&mut self, quote: char) {
        let mut escaped = false;
        let end = self.rest()[1..].find(|c: char| {
            let ends = (c == quote || c == '\n') && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let n = end.map_or(self.rest().len(), |i| i + 1);
        let closes = self.rest()[n.min(self.rest().len())..].starts_with(quote);
        self.take(n + usize::from(closes));
    }

    /// Whether the head is over before `c`, which stands outside of all brackets.
    fn ends_at(&self, c: char) -> bool {
        let rest = self.rest();
        let line = rest[c.len_utf8()..].split('\n').next().unwrap_or_default().trim();
        match c {
            ';' => true,
            '\n' => !self.goes_on(),
            // `interface{}` as a type goes on, an empty body does not.
            '{' => !(line.starts_with('}') && line.len() > 1 && !line[1..].trim().starts_with([';', ','])),
            ':' if self.language == "python" => {
                !self.value && (line.is_empty() || line.starts_with('#') || !self.function)
            }
            '=' if self.value => !rest.starts_with("==") && !rest.starts_with("=>") && self.long_value(line),
            '=' => self.function && matches!(self.language, "kotlin" | "scala" | "haskell" | "swift"),
            ' ' if self.language == "rust" => rest.starts_with(" where") && rest[6..].starts_with([' ', '\n']),
            ' ' if matches!(self.language, "ruby" | "elixir" | "lua") => {
                line == "do" || line.starts_with("do:") || line == "then"
            }
            ',' if self.language == "elixir" => line.starts_with("do:"),
            _ => false,
        }
    }

    /// Whether a line that ends here is not the end.
    fn goes_on(&self) -> bool {
        let out = self.out.trim_end();
        let arrows = out.matches("->").count() + out.matches("=>").count();
        let open = out.matches('<').count() > out.matches('>').count().saturating_sub(arrows);
        !self.value && out.ends_with([',', '=', '\\']) || open && !HASH_COMMENTS.contains(&self.language)
    }

    /// Whether a value is better left out than shown.
    fn long_value(&self, line: &str) -> bool {
        line.len() + self.out.len() > 100 || line.is_empty() || line.ends_with(['{', '[', '(', ',', '|', '\\'])
    }

    /// Takes away what the cut left hanging, and the marks of a head that stood on several lines.
    fn tidy(&self) -> String {
        let mut text = self.out.trim().to_owned();
        for (from, to) in [("( ", "("), ("[ ", "["), (" )", ")"), (" ]", "]"), (",)", ")"), (",]", "]")] {
            if text.contains(from) {
                text = text.replace(from, to);
            }
        }
        let cut = text.trim_end_matches([' ', ',', '\\']);
        let cut = ["=>", "=", "{", ":"].iter().fold(cut, |cut, end| cut.strip_suffix(end).unwrap_or(cut).trim_end());
        cut.to_owned()
    }
}

/// Cuts parameters first, so that what follows them stays.
fn shorten(text: String, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text;
    }
    if let Some((open, close)) = parameters(&text) {
        let (head, tail) = (&text[..=open], &text[close..]);
        let room = longest.saturating_sub(head.chars().count() + tail.chars().count() + 1);
        if room >= 12 {
            let inner: String = text[open + 1..close].chars().take(room).collect();
            let inner = inner.rfind(", ").map_or(inner.as_str(), |i| &inner[..i + 2]);
            return format!("{head}{inner}…{tail}");
        }
    }
    let cut: String = text.chars().take(longest.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// The widest outermost parentheses.
fn parameters(text: &str) -> Option<(usize, usize)> {
    let (mut depth, mut open, mut best) = (0usize, 0, None);
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => {
                if depth == 0 {
                    open = i;
                }
                depth += 1;
            }
            b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && best.is_none_or(|(from, to)| to - from < i - open) {
                    best = Some((open, i));
                }
            }
            _ => {}
        }
    }
    best
}

/// How much of a reader's interest a definition keeps for who may use it: 1 if anyone, less if only its own module.
pub(super) fn visibility(signature: &str, symbol: &Symbol, language: Option<&str>, text: &str) -> f32 {
    let above = text.get(..symbol.span.start_byte as usize).unwrap_or_default();
    let exported =
        symbol.kind == SymbolKind::Macro && above.lines().rev().take(4).any(|line| line.contains("macro_export"));
    let has = |word: &str| signature.split_whitespace().take(4).any(|w| w == word);
    let member = symbol.container.is_some();
    match language.unwrap_or_default() {
        "rust" if signature.starts_with("pub ") || exported => 1.0,
        "rust" if signature.starts_with("pub(") => 0.4,
        "rust" => 0.2,
        "typescript" | "tsx" | "javascript" if has("private") || symbol.name.starts_with(['#', '_']) => 0.3,
        "typescript" | "tsx" if !member && !has("export") => 0.6,
        "go" if symbol.name.starts_with(char::is_lowercase) => 0.3,
        "java" | "csharp" | "c_sharp" | "kotlin" | "php" | "swift" | "scala" | "cpp"
            if has("private") || has("fileprivate") =>
        {
            0.3
        }
        "elixir" if has("defp") || has("defmacrop") => 0.4,
        "zig" if !has("pub") => 0.5,
        _ if symbol.name.starts_with('_') && !symbol.name.starts_with("__") => 0.3,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests;
