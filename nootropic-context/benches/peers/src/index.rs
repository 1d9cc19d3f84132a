//! Full indexing: ours, tantivy fed by the same reading and cutting, and tantivy given passages in memory. Each run is
//! a process of its own, so that its CPU time and memory are its own.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use nootropic_context::index::{UpdateOptions, update};
use nootropic_context::store::{LmdbStore, StoreOptions};
use serde_json::{Value, json};

use super::shared::{AnonymousPeak, Problem, cpu_seconds, load, median, peak_mb};
use super::tantivy_index::{add, passages, writer};

const SIDES: [&str; 3] = ["ours", "tantivy with parsing", "tantivy alone"];
const ROUNDS: usize = 5;

pub fn compare(root: &Path, work: &Path) -> Result<(), Problem> {
    let mut runs: [Vec<Value>; 3] = Default::default();
    for round in 0..=ROUNDS {
        for (side, runs) in SIDES.iter().zip(&mut runs) {
            let folder = work.join(format!("{round} {side}"));
            let out = Command::new(std::env::current_exe()?).args(["--child", side]).args([root, &folder]).output()?;
            if !out.status.success() {
                return Err(String::from_utf8_lossy(&out.stderr).into_owned().into());
            }
            if round > 0 {
                runs.push(serde_json::from_slice(&out.stdout)?); // the first round warms the page cache
            }
            std::fs::remove_dir_all(&folder)?;
        }
    }
    println!("{}; medians of {ROUNDS} rounds, taking turns", load());
    println!("{:22} {:>7} {:>7} {:>9} {:>9} {:>8}  chunks", "", "wall s", "cpu s", "peak MB", "anon MB", "disk MB");
    let of = |runs: &[Value], name: &str| median(runs.iter().filter_map(|run| run[name].as_f64()).collect());
    for (side, runs) in SIDES.iter().zip(&runs) {
        let [wall, cpu, peak, anonymous, disk, chunks] =
            ["wall", "cpu", "peak", "anonymous", "disk", "chunks"].map(|name| of(runs, name));
        println!("{side:22} {wall:>7.2} {cpu:>7.2} {peak:>9.0} {anonymous:>9.0} {disk:>8.1}  {chunks}");
    }
    let ratio = |name: &str| {
        let pairs = runs[0].iter().zip(&runs[1]);
        median(pairs.filter_map(|(ours, peer)| Some(ours[name].as_f64()? / peer[name].as_f64()?)).collect())
    };
    println!("ours to tantivy with parsing, median of pairs: wall {:.2}x, cpu {:.2}x", ratio("wall"), ratio("cpu"));
    Ok(())
}

/// One side, in its own process.
pub fn child(side: &str, root: &Path, folder: &Path) -> Result<(), Problem> {
    let (watch, mut begun, mut cpu) = (AnonymousPeak::watch(), Instant::now(), cpu_seconds());
    let chunks = match side {
        "ours" => {
            let store = LmdbStore::open(folder, &StoreOptions::with_tables(&nootropic_context::TABLES))?;
            update(&store, root, &UpdateOptions::default(), &mut |_| {}, &|| false)?.chunks
        }
        "tantivy with parsing" => {
            let (mut writer, fields) = writer(folder)?;
            let failed = Mutex::new(None);
            passages(root, &|passage| {
                if let Err(error) = add(&writer, fields, &passage) {
                    *failed.lock().unwrap_or_else(|e| e.into_inner()) = Some(error);
                }
            })?;
            if let Some(error) = failed.into_inner().unwrap_or_else(|e| e.into_inner()) {
                return Err(error);
            }
            writer.commit()?;
            writer.wait_merging_threads()?;
            count(folder)?
        }
        _ => {
            let all = Mutex::new(Vec::new());
            passages(root, &|passage| all.lock().unwrap_or_else(|e| e.into_inner()).push(passage))?;
            let all = all.into_inner().unwrap_or_else(|e| e.into_inner());
            (begun, cpu) = (Instant::now(), cpu_seconds());
            let (mut writer, fields) = writer(folder)?;
            for passage in &all {
                add(&writer, fields, passage)?;
            }
            writer.commit()?;
            writer.wait_merging_threads()?;
            count(folder)?
        }
    };
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let disk = folder.read_dir()?.filter_map(|entry| entry.ok()?.metadata().ok()).map(|m| m.len()).sum::<u64>();
    let (peak, anonymous) = (peak_mb(), watch.end());
    let disk = disk as f64 / 1e6;
    println!("{}", json!({"wall": wall, "cpu": cpu, "peak": peak, "anonymous": anonymous, "disk": disk, "chunks": chunks}));
    Ok(())
}

fn count(folder: &Path) -> Result<u64, Problem> {
    Ok(tantivy::Index::open_in_dir(folder)?.reader()?.searcher().num_docs())
}
