//! Merging neighbours, the best pair first, until none is left to merge: the common core of byte-pair encoding.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// A piece of a word that is, or may become, a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) id: u32,
    /// Where it starts and ends in the word, in bytes.
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Symbol {
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What two neighbours become, and when: smaller numbers first, of equal ones the leftmost.
pub(crate) type Merge = (u32, u32); // priority, id

/// Words up to this many symbols are scanned again for each merge, which is faster than keeping a heap.
const SHORT: usize = 48;

/// Merges until `rule` knows no pair any more. Time grows as n log n with the length of the word.
pub(crate) fn merge(symbols: &mut Vec<Symbol>, rule: impl Fn(Symbol, Symbol) -> Option<Merge>) {
    match symbols.len() {
        0 | 1 => {}
        2..=SHORT => merge_short(symbols, rule),
        _ => merge_long(symbols, rule),
    }
}

fn merge_short(symbols: &mut Vec<Symbol>, rule: impl Fn(Symbol, Symbol) -> Option<Merge>) {
    let pair = |symbols: &[Symbol], at: usize| match symbols.get(at..at + 2) {
        Some(&[left, right]) => rule(left, right),
        _ => None,
    };
    let mut merges: Vec<Option<Merge>> = (0..symbols.len()).map(|at| pair(symbols, at)).collect();
    loop {
        let best = merges.iter().enumerate().filter_map(|(at, merge)| Some(((*merge)?.0, at))).min();
        let Some((_, at)) = best else { return };
        let Some(&Some((_, id))) = merges.get(at) else { return };
        let right = symbols.remove(at + 1);
        merges.remove(at + 1);
        if let Some(left) = symbols.get_mut(at) {
            (left.id, left.end) = (id, right.end);
        }
        for changed in [at.checked_sub(1), Some(at)].into_iter().flatten() {
            if let Some(slot) = merges.get_mut(changed) {
                *slot = pair(symbols, changed);
            }
        }
    }
}

const NONE: u32 = u32::MAX;

/// A symbol in a list that shrinks. Once merged into its left neighbour it is empty.
#[derive(Clone, Copy)]
struct Link {
    symbol: Symbol,
    before: u32,
    after: u32,
}

fn merge_long(symbols: &mut Vec<Symbol>, rule: impl Fn(Symbol, Symbol) -> Option<Merge>) {
    let count = symbols.len() as u32;
    let mut links: Vec<Link> = (0..count)
        .zip(symbols.iter())
        .map(|(at, symbol)| Link {
            symbol: *symbol,
            before: at.checked_sub(1).unwrap_or(NONE),
            after: if at + 1 < count { at + 1 } else { NONE },
        })
        .collect();
    let pair = |links: &[Link], at: u32| {
        let left = links.get(at as usize)?;
        let right = links.get(left.after as usize)?;
        let (priority, id) = rule(left.symbol, right.symbol)?;
        Some(Reverse((priority, at, id, right.symbol.end)))
    };
    // Every pair that could be merged when it was pushed; `end` tells the ones that changed since.
    let mut queue: BinaryHeap<_> = (0..count).filter_map(|at| pair(&links, at)).collect();
    while let Some(Reverse((_, at, id, end))) = queue.pop() {
        let Some(&left) = links.get(at as usize) else { continue };
        let Some(&right) = links.get(left.after as usize) else { continue };
        let merged_before = left.symbol.start == left.symbol.end;
        if merged_before || right.symbol.end != end || pair(&links, at).is_none_or(|Reverse(now)| now.2 != id) {
            continue;
        }
        if let Some(slot) = links.get_mut(left.after as usize) {
            slot.symbol.start = slot.symbol.end;
        }
        if let Some(slot) = links.get_mut(right.after as usize) {
            slot.before = at;
        }
        if let Some(slot) = links.get_mut(at as usize) {
            (slot.symbol.id, slot.symbol.end, slot.after) = (id, right.symbol.end, right.after);
        }
        queue.extend([left.before, at].into_iter().filter_map(|changed| pair(&links, changed)));
    }
    symbols.clear();
    let mut at = 0;
    while let Some(link) = links.get(at as usize) {
        symbols.push(link.symbol);
        at = link.after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways give the same: short words are only a faster case.
    #[test]
    fn short_and_long_ways_agree() {
        // Ids are letters and their pairs; a pair's priority is a hash, so that many merges compete.
        let rule = |left: Symbol, right: Symbol| {
            let mixed = (left.id.wrapping_mul(31) ^ right.id).wrapping_mul(0x9E37_79B1);
            (mixed & 3 != 0).then_some((mixed >> 28, mixed >> 16 & 0xFF))
        };
        for seed in 0..500_u32 {
            let letter =
                |i: u32| Symbol { id: (seed.wrapping_mul(7919).wrapping_add(i * i)) % 5, start: i, end: i + 1 };
            let word: Vec<Symbol> = (0..seed % 40 + 2).map(letter).collect();
            let (mut short, mut long) = (word.clone(), word);
            merge_short(&mut short, rule);
            merge_long(&mut long, rule);
            assert_eq!(short, long, "seed {seed}");
        }
    }

    #[test]
    fn the_smallest_number_goes_first_and_of_equals_the_leftmost() {
        let word = |n: u32| (0..n).map(|i| Symbol { id: 0, start: i, end: i + 1 }).collect::<Vec<_>>();
        let rule = |left: Symbol, right: Symbol| (left.id == 0 && right.id == 0).then_some((0, 1));
        for n in [3, 101] {
            let mut symbols = word(n);
            merge(&mut symbols, rule);
            let ids: Vec<u32> = symbols.iter().map(|symbol| symbol.id).collect();
            let mut expected = vec![1; n as usize / 2];
            expected.push(0);
            assert_eq!(ids, expected);
        }
    }
}
