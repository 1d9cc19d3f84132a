//! A model that knows nothing: random logits, and what a grammar and a sampler make of them.

use std::sync::{Arc, LazyLock};

use nootropic_core::{ModelEvent, Sampling, ToolCall};

use crate::generate::Sampler;
use crate::grammar::{Constraint, Grammar, GrammarVocabulary};
use crate::random::Random;
use crate::tokens::{DecodeStream, TokenId, TokenKind, Tokenizer};
use crate::{Gguf, SyntheticModel, ToolParser};

pub(super) struct Speaker {
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) vocabulary: GrammarVocabulary,
    /// Normally distributed; logits are a piece of them.
    noise: Vec<f32>,
}

/// What came of a generation.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) calls: Vec<ToolCall>,
    /// Whether it ended by itself.
    pub(super) ended: bool,
    /// All of it, marks included.
    pub(super) whole: String,
}

/// How to draw.
#[derive(Clone, Copy)]
pub(super) struct Draw {
    pub(super) seed: u64,
    pub(super) temperature: f32,
    pub(super) max_tokens: usize,
}

/// The one that all tests share: to read a vocabulary takes a while.
pub(super) static SPEAKER: LazyLock<Speaker> = LazyLock::new(|| {
    let bytes = SyntheticModel { vocabulary: 2_000, ..SyntheticModel::tiny() }.to_bytes().unwrap();
    let tokenizer = Arc::new(Tokenizer::from_gguf(&Gguf::from_bytes("tiny", bytes).unwrap()).unwrap());
    let vocabulary = GrammarVocabulary::new(Arc::clone(&tokenizer)).unwrap();
    let mut random = Random::new(1);
    let noise = (0..1 << 16).map(|_| random.normal() * 2.0).collect();
    Speaker { tokenizer, vocabulary, noise }
});

impl Speaker {
    /// The control token of a name.
    pub(super) fn control(&self, mark: &str) -> Option<u32> {
        let token = self.tokenizer.find(mark)?;
        (self.tokenizer.kind(token) == TokenKind::Control).then_some(token.0)
    }

    /// An answer of `grammar`, read by `parser`, if there is one. Panics if what it said cannot be read.
    pub(super) fn speak(&self, grammar: &Grammar, parser: Option<ToolParser>, draw: Draw) -> Said {
        let mut constraint = Constraint::new(grammar, &self.vocabulary).unwrap();
        let mut sampler =
            Sampler::new(&Sampling { temperature: draw.temperature, seed: draw.seed, ..Sampling::default() }, &[]);
        let mut random = Random::new(!draw.seed);
        let mut logits = vec![0.0; self.tokenizer.len()];
        let mut tokens = Vec::new();
        let mut ended = false;
        for left in (1..=draw.max_tokens).rev() {
            let start = random.below(self.noise.len() - logits.len());
            logits.copy_from_slice(&self.noise[start..][..self.tokenizer.len()]);
            let allowed = constraint.allowed().unwrap();
            let token = sampler.choose(&mut logits, |token| allowed.is_allowed(token)).unwrap();
            let token = constraint.steered(token, left);
            if self.tokenizer.ends_generation(TokenId(token)) {
                ended = true;
                break;
            }
            constraint.accept(token).unwrap();
            tokens.push(TokenId(token));
        }
        self.read(&tokens, parser, ended)
    }

    fn read(&self, tokens: &[TokenId], parser: Option<ToolParser>, ended: bool) -> Said {
        let whole = self.tokenizer.decode_with(DecodeStream::continuing().show_control(), tokens);
        let mut said = Said { ended, whole, ..Said::default() };
        let Some(mut parser) = parser else {
            said.text = said.whole.clone();
            return said;
        };
        let mut stream = DecodeStream::continuing().show_control();
        let mut events = Vec::new();
        for token in tokens {
            events.extend(parser.push(&stream.push(&self.tokenizer, *token)));
        }
        events.extend(parser.push(&stream.finish()));
        events.extend(if ended { parser.finish() } else { parser.cut() });
        for event in events {
            match event.unwrap_or_else(|error| panic!("{error}: {:?}", said.whole)) {
                ModelEvent::Text { text } => said.text.push_str(&text),
                ModelEvent::Reasoning { text } => said.reasoning.push_str(&text),
                ModelEvent::ToolCall(call) => said.calls.push(call),
                other => panic!("{other:?}"),
            }
        }
        said
    }
}
