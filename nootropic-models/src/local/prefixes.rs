//! What texts began with: keys and values that need not be computed again.

use crate::Session;

/// How many texts are kept.
const TEXTS: usize = 8;
/// Their keys and values, in bytes.
const BYTES: usize = 1 << 30;
/// Fewer tokens are not worth it.
const FEWEST: usize = 8;

/// Sessions of texts that ended, the newest last.
#[derive(Debug, Default)]
pub(super) struct Prefixes(Vec<(Vec<u32>, Session)>);

impl Prefixes {
    /// A session that begins as `tokens` do, as far as any text does; never with all of them, because the last gives the logits.
    pub(super) fn fork(&self, tokens: &[u32]) -> Option<Session> {
        let common = |known: &[u32]| known.iter().zip(tokens).take_while(|(a, b)| a == b).count();
        let longest = self.0.iter().map(|(known, session)| (common(known).min(session.len()), session));
        let (len, session) = longest.max_by_key(|(len, _)| *len)?;
        let len = len.min(tokens.len().saturating_sub(1));
        (len >= FEWEST).then(|| session.fork(len))
    }

    /// Keeps a text's session; the oldest make room.
    pub(super) fn keep(&mut self, mut tokens: Vec<u32>, session: Session) {
        tokens.truncate(session.len());
        if tokens.len() < FEWEST || !session.is_sound() {
            return;
        }
        self.0.retain(|(known, _)| !tokens.starts_with(known)); // it holds them too
        self.0.push((tokens, session));
        let bytes = |texts: &[(Vec<u32>, Session)]| texts.iter().map(|(_, session)| session.bytes()).sum::<usize>();
        while self.0.len() > TEXTS || self.0.len() > 1 && bytes(&self.0) > BYTES {
            self.0.remove(0);
        }
    }
}
