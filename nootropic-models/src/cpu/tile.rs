//! The packed layouts: tiles of sixteen rows, cut into blocks of columns.
//!
//! A vector of 64 bytes holds four neighbouring columns of each of the sixteen rows, so that one instruction adds four products
//! to each of sixteen outputs; scales stand beside the weights they belong to, so that a matrix is read as one stream.
//!
//! ```text
//! vector j (of 8), 8 bits   byte 4·row + i   column 4·j + i
//! vector j (of 4), 4 bits   byte 4·row + i   column 4·j + i in the low half, column 16 + 4·j + i in the high half
//! ```
//!
//! Weights are stored as unsigned integers `q`; a weight is `scale · (q - OFFSET) + min`.

use bytemuck::{Pod, Zeroable};

use super::simd::{LANES, Simd};

/// Columns that share an activation scale.
pub(super) const GROUP: usize = 32;

/// Four columns of sixteen rows.
pub(super) type Vector = [u8; 4 * LANES];
/// An `f16` for each row.
pub(super) type Halves = [u8; 2 * LANES];
/// 32 columns of four bits.
pub(super) type Nibbles = [Vector; 4];

/// The weights of 32 columns, unpacked.
pub(super) struct Group<S: Simd> {
    /// The integers, as [`Tile::SIGNED`] and [`Tile::OFFSET`] say.
    pub(super) weights: [S::B; 8],
    /// The scale of all columns, or of each half of them if [`Tile::HALVES`].
    pub(super) scales: [S::F; 2],
    /// What is added to each weight, if [`Tile::MINIMUM`].
    pub(super) minimum: S::F,
}

/// A block of columns of a tile.
pub(super) trait Tile: Pod + Send + Sync {
    /// Groups of 32 columns in a block.
    const GROUPS: usize;
    /// What the integers are too large by.
    const OFFSET: i32 = 0;
    /// Whether the integers have eight bits, stored with 128 added: [`Simd::dot_signed`] multiplies them, others
    /// [`Simd::dot`].
    const SIGNED: bool = false;
    /// Whether weights have a minimum.
    const MINIMUM: bool = false;
    /// Whether each sixteen columns have a scale of their own.
    const HALVES: bool = false;

    /// Unpacks group `g` of the block, below [`GROUPS`](Self::GROUPS).
    ///
    /// Implementations are `#[inline(always)]`.
    fn group<S: Simd>(&self, simd: S, g: usize) -> Group<S>;
}

macro_rules! tile {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Pod, Zeroable)]
        #[repr(C)]
        pub(super) struct $name {
            $($(#[$field_doc])* pub(super) $field: $type),*
        }
    };
}

tile!(
    /// Q4_0, 288 bytes.
    Four { scales: Halves, low: Nibbles }
);
tile!(
    /// Q4_1, 320 bytes.
    FourMin { scales: Halves, minima: Halves, low: Nibbles }
);
tile!(
    /// Q5_0, 352 bytes.
    Five {
        scales: Halves,
        /// Bit `j` of each byte belongs to vector `j`.
        high: Vector,
        low: Nibbles,
    }
);
tile!(
    /// Q5_1, 384 bytes.
    FiveMin { scales: Halves, minima: Halves, high: Vector, low: Nibbles }
);
tile!(
    /// Q8_0, 544 bytes.
    Eight { scales: Halves, weights: [Vector; 8] }
);
tile!(
    /// Q4_K, 2,368 bytes.
    FourK {
        d: Halves,
        /// Less than zero, where ggml's is greater.
        dmin: Halves,
        groups: [FourKGroup; 8],
    }
);
tile!(
    /// 32 columns of [`FourK`].
    FourKGroup { scales: [u8; LANES], minima: [u8; LANES], low: Nibbles }
);
tile!(
    /// Q5_K, 2,880 bytes.
    FiveK { d: Halves, dmin: Halves, groups: [FiveKGroup; 8] }
);
tile!(
    /// 32 columns of [`FiveK`].
    FiveKGroup { scales: [u8; LANES], minima: [u8; LANES], high: Vector, low: Nibbles }
);
tile!(
    /// Q6_K, 3,360 bytes.
    SixK { d: Halves, groups: [SixKGroup; 8] }
);
tile!(
    /// 32 columns of [`SixK`].
    SixKGroup {
        /// Signed, of columns 0 to 15 and 16 to 31.
        scales: [[u8; LANES]; 2],
        /// Bits `2·(j % 4)` and the next of each byte of vector `j / 4` belong to vector `j`.
        high: [Vector; 2],
        low: Nibbles,
    }
);

/// Eight vectors of four bits.
#[inline(always)]
fn nibbles<S: Simd>(s: S, low: &Nibbles) -> [S::B; 8] {
    let [a, b, c, d] = [s.bytes(&low[0]), s.bytes(&low[1]), s.bytes(&low[2]), s.bytes(&low[3])];
    let [e, f, g, h] = [s.high_nibbles(a), s.high_nibbles(b), s.high_nibbles(c), s.high_nibbles(d)];
    [s.low_nibbles(a), s.low_nibbles(b), s.low_nibbles(c), s.low_nibbles(d), e, f, g, h]
}

