//! A history that can be told again from its seed: what a store must hold after each of its steps.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use nootropic_core::{KeyRange, ReadTxn, Result, WriteTxn};

use crate::store_support::{A, B, Random};

/// Where a store keeps how far it has come.
const HEAD: &[u8] = b"head";
/// Keys of ordinary records start with one of so many bytes.
const BUCKETS: u64 = 6;

/// What a record's value can be told from: the step that wrote it, and its length.
type Written = (u64, usize);
/// A store's records.
type Contents = BTreeMap<Vec<u8>, Written>;

#[derive(Debug, Clone)]
enum Edit {
    Put(Vec<u8>, usize),
    Delete(Vec<u8>),
    DeletePrefix(Vec<u8>),
}

/// The history.
#[derive(Debug)]
pub struct Story {
    steps: Vec<Vec<Edit>>,
    after: Vec<Contents>,
}

impl Story {
    /// The first `len` steps.
    pub fn new(seed: u64, len: u64) -> Self {
        let mut story = Self { steps: vec![Vec::new()], after: vec![Contents::new()] };
        let mut now = Contents::new();
        for step in 1..=len {
            let mut random = Random::new(seed ^ step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let edits = invent(&now, &mut random);
            for edit in &edits {
                match edit {
                    Edit::Put(key, len) => drop(now.insert(key.clone(), (step, *len))),
                    Edit::Delete(key) => drop(now.remove(key)),
                    Edit::DeletePrefix(prefix) => now.retain(|key, _| !key.starts_with(prefix)),
                }
            }
            story.steps.push(edits);
            story.after.push(now.clone());
        }
        story
    }

    /// How many steps there are.
    pub fn len(&self) -> u64 {
        self.steps.len() as u64 - 1
    }

    /// Takes step `step`. Taken twice, it changes nothing the second time.
    pub fn take(&self, txn: &mut dyn WriteTxn, step: u64) -> Result<()> {
        for edit in &self.steps[step as usize] {
            match edit {
                Edit::Put(key, len) => txn.put(A, key, &value(key, (step, *len)))?,
                Edit::Delete(key) => drop(txn.delete(A, key)?),
                Edit::DeletePrefix(prefix) => drop(txn.delete_range(A, &KeyRange::prefix(prefix))?),
            }
        }
        txn.put(B, HEAD, &step.to_be_bytes())
    }

    /// The step a store has come to; or, inside, in what its records differ from what they are after that step.
    pub fn recognize(&self, txn: &dyn ReadTxn) -> Result<std::result::Result<u64, String>> {
        let head = txn.get(B, HEAD)?.map_or(0, |head| u64::from_be_bytes(head.try_into().unwrap()));
        let Some(expected) = self.after.get(head as usize) else { return Ok(Err(format!("step {head} is unknown"))) };
        let mut expected = expected.iter();
        let mut wrong = None;
        txn.scan(A, &KeyRange::all(), &mut |key, bytes| {
            match expected.next() {
                Some((other, written)) if other == key && bytes == value(key, *written) => {}
                other => wrong = Some(format!("step {head}: {key:02x?} found, {other:02x?} expected")),
            }
            Ok(if wrong.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if let (None, Some((key, _))) = (&wrong, expected.next()) {
            wrong = Some(format!("step {head}: {key:02x?} is missing"));
        }
        Ok(wrong.map_or(Ok(head), Err))
    }
}

/// The bytes of a record: no two blocks of two records, or of one, are alike.
fn value(key: &[u8], (step, len): Written) -> Vec<u8> {
    let mut salt = key.iter().fold(step.wrapping_mul(0x9E37_79B9_7F4A_7C15), |salt, byte| {
        (salt ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let mut block = [0; 256];
    for word in block.chunks_exact_mut(8) {
        salt = salt.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        word.copy_from_slice(&salt.to_le_bytes());
    }
    let mut value = Vec::with_capacity(len + block.len());
    while value.len() < len {
        block[..4].copy_from_slice(&(value.len() as u32).to_le_bytes());
        value.extend_from_slice(&block);
    }
    value.truncate(len);
    value
}

fn ordinary_key(random: &mut Random) -> Vec<u8> {
    let [high, low] = (random.below(120) as u16).to_be_bytes();
    vec![random.below(BUCKETS) as u8, high, low]
}

/// Some edits of one of many sizes and kinds.
fn invent(now: &Contents, random: &mut Random) -> Vec<Edit> {
    match random.below(100) {
        0..35 => {
            (0..1 + random.below(8)).map(|_| Edit::Put(ordinary_key(random), random.below(200) as usize)).collect()
        }
        35..50 => {
            (0..20 + random.below(130)).map(|_| Edit::Put(ordinary_key(random), random.below(600) as usize)).collect()
        }
        50..60 => (0..1 + random.below(3))
            .map(|_| Edit::Put(vec![0x40, random.below(5) as u8], 3_000 + random.below(120_000) as usize))
            .collect(),
        60..75 if !now.is_empty() => {
            let keys: Vec<_> = now.keys().collect();
            (0..1 + random.below(40))
                .map(|_| Edit::Delete(keys[random.below(keys.len() as u64) as usize].clone()))
                .collect()
        }
        75..82 => vec![Edit::DeletePrefix(vec![random.below(BUCKETS) as u8])],
        82..84 => vec![Edit::DeletePrefix(Vec::new())],
        84..94 => {
            let first = random.below(60_000) as u16;
            (0..60).map(|n| Edit::Put([&[0x50][..], &(first + n).to_be_bytes()].concat(), 40)).collect()
        }
        _ => vec![Edit::Put(vec![random.below(256) as u8; 511], 0), Edit::Put(ordinary_key(random), 2_000)],
    }
}
