//! What the measurements share: time, memory, percentiles, questions, and trees of source to work on.

#![allow(dead_code, unreachable_pub, reason = "each measurement uses its part; several packages share it")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nootropic_context::lexical::identifiers;

pub type Problem = Box<dyn std::error::Error + Send + Sync>;

/// How long one thing took, done many times, in milliseconds: by the clock on the wall, and by that of the thread, which
/// stands still while others use the core.
#[derive(Debug, Default, Clone)]
pub struct Times {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Times {
    /// Runs and counts one.
    pub fn time<T>(&mut self, body: impl FnOnce() -> T) -> T {
        let (begun, cpu) = (Instant::now(), thread_ms());
        let out = body();
        self.cpu.push(thread_ms() - cpu);
        self.wall.push(begun.elapsed().as_secs_f64() * 1e3);
        out
    }

    pub fn append(&mut self, more: Self) {
        self.wall.extend(more.wall);
        self.cpu.extend(more.cpu);
    }

    /// The wall time that this share of the runs does not exceed.
    pub fn wall(&self, share: f64) -> f64 {
        at(&self.wall, share)
    }

    /// The CPU time that this share of the runs does not exceed.
    pub fn cpu(&self, share: f64) -> f64 {
        at(&self.cpu, share)
    }

    pub fn len(&self) -> usize {
        self.wall.len()
    }

    /// The places of those that took the most CPU time.
    pub fn slowest(&self, n: usize) -> Vec<(usize, f64)> {
        let mut order: Vec<(usize, f64)> = self.cpu.iter().copied().enumerate().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        order.truncate(n);
        order
    }
}

fn at(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len().max(1) - 1) as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| self.wall(share));
        write!(f, "p50 {p50:>7.3}  p95 {p95:>7.3}  p99 {p99:>7.3} ms")?;
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| self.cpu(share));
        write!(f, "; cpu p50 {p50:>7.3}  p95 {p95:>7.3}  p99 {p99:>7.3} ms  (n {})", self.len())
    }
}

fn thread_ms() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU seconds of this process so far; 0 where there is no `/proc`.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn status_mb(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// The most memory this process held so far, mapped files included, in MB; 0 where there is no `/proc`.
pub fn peak_mb() -> f64 {
    status_mb("VmHWM")
}

/// Watches the memory that is not a mapped file, which the kernel cannot take back.
pub struct AnonymousPeak {
    stop: Arc<AtomicBool>,
    peak_kb: Arc<AtomicU64>,
}

impl AnonymousPeak {
    pub fn watch() -> Self {
        let (stop, peak_kb) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let watcher = Self { stop: Arc::clone(&stop), peak_kb: Arc::clone(&peak_kb) };
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                peak_kb.fetch_max((status_mb("RssAnon") * 1024.0) as u64, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(4));
            }
        });
        watcher
    }

    /// Ends the watch; the peak in MB.
    pub fn end(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        self.peak_kb.load(Ordering::Relaxed) as f64 / 1024.0
    }
}

/// How busy the machine is, so that numbers can be read.
pub fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores, load {}", load.split_whitespace().next().unwrap_or("unknown"))
}

/// Numbers that are the same on every run (splitmix64).
pub struct Draw(pub u64);

impl Draw {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// Questions of three words that stand together in a passage.
pub fn three_words(passages: &[String], n: usize) -> Vec<String> {
    let mut draw = Draw(7);
    let mut out = Vec::with_capacity(n);
    for _ in 0..n * 10 {
        if out.len() == n || passages.is_empty() {
            break;
        }
        let mut words = BTreeSet::new();
        identifiers(&passages[draw.below(passages.len())], |word| {
            if word.text.len() > 3 && !word.text.as_bytes()[0].is_ascii_digit() {
                words.insert(word.text);
            }
        });
        let mut words: Vec<&str> = words.into_iter().collect();
        if words.len() >= 3 {
            let picked: Vec<&str> = (0..3).map(|_| words.swap_remove(draw.below(words.len()))).collect();
            out.push(picked.join(" "));
        }
    }
    out
}

/// The questions of the retrieval benchmark; asked of another corpus they still are what people ask.
pub fn natural_questions() -> Result<Vec<String>, Problem> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["benches/retrieval", "../retrieval", "../../nootropic-context/benches/retrieval"];
    let places = places.map(|place| package.join(place).join("annotations"));
    let folder = places.iter().find(|place| place.is_dir()).ok_or("benches/retrieval/annotations is missing")?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<std::io::Result<_>>()?;
    files.sort();
    let mut out = Vec::new();
    for file in files {
        let tasks: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(file)?)?;
        out.extend(tasks.iter().filter_map(|task| Some(task["query"].as_str()?.to_owned())));
    }
    Ok(out)
}

/// Writes a tree of `files` small source files, a hundred a folder.
pub fn plant(root: &Path, files: usize) -> std::io::Result<()> {
    for n in 0..files {
        let folder = root.join(format!("area{:03}", n / 100));
        if n % 100 == 0 {
            std::fs::create_dir_all(&folder)?;
        }
        std::fs::write(folder.join(format!("part_{n}.rs")), source(n, 0))?;
    }
    Ok(())
}

/// The text of one file of such a tree; another `edition` differs in a line.
pub fn source(n: usize, edition: usize) -> String {
    let mut text = format!("//! Part {n} of the machine, edition {edition}.\n\nuse std::fmt;\n\n");
    for i in 0..6 {
        text.push_str(&format!(
            "/// Turns the wheel {i} of part {n} until it stops.\npub fn turn_wheel_{n}_{i}(limit: u32) -> u32 {{\n    \
             let mut turned = {i};\n    while turned < limit {{\n        turned += step_{i}(turned);\n    }}\n    turned\n}}\n\n"
        ));
    }
    text
}

/// Copies files from below `from` until there are `bytes` of them: a corpus for who names none.
pub fn gather(from: &Path, to: &Path, bytes: u64) -> Result<u64, Problem> {
    use nootropic_context::walk::{Found, WalkOptions, walk};
    let mut paths = Vec::new();
    walk(from, &WalkOptions::default(), &|| false, &mut |found| {
        if let Found::File { path, stamp } = found {
            paths.push((path.to_text().into_owned(), stamp.size));
        }
    })?;
    paths.sort();
    let mut copied = 0;
    for (path, size) in paths {
        if copied >= bytes {
            break;
        }
        let target = to.join(&path);
        std::fs::create_dir_all(target.parent().unwrap_or(to))?;
        copied += std::fs::copy(from.join(&path), &target).map_or(0, |_| size);
    }
    Ok(copied)
}

/// Where Cargo keeps the sources of the crates this workspace is built from: source that everybody has.
pub fn cargo_sources() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let folder = home.join("registry/src");
    folder.is_dir().then_some(folder)
}

/// A copy of the corpus named on the command line, else of about 50 MB of the sources Cargo has at hand. It is made in
/// `work`, so that files may be changed.
pub fn corpus(named: Option<&str>, work: &Path) -> Result<Option<PathBuf>, Problem> {
    let (from, bytes) = match named {
        Some(named) => (Some(PathBuf::from(named)), u64::MAX),
        None => (cargo_sources(), 50_000_000),
    };
    let Some(from) = from else { return Ok(None) };
    let folder = work.join("corpus");
    gather(&from, &folder, bytes)?;
    Ok(Some(folder))
}
