//! A writer killed at any moment loses nothing it acknowledged and leaves nothing half done.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod store_support;

use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nootropic_context::store::{LmdbStore, verify};
use nootropic_core::{KeyRange, ReadTxn, Result, Store, StoreExt, WriteTxn};
use store_support::{A, B, Random, child, options, role};

/// Batches kept; older ones are deleted.
const KEPT: u64 = 12;
/// Records of a batch.
const RECORDS: u64 = 40;
/// How often the writer compacts, in batches.
const COMPACT_EVERY: u64 = 9;

/// The value that belongs to a record: anyone can tell whether it is the one that was written.
fn value(batch: u64, record: u64) -> Vec<u8> {
    let len = if record == 0 { 20_000 } else { (batch * 31 + record * 17) % 600 };
    (0..len).map(|n| (n.wrapping_mul(batch + 1) ^ record) as u8).collect()
}

fn key(batch: u64, record: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&batch.to_be_bytes());
    key[8..].copy_from_slice(&record.to_be_bytes());
    key
}

fn head(txn: &dyn ReadTxn) -> Result<u64> {
    Ok(txn.get(B, b"head")?.map_or(0, |head| u64::from_be_bytes(head.try_into().unwrap())))
}

fn write_batch(txn: &mut dyn WriteTxn, batch: u64) -> Result<()> {
    for record in 0..RECORDS {
        txn.put(A, &key(batch, record), &value(batch, record))?;
    }
    txn.delete_range(A, &KeyRange::prefix(&batch.wrapping_sub(KEPT).to_be_bytes()))?;
    txn.put(B, b"head", &batch.to_be_bytes())
}

/// Writes batch after batch and says so after each, until it is killed.
fn writer(place: &Path) -> ! {
    let store = LmdbStore::open(place, &options()).unwrap();
    let mut out = std::io::stdout();
    let mut batch = store.read_with(head).unwrap();
    loop {
        batch += 1;
        store.write(&mut |txn| write_batch(txn, batch)).unwrap();
        out.write_all(format!("\nack {batch}\n").as_bytes()).unwrap();
        out.flush().unwrap();
        if batch % COMPACT_EVERY == 0 {
            store.compact().unwrap();
        }
    }
}

/// Every record of every batch that should be there, and no other.
fn check_contents(txn: &dyn ReadTxn) -> Result<u64> {
    let head = head(txn)?;
    let first = head.saturating_sub(KEPT - 1).max(1);
    let mut expected = (first..=head).flat_map(|batch| (0..RECORDS).map(move |record| (batch, record)));
    txn.scan(A, &KeyRange::all(), &mut |found, bytes| {
        let (batch, record) = expected.next().expect("more records than were written");
        assert_eq!(found, key(batch, record));
        assert_eq!(bytes, value(batch, record), "record {record} of batch {batch}");
        Ok(ControlFlow::Continue(()))
    })?;
    assert_eq!(expected.next(), None, "a record is missing");
    Ok(head)
}

#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    if let Some((_, place)) = role() {
        writer(&place);
    }
    let kills: u64 = std::env::var("NOOTROPIC_KILLS").ok().map_or(50, |kills| kills.parse().unwrap());
    let mut random = Random::seeded();
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("store");
    let (mut acked_in_all, mut before) = (0, 0);
    for kill in 0..kills {
        let mut command = child("killed_at_any_moment_nothing_acknowledged_is_lost", "write", &place);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(move || {
            lines.map_while(|line| line.ok()).filter_map(|line| line.strip_prefix("ack ")?.parse::<u64>().ok()).last()
        });
        std::thread::sleep(Duration::from_micros(random.below(80_000)));
        process.kill().unwrap();
        process.wait().unwrap();
        let acked = reader.join().unwrap().unwrap_or(before);

        let store = LmdbStore::open(&place, &options()).unwrap();
        let found = store.read_with(check_contents).unwrap();
        assert!(found >= acked, "kill {kill}: batch {acked} was acknowledged, the store ends at {found}");
        assert!(found <= acked + 1, "kill {kill}: batch {found} was never begun: {acked} was the last");
        drop(store);
        let report = verify(&place).unwrap();
        assert!(report.is_clean(), "kill {kill}: {:?}", report.problems);
        acked_in_all += found - before;
        before = found;
    }
    assert!(acked_in_all > 0, "no child lived long enough to commit anything");
    println!("{kills} kills, {acked_in_all} batches");
}
