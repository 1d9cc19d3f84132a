//! Models as people read of them.

use std::fmt::Write;

use nootropic::{ModelReport, ModelSource, ModelsReport, QuantizeReport};

use super::line;
use crate::color::Palette;
use crate::terminal::{line as one_line, plain, size, thousands};

pub(crate) fn models(report: &ModelsReport, palette: Palette) -> String {
    if report.models.is_empty() {
        return "No model files were found: put one into our own folder, or name it by its path.".into();
    }
    let widest = report.models.iter().map(|model| model.name.chars().count()).max().unwrap_or(0).min(60);
    let mut text = String::new();
    for model in &report.models {
        let name = format!("{:widest$}", one_line(&model.name));
        let source = match model.source {
            ModelSource::Nootropic => "",
            ModelSource::Ollama => "Ollama",
            ModelSource::LmStudio => "LM Studio",
            ModelSource::Hub => "Hugging Face hub",
            ModelSource::LlamaCpp => "llama.cpp",
            _ => "another program",
        };
        line!(text, "{}  {:>9}  {}", palette.symbol(name), size(model.bytes), palette.dim(source));
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
