//! How fast whole models run on the CPU: opened, on a prompt, generating, several texts at once.
//!
//! `cargo bench -p nootropic-models --bench decode -- [FILE…] [--runs 5] [--long]`
//!
//! Without files, on models with random weights of the shapes of Qwen2.5-0.5B and of a Llama of 125 million weights. If
//! `NOOTROPIC_MODEL_PEERS` names the program of `benches/peers`, its decoders take turns with ours on the same file. `--long` fills
//! a context of 32,768 tokens. All processors are used, and the machine should have nothing else to do.

mod ours;
mod peers;

use std::path::{Path, PathBuf};

use nootropic_models::{FileType, Precision, SyntheticModel};

type Problem = Box<dyn std::error::Error>;
type Result<T> = std::result::Result<T, Problem>;

/// Tokens of a prompt, and generated after it.
const PROMPT: usize = 512;
const GENERATE: usize = 64;

fn main() -> Result<()> {
    let (mut files, mut runs, mut long) = (Vec::new(), 5, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bench" => {} // Cargo's
            "--long" => long = true,
            "--runs" => runs = args.next().ok_or("--runs: how many?")?.parse()?,
            _ => files.push(PathBuf::from(arg)),
        }
    }
    let folder = tempfile::tempdir()?;
    if files.is_empty() {
        files = synthetic(folder.path())?;
    }
    println!("reading memory: {:.1} GB/s", ours::read_bandwidth()? / 1e9);
    for file in files {
        measure(&file, runs, long)?;
    }
    Ok(())
}

fn synthetic(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for shape in [SyntheticModel::qwen2_5_0_5b(), SyntheticModel::llama_125m()] {
        for mix in [FileType::Q4_0, FileType::Q4_K_M, FileType::Q8_0] {
            let file = folder.join(format!("{}-{mix}.gguf", shape.name.replace(' ', "-")));
            SyntheticModel { precision: Precision::Mix(mix), ..shape.clone() }.write(&file)?;
            files.push(file);
        }
    }
    Ok(files)
}

fn measure(file: &Path, runs: usize, long: bool) -> Result<()> {
    println!("\n{} ({} MB)", file.display(), file.metadata()?.len() / 1_000_000);
    ours::open(file, runs)?;
    let mut model = ours::Decoder::load(file)?;
    let mut speeds = vec![model.measure()?]; // warms up
    speeds.clear();
    let mut others: Vec<(&str, Vec<(f64, f64)>)> = vec![("llama.cpp", Vec::new()), ("candle", Vec::new())];
    for _ in 0..runs {
        speeds.push(model.measure()?);
        for (peer, speeds) in &mut others {
            speeds.extend(peers::measure(peer, file)?);
        }
    }
    print("nootropic", &speeds, &speeds);
    for (peer, peer_speeds) in others.iter().filter(|(_, speeds)| speeds.len() == runs) {
        print(peer, peer_speeds, &speeds);
    }
    if long {
        model.fill()?;
    }
    drop(model);
    ours::at_once(file)
}

/// The medians of a decoder, and how many times as fast ours is, by pairs.
fn print(name: &str, speeds: &[(f64, f64)], ours: &[(f64, f64)]) {
    let of = |pick: fn(&(f64, f64)) -> f64| median(speeds.iter().map(pick));
    let ratio =
        |pick: fn(&(f64, f64)) -> f64| median(ours.iter().zip(speeds).map(|(ours, its)| pick(ours) / pick(its)));
    println!(
        "  {name:10} prompt {:8.1} tokens/s ({:.2})   generation {:7.1} tokens/s ({:.2})",
        of(|speed| speed.0),
        ratio(|speed| speed.0),
        of(|speed| speed.1),
        ratio(|speed| speed.1),
    );
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
