//! One generation under way.

use std::collections::VecDeque;

use futures_channel::mpsc;
use nootropic_core::{FinishReason, Logprobs, ModelEvent, Result as CoreResult, TokenLogprob, Usage};

use super::lookup::Lookup;
use crate::generate::{LogProb, Sampler, StopStrings, log_probs};
use crate::grammar::Constraint;
use crate::tokens::{DecodeStream, TokenId, Tokenizer, ToolParser};
use crate::{Error, Logits, Result, Session};

/// What tokens become.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) decode: DecodeStream,
    /// Tells thinking, calls and text apart, in conversations and where there are tools.
    pub(super) parser: Option<ToolParser>,
}

/// A generation under way.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) session: Session,
    /// The prompt and what was produced.
    pub(super) tokens: Vec<u32>,
    pub(super) prompt: usize,
    /// Of the prompt, how many were known.
    pub(super) cached: usize,
    pub(super) max_tokens: usize,
    pub(super) sampler: Sampler,
    /// How many alternatives are told with each token, if log-probabilities are.
    pub(super) logprobs: Option<usize>,
    pub(super) constraint: Option<Constraint>,
    pub(super) stop: StopStrings,
    pub(super) reader: Reader,
    pub(super) sender: mpsc::Sender<CoreResult<ModelEvent>>,
    /// Guesses what comes next, where a wrong guess changes nothing.
    pub(super) lookup: Option<Lookup>,
    /// What is fed next: tokens, then guesses.
    pub(super) fed: Vec<u32>,
    /// How many of that are guesses.
    pub(super) guessed: usize,
    /// What the reader has no room for yet.
    pub(super) outbox: VecDeque<CoreResult<ModelEvent>>,
    pub(super) finished: bool,
    /// Whether a tool was called.
    pub(super) called: bool,
    /// Whether it counts as running.
    pub(super) counted: bool,
}

impl Sequence {
    /// Makes ready what is to be fed next, at most `most` tokens and `guesses` more that are guessed, and says which logits are wanted
    /// then.
    pub(super) fn next(&mut self, most: usize, guesses: usize) -> Logits {
        let start = self.session.len();
        let end = self.tokens.len().min(start + most.max(1));
        self.fed.clear();
        self.fed.extend_from_slice(&self.tokens[start..end]);
        self.guessed = 0;
        if end < self.tokens.len() {
            return Logits::None;
        }
        let Some(lookup) = self.lookup.as_mut().filter(|_| self.fed.len() == 1) else { return Logits::Last };
        let left = self.max_tokens - (self.tokens.len() - self.prompt); // the last one is chosen, not guessed
        let guess = lookup.guess(&self.tokens, guesses.min(left.saturating_sub(1)));
        self.guessed = guess.len();
        self.fed.extend_from_slice(guess);
        if guess.is_empty() { Logits::Last } else { Logits::All }
    }

