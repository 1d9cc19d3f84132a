//! A call that is cancelled ends, and leaves things as they were.

use std::sync::Arc;

use nootropic::{
    Backup, Call, Compact, Config, ErrorKind, Event, Index, Map, Nootropic, Pack, Restore, Scope, SinkFn, Symbols,
    Verify,
};

#[test]
fn everything_that_reads_much_looks_at_its_call() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lock.rs"), "/// Waits for the lock.\npub fn acquire() {}\n").unwrap();
    let repository = Nootropic::open_with(dir.path(), Config::default()).unwrap();
    repository.index(&Index::default(), &Call::default()).unwrap();
    let backup = dir.path().join("backup");
    let done = Backup { to: Some(backup.clone()) };
    let cancelled = Call::default();
    cancelled.cancel.cancel();
    // Without an update, which looks at it too.
    let scope = || Scope { no_update: true, ..Scope::default() };
    let kinds = |call: &Call| {
        [
            repository.map(&Map { scope: scope(), ..Map::default() }, call).map(drop),
            repository.pack(&Pack { scope: scope(), ..Pack::of("lock") }, call).map(drop),
            repository.symbols(&Symbols { scope: scope(), ..Symbols::of("acquire") }, call).map(drop),
            repository.verify(&Verify::default(), call).map(drop),
            repository.compact(&Compact::default(), call).map(drop),
            repository.backup(&done, call).map(drop),
            repository.restore(&Restore { from: backup.clone() }, call).map(drop),
        ]
        .map(|result| result.map_err(|error| error.kind()))
    };
    assert_eq!(kinds(&cancelled), [Err(ErrorKind::Cancelled); 7]);
    assert!(!backup.exists());
    assert_eq!(kinds(&Call::default()), [Ok(()); 7]);
}

#[test]
fn a_backup_given_up_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lock.rs"), "pub fn acquire() {}\n").unwrap();
    let repository = Nootropic::open_with(dir.path(), Config::default()).unwrap();
    repository.index(&Index::default(), &Call::default()).unwrap();
    let call = Call::default();
    let stop = call.cancel.clone();
    let events = move |event: &Event| {
        if matches!(event, Event::Started { .. }) {
            stop.cancel();
        }
    };
    let call = Call { events: Arc::new(SinkFn(events)), ..call };
    let out = tempfile::tempdir().unwrap();
    let error = repository.backup(&Backup { to: Some(out.path().join("backup")) }, &call).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}
