//! Repeatable chance.

/// SplitMix64. Source: Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// The number in the environment variable `name`, or `default`.
pub(crate) fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// So many of a thing, or as many as `NOOTROPIC_SCALE` says if that is less: 3,000 unless it is set. `make test` sets it to
/// what the product is to bear.
pub(crate) fn at_most(full: usize) -> usize {
    full.min(usize::try_from(from_env("NOOTROPIC_SCALE", 3_000)).unwrap_or(usize::MAX))
}

/// A seed from `NOOTROPIC_SEED`, or a new one; printed, so that a failure can be repeated.
pub(crate) fn seed(of: &str) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_nanos() as u64);
    let seed = from_env("NOOTROPIC_SEED", now % 1_000_000_007);
    println!("{of}: NOOTROPIC_SEED={seed}");
    seed
}
