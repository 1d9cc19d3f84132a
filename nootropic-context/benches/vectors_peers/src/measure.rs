//! Vectors from files, the right answers, and times.

use std::time::Instant;

use crate::{Peer, Result};

/// Neighbours asked for.
pub const K: usize = 10;
const ROUNDS: usize = 10;
const ADDED: usize = 31;

/// Rows of one length.
pub struct Vectors {
    pub dim: usize,
    data: Vec<f32>,
}

impl Vectors {
    pub fn read(path: &str, dim: usize) -> Result<Self> {
        let bytes = std::fs::read(path)?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || !numbers.len().is_multiple_of(dim) {
            return Err(format!("{path} does not hold rows of {dim} numbers").into());
        }
        Ok(Self { dim, data: numbers.iter().map(|x| f32::from_le_bytes(*x)).collect() })
    }

    pub fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    pub fn rows(&self) -> impl Iterator<Item = (u32, &[f32])> {
        (0..).zip(self.data.chunks_exact(self.dim))
    }

    pub fn row(&self, at: usize) -> &[f32] {
        &self.data[at * self.dim..(at + 1) * self.dim]
    }

    /// The nearest, by looking at everything.
    pub fn nearest(&self, query: &[f32]) -> Vec<u32> {
        let mut best: Vec<(f32, u32)> = Vec::with_capacity(K + 1);
        for (id, row) in self.rows() {
            let score = dot(row, query);
            if best.len() < K || score > best[K - 1].0 {
                let at = best.partition_point(|(other, _)| *other >= score);
                best.insert(at, (score, id));
                best.truncate(K);
            }
        }
        best.into_iter().map(|(_, id)| id).collect()
    }
}

pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 32];
    for (a, b) in a.chunks(32).zip(b.chunks(32)) {
        for ((sum, x), y) in sums.iter_mut().zip(a).zip(b) {
            *sum += x * y;
        }
    }
    sums.iter().sum()
}

/// Milliseconds that `work` takes, and what it gives.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let start = Instant::now();
    let made = work()?;
    Ok((start.elapsed().as_secs_f64() * 1e3, made))
}

fn quantile(times: &mut [f64], q: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(((times.len() as f64 - 1.0) * q).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Asks every peer everything, in turns, and prints a table.
pub fn report(peers: &mut [Peer], base: &Vectors, queries: &Vectors) -> Result<()> {
    let expected: Vec<Vec<u32>> = queries.rows().map(|(_, query)| base.nearest(query)).collect();
    let mut times = vec![Vec::new(); peers.len()];
    let mut found = vec![0; peers.len()];
    for round in 0..ROUNDS {
        for (at, peer) in peers.iter_mut().enumerate() {
            for ((_, query), expected) in queries.rows().zip(&expected) {
                let (ms, ids) = timed(|| (peer.search)(query))?;
                if round > 0 {
                    times[at].push(ms); // the first round warms up
                } else {
                    found[at] += expected.iter().filter(|id| ids.contains(id)).count();
                }
            }
        }
    }
    println!("| | recall@10 | p50 ms | p99 ms | build s | +1 ms | open ms | disk MB | memory MB |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (peer, (mut times, found)) in peers.iter_mut().zip(times.into_iter().zip(found)) {
        let recall = found as f64 / (K * queries.len()) as f64;
        let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
        let one = match &mut peer.add_one {
            Some(add) => {
                let mut each = (0..ADDED).map(|_| Ok(timed(&mut *add)?.0)).collect::<Result<Vec<_>>>()?;
                format!("{:.2}", quantile(&mut each, 0.5))
            }
            None => "–".into(),
        };
        let megabytes = |bytes: Option<u64>| bytes.map_or("–".into(), |b| format!("{:.0}", b as f64 / 1e6));
        let open = peer.open_ms.map_or("–".into(), |ms| format!("{ms:.1}"));
        println!(
            "| {} | {recall:.4} | {p50:.3} | {p99:.3} | {:.1} | {one} | {open} | {} | {} |",
            peer.name,
            peer.build_s,
            megabytes(peer.disk_bytes),
            megabytes(peer.memory_bytes),
        );
    }
    Ok(())
}

/// Prints how long this disk takes to make a page durable, without which times of adding say little.
pub fn report_disk(folder: &std::path::Path) -> Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(folder.join("page"))?;
    let mut each = Vec::new();
    for _ in 0..ADDED {
        file.write_all(&[1; 8192])?;
        each.push(timed(|| Ok(file.sync_data()?))?.0);
    }
    println!("\nmaking one page durable on this disk, in this run: p50 {:.2} ms", quantile(&mut each, 0.5));
    Ok(())
}

/// Bytes of all files in a folder, as they lie on disk.
pub fn disk_bytes(folder: &std::path::Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        sum += if entry.path().is_dir() { disk_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}
