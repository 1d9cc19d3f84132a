//! A JSON object of text by key, each key once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// Most pairs in an object.
const LIMIT: usize = 1 << 20;

/// Text by key, in the order of the keys. The usual maps keep the last of several equal keys without a word; this refuses them.
#[derive(Debug, Default)]
pub(super) struct Pairs(pub(super) Vec<(Box<str>, Box<str>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text by key")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs: Vec<(Box<str>, Box<str>)> = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if pairs.len() >= LIMIT {
                        return Err(A::Error::custom(format!("more than {LIMIT} keys")));
                    }
                    pairs.push(pair);
                }
                pairs.sort_unstable();
                match pairs.array_windows().find(|[a, b]| a.0 == b.0) {
                    Some([twice, _]) => Err(A::Error::custom(format!("{} occurs twice", twice.0))),
                    None => Ok(Pairs(pairs)),
                }
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}
