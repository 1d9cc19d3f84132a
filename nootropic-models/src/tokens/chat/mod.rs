//! Conversations as a model was trained to see them: chat templates, and what text of users may not do in them.

mod builtin;
mod functions;
mod json;
mod prompt;
mod refusal;
mod template;
mod values;

pub use prompt::RenderedPrompt;
pub use template::{ChatTemplate, RenderOptions};
