//! One file, some times over.

use std::path::Path;
use std::time::Instant;

use futures_util::StreamExt;
use nootropic_core::{GenerateRequest, Model};
use nootropic_models::{FileType, Gguf, LocalModel, generation_speed, prompt_speed};

use super::peers::PeerSpeeds;
use super::{Bench, BenchPhase, BenchRow, BenchStart, Limits};
use crate::Result;
use crate::memory::Peak;
use crate::model_files::failed;
use crate::waiting::wait;

/// Length of the prompt that is known but for its end.
const CACHED: usize = 2000;

/// What a round found: our prompt and generation, and those of each peer.
struct Round {
    prompt: f64,
    generate: f64,
    peers: Vec<PeerSpeeds>,
}

impl Bench<'_> {
    /// Times a file in every phase.
    pub(super) fn file(&self, path: &Path) -> Result<Vec<BenchRow>> {
        let named = Named::of(path);
        let (model, start) = self.start(path)?;
        let rounds = (0..self.ask.rounds).map(|_| self.round(path, &model)).collect::<Result<Vec<_>>>()?;
        let generate = median(rounds.iter().map(|round| round.generate));
        let limits = match self.bandwidth {
            Some(read_bandwidth) => Some(Limits {
                read_bandwidth,
                bandwidth_share: named.bytes_a_token.map(|bytes| bytes as f64 * generate / read_bandwidth),
                eight_at_once: self.generation_speed(&model, 8)?,
            }),
            None => None,
        };
        let row = |phase, ours| BenchRow {
            model: named.name.clone(),
            quant: named.quant.clone(),
            phase,
            ours,
            peer: None,
            theirs: None,
            ratio: None,
            start: None,
            limits: None,
        };
        let prompt =
            BenchRow { start: Some(start), ..row(BenchPhase::Prompt, median(rounds.iter().map(|round| round.prompt))) };
        let mut rows = beside(prompt, &rounds, |round| round.prompt, |peer| peer.prompt);
        let generate = BenchRow { limits, ..row(BenchPhase::Generate, generate) };
        rows.extend(beside(generate, &rounds, |round| round.generate, |peer| peer.generate));
        Ok(rows)
    }

    fn round(&self, path: &Path, model: &LocalModel) -> Result<Round> {
        self.call.cancel.check()?;
        let prompt = prompt_speed(model.transformer(), self.ask.prompt as usize).map_err(failed)?;
        let generate = self.generation_speed(model, 1)?;
        let peers = self.peers.time(path, self.ask, self.device.threads().unwrap_or(1))?;
        Ok(Round { prompt, generate, peers })
    }

    fn generation_speed(&self, model: &LocalModel, sequences: usize) -> Result<f64> {
        let (prompt, tokens) = (self.ask.prompt as usize, self.ask.generate as usize);
        generation_speed(model.transformer(), prompt, tokens, sequences).map_err(failed)
    }

    /// Opens a file that is in the page cache.
    fn start(&self, path: &Path) -> Result<(LocalModel, BenchStart)> {
        drop(LocalModel::open_on(path, &self.device).map_err(failed)?);
        let peak = Peak::start();
        let begun = Instant::now();
        let model = LocalModel::open_on(path, &self.device).map_err(failed)?;
        first_token(&model, "a")?;
        let open_to_first_token_ms = milliseconds(begun);
        let memory_bytes = peak.more();
        let start = BenchStart {
            open_to_first_token_ms,
            cached_first_token_ms: cached_first_token(&model)?,
            memory_bytes,
            file_bytes: std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
        };
        Ok((model, start))
    }
}

/// Time to the first token after a prompt that another has begun with, in milliseconds.
fn cached_first_token(model: &LocalModel) -> Result<Option<f64>> {
    if model.info().context_len <= CACHED + 16 {
        return Ok(None);
    }
    let known = "a b".repeat(CACHED / 2);
    first_token(model, &known)?;
    let begun = Instant::now();
    first_token(model, &format!("{known} c"))?;
    Ok(Some(milliseconds(begun)))
}

