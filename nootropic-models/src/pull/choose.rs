//! Which of a repository's files make up a model, and which model to take.

use std::collections::BTreeMap;

use nootropic_core::Endpoint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PullError;
use super::hub::HubFile;
use crate::error::printable;
use crate::library::shards;

/// How weights are quantized, the kind that is taken first if nobody says which.
const PREFERRED: [&str; 14] = [
    "Q4_K_M", "Q4_0", "Q8_0", "Q5_K_M", "Q4_K_S", "Q6_K", "Q5_K_S", "Q5_0", "Q4_1", "Q5_1", "BF16", "F16", "FP16",
    "F32",
];
/// What a folder of safetensors needs besides its weights.
const BESIDES: [&str; 11] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "config.json", // last: with it the folder counts as a model
];
/// What a folder of safetensors is called as a choice.
const SAFETENSORS: &str = "safetensors";

/// A model that a repository has, to be asked for by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HubChoice {
    /// What to write behind the colon: `OWNER/NAME:CHOICE`.
    pub choice: String,
    /// Its length in bytes, all files together.
    pub bytes: u64,
}

/// The files of one model, in the order in which they are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The file, the first of its parts, or nothing for a folder of safetensors.
    pub(super) first: Option<String>,
    pub(super) files: Vec<HubFile>,
    tag: Option<String>,
    /// How many parts there should be.
    parts: usize,
}

impl Chosen {
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.size))
    }

    fn choice(&self, all: &[Self]) -> HubChoice {
        let alone = |tag: &&String| all.iter().filter(|other| other.tag.as_ref() == Some(*tag)).count() == 1;
        let name = self.tag.as_ref().filter(alone).or(self.first.as_ref());
        HubChoice { choice: name.map_or(SAFETENSORS.to_owned(), |name| printable(name)), bytes: self.bytes() }
    }

    fn rank(&self) -> usize {
        let place = |tag: &String| PREFERRED.iter().position(|known| known == tag);
        self.tag.as_ref().and_then(place).unwrap_or(PREFERRED.len())
    }
}

/// The model that `wanted` means, else the one that most people want; and the others there are.
pub(super) fn choose(
    files: Vec<HubFile>,
    wanted: Option<&str>,
    hub: &Endpoint,
    repository: &str,
) -> Result<(Chosen, Vec<HubChoice>), PullError> {
    let mut models = models(files);
    models.sort_by_key(|model| (model.first.is_none(), model.rank(), model.bytes()));
    let choices: Vec<HubChoice> = models.iter().map(|model| model.choice(&models)).collect();
    let named = |choice: &HubChoice| choice.choice.clone();
    let place = match wanted {
        None if models.is_empty() => {
            let problem = "it has neither GGUF files nor safetensors with a config.json".to_owned();
            return Err(PullError::Name { name: repository.to_owned(), problem });
        }
        None => 0,
        Some(wanted) => {
            let meant = meant(&models, wanted);
            match meant.as_slice() {
                [one] => *one,
                [] => {
                    let (what, name) = ("file", format!("{repository}:{}", printable(wanted)));
                    let near = choices.iter().take(20).map(named).collect();
                    return Err(PullError::NotFound { hub: hub.to_string(), what, name, near });
                }
                several => {
                    let several: Vec<String> = several.iter().filter_map(|at| choices.get(*at)).map(named).collect();
                    let problem = format!("it means {} models: {}", several.len(), several.join(", "));
                    return Err(PullError::Name { name: format!("{repository}:{}", printable(wanted)), problem });
                }
            }
        }
    };
    let chosen = models.swap_remove(place);
    if chosen.files.len() < chosen.parts {
        let name = printable(chosen.first.as_deref().unwrap_or(SAFETENSORS));
        let problem = format!("only {} of its {} parts are there", chosen.files.len(), chosen.parts);
        return Err(PullError::Name { name: format!("{repository}:{name}"), problem });
    }
    let others = choices.into_iter().enumerate().filter(|(at, _)| *at != place).map(|(_, choice)| choice).collect();
    Ok((chosen, others))
}

