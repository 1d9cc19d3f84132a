//! Ctrl-C: once to stop cleanly, twice to stop at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nootropic::{
    Ask, Backup, CancelToken, Chat, Command, Complete, ErrorKind, Index, Map, ModelsBench, ModelsDistill, ModelsProbe,
    ModelsPull, ModelsQuantize, Pack, Search, Symbols, Watch,
};

use crate::color::Palette;
use crate::exit::{Failure, code};
use crate::output::Format;

/// Commands that look at their call, and end it in order once it is cancelled. The others are ended where they are: they
/// only read, or what they write takes its place in one step.
const STOPPING: &[&str] = &[
    Index::NAME,
    Watch::NAME,
    Search::NAME,
    Ask::NAME,
    Map::NAME,
    Pack::NAME,
    Symbols::NAME,
    Backup::NAME,
    Chat::NAME,
    Complete::NAME,
    ModelsBench::NAME,
    ModelsDistill::NAME,
    ModelsProbe::NAME,
    ModelsPull::NAME,
    ModelsQuantize::NAME,
];

/// What an interrupt or a termination does: it cancels a token, and ends the process the second time, or where there is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupts(Arc<Mutex<Option<CancelToken>>>);

impl Interrupts {
    /// Cancels `token` first if `command` looks at it.
    pub(crate) fn install(command: &str, token: &CancelToken, format: Format, palette: Palette) -> Self {
        let interrupts = Self::default();
        interrupts.cancel(STOPPING.contains(&command).then_some(token));
        let inner = interrupts.clone();
        // Where no handler can be set, an interrupt ends the process: nothing committed is lost by that.
        let _ = ctrlc::set_handler(move || match &*inner.lock() {
            Some(token) if !token.is_cancelled() => token.cancel(),
            _ => {
                Failure::cancelled().show(format, &palette);
                std::process::exit(code(ErrorKind::Cancelled).into());
            }
        });
        interrupts
    }

    /// What the next one cancels.
    pub(crate) fn cancel(&self, token: Option<&CancelToken>) {
        *self.lock() = token.cloned();
    }

    fn lock(&self) -> MutexGuard<'_, Option<CancelToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
