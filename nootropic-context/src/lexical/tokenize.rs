//! Cuts text into words the way programmers name things: `HTTPServer2`, `http_server` and “http server” share words.

use super::stem::stem;

/// The longest word kept, in bytes; longer runs (hashes, base64) are noise.
const MAX_WORD: usize = 64;

/// Writes the term under which a word part is indexed: lower case, well-known short forms made one, then stemmed.
/// Says whether it is worth indexing.
pub fn normalize(part: &str, out: &mut Vec<u8>) -> bool {
    out.clear();
    if part.len() > MAX_WORD {
        return false;
    }
    lower(part, out);
    if let Ok(at) = SHORT_FORMS.binary_search_by(|(long, _)| long.as_bytes().cmp(out)) {
        out.clear();
        out.extend_from_slice(SHORT_FORMS[at].1.as_bytes());
    } else {
        stem(out);
    }
    !out.is_empty()
}

/// Writes a whole identifier in lower case without underscores: `join_set`, `JoinSet` and `joinSet` are one.
/// Says whether it is worth indexing.
pub fn fold(identifier: &str, out: &mut Vec<u8>) -> bool {
    out.clear();
    if identifier.len() > MAX_WORD {
        return false;
    }
    lower(identifier, out);
    out.retain(|b| *b != b'_');
    out.len() > 1
}

/// Writes the name of a definition as the index has it: as [`fold`] writes an identifier, but whatever its length, since who
/// asks for a name asks for no other. One of underscores alone keeps them; of a long one the beginning and a hash stand for
/// the whole.
pub(crate) fn fold_name(name: &str, out: &mut Vec<u8>) {
    out.clear();
    lower(name, out);
    if out.iter().any(|b| *b != b'_') {
        out.retain(|b| *b != b'_');
    }
    if name.len() > MAX_WORD {
        let hash = blake3::hash(out).to_hex();
        let cut = (0..=MAX_WORD.min(out.len())).rev().find(|at| out.get(*at).is_none_or(|b| *b & 0xc0 != 0x80));
        out.truncate(cut.unwrap_or(0));
        out.extend_from_slice(&hash.as_bytes()[..32]);
    }
}

fn lower(text: &str, out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend(text.bytes().map(|b| b.to_ascii_lowercase()));
    } else {
        out.extend_from_slice(text.to_lowercase().as_bytes());
    }
}

/// Long forms and the short form that code prefers, so that both meet. Sorted by the long form.
const SHORT_FORMS: &[(&str, &str)] = &[
    ("allocate", "alloc"),
    ("allocated", "alloc"),
    ("allocates", "alloc"),
    ("allocation", "alloc"),
    ("allocations", "alloc"),
    ("allocator", "alloc"),
    ("application", "app"),
    ("applications", "app"),
    ("apps", "app"),
    ("args", "arg"),
    ("argument", "arg"),
    ("arguments", "arg"),
    ("async", "async"),
    ("asynchronous", "async"),
    ("asynchronously", "async"),
    ("attribute", "attr"),
    ("attributes", "attr"),
    ("attrs", "attr"),
    ("auth", "auth"),
    ("authenticate", "auth"),
    ("authenticated", "auth"),
    ("authenticates", "auth"),
    ("authentication", "auth"),
    ("buf", "buffer"),
    ("bufs", "buffer"),
    ("callback", "callback"),
    ("character", "char"),
    ("characters", "char"),
    ("chars", "char"),
    ("cmd", "command"),
    ("concat", "concat"),
    ("concatenate", "concat"),
    ("concatenation", "concat"),
    ("conf", "config"),
    ("configs", "config"),
    ("configuration", "config"),
    ("configurations", "config"),
    ("configure", "config"),
    ("configured", "config"),
    ("configures", "config"),
    ("configuring", "config"),
    ("conn", "connect"),
    ("ctx", "context"),
    ("db", "database"),
    ("declaration", "decl"),
    ("declarations", "decl"),
    ("declare", "decl"),
    ("declared", "decl"),
    ("definition", "defin"),
    ("dependencies", "depend"),
    ("dependency", "depend"),
    ("deps", "depend"),
    ("deserialization", "deserialize"),
    ("deserialize", "deserialize"),
    ("deserialized", "deserialize"),
    ("deserializer", "deserialize"),
    ("deserializes", "deserialize"),
    ("deserializing", "deserialize"),
    ("dir", "directori"),
    ("dirs", "directori"),
    ("doc", "document"),
    ("docs", "document"),
    ("documentation", "document"),
    ("env", "environ"),
    ("err", "error"),
    ("errs", "error"),
    ("execute", "exec"),
    ("executed", "exec"),
    ("executes", "exec"),
    ("executing", "exec"),
    ("execution", "exec"),
    ("executor", "exec"),
    ("expression", "expr"),
    ("expressions", "expr"),
    ("extension", "ext"),
    ("extensions", "ext"),
    ("fmt", "format"),
    ("func", "function"),
    ("funcs", "function"),
    ("identifier", "id"),
    ("identifiers", "id"),
    ("ids", "id"),
    ("idx", "index"),
    ("img", "imag"),
    ("impl", "implement"),
    ("impls", "implement"),
    ("info", "inform"),
    ("init", "init"),
    ("initial", "init"),
    ("initialisation", "init"),
    ("initialise", "init"),
    ("initialised", "init"),
    ("initialization", "init"),
    ("initialize", "init"),
    ("initialized", "init"),
    ("initializer", "init"),
    ("initializes", "init"),
    ("initializing", "init"),
    ("iter", "iter"),
    ("iterate", "iter"),
    ("iterates", "iter"),
    ("iterating", "iter"),
    ("iteration", "iter"),
    ("iterator", "iter"),
    ("iterators", "iter"),
    ("len", "length"),
    ("lib", "librari"),
    ("libs", "librari"),
    ("max", "max"),
    ("maximum", "max"),
    ("mem", "memori"),
    ("message", "messag"),
    ("min", "min"),
    ("minimum", "min"),
    ("msg", "messag"),
    ("msgs", "messag"),
    ("num", "number"),
    ("obj", "object"),
    ("objs", "object"),
    ("opt", "option"),
    ("opts", "option"),
    ("param", "param"),
    ("parameter", "param"),
    ("parameters", "param"),
    ("params", "param"),
    ("pkg", "packag"),
    ("pos", "posit"),
    ("prev", "previou"),
    ("proc", "process"),
    ("prop", "properti"),
    ("props", "properti"),
    ("pwd", "password"),
    ("ref", "refer"),
    ("refs", "refer"),
    ("regex", "regex"),
    ("regexes", "regex"),
    ("regexp", "regex"),
    ("repo", "repositori"),
    ("repos", "repositori"),
    ("req", "request"),
    ("res", "respons"),
    ("resp", "respons"),
    ("ret", "return"),
    ("seq", "sequenc"),
    ("serialisation", "serialize"),
    ("serialise", "serialize"),
    ("serialization", "serialize"),
    ("serialize", "serialize"),
    ("serialized", "serialize"),
    ("serializer", "serialize"),
    ("serializes", "serialize"),
    ("serializing", "serialize"),
    ("specification", "spec"),
    ("specifications", "spec"),
    ("specs", "spec"),
    ("src", "sourc"),
    ("statement", "stmt"),
    ("statements", "stmt"),
    ("stats", "statist"),
    ("str", "string"),
    ("strs", "string"),
    ("struct", "struct"),
    ("structs", "struct"),
    ("structure", "struct"),
    ("structures", "struct"),
    ("sync", "sync"),
    ("synchronization", "sync"),
    ("synchronize", "sync"),
    ("synchronous", "sync"),
    ("synchronously", "sync"),
    ("temp", "temporari"),
    ("tmp", "temporari"),
    ("txn", "transact"),
    ("util", "util"),
    ("utilities", "util"),
    ("utility", "util"),
    ("utils", "util"),
    ("val", "valu"),
    ("vals", "valu"),
    ("var", "variabl"),
    ("vars", "variabl"),
    ("vec", "vector"),
];

