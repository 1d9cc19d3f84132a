//! A store whose reads end when a call is cancelled: whoever reads much need not know of calls.

use std::ops::ControlFlow;

use nootropic_core::{CancelToken, KeyRange, ReadTxn, Result, Snapshot, Store, Table, Visit, WriteTxn};

/// A store that answers with [`Cancelled`](nootropic_core::Error::Cancelled) to whoever goes on reading after `cancel`.
#[derive(Debug)]
pub(crate) struct Cancellable<'c> {
    pub(crate) store: &'c dyn Store,
    pub(crate) cancel: &'c CancelToken,
}

impl Store for Cancellable<'_> {
    fn read(&self, body: &mut dyn FnMut(&dyn ReadTxn) -> Result<()>) -> Result<()> {
        self.cancel.check()?;
        self.store.read(&mut |txn| body(&View { txn, cancel: self.cancel }))
    }

    /// A write that has begun ends as it would.
    fn write(&self, body: &mut dyn FnMut(&mut dyn WriteTxn) -> Result<()>) -> Result<Snapshot> {
        self.cancel.check()?;
        self.store.write(body)
    }
}

struct View<'c> {
    txn: &'c dyn ReadTxn,
    cancel: &'c CancelToken,
}

impl ReadTxn for View<'_> {
    fn snapshot(&self) -> Snapshot {
        self.txn.snapshot()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>> {
        self.cancel.check()?;
        self.txn.get(table, key)
    }

    fn scan<'t>(&'t self, table: Table, range: &KeyRange, visit: &mut Visit<'_, 't>) -> Result<()> {
        self.txn.scan(table, range, &mut |key, value| -> Result<ControlFlow<()>> {
            self.cancel.check()?;
            visit(key, value)
        })
    }

    fn count(&self, table: Table) -> Result<u64> {
        self.txn.count(table)
    }
}

#[cfg(test)]
mod tests {
    use nootropic_core::reference::MemoryStore;
    use nootropic_core::{ErrorKind, StoreExt};

    use super::*;

    const A: Table = Table::new("a");

    #[test]
    fn a_read_ends_where_it_was_cancelled() {
        let (store, cancel) = (MemoryStore::new([A]), CancelToken::new());
        store.write(&mut |txn| (0..9).try_for_each(|key| txn.put(A, &[key], b"v"))).unwrap();
        let cancellable = Cancellable { store: &store, cancel: &cancel };
        let read = |enough: usize| {
            let mut seen = 0;
            let result = cancellable.read_with(|txn| {
                txn.scan(A, &KeyRange::all(), &mut |_, _| {
                    seen += 1;
                    if seen == enough {
                        cancel.cancel();
                    }
                    Ok(ControlFlow::Continue(()))
                })
            });
            (seen, result.map_err(|error| error.kind()))
        };
        assert_eq!(read(usize::MAX), (9, Ok(())));
        assert_eq!(read(4), (4, Err(ErrorKind::Cancelled)));
        assert_eq!(read(4), (0, Err(ErrorKind::Cancelled)));
        assert_eq!(cancellable.read_with(|_| Ok(())).unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
