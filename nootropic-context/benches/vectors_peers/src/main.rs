//! Measures nootropic's vector indexes beside others: the same vectors, the same queries, one thread, one run.
//!
//! `vectors-peers BASE.f32 QUERIES.f32 DIM [NAME-PART...]`, files of little-endian rows; `prepare.py` makes them. Rounds of all
//! peers alternate, so that a busy moment of the machine falls on all of them.

mod measure;
mod ours;
mod peers;

use std::error::Error;
use std::sync::Arc;

use measure::{Vectors, report, report_disk};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Something that finds neighbours, ready to be asked.
struct Peer {
    name: String,
    build_s: f64,
    /// Makes one more vector findable, and durable if the peer writes to disk.
    add_one: Option<Box<dyn FnMut() -> Result<()>>>,
    /// From disk to the first answer, in milliseconds.
    open_ms: Option<f64>,
    disk_bytes: Option<u64>,
    memory_bytes: Option<u64>,
    search: Box<dyn FnMut(&[f32]) -> Result<Vec<u32>>>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, queries, dim, only @ ..] = arguments.as_slice() else {
        return Err("usage: vectors-peers BASE.f32 QUERIES.f32 DIM [NAME-PART...]".into());
    };
    let dim = dim.parse()?;
    let (base, queries) = (Arc::new(Vectors::read(base, dim)?), Vectors::read(queries, dim)?);
    let folder = tempfile::tempdir_in(".")?; // a disk, which the system's temporary folder may not be
    println!("{} vectors of {dim} dimensions, {} queries\n", base.len(), queries.len());
    let wanted = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part));
    let mut all = Vec::new();
    for (name, make) in peers::all().into_iter().chain(ours::all()) {
        if wanted(name) {
            eprintln!("building {name}");
            let place = folder.path().join(name.replace(' ', "-"));
            std::fs::create_dir_all(&place)?;
            all.push(make(name, &base, &place)?);
        }
    }
    report(&mut all, &base, &queries)?;
    report_disk(folder.path())
}
