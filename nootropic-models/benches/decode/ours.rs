//! Our own decoder.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_executor::block_on;
use futures_util::StreamExt;
use futures_util::future::join_all;
use nootropic_core::{GenerateRequest, Model, ModelEvent};
use nootropic_models::cpu::Pool;
use nootropic_models::{Device, LocalModel, Logits, ModelFile, Session, Transformer};

use crate::{GENERATE, PROMPT, Result, median};

/// Bytes a second that all threads read together.
pub fn read_bandwidth() -> Result<f64> {
    const CHUNK: usize = 1 << 16;
    let pool = Pool::with_all_processors()?;
    let mut map = memmap2::MmapMut::map_anon(1 << 30)?;
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    map.fill(1);
    let words: &[u64] = bytemuck::cast_slice(&map);
    let total = AtomicU64::new(0);
    let read = || {
        let start = Instant::now();
        pool.run(words.len() / CHUNK, |chunk| {
            let words = words[chunk * CHUNK..][..CHUNK].as_chunks::<32>().0;
            let mut sums = [0; 32];
            for words in words {
                for (sum, word) in sums.iter_mut().zip(words) {
                    *sum |= word;
                }
            }
            total.fetch_add(sums.iter().sum::<u64>(), Ordering::Relaxed);
        });
        map.len() as f64 / start.elapsed().as_secs_f64()
    };
    Ok((0..7).map(|_| read()).fold(0.0, f64::max))
}

/// From nothing to the first token.
pub fn open(file: &Path, runs: usize) -> Result<()> {
    let _ = std::fs::write("/proc/self/clear_refs", "5"); // Linux counts the most memory from here on
    let mut times = Vec::new();
    let mut opened = Vec::new();
    for _ in 0..=runs {
        let start = Instant::now();
        let model = LocalModel::open(file, Device::Cpu)?;
        opened.push(start.elapsed().as_secs_f64());
        run(&model, "fn main", 1)?;
        times.push(start.elapsed().as_secs_f64());
    }
    let (opened, times) = (median(opened.into_iter().skip(1)), median(times.into_iter().skip(1)));
    println!("  open {:.0} ms, with the first token {:.0} ms", opened * 1e3, times * 1e3);
    println!("  memory {}", memory().unwrap_or_default());
    Ok(())
}

/// What is in memory now, and was at most.
fn memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let lines = status.lines().filter(|line| ["VmRSS", "VmHWM", "RssAnon"].iter().any(|name| line.starts_with(name)));
    Some(lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", "))
}

/// A model, tokens in, logits out.
pub struct Decoder {
    model: Transformer,
    session: Session,
}

impl Decoder {
    pub fn load(file: &Path) -> Result<Self> {
        let model = Transformer::load(&ModelFile::open(file)?, &Device::Cpu.open(None)?)?;
        let session = model.session(model.context())?;
        Ok(Self { model, session })
    }

    /// Tokens a second, of a prompt and of generation.
    pub fn measure(&mut self) -> Result<(f64, f64)> {
        let vocabulary = self.model.vocabulary().min(30_000);
        let prompt: Vec<u32> = (0..PROMPT).map(|i| ((i * 7919 + 13) % vocabulary) as u32).collect();
        self.session.rewind(0);
        let start = Instant::now();
        let mut token = likeliest(&self.session.feed(&prompt, Logits::Last)?);
        let prompt_time = start.elapsed().as_secs_f64();
        let start = Instant::now();
        for _ in 0..GENERATE {
            token = likeliest(&self.session.feed(&[token], Logits::Last)?);
        }
        Ok((PROMPT as f64 / prompt_time, GENERATE as f64 / start.elapsed().as_secs_f64()))
    }

    /// Fills the context, up to 32,768 tokens, and generates at its end.
    pub fn fill(&mut self) -> Result<()> {
        let mut session = self.model.session(self.model.context().min(32_768))?;
        let vocabulary = self.model.vocabulary().min(30_000);
        let tokens: Vec<u32> =
            (0..session.context() - GENERATE).map(|i| ((i * 7919 + 13) % vocabulary) as u32).collect();
        let start = Instant::now();
        let mut token = likeliest(&session.feed(&tokens, Logits::Last)?);
        let prompt = tokens.len() as f64 / start.elapsed().as_secs_f64();
        let start = Instant::now();
        for _ in 0..GENERATE {
            token = likeliest(&session.feed(&[token], Logits::Last)?);
        }
        let generation = GENERATE as f64 / start.elapsed().as_secs_f64();
        println!(
            "  {} positions: prompt {prompt:.1} tokens/s, generation at the end {generation:.1} tokens/s",
            session.len()
        );
        println!("  memory {}", memory().unwrap_or_default());
        Ok(())
    }
}

fn likeliest(logits: &[f32]) -> u32 {
    let better = |best: usize, next: usize| if logits[next] > logits[best] { next } else { best };
    (0..logits.len()).reduce(better).unwrap_or_default() as u32
}

/// Generations as users start them: one, eight at once, and one after a prompt that is known.
pub fn at_once(file: &Path) -> Result<()> {
    let model = LocalModel::open(file, Device::Cpu)?;
    let prompt = "the quick brown fox jumps over the lazy dog and runs away ".repeat(20);
    run(&model, &prompt, GENERATE)?;
    let speed = |texts: usize| -> Result<f64> {
        let start = Instant::now();
        let all = join_all((0..texts).map(|i| generate(&model, format!("{prompt}{i}"), GENERATE)));
        let tokens: usize = block_on(all).into_iter().sum::<Result<usize>>()?;
        Ok(tokens as f64 / start.elapsed().as_secs_f64())
    };
    let (mut ones, mut eights) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        ones.push(speed(1)?);
        eights.push(speed(8)?);
    }
    let (one, eight) = (median(ones.into_iter()), median(eights.into_iter()));
    println!("  one text {one:.1} tokens/s, eight at once {eight:.1} tokens/s ({:.2})", eight / one);
    let long = prompt.repeat(2);
    let (_, tokens) = run(&model, &long, 1)?;
    let (time, _) = run(&model, &format!("{long} and then"), 1)?;
    println!("  first token after a cached prompt of {tokens} tokens: {:.0} ms", time * 1e3);
    println!("  memory {}", memory().unwrap_or_default());
    Ok(())
}

/// Seconds to the end of an answer, and the tokens of the prompt.
fn run(model: &LocalModel, prompt: &str, tokens: usize) -> Result<(f64, usize)> {
    let request = GenerateRequest::text(prompt);
    let count = block_on(model.count_tokens(&request))?;
    let start = Instant::now();
    block_on(generate(model, prompt.to_owned(), tokens))?;
    Ok((start.elapsed().as_secs_f64(), count))
}

/// How many tokens were generated.
async fn generate(model: &LocalModel, prompt: String, tokens: usize) -> Result<usize> {
    let request = GenerateRequest { max_tokens: Some(tokens), ..GenerateRequest::text(prompt) };
    let mut answer = model.generate(request).await?;
    let mut produced = 0;
    while let Some(event) = answer.next().await {
        if let ModelEvent::Usage(usage) = event? {
            produced = usage.output_tokens;
        }
    }
    Ok(produced)
}
