//! One walk over a tree that takes out definitions, uses and comments, and tells the outline what holds together.

use std::collections::HashSet;
use std::ops::Range;

use nootropic_core::{Reference, Symbol, SymbolKind};
use tree_sitter::{Node, Tree, TreeCursor};

use super::lines::{Lines, is_blank};
use super::outline::{Hold, Outline, is_container};
use super::reparse::Reparse;
use super::spec::{Bare, Find, Loose, MAX_NAME, Named, Role, Seen, Table};

/// Most definitions taken from a file.
const MAX_SYMBOLS: usize = 16_384;
/// Most keys taken from a data file.
const MAX_KEYS: usize = 512;
/// Keys nested deeper than this are data.
const MAX_KEY_DEPTH: usize = 2;
/// Most uses taken from a file, counting one a name and line.
const MAX_REFERENCES: usize = 4_096;
/// Most uses looked at.
const MAX_USES: usize = 65_536;
/// Most trees inside each other, of what was parsed again.
const MAX_INNER: usize = 8;
/// The longest path of enclosing definitions, in bytes.
const MAX_CONTAINER: usize = 400;

/// What a tree says.
#[derive(Debug, Default)]
pub(super) struct Extract {
    pub(super) symbols: Vec<Symbol>,
    pub(super) references: Vec<Reference>,
    pub(super) comments: Vec<Range<u32>>,
}

/// Walks a tree of the text of `lines`, and those of its parts that are worth parsing again.
pub(super) fn extract(
    tree: &Tree,
    table: &Table,
    lines: &Lines<'_>,
    reparse: Reparse<'_>,
    outline: &mut Outline,
) -> Extract {
    let mut walk = Walk::new(table, lines, reparse, outline);
    walk.walk(tree);
    walk.finish()
}

/// A definition the walk is inside of.
#[derive(Debug)]
struct Open {
    depth: usize,
    kind: SymbolKind,
    /// Length of the path without this definition.
    path: usize,
}

struct Walk<'w> {
    table: &'w Table,
    lines: &'w Lines<'w>,
    text: &'w str,
    reparse: Reparse<'w>,
    /// How many trees the walk is inside of, but for the first, and how deep the root of the last stands.
    inner: usize,
    base: usize,
    /// Definitions among bare tokens that the walk comes to next, last first, and where the last it came to ends.
    loose: Vec<Loose>,
    loose_end: usize,
    outline: &'w mut Outline,
    found: Extract,
    /// Heading level of each symbol that is one.
    levels: Vec<(usize, u8)>,
    open: Vec<Open>,
    /// Names of the open definitions, joined by `.`.
    path: String,
    functions: usize,
    keys: usize,
    /// Depth of the outermost node inside which identifiers are uses.
    scope: Option<usize>,
    uses: Vec<(Range<u32>, u32)>,
    defined: HashSet<u32>,
}

impl<'w> Walk<'w> {
    fn new(table: &'w Table, lines: &'w Lines<'w>, reparse: Reparse<'w>, outline: &'w mut Outline) -> Self {
        Self {
            table,
            lines,
            text: lines.text(),
            reparse,
            inner: 0,
            base: 0,
            loose: Vec::new(),
            loose_end: 0,
            outline,
            found: Extract::default(),
            levels: Vec::new(),
            open: Vec::new(),
            path: String::new(),
            functions: 0,
            keys: 0,
            scope: None,
            uses: Vec::new(),
            defined: HashSet::new(),
        }
    }

