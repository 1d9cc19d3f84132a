//! Tokens with a meaning of their own, found by the names that models give them.

use super::vocabulary::{TokenKind, Vocabulary};

/// The tokens that steer a generation.
#[derive(Debug, Clone, Default)]
pub(crate) struct SpecialTokens {
    pub(crate) bos: Option<u32>,
    pub(crate) eos: Option<u32>,
    /// Every token that ends a generation, ascending.
    pub(crate) ends: Vec<u32>,
    pub(crate) infill: InfillTokens,
}

/// The tokens around a gap.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct InfillTokens {
    pub(crate) prefix: Option<u32>,
    pub(crate) suffix: Option<u32>,
    pub(crate) middle: Option<u32>,
    pub(crate) pad: Option<u32>,
    pub(crate) repository: Option<u32>,
    pub(crate) file: Option<u32>,
}

/// Names of tokens that end a turn, a message or a text.
const END_NAMES: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<｜end▁of▁sentence｜>",
    "<|EOT|>",
];

const PREFIX_NAMES: &[&str] = &[
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<PRE>",
    "▁<PRE>",
    "[PREFIX]",
    "<|code_prefix|>",
    "<|prefix|>",
];
const SUFFIX_NAMES: &[&str] = &[
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<SUF>",
    "▁<SUF>",
    "[SUFFIX]",
    "<|code_suffix|>",
    "<|suffix|>",
];
const MIDDLE_NAMES: &[&str] = &[
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
    "<MID>",
    "▁<MID>",
    "[MIDDLE]",
    "<|code_middle|>",
    "<|middle|>",
];
const PAD_NAMES: &[&str] = &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>"];
const REPOSITORY_NAMES: &[&str] =
    &["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<repo_name>"];
const FILE_NAMES: &[&str] = &["<|file_sep|>", "<file_sep>", "<|file_separator|>"];

impl SpecialTokens {
    /// Fills in by name what the file does not say, and makes what it found control tokens: a file that calls its end of turn
    /// an ordinary token would let users end the turn.
    pub(crate) fn complete(mut self, vocabulary: &mut Vocabulary) -> Self {
        let known = |id: Option<u32>, names: &[&str]| id.or_else(|| names.iter().find_map(|name| vocabulary.id(name)));
        let infill = InfillTokens {
            prefix: known(self.infill.prefix, PREFIX_NAMES),
            suffix: known(self.infill.suffix, SUFFIX_NAMES),
            middle: known(self.infill.middle, MIDDLE_NAMES),
            pad: known(self.infill.pad, PAD_NAMES),
            repository: known(self.infill.repository, REPOSITORY_NAMES),
            file: known(self.infill.file, FILE_NAMES),
        };
        self.infill = infill;
        self.ends.extend(END_NAMES.iter().filter_map(|name| vocabulary.id(name)));
        self.ends.extend(self.eos);
        // A model that goes on with the next file has filled its gap.
        self.ends.extend([infill.pad, infill.repository, infill.file].into_iter().flatten());
        self.ends.sort_unstable();
        self.ends.dedup();
        let gap = [infill.prefix, infill.suffix, infill.middle, self.bos];
        for id in self.ends.iter().copied().chain(gap.into_iter().flatten()) {
            if vocabulary.kind(id) != TokenKind::Unknown {
                vocabulary.set_kind(id, TokenKind::Control);
            }
        }
        self
    }
}
