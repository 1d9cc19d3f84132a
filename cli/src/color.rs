//! Colours, or none.

use std::fmt::Display;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use nootropic::config::ColorChoice;

/// Styles for a terminal, or for a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    on: bool,
}

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const PATH: Style = AnsiColor::Cyan.on_default().bold();
const SYMBOL: Style = AnsiColor::Green.on_default();
const FOUND: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

impl Palette {
    /// For a stream, as the user wants it. `NO_COLOR` (see no-color.org) and dumb terminals count where the user did not
    /// choose.
    pub(crate) fn new(choice: ColorChoice, stream: &impl IsTerminal) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            on: match choice {
                ColorChoice::Always => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => stream.is_terminal() && !set("NO_COLOR") && !dumb,
            },
        }
    }

    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self { on: false }
    }

    fn paint(self, style: Style, text: impl Display) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_string() }
    }

    pub(crate) fn dim(self, text: impl Display) -> String {
        self.paint(DIM, text)
    }

    pub(crate) fn bold(self, text: impl Display) -> String {
        self.paint(BOLD, text)
    }

    pub(crate) fn path(self, text: impl Display) -> String {
        self.paint(PATH, text)
    }

    pub(crate) fn symbol(self, text: impl Display) -> String {
        self.paint(SYMBOL, text)
    }

    /// A word that was asked for.
    pub(crate) fn found(self, text: impl Display) -> String {
        self.paint(FOUND, text)
    }

    pub(crate) fn error(self, text: impl Display) -> String {
        self.paint(ERROR, text)
    }

    pub(crate) fn warning(self, text: impl Display) -> String {
        self.paint(WARNING, text)
    }

    pub(crate) fn hint(self, text: impl Display) -> String {
        self.paint(HINT, text)
    }
}
