//! JavaScript and TypeScript. Functions are also defined by giving them to a name: `const f = () => …`,
//! `exports.f = function …`, `Type.prototype.f = …`, `{ f: () => … }`.

use nootropic_core::SymbolKind as Kind;
use tree_sitter::Node;

use crate::syntax::spec::{At, Definition, Named, Seen, Spec, named, with};

const FUNCTIONS: Definition =
    named(&["function_declaration", "generator_function_declaration", "function_signature"], "name", Kind::Function);
const METHODS: Definition = named(&["method_definition"], "name", Kind::Method);
const VARIABLES: Definition = with(&["variable_declarator"], variable);
const ASSIGNMENTS: Definition = with(&["assignment_expression"], assignment);
const PAIRS: Definition = with(&["pair"], pair);
const KEYWORDS: &[&str] = &["super", "require", "import"];
const TAILS: &[(&str, At)] = &[
    ("member_expression", At::Field("property")),
    ("call_expression", At::Field("function")),
    ("parenthesized_expression", At::First),
];
const TYPED_TAILS: &[(&str, At)] = &[
    ("member_expression", At::Field("property")),
    ("call_expression", At::Field("function")),
    ("parenthesized_expression", At::First),
    ("non_null_expression", At::First),
    ("nested_type_identifier", At::Field("name")),
];

pub(super) const SPEC: Spec = Spec {
    definitions: &[
        FUNCTIONS_OF_JS,
        METHODS,
        named(&["class_declaration"], "name", Kind::Class),
        with(&["field_definition"], field),
        VARIABLES,
        ASSIGNMENTS,
        PAIRS,
    ],
    uses: &[
        ("call_expression", At::Field("function")),
        ("new_expression", At::Field("constructor")),
        ("jsx_opening_element", At::Field("name")),
        ("jsx_self_closing_element", At::Field("name")),
        ("decorator", At::First),
    ],
    scopes: &["import_statement", "class_heritage"],
    identifiers: &["identifier"],
    tails: TAILS,
    comments: &["comment"],
    leads: &["decorator"],
    keywords: KEYWORDS,
    ..Spec::NONE
};

const FUNCTIONS_OF_JS: Definition =
    named(&["function_declaration", "generator_function_declaration"], "name", Kind::Function);

const TYPED: Spec = Spec {
    definitions: &[
        FUNCTIONS,
        METHODS,
        named(&["method_signature", "abstract_method_signature"], "name", Kind::Method),
        named(&["class_declaration", "abstract_class_declaration"], "name", Kind::Class),
        named(&["interface_declaration"], "name", Kind::Interface),
        named(&["enum_declaration"], "name", Kind::Enum),
        named(&["type_alias_declaration"], "name", Kind::Type),
        with(&["internal_module", "module"], module),
        with(&["public_field_definition"], field),
        VARIABLES,
        ASSIGNMENTS,
        PAIRS,
    ],
    uses: &[
        ("call_expression", At::Field("function")),
        ("new_expression", At::Field("constructor")),
        ("extends_clause", At::Field("value")),
        ("decorator", At::First),
    ],
    names: &["type_identifier"],
    scopes: &["import_statement"],
    tails: TYPED_TAILS,
    ..SPEC
};

pub(super) const TYPESCRIPT: Spec = TYPED;

pub(super) const TSX: Spec = Spec {
    uses: &[
        ("call_expression", At::Field("function")),
        ("new_expression", At::Field("constructor")),
        ("extends_clause", At::Field("value")),
        ("decorator", At::First),
        ("jsx_opening_element", At::Field("name")),
        ("jsx_self_closing_element", At::Field("name")),
    ],
    ..TYPED
};

/// What a value makes of the name it is given to; `None` for plain data.
fn kind_of_value(value: Node<'_>) -> Option<Kind> {
    match value.kind() {
        "arrow_function" | "function_expression" | "generator_function" => Some(Kind::Function),
        "class" => Some(Kind::Class),
        // A function wrapped by another, e.g. `memo(() => …)`.
        "call_expression" => {
            let arguments = value.child_by_field_name("arguments")?;
            let first = arguments.named_child(0)?;
            matches!(first.kind(), "arrow_function" | "function_expression").then_some(Kind::Function)
        }
        _ => None,
    }
}

fn variable<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let name = seen.field("name").filter(|name| name.kind() == "identifier")?;
    let value = seen.field("value");
    let function = value.and_then(kind_of_value);
    let top = matches!(seen.above_kind(2), "program" | "export_statement" | "statement_block");
    if function.is_none() && !top || value.is_some_and(|value| seen.text_of(value).starts_with("require(")) {
        return None;
    }
    // Inside functions, what `useCallback(…)` and the like return is no definition.
    let wrapped = value.is_some_and(|value| value.kind() == "call_expression");
    let kind = match function {
        Some(kind) if !wrapped || matches!(seen.above_kind(2), "program" | "export_statement") => kind,
        _ if seen.ancestor(1).is_some_and(|parent| seen.text_of(parent).starts_with("const")) => Kind::Constant,
        _ => Kind::Variable,
    };
    Named::new(seen, name, kind)
}

fn assignment<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let (left, right) = (seen.field("left")?, seen.field("right")?);
    let kind = match right.kind() {
        "call_expression" => return None,
        _ => kind_of_value(right)?,
    };
    if left.kind() != "member_expression" {
        return Named::new(seen, left, kind).filter(|_| left.kind() == "identifier");
    }
    if seen.text_of(left) == "module.exports" {
        let name = right.child_by_field_name("name").or_else(|| left.child_by_field_name("property"))?;
        return Named::new(seen, name, kind);
    }
    let object = left.child_by_field_name("object").map(|object| seen.text_of(object)).unwrap_or_default();
    let (owner, kind) = match object.strip_suffix(".prototype") {
        Some(owner) => (owner, Kind::Method),
        None => (object, kind),
    };
    let simple = owner.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '$'));
    let owner = (simple && !matches!(owner, "exports" | "module.exports" | "this")).then(|| owner.to_owned());
    Some(Named::new(seen, left, kind)?.owned(owner))
}

fn pair<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let (key, value) = (seen.field("key")?, seen.field("value")?);
    let function = matches!(value.kind(), "arrow_function" | "function_expression" | "generator_function");
    (function && key.kind() != "computed_property_name").then(|| Named::new(seen, key, Kind::Function)).flatten()
}

fn field<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let name = seen.field("name").or_else(|| seen.field("property"))?;
    let function = seen.field("value").and_then(kind_of_value) == Some(Kind::Function);
    Named::new(seen, name, if function { Kind::Method } else { Kind::Field })
}

fn module<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    Named::dotted(seen, seen.field("name")?, Kind::Module)
}