    /// Whether it waits for its reader.
    pub(super) fn waits(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether nobody reads it any more.
    pub(super) fn is_dropped(&self) -> bool {
        self.sender.is_closed()
    }

    /// Gives out what there is room for.
    pub(super) fn deliver(&mut self) {
        while let Some(event) = self.outbox.pop_front() {
            if let Err(refused) = self.sender.try_send(event) {
                if refused.is_full() {
                    self.outbox.push_front(refused.into_inner());
                }
                return;
            }
        }
    }

    /// Chooses the next token from the logits after the last one; and one after each guess, as long as the guesses are what was chosen.
    pub(super) fn advance(&mut self, logits: &mut [f32], tokenizer: &Tokenizer) {
        let guess = self.fed.split_off(self.fed.len() - self.guessed);
        let mut right = 0;
        for (row, guess) in
            logits.chunks_exact_mut(logits.len() / (guess.len() + 1)).zip(guess.iter().map(Some).chain([None]))
        {
            if let Err(error) = self.try_advance(row, tokenizer) {
                self.fail(error);
            }
            if self.finished || self.tokens.last() != guess {
                break;
            }
            right += 1;
        }
        if let Some(lookup) = &mut self.lookup {
            lookup.learn(guess.len(), right);
        }
        self.session.rewind(self.session.len() - (guess.len() - right));
    }

    /// Ends with an error.
    pub(super) fn fail(&mut self, error: Error) {
        self.outbox.push_back(Err(error.into()));
        self.finished = true;
    }

    fn produced(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    fn try_advance(&mut self, logits: &mut [f32], tokenizer: &Tokenizer) -> Result<()> {
        let left = self.max_tokens - self.produced();
        let known = tokenizer.len() as u32; // models have more rows than tokens, some of them
        let token = match &mut self.constraint {
            Some(constraint) => {
                let allowed = constraint.allowed()?;
                let token = self.sampler.choose(logits, |token| token < known && allowed.is_allowed(token))?;
                constraint.steered(token, left)
            }
            None => self.sampler.choose(logits, |token| token < known)?,
        };
        if tokenizer.ends_generation(TokenId(token)) {
            return self.finish(FinishReason::Stop);
        }
        if let Some(constraint) = &mut self.constraint {
            constraint.accept(token)?;
        }
        self.tokens.push(token);
        if let Some(count) = self.logprobs {
            let known = logits.get(..tokenizer.len()).unwrap_or(logits);
            self.outbox.push_back(Ok(ModelEvent::Logprobs(logprobs(known, token, count, tokenizer))));
        }
        let text = self.reader.decode.push(tokenizer, TokenId(token));
        self.say(&text)?;
        if self.stop.stopped() {
            return self.finish(FinishReason::Stop);
        }
        if self.produced() >= self.max_tokens {
            return self.finish(FinishReason::Length);
        }
        Ok(())
    }

    /// Gives out text, told apart from thinking and calls.
    fn say(&mut self, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        match &mut self.reader.parser {
            Some(parser) => {
                for event in parser.push(text) {
                    self.emit(event?);
                }
            }
            None => self.emit(ModelEvent::Text { text: text.to_owned() }),
        }
        Ok(())
    }

    /// Gives out an event; of text, what is before a stop string.
    fn emit(&mut self, event: ModelEvent) {
        if self.stop.stopped() {
            return;
        }
        let text = match &event {
            ModelEvent::Text { text } => self.stop.push(text),
            _ => self.stop.finish(), // text before a call is whole
        };
        if !text.is_empty() {
            self.outbox.push_back(Ok(ModelEvent::Text { text }));
        }
        match event {
            ModelEvent::Text { .. } => {}
            other => {
                self.called |= matches!(other, ModelEvent::ToolCall(_));
                self.outbox.push_back(Ok(other));
            }
        }
    }

    fn finish(&mut self, reason: FinishReason) -> Result<()> {
        if !self.stop.stopped() {
            let rest = std::mem::take(&mut self.reader.decode).finish();
            self.say(&rest)?;
            if let Some(parser) = self.reader.parser.take() {
                let events = if reason == FinishReason::Length { parser.cut() } else { parser.finish() };
                for event in events {
                    self.emit(event?);
                }
            }
            let text = self.stop.finish();
            if !text.is_empty() {
                self.outbox.push_back(Ok(ModelEvent::Text { text }));
            }
        }
        let reason = match reason {
            _ if self.stop.stopped() && !self.called => FinishReason::Stop,
            FinishReason::Stop if self.called => FinishReason::ToolCalls,
            reason => reason,
        };
        let usage = Usage { prompt_tokens: self.prompt, cached_tokens: self.cached, output_tokens: self.produced() };
        self.outbox.push_back(Ok(ModelEvent::Usage(usage)));
        self.outbox.push_back(Ok(ModelEvent::Finished { reason }));
        self.finished = true;
        Ok(())
    }
}

/// How likely a token was, and its likeliest alternatives.
fn logprobs(logits: &[f32], token: u32, count: usize, tokenizer: &Tokenizer) -> Logprobs {
    let told = |LogProb { token, log_prob }: LogProb| {
        let text = String::from_utf8_lossy(tokenizer.token_bytes(TokenId(token))).into_owned();
        TokenLogprob { id: token, text, logprob: log_prob }
    };
    let (token, top) = log_probs(logits, token, count);
    Logprobs { token: told(token), top: top.into_iter().map(told).collect() }
}
