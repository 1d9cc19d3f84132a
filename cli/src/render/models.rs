//! Models as people read of them.

use std::fmt::Write;

use nootropic::{
    BenchPhase, BenchRow, DistillReport, Embedded, FitReport, ModelProfile, ModelReport, ModelSource, ModelsReport,
    PullReport, PullState, QuantizeReport,
};

use super::line;
use crate::color::Palette;
use crate::terminal::{count, line as one_line, plain, size, thousands};

pub(crate) fn models(report: &ModelsReport, palette: Palette) -> String {
    if report.models.is_empty() {
        return "No model files were found. `nootropic models pull OWNER/NAME` fetches one; any file can be named by its path.".into();
    }
    let widest = report.models.iter().map(|model| model.name.chars().count()).max().unwrap_or(0).min(60);
    let mut text = String::new();
    for model in &report.models {
        let name = format!("{:widest$}", one_line(&model.name));
        line!(text, "{}  {:>9}  {}", palette.symbol(name), size(model.bytes), palette.dim(owner(model.source)));
    }
    text
}

/// Whose folder a model lies in; nothing for our own.
fn owner(source: ModelSource) -> &'static str {
    match source {
        ModelSource::Nootropic => "",
        ModelSource::Ollama => "Ollama",
        ModelSource::LmStudio => "LM Studio",
        ModelSource::Hub => "Hugging Face hub",
        ModelSource::LlamaCpp => "llama.cpp",
        _ => "another program",
    }
}

pub(crate) fn pulled(report: &PullReport, palette: Palette) -> String {
    let mut text = String::new();
    let path = palette.path(plain(&report.path.to_string_lossy()));
    let all = size(report.bytes);
    let resumed = report.files.iter().any(|file| file.state == PullState::Resumed);
    match (report.fetched, owner(report.source)) {
        (0, "") => line!(text, "{path} was there already ({all}); its checksum is right"),
        (0, other) => line!(text, "{path} is there already, in the folder of {other} ({all}); its checksum is right"),
        (came, _) if resumed => {
            line!(text, "{path} is complete ({all}, {} of it now); its checksum is right", size(came))
        }
        _ => line!(text, "{path} is fetched ({all}); its checksum is right"),
    }
    if !report.others.is_empty() {
        let others: Vec<_> = report
            .others
            .iter()
            .take(12)
            .map(|other| format!("{} ({})", one_line(&other.choice), size(other.bytes)))
            .collect();
        let more = if report.others.len() > 12 { ", …" } else { "" };
        let example = report.others.first().map(|other| one_line(&other.choice)).unwrap_or_default();
        line!(text, "{}", palette.dim(format!("There are also {}{more}", others.join(", "))));
        line!(text, "{}", palette.dim(format!("Choose one as `{}:{example}`", one_line(&report.repository))));
    }
    text
}

/// The first numbers of each vector, and how alike the texts are.
pub(crate) fn embedded(output: &Embedded, _: Palette) -> String {
    /// Numbers of a vector that fit a line; all of them are in `--json`.
    const SHOWN: usize = 8;
    let mut text = String::new();
    let info = &output.embedder;
    line!(text, "{}, {} dimensions, reads {} tokens", one_line(&info.id), info.dim, thousands(info.max_tokens as u64));
    let numbers = |row: &[f32], digits: usize| {
        row.iter().map(|x| format!("{x:width$.digits$}", width = digits + 4)).collect::<Vec<_>>().join("")
    };
    for (i, vector) in output.vectors.iter().enumerate() {
        let more = if vector.len() > SHOWN { " …" } else { "" };
        line!(text, "{:>3}{}{more}", i + 1, numbers(vector.get(..SHOWN).unwrap_or(vector), 4));
    }
    if output.cosines.len() > 1 {
        line!(text, "Cosines");
        for (i, row) in output.cosines.iter().enumerate() {
            line!(text, "{:>3}{}", i + 1, numbers(row, 3));
        }
    }
    text
}

pub(crate) fn distilled(report: &DistillReport, palette: Palette) -> String {
    let mut text = format!(
        "{}: {} tokens in {} dimensions ({}), {:.1} % of the encoder's variance",
        palette.path(plain(&report.path.to_string_lossy())),
        thousands(report.tokens as u64),
        report.dimensions,
        size(report.bytes),
        100.0 * report.variance
    );
    if let Some(FitReport { pairs, before, after }) = &report.fit {
        line!(text, "");
        text.push_str(&format!(
            "Fitted to {} pairs of comments and code: mean reciprocal rank {before:.3} before, {after:.3} after",
            thousands(*pairs as u64)
        ));
    }
    text
}

