//! Ctrl-C: once to stop cleanly, twice to stop at once.

use nootropic::{Backup, CancelToken, Command, ErrorKind, Index, Map, ModelsQuantize, Pack, Search, Symbols, Watch};

use crate::color::Palette;
use crate::exit::{Failure, code};
use crate::output::Format;

/// Commands that look at their call, and end it in order once it is cancelled. The others are ended where they are: they
/// only read, or what they write takes its place in one step.
const STOPPING: &[&str] =
    &[Index::NAME, Watch::NAME, Search::NAME, Map::NAME, Pack::NAME, Symbols::NAME, Backup::NAME, ModelsQuantize::NAME];

/// Cancels `token` at the first interrupt or termination if `command` looks at it, and else ends the process; ends it at
/// the second in any case.
pub(crate) fn install(command: &str, token: &CancelToken, format: Format, palette: Palette) {
    let at_once = !STOPPING.contains(&command);
    let token = token.clone();
    let handler = move || {
        if at_once || token.is_cancelled() {
            Failure::cancelled().show(format, &palette);
            std::process::exit(code(ErrorKind::Cancelled).into());
        }
        token.cancel();
    };
    // Where no handler can be set, an interrupt ends the process: nothing committed is lost by that.
    let _ = ctrlc::set_handler(handler);
}
