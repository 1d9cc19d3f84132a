//! The questions of the retrieval benchmark, where they are asked, and the metric.

#![allow(dead_code, unreachable_pub, reason = "each measurement uses its part; two packages share it")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nootropic_context::search::Answer;
use serde::Deserialize;

pub type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A repository and what is asked of it.
#[derive(Deserialize)]
pub struct Repository {
    pub name: String,
    /// The folder that is indexed.
    pub root: String,
    #[serde(default)]
    pub tasks: Vec<Task>,
}

#[derive(Deserialize)]
pub struct Task {
    pub query: String,
    pub relevant: Vec<Target>,
    #[serde(default)]
    pub secondary: Vec<Target>,
    pub category: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum Target {
    File(String),
    Lines { path: String, start_line: u32, end_line: u32 },
}

/// A result as the metric sees it: path from the top of the checkout, first and last line.
pub type Found = (String, u32, u32);

/// The repositories of a set of questions: `repos.json` and `annotations/` in `data`.
pub fn repositories(data: &Path) -> Result<Vec<Repository>, Problem> {
    let mut repositories: Vec<Repository> = serde_json::from_slice(&std::fs::read(data.join("repos.json"))?)?;
    for repository in &mut repositories {
        let annotations = data.join("annotations").join(format!("{}.json", repository.name));
        repository.tasks = serde_json::from_slice(&std::fs::read(annotations)?)?;
    }
    Ok(repositories)
}

impl Repository {
    /// The folder to index, and what stands before its paths in those from the top.
    pub fn indexed(&self, checkouts: &Path, whole: bool) -> (PathBuf, String) {
        let root = if whole { "" } else { &self.root };
        let prefix = if root.is_empty() { String::new() } else { format!("{root}/") };
        (checkouts.join(&self.name).join(root), prefix)
    }
}

impl Target {
    pub fn path(&self) -> &str {
        match self {
            Self::File(path) | Self::Lines { path, .. } => path,
        }
    }

    fn is_hit_by(&self, (path, first, last): &Found) -> bool {
        match self {
            Self::File(target) => path == target,
            Self::Lines { path: target, start_line, end_line } => {
                path == target && first <= end_line && last >= start_line
            }
        }
    }
}

/// What an answer found, as seen from the top.
pub fn found(prefix: &str, answer: &Answer) -> Vec<Found> {
    let place = |hit: &nootropic_context::search::Hit| {
        let span = hit.chunk.span;
        (format!("{prefix}{}", hit.chunk.path), span.start_line, span.end_line)
    };
    answer.hits.iter().map(place).collect()
}

/// NDCG@10 as semble computes it: a target marks the first result that hits it, a marked rank gains 1 once.
pub fn ndcg(found: &[Found], task: &Task) -> f64 {
    let gain = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
    let targets = || task.relevant.iter().chain(&task.secondary);
    let marked: BTreeSet<usize> =
        targets().filter_map(|target| found.iter().take(10).position(|result| target.is_hit_by(result))).collect();
    let ideal: f64 = (0..targets().count().min(10)).map(gain).sum();
    marked.into_iter().map(gain).sum::<f64>() / ideal
}

pub fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, n) = values.into_iter().fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
    sum / f64::max(n, 1.0)
}
