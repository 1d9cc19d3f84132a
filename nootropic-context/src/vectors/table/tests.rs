use nootropic_core::reference::MemoryStore;
use nootropic_core::{ErrorKind, Store, StoreExt};

use super::*;
use crate::vectors::testing::{Random, normalized};

fn store() -> MemoryStore {
    MemoryStore::new([VECTORS])
}

fn embedder(id: &str, dim: usize) -> EmbedderInfo {
    EmbedderInfo { id: id.into(), dim, max_tokens: 256 }
}

fn registered(store: &MemoryStore, id: &str, dim: usize) -> VectorTable {
    store.write_with(|txn| Ok(VectorTable::register(txn, &embedder(id, dim), Kept::Vectors)?)).unwrap().0
}

/// The kind of a failure, through whatever wraps it.
fn kind<T>(result: nootropic_core::Result<T>) -> ErrorKind {
    result.err().unwrap().kind()
}

#[test]
fn vectors_are_kept_at_unit_length() {
    let store = store();
    let table = registered(&store, "a", 5);
    let rows: Vec<Vec<f32>> = (1..4_u8).map(|i| vec![f32::from(i); 5]).collect();
    let put: Vec<_> = (7..).map(ChunkId).zip(rows.iter().map(Vec::as_slice)).collect();
    store.write_with(|txn| Ok(table.put(txn, &put)?)).unwrap();
    store
        .read_with(|txn| {
            assert_eq!(table.len(txn)?, 3);
            assert_eq!(table.get(txn, ChunkId(8))?.unwrap(), normalized(rows[1].clone()));
            assert_eq!(table.get(txn, ChunkId(1))?, None);
            assert!(table.contains(txn, ChunkId(9))? && !table.contains(txn, ChunkId(10))?);
            let cosine = table.rows(txn).cosine(&normalized(vec![1.0; 5]))(ChunkId(9))?.unwrap();
            assert!((cosine - 1.0).abs() < 1e-6);
            Ok(())
        })
        .unwrap();
}

#[test]
fn codes_alone_are_nearly_the_vectors() {
    let store = store();
    let mut random = Random::new(21);
    for dim in [1, 7, 64, 100, 256] {
        let info = embedder(&format!("codes of {dim}"), dim);
        let (table, _) = store.write_with(|txn| Ok(VectorTable::register(txn, &info, Kept::Codes)?)).unwrap();
        let rows: Vec<_> = (0..50).map(|id| (ChunkId(id), random.unit(dim))).collect();
        let put: Vec<_> = rows.iter().map(|(id, row)| (*id, row.as_slice())).collect();
        store.write_with(|txn| Ok(table.put(txn, &put)?)).unwrap();
        store
            .read_with(|txn| {
                let found = VectorTable::find(txn, &info)?.unwrap();
                assert_eq!((found.kept(), found.len(txn)?), (Kept::Codes, 50));
                let query = random.unit(dim);
                let (stored, cosine) = (found.rows(txn), rows.iter().map(|(_, row)| code::dot(row, &query)));
                let measure = stored.cosine(&query);
                for ((id, row), exact) in rows.iter().zip(cosine) {
                    let off = (measure(*id)?.unwrap() - exact).abs();
                    assert!(off < if dim < 64 { 1e-2 } else { 2e-3 }, "{dim}: {off}");
                    let read = found.get(txn, *id)?.unwrap();
                    let alike = code::dot(&read, row);
                    assert!(alike > if dim < 64 { 0.99 } else { 0.997 }, "{dim}: {alike}");
                }
                assert_eq!(measure(ChunkId(50))?, None);
                Ok(())
            })
            .unwrap();
        let (removed, _) = store.write_with(|txn| Ok(table.delete(txn, &[ChunkId(3), ChunkId(4)])?)).unwrap();
        assert_eq!(removed, 2);
    }
    // No more is kept: the entry, the state and the log, and a code for each.
    let count = store.read_with(|txn| txn.count(VECTORS)).unwrap();
    assert_eq!(count, 1 + 5 * (4 + 48));
}

#[test]
fn a_table_is_found_again_by_its_embedder() {
    let store = store();
    let table = registered(&store, "a", 5);
    store.write_with(|txn| Ok(table.put(txn, &[(ChunkId(1), &[1.0; 5])])?)).unwrap();
    let again = registered(&store, "a", 5);
    store
        .read_with(|txn| {
            assert_eq!(again.len(txn)?, 1);
            assert!(VectorTable::find(txn, &embedder("b", 5))?.is_none());
            Ok(())
        })
        .unwrap();
}

