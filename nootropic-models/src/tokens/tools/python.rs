//! Calls as in Python: `name(key="text", other=[1, 2.5, True])`.

use serde_json::{Map, Value};

/// How deep lists and dictionaries may be nested.
const DEEPEST: usize = 64;

/// A call with named arguments, all of them literals; what is wrong with it otherwise.
pub(super) fn parse_call(text: &str) -> Result<(String, Map<String, Value>), String> {
    let mut parser = Parser { rest: text.trim() };
    let name = parser.name()?;
    parser.expect('(')?;
    let mut arguments = Map::new();
    while !parser.take(')') {
        let key = parser.name()?;
        parser.expect('=')?;
        let value = parser.value(0)?;
        if arguments.insert(key.clone(), value).is_some() {
            return Err(format!("the argument {key:?} is there twice"));
        }
        if !parser.take(',') {
            parser.expect(')')?;
            break;
        }
    }
    parser.rest = parser.rest.trim_start();
    if parser.rest.is_empty() { Ok((name, arguments)) } else { Err("text follows the call".into()) }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(c);
        self.rest = found.unwrap_or(rest);
        found.is_some()
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        if self.take(c) { Ok(()) } else { Err(format!("{c:?} is missing")) }
    }

    fn word(&mut self, fits: impl Fn(char) -> bool) -> String {
        let rest = self.rest.trim_start();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn name(&mut self) -> Result<String, String> {
        let name = self.word(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if name.is_empty() { Err("a name is missing".into()) } else { Ok(name) }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err("a value is nested too deep".into());
        }
        match self.rest.trim_start().chars().next() {
            Some(quote @ ('"' | '\'')) => self.string(quote).map(Value::from),
            Some('[') => self.list('[', ']', depth).map(Value::from),
            Some('(') => self.list('(', ')', depth).map(Value::from),
            Some('{') => self.dictionary(depth).map(Value::from),
            _ => {
                let word = self.word(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+'));
                match word.as_str() {
                    "True" | "true" => Ok(true.into()),
                    "False" | "false" => Ok(false.into()),
                    "None" | "null" => Ok(Value::Null),
                    number => serde_json::from_str::<serde_json::Number>(number)
                        .map(Value::from)
                        .map_err(|_| format!("{number:?} is no literal")),
                }
            }
        }
    }

    fn list(&mut self, open: char, close: char, depth: usize) -> Result<Vec<Value>, String> {
        self.expect(open)?;
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.value(depth + 1)?);
            if !self.take(',') {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn dictionary(&mut self, depth: usize) -> Result<Map<String, Value>, String> {
        self.expect('{')?;
        let mut entries = Map::new();
        while !self.take('}') {
            let Some(quote @ ('"' | '\'')) = self.rest.trim_start().chars().next() else {
                return Err("a key is no text".into());
            };
            let key = self.string(quote)?;
            self.expect(':')?;
            let value = self.value(depth + 1)?;
            if entries.insert(key.clone(), value).is_some() {
                return Err(format!("the key {key:?} is there twice"));
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        Ok(entries)
    }

    fn string(&mut self, quote: char) -> Result<String, String> {
        self.expect(quote)?;
        let mut out = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            match c {
                c if c == quote => {
                    self.rest = chars.as_str();
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some(c @ ('\\' | '\'' | '"')) => out.push(c),
                    Some(other) => out.extend(['\\', other]), // as Python keeps it
                    None => break,
                },
                c => out.push(c),
            }
        }
        Err("a text does not end".into())
    }
}

#[cfg(test)]
mod tests {
    use super::parse_call;
    use serde_json::json;

    #[test]
    fn literals_become_json() {
        let text = r#" find.all(path='a\'b\n', n=-3, x=1.5e2, deep=[True, (None,), {"k": 'v'}], empty={},) "#;
        let (name, arguments) = parse_call(text).unwrap();
        assert_eq!(name, "find.all");
        let expected = json!({"path": "a'b\n", "n": -3, "x": 150.0, "deep": [true, [null], {"k": "v"}], "empty": {}});
        assert_eq!(serde_json::Value::from(arguments), expected);
        assert_eq!(parse_call("now()").unwrap().0, "now");
        for wrong in
            ["f", "f(", "f(1)", "f(a=b)", "f(a=1, a=2)", "f(a='x)", "f() g()", "f(a=1 b=2)", "(a=1)", "f(a={1: 2})"]
        {
            assert!(parse_call(wrong).is_err(), "{wrong}");
        }
        assert!(parse_call(&format!("f(a={})", "[".repeat(100_000))).is_err());
    }
}