pub(crate) fn model(report: &ModelReport, palette: Palette) -> String {
    let mut text = String::new();
    let mut row = |label: &str, value: Option<String>| {
        if let Some(value) = value {
            line!(text, "{label:13}{value}");
        }
    };
    let number = |value: Option<u64>| value.map(thousands);
    row("File", Some(palette.path(plain(&report.path.to_string_lossy()))));
    row("Format", Some(format!("{}, {}", report.format, size(report.bytes))));
    row("Name", report.name.as_deref().map(|text| one_line(text).into_owned()));
    row("Architecture", report.architecture.as_deref().map(|text| one_line(text).into_owned()));
    row("Quantization", report.quantization.clone());
    row("Parameters", Some(thousands(report.parameters)));
    row("Context", number(report.context_length).map(|tokens| format!("{tokens} tokens")));
    row("Layers", number(report.layers));
    row("Width", number(report.embedding_length));
    row(
        "Heads",
        match (report.heads, report.kv_heads) {
            (Some(heads), Some(kv)) => Some(format!("{heads}, of which {kv} keep keys and values")),
            (heads, _) => number(heads),
        },
    );
    let kind = report.tokenizer.as_deref().map(|kind| format!(" ({})", one_line(kind))).unwrap_or_default();
    row("Vocabulary", number(report.vocabulary).map(|tokens| format!("{tokens} tokens{kind}")));
    row("Conversation", Some(if report.chat_template { "has a template" } else { "has no template" }.into()));
    let types = report.tensors.iter().map(|(name, of)| format!("{} {name} ({})", thousands(of.count), size(of.bytes)));
    row("Tensors", Some(types.collect::<Vec<_>>().join(", ")));
    text
}

pub(crate) fn quantized(report: &QuantizeReport, _: Palette) -> String {
    format!(
        "{} is {} as {}, from {}",
        plain(&report.path.to_string_lossy()),
        size(report.bytes),
        report.quantization,
        size(report.bytes_before)
    )
}

pub(crate) fn bench(rows: &Vec<BenchRow>, palette: Palette) -> String {
    let mut text = String::new();
    let mut last = None;
    for row in rows {
        let title = format!("{} {}", one_line(&row.model), row.quant);
        if last.replace(title.clone()).is_none_or(|last| last != title) {
            line!(text, "{}", palette.bold(title));
        }
        let phase = match row.phase {
            BenchPhase::Prompt => "prompt",
            BenchPhase::Generate => "generate",
        };
        let beside = match (&row.peer, row.theirs, row.ratio) {
            (Some(peer), Some(theirs), Some(ratio)) => {
                format!("  {theirs:>9.1} {}  {}", one_line(peer), palette.bold(format!("{ratio:.2} x")))
            }
            _ => String::new(),
        };
        line!(text, "  {phase:9}{:>9.1} tokens/s{beside}", row.ours);
        if let Some(start) = row.start {
            let cached = start.cached_first_token_ms.map(|ms| format!(", {ms:.0} ms after 2,000 known tokens"));
            let memory =
                start.memory_bytes.map(|bytes| format!("; {} for a file of {}", size(bytes), size(start.file_bytes)));
            let (cached, memory) = (cached.unwrap_or_default(), memory.unwrap_or_default());
            let note = format!("open to first token {:.0} ms{cached}{memory}", start.open_to_first_token_ms);
            line!(text, "           {}", palette.dim(note));
        }
        if let Some(limits) = row.limits {
            let gigabytes = limits.read_bandwidth / 1e9;
            let share = limits.bandwidth_share.map(|share| format!("{:.0} % of ", share * 100.0)).unwrap_or_default();
            let note = format!("{share}{gigabytes:.1} GB/s; eight at once {:.1} tokens/s", limits.eight_at_once);
            line!(text, "           {}", palette.dim(note));
        }
    }
    text
}

pub(crate) fn profile(profile: &ModelProfile, palette: Palette) -> String {
    let mut text = String::new();
    let mut row = |label: &str, value: String| line!(text, "{label:13}{value}");
    row("Model", palette.symbol(one_line(&profile.model)));
    let threads = profile.threads.map(|threads| format!(", {}", count(threads as u64, "thread"))).unwrap_or_default();
    row("Device", format!("{}{threads}", one_line(&profile.device)));
    let in_memory = match profile.context_in_memory {
        Some(room) if room < profile.context_length => {
            format!(", {} in the memory that is free", thousands(room as u64))
        }
        _ => String::new(),
    };
    let each = profile.kv_bytes_a_token.map(|bytes| format!(", {} for each", size(bytes as u64))).unwrap_or_default();
    row("Context", format!("{} tokens{in_memory}{each}", thousands(profile.context_length as u64)));
    row(
        "Conversation",
        profile.tool_dialect.as_ref().map_or("no".into(), |dialect| format!("yes, tools as {dialect}")),
    );
    row("Infill", if profile.infill { "yes" } else { "no" }.into());
    let (words, schema) = (profile.json_by_words, profile.json_by_schema);
    row(
        "JSON",
        format!("{} of {} by words, {} of {} by schema", words.obeyed, words.asked, schema.obeyed, schema.asked),
    );
    row("Prompt", format!("{:.1} tokens/s", profile.prompt_tokens_per_second));
    row("Generation", format!("{:.1} tokens/s", profile.generate_tokens_per_second));
    if let Some(bytes) = profile.memory_bytes {
        row("Memory", format!("{} at most, for a file of {}", size(bytes), size(profile.bytes)));
    }
    text
}
