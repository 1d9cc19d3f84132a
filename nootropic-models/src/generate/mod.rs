//! From logits to text: which token comes next, and where the text ends.

mod candidates;
mod sampler;
mod stop;
#[cfg(test)]
mod tests;

pub(crate) use candidates::likeliest;
pub(crate) use sampler::{LogProb, Sampler, log_probs};
pub(crate) use stop::StopStrings;
