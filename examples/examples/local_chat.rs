//! How does a Rust program talk to a model in a file?
//!
//! `cargo run --release --example local_chat -- model.gguf "What does fsync promise?"`

use std::io::Write;

use futures_executor::block_on;
use futures_util::StreamExt;
use nootropic::core::{GenerateRequest, Message, Model, ModelEvent, Result};
use nootropic::models::{Device, LocalModel};

/// Asks, and writes the answer as it comes.
async fn ask(model: &dyn Model, question: &str, out: &mut impl Write) -> Result<()> {
    let mut answer = model.generate(GenerateRequest::chat([Message::user(question)])).await?;
    while let Some(event) = answer.next().await {
        if let ModelEvent::Text { text } = event? {
            let _ = write!(out, "{text}").and_then(|()| out.flush()); // nobody reads any more
        }
    }
    Ok(())
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a model file: nootropic models list")?;
    let question = arguments.next().unwrap_or_else(|| "What does fsync promise?".into());
    let model = LocalModel::open(path, Device::Auto)?;
    model.notices().iter().for_each(|notice| eprintln!("{notice}"));
    block_on(ask(&model, &question, &mut std::io::stdout()))?;
    println!();
    Ok(())
}

#[cfg(test)]
mod tests {
    use nootropic::core::reference::{Reply, ScriptedModel};

    #[test]
    fn the_answer_is_written() {
        let model = ScriptedModel::new([Reply::text("That it is durable.")]);
        let mut out = Vec::new();
        futures_executor::block_on(super::ask(&model, "What does fsync promise?", &mut out)).unwrap();
        assert_eq!(out, b"That it is durable.");
    }
}
