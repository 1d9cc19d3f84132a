//! C and C++. A declarator wraps its name from outside in; `Type::member` outside the class belongs to `Type`.

use nootropic_core::SymbolKind as Kind;
use tree_sitter::Node;

use crate::syntax::spec::{At, Definition, Named, Seen, Spec, named, with};

const FUNCTIONS: Definition = with(&["function_definition"], function);
const STRUCTS: Definition = with(&["struct_specifier", "union_specifier"], structure);
const ENUMS: Definition = with(&["enum_specifier"], enumeration);
const TYPEDEFS: Definition = with(&["type_definition"], typedef);
const MACROS: Definition = named(&["preproc_function_def"], "name", Kind::Macro);
const CONSTANTS: Definition = with(&["preproc_def"], constant);
const GLOBALS: Definition = with(&["init_declarator"], global);

pub(super) const SPEC: Spec = Spec {
    definitions: &[FUNCTIONS, STRUCTS, ENUMS, TYPEDEFS, MACROS, CONSTANTS, GLOBALS],
    uses: &[("call_expression", At::Field("function"))],
    names: &["type_identifier"],
    tails: &[
        ("field_expression", At::Field("field")),
        ("parenthesized_expression", At::First),
        ("function_declarator", At::Field("declarator")),
        ("pointer_declarator", At::Field("declarator")),
        ("array_declarator", At::Field("declarator")),
        ("init_declarator", At::Field("declarator")),
        ("parenthesized_declarator", At::First),
    ],
    comments: &["comment"],
    keywords: &["size_t"],
    ..Spec::NONE
};

pub(super) const CPP: Spec = Spec {
    definitions: &[
        FUNCTIONS,
        STRUCTS,
        ENUMS,
        TYPEDEFS,
        MACROS,
        CONSTANTS,
        GLOBALS,
        with(&["class_specifier"], class),
        named(&["namespace_definition"], "name", Kind::Module),
        named(&["alias_declaration"], "name", Kind::Type),
        named(&["concept_definition"], "name", Kind::Trait),
        with(&["declaration", "field_declaration"], member),
    ],
    uses: &[("call_expression", At::Field("function")), ("using_declaration", At::First)],
    tails: &[
        ("field_expression", At::Field("field")),
        ("parenthesized_expression", At::First),
        ("function_declarator", At::Field("declarator")),
        ("pointer_declarator", At::Field("declarator")),
        ("array_declarator", At::Field("declarator")),
        ("init_declarator", At::Field("declarator")),
        ("parenthesized_declarator", At::First),
        ("reference_declarator", At::First),
        ("qualified_identifier", At::Field("name")),
        ("template_function", At::Field("name")),
        ("template_method", At::Field("name")),
        ("template_type", At::Field("name")),
        ("dependent_name", At::Last),
    ],
    leads: &["template_parameter_list", "attribute_declaration"],
    ..SPEC
};

/// Without a value it is an include guard or a switch.
fn constant<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    seen.field("value")?;
    Named::new(seen, seen.field("name")?, Kind::Constant)
}

/// The declarator of a function, inside pointers and references; `None` for anything else.
fn function_declarator(mut node: Node<'_>) -> Option<Node<'_>> {
    for _ in 0..8 {
        node = match node.kind() {
            "function_declarator" => return Some(node),
            "reference_declarator" | "attributed_declarator" => node.named_child(0)?,
            _ => node.child_by_field_name("declarator")?,
        };
    }
    None
}

fn function<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let declarator = seen.field("declarator")?;
    let Some(function) = function_declarator(declarator) else {
        // `operator bool() {…}` and macros that stand for a function's head.
        return Named::new(seen, declarator, Kind::Function);
    };
    let mut name = function.child_by_field_name("declarator")?;
    if let Some(test) = test_case(seen, name, function) {
        return Some(test);
    }
    let mut owner = String::new();
    for _ in 0..8 {
        if name.kind() != "qualified_identifier" {
            break;
        }
        if let Some((scope, _)) = name.child_by_field_name("scope").and_then(|scope| seen.name(scope)) {
            owner.push_str(if owner.is_empty() { "" } else { "." });
            owner.push_str(scope);
        }
        name = name.child_by_field_name("name")?;
    }
    // A keyword stands here only where the grammar lost its way.
    if KEYWORDS.contains(&seen.text_of(name)) {
        return None;
    }
    let kind = if owner.is_empty() { Kind::Function } else { Kind::Method };
    Some(Named::new(seen, name, kind)?.owned(Some(owner)))
}

const KEYWORDS: &[&str] =
    &["namespace", "class", "struct", "union", "enum", "template", "if", "for", "while", "switch"];

/// `TEST(suite, name) {…}`: a macro in capitals that is given names.
fn test_case<'t>(seen: &Seen<'_, 't>, name: Node<'t>, function: Node<'t>) -> Option<Named<'t>> {
    let capitals = seen.text_of(name).bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if !capitals || seen.field("type").is_some() {
        return None;
    }
    let parameters = function.child_by_field_name("parameters")?;
    let last = parameters.named_child((parameters.named_child_count() as u32).checked_sub(1)?)?;
    let suite = parameters.named_child(0).filter(|first| first.id() != last.id()).map(|first| seen.text_of(first));
    Some(Named::new(seen, last, Kind::Function)?.owned(suite.map(str::to_owned)))
}

/// A member function that is only declared here.
fn member<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let inside = matches!(seen.above_kind(1), "field_declaration_list");
    let inside =
        inside || seen.above_kind(1) == "template_declaration" && seen.above_kind(2) == "field_declaration_list";
    let declarator = seen.field("declarator").filter(|_| inside)?;
    let name = function_declarator(declarator)?.child_by_field_name("declarator")?;
    // A parenthesis here is a function pointer.
    (name.kind() != "parenthesized_declarator").then(|| Named::new(seen, name, Kind::Method)).flatten()
}

fn structure<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    type_with_body(seen, Kind::Struct)
}

fn enumeration<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    type_with_body(seen, Kind::Enum)
}

fn class<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    type_with_body(seen, Kind::Class)
}

/// Without a body it is a use: `struct pool *pool`.
fn type_with_body<'t>(seen: &Seen<'_, 't>, kind: Kind) -> Option<Named<'t>> {
    seen.field("body")?;
    Named::new(seen, seen.field("name")?, kind)
}

fn typedef<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    Named::new(seen, seen.field("declarator")?, Kind::Type)
}

/// A variable of the file or of a namespace that is given a value.
fn global<'t>(seen: &Seen<'_, 't>) -> Option<Named<'t>> {
    let declaration = seen.ancestor(1).filter(|parent| parent.kind() == "declaration")?;
    let before = seen.text.get(declaration.start_byte()..seen.node.start_byte()).unwrap_or_default();
    let constant = before.split_whitespace().any(|word| matches!(word, "const" | "constexpr" | "constinit"));
    Named::new(seen, seen.node, if constant { Kind::Constant } else { Kind::Variable })
}
