//! A scan of the codes where they are stored, for those who ask once.

use nootropic_core::{ChunkId, ReadTxn};

use super::code::Prepared;
use super::exact::{rescore, rescored};
use super::kernel::Kernel;
use super::table::VectorTable;
use super::top::Top;
use super::{Accept, Neighbor, unit};
use crate::Result;

/// As [`VectorIndex::search`](super::VectorIndex::search) of an exact index that was made of what `txn` shows. It looks at every code, and
/// takes a tenth of the time that making the index takes: the whole life of a command, perhaps.
pub(super) fn search(
    table: &VectorTable,
    txn: &dyn ReadTxn,
    query: &[f32],
    k: usize,
    accept: Option<Accept<'_>>,
) -> Result<Vec<Neighbor>> {
    let unit = unit(query, table.dim())?;
    let rotated = table.rotated(&unit);
    let (query, kernel) = (Prepared::new(unit, &rotated, &vec![0.0; rotated.len()]), Kernel::best());
    let mut nearest = Top::<ChunkId>::new(if k == 0 { 0 } else { rescored(k) });
    table.scan_codes(txn, &mut |id, code| {
        let score = query.score(kernel, code.scale, code.code);
        if score >= nearest.threshold() && accept.is_none_or(|accept| accept(id)) {
            nearest.offer(id, score);
        }
    })?;
    rescore(&table.rows(txn), &query.unit, k, nearest.keys())
}

#[cfg(test)]
mod tests {
    use nootropic_core::reference::MemoryStore;
    use nootropic_core::{EmbedderInfo, StoreExt};

    use super::*;
    use crate::vectors::testing::{MemoryRows, Random, recall};
    use crate::vectors::{IndexCache, Kept, VECTORS, VectorIndex};

    #[test]
    fn it_finds_what_an_index_finds() {
        let store = MemoryStore::new([VECTORS]);
        let mut random = Random::new(50);
        for (kept, dim) in [(Kept::Vectors, 96), (Kept::Codes, 100)] {
            let info = EmbedderInfo { id: format!("{kept:?}"), dim, max_tokens: 64 };
            let (table, _) = store.write_with(|txn| Ok(VectorTable::register(txn, &info, kept)?)).unwrap();
            let rows = MemoryRows::numbered(random.clustered(1500, dim, 30));
            let put: Vec<_> = rows.0.iter().map(|(id, row)| (*id, row.as_slice())).collect();
            store.write_with(|txn| Ok(table.put(txn, &put)?)).unwrap();
            let cache = IndexCache::new(table.clone());
            let even = |id: ChunkId| id.0.is_multiple_of(2);
            let accepts: [Option<Accept<'_>>; 2] = [None, Some(&even)];
            for (k, accept) in [0, 1, 10, 3000].into_iter().flat_map(|k| accepts.map(|accept| (k, accept))) {
                let query: Vec<f32> = random.unit(dim).iter().map(|x| x * 3.0).collect();
                let (scanned, indexed) = store
                    .read_with(|txn| {
                        let indexed = cache.at(txn)?.search(&table.rows(txn), &query, k, accept)?;
                        Ok((search(&table, txn, &query, k, accept)?, indexed))
                    })
                    .unwrap();
                let wanted = rows.nearest(&query, k, |id| accept.is_none_or(|accept| accept(id)));
                assert_eq!(scanned.len(), wanted.len());
                let least = if k == 0 { 0.0 } else { 0.9 };
                assert!(recall(&scanned, &wanted) >= least && recall(&indexed, &scanned) >= least, "{kept:?} {k}");
                for Neighbor { id, score } in scanned {
                    let exact = rows.nearest(&query, 1, |other| other == id)[0].score;
                    assert!((score - exact).abs() < if kept == Kept::Codes { 4e-3 } else { 1e-6 }, "{score} {exact}");
                }
            }
        }
    }
}
