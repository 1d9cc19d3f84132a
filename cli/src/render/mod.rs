//! Results as people read them.

mod answer;
mod lines;
mod models;
mod search;

use std::fmt::Write;

use nootropic::config::Source;
use nootropic::{
    BackupReport, CheckState, CompactReport, ConfigReport, DoctorReport, FoundBy, IndexReport, MapAnswer, PackAnswer,
    RestoreReport, StatusReport, SymbolAnswer, VerifyReport, WatchReport,
};

pub(crate) use answer::answer;
pub(crate) use models::{bench, distilled, embedded, model, models, profile, pulled, quantized};
pub(crate) use search::search;

use crate::color::Palette;
use crate::commands::Capabilities;
use crate::terminal::{count, line as one_line, plain, size, thousands};

/// Writing to a string does not fail.
macro_rules! line {
    ($text:expr, $($arg:tt)*) => {{ let _ = writeln!($text, $($arg)*); }};
}
pub(crate) use line;

pub(crate) fn index(report: &IndexReport, palette: Palette) -> String {
    let mut text = String::new();
    let seconds = format!("{:.2} s", report.seconds);
    if report.indexed + report.removed == 0 {
        line!(
            text,
            "Nothing changed: {} in {} {}",
            count(report.chunks, "passage"),
            count(report.files, "file"),
            palette.dim(seconds)
        );
    } else {
        let mut done = vec![format!("{} read", count(report.indexed, "file"))];
        if report.removed > 0 {
            done.push(format!("{} taken out", thousands(report.removed)));
        }
        if report.unchanged > 0 {
            done.push(format!("{} unchanged", thousands(report.unchanged)));
        }
        line!(text, "{} {}", palette.bold(done.join(", ")), palette.dim(seconds));
        line!(
            text,
            "The index holds {} of {}, {} of text",
            count(report.chunks, "passage"),
            count(report.files, "file"),
            size(report.bytes)
        );
    }
    if let Some(embedded) = report.embedded.filter(|embedded| *embedded > 0) {
        line!(text, "{} embedded", count(embedded, "passage"));
    }
    if !report.skipped.is_empty() {
        let reasons: Vec<_> = report
            .skipped
            .iter()
            .map(|(reason, n)| format!("{} {}", thousands(*n), reason.replace('_', " ")))
            .collect();
        line!(text, "{}", palette.dim(format!("Left out: {}", reasons.join(", "))));
    }
    if let Some(kept) = &report.kept {
        line!(text, "The old index could not be read, and is kept as {}", plain(&kept.to_string_lossy()));
    }
    text
}

pub(crate) fn watched(report: &WatchReport, palette: Palette) -> String {
    palette.dim(format!(
        "Watched for {:.0} s: {}, {} read, {} taken out",
        report.seconds,
        count(report.updates, "update"),
        count(report.indexed, "file"),
        thousands(report.removed)
    ))
}

pub(crate) fn symbols(answer: &SymbolAnswer, palette: Palette) -> String {
    if answer.symbols.is_empty() {
        return "No definition has such a name.".into();
    }
    let mut text = String::new();
    for hit in &answer.symbols {
        let place = format!("{}:{}-{}", one_line(&hit.path), hit.start_line, hit.end_line);
        let name = match &hit.container {
            Some(container) => format!("{container}.{}", hit.name),
            None => hit.name.clone(),
        };
        line!(text, "{}  {} {}", palette.path(place), palette.symbol(one_line(&name)), palette.dim(hit.kind.as_str()));
        line!(text, "    {}", one_line(&hit.signature));
        if let Some(uses) = &hit.references {
            line!(
                text,
                "    {}",
                palette.dim(format!("used {} in {}", times(uses.count as u64), count(uses.files as u64, "file")))
            );
            for place in &uses.places {
                let lines: Vec<_> = place.lines.iter().take(12).map(ToString::to_string).collect();
                let more = if place.lines.len() > 12 { ", …" } else { "" };
                line!(text, "      {}:{}{more}", one_line(&place.path), lines.join(", "));
            }
        }
    }
    text
}

/// Why a map shows nothing.
pub(crate) fn no_map(answer: &MapAnswer) -> String {
    let map = &answer.map;
    match (map.files_total, map.definitions_total) {
        (0, _) => "There is nothing to map: no file is indexed that fits.".into(),
        (files, 0) => format!("There is nothing to map: no definition is in {}.", count(files as u64, "file")),
        (_, all) => format!("Nothing fits into {}; there are {all} definitions.", count(map.budget as u64, "token")),
    }
}

/// Why a pack holds nothing.
pub(crate) fn no_pack(answer: &PackAnswer) -> String {
    match answer.pack.left_out.len() as u64 {
        0 => NOTHING_FOUND.into(),
        n => format!(
            "Nothing fits into {}: {} left out.",
            count(answer.pack.budget as u64, "token"),
            count(n, "passage")
        ),
    }
}