/// Waits for the first token after a prompt.
fn first_token(model: &LocalModel, prompt: &str) -> Result<()> {
    let request = GenerateRequest { max_tokens: Some(1), ..GenerateRequest::text(prompt) };
    let mut events = wait(model.generate(request))?;
    while let Some(event) = wait(events.next()) {
        event?;
    }
    Ok(())
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

/// A row beside each peer that did the phase; alone, if none did.
fn beside(
    row: BenchRow,
    rounds: &[Round],
    ours: fn(&Round) -> f64,
    theirs: fn(&PeerSpeeds) -> Option<f64>,
) -> Vec<BenchRow> {
    let mut names: Vec<&str> = rounds.iter().flat_map(|round| &round.peers).map(|peer| peer.peer.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let of = |name: &str| -> Vec<(f64, f64)> {
        let speeds = |round: &Round| Some((ours(round), theirs(round.peers.iter().find(|peer| peer.peer == name)?)?));
        rounds.iter().filter_map(speeds).collect()
    };
    let each = names.into_iter().map(|name| (name, of(name))).filter(|(_, pairs)| !pairs.is_empty());
    let rows: Vec<BenchRow> = each
        .map(|(name, pairs)| BenchRow {
            peer: Some(name.to_owned()),
            theirs: Some(median(pairs.iter().map(|pair| pair.1))),
            ratio: Some(median(pairs.iter().map(|(ours, theirs)| ours / theirs))),
            ..row.clone()
        })
        .collect();
    if rows.is_empty() { vec![row] } else { rows }
}

/// The middle one; of an even number, the upper of the two in the middle. 0 of none.
fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// What a file says of itself.
struct Named {
    name: String,
    quant: String,
    /// Bytes of weights that are read for each token, where that is the same for all.
    bytes_a_token: Option<u64>,
}

impl Named {
    fn of(path: &Path) -> Self {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(file) = Gguf::open(path) else {
            return Self { name: stem, quant: "safetensors".into(), bytes_a_token: None };
        };
        let metadata = file.metadata();
        let name = metadata.find::<&str>("general.name").ok().flatten().map_or(stem, str::to_owned);
        let id = metadata.find::<u64>("general.file_type").ok().flatten();
        let quant = id.and_then(|id| FileType::all().find(|file_type| u64::from(file_type.id()) == id));
        let tied = !file.tensors().any(|tensor| tensor.name == "output.weight");
        let experts = file.tensors().any(|tensor| tensor.name.contains("_exps."));
        // Of embeddings that are not the output matrix too, a token reads one row.
        let read = file.tensors().filter(|tensor| tied || tensor.name != "token_embd.weight");
        let bytes = read.map(|tensor| tensor.bytes).sum();
        Self { name, quant: quant.map_or("?", FileType::name).into(), bytes_a_token: (!experts).then_some(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::{BenchPhase, BenchRow, PeerSpeeds, Round, beside};

    #[test]
    fn each_peer_gets_a_row_with_the_median_ratio() {
        let round = |prompt: f64, theirs: f64| {
            let peer = PeerSpeeds { peer: "other 1".into(), prompt: Some(theirs), generate: None };
            Round { prompt, generate: 1.0, peers: vec![peer] }
        };
        let rounds = [round(10.0, 10.0), round(40.0, 10.0), round(20.0, 10.0)];
        let row = BenchRow {
            model: "m".into(),
            quant: "Q4_0".into(),
            phase: BenchPhase::Prompt,
            ours: 20.0,
            peer: None,
            theirs: None,
            ratio: None,
            start: None,
            limits: None,
        };
        let rows = beside(row.clone(), &rounds, |round| round.prompt, |peer| peer.prompt);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].peer.as_deref(), rows[0].theirs, rows[0].ratio), (Some("other 1"), Some(10.0), Some(2.0)));
        assert_eq!(beside(row.clone(), &rounds, |round| round.generate, |peer| peer.generate), [row]);
    }
}
