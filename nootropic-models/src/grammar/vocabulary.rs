//! A tokenizer's vocabulary, as the parser wants it.

use std::fmt;
use std::sync::Arc;

use llguidance::toktrie::{TokEnv, TokRxInfo, TokTrie, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};

use super::Grammar;
use super::closing::Closers;
use crate::tokens::{Special, TokenId, TokenKind, Tokenizer};
use crate::{Error, Result};

/// The tokens of a model in the form in which grammars are matched against them. Made once a model, in some tens of
/// milliseconds.
pub(crate) struct GrammarVocabulary {
    factory: ParserFactory,
    env: TokEnv,
    pub(super) closers: Arc<Closers>,
}

impl fmt::Debug for GrammarVocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrammarVocabulary").finish_non_exhaustive()
    }
}

impl GrammarVocabulary {
    /// Reads every token's bytes.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a vocabulary without a token that ends an answer.
    pub(crate) fn new(tokenizer: Arc<Tokenizer>) -> Result<Self> {
        let ids = || (0..tokenizer.len() as u32).map(TokenId);
        let words: Vec<Vec<u8>> = ids().map(|id| word(&tokenizer, id)).collect();
        let ends: Vec<u32> = ids().filter(|id| tokenizer.ends_generation(*id)).map(|id| id.0).collect();
        let Some(&first) = ends.first() else {
            let problem = "no token ends an answer, so nothing can be made to end with one".into();
            return Err(Error::Invalid { what: "vocabulary".into(), problem });
        };
        let info = TokRxInfo::new(words.len() as u32, tokenizer.eos().map_or(first, |eos| eos.0));
        let trie = TokTrie::from(&info, &words).with_eos_tokens(&ends);
        let closers = Arc::new(Closers::new(&words, &ends));
        let env: TokEnv = Arc::new(Env { trie, tokenizer });
        let mut factory = ParserFactory::new_simple(&env).map_err(|error| invalid("vocabulary", &error))?;
        factory.quiet();
        // What a request brings along is not to be repeated in errors.
        factory.limits_mut().verbose_errors = false;
        Ok(Self { factory, env, closers })
    }

    /// The tokens of a text, as a model would write it.
    pub(super) fn tokens(&self, text: &str) -> Vec<u32> {
        self.env.tokenize_bytes(text.as_bytes())
    }

    /// A parser at the beginning of `grammar`.
    ///
    /// # Errors
    /// [`Error::Grammar`] for one that does not compile: a schema that cannot be met, or that asks for what is not supported.
    pub(super) fn matcher(&self, grammar: &Grammar) -> Result<Matcher> {
        let mut matcher = Matcher::new(self.factory.create_parser(grammar.compile()));
        match matcher.get_error() {
            Some(problem) => Err(Error::Grammar { problem }),
            None => {
                let _ = matcher.grammar_warnings();
                Ok(matcher)
            }
        }
    }
}

pub(super) fn invalid(what: &str, error: &impl fmt::Display) -> Error {
    Error::Invalid { what: what.into(), problem: error.to_string() }
}

/// A token's bytes; for one that is no text, its name after a byte that no text has.
fn word(tokenizer: &Tokenizer, id: TokenId) -> Vec<u8> {
    match tokenizer.kind(id) {
        TokenKind::Control | TokenKind::Unknown | TokenKind::Unused => {
            let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
            word.extend_from_slice(tokenizer.token_text(id).as_bytes());
            word
        }
        _ => tokenizer.token_bytes(id).to_vec(),
    }
}

struct Env {
    trie: TokTrie,
    tokenizer: Arc<Tokenizer>,
}

impl TokenizerEnv for Env {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        let encode = |text: &str| {
            let tokens = self.tokenizer.encode(text, Special::AsText);
            tokens.map(|tokens| tokens.iter().map(|token| token.0).collect())
        };
        self.trie.tokenize_with_greedy_fallback(bytes, |text| encode(text).unwrap_or_default())
    }
}
