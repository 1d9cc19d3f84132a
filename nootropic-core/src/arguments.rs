//! An input schema, read as a list of arguments.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Capability, Error, Result};

/// One argument of a capability: what a command line, a form or a document shows for a field of its input.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Argument {
    /// The field's name, as in JSON.
    pub name: String,
    /// What it is for: the field's doc comment, as Markdown.
    pub help: String,
    /// What it holds.
    pub value: ValueKind,
    /// Whether it may be given several times.
    pub many: bool,
    /// Whether it has to be given.
    pub required: bool,
    /// What applies if it is not given, if that is said.
    pub default: Option<Value>,
    /// Its place among the arguments without a name, from 1; none if it has a name.
    pub positional: Option<u32>,
    /// Whether it takes all words that follow, so that a text in the last place needs no quotes.
    pub rest: bool,
    /// A one-letter name.
    pub short: Option<char>,
    /// What stands for the value in the help.
    pub value_name: Option<String>,
    /// What to complete: `path`, `file`, `dir`.
    pub complete: Option<String>,
    /// Whether it is left out of the help.
    pub hidden: bool,
}

/// What an [`Argument`] holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ValueKind {
    /// Yes or no.
    Flag,
    /// A whole number, with its bounds if they are said.
    Integer {
        /// The least allowed.
        min: Option<i64>,
        /// The most allowed.
        max: Option<i64>,
    },
    /// A number.
    Number,
    /// Text.
    Text,
    /// One of these words, each with its meaning (empty if none is given).
    Choice(Vec<(String, String)>),
    /// Anything else, given as JSON.
    Json,
}

impl Capability {
    /// The arguments of its input, positional ones first in their order, then the rest by name.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the input is not a struct, or its positional arguments are not numbered 1, 2, 3 …, or two
    /// share a short name.
    pub fn arguments(&self) -> Result<Vec<Argument>> {
        let bad = |problem: String| Error::invalid(format!("input schema of capability {:?}", self.name), problem);
        let root = self.input.as_value();
        if root.get("type").is_some_and(|kind| kind == "null") {
            return Ok(Vec::new()); // `()`, no input
        }
        if root.get("type").is_none_or(|kind| kind != "object") {
            return Err(bad("it is not the schema of a struct".into()));
        }
        let required = root.get("required").and_then(Value::as_array);
        let mut arguments = Vec::new();
        for (name, field) in root.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let needed = required.is_some_and(|names| names.iter().any(|n| n == name));
            arguments.push(Argument::of(root, name, field, needed));
        }
        let by_place = |a: &Argument| (a.positional.is_none(), a.positional, a.name.clone());
        arguments.sort_by_key(by_place);
        for (index, argument) in arguments.iter().filter(|a| a.positional.is_some()).enumerate() {
            if argument.positional != u32::try_from(index + 1).ok() {
                return Err(bad(format!("{} is not at positional place {}", argument.name, index + 1)));
            }
        }
        let mut shorts: Vec<_> = arguments.iter().filter_map(|a| a.short).collect();
        shorts.sort_unstable();
        match shorts.windows(2).find(|pair| pair.first() == pair.last()) {
            Some(pair) => Err(bad(format!("two arguments share the short name {pair:?}"))),
            None => Ok(arguments),
        }
    }
}

impl Argument {
    fn of(root: &Value, name: &str, field: &Value, required: bool) -> Self {
        let (shape, optional) = shape(root, field);
        let many = kinds(shape) == ["array"];
        let item =
            if many { shape.get("items").map_or(&Value::Null, |items| self::shape(root, items).0) } else { shape };
        let hint = |key: &str| field.get(key).or_else(|| shape.get(key));
        let text = |key: &str| hint(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            name: name.to_owned(),
            help: text("description").unwrap_or_default(),
            value: value_kind(item),
            many,
            required: required && !optional,
            // That a text is empty if it is not given goes without saying.
            default: hint("default").filter(|default| !default.is_null() && *default != "").cloned(),
            positional: hint("x-positional").and_then(Value::as_u64).and_then(|place| place.try_into().ok()),
            rest: hint("x-rest").is_some_and(|rest| rest == true),
            short: text("x-short").and_then(|short| short.chars().next()),
            value_name: text("x-value-name"),
            complete: text("x-complete"),
            hidden: hint("x-hidden").is_some_and(|hidden| hidden == true),
        }
    }
}

/// The schema behind references and `Option`, and whether it was optional. References that go in circles are left as they are.
fn shape<'s>(root: &'s Value, mut schema: &'s Value) -> (&'s Value, bool) {
    let mut optional = false;
    for _ in 0..8 {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|path| root.pointer(path.strip_prefix('#')?));
        let is_null = |branch: &&Value| branch.get("type").is_some_and(|kind| kind == "null");
        if let Some(target) = target {
            schema = target;
        } else if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
            let mut rest = branches.iter().filter(|branch| !is_null(branch));
            match (rest.next(), rest.next()) {
                (Some(only), None) => (schema, optional) = (only, true),
                _ => break,
            }
        } else {
            break;
        }
    }
    let nullable = schema.get("type").and_then(Value::as_array).is_some_and(|types| types.iter().any(|t| t == "null"));
    (schema, optional || nullable)
}

