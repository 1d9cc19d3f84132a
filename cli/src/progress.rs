//! Progress and warnings on standard error.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nootropic::{Event, EventSink};
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

    fn progress(&self, done: u64, total: Option<u64>) {
        let mut state = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.bars || state.begun.is_none_or(|begun| begun.elapsed() < SHOW_AFTER) {
            return;
        }
        let bar = state.bar.get_or_insert_with(new_bar);
        if let Some(total) = total
            && bar.length() != Some(total)
        {
            bar.set_style(style(
                "{spinner:.cyan} Indexing {wide_bar:.cyan/dim} {human_pos}/{human_len} files, {eta} left",
            ));
            bar.set_length(total);
        }
        bar.set_position(done);
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
        self.finish();
        let text = match self.format {
            Format::Human => {
                let hint =
                    hint.map(|hint| format!("\n{} {}", self.palette.hint("hint:"), plain(hint))).unwrap_or_default();
                format!("{} {}{hint}", self.palette.warning("warning:"), plain(message))
            }
            _ => terminal::json(json!({ "warning": { "kind": kind, "message": message, "hint": hint } }).to_string()),
        };
        let _ = writeln!(std::io::stderr(), "{text}"); // nobody may be listening any more
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(15));
    bar.set_style(style("{spinner:.cyan} Indexing, {human_pos} files so far"));
    bar
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
            Event::Progress { done, total, .. } => self.progress(*done, *total),
            Event::Warning { kind, message, hint, .. } => self.warn(kind.as_str(), message, hint.as_deref()),
            Event::Finished { .. } => self.finish(),
            _ => {}
        }
    }
}