#[test]
fn embedders_share_nothing() {
    let store = store();
    let tables: Vec<_> = [("a", 3), ("b", 4), ("c", 3)].map(|(id, dim)| registered(&store, id, dim)).into();
    store
        .write_with(|txn| {
            tables[0].put(txn, &[(ChunkId(1), &[1.0, 0.0, 0.0]), (ChunkId(u32::MAX), &[1.0, 0.0, 0.0])])?;
            tables[2].put(txn, &[(ChunkId(1), &[0.0, 1.0, 0.0])])?;
            Ok(())
        })
        .unwrap();
    store
        .read_with(|txn| {
            let listed = VectorTable::list(txn)?;
            let names: Vec<_> = listed.iter().map(|t| (t.embedder(), t.dim())).collect();
            assert_eq!(names, [("a", 3), ("b", 4), ("c", 3)]);
            assert_eq!(tables[2].get(txn, ChunkId(1))?.unwrap(), [0.0, 1.0, 0.0]);
            assert!(tables[1].is_empty(txn)?);
            Ok(())
        })
        .unwrap();
    store.write_with(|txn| Ok(tables[0].clone().forget(txn)?)).unwrap();
    let (d, _) = store.write_with(|txn| Ok(VectorTable::register(txn, &embedder("d", 3), Kept::Vectors)?)).unwrap();
    assert_ne!(d.slot, tables[0].slot, "a slot must not be given out twice");
    store
        .read_with(|txn| {
            assert_eq!(VectorTable::list(txn)?.len(), 3);
            assert_eq!(tables[2].len(txn)?, 1);
            assert_eq!(kind(tables[0].len(txn).map_err(CoreError::from)), ErrorKind::NotFound);
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_embedder_that_changed_is_refused() {
    let store = store();
    registered(&store, "a", 5);
    let failure =
        store.write_with(|txn| Ok(VectorTable::register(txn, &embedder("a", 6), Kept::Vectors)?)).unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::InvalidInput);
    assert!(failure.hint().is_some());
    store
        .read_with(|txn| {
            let changed = VectorTable::find(txn, &embedder("a", 4)).unwrap_err();
            assert!(matches!(changed, Error::EmbedderChanged { stored: 5, given: 4, .. }));
            Ok(())
        })
        .unwrap();
    for bad in [embedder("", 5), embedder("z", 0), embedder("z", MAX_DIM + 1), embedder(&"z".repeat(5000), 5)] {
        assert_eq!(
            kind(store.write_with(|txn| Ok(VectorTable::register(txn, &bad, Kept::Vectors)?))),
            ErrorKind::InvalidInput
        );
    }
}

#[test]
fn a_bad_vector_refuses_the_whole_batch() {
    let store = store();
    let table = registered(&store, "a", 2);
    let good: (ChunkId, &[f32]) = (ChunkId(1), &[1.0, 2.0]);
    for bad in [&[f32::NAN, 1.0][..], &[0.0, 0.0], &[f32::INFINITY, 0.0], &[1.0], &[1.0, 2.0, 3.0]] {
        // The body goes on after the refusal: nothing of the batch may be there to be committed.
        store
            .write_with(|txn| {
                assert!(table.put(txn, &[good, (ChunkId(2), bad)]).is_err());
                Ok(())
            })
            .unwrap();
    }
    let (empty, found) = store.read_with(|txn| Ok((table.is_empty(txn)?, table.contains(txn, ChunkId(1))?))).unwrap();
    assert!(empty && !found);
}

#[test]
fn counts_follow_what_is_set_and_removed() {
    let store = store();
    let table = registered(&store, "a", 2);
    let v: &[f32] = &[1.0, 2.0];
    let len = || store.read_with(|txn| Ok(table.len(txn)?)).unwrap();
    store.write_with(|txn| Ok(table.put(txn, &[(ChunkId(1), v), (ChunkId(2), v), (ChunkId(1), v)])?)).unwrap();
    assert_eq!(len(), 2);
    let (removed, _) = store.write_with(|txn| Ok(table.delete(txn, &[ChunkId(2), ChunkId(3), ChunkId(2)])?)).unwrap();
    assert_eq!(removed, 1);
    assert_eq!(len(), 1);
}

#[test]
fn the_log_says_what_changed_since_a_mark() {
    let store = store();
    let table = registered(&store, "a", 2);
    let mark = || store.read_with(|txn| Ok(table.mark(txn)?)).unwrap();
    let since = |mark| store.read_with(|txn| Ok(table.changed_since(txn, mark)?)).unwrap();
    let put = |ids: &[u32]| {
        let rows: Vec<(ChunkId, &[f32])> = ids.iter().map(|&id| (ChunkId(id), &[1.0, 0.5][..])).collect();
        store.write_with(|txn| Ok(table.put(txn, &rows)?)).unwrap();
    };
    let first = mark();
    put(&[5, 3]);
    let second = mark();
    put(&[4]);
    store.write_with(|txn| Ok(table.delete(txn, &[ChunkId(5)])?)).unwrap();
    assert_eq!(since(first), Some([3, 4, 5].map(ChunkId).into()));
    assert_eq!(since(second), Some([4, 5].map(ChunkId).into()));
    assert_eq!(since(mark()), Some(Vec::new()));
    let elsewhere = |mark: Mark| Mark { token: mark.token ^ 1, ..mark };
    assert_eq!([since(elsewhere(first)), since(elsewhere(mark()))], [None, None], "another history");
    assert_eq!(since(Mark { seq: 99, ..first }), None, "a future that never came");
    store
        .write_with(|txn| {
            for _ in 0..LOG {
                table.put(txn, &[(ChunkId(1), &[1.0, 0.5])])?;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(since(first), None, "the log goes back only so far");
    assert!(store.read_with(|txn| txn.count(VECTORS)).unwrap() <= LOG + 20);
}

#[test]
fn damaged_entries_are_errors() {
    let store = store();
    let table = registered(&store, "a", 4);
    store.write_with(|txn| Ok(table.put(txn, &[(ChunkId(1), &[1.0; 4])])?)).unwrap();
    let entries = store
        .read_with(|txn| {
            let mut entries = Vec::new();
            txn.scan(VECTORS, &KeyRange::all(), &mut |k, v| {
                entries.push((k.to_vec(), v.to_vec()));
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(entries)
        })
        .unwrap();
    let mut random = Random::new(20);
    for (key, value) in entries {
        for round in 0..20 {
            let mut bad = value.clone();
            match round {
                0 => bad.clear(),
                _ if round % 2 == 0 => bad.truncate(random.next() as usize % value.len()),
                _ => bad.extend_from_slice(&random.next().to_le_bytes()[..1 + round % 7]),
            }
            store.write_with(|txn| txn.put(VECTORS, &key, &bad)).unwrap();
            // Whatever is read: an error or an answer, never a panic.
            store
                .read_with(|txn| {
                    let _ = VectorTable::list(txn);
                    let read = table.get(txn, ChunkId(1));
                    assert!(key[2] != Kind::Row as u8 || read.is_err());
                    let read = table.scan_codes(txn, &mut |_, _| ());
                    assert!(key[2] != Kind::Code as u8 || read.is_err());
                    let read = table.mark(txn);
                    assert!(key[2] != Kind::State as u8 || read.is_err());
                    let _ = table.changed_since(txn, Mark { seq: 0, token: 0 });
                    Ok(())
                })
                .unwrap();
        }
        store.write_with(|txn| txn.put(VECTORS, &key, &value)).unwrap();
    }
}

#[test]
fn a_newer_format_is_not_read() {
    let store = store();
    let table = registered(&store, "a", 4);
    let mut info = Info { dim: 4, kept: Kept::Vectors, embedder: "a".into() }.to_bytes();
    info[0] = 3;
    store.write_with(|txn| txn.put(VECTORS, &Kind::Info.key(table.slot), &info)).unwrap();
    let found = store.read_with(|txn| Ok(VectorTable::find(txn, &embedder("a", 4))?.is_some()));
    assert_eq!(kind(found), ErrorKind::UnsupportedVersion);
}

/// Bytes of format 1, as they lie in stores out there.
#[test]
fn the_format_does_not_change_unnoticed() {
    let store = store();
    let table = registered(&store, "e", 2);
    store.write_with(|txn| Ok(table.put(txn, &[(ChunkId(258), &[3.0, 4.0])])?)).unwrap();
    let mut dump = String::new();
    store
        .read(&mut |txn| {
            txn.scan(VECTORS, &KeyRange::all(), &mut |key, value| {
                let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
                dump += &format!("{} {}\n", hex(key), hex(value));
                Ok(ControlFlow::Continue(()))
            })
        })
        .unwrap();
    let expected = "000000 010200000065
000001 0100000000000000ff14689ee024e9380100000000000000
00000200000102 9a99193fcdcc4c3f
00000300000102 a069ce3ba181
0000040000000000000001 713f3863c5a2e41602010000
ffff00 0100
";
    assert_eq!(dump, expected);
}
