//! Languages, passages and symbols, by tree-sitter.
