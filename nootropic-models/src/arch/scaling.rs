//! Rotary embeddings as configurations describe them: a base, and a scaling for contexts longer than those trained on.

use serde_json::{Map, Value};

use super::config::{Config, Key, Number, limit, number};
use super::names::{Names, Part};
use super::{Pairs, Rope};
use crate::{Error, Result};

const BASE: Key = Key { gguf: "rope.freq_base", published: "rope_theta" };
const KIND: Key = Key { gguf: "rope.scaling.type", published: "rope_scaling" };
const FACTOR: Key = Key { gguf: "rope.scaling.factor", published: "rope_scaling.factor" };
const OLD_FACTOR: Key = Key { gguf: "rope.scale_linear", published: "" };
const ORIGINAL: Key =
    Key { gguf: "rope.scaling.original_context_length", published: "original_max_position_embeddings" };
const MAGNITUDE: Key = Key { gguf: "rope.scaling.attn_factor", published: "rope_scaling.attention_factor" };
const BETA_FAST: Key = Key { gguf: "rope.scaling.yarn_beta_fast", published: "rope_scaling.beta_fast" };
const BETA_SLOW: Key = Key { gguf: "rope.scaling.yarn_beta_slow", published: "rope_scaling.beta_slow" };

const KINDS: &str = "linear, llama3, yarn or longrope";

/// Which part of a configuration describes a rope: models with windows may have two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layers {
    /// Layers that see all positions, or all layers.
    Global,
    /// Layers that see a window.
    Local,
}

/// The frequency base of a family that does not say it.
pub(super) const USUAL_BASE: f32 = 10_000.0;

/// A scaling as it is described, in one form for both kinds of file.
#[derive(Debug, PartialEq)]
enum Scaling {
    None,
    Linear {
        factor: f32,
    },
    /// Each frequency divided by its own factor.
    Factors {
        factors: Vec<f32>,
    },
    /// Peng et al., *YaRN*, arXiv:2309.00071.
    Yarn {
        factor: f32,
        original: usize,
        beta_fast: f32,
        beta_slow: f32,
        magnitude: f32,
    },
    /// Ding et al., *LongRoPE*, arXiv:2402.13753.
    Long {
        original: usize,
        short: Vec<f32>,
        long: Vec<f32>,
        magnitude: f32,
    },
}

/// Reads the rope of a model whose heads have `columns` rotated columns.
pub(super) fn read(config: &Config<'_>, names: &Names<'_>, pairs: Pairs, columns: usize) -> Result<Rope> {
    let reader = Reader { config, names, columns };
    let (base, scaling) = match config.json() {
        None => (config.find_positive(BASE)?, reader.gguf()?),
        Some(json) => reader.published(json, Layers::Global)?,
    };
    Ok(scaling.apply(pairs, base.unwrap_or(USUAL_BASE), columns))
}

/// Reads the rope of layers with a window, of a model that gives them one of their own; none if it does not say.
pub(super) fn read_local(config: &Config<'_>, names: &Names<'_>, pairs: Pairs, columns: usize) -> Result<Option<Rope>> {
    const LOCAL: Key = Key { gguf: "rope.freq_base_swa", published: "rope_local_base_freq" };
    let reader = Reader { config, names, columns };
    if let Some(json) = config.json()
        && parameters(json, Layers::Local).is_some_and(|(_, own)| own)
    {
        let (base, scaling) = reader.published(json, Layers::Local)?;
        return Ok(Some(scaling.apply(pairs, base.unwrap_or(USUAL_BASE), columns)));
    }
    Ok(config.find_positive(LOCAL)?.map(|base| Rope::plain(pairs, base, columns)))
}

/// The object of `config.json` that describes the ropes of these layers, and whether it describes no others.
///
/// Newer files have `rope_parameters`, with a part for each kind of layer where they differ; older ones `rope_scaling`.
fn parameters(json: &Map<String, Value>, layers: Layers) -> Option<(&Map<String, Value>, bool)> {
    let newer = json.get("rope_parameters").and_then(Value::as_object);
    let found = newer.or_else(|| json.get("rope_scaling").and_then(Value::as_object))?;
    let part = match layers {
        Layers::Global => "full_attention",
        Layers::Local => "sliding_attention",
    };
    match found.get(part) {
        Some(Value::Object(own)) => Some((own, true)),
        _ => Some((found, false)),
    }
}

struct Reader<'a> {
    config: &'a Config<'a>,
    names: &'a Names<'a>,
    columns: usize,
}