    fn walk<'t>(&mut self, tree: &'t Tree)
    where
        'w: 't,
    {
        let mut cursor = tree.walk();
        let mut above: Vec<Node<'t>> = Vec::new();
        loop {
            let node = cursor.node();
            // An inner root holds what the node around it holds.
            let inner = if self.inner > 0 && above.is_empty() { None } else { self.enter(node, &above, &cursor) };
            if let Some(inner) = inner {
                self.walk_inner(&inner, self.base + above.len());
            } else if cursor.goto_first_child() {
                above.push(node);
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return;
                }
                above.pop();
            }
        }
    }

    /// Walks what a node of so much depth was parsed as, in place of its children.
    fn walk_inner(&mut self, tree: &Tree, depth: usize) {
        let (base, scope) = (self.base, self.scope.take());
        self.inner += 1;
        self.base = depth + 1;
        self.walk(tree);
        self.inner -= 1;
        (self.base, self.scope) = (base, scope);
    }

    /// Takes out what a node says; if its bare tokens are source, what they were parsed as.
    fn enter<'t>(&mut self, node: Node<'t>, above: &[Node<'t>], cursor: &TreeCursor<'t>) -> Option<Tree>
    where
        'w: 't,
    {
        let depth = self.base + above.len();
        while self.open.last().is_some_and(|open| open.depth >= depth) {
            self.close();
        }
        if self.scope.is_some_and(|scope| scope >= depth) {
            self.scope = None;
        }
        while let Some(loose) = self.loose.pop_if(|loose| loose.lead <= node.start_byte()) {
            self.push_loose(loose);
        }
        let role = self.table.role(node.kind_id());
        let (first, end) = (node.start_position().row, node.end_position());
        // Many grammars end a node with its line break.
        let last = if end.column == 0 { end.row.saturating_sub(1).max(first) } else { end.row };
        if role.plain {
            if last > first {
                self.hold(node, first, last, role);
            }
            return None;
        }
        let seen = Seen { node, above, text: self.text, table: self.table };
        let held = self.find(&seen, role, depth, first, last);
        if !held && last > first {
            self.hold(node, first, last, role);
        }
        if role.comment || role.lead {
            self.comment(node, role, first, last);
        }
        if let Some(doc) = role.doc.and_then(|find| find(&seen)) {
            self.push_comment(doc);
        }
        let inner = role.bare.and_then(|bare| self.parse_again(bare, &seen));
        if inner.is_none() {
            self.note_uses(node, role, depth, cursor);
        }
        inner
    }

    /// What bare tokens were parsed as. What they define though they are no source is kept until the walk comes to it.
    fn parse_again(&mut self, bare: Bare, seen: &Seen<'_, '_>) -> Option<Tree> {
        // What is in a function is not outlined, and what is in a loose definition was looked through.
        if self.functions > 0 || self.inner >= MAX_INNER || seen.node.start_byte() < self.loose_end {
            return None;
        }
        let tree = self.reparse.parse((bare.bytes)(seen)?, self.lines)?;
        if (bare.fits)(&tree, self.table) {
            // A line that only opens what is around belongs to what comes first.
            let row = seen.node.start_position().row;
            let line = self.lines.line(row as u32).trim();
            if line.ends_with('{') && !line.starts_with('}') {
                self.outline.lead(row, row);
            }
            return Some(tree);
        }
        // They all stand before what is still to come of the tokens around.
        self.loose.extend((bare.loose)(seen).into_iter().rev());
        None
    }

    fn push_loose(&mut self, loose: Loose) {
        self.loose_end = self.loose_end.max(loose.bytes.end);
        let name = self.text.get(loose.name.clone()).unwrap_or_default();
        if self.found.symbols.len() >= MAX_SYMBOLS || name.len() > MAX_NAME {
            return;
        }
        let span = self.lines.span_of_bytes(loose.bytes);
        let (first, last) = (span.start_line as usize - 1, span.end_line as usize - 1);
        let lead = self.lines.row_of(loose.lead as u32) as usize;
        if lead < first {
            self.outline.lead(lead, first - 1);
        }
        let kind = self.kind_here(loose.kind);
        self.outline.define(first, last, kind);
        self.defined.insert(loose.name.start as u32);
        let before = self.path.len();
        if let Some(owner) = loose.owner.and_then(|owner| self.text.get(owner)) {
            self.extend_path(owner);
        }
        let container = (!self.path.is_empty()).then(|| self.path.clone());
        self.path.truncate(before);
        self.found.symbols.push(Symbol { name: name.to_owned(), kind, span, container });
    }

    fn hold(&mut self, node: Node<'_>, first: usize, last: usize, role: &Role) {
        let what = if role.comment || node.child_count() == 0 {
            Hold::Token
        } else if self.functions > 0 {
            Hold::Statement
        } else {
            Hold::Container
        };
        self.outline.hold(first, last, what);
    }

    fn comment(&mut self, node: Node<'_>, role: &Role, first: usize, last: usize) {
        let before = self.lines.start(first as u32) as usize..node.start_byte();
        if self.text.get(before).is_some_and(is_blank) {
            self.outline.lead(first, last);
        }
        if role.comment {
            self.push_comment(node.byte_range());
        }
    }

    fn push_comment(&mut self, range: Range<usize>) {
        let text = self.text.get(range.start..range.end.min(self.text.len())).unwrap_or_default().trim_end();
        if !text.is_empty() {
            self.found.comments.push(range.start as u32..(range.start + text.len()) as u32);
        }
    }

    /// Whether the node is a definition that was kept.
    fn find(&mut self, seen: &Seen<'_, '_>, role: &Role, depth: usize, first: usize, last: usize) -> bool {
        let named = match role.definition {
            None => return false,
            Some(Find::With(find)) => find(seen),
            Some(Find::Named(field, kind)) => seen.field(field).and_then(|node| Named::new(seen, node, kind)),
        };
        let Some(mut named) = named else { return false };
        named.kind = self.kind_here(named.kind);
        let local = matches!(named.kind, SymbolKind::Constant | SymbolKind::Variable | SymbolKind::Field);
        if local && self.functions > 0 || self.found.symbols.len() >= MAX_SYMBOLS {
            return false;
        }
        if named.kind == SymbolKind::Key {
            if self.open.len() >= MAX_KEY_DEPTH || self.keys >= MAX_KEYS {
                return false;
            }
            self.keys += 1;
        }
        self.outline.define(first, last, named.kind);
        self.defined.insert(named.at as u32);
        self.push_symbol(seen, &named, depth);
        true
    }

    /// What a definition is where the walk is.
    fn kind_here(&self, kind: SymbolKind) -> SymbolKind {
        let inside = self.open.last().map(|open| open.kind);
        let in_type = inside.is_some_and(|kind| is_container(kind) && kind != SymbolKind::Module);
        match kind {
            SymbolKind::Function if in_type => SymbolKind::Method,
            SymbolKind::Variable if in_type => SymbolKind::Field,
            kind => kind,
        }
    }

    fn push_symbol(&mut self, seen: &Seen<'_, '_>, named: &Named<'_>, depth: usize) {
        let before = self.path.len();
        if let Some(owner) = &named.owner {
            self.extend_path(owner);
        }
        let container = (!self.path.is_empty()).then(|| self.path.clone());
        let symbol = Symbol {
            name: named.name.to_owned(),
            kind: named.kind,
            span: self.lines.span_of_bytes(seen.node.byte_range()),
            container,
        };
        if named.level > 0 {
            self.levels.push((self.found.symbols.len(), named.level));
        }
        match self.found.symbols.last_mut() {
            Some(above) if self.table.clauses && is_clause_of(&symbol, above) => {
                above.span.end_line = above.span.end_line.max(symbol.span.end_line);
                above.span.end_byte = above.span.end_byte.max(symbol.span.end_byte);
            }
            _ => self.found.symbols.push(symbol),
        }
        // A type alias or heading opens nothing by being around: headings are nested afterwards, by level.
        if matches!(named.kind, SymbolKind::Type | SymbolKind::Heading) {
            self.path.truncate(before);
            return;
        }
        self.extend_path(named.name);
        self.functions += usize::from(is_function(named.kind));
        self.open.push(Open { depth, kind: named.kind, path: before });
    }

    fn extend_path(&mut self, name: &str) {
        if self.path.len() + name.len() < MAX_CONTAINER {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(name);
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.functions -= usize::from(is_function(open.kind));
            self.path.truncate(open.path);
        }
    }

    fn note_uses(&mut self, node: Node<'_>, role: &Role, depth: usize, cursor: &TreeCursor<'_>) {
        let in_field = role.scope_fields[0].is_some() && {
            let field = cursor.field_id();
            field.is_some() && role.scope_fields.contains(&field)
        };
        if (role.scope || in_field) && self.scope.is_none() {
            self.scope = Some(depth);
        }
        if self.uses.len() >= MAX_USES {
            return;
        }
        if role.name || role.identifier && self.scope.is_some() {
            self.push_use(node);
        }
        for step in role.uses.into_iter().flatten() {
            if let Some(child) = step.of(node) {
                self.push_use(self.table.tail(child));
            }
        }
    }

    fn push_use(&mut self, node: Node<'_>) {
        let end = node.end_byte().min(self.text.len());
        self.uses.push((node.start_byte() as u32..end as u32, node.start_position().row as u32 + 1));
    }

    fn finish(mut self) -> Extract {
        self.found.references = self.references();
        self.found.comments.sort_by_key(|range| (range.start, range.end));
        self.found.comments.dedup_by_key(|range| range.start);
        if !self.levels.is_empty() {
            nest_headings(&mut self.found.symbols, &self.levels, self.lines);
        }
        self.found.symbols.sort_by_key(|symbol| (symbol.span.start_byte, std::cmp::Reverse(symbol.span.end_byte)));
        self.found
    }

    /// The uses, by line and name, without the names that are being defined.
    fn references(&mut self) -> Vec<Reference> {
        let mut uses: Vec<(u32, &str)> = std::mem::take(&mut self.uses)
            .into_iter()
            .filter(|(bytes, _)| !self.defined.contains(&bytes.start))
            .filter_map(|(bytes, line)| Some((line, self.text.get(bytes.start as usize..bytes.end as usize)?)))
            .map(|(line, name)| (line, name.rsplit('.').next().unwrap_or(name)))
            .filter(|(_, name)| is_name(name) && !self.table.keywords.contains(name))
            .collect();
        uses.sort_unstable();
        uses.dedup();
        uses.truncate(MAX_REFERENCES);
        uses.into_iter().map(|(line, name)| Reference { name: name.to_owned(), line }).collect()
    }
}

