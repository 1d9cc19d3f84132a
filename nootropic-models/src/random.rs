//! Pseudo-random numbers that are the same on every machine.

/// The splitmix64 generator: tiny, fast, and good enough for weights and mutations. Not for secrets.
///
/// Source: Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for part `part` of something, so that parts can be made in any order.
    pub(crate) fn part(&self, part: u64) -> Self {
        Self(Self(self.0 ^ part.wrapping_mul(0xD6E8_FEB8_6659_FD93)).next_u64())
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next_u64()) * end as u128) >> 64) as usize
    }

    /// Nearly Gaussian, of mean 0 and variance 1.
    ///
    /// The sum of twelve uniform numbers, in integers: logarithms and sines differ between machines in the last bit.
    pub(crate) fn normal(&mut self) -> f32 {
        let halves = |x: u64| [x, x >> 16, x >> 32, x >> 48].map(|x| i32::from(x as u16)).into_iter().sum::<i32>();
        let sum = halves(self.next_u64()) + halves(self.next_u64()) + halves(self.next_u64());
        (sum - 6 * 65535) as f32 / 65536.0
    }
}
