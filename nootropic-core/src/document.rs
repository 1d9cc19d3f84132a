//! Documents, the passages they are cut into, and the names they define.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stretch of a document, by lines and by bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// First line, 1-based.
    pub start_line: u32,
    /// Last line, 1-based and inclusive.
    pub end_line: u32,
    /// First byte, 0-based.
    pub start_byte: u32,
    /// One past the last byte.
    pub end_byte: u32,
}

impl Span {
    /// How many lines it touches.
    pub const fn lines(&self) -> u32 {
        self.end_line + 1 - self.start_line
    }

    /// The bytes, as a range for slicing.
    pub const fn bytes(&self) -> std::ops::Range<usize> {
        self.start_byte as usize..self.end_byte as usize
    }

    /// Whether `other` lies inside, by bytes.
    pub const fn contains(&self, other: &Self) -> bool {
        self.start_byte <= other.start_byte && other.end_byte <= self.end_byte
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum SymbolKind {
    /// A free function.
    Function = 1,
    /// A function that belongs to a type.
    Method = 2,
    /// A class.
    Class = 3,
    /// A struct or record.
    Struct = 4,
    /// An enumeration.
    Enum = 5,
    /// An interface or protocol.
    Interface = 6,
    /// A trait or type class.
    Trait = 7,
    /// A type alias or other named type.
    Type = 8,
    /// A module, namespace or package.
    Module = 9,
    /// A macro.
    Macro = 10,
    /// A constant.
    Constant = 11,
    /// A variable.
    Variable = 12,
    /// A field or property.
    Field = 13,
    /// An implementation block or extension.
    Impl = 14,
    /// A heading of a text document.
    Heading = 15,
    /// A key of a data document.
    Key = 16,
}

impl SymbolKind {
    /// Every kind, in code order.
    pub const ALL: [Self; 16] = [
        Self::Function,
        Self::Method,
        Self::Class,
        Self::Struct,
        Self::Enum,
        Self::Interface,
        Self::Trait,
        Self::Type,
        Self::Module,
        Self::Macro,
        Self::Constant,
        Self::Variable,
        Self::Field,
        Self::Impl,
        Self::Heading,
        Self::Key,
    ];

    /// The stable code used on disk.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind of a stored code; `None` for one this version does not know.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The stable name, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Method => "method",
            Self::Class => "class",
            Self::Struct => "struct",
            Self::Enum => "enum",
            Self::Interface => "interface",
            Self::Trait => "trait",
            Self::Type => "type",
            Self::Module => "module",
            Self::Macro => "macro",
            Self::Constant => "constant",
            Self::Variable => "variable",
            Self::Field => "field",
            Self::Impl => "impl",
            Self::Heading => "heading",
            Self::Key => "key",
        }
    }
}

/// A name and where it is defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Symbol {
    /// The bare name, e.g. `commit`.
    pub name: String,
    /// What it stands for.
    pub kind: SymbolKind,
    /// The whole definition.
    pub span: Span,
    /// The enclosing definitions, outermost first, joined by `.`; e.g. `Environment`.
    pub container: Option<String>,
}

/// A use of a name that may be defined elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    /// The bare name used.
    pub name: String,
    /// 1-based line.
    pub line: u32,
}

/// A text with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// Relative to the repository, `/`-separated.
    pub path: String,
    /// Lower-case language name, e.g. `rust`; none if unknown.
    pub language: Option<String>,
    /// The content, as UTF-8.
    pub text: String,
}

/// Identifies a chunk within one store; never given out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ChunkId(pub u32);

/// A passage: what search ranks and packing cites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Chunk {
    /// Its identity in the store it came from.
    pub id: ChunkId,
    /// The document's path.
    pub path: String,
    /// Where it stands in the document.
    pub span: Span,
    /// The document's language.
    pub language: Option<String>,
    /// The definition it begins with or lies in.
    pub symbol: Option<String>,
    /// What kind of definition that is.
    pub kind: Option<SymbolKind>,
    /// The text.
    pub text: String,
}
