//! Progress and warnings on standard error.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nootropic::core::{Effect, Endpoint, Verdict};
use nootropic::{Event, EventSink, Unit};
use serde_json::json;

use crate::color::Palette;
use crate::output::Format;
use crate::terminal::{self, plain};

/// Work that ends sooner is not worth a bar.
const SHOW_AFTER: Duration = Duration::from_millis(150);

/// Shows what goes on.
#[derive(Debug)]
pub(crate) struct Reporter {
    format: Format,
    palette: Palette,
    bars: bool,
    bar: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    begun: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Reporter {
    /// `bars` asks for a progress bar, which is shown on a terminal only.
    pub(crate) fn new(format: Format, palette: Palette, bars: bool) -> Self {
        let bars = bars && std::io::stderr().is_terminal();
        Self { format, palette, bars, bar: Mutex::default() }
    }

    fn progress(&self, task: &str, done: u64, total: Option<u64>, unit: Unit) {
        let mut state = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.bars || state.begun.is_none_or(|begun| begun.elapsed() < SHOW_AFTER) {
            return;
        }
        let is_new = state.bar.is_none();
        let bar = state.bar.get_or_insert_with(|| new_bar(unit));
        bar.set_prefix(doing(task));
        if let Some(total) = total
            && bar.length() != Some(total)
        {
            bar.set_style(style(match unit {
                Unit::Bytes => {
                    "{spinner:.cyan} {prefix} {wide_bar:.cyan/dim} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left"
                }
                _ => "{spinner:.cyan} {prefix} {wide_bar:.cyan/dim} {human_pos}/{human_len} files, {eta} left",
            }));
            bar.set_length(total);
        }
        bar.set_position(done);
        if is_new {
            bar.reset_eta(); // what was there at the beginning took no time
        }
    }

    /// A line of its own, above the bar if there is one.
    fn line(&self, text: &str) {
        let state = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        let write = || {
            let _ = writeln!(std::io::stderr(), "{text}"); // nobody may be listening any more
        };
        match &state.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// People are told of every host that is connected to. As data it is part of the result.
    fn connecting(&self, endpoint: &Endpoint) {
        if self.format == Format::Human {
            let usual = endpoint.scheme() == "https" && endpoint.port() == 443;
            let place = if usual { endpoint.host().to_string() } else { endpoint.to_string() };
            self.line(&self.palette.dim(format!("Connecting to {place}")));
        }
    }

    fn finish(&self) {
        let mut state = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        state.begun = None;
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// A warning on a line of its own.
    pub(crate) fn warn(&self, kind: &str, message: &str, hint: Option<&str>) {
        let text = match self.format {
            Format::Human => {
                let hint =
                    hint.map(|hint| format!("\n{} {}", self.palette.hint("hint:"), plain(hint))).unwrap_or_default();
                format!("{} {}{hint}", self.palette.warning("warning:"), plain(message))
            }
            _ => terminal::json(json!({ "warning": { "kind": kind, "message": message, "hint": hint } }).to_string()),
        };
        self.line(&text);
    }
}

fn new_bar(unit: Unit) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(15));
    bar.set_style(style(match unit {
        Unit::Bytes => "{spinner:.cyan} {prefix}, {bytes} so far",
        _ => "{spinner:.cyan} {prefix}, {human_pos} files so far",
    }));
    bar
}

/// What is being done, as people say it.
fn doing(task: &str) -> &'static str {
    match task {
        "pull" => "Fetching",
        "check" => "Checking",
        "quantize" => "Quantizing",
        _ => "Indexing",
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl EventSink for Reporter {
    fn emit(&self, event: &Event) {
        match event {
            Event::Started { .. } => {
                self.bar.lock().unwrap_or_else(PoisonError::into_inner).begun = Some(Instant::now());
            }
            Event::Progress { task, done, total, unit, .. } => self.progress(task, *done, *total, *unit),
            Event::Effect { effect: Effect::Connect { endpoint }, verdict: Verdict::Allow, .. } => {
                self.connecting(endpoint)
            }
            Event::Warning { kind, message, hint, .. } => self.warn(kind.as_str(), message, hint.as_deref()),
            Event::Finished { .. } => self.finish(),
            _ => {}
        }
    }
}