/// The types a value may have, apart from null.
fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
        _ => Vec::new(),
    }
}

fn value_kind(schema: &Value) -> ValueKind {
    if let Some(choices) = choices(schema) {
        return ValueKind::Choice(choices);
    }
    let bound = |key: &str| schema.get(key).and_then(Value::as_i64);
    match kinds(schema).as_slice() {
        ["boolean"] => ValueKind::Flag,
        ["integer"] => ValueKind::Integer { min: bound("minimum"), max: bound("maximum") },
        ["number"] => ValueKind::Number,
        ["string"] => ValueKind::Text,
        _ => ValueKind::Json,
    }
}

/// The words of an enumeration: `enum`, or `oneOf` of constants where variants have doc comments.
fn choices(schema: &Value) -> Option<Vec<(String, String)>> {
    let words = |values: &Vec<Value>| -> Option<Vec<_>> {
        values.iter().filter(|value| !value.is_null()).map(|v| Some((v.as_str()?.to_owned(), String::new()))).collect()
    };
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return words(values);
    }
    let mut found = Vec::new();
    for branch in schema.get("oneOf")?.as_array()? {
        let help = branch.get("description").and_then(Value::as_str).unwrap_or_default();
        match (branch.get("const"), branch.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => found.push((value.as_str()?.to_owned(), help.to_owned())),
            (None, Some(values)) => found.extend(words(values)?),
            (None, None) => return None,
        }
    }
    Some(found)
}

/// A copy whose objects have their keys in order, whatever features serde_json was built with.
pub(crate) fn in_order(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), in_order(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(in_order).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::CapabilityKind;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Input {
        /// What to look for.
        #[schemars(extend("x-positional" = 1, "x-value-name" = "QUERY"))]
        query: String,
        /// Where to look.
        #[serde(default)]
        #[schemars(extend("x-positional" = 2, "x-complete" = "dir"))]
        folders: Vec<String>,
        /// How many to show.
        #[serde(default = "ten")]
        #[schemars(extend("x-short" = "k"), range(min = 1, max = 1000))]
        limit: u32,
        #[serde(default)]
        explain: bool,
        /// How to rank.
        order: Option<Order>,
        weight: Option<f64>,
        tags: Option<Vec<Order>>,
        #[serde(default)]
        #[schemars(extend("x-hidden" = true))]
        nested: Nested,
    }

    fn ten() -> u32 {
        10
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Order {
        /// Best first.
        Score,
        /// By path.
        Path,
    }

    #[derive(Default, Deserialize, JsonSchema, Serialize)]
    struct Nested {
        a: u8,
    }

    fn arguments<I: JsonSchema>() -> Result<Vec<Argument>> {
        Capability::new::<I, ()>(CapabilityKind::Command, "search", "Finds").arguments()
    }

    #[test]
    fn a_struct_becomes_a_list_of_arguments() {
        let arguments = arguments::<Input>().unwrap();
        let names: Vec<_> = arguments.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["query", "folders", "explain", "limit", "nested", "order", "tags", "weight"]);
        let [query, folders, explain, limit, nested, order, tags, weight] =
            <[Argument; 8]>::try_from(arguments).unwrap();

        assert!(query.required && query.value == ValueKind::Text && query.help == "What to look for.");
        assert_eq!(query.value_name.as_deref(), Some("QUERY"));
        assert!(folders.many && !folders.required && folders.complete.as_deref() == Some("dir"));
        assert!(explain.value == ValueKind::Flag && explain.default == Some(json!(false)));
        assert_eq!(limit.value, ValueKind::Integer { min: Some(1), max: Some(1000) });
        assert_eq!((limit.short, limit.default), (Some('k'), Some(json!(10))));
        assert!(nested.hidden && nested.value == ValueKind::Json);
        let words = ValueKind::Choice(vec![("score".into(), "Best first.".into()), ("path".into(), "By path.".into())]);
        assert!(!order.required && order.value == words && order.help == "How to rank.", "{order:?}");
        assert!(tags.many && tags.value == words, "{tags:?}");
        assert_eq!(weight.value, ValueKind::Number);
    }

    #[test]
    fn no_input_is_no_arguments() {
        assert_eq!(arguments::<()>().unwrap(), []);
    }

    #[test]
    fn muddled_hints_are_refused() {
        #[derive(Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only its schema is looked at")]
        struct Gap {
            #[schemars(extend("x-positional" = 2))]
            a: String,
        }
        #[derive(Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only its schema is looked at")]
        struct Twice {
            #[schemars(extend("x-short" = "a"))]
            a: String,
            #[schemars(extend("x-short" = "a"))]
            b: String,
        }
        assert!(arguments::<Gap>().is_err() && arguments::<Twice>().is_err() && arguments::<String>().is_err());
    }
}