impl Reader<'_> {
    fn gguf(&self) -> Result<Scaling> {
        let config = self.config;
        if let Some(factors) = self.tensor(Part::RopeFactors)? {
            return Ok(Scaling::Factors { factors });
        }
        let magnitude = config.find_positive(MAGNITUDE)?.unwrap_or(1.0);
        let original = config.find_count(ORIGINAL, limit::CONTEXT)?;
        if let (Some(short), Some(long)) = (self.tensor(Part::RopeShort)?, self.tensor(Part::RopeLong)?) {
            let original = original.ok_or_else(|| self.missing(ORIGINAL))?;
            return Ok(Scaling::Long { original, short, long, magnitude });
        }
        let factor = match config.find_number(FACTOR)? {
            None => config.find_number(OLD_FACTOR)?,
            found => found,
        };
        let factor = match factor {
            None | Some(0.0) => 1.0, // how converters say that there is no scaling
            Some(factor) if factor > 0.0 => factor,
            Some(factor) => return Err(config.refuse(FACTOR, format!("{factor}, not a number above zero"))),
        };
        match config.find_text(KIND)?.unwrap_or("linear") {
            "none" => Ok(Scaling::None),
            "linear" => Ok(Scaling::Linear { factor }),
            "yarn" => {
                let original = original.ok_or_else(|| self.missing(ORIGINAL))?;
                let magnitude = magnitude * yarn_magnitude(factor);
                self.yarn(
                    factor,
                    original,
                    magnitude,
                    config.find_positive(BETA_FAST)?,
                    config.find_positive(BETA_SLOW)?,
                )
            }
            "longrope" => Err(Error::MissingTensor {
                file: config.file().into(),
                tensor: self.names.global(Part::RopeLong, "weight"),
            }),
            other => Err(config.wrong(KIND, other, KINDS)),
        }
    }

    fn tensor(&self, part: Part) -> Result<Option<Vec<f32>>> {
        let name = self.names.global(part, "weight");
        match self.names.file().contains(&name) {
            false => Ok(None),
            true => {
                let factors = self.names.vector(name.clone(), self.columns / 2)?;
                match factors.iter().all(|factor| factor.is_finite() && *factor > 0.0) {
                    true => Ok(Some(factors)),
                    false => Err(Error::Malformed {
                        file: self.config.file().into(),
                        place: crate::Place::tensor(&name),
                        problem: "a factor is not a finite number above zero".into(),
                    }),
                }
            }
        }
    }

    /// Base and scaling of `config.json`.
    fn published(&self, json: &Map<String, Value>, layers: Layers) -> Result<(Option<f32>, Scaling)> {
        let outer = self.config.find_positive(BASE)?;
        let Some((found, _)) = parameters(json, layers) else { return Ok((outer, Scaling::None)) };
        let base = self.positive(found, "rope_theta")?.or(outer);
        let kind = found.get("rope_type").or_else(|| found.get("type")).and_then(Value::as_str).unwrap_or("default");
        let factor = || self.positive(found, "factor")?.ok_or_else(|| self.missing(FACTOR));
        let scaling = match kind {
            "default" => Scaling::None,
            "linear" => Scaling::Linear { factor: factor()? },
            "llama3" => Scaling::Factors { factors: self.llama3(found, base.unwrap_or(USUAL_BASE), factor()?)? },
            "yarn" => {
                let factor = factor()?;
                let magnitude = self.positive(found, "attention_factor")?.unwrap_or_else(|| yarn_magnitude(factor));
                let (fast, slow) = (self.positive(found, "beta_fast")?, self.positive(found, "beta_slow")?);
                self.yarn(factor, self.original(found)?, magnitude, fast, slow)?
            }
            "longrope" | "su" => self.long(found)?,
            other => return Err(self.config.wrong(KIND, other, KINDS)),
        };
        Ok((base, scaling))
    }

    fn positive(&self, found: &Map<String, Value>, name: &str) -> Result<Option<f32>> {
        let value = match found.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value,
        };
        let number = match number(value) {
            Some(Number::Integer(number)) => number as f32,
            Some(Number::Float(number)) => number as f32,
            None => f32::NAN,
        };
        match number.is_finite() && number > 0.0 {
            true => Ok(Some(number)),
            false => Err(self.config.refuse(KIND, format!("{name} is no finite number above zero"))),
        }
    }

    /// The context length a model was trained with before it was stretched.
    fn original(&self, found: &Map<String, Value>) -> Result<usize> {
        let inner = found.get(ORIGINAL.published).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        match inner.filter(|count| limit::CONTEXT.contains(count)) {
            Some(count) => Ok(count),
            None => match self.config.find_count(ORIGINAL, limit::CONTEXT)? {
                Some(count) => Ok(count),
                None => self.config.count(super::shape::CONTEXT, limit::CONTEXT),
            },
        }
    }

    /// Low frequencies are slowed by `factor`, high ones are left, those between by something between.
    fn llama3(&self, found: &Map<String, Value>, base: f32, factor: f32) -> Result<Vec<f32>> {
        let low = self.positive(found, "low_freq_factor")?.unwrap_or(1.0);
        let high = self.positive(found, "high_freq_factor")?.unwrap_or(4.0);
        if high <= low {
            return Err(self
                .config
                .refuse(KIND, format!("high_freq_factor {high} is not above low_freq_factor {low}")));
        }
        let original = self.original(found)? as f32;
        let factor_of = |frequency: &f32| {
            let turns = original * frequency / std::f32::consts::TAU; // in the original context
            match turns {
                turns if turns > high => 1.0,
                turns if turns < low => factor,
                turns => {
                    let smooth = (turns - low) / (high - low);
                    1.0 / ((1.0 - smooth) / factor + smooth)
                }
            }
        };
        Ok(Rope::plain(Pairs::Halves, base, self.columns).frequencies.iter().map(factor_of).collect())
    }

    fn yarn(
        &self,
        factor: f32,
        original: usize,
        magnitude: f32,
        fast: Option<f32>,
        slow: Option<f32>,
    ) -> Result<Scaling> {
        let (beta_fast, beta_slow) = (fast.unwrap_or(32.0), slow.unwrap_or(1.0));
        match beta_fast > beta_slow {
            true => Ok(Scaling::Yarn { factor, original, beta_fast, beta_slow, magnitude }),
            false => Err(self.config.refuse(BETA_FAST, format!("{beta_fast}, not above the slow one, {beta_slow}"))),
        }
    }

    fn long(&self, found: &Map<String, Value>) -> Result<Scaling> {
        let original = self.original(found)?;
        let context = self.config.count(super::shape::CONTEXT, limit::CONTEXT)?;
        let factor = context as f32 / original as f32;
        let usual = match factor > 1.0 && original > 1 {
            true => (1.0 + factor.ln() / (original as f32).ln()).sqrt(),
            false => 1.0,
        };
        let magnitude = self.positive(found, "attention_factor")?.unwrap_or(usual);
        let list = |name: &str| {
            let items = found.get(name).and_then(Value::as_array);
            let items = items.map(|items| items.iter().filter_map(Value::as_f64).map(|item| item as f32).collect());
            let sound = |items: &Vec<f32>| {
                items.len() == self.columns / 2 && items.iter().all(|item| item.is_finite() && *item > 0.0)
            };
            items.filter(sound).ok_or_else(|| {
                let problem = format!("{name} is no list of {} numbers above zero", self.columns / 2);
                self.config.refuse(KIND, problem)
            })
        };
        Ok(Scaling::Long { original, short: list("short_factor")?, long: list("long_factor")?, magnitude })
    }

    fn missing(&self, key: Key) -> Error {
        Error::MissingKey { file: self.config.file().into(), key: self.config.name(key) }
    }
}

