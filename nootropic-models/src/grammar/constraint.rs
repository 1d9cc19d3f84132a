//! A grammar at work in one generation.

use std::fmt;
use std::sync::Arc;

use llguidance::Matcher;
use llguidance::toktrie::SimpleVob;

use super::Grammar;
use super::closing::Closers;
use super::vocabulary::GrammarVocabulary;
use crate::{Error, Result};

/// With so many tokens left, the way to the end is looked at before each token.
const NEAR: usize = 48;
/// Farther away, after so many.
const EVERY: usize = 8;
/// No farther than that is looked.
const FARTHEST: usize = 1024;

/// A grammar, and how far a text has come in it.
pub(crate) struct Constraint {
    matcher: Matcher,
    closers: Arc<Closers>,
    /// Tokens that lead out of free text.
    exits: Arc<[Vec<u32>]>,
    /// How many tokens the end was away when it was last looked for.
    to_end: usize,
    since: usize,
}

impl Constraint {
    /// At the beginning of an answer.
    ///
    /// # Errors
    /// [`Error::Grammar`].
    pub(crate) fn new(grammar: &Grammar, vocabulary: &GrammarVocabulary) -> Result<Self> {
        let matcher = vocabulary.matcher(grammar)?;
        let exits = grammar.exits().iter().map(|exit| vocabulary.tokens(exit)).collect();
        Ok(Self { matcher, closers: Arc::clone(&vocabulary.closers), exits, to_end: 0, since: EVERY })
    }

    /// The tokens that may come next; those that end the answer, where it may end.
    ///
    /// # Errors
    /// [`Error::Grammar`] if the parser gives up, for a grammar that is too ambiguous.
    pub(crate) fn allowed(&mut self) -> Result<SimpleVob> {
        self.matcher.compute_mask_or_eos().map_err(|error| Error::Grammar { problem: error.to_string() })
    }

    /// `token`, which is allowed, or another one where after it the answer could not end within the `left` tokens there are, itself
    /// included.
    pub(crate) fn steered(&mut self, token: u32, left: usize) -> u32 {
        if left > NEAR.max(4 * self.to_end) && self.since < EVERY {
            self.since += 1;
            return token;
        }
        self.since = 0;
        let mut after = self.matcher.clone();
        if after.consume_token(token).is_err() || after.is_stopped() {
            return token;
        }
        // Far from the end of the budget a long way is no reason to look all along it.
        let most = left.saturating_sub(1).min(FARTHEST);
        if let Some(path) = self.closers.path(&after, &self.exits, most) {
            self.to_end = path.len() + 1;
            return token;
        }
        if most == FARTHEST {
            self.to_end = FARTHEST; // look again when it matters
            return token;
        }
        match self.closers.path(&self.matcher, &self.exits, left).as_deref() {
            Some([first, ..]) => *first,
            _ => token, // the budget was too small from the start
        }
    }

    /// Goes on after a token that was allowed.
    ///
    /// # Errors
    /// [`Error::Grammar`] for one that was not.
    pub(crate) fn accept(&mut self, token: u32) -> Result<()> {
        self.matcher.consume_token(token).map_err(|error| Error::Grammar { problem: error.to_string() })
    }
}

impl Clone for Constraint {
    fn clone(&self) -> Self {
        Self {
            matcher: self.matcher.deep_clone(),
            closers: Arc::clone(&self.closers),
            exits: Arc::clone(&self.exits),
            to_end: self.to_end,
            since: self.since,
        }
    }
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Constraint").field("to_end", &self.to_end).finish_non_exhaustive()
    }
}
