//! What a model may say: grammars, and the tokens they allow.
//!
//! The parsing is llguidance's; ours is what surrounds it: grammars of tools and schemas, the vocabulary, and steering an answer to its
//! end before its tokens are used up.

mod closing;
mod constraint;
mod rules;
#[cfg(test)]
mod tests;
mod vocabulary;

pub(crate) use constraint::Constraint;
pub(crate) use rules::Grammar;
pub(crate) use vocabulary::GrammarVocabulary;
