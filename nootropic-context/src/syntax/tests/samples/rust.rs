//! Keeps sessions.
use std::collections::HashMap;

use crate::store::{Environment, Txn as Transaction};

/// How many at most.
pub const LIMIT: usize = 16;
static NAME: &str = "sessions";

macro_rules! session {
    ($id:expr) => {
        Session::new($id)
    };
}

/// One session.
#[derive(Debug)]
pub struct Session {
    id: u64,
}

pub enum State {
    Open,
    Closed(Reason),
}

pub trait Close {
    fn close(&mut self) -> Result<(), Error>;
}

impl<T: Clone> Close for Wrapper<T> {
    // Twice is fine.
    fn close(&mut self) -> Result<(), Error> {
        self.inner.shut_down()
    }
}

impl Session {
    /// A new one.
    #[inline]
    pub fn new(id: u64) -> Self {
        helper(id);
        Self { id }
    }
}

type Map = HashMap<u64, Session>;

mod tests {
    fn check() {
        assert_eq!(super::helper(1), 1);
    }
}