/// Words of a question that say nothing about where the answer is. Sorted.
const STOPWORDS: &[&str] = &[
    "a",
    "about",
    "all",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "been",
    "being",
    "between",
    "but",
    "by",
    "can",
    "code",
    "could",
    "defined",
    "did",
    "do",
    "does",
    "during",
    "each",
    "find",
    "for",
    "from",
    "get",
    "gets",
    "had",
    "has",
    "have",
    "he",
    "how",
    "i",
    "if",
    "implementation",
    "implemented",
    "in",
    "into",
    "is",
    "it",
    "its",
    "let",
    "may",
    "me",
    "my",
    "no",
    "not",
    "of",
    "on",
    "or",
    "our",
    "out",
    "over",
    "should",
    "show",
    "so",
    "some",
    "such",
    "than",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "this",
    "to",
    "up",
    "use",
    "used",
    "uses",
    "using",
    "via",
    "was",
    "we",
    "were",
    "what",
    "when",
    "where",
    "which",
    "who",
    "why",
    "will",
    "with",
    "within",
    "would",
    "you",
    "your",
];

/// Whether a lower-case word of a question says nothing about where the answer is.
pub fn is_stopword(word: &str) -> bool {
    STOPWORDS.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defined_name_of_any_length_has_a_term_of_its_own() {
        let term = |name: &str| {
            let mut out = Vec::new();
            fold_name(name, &mut out);
            String::from_utf8(out).unwrap()
        };
        for name in ["join_set", "JoinSet", "x86_64", "Größe", "$el", "operator=="] {
            let mut folded = Vec::new();
            assert!(fold(name, &mut folded));
            assert_eq!(term(name).as_bytes(), folded, "{name}");
        }
        assert_eq!(["f", "F", "_f", "_", "__"].map(term), ["f", "f", "f", "_", "__"]);
        let (one, other) = ("ü".repeat(40) + "_One", "ü".repeat(40) + "other");
        assert_eq!(term(&one), term(&one.replace('_', "")));
        assert_ne!(term(&one), term(&other));
        assert!(term(&one).starts_with(&"ü".repeat(32)) && term(&one).len() == MAX_WORD + 32, "{}", term(&one));
        assert_eq!(term(&format!("a{}", "ü".repeat(40))).len(), MAX_WORD - 1 + 32, "no letter is cut in two");
    }

    #[test]
    fn tables_are_sorted_so_that_they_can_be_searched() {
        assert!(SHORT_FORMS.windows(2).all(|w| w[0].0 < w[1].0), "short forms");
        assert!(STOPWORDS.windows(2).all(|w| w[0] < w[1]), "stop words");
    }

    #[test]
    fn long_and_short_forms_meet() {
        let term = |word: &str| {
            let mut out = Vec::new();
            normalize(word, &mut out);
            String::from_utf8(out).unwrap()
        };
        for (a, b) in
            [("dir", "directory"), ("config", "Configuration"), ("repo", "repositories"), ("env", "environment")]
        {
            assert_eq!(term(a), term(b), "{a} {b}");
        }
    }
}
