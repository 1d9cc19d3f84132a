//! The vectors of questions that were asked a moment ago: whoever types asks the same again, with another filter or limit.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use nootropic_core::Embedding;

/// Questions that are remembered.
const KEPT: usize = 64;

/// The newest last.
#[derive(Debug, Default)]
pub(super) struct RecentQueries(Mutex<VecDeque<(String, Embedding)>>);

impl RecentQueries {
    pub(super) fn get(&self, words: &str) -> Option<Embedding> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.iter().position(|(asked, _)| asked == words)?;
        let found = recent.remove(at)?;
        let vector = found.1.clone();
        recent.push_back(found);
        Some(vector)
    }

    pub(super) fn keep(&self, words: &str, vector: &Embedding) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_back((words.to_owned(), vector.clone()));
        if recent.len() > KEPT {
            recent.pop_front();
        }
    }
}
