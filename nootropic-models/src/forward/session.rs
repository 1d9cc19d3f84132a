//! A session: the tokens so far, as keys and values.

use std::fmt;
use std::sync::Arc;

use super::cache::LayerCache;
use super::guard::guard;
use super::transformer::Model;
use crate::cpu::{KvCache, KvPrecision};
use crate::cpu_model::Piece;
use crate::{Error, Result};

/// Most positions that are computed at once: scores take memory of this times the context.
const PASS: usize = 512;

/// Which logits to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logits {
    /// None: the tokens are only taken in.
    None,
    /// Those after the last token.
    Last,
    /// Those after each token.
    All,
}

impl Logits {
    /// Of how many of `tokens` tokens.
    pub(super) fn count(self, tokens: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Last => tokens.min(1),
            Self::All => tokens,
        }
    }
}

/// A text that grows: it owns the keys and values of its tokens, and shares the weights.
pub struct Session {
    pub(super) model: Arc<Model>,
    pub(super) caches: Caches,
    context: usize,
    pub(super) len: usize,
    pub(super) failed: bool,
}

/// The keys and values of each block.
pub(super) enum Caches {
    Cpu(Vec<KvCache>),
    Burn(Vec<LayerCache>),
}

impl Session {
    pub(super) fn new(model: Arc<Model>, context: usize) -> Result<Self> {
        let caches = match &*model {
            Model::Cpu(model) => Caches::Cpu(model.caches(KvPrecision::F16)?),
            Model::Burn(model) => Caches::Burn(vec![LayerCache::default(); model.decoder.blocks.len()]),
        };
        Ok(Self { model, caches, context, len: 0, failed: false })
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many tokens there may be.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Another session with the first `len` tokens of this one. It costs no memory until the two differ.
    pub(crate) fn fork(&self, len: usize) -> Self {
        let Self { context, failed, .. } = *self;
        let caches = match &self.caches {
            Caches::Cpu(caches) => Caches::Cpu(caches.clone()),
            Caches::Burn(caches) => Caches::Burn(caches.clone()),
        };
        let mut fork = Self { model: Arc::clone(&self.model), caches, context, len: self.len, failed };
        fork.rewind(len);
        fork
    }

    /// Whether no pass of it failed.
    pub(crate) fn is_sound(&self) -> bool {
        !self.failed
    }

    /// Whether results have the same bits however a text is cut into pieces.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.caches, Caches::Cpu(..))
    }

    /// Bytes of its keys and values, where that is known.
    pub(crate) fn bytes(&self) -> usize {
        match &self.caches {
            Caches::Cpu(caches) => caches.iter().map(KvCache::bytes).sum(),
            Caches::Burn(_) => 0,
        }
    }

    /// Forgets all tokens but the first `len`.
    pub fn rewind(&mut self, len: usize) {
        self.len = self.len.min(len);
        if let Caches::Cpu(caches) = &mut self.caches {
            caches.iter_mut().for_each(|cache| cache.truncate(self.len));
        }
    }

    /// Appends tokens. On the CPU the result has the same bits however a text is cut into pieces; elsewhere that makes
    /// no difference but for rounding.
    ///
    /// Returns [the logits asked for](Logits), as many for each position as there are tokens in the vocabulary, position after
    /// position.
    ///
    /// # Errors
    /// [`Error::TooLong`] if they do not fit, and [`Error::Invalid`] for a token outside of the vocabulary: nothing is appended
    /// then. [`Error::Device`] if the device fails; the session is of no use after that.
    pub fn feed(&mut self, tokens: &[u32], logits: Logits) -> Result<Vec<f32>> {
        self.check(tokens)?;
        let mut result = Vec::new();
        let passes = tokens.len().div_ceil(PASS);
        for (pass, tokens) in tokens.chunks(PASS).enumerate() {
            let logits = match logits {
                Logits::Last if pass + 1 < passes => Logits::None,
                logits => logits,
            };
            self.failed = true; // until it has gone well
            let logits = self.pass(tokens, logits)?;
            match result.is_empty() {
                true => result = logits,
                false => result.extend(logits),
            }
            self.failed = false;
            self.len += tokens.len();
        }
        Ok(result)
    }

    fn pass(&mut self, tokens: &[u32], logits: Logits) -> Result<Vec<f32>> {
        let context = self.context;
        match (&*self.model, &mut self.caches) {
            (Model::Cpu(model), Caches::Cpu(caches)) => {
                guard("a forward pass", "the CPU", || model.pass(&mut [Piece { tokens, caches, context, logits }]))
            }
            (Model::Burn(model), Caches::Burn(caches)) => model.pass(tokens, self.len, context, caches, logits),
            _ => Err(Error::Invalid { what: "session".into(), problem: "it belongs to another device".into() }),
        }
    }

    pub(super) fn check(&self, tokens: &[u32]) -> Result<()> {
        let invalid = |problem: String| Err(Error::Invalid { what: "session".into(), problem });
        if self.failed {
            return invalid("its device has failed; start another".into());
        }
        let got = self.len.saturating_add(tokens.len());
        if got > self.context {
            return Err(Error::TooLong { got, max: self.context });
        }
        let vocabulary = self.model.decoder().vocabulary;
        match tokens.iter().find(|token| **token as usize >= vocabulary) {
            Some(token) => invalid(format!("token {token} is none of {vocabulary}")),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, len, failed, .. } = self;
        f.debug_struct("Session").field("len", len).field("context", context).field("failed", failed).finish()
    }
}
