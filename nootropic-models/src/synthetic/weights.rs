//! Random weights in any type, fast.

use rayon::prelude::*;

use crate::random::Random;
use crate::{Result, TensorType};

/// How many numbers one task makes.
const TASK: usize = 1 << 16;
/// How many numbers are quantized for a large tensor before their blocks are used again.
const POOL: usize = 1 << 17;

/// What a tensor's numbers are drawn from: nearly Gaussian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) mean: f32,
    pub(super) deviation: f32,
}

/// Makes the data of one tensor after another.
pub(super) struct Weights {
    /// Quantized blocks, by type and spread.
    pools: Vec<(TensorType, Spread, Vec<u8>)>,
}

impl Weights {
    pub(super) fn new() -> Self {
        Self { pools: Vec::new() }
    }

    /// Gives `write` the data of a tensor of `count` numbers piece by piece.
    ///
    /// Quantizing hundreds of millions of numbers takes minutes. So a large tensor of a block format is made of blocks drawn at
    /// random from a pool of many: every block is a real one, their order is not repeated.
    pub(super) fn tensor(
        &mut self,
        dtype: TensorType,
        count: u64,
        spread: Spread,
        random: &Random,
        mut write: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let pool = match dtype.block_len() > 1 && count > POOL as u64 {
            true => Some(self.pool(dtype, spread)?),
            false => None,
        };
        let tasks = count.div_ceil(TASK as u64);
        let size = |task: u64| (count - task * TASK as u64).min(TASK as u64) as usize;
        let at_once = 4 * rayon::current_num_threads() as u64;
        for first in (0..tasks).step_by(at_once as usize) {
            let pieces: Vec<Vec<u8>> = (first..tasks.min(first + at_once))
                .into_par_iter()
                .map(|task| match pool {
                    Some(pool) => Ok(draw(pool, dtype, size(task), random.part(task))),
                    None => make(dtype, size(task), spread, random.part(task)),
                })
                .collect::<Result<_>>()?;
            pieces.iter().try_for_each(|piece| write(piece))?;
        }
        Ok(())
    }

    fn pool(&mut self, dtype: TensorType, spread: Spread) -> Result<&[u8]> {
        let found = self.pools.iter().position(|pool| (pool.0, pool.1) == (dtype, spread));
        let index = match found {
            Some(index) => index,
            None => {
                let random = Random::new(dtype.id().into());
                let tasks = (0..(POOL / TASK) as u64).into_par_iter();
                let parts =
                    tasks.map(|task| make(dtype, TASK, spread, random.part(task))).collect::<Result<Vec<_>>>()?;
                self.pools.push((dtype, spread, parts.concat()));
                self.pools.len() - 1
            }
        };
        Ok(self.pools.get(index).map(|pool| pool.2.as_slice()).unwrap_or_default())
    }
}

/// `count` numbers, each drawn and converted.
fn make(dtype: TensorType, count: usize, spread: Spread, mut random: Random) -> Result<Vec<u8>> {
    let numbers: Vec<f32> = (0..count).map(|_| spread.mean + spread.deviation * random.normal()).collect();
    let mut bytes = vec![0; count / dtype.block_len() * dtype.block_bytes()];
    dtype.quantize(&numbers, &mut bytes)?;
    Ok(bytes)
}

/// `count` numbers, in blocks from a pool.
fn draw(pool: &[u8], dtype: TensorType, count: usize, mut random: Random) -> Vec<u8> {
    let size = dtype.block_bytes();
    let blocks = pool.len() / size;
    let mut bytes = Vec::with_capacity(count / dtype.block_len() * size);
    for _ in 0..count / dtype.block_len() {
        let start = random.below(blocks) * size;
        bytes.extend(pool.get(start..start + size).unwrap_or_default());
    }
    bytes
}
