//! How a grammar is described, and the look-up table made of the description.
//!
//! A language is a [`Spec`]: which node kinds define, use or comment. It is turned once into a [`Table`] indexed by
//! tree-sitter's node kind ids, so that a walk decides about a node with one array access.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::ops::Range;

use nootropic_core::SymbolKind;
use tree_sitter::{Language, Node, Tree};

/// The longest name kept, in bytes.
pub(super) const MAX_NAME: usize = 200;
/// How many nodes deep a name may lie in the node that carries it.
const MAX_TAIL: usize = 16;

/// What the nodes of one grammar mean. Kinds are named as in its `node-types.json`.
#[derive(Debug)]
pub(super) struct Spec {
    /// Nodes that define a name.
    pub(super) definitions: &'static [Definition],
    /// Nodes that use a name: the one at this place, followed through `tails`.
    pub(super) uses: &'static [(&'static str, At)],
    /// Leaves that use a name wherever they stand.
    pub(super) names: &'static [&'static str],
    /// Nodes in which every one of `identifiers` is a use, e.g. imports.
    pub(super) scopes: &'static [&'static str],
    /// Nodes that are such a scope only as this field of their parent.
    pub(super) field_scopes: &'static [(&'static str, &'static str)],
    /// Leaves that name something.
    pub(super) identifiers: &'static [&'static str],
    /// Where to go on from a node to find the bare name it ends in: `a.b.c` to `c`.
    pub(super) tails: &'static [(&'static str, At)],
    /// Comments.
    pub(super) comments: &'static [&'static str],
    /// Attributes and the like that stand before what they belong to, as siblings.
    pub(super) leads: &'static [&'static str],
    /// Documentation that is no comment to the grammar: the node that may hold it, and how to find it.
    pub(super) docs: &'static [(&'static str, FindDoc)],
    /// Names that are keywords in all but grammar.
    pub(super) keywords: &'static [&'static str],
    /// Nodes of bare tokens that may be source of the same language.
    pub(super) bare: &'static [(&'static str, Bare)],
    /// Whether a function is written as several clauses that follow each other.
    pub(super) clauses: bool,
}

impl Spec {
    /// A grammar about which nothing is said.
    pub(super) const NONE: Self = Self {
        definitions: &[],
        uses: &[],
        names: &[],
        scopes: &[],
        field_scopes: &[],
        identifiers: &[],
        tails: &[],
        comments: &[],
        leads: &[],
        docs: &[],
        keywords: &[],
        bare: &[],
        clauses: false,
    };
}

#[cfg(test)]
impl Spec {
    /// Every node kind named.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let lists = [self.names, self.scopes, self.identifiers, self.comments, self.leads];
        let mut kinds: Vec<_> = lists.concat();
        kinds.extend(self.definitions.iter().flat_map(|definition| definition.nodes));
        kinds.extend(self.uses.iter().chain(self.tails).map(|(kind, _)| kind));
        kinds.extend(self.field_scopes.iter().map(|(kind, _)| kind));
        kinds.extend(self.docs.iter().map(|(kind, _)| kind));
        kinds.extend(self.bare.iter().map(|(kind, _)| kind));
        kinds
    }

    /// Every field named.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        let mut fields: Vec<_> = self.field_scopes.iter().map(|(_, field)| *field).collect();
        fields.extend(self.definitions.iter().filter_map(|definition| match definition.find {
            Find::Named(field, _) => Some(field),
            Find::With(_) => None,
        }));
        fields.extend(self.uses.iter().chain(self.tails).filter_map(|(_, at)| match at {
            At::Field(field) => Some(*field),
            At::First | At::Last => None,
        }));
        fields
    }
}

/// Node kinds that define a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Definition {
    pub(super) nodes: &'static [&'static str],
    pub(super) find: Find,
}

/// How to find what a node defines.
#[derive(Debug, Clone, Copy)]
pub(super) enum Find {
    /// The name in a field, of this kind. A function inside a type becomes a method, a variable a field.
    Named(&'static str, SymbolKind),
    /// Code decides; `None` if this node defines nothing.
    With(for<'t> fn(&Seen<'_, 't>) -> Option<Named<'t>>),
}

/// Finds the bytes of documentation.
pub(super) type FindDoc = fn(&Seen<'_, '_>) -> Option<Range<usize>>;

/// Tokens that the grammar gives no structure, though they may be source of the same language: what a macro is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bare {
    /// The bytes that are worth parsing again; `None` if this node's are not.
    pub(super) bytes: fn(&Seen<'_, '_>) -> Option<Range<usize>>,
    /// Whether what they were parsed as can be what they are.
    pub(super) fits: fn(&Tree, &Table) -> bool,
    /// What they define all the same if it cannot, in the order of `lead`.
    pub(super) loose: fn(&Seen<'_, '_>) -> Vec<Loose>,
}

