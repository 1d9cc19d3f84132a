//! The others, each at the settings that reach a recall of 0.98 or come nearest.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use heed::{CommitOrAbort, Env, EnvOpenOptions, WithoutTls};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::measure::{K, Vectors, disk_bytes, timed};
use crate::{Peer, Result};

type Make = fn(&str, &Arc<Vectors>, &Path) -> Result<Peer>;

pub fn all() -> [(&'static str, Make); 3] {
    [("f32 scan", scan), ("arroy", trees), ("hannoy", graph_on_disk)]
}

fn scan(name: &str, base: &Arc<Vectors>, _: &Path) -> Result<Peer> {
    let scanned = base.clone();
    Ok(Peer {
        name: name.into(),
        build_s: 0.0,
        add_one: None,
        open_ms: None,
        disk_bytes: None,
        memory_bytes: Some((base.len() * base.dim * 4) as u64),
        search: Box::new(move |query| Ok(scanned.nearest(query))),
    })
}

fn environment(folder: &Path) -> Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(16 << 30);
    // SAFETY: nobody else writes this folder, it lies on a local disk.
    Ok(unsafe { options.open(folder) }?)
}

fn trees(name: &str, base: &Arc<Vectors>, folder: &Path) -> Result<Peer> {
    use arroy::distances::Cosine;
    let env = environment(folder)?;
    let txn = env.write_txn()?;
    let created: heed::Result<CommitOrAbort<arroy::Database<'static, Cosine>, ()>> = env
        .create_databases_and_commit(txn, |opener, txn| opener.create_database(txn, None).map(CommitOrAbort::Commit));
    let CommitOrAbort::Commit(database) = created? else { return Err("not committed".into()) };
    let writer = arroy::Writer::<Cosine>::new(database, 0, base.dim);
    let (build_ms, ()) = timed(|| {
        let mut txn = env.write_txn()?;
        for (id, row) in base.rows() {
            writer.add_item(&mut txn, id, row)?;
        }
        writer.builder(&mut SmallRng::seed_from_u64(0)).build(&mut txn)?;
        Ok(txn.commit()?)
    })?;
    let (mut next, rows, added) = (base.len(), base.clone(), env.clone());
    Ok(Peer {
        name: name.into(),
        build_s: build_ms / 1e3,
        add_one: Some(Box::new(move || {
            let mut txn = added.write_txn()?;
            writer.add_item(&mut txn, next as u32, rows.row(next * 7 % rows.len()))?;
            next += 1;
            writer.builder(&mut SmallRng::seed_from_u64(0)).build(&mut txn)?;
            Ok(txn.commit()?)
        })),
        open_ms: None,
        disk_bytes: Some(disk_bytes(folder)?),
        memory_bytes: None,
        search: Box::new(move |query| {
            let txn = env.read_txn()?;
            let reader = arroy::Reader::<Cosine>::open(&txn, 0, database)?;
            let effort = NonZeroUsize::new(12).ok_or("zero")?;
            let found = reader.nns(K).oversampling(effort).by_vector(&txn, query)?;
            Ok(found.into_iter().map(|(id, _)| id).collect())
        }),
    })
}

fn graph_on_disk(name: &str, base: &Arc<Vectors>, folder: &Path) -> Result<Peer> {
    use hannoy::distances::Cosine;
    let env = environment(folder)?;
    let txn = env.write_txn()?;
    let created: heed::Result<CommitOrAbort<hannoy::Database<'static, Cosine>, ()>> = env
        .create_databases_and_commit(txn, |opener, txn| opener.create_database(txn, None).map(CommitOrAbort::Commit));
    let CommitOrAbort::Commit(database) = created? else { return Err("not committed".into()) };
    let writer = hannoy::Writer::<Cosine>::new(database, 0, base.dim);
    let (build_ms, ()) = timed(|| {
        let mut txn = env.write_txn()?;
        for (id, row) in base.rows() {
            writer.add_item(&mut txn, id, row)?;
        }
        writer.builder(&mut SmallRng::seed_from_u64(0)).ef_construction(100).build::<16, 32>(&mut txn)?;
        Ok(txn.commit()?)
    })?;
    let (mut next, rows, added) = (base.len(), base.clone(), env.clone());
    Ok(Peer {
        name: name.into(),
        build_s: build_ms / 1e3,
        add_one: Some(Box::new(move || {
            let mut txn = added.write_txn()?;
            writer.add_item(&mut txn, next as u32, rows.row(next * 7 % rows.len()))?;
            next += 1;
            writer.builder(&mut SmallRng::seed_from_u64(0)).ef_construction(100).build::<16, 32>(&mut txn)?;
            Ok(txn.commit()?)
        })),
        open_ms: None,
        disk_bytes: Some(disk_bytes(folder)?),
        memory_bytes: None,
        search: Box::new(move |query| {
            let txn = env.read_txn()?;
            let reader = hannoy::Reader::<Cosine>::open(&txn, 0, database)?;
            let found = reader.nns(K).ef_search(120).by_vector(&txn, query)?;
            Ok(found.into_nns().into_iter().map(|(id, _)| id).collect())
        }),
    })
}
