//! What an embedder does for search, and what it costs.
//!
//! ```sh
//! cargo bench -p nootropic --bench hybrid -- speed [DIR]
//! cargo bench -p nootropic --bench hybrid -- quality --checkouts DIR [--data DIR]… [--embedder static|DIR] [--rerank DIR] [--whole-repo]
//! ```
//!
//! Without DIR the corpus is about 50 MB of the sources that Cargo has at hand. Where questions and checkouts come from:
//! `nootropic-context/benches/retrieval/README.md`.

#[path = "hybrid/quality.rs"]
mod quality;
#[path = "../../../nootropic-context/benches/retrieval/questions.rs"]
mod questions;
#[path = "../../../nootropic-context/benches/shared/mod.rs"]
mod shared;
#[path = "hybrid/speed.rs"]
mod speed;

use questions::Problem;

fn main() -> Result<(), Problem> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.split_first() {
        Some((task, rest)) if task == "speed" => speed::measure(rest),
        Some((task, rest)) if task == "quality" => quality::measure(rest),
        _ => {
            println!("hybrid: `speed` or `quality`; nothing was measured");
            Ok(())
        }
    }
}