/// What YaRN multiplies queries and keys by: attention gets sharper as contexts get longer.
fn yarn_magnitude(factor: f32) -> f32 {
    if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 }
}

impl Scaling {
    fn apply(&self, pairs: Pairs, base: f32, columns: usize) -> Rope {
        let plain = Rope::plain(pairs, base, columns);
        let divided = |factors: &[f32]| plain.frequencies.iter().zip(factors).map(|(f, factor)| f / factor).collect();
        match self {
            Self::None => plain,
            Self::Linear { factor } => {
                Rope { frequencies: plain.frequencies.iter().map(|f| f / factor).collect(), ..plain }
            }
            Self::Factors { factors } => Rope { frequencies: divided(factors), ..plain },
            Self::Long { original, short, long, magnitude } => Rope {
                frequencies: divided(short),
                long: Some((*original, divided(long))),
                magnitude: *magnitude,
                pairs,
            },
            Self::Yarn { factor, original, beta_fast, beta_slow, magnitude } => {
                // The pair that turns so many times within the original context.
                let pair_of = |turns: f32| {
                    let turns = *original as f32 / (turns * std::f32::consts::TAU);
                    columns as f32 * turns.ln() / (2.0 * base.ln())
                };
                let low = pair_of(*beta_fast).floor().max(0.0);
                let high = pair_of(*beta_slow).ceil().min(columns as f32 - 1.0);
                let ramp = |i: usize| ((i as f32 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
                let blend = |(i, f): (usize, &f32)| f / factor * ramp(i) + f * (1.0 - ramp(i));
                let frequencies = plain.frequencies.iter().enumerate().map(blend).collect();
                Rope { frequencies, magnitude: *magnitude, ..plain }
            }
        }
    }
}
