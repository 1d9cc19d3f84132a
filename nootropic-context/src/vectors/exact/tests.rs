use super::*;
use crate::vectors::testing::{MemoryRows, Random, recall};

fn indexed(rows: &MemoryRows, dim: usize) -> ExactIndex {
    ExactIndex::from_rows(dim, rows.0.iter().map(|(&id, row)| (id, row.as_slice()))).unwrap()
}

fn mean_recall(index: &ExactIndex, rows: &MemoryRows, queries: &[Vec<f32>], k: usize) -> f64 {
    let each = queries.iter().map(|q| {
        let got = index.search(rows, q, k, None).unwrap();
        recall(&got, &rows.nearest(q, k, |_| true))
    });
    each.sum::<f64>() / queries.len() as f64
}

#[test]
fn nearly_all_true_neighbours_are_found() {
    let mut random = Random::new(10);
    for (count, dim) in [(2000, 384), (1000, 100), (600, 1024), (300, 7)] {
        let mut all = random.clustered(count + 20, dim, 40);
        let queries = all.split_off(count);
        let rows = MemoryRows::numbered(all);
        let index = indexed(&rows, dim);
        for k in [1, 10, 50] {
            let recall = mean_recall(&index, &rows, &queries, k);
            assert!(recall >= 0.98, "{count} of {dim} dimensions, k {k}: {recall}");
        }
    }
}

#[test]
fn scores_are_the_cosines_of_the_stored_vectors() {
    let mut random = Random::new(11);
    let rows = MemoryRows::numbered(random.clustered(1000, 384, 10));
    let index = indexed(&rows, 384);
    let query: Vec<f32> = random.unit(384).iter().map(|x| x * 17.0).collect();
    let got = index.search(&rows, &query, 20, None).unwrap();
    assert_eq!(got, rows.nearest(&query, 20, |_| true));
    assert!(got.iter().all(|n| n.score.abs() <= 1.0 + 1e-5));
}

#[test]
fn few_vectors_are_found_exactly() {
    let mut random = Random::new(12);
    for count in [0, 1, 2, 9, 150] {
        let rows = MemoryRows::numbered((0..count).map(|_| random.unit(33)).collect());
        let index = indexed(&rows, 33);
        let query = random.unit(33);
        assert_eq!(index.search(&rows, &query, 5, None).unwrap(), rows.nearest(&query, 5, |_| true));
        assert_eq!(index.search(&rows, &query, 1000, None).unwrap().len(), count);
        assert!(index.search(&rows, &query, 0, None).unwrap().is_empty());
    }
}

#[test]
fn inserting_and_removing_leaves_what_a_fresh_index_holds() {
    let mut random = Random::new(13);
    let mut rows = MemoryRows::default();
    let mut index = ExactIndex::new(48).unwrap();
    for step in 0..4000_u32 {
        let id = ChunkId(random.next() as u32 % 1500);
        if random.next().is_multiple_of(3) {
            assert_eq!(index.remove(id), rows.0.remove(&id).is_some());
        } else {
            let row = random.unit(48);
            index.insert(id, &row).unwrap();
            rows.0.insert(id, row);
        }
        assert_eq!(index.len(), rows.0.len(), "step {step}");
    }
    let mut ids: Vec<_> = index.ids().collect();
    ids.sort_unstable();
    assert_eq!(ids, rows.0.keys().copied().collect::<Vec<_>>());
    for _ in 0..20 {
        let query = random.unit(48);
        let expected = rows.nearest(&query, 10, |_| true);
        assert_eq!(index.search(&rows, &query, 1, None).unwrap()[0], expected[0]);
        assert!(recall(&index.search(&rows, &query, 10, None).unwrap(), &expected) >= 0.9);
    }
    let ids: Vec<_> = index.ids().collect();
    assert!(ids.iter().all(|&id| index.remove(id)));
    assert!(index.is_empty() && index.bytes() == 0);
}

