//! The same measurement for every peer.

use std::time::Instant;

use serde_json::json;

use crate::Result;
use crate::options::Options;

/// A decoder that holds one or more texts.
pub trait Decoder {
    /// Forgets all, and reads a prompt as the first text. Returns the likeliest token after it.
    fn prompt(&mut self, tokens: &[u32]) -> Result<u32>;

    /// Gives all other texts the same prompt; not measured.
    fn share(&mut self) -> Result<()>;

    /// Adds a token to each text; returns the likeliest one after each.
    fn generate(&mut self, tokens: &[u32]) -> Result<Vec<u32>>;
}

/// Measures a decoder, and prints what came out.
pub fn measure(
    name: &str,
    package: &str,
    options: &Options,
    vocabulary: usize,
    decoder: &mut impl Decoder,
) -> Result<()> {
    let prompt: Vec<u32> = (0..options.prompt).map(|i| ((i * 7919 + 13) % vocabulary.min(30_000)) as u32).collect();
    let (mut prompts, mut generations) = (Vec::new(), Vec::new());
    for run in 0..=options.runs {
        let start = Instant::now();
        let first = decoder.prompt(&prompt)?;
        let prompt_time = start.elapsed();
        decoder.share()?;
        let mut tokens = vec![first; options.sequences];
        let start = Instant::now();
        for _ in 0..options.generate {
            tokens = decoder.generate(&tokens)?;
        }
        let generate_time = start.elapsed();
        if run > 0 {
            prompts.push(options.prompt as f64 / prompt_time.as_secs_f64());
            generations.push((options.generate * options.sequences) as f64 / generate_time.as_secs_f64());
        }
    }
    print(name, package, options, "prompt", options.prompt, prompts);
    print(name, package, options, "generate", options.generate * options.sequences, generations);
    Ok(())
}

fn print(name: &str, package: &str, options: &Options, phase: &str, tokens: usize, mut speeds: Vec<f64>) {
    speeds.sort_by(f64::total_cmp);
    let median = speeds[speeds.len() / 2];
    let line = json!({
        "peer": name,
        "version": version(package),
        "model": options.file.file_name().unwrap_or_default().to_string_lossy(),
        "phase": phase,
        "threads": options.threads,
        "sequences": options.sequences,
        "tokens": tokens,
        "runs": options.runs,
        "statistic": "median",
        "tokens_per_second": median,
        "best_tokens_per_second": speeds[speeds.len() - 1],
    });
    println!("{line}");
}

/// The version that was built in.
fn version(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let found =
        lock.split_once(&format!("name = \"{package}\"\nversion = \"")).and_then(|(_, rest)| rest.split_once('"'));
    format!("{package} {}", found.map_or("?", |(version, _)| version))
}

/// The index of the largest logit.
pub fn likeliest(logits: &[f32]) -> u32 {
    let better = |best: usize, next: usize| if logits[next] > logits[best] { next } else { best };
    (0..logits.len()).reduce(better).unwrap_or_default() as u32
}