fn is_function(kind: SymbolKind) -> bool {
    matches!(kind, SymbolKind::Function | SymbolKind::Method | SymbolKind::Macro)
}

/// Whether a symbol only goes on with the function above it.
fn is_clause_of(symbol: &Symbol, above: &Symbol) -> bool {
    is_function(symbol.kind)
        && symbol.kind == above.kind
        && symbol.name == above.name
        && symbol.container == above.container
        && symbol.span.start_line <= above.span.end_line + 2
}

/// Whether a use is worth keeping: a word of more than punctuation and of a sane length.
fn is_name(name: &str) -> bool {
    (2..=MAX_NAME).contains(&name.len())
        && name.chars().all(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '{' | '}' | '"' | '\'' | ';' | ','))
        && name.contains(|c: char| c.is_alphabetic())
}

/// Gives every heading the lines up to the next one of its rank, and the headings above it as container.
fn nest_headings(symbols: &mut [Symbol], levels: &[(usize, u8)], lines: &Lines<'_>) {
    let end = lines.span_of_bytes(lines.text().len()..lines.text().len());
    let mut open: Vec<(usize, u8)> = Vec::new();
    for &(at, level) in levels {
        let Some(start) = symbols.get(at).map(|symbol| symbol.span.start_line) else { continue };
        while let Some(&(above, _)) = open.last().filter(|(_, above)| *above >= level) {
            end_heading(symbols, above, start.saturating_sub(1), lines);
            open.pop();
        }
        let path: Vec<&str> = open.iter().filter_map(|&(above, _)| Some(symbols.get(above)?.name.as_str())).collect();
        let container = (!path.is_empty()).then(|| path.join("."));
        if let Some(symbol) = symbols.get_mut(at) {
            symbol.container = container;
        }
        open.push((at, level));
    }
    for (above, _) in open {
        end_heading(symbols, above, end.end_line, lines);
    }
}

fn end_heading(symbols: &mut [Symbol], at: usize, last_line: u32, lines: &Lines<'_>) {
    if let Some(symbol) = symbols.get_mut(at) {
        let end = lines.end(last_line.saturating_sub(1)).max(symbol.span.end_byte);
        symbol.span = lines.span_of_bytes(symbol.span.start_byte as usize..end as usize);
    }
}