/// Eight vectors of five bits.
#[inline(always)]
fn fives<S: Simd>(s: S, low: &Nibbles, high: &Vector) -> [S::B; 8] {
    let [a, b, c, d, e, f, g, h] = nibbles(s, low);
    let bits = s.bytes(high);
    [
        s.merge_bits(a, bits, 4, 16),
        s.merge_bits(b, bits, 3, 16),
        s.merge_bits(c, bits, 2, 16),
        s.merge_bits(d, bits, 1, 16),
        s.merge_bits(e, bits, 0, 16),
        s.merge_bits(f, bits, -1, 16),
        s.merge_bits(g, bits, -2, 16),
        s.merge_bits(h, bits, -3, 16),
    ]
}

impl Tile for Four {
    const GROUPS: usize = 1;
    const OFFSET: i32 = 8;

    #[inline(always)]
    fn group<S: Simd>(&self, s: S, _: usize) -> Group<S> {
        Group { weights: nibbles(s, &self.low), scales: [s.load_f16(&self.scales); 2], minimum: s.zero() }
    }
}

impl Tile for FourMin {
    const GROUPS: usize = 1;
    const MINIMUM: bool = true;

    #[inline(always)]
    fn group<S: Simd>(&self, s: S, _: usize) -> Group<S> {
        let scales = [s.load_f16(&self.scales); 2];
        Group { weights: nibbles(s, &self.low), scales, minimum: s.load_f16(&self.minima) }
    }
}

impl Tile for Five {
    const GROUPS: usize = 1;
    const OFFSET: i32 = 16;

    #[inline(always)]
    fn group<S: Simd>(&self, s: S, _: usize) -> Group<S> {
        let scales = [s.load_f16(&self.scales); 2];
        Group { weights: fives(s, &self.low, &self.high), scales, minimum: s.zero() }
    }
}

impl Tile for FiveMin {
    const GROUPS: usize = 1;
    const MINIMUM: bool = true;

    #[inline(always)]
    fn group<S: Simd>(&self, s: S, _: usize) -> Group<S> {
        let scales = [s.load_f16(&self.scales); 2];
        Group { weights: fives(s, &self.low, &self.high), scales, minimum: s.load_f16(&self.minima) }
    }
}

impl Tile for Eight {
    const GROUPS: usize = 1;
    const SIGNED: bool = true;

    #[inline(always)]
    fn group<S: Simd>(&self, s: S, _: usize) -> Group<S> {
        let w = &self.weights;
        let [a, b, c, d] = [s.bytes(&w[0]), s.bytes(&w[1]), s.bytes(&w[2]), s.bytes(&w[3])];
        let [e, f, g, h] = [s.bytes(&w[4]), s.bytes(&w[5]), s.bytes(&w[6]), s.bytes(&w[7])];
        Group { weights: [a, b, c, d, e, f, g, h], scales: [s.load_f16(&self.scales); 2], minimum: s.zero() }
    }
}

impl Tile for FourK {
    const GROUPS: usize = 8;
    const MINIMUM: bool = true;

    #[inline(always)]
    fn group<S: Simd>(&self, s: S, g: usize) -> Group<S> {
        let group = &self.groups[g];
        let scale = s.mul(s.load_f16(&self.d), s.load_u8(&group.scales));
        let minimum = s.mul(s.load_f16(&self.dmin), s.load_u8(&group.minima));
        Group { weights: nibbles(s, &group.low), scales: [scale; 2], minimum }
    }
}

impl Tile for FiveK {
    const GROUPS: usize = 8;
    const MINIMUM: bool = true;

    #[inline(always)]
    fn group<S: Simd>(&self, s: S, g: usize) -> Group<S> {
        let group = &self.groups[g];
        let scale = s.mul(s.load_f16(&self.d), s.load_u8(&group.scales));
        let minimum = s.mul(s.load_f16(&self.dmin), s.load_u8(&group.minima));
        Group { weights: fives(s, &group.low, &group.high), scales: [scale; 2], minimum }
    }
}

impl Tile for SixK {
    const GROUPS: usize = 8;
    const OFFSET: i32 = 32;
    const HALVES: bool = true;

    #[inline(always)]
    fn group<S: Simd>(&self, s: S, g: usize) -> Group<S> {
        const MASK: u8 = 0b11_0000;
        let group = &self.groups[g];
        let [a, b, c, d, e, f, g, h] = nibbles(s, &group.low);
        let [x, y] = [s.bytes(&group.high[0]), s.bytes(&group.high[1])];
        let weights = [
            s.merge_bits(a, x, 4, MASK),
            s.merge_bits(b, x, 2, MASK),
            s.merge_bits(c, x, 0, MASK),
            s.merge_bits(d, x, -2, MASK),
            s.merge_bits(e, y, 4, MASK),
            s.merge_bits(f, y, 2, MASK),
            s.merge_bits(g, y, 0, MASK),
            s.merge_bits(h, y, -2, MASK),
        ];
        let unit = s.load_f16(&self.d);
        let scales = [s.mul(unit, s.load_i8(&group.scales[0])), s.mul(unit, s.load_i8(&group.scales[1]))];
        Group { weights, scales, minimum: s.zero() }
    }
}
