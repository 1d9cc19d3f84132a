//! One answer of a model, as it comes and as a whole.

use std::pin::pin;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use nootropic_core::{FinishReason, GenerateRequest, Model, ModelEvent, Usage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::waiting::wait;
use crate::{Call, Result};

/// What a model answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generated {
    /// The answer.
    pub text: String,
    /// What the model thought before, where it says so.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[serde(default)]
    pub reasoning: String,
    /// Why it ended; nothing if it was stopped.
    pub finish: Option<FinishReason>,
    /// How many tokens it took.
    pub usage: Usage,
    /// From asking to the first token, in milliseconds.
    pub first_token_ms: f64,
    /// Tokens produced in a second, after the first.
    pub tokens_per_second: f64,
}

/// Asks, and gives `each` what comes. Whoever cancels gets what there is by then.
///
/// # Errors
/// As [`Model::generate`] and its events.
pub(crate) fn generate(
    model: &dyn Model,
    request: GenerateRequest,
    call: &Call,
    each: &mut dyn FnMut(&ModelEvent),
) -> Result<Generated> {
    let begun = Instant::now();
    let mut first = None;
    let mut answer = Generated::default();
    wait(async {
        let mut events = model.generate(request).await?;
        while let Either::Left((Some(event), _)) = select(events.next(), pin!(call.cancel.cancelled())).await {
            let event = event?;
            first.get_or_insert_with(Instant::now);
            each(&event);
            match event {
                ModelEvent::Text { text } => answer.text.push_str(&text),
                ModelEvent::Reasoning { text } => answer.reasoning.push_str(&text),
                ModelEvent::Usage(usage) => answer.usage = usage,
                ModelEvent::Finished { reason } => answer.finish = Some(reason),
                _ => {}
            }
        }
        Ok::<_, nootropic_core::Error>(())
    })?;
    if let Some(first) = first {
        answer.first_token_ms = (first - begun).as_secs_f64() * 1e3;
        let (seconds, tokens) = (first.elapsed().as_secs_f64(), answer.usage.output_tokens.saturating_sub(1));
        answer.tokens_per_second = if seconds > 0.0 { tokens as f64 / seconds } else { 0.0 };
    }
    Ok(answer)
}
