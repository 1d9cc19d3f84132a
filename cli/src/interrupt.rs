//! Ctrl-C: once to stop cleanly, twice to stop at once.

use nootropic::CancelToken;

/// Cancels `token` at the first interrupt or termination, and ends the process at the second.
pub(crate) fn install(token: &CancelToken) {
    let token = token.clone();
    let handler = move || {
        if token.is_cancelled() {
            std::process::exit(130);
        }
        token.cancel();
    };
    // Where no handler can be set, an interrupt ends the process: nothing committed is lost by that.
    let _ = ctrlc::set_handler(handler);
}