/// A definition among bare tokens, in bytes of the text.
#[derive(Debug, Clone)]
pub(super) struct Loose {
    pub(super) name: Range<usize>,
    pub(super) kind: SymbolKind,
    pub(super) bytes: Range<usize>,
    /// Where the attributes above it begin; where it begins if there are none.
    pub(super) lead: usize,
    /// Name of the definition around it.
    pub(super) owner: Option<Range<usize>>,
}

/// A definition whose name stands in a field.
pub(super) const fn named(nodes: &'static [&'static str], field: &'static str, kind: SymbolKind) -> Definition {
    Definition { nodes, find: Find::Named(field, kind) }
}

/// A definition that code finds.
pub(super) const fn with(
    nodes: &'static [&'static str],
    find: for<'t> fn(&Seen<'_, 't>) -> Option<Named<'t>>,
) -> Definition {
    Definition { nodes, find: Find::With(find) }
}

/// A child of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The child in a field.
    Field(&'static str),
    /// The first named child.
    First,
    /// The last named child.
    Last,
}

/// What a node defines.
#[derive(Debug, Clone)]
pub(super) struct Named<'t> {
    pub(super) name: &'t str,
    /// Where the name stands, in bytes.
    pub(super) at: usize,
    pub(super) kind: SymbolKind,
    /// What it belongs to beside the definitions around it, e.g. a Go receiver's type.
    pub(super) owner: Option<String>,
    /// Heading level; 0 for anything else.
    pub(super) level: u8,
}

impl<'t> Named<'t> {
    /// A name that stands in a node.
    pub(super) fn new(seen: &Seen<'_, 't>, node: Node<'t>, kind: SymbolKind) -> Option<Self> {
        let (name, at) = seen.name(node)?;
        Some(Self { name, at, kind, owner: None, level: 0 })
    }

    /// A name that is not written down, e.g. of a constructor.
    pub(super) fn fixed(seen: &Seen<'_, 't>, name: &'static str, kind: SymbolKind) -> Self {
        Self { name, at: seen.node.start_byte(), kind, owner: None, level: 0 }
    }

    /// A name of several parts, e.g. `App.Sessions`: the last is the name, it belongs to the rest.
    pub(super) fn dotted(seen: &Seen<'_, 't>, node: Node<'t>, kind: SymbolKind) -> Option<Self> {
        let text = seen.text_of(node).trim_matches(['"', '\'']);
        match text.rfind(['.', '\\']) {
            Some(dot) if text.len() <= MAX_NAME && !text.contains('\n') && dot + 1 < text.len() => {
                let owner = text.get(..dot)?.replace('\\', ".");
                let name = text.get(dot + 1..)?;
                let named = Self { name, at: node.start_byte(), kind, owner: None, level: 0 };
                Some(named.owned(Some(owner)))
            }
            _ => Self::new(seen, node, kind),
        }
    }

    /// The same, belonging to something.
    pub(super) fn owned(mut self, owner: Option<String>) -> Self {
        self.owner = owner.filter(|owner| !owner.is_empty() && owner.len() <= MAX_NAME && !owner.contains('\n'));
        self
    }
}

/// A node as a rule sees it.
#[derive(Debug)]
pub(super) struct Seen<'w, 't> {
    pub(super) node: Node<'t>,
    /// The nodes around it, outermost first.
    pub(super) above: &'w [Node<'t>],
    pub(super) text: &'t str,
    pub(super) table: &'w Table,
}

impl<'t> Seen<'_, 't> {
    /// The kind of the node `up` levels above (1 is the parent); empty if there is none.
    pub(super) fn above_kind(&self, up: usize) -> &'t str {
        self.ancestor(up).map_or("", |node| node.kind())
    }

    /// The node `up` levels above.
    pub(super) fn ancestor(&self, up: usize) -> Option<Node<'t>> {
        self.above.len().checked_sub(up).and_then(|at| self.above.get(at)).copied()
    }

    /// A field of the node.
    pub(super) fn field(&self, name: &str) -> Option<Node<'t>> {
        self.node.child_by_field_name(name)
    }

    /// The text of a node.
    pub(super) fn text_of(&self, node: Node<'_>) -> &'t str {
        let end = node.end_byte().min(self.text.len());
        self.text.get(node.start_byte()..end).unwrap_or_default()
    }

    /// The bare name a node ends in, without quotes, and where it stands.
    pub(super) fn name(&self, node: Node<'t>) -> Option<(&'t str, usize)> {
        let leaf = self.table.tail(node);
        let (text, mut at) = (self.text_of(leaf), leaf.start_byte());
        let bare = text.trim_start_matches(['"', '\'', ':', '`', '#']);
        at += text.len() - bare.len();
        let bare = bare.trim_end_matches(['"', '\'', '`', ':']).trim();
        (!bare.is_empty() && bare.len() <= MAX_NAME && !bare.contains('\n')).then_some((bare, at))
    }
}

