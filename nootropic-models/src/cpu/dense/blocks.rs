//! How rows are cut into blocks whose sums fill the registers.

/// Calls `$body` for blocks of `$n` rows from `$row` on, which are as equal as can be: a small block at the end would wait for its own
/// sums.
///
/// `$n` is a constant, one of those listed, the largest first, or 1.
macro_rules! equal_blocks {
    ($rows:expr, [$most:literal $(, $count:literal)*], |$n:ident, $row:ident| $body:expr) => {{
        let rows: usize = $rows;
        let mut blocks = rows.div_ceil($most);
        let mut $row = 0;
        while $row < rows {
            let size = (rows - $row).div_ceil(blocks.max(1));
            // The largest that is listed and not larger than the block.
            let size = [$most $(, $count)*].into_iter().find(|count| *count <= size).unwrap_or(1);
            match size {
                $most => { const $n: usize = $most; $body; }
                $($count => { const $n: usize = $count; $body; })*
                _ => { const $n: usize = 1; $body; }
            }
            $row += size;
            blocks = blocks.saturating_sub(1);
        }
    }};
}

pub(super) use equal_blocks;
