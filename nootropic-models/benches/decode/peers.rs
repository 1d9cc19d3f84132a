//! Other decoders, if they were built.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{GENERATE, PROMPT, Result};

/// Tokens a second of a prompt and of generation, where there is such a program.
pub fn measure(peer: &str, file: &Path) -> Result<Option<(f64, f64)>> {
    let Some(program) = std::env::var_os("NOOTROPIC_MODEL_PEERS") else { return Ok(None) };
    let threads = std::thread::available_parallelism()?;
    let mut command = Command::new(program);
    command.arg(peer).arg(file).arg("--threads").arg(threads.to_string());
    command.arg("--prompt").arg(PROMPT.to_string()).arg("--generate").arg(GENERATE.to_string()).arg("--runs").arg("1");
    let output = command.output()?;
    if !output.status.success() {
        println!("  {peer}: {}", String::from_utf8_lossy(&output.stderr).trim());
        return Ok(None);
    }
    let speed = |phase: &str| {
        let lines = output.stdout.split(|byte| *byte == b'\n');
        let mut lines = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        lines.find(|line| line["phase"] == phase).and_then(|line| line["tokens_per_second"].as_f64())
    };
    Ok(speed("prompt").zip(speed("generate")))
}
