//! Every operation gives the bits that plain Rust gives.

use super::{Isa, Kernel, LANES, Simd, TO_INTEGER};
use crate::cpu::math::{erf, exp, sigmoid, tanh};
use crate::random::Random;

/// All operations on the same inputs, as bits.
struct All<'a> {
    floats: &'a [[f32; LANES]; 3],
    bytes: &'a [[u8; 4 * LANES]; 2],
    x: [i8; 4],
}

impl Kernel for All<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<u32> {
        let mut found = vec![];
        let mut put = |x: S::F| {
            let mut lanes = [0.0; LANES];
            s.store(x, &mut lanes);
            // NaNs have signs and payloads, which nobody relies on.
            found.extend(lanes.map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }));
        };
        let [a, b, c] = [s.load(&self.floats[0]), s.load(&self.floats[1]), s.load(&self.floats[2])];
        for x in [
            s.add(a, b),
            s.sub(a, b),
            s.mul(a, b),
            s.div(a, b),
            s.max(a, b),
            s.min(a, b),
            s.fma(a, b, c),
            s.copysign(a, b),
            s.select_less(a, b, c, a),
            s.splat(s.sum(a)),
            s.splat(s.largest(a)),
            exp(s, a),
            tanh(s, a),
            erf(s, a),
            sigmoid(s, a),
        ] {
            put(x);
        }
        let halves: &[u8; 2 * LANES] = self.bytes[0].first_chunk().unwrap();
        let quarter: &[u8; LANES] = self.bytes[0].first_chunk().unwrap();
        for x in [s.load_f16(halves), s.load_bf16(halves), s.load_u8(quarter), s.load_i8(quarter)] {
            put(x);
        }
        let [bytes, more] = [s.bytes(&self.bytes[0]), s.bytes(&self.bytes[1])];
        let (low, high) = (s.low_nibbles(bytes), s.high_nibbles(bytes));
        let start = s.splat_i32(-77);
        put(s.to_f32(s.dot(start, low, self.x)));
        put(s.to_f32(s.dot(start, high, self.x)));
        let sum: i32 = self.x.iter().map(|x| i32::from(*x)).sum();
        put(s.to_f32(s.dot_signed(s.splat_i32(-S::SIGNED_OFFSET * sum), bytes, self.x)));
        let small = self.bytes.map(|bytes| s.bytes(&bytes.map(|byte| ((byte as i8) % 91) as u8)));
        put(s.to_f32(s.dot_small(start, small, &[self.x.map(|x| (x & 127) % 92), [91; 4]])));
        let most = [s.bytes(&[-90_i8 as u8; 4 * LANES]); 2];
        put(s.to_f32(s.dot_small(start, most, &[[91; 4]; 2])));
        let mut stored = [0; 4 * LANES];
        for (shift, mask) in [(4, 16), (3, 16), (1, 16), (0, 16), (-1, 16), (-3, 16), (4, 48), (2, 48), (-2, 48)] {
            s.store_bytes(s.merge_bits(low, more, shift, mask), mask, &mut stored);
            found.extend(stored.map(u32::from));
        }
        let mut halves = [0; 2 * LANES];
        s.store_f16(s.min(s.splat(60000.0), s.max(s.splat(-60000.0), c)), &mut halves);
        found.extend(halves.map(u32::from));
        let mut integers = [0; LANES];
        let small = s.min(s.splat(127.0), s.max(s.splat(-127.0), c));
        s.store_integers(s.add(small, s.splat(TO_INTEGER)), &mut integers);
        found.extend(integers.map(|x| x as u32));
        let mut part = [0.0; 5];
        s.store_part(s.load_part(&self.floats[2][..3], 9.0), &mut part);
        found.extend(part.map(f32::to_bits));
        found
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let mut random = Random::new(1);
    for round in 0..300 {
        let mut floats = [[0.0; LANES]; 3];
        let scale = 10_f32.powi(round % 12 - 6);
        floats.iter_mut().flatten().for_each(|x| *x = random.normal() * scale);
        floats[0][..4].copy_from_slice(&[f32::NAN, f32::NEG_INFINITY, 0.0, -0.0]);
        floats[1][3..6].copy_from_slice(&[f32::NAN, f32::INFINITY, -0.0]);
        let mut bytes = [[0; 4 * LANES]; 2];
        bytes.iter_mut().flatten().for_each(|byte| *byte = random.next_u64() as u8);
        bytes[0].iter_mut().skip(1).step_by(2).for_each(|byte| *byte &= 0xBF); // halves that are no NaN
        let x = [127, -127, random.below(255) as i8, -1].map(|x| if x == -128 { 0 } else { x });
        let all = || All { floats: &floats, bytes: &bytes, x };
        let expected = Isa::SCALAR.run(all());
        for isa in Isa::available() {
            assert!(isa.run(all()) == expected, "{isa:?}, round {round}");
        }
    }
}

/// What a function of vectors makes of one number.
struct Exp(f32);

impl Kernel for Exp {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        s.largest(exp(s, s.splat(self.0)))
    }
}

#[test]
fn exponentials_are_near_the_true_ones() {
    let isa = Isa::best();
    for i in -87_000..88_000 {
        let x = i as f32 * 0.001;
        let (found, expected) = (f64::from(isa.run(Exp(x))), f64::from(x).exp());
        assert!((found / expected - 1.0).abs() < 2.5e-7, "e^{x}: {found}, not {expected}");
    }
    assert_eq!(isa.run(Exp(0.0)), 1.0);
    for x in [-88.0, -1e10, f32::NEG_INFINITY] {
        assert_eq!(isa.run(Exp(x)), 0.0);
    }
    assert!(isa.run(Exp(f32::INFINITY)) > 1e38);
}
