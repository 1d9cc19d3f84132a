//! Text to tokens and back, exactly as a model was trained to see it.
//!
//! A text is split at tokens that are looked for as they are ([`added`]), normalized ([`normalize`]), split into words
//! ([`pre_tokenize`]), and each word becomes tokens ([`bpe`], [`unigram`], [`wordpiece`]). One engine serves the vocabularies in
//! GGUF metadata ([`gguf`]) and `tokenizer.json` ([`json`]).
//!
//! On it stand the prompts: conversations ([`chat`]), gaps in a text ([`infill`]), and calls of tools, read back ([`tools`]).

mod added;
mod bpe;
mod byte_level;
mod chat;
mod classes;
mod decode;
mod gguf;
mod gguf_patterns;
mod infill;
mod json;
mod json_parts;
mod merge;
mod normalize;
mod pattern;
mod pre_tokenize;
mod special;
mod tokenizer;
mod tools;
mod trie;
mod unigram;
mod vocabulary;
mod wordpiece;

pub(crate) use byte_level::byte_characters;
pub use chat::{ChatTemplate, RenderOptions, RenderedPrompt};
pub use decode::DecodeStream;
pub use infill::Infill;
pub use tokenizer::{Special, Tokenizer};
pub(crate) use tools::{FENCE, THINKING};
pub use tools::{ToolDialect, ToolParser};
pub use vocabulary::{TokenId, TokenKind};
