//! How fast the CPU operations of language models are, beside how fast memory is.
//!
//! `cargo bench -p nootropic-models --bench cpu`
//!
//! With as many threads as the machine has processors, and matrices of Qwen2.5-0.5B, enough of them that none stays in a cache.
//! What `multiply_one_token` reaches of `read_memory` is what counts for generation. Both need an idle machine.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on fails")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use nootropic_models::TensorType;
use nootropic_models::cpu::{
    Activations, Attention, KvCache, KvPrecision, PackedMatrix, Pool, Product, Queries, multiply,
};

fn main() {
    divan::main();
}

static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::with_all_processors().unwrap());

/// Embedding width and inner width of Qwen2.5-0.5B.
const HIDDEN: usize = 896;
const INNER: usize = 4864;

fn kinds() -> impl Iterator<Item = TensorType> {
    TensorType::all().filter(|kind| kind.can_quantize())
}

/// K formats need rows of whole 256, so theirs are a little wider.
fn columns(kind: TensorType, columns: usize) -> usize {
    columns.next_multiple_of(kind.block_len())
}

/// The same row again and again: quantizing random numbers would take most of the time.
fn matrix(kind: TensorType, rows: usize, columns: usize) -> PackedMatrix {
    let row: Vec<f32> = (0..columns).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5).collect();
    let mut bytes = vec![0; kind.row_bytes(columns as u64).unwrap() as usize];
    kind.quantize(&row, &mut bytes).unwrap();
    PackedMatrix::new(kind, rows, columns, &bytes.repeat(rows)).unwrap()
}

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 104_729) % 2000) as f32 / 1000.0 - 1.0).collect()
}

/// The limit of generation: every thread reads its part of 1 GiB.
#[divan::bench]
fn read_memory(bencher: Bencher<'_, '_>) {
    const CHUNK: usize = 1 << 16;
    let mut map = memmap2::MmapMut::map_anon(1 << 30).unwrap();
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    map.fill(1);
    let words: &[u64] = bytemuck::cast_slice(&map);
    let total = AtomicU64::new(0);
    bencher.counter(BytesCount::new(map.len())).bench(|| {
        POOL.run(words.len() / CHUNK, |chunk| {
            let words = words[chunk * CHUNK..][..CHUNK].as_chunks::<32>().0;
            let mut sums = [0; 32];
            for words in words {
                for (sum, word) in sums.iter_mut().zip(words) {
                    *sum |= word;
                }
            }
            total.fetch_add(sums.iter().sum::<u64>(), Ordering::Relaxed);
        });
        total.load(Ordering::Relaxed)
    });
}

/// Generation: the inner matrices of 24 layers, one after the other, in bytes of weights.
#[divan::bench(args = kinds(), sample_count = 20)]
fn multiply_one_token(bencher: Bencher<'_, '_>, kind: TensorType) {
    let columns = columns(kind, HIDDEN);
    let layers: Vec<_> = (0..24).map(|_| matrix(kind, 2 * INNER, columns)).collect();
    let (x, mut out) = (numbers(columns), vec![0.0; 2 * INNER]);
    let mut buffer = Activations::default();
    bencher.counter(BytesCount::new(layers.iter().map(PackedMatrix::bytes).sum::<usize>())).bench_local(|| {
        for matrix in &layers {
            multiply(&POOL, &mut buffer, &x, &mut [Product { matrix, out: &mut out }]).unwrap();
        }
        black_box(&out);
    });
}

/// A prompt of 512 tokens, in multiplications and additions.
#[divan::bench(args = kinds(), sample_count = 10)]
fn multiply_prompt(bencher: Bencher<'_, '_>, kind: TensorType) {
    let columns = columns(kind, HIDDEN);
    let matrix = matrix(kind, INNER, columns);
    let (x, mut out) = (numbers(512 * columns), vec![0.0; 512 * INNER]);
    let mut buffer = Activations::default();
    bencher.counter(ItemsCount::new(2 * 512 * INNER * columns)).bench_local(|| {
        multiply(&POOL, &mut buffer, &x, &mut [Product { matrix: &matrix, out: &mut out }]).unwrap();
        black_box(&out);
    });
}

/// Heads of Qwen2.5-0.5B: queries, keys and values, dimensions.
const HEADS: (usize, usize, usize) = (14, 2, 64);

/// A layer's attention of the last `tokens` of 512 or 4096 positions, in multiplications and additions.
#[divan::bench(args = [(512, 512), (512, 4096), (1, 512), (1, 4096)])]
fn attend(bencher: Bencher<'_, '_>, (tokens, len): (usize, usize)) {
    let (heads, kv_heads, head_dim) = HEADS;
    let mut cache = KvCache::new(KvPrecision::F16, kv_heads, head_dim).unwrap();
    let keys = numbers(len * kv_heads * head_dim);
    cache.append(&POOL, &keys, &keys).unwrap();
    let attention = Attention { heads, scale: 0.125, causal: true, window: None, soft_cap: None };
    let (q, mut out) = (numbers(tokens * heads * head_dim), vec![0.0; tokens * heads * head_dim]);
    let pairs: usize = (len - tokens..len).map(|position| position + 1).sum();
    bencher.counter(ItemsCount::new(4 * pairs * heads * head_dim)).bench_local(|| {
        let queries = [Queries { cache: &cache, first: len - tokens, tokens }];
        attention.run(&POOL, &queries, &q, &mut out).unwrap();
    });
}