#[test]
fn every_stored_vector_finds_itself() {
    let mut random = Random::new(14);
    let rows = MemoryRows::numbered(random.clustered(1200, 64, 5));
    let mut index = indexed(&rows, 64);
    for id in (0..1200).step_by(3) {
        index.remove(ChunkId(id)); // rows move to other places
    }
    for (id, row) in rows.0.iter().filter(|(id, _)| !id.0.is_multiple_of(3)) {
        assert_eq!(index.search(&rows, row, 1, None).unwrap()[0].id, *id);
    }
}

#[test]
fn a_filter_is_applied_before_the_count() {
    let mut random = Random::new(15);
    let rows = MemoryRows::numbered(random.clustered(3000, 96, 20));
    let index = indexed(&rows, 96);
    let query = random.unit(96);
    let rare = |id: ChunkId| id.0 % 300 == 7; // ten of them, wherever they rank
    assert_eq!(index.search(&rows, &query, 10, Some(&rare)).unwrap(), rows.nearest(&query, 10, rare));
    assert!(index.search(&rows, &query, 10, Some(&|_| false)).unwrap().is_empty());
}

#[test]
fn equals_come_in_order_of_identity() {
    let mut random = Random::new(16);
    let (same, other) = (random.unit(384), random.unit(384));
    let mut index = ExactIndex::new(384).unwrap();
    let mut rows = MemoryRows::default();
    for id in (0..2000).rev().map(ChunkId) {
        let row = if id.0.is_multiple_of(2) { &same } else { &other };
        index.insert(id, row).unwrap();
        rows.0.insert(id, row.clone());
    }
    let got = index.search(&rows, &same, 10, None).unwrap();
    assert_eq!(got.iter().map(|n| n.id.0).collect::<Vec<_>>(), (0..20).step_by(2).collect::<Vec<_>>());
}

#[test]
fn what_has_no_direction_or_another_dimension_is_refused() {
    let mut index = ExactIndex::new(4).unwrap();
    let rows = MemoryRows::default();
    let nan = [1.0, f32::NAN, 0.0, 0.0];
    let infinite = [1.0, f32::INFINITY, 0.0, 0.0];
    for bad in [&[0.0; 4][..], &nan, &infinite, &[1.0; 3], &[1.0; 5], &[]] {
        assert!(index.insert(ChunkId(1), bad).is_err(), "{bad:?}");
        let error = index.search(&rows, bad, 3, None).unwrap_err();
        assert_eq!(error.kind(), nootropic_core::ErrorKind::InvalidInput);
    }
    assert!(index.is_empty());
    assert!(ExactIndex::new(0).is_err());
    assert!(ExactIndex::new(crate::vectors::MAX_DIM + 1).is_err());
}

#[test]
fn a_clone_does_not_see_what_comes_after() {
    let mut random = Random::new(17);
    let rows = MemoryRows::numbered(random.clustered(800, 32, 4));
    let mut index = indexed(&rows, 32);
    let snapshot = index.clone();
    let query = random.unit(32);
    let before = snapshot.search(&rows, &query, 10, None).unwrap();
    for id in &before {
        index.remove(id.id);
    }
    index.insert(ChunkId(9000), &query).unwrap();
    assert_eq!(snapshot.search(&rows, &query, 10, None).unwrap(), before);
    assert!(index.search(&rows, &query, 10, None).unwrap().iter().all(|n| before.iter().all(|b| b.id != n.id)));
}

#[test]
fn what_the_rows_no_longer_hold_is_left_out() {
    let mut random = Random::new(18);
    let mut rows = MemoryRows::numbered((0..50).map(|_| random.unit(16)).collect());
    let index = indexed(&rows, 16);
    let query = random.unit(16);
    let best = rows.nearest(&query, 1, |_| true)[0].id;
    rows.0.remove(&best);
    assert_eq!(index.search(&rows, &query, 5, None).unwrap(), rows.nearest(&query, 5, |_| true));
}
