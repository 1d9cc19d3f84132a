//! Texts that match patterns: what leads out of a string that goes on and on until its pattern is met.

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::Value;

/// More are not tried, and none is longer.
const MOST: usize = 32;
const LONGEST: usize = 128;

/// A text for each pattern of a schema, as it stands in a string of JSON.
pub(super) fn of_schema(schema: &Value) -> Vec<String> {
    let mut patterns = Vec::new();
    collect(schema, &mut patterns);
    patterns.sort_unstable();
    patterns.dedup();
    let quoted = |text: String| {
        let quoted = Value::from(text).to_string();
        quoted.get(1..quoted.len() - 1).map(str::to_owned)
    };
    patterns.into_iter().filter_map(of_pattern).filter_map(quoted).take(MOST).collect()
}

fn collect<'a>(schema: &'a Value, patterns: &mut Vec<&'a str>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| collect(item, patterns)),
        Value::Object(fields) => {
            patterns.extend(fields.get("pattern").and_then(Value::as_str));
            let named = fields.get("patternProperties").and_then(Value::as_object);
            patterns.extend(named.into_iter().flat_map(|named| named.keys().map(String::as_str)));
            fields.values().for_each(|value| collect(value, patterns));
        }
        _ => {}
    }
}

/// A short text that a pattern matches, if it is a simple one.
pub(super) fn of_pattern(pattern: &str) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut text = Vec::new();
    write(&hir, &mut text)?;
    String::from_utf8(text).ok().filter(|text| !text.is_empty())
}

fn write(hir: &Hir, out: &mut Vec<u8>) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(Class::Unicode(class)) => {
            let of = |c: char| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c));
            let plain = ('a'..='z').chain('0'..='9').chain('A'..='Z').find(|c| of(*c));
            let c = plain.or_else(|| class.ranges().first().map(|range| range.start()))?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        HirKind::Class(Class::Bytes(class)) => out.push(class.ranges().first()?.start()),
        HirKind::Repetition(repetition) => {
            for _ in 0..repetition.min {
                let before = out.len();
                write(&repetition.sub, out)?;
                if out.len() == before {
                    break; // nothing, however often
                }
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, out)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, out))?,
        HirKind::Alternation(parts) => write(parts.first()?, out)?,
    }
    (out.len() <= LONGEST).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_matches_its_pattern() {
        for pattern in
            ["[A-Z][A-Z0-9]+-[0-9]+", r"\.png$", "^sha256:[a-f0-9]{64}$", "^(feat|fix)(\\(.+\\))?: ", "^[^/\\s]+/x$"]
        {
            let sample = of_pattern(pattern).unwrap();
            assert!(regex::Regex::new(pattern).unwrap().is_match(&sample), "{pattern}: {sample}");
        }
        assert_eq!(of_pattern("a{1000}"), None, "too long");
        assert_eq!(of_pattern("a{1000}{1000}{1000}"), None);
        assert_eq!(of_pattern("(?!x)"), None, "what is no pattern of the crate's");
    }

    #[test]
    fn patterns_are_found_wherever_they_stand_in_a_schema() {
        let schema = serde_json::json!({"patternProperties": {"^x-": {"items": {"pattern": "\"+"}}}});
        assert_eq!(of_schema(&schema), ["\\\"", "x-"]);
    }
}