/// What a node kind means.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Role {
    pub(super) definition: Option<Find>,
    pub(super) uses: [Option<Step>; 2],
    pub(super) name: bool,
    pub(super) scope: bool,
    pub(super) scope_fields: [Option<NonZeroU16>; 2],
    pub(super) identifier: bool,
    pub(super) comment: bool,
    pub(super) lead: bool,
    pub(super) doc: Option<FindDoc>,
    pub(super) bare: Option<Bare>,
    tail: Option<Step>,
    /// Whether nothing above is said, so that most nodes are passed with one test.
    pub(super) plain: bool,
}

/// An [`At`] with its field resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Field(NonZeroU16),
    First,
    Last,
}

impl Step {
    fn new(language: &Language, at: At) -> Option<Self> {
        Some(match at {
            At::Field(field) => Self::Field(language.field_id_for_name(field)?),
            At::First => Self::First,
            At::Last => Self::Last,
        })
    }

    /// The child of a node at this place.
    pub(super) fn of(self, node: Node<'_>) -> Option<Node<'_>> {
        match self {
            Self::Field(field) => node.child_by_field_id(field.get()),
            Self::First => node.named_child(0),
            Self::Last => node.named_child((node.named_child_count() as u32).checked_sub(1)?),
        }
    }
}

/// A [`Spec`] indexed by node kind id.
#[derive(Debug)]
pub(super) struct Table {
    roles: Vec<Role>,
    plain: Role,
    pub(super) keywords: &'static [&'static str],
    pub(super) clauses: bool,
}

impl Table {
    /// Resolves a description against its grammar. A kind or field the grammar does not have is ignored; a test finds
    /// those.
    pub(super) fn new(language: &Language, spec: &Spec) -> Self {
        let by_kind = Self::by_kind(language, spec);
        let plain = Role { plain: true, ..Role::default() };
        let roles = (0..language.node_kind_count() as u16)
            .map(|id| {
                let kind = language.node_kind_for_id(id).filter(|_| language.node_kind_is_named(id));
                kind.and_then(|kind| by_kind.get(kind)).copied().unwrap_or(plain)
            })
            .collect();
        Self { roles, plain, keywords: spec.keywords, clauses: spec.clauses }
    }

    fn by_kind(language: &Language, spec: &Spec) -> HashMap<&'static str, Role> {
        let mut roles: HashMap<&'static str, Role> = HashMap::new();
        for definition in spec.definitions {
            for &kind in definition.nodes {
                roles.entry(kind).or_default().definition = Some(definition.find);
            }
        }
        for &(kind, at) in spec.uses {
            let step = Step::new(language, at);
            if let Some(free) = roles.entry(kind).or_default().uses.iter_mut().find(|step| step.is_none()) {
                *free = step;
            }
        }
        for &(kind, field) in spec.field_scopes {
            let field = language.field_id_for_name(field);
            let fields = &mut roles.entry(kind).or_default().scope_fields;
            if let Some(free) = fields.iter_mut().find(|field| field.is_none()) {
                *free = field;
            }
        }
        spec.names.iter().for_each(|kind| roles.entry(kind).or_default().name = true);
        spec.scopes.iter().for_each(|kind| roles.entry(kind).or_default().scope = true);
        spec.identifiers.iter().for_each(|kind| roles.entry(kind).or_default().identifier = true);
        spec.comments.iter().for_each(|kind| roles.entry(kind).or_default().comment = true);
        spec.leads.iter().for_each(|kind| roles.entry(kind).or_default().lead = true);
        spec.tails.iter().for_each(|&(kind, at)| roles.entry(kind).or_default().tail = Step::new(language, at));
        spec.docs.iter().for_each(|&(kind, find)| roles.entry(kind).or_default().doc = Some(find));
        spec.bare.iter().for_each(|&(kind, bare)| roles.entry(kind).or_default().bare = Some(bare));
        roles
    }

    /// What a node kind means.
    pub(super) fn role(&self, id: u16) -> &Role {
        self.roles.get(id as usize).unwrap_or(&self.plain)
    }

    /// Goes from a node to the bare name it ends in.
    pub(super) fn tail<'t>(&self, mut node: Node<'t>) -> Node<'t> {
        for _ in 0..MAX_TAIL {
            match self.role(node.kind_id()).tail.and_then(|step| step.of(node)) {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }
}
