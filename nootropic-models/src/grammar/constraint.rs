//! A grammar at work in one generation.

use std::fmt;
use std::sync::Arc;

use llguidance::Matcher;
use llguidance::toktrie::SimpleVob;

use super::Grammar;
use super::closing::Closers;
use super::nesting::Nesting;
use super::numbers::{NegativeZero, may_overflow, negative_zero};
use super::vocabulary::GrammarVocabulary;
use crate::{Error, Result};

/// With so many tokens left beyond the way to the end, it is looked for wherever it may become longer at once.
const NEAR: usize = 512;
/// With so many left beyond it, it is looked for before each token: the letter that decides on a name may make it this much longer.
const NARROW: usize = 48;
/// Elsewhere, after so many tokens, or fewer.
const EVERY: usize = 8;
/// No farther than that is looked.
const FARTHEST: usize = 1024;

/// So many bytes of the text are kept, for numbers.
const TAIL: usize = 256;

/// A grammar, and how far a text has come in it.
pub(crate) struct Constraint {
    matcher: Matcher,
    closers: Arc<Closers>,
    /// Tokens that may lead out of text that goes on and on.
    exits: Arc<[Vec<u32>]>,
    /// How many tokens the end was away when it was last looked for.
    to_end: usize,
    /// Tokens that lead to the end from where the text is, if they are known.
    way: Vec<u32>,
    /// How many tokens ago it was looked for.
    since: usize,
    /// Whether the answer could end here.
    could_end: bool,
    /// The end of the text.
    tail: Vec<u8>,
    /// How deep it is nested, where it is JSON.
    nesting: Option<Nesting>,
}

impl Constraint {
    /// At the beginning of an answer.
    ///
    /// # Errors
    /// [`Error::Grammar`].
    pub(crate) fn new(grammar: &Grammar, vocabulary: &GrammarVocabulary) -> Result<Self> {
        let matcher = vocabulary.matcher(grammar)?;
        let exits = grammar.exits().iter().map(|exit| vocabulary.tokens(exit)).collect();
        Ok(Self {
            matcher,
            closers: Arc::clone(&vocabulary.closers),
            exits,
            to_end: 0,
            way: Vec::new(),
            since: EVERY,
            could_end: false,
            tail: Vec::new(),
            nesting: grammar.has_json().then(Nesting::default),
        })
    }

    /// The tokens that may come next; those that end the answer, where it may end.
    ///
    /// # Errors
    /// [`Error::Grammar`] if the parser gives up, for a grammar that is too ambiguous.
    pub(crate) fn allowed(&mut self) -> Result<SimpleVob> {
        let mut allowed =
            self.matcher.compute_mask_or_eos().map_err(|error| Error::Grammar { problem: error.to_string() })?;
        self.could_end = self.closers.can_end(&allowed);
        let after_digit = self.tail.last().is_some_and(u8::is_ascii_digit);
        let may_be_zero = self.nesting.is_some() && self.may_be_negative_zero(&allowed);
        // In a string any text may come, and nothing of it is a number.
        if (after_digit || may_be_zero) && !self.closers.goes_on_in_letters(&allowed) {
            if after_digit {
                self.bound_number(&mut allowed);
            }
            if may_be_zero {
                self.leave_out_negative_zero(&mut allowed);
            }
        }
        Ok(allowed)
    }

    /// Whether the text stands before, in or after a `-0`.
    fn may_be_negative_zero(&self, allowed: &SimpleVob) -> bool {
        self.tail.ends_with(b"-") || self.tail.ends_with(b"-0") || self.closers.has_negative_zero(allowed)
    }

    /// Leaves out what makes a value `-0`: not every reader takes it for an integer. A fraction may follow it, where one may come.
    fn leave_out_negative_zero(&self, allowed: &mut SimpleVob) {
        let mut bounded = allowed.clone();
        let Ok(env) = self.matcher.tok_env() else { return };
        for token in allowed.to_list() {
            let left_out = match negative_zero(&self.tail, env.tok_trie().token(token)) {
                NegativeZero::No => false,
                NegativeZero::Whole => true,
                NegativeZero::Begun => {
                    let mut after = self.matcher.clone();
                    let then = after.consume_token(token).and_then(|()| after.compute_mask_or_eos());
                    !then.is_ok_and(|then| self.closers.goes_on_in_fraction(&then))
                }
            };
            if left_out {
                bounded.disallow_token(token);
            }
        }
        if !bounded.is_zero() {
            *allowed = bounded;
        }
    }

    /// Leaves out what makes a number too large to hold, if anything else may come.
    fn bound_number(&self, allowed: &mut SimpleVob) {
        let mut bounded = allowed.clone();
        let Ok(env) = self.matcher.tok_env() else { return };
        for token in allowed.to_list() {
            if may_overflow(&self.tail, env.tok_trie().token(token)) {
                bounded.disallow_token(token);
            }
        }
        if !bounded.is_zero() {
            *allowed = bounded;
        }
    }

    /// `token`, which is allowed, or another one where after it the answer could not end within the `left` tokens there are, itself
    /// included, or would be nested deeper than readers read.
    pub(crate) fn steered(&mut self, token: u32, left: usize) -> u32 {
        self.since += 1;
        if self.is_too_deep_after(token)
            && let Some(path) =
                self.closers.path(&self.matcher, &self.exits, left.min(FARTHEST)).filter(|path| !path.is_empty())
        {
            (self.since, self.to_end, self.way) = (0, path.len(), path);
            return self.way.remove(0);
        }
        if !self.looks(token, left) {
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
            self.way = path;
            return token;
        }
        if most == FARTHEST {
            self.to_end = FARTHEST; // look again when it matters
            return token;
        }
        // The way that was found before is still there.
        if self.way.is_empty() || self.way.len() > left {
            self.way = self.closers.path(&self.matcher, &self.exits, left).unwrap_or_default();
        }
        match self.way.is_empty() {
            true => token, // the budget was too small from the start
            false => self.way.remove(0),
        }
    }

    /// Whether to look for the end from behind `token`: the less room there is, the more often, and where the token may begin what
    /// takes long.
    fn looks(&self, token: u32, left: usize) -> bool {
        let room = left.saturating_sub(self.to_end);
        let begins = || {
            let env = self.matcher.tok_env().ok();
            env.is_some_and(|env| env.tok_trie().token(token).iter().any(|byte| b"{[<:,\"".contains(byte)))
        };
        self.since > EVERY.min(room / 4) || room <= NARROW || room <= NEAR && (self.could_end || begins())
    }

    fn is_too_deep_after(&self, token: u32) -> bool {
        let env = self.matcher.tok_env().ok();
        self.nesting.zip(env).is_some_and(|(nesting, env)| nesting.is_too_deep_after(env.tok_trie().token(token)))
    }

    /// Goes on after a token that was allowed.
    ///
    /// # Errors
    /// [`Error::Grammar`] for one that was not.
    pub(crate) fn accept(&mut self, token: u32) -> Result<()> {
        if self.since > 0 {
            self.way.clear(); // it was not looked where this token leads
        }
        if let Ok(env) = self.matcher.tok_env() {
            let bytes = env.tok_trie().token(token);
            self.tail.extend_from_slice(bytes);
            if let Some(nesting) = &mut self.nesting {
                nesting.push(bytes);
            }
            let old = self.tail.len().saturating_sub(TAIL);
            self.tail.drain(..old);
        }
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
            way: self.way.clone(),
            since: self.since,
            could_end: self.could_end,
            tail: self.tail.clone(),
            nesting: self.nesting,
        }
    }
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Constraint").field("to_end", &self.to_end).finish_non_exhaustive()
    }
}