/// Which models a name means: a file's path exactly, else without regard to case; a file's name; a quantization.
fn meant(models: &[Chosen], wanted: &str) -> Vec<usize> {
    let all = |test: &dyn Fn(&Chosen) -> bool| -> Vec<usize> {
        models.iter().enumerate().filter(|(_, model)| test(model)).map(|(at, _)| at).collect()
    };
    let path = |model: &Chosen, test: &dyn Fn(&str) -> bool| {
        model.first.is_some() && model.files.iter().any(|file| test(&file.path))
    };
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let tests: [&dyn Fn(&Chosen) -> bool; 5] = [
        &|model| path(model, &|file| file == wanted),
        &|model| path(model, &|file| file.eq_ignore_ascii_case(wanted)),
        &|model| path(model, &|file| base(file).eq_ignore_ascii_case(wanted)),
        &|model| model.tag.as_ref().is_some_and(|tag| tag.eq_ignore_ascii_case(wanted)),
        &|model| model.first.is_none() && wanted.eq_ignore_ascii_case(SAFETENSORS),
    ];
    tests.into_iter().map(all).find(|found| !found.is_empty()).unwrap_or_default()
}

/// Every model that the files make up.
fn models(files: Vec<HubFile>) -> Vec<Chosen> {
    let mut ggufs = BTreeMap::<String, Chosen>::new();
    let mut root = Vec::new();
    for file in files {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let lower = name.to_ascii_lowercase();
        let Some(length) = lower.strip_suffix(".gguf").map(str::len) else {
            if folder.is_empty() {
                root.push(file);
            }
            continue;
        };
        // What projects pictures, or was measured to quantize by, is no language model.
        if lower.starts_with("mmproj") || lower.contains("imatrix") {
            continue;
        }
        let stem = name.get(..length).unwrap_or(name);
        let part = shards::part(stem);
        let key = format!("{folder}/{}/{}", part.map_or(stem, |part| part.base), part.map_or(1, |part| part.of));
        let tag = tag(part.map_or(stem, |part| part.base));
        let parts = part.map_or(1, |part| part.of as usize);
        let model = ggufs.entry(key).or_insert(Chosen { first: None, files: Vec::new(), tag, parts });
        model.files.push(file);
    }
    let mut models: Vec<Chosen> = ggufs.into_values().collect();
    for model in &mut models {
        model.files.sort_by(|a, b| a.path.cmp(&b.path));
        model.first = model.files.first().map(|file| file.path.clone());
        model.files.rotate_left(1); // the first comes last: with it the parts count as a model
    }
    models.extend(safetensors(root));
    models
}

/// The folder of safetensors that the files of the root make up.
fn safetensors(root: Vec<HubFile>) -> Option<Chosen> {
    let weights = |file: &&HubFile| file.path.ends_with(".safetensors");
    let is_usual = |file: &HubFile| file.path.starts_with("model");
    // Some publish the same weights once more under other names.
    let usual = root.iter().filter(weights).any(is_usual);
    let mut files: Vec<HubFile> =
        root.iter().filter(weights).filter(|file| !usual || is_usual(file)).cloned().collect();
    if let Some(whole) = files.iter().position(|file| file.path == "model.safetensors") {
        files = vec![files.swap_remove(whole)];
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let of = |file: &HubFile| shards::part(file.path.strip_suffix(".safetensors")?).map(|part| part.of as usize);
    let besides = |name: &str| root.iter().find(|file| file.path == name).cloned();
    let parts = files.first().and_then(of).unwrap_or(1).max(1);
    let complete = files.len() >= parts;
    if files.is_empty() || besides("config.json").is_none() {
        return None;
    }
    if files.len() > 1 {
        files.extend(besides("model.safetensors.index.json"));
    }
    files.extend(BESIDES.iter().filter_map(|name| besides(name)));
    let parts = if complete { files.len() } else { files.len() + 1 };
    Some(Chosen { first: None, files, tag: None, parts })
}

/// How a file's weights are quantized, as its name says: `Q4_K_M`.
fn tag(stem: &str) -> Option<String> {
    let upper = stem.to_ascii_uppercase();
    let quantized = |word: &str| {
        let digit =
            |prefix: &str| word.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        ["Q", "IQ", "TQ"].into_iter().any(digit)
            || word.starts_with("MXFP4")
            || ["F16", "BF16", "F32", "FP16"].contains(&word)
    };
    upper.rsplit(['-', '.']).find(|word| quantized(word)).map(str::to_owned)
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
