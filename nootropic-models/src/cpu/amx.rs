//! Products of small matrices of bytes by Intel's AMX: 16 tokens by 16 rows by 32 columns in one instruction.
//!
//! Rust 1.95 has no stable intrinsics for it, so instructions are written out. Linux gives the tile registers only to processes
//! that ask.
#![expect(unsafe_code, reason = "inline assembly; holding an `Amx` is proof that the machine and the process have it")]

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::marker::PhantomData;
use std::sync::OnceLock;

use super::simd::LANES;
use super::tile::GROUP;

/// Proof that this process may use AMX tiles of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amx(());

/// Sums of 16 tokens (outer) for 16 rows.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub(super) struct Sums(pub(super) [[i32; LANES]; LANES]);

impl Amx {
    /// Asks the processor and the system, once.
    pub(super) fn detect() -> Option<Self> {
        static FOUND: OnceLock<bool> = OnceLock::new();
        FOUND.get_or_init(|| cfg!(target_os = "linux") && has_instructions() && may_use_tiles()).then_some(Self(()))
    }

    /// Sets this thread's tiles up for products over `columns` columns, 16 or 32.
    pub(super) fn configure(self, columns: usize) -> Tiles {
        let columns = if columns == LANES { LANES } else { GROUP };
        let mut config = Config { palette: 1, start_row: 0, zero: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        for (tile, rows, row_bytes) in [
            (0, 16, 64), // sums: 16 tokens by 16 rows
            (1, 16, 64),
            (2, 16, columns),     // activations: 16 tokens
            (3, columns / 4, 64), // weights: four columns of 16 rows each
            (4, 16, columns),
            (5, columns / 4, 64),
        ] {
            config.rows[tile] = rows as u8;
            config.row_bytes[tile] = row_bytes as u16;
        }
        // SAFETY: the instruction is there, and reads the 64 bytes of a valid configuration. No compiled code uses tiles.
        unsafe { asm!("ldtilecfg [{0}]", in(reg) &raw const config, options(nostack, readonly)) };
        Tiles { columns, of_this_thread: PhantomData }
    }
}

fn has_instructions() -> bool {
    const TILE_AND_INT8: u32 = 0b11 << 24;
    const XSAVE: u32 = 1 << 27;
    const TILE_STATE: u64 = 0b11 << 17;
    if __cpuid(0).eax < 7 || __cpuid(1).ecx & XSAVE == 0 || __cpuid_count(7, 0).edx & TILE_AND_INT8 != TILE_AND_INT8 {
        return false;
    }
    // SAFETY: the bit above says that the system has enabled the instruction.
    (unsafe { _xgetbv(0) }) & TILE_STATE == TILE_STATE
}

/// Asks Linux for the tile registers, for all threads.
fn may_use_tiles() -> bool {
    const ARCH_PRCTL: usize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const TILE_DATA: usize = 18;
    let result: isize;
    // SAFETY: a system call that takes two numbers and changes nothing in memory.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") TILE_DATA,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    zero: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Tiles that are set up on this thread, until this is dropped.
pub(super) struct Tiles {
    columns: usize,
    of_this_thread: PhantomData<*const ()>,
}

impl Tiles {
    /// The sums over two groups of columns one after the other, of weights that are signed.
    ///
    /// `activations` begin with the first group of the first of 16 tokens, each `stride` bytes behind the one before; `weights`
    /// are as [`Tile`](super::tile::Tile) has them. Does nothing if one of them is too short.
    #[inline(always)]
    pub(super) fn products(&self, activations: &[i8], stride: usize, weights: &[u8], sums: &mut [Sums; 2]) {
        let needed = (LANES - 1) * stride + 2 * self.columns;
        if activations.len() < needed || weights.len() < 2 * self.columns * LANES {
            return;
        }
        // SAFETY: tiles are configured; 16 rows of `columns` bytes are read from both groups of activations, `columns / 4` of 64
        // from both of weights, as checked, and 16 of 64 written to each of the sums. No compiled code uses tiles.
        unsafe {
            asm!(
                "tileloadd tmm2, [{a} + {stride}*1]",
                "tileloadd tmm3, [{w} + {line}*1]",
                "tilezero tmm0",
                "tdpbssd tmm0, tmm2, tmm3",
                "tileloadd tmm4, [{a2} + {stride}*1]",
                "tileloadd tmm5, [{w2} + {line}*1]",
                "tilezero tmm1",
                "tdpbssd tmm1, tmm4, tmm5",
                "tilestored [{s} + {line}*1], tmm0",
                "tilestored [{s2} + {line}*1], tmm1",
                a = in(reg) activations.as_ptr(),
                a2 = in(reg) activations.as_ptr().add(self.columns),
                w = in(reg) weights.as_ptr(),
                w2 = in(reg) weights.as_ptr().add(self.columns * LANES),
                s = in(reg) sums.as_mut_ptr(),
                s2 = in(reg) sums.as_mut_ptr().add(1),
                stride = in(reg) stride,
                line = in(reg) 64_usize,
                options(nostack, preserves_flags),
            );
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: the instruction is there; it makes the tiles cheap to switch between threads again.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}
