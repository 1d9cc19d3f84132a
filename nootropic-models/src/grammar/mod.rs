//! What a model may say: grammars, and the tokens they allow.
//!
//! The parsing is llguidance's; ours is what surrounds it: grammars of tools and schemas, the vocabulary, and steering an answer to its
//! end before its tokens are used up.

mod answer;
mod calls;
mod closing;
mod constraint;
mod nesting;
mod numbers;
mod rules;
mod samples;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod vocabulary;
mod xml;

pub(crate) use answer::{Answer, Text, Thinking};
pub(crate) use constraint::Constraint;
pub(crate) use rules::Grammar;
pub(crate) use vocabulary::GrammarVocabulary;
