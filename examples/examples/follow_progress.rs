//! How does a program show progress, and stop the work?
//!
//! `cargo run --example follow_progress -- .`

use std::path::Path;
use std::sync::Arc;

use nootropic::{Call, CancelToken, Event, EventSink, Index, IndexReport, Nootropic, Result};

/// Prints how far the work has come.
#[derive(Debug)]
struct Printer;

impl EventSink for Printer {
    fn emit(&self, event: &Event) {
        match event {
            Event::Progress { done, total: Some(total), .. } => eprintln!("{done} of {total} files"),
            Event::Warning { message, .. } => eprintln!("warning: {message}"),
            _ => {}
        }
    }
}

/// Indexes the repository in `dir` until it is done, or `stop` is cancelled from another thread.
fn index(dir: &Path, stop: CancelToken) -> Result<IndexReport> {
    let call = Call { cancel: stop, events: Arc::new(Printer) };
    Nootropic::open(dir)?.index(&Index::default(), &call)
}

fn main() -> Result<()> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let report = index(dir.as_ref(), CancelToken::new())?;
    println!("{} passages in {} files", report.chunks, report.files);
    Ok(())
}

#[cfg(test)]
mod tests {
    use nootropic::{CancelToken, ErrorKind};

    #[test]
    fn can_be_stopped_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.py"), "def a(): pass\n").unwrap();
        let stop = CancelToken::new();
        stop.cancel();
        assert_eq!(super::index(dir.path(), stop).unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(super::index(dir.path(), CancelToken::new()).unwrap().files, 1);
    }
}
