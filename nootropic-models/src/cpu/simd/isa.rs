//! Which instruction set runs.

use super::Simd;
#[cfg(target_arch = "aarch64")]
use super::neon::Neon;
use super::scalar::Scalar;
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512};
#[cfg(target_arch = "x86_64")]
use crate::cpu::amx::Amx;

/// Code that is compiled for each instruction set.
pub(in crate::cpu) trait Kernel {
    type Output;

    /// Must be `#[inline(always)]`, and all it calls with `simd`, or it is not compiled for the instruction set.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// An instruction set that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cpu) struct Isa(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512, and products of small matrices.
    #[cfg(target_arch = "x86_64")]
    Amx(Amx),
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Isa {
    /// Plain Rust.
    pub(in crate::cpu) const SCALAR: Self = Self(Kind::Scalar);

    /// Those this machine has, the fastest last.
    pub(in crate::cpu) fn available() -> Vec<Self> {
        #[allow(unused_mut, reason = "some machines have no other")]
        let mut found = vec![Self::SCALAR];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
                found.push(Self(Kind::Avx2));
            }
            let features = [
                is_x86_feature_detected!("avx512f"),
                is_x86_feature_detected!("avx512bw"),
                is_x86_feature_detected!("avx512dq"),
                is_x86_feature_detected!("avx512vl"),
                is_x86_feature_detected!("avx512vnni"),
            ];
            if features == [true; 5] {
                found.push(Self(Kind::Avx512));
                found.extend(Amx::detect().map(|amx| Self(Kind::Amx(amx))));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            found.push(Self(Kind::Neon));
        }
        found
    }

    /// The fastest this machine has.
    pub(in crate::cpu) fn best() -> Self {
        static BEST: std::sync::OnceLock<Isa> = std::sync::OnceLock::new();
        *BEST.get_or_init(|| Self::available().last().copied().unwrap_or(Self::SCALAR))
    }

    /// The instructions for small matrices, if they are part of this.
    #[cfg(target_arch = "x86_64")]
    pub(in crate::cpu) fn amx(self) -> Option<Amx> {
        match self.0 {
            Kind::Amx(amx) => Some(amx),
            _ => None,
        }
    }

    /// Runs `kernel` as compiled for this instruction set.
    #[inline]
    pub(in crate::cpu) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Scalar => kernel.run(Scalar),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls code compiled for an instruction set")]
            // SAFETY: `available` makes this value only where the machine has these instructions.
            Kind::Avx2 => unsafe { run_avx2(kernel) },
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls code compiled for an instruction set")]
            // SAFETY: as above.
            Kind::Avx512 | Kind::Amx(_) => unsafe { run_avx512(kernel) },
            #[cfg(target_arch = "aarch64")]
            #[expect(unsafe_code, reason = "calls code compiled for an instruction set")]
            // SAFETY: as above.
            Kind::Neon => unsafe { run_neon(kernel) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,popcnt")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2::new())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,bmi1,bmi2,popcnt")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::new())
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod")]
fn run_neon<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Neon::new())
}
