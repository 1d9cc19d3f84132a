//! How fast a model and its machine are.
//!
//! Everything runs once before it is timed. Texts are the same tokens over and over: what they are makes no difference to the time.

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;

use crate::cpu::Pool;
use crate::device::Machine;
use crate::forward::{Step, step};
use crate::generate::likeliest;
use crate::{Logits, OpenDevice, Result, Session, Transformer};

/// A token that every vocabulary has.
const TOKEN: u32 = 1;

/// Tokens of a prompt that are read in a second, when it has `tokens` tokens.
///
/// # Errors
/// As [`Session::feed`](crate::Session::feed); [`Error::TooLong`](crate::Error::TooLong) for more than the context.
pub fn prompt_speed(model: &Transformer, tokens: usize) -> Result<f64> {
    let prompt = vec![TOKEN; tokens];
    model.session(tokens)?.feed(prompt.get(..tokens.min(64)).unwrap_or_default(), Logits::Last)?;
    let mut session = model.session(tokens)?;
    let begun = Instant::now();
    black_box(session.feed(&prompt, Logits::Last)?);
    Ok(tokens as f64 / begun.elapsed().as_secs_f64())
}

/// Tokens that are generated in a second by `sequences` texts at once, all together, when each has a prompt of `prompt` tokens and gets
/// `tokens` more. The likeliest token is taken; nothing is turned into text.
///
/// # Errors
/// As [`prompt_speed`].
pub fn generation_speed(model: &Transformer, prompt: usize, tokens: usize, sequences: usize) -> Result<f64> {
    const WARM_UP: usize = 4;
    let mut first = model.session(prompt + WARM_UP + tokens)?;
    first.feed(&vec![TOKEN; prompt], Logits::None)?;
    let mut texts: Vec<(Session, u32)> = (0..sequences).map(|_| (first.fork(prompt), TOKEN)).collect();
    for _ in 0..WARM_UP {
        advance(&mut texts)?;
    }
    let begun = Instant::now();
    for _ in 0..tokens {
        advance(&mut texts)?;
    }
    Ok((tokens * sequences) as f64 / begun.elapsed().as_secs_f64())
}

/// One token more for each text.
fn advance(texts: &mut [(Session, u32)]) -> Result<()> {
    let mut steps: Vec<Step<'_>> = texts
        .iter_mut()
        .map(|(session, token)| Step { session, tokens: std::slice::from_ref(token), logits: Logits::Last })
        .collect();
    let all = step(&mut steps)?;
    for ((_, token), logits) in texts.iter_mut().zip(all) {
        *token = likeliest(&logits, |_| true).unwrap_or(TOKEN);
    }
    Ok(())
}

/// Bytes that the threads of a device read from memory in a second, all together; nothing where the device has no threads of ours.
/// What a generation reads is the weights, once for each token: this is its limit.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if there is no memory for it.
pub fn read_bandwidth(device: &OpenDevice) -> Result<Option<f64>> {
    /// Much larger than caches.
    const BYTES: usize = 1 << 30;
    const TIMES: usize = 5;
    let Machine::Cpu(pool) = device.machine() else { return Ok(None) };
    let io = |source| crate::Error::Io { op: "allocate", name: "memory to read".into(), source };
    let mut memory = memmap2::MmapMut::map_anon(BYTES).map_err(io)?;
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    memory.par_chunks_mut(1 << 20).for_each(|chunk| chunk.fill(1));
    let best = (0..TIMES).map(|_| {
        let begun = Instant::now();
        read_all(pool, &memory);
        BYTES as f64 / begun.elapsed().as_secs_f64()
    });
    Ok(best.reduce(f64::max))
}

fn read_all(pool: &Pool, memory: &[u8]) {
    const CHUNK: usize = 1 << 19;
    pool.run(memory.len() / CHUNK, |chunk| {
        let words: &[u64] =
            bytemuck::cast_slice(memory.get(chunk * CHUNK..).and_then(|rest| rest.get(..CHUNK)).unwrap_or_default());
        let mut sums = [0_u64; 32]; // in several, so that none waits for another
        for words in words.as_chunks::<32>().0 {
            sums.iter_mut().zip(words).for_each(|(sum, word)| *sum |= word);
        }
        black_box(sums);
    });
}
