//! JSON in a stream: where a value ends, and what it is, with nothing said twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Finds the end of an object or a list as its text comes in.
#[derive(Debug, Default, Clone)]
pub(super) struct Scanner {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// How much was scanned.
    scanned: usize,
    /// Whether it ended there.
    ended: bool,
}

impl Scanner {
    /// Goes on in `text`, which begins with the value; where it ends, once it does.
    pub(super) fn end(&mut self, text: &str) -> Option<usize> {
        if self.ended {
            return Some(self.scanned);
        }
        let bytes = text.as_bytes().get(self.scanned..)?;
        for byte in bytes {
            self.scanned += 1;
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.ended = true;
                        return Some(self.scanned);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// What becomes of an object that has a key twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// It is refused: of two inputs for one call, neither is the one that was meant.
    Once,
    /// The last counts, as nearly everywhere in JSON. Schemas allow it of keys that they do not name.
    LastCounts,
}

/// Parses a value; says what is wrong with it otherwise.
pub(super) fn parse(text: &str, keys: Keys) -> Result<Value, String> {
    let value = match keys {
        Keys::Once => serde_json::from_str(text).map(|Strict(value)| value),
        Keys::LastCounts => serde_json::from_str(text),
    };
    value.map_err(|error| error.to_string())
}

/// A value in which no object has a key twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Strict;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }
            fn visit_unit<E>(self) -> Result<Strict, E> {
                Ok(Strict(Value::Null))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strict, A::Error> {
                let mut items = Vec::new();
                while let Some(Strict(item)) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Strict(items.into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
                let mut entries = Map::new();
                while let Some((key, Strict(value))) = map.next_entry::<String, Strict>()? {
                    if entries.contains_key(&key) {
                        return Err(A::Error::custom(format!("the key {key:?} is there twice")));
                    }
                    entries.insert(key, value);
                }
                Ok(Strict(entries.into()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