/// What is said where a question finds nothing.
const NOTHING_FOUND: &str = "Nothing was found. Other words may help, or fewer filters.";

fn times(n: u64) -> String {
    if n == 1 { "once".into() } else { format!("{} times", thousands(n)) }
}

pub(crate) fn status(report: &StatusReport, palette: Palette) -> String {
    let mut text = String::new();
    let found = match report.found_by {
        FoundBy::Given => "named",
        FoundBy::Index => "holds .nootropic",
        FoundBy::Git => "holds .git",
        FoundBy::Here => "the current folder",
    };
    line!(
        text,
        "Repository  {} {}",
        palette.path(plain(&report.root.to_string_lossy())),
        palette.dim(format!("({found})"))
    );
    if !report.indexed {
        line!(text, "Index       none yet; `nootropic index` makes one");
        return text;
    }
    line!(
        text,
        "Index       {} in {}, {} of text, {} words",
        count(report.chunks, "passage"),
        count(report.files, "file"),
        size(report.bytes),
        thousands(report.words)
    );
    line!(text, "Snapshot    {}", report.snapshot.as_deref().unwrap_or("none"));
    let unused = if report.free_bytes > 0 { format!(", {} unused", size(report.free_bytes)) } else { String::new() };
    let read_only = if report.read_only { ", read-only" } else { "" };
    line!(
        text,
        "Store       {} {}",
        plain(&report.store.to_string_lossy()),
        palette.dim(format!("({}{unused}{read_only})", size(report.store_bytes)))
    );
    line!(text, "Version     {}", report.version);
    text
}

pub(crate) fn verify(report: &VerifyReport, palette: Palette) -> String {
    let mut text = String::new();
    if report.ok {
        line!(
            text,
            "{} {} on {}, {}: all as written",
            palette.symbol("ok"),
            count(report.entries, "record"),
            count(report.pages, "page"),
            size(report.file_bytes)
        );
        return text;
    }
    line!(
        text,
        "{} {} in {}",
        palette.error("damaged:"),
        count(report.problem_count, "problem"),
        plain(&report.store.to_string_lossy())
    );
    for problem in &report.problems {
        line!(text, "  {}", plain(problem));
    }
    line!(
        text,
        "{} `nootropic restore` a backup, or start anew with `nootropic index --rebuild`",
        palette.hint("hint:")
    );
    text
}

pub(crate) fn backup(report: &BackupReport, _: Palette) -> String {
    format!("Snapshot {} is in {} ({})", report.snapshot, plain(&report.path.to_string_lossy()), size(report.bytes))
}

pub(crate) fn restore(report: &RestoreReport, _: Palette) -> String {
    format!("Restored snapshot {} ({}); it is now {}", report.from_snapshot, size(report.bytes), report.snapshot)
}

pub(crate) fn compact(report: &CompactReport, _: Palette) -> String {
    format!("From {} to {}", size(report.bytes_before), size(report.bytes_after))
}

pub(crate) fn doctor(report: &DoctorReport, palette: Palette) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let state = match check.state {
            CheckState::Ok => palette.symbol("  ok"),
            CheckState::Warn => palette.warning("warn"),
            CheckState::Fail => palette.error("fail"),
        };
        line!(text, "{state}  {:<13} {}", check.name, plain(&check.message));
        if let Some(hint) = &check.hint {
            line!(text, "{:20}{} {}", "", palette.hint("→"), plain(hint));
        }
    }
    text
}

pub(crate) fn config(report: &ConfigReport, palette: Palette) -> String {
    let mut text = String::new();
    let width = report.values.iter().map(|value| value.key.len()).max().unwrap_or_default();
    for value in &report.values {
        let shown = plain(&value.value.to_string()).into_owned();
        let source = match &value.source {
            Source::Default => palette.dim("default"),
            source => palette.path(plain(&source.to_string())),
        };
        line!(text, "{:<width$} = {shown}  {source}", value.key);
    }
    if let Some(file) = &report.user_file {
        line!(text, "\n{}", palette.dim(format!("Your file: {}", plain(&file.to_string_lossy()))));
    }
    for warning in &report.warnings {
        line!(text, "{} {}", palette.warning("warning:"), plain(warning));
    }
    text
}

pub(crate) fn capabilities(list: &Capabilities, palette: Palette) -> String {
    if list.capabilities.is_empty() {
        return "Nothing of that kind is built in.".into();
    }
    let mut text = String::new();
    let width = list.capabilities.iter().map(|capability| capability.name.len()).max().unwrap_or_default();
    for capability in &list.capabilities {
        let effects: Vec<_> = capability.effects.iter().map(|effect| effect.as_str()).collect();
        let effects = if effects.is_empty() { String::new() } else { format!("  ({})", effects.join(", ")) };
        let gap = " ".repeat(width - capability.name.len());
        line!(text, "{}{gap}  {}{}", palette.bold(&capability.name), capability.summary, palette.dim(effects));
    }
    text
}
