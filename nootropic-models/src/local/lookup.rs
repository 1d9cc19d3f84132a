//! Guesses of what comes next: what came the last time the text went as it goes now.
//!
//! Several guessed tokens go through the weights in one pass, which takes hardly longer than one does; those that the model would have
//! chosen stay. Edits of code, and answers that quote, repeat much.
//!
//! Source: Saxena, *Prompt Lookup Decoding*, 2023; Leviathan et al., *Fast Inference from Transformers via Speculative Decoding*,
//! arXiv:2211.17192.

use hashbrown::HashMap;

/// So many tokens have to be alike.
const ALIKE: usize = 3;
/// Most tokens that are guessed.
const MOST: usize = 8;
/// After guesses that were all wrong, so many tokens are chosen without, and each time twice as many.
const PAUSE: usize = 4;
const LONGEST_PAUSE: usize = 64;

/// Where each run of tokens of a text came last.
#[derive(Debug)]
pub(super) struct Lookup {
    /// The position after a run.
    after: HashMap<[u32; ALIKE], usize>,
    /// How many tokens of the text were taken in.
    known: usize,
    /// How many to guess.
    most: usize,
    /// How many times not to guess.
    rest: usize,
    /// How long to rest after the next guess that is all wrong.
    pause: usize,
}

impl Default for Lookup {
    fn default() -> Self {
        Self { after: HashMap::new(), known: 0, most: MOST / 2, rest: 0, pause: PAUSE }
    }
}

impl Lookup {
    /// What may come after `tokens`, which begins as it did before; at most `most` tokens, often none.
    pub(super) fn guess<'t>(&mut self, tokens: &'t [u32], most: usize) -> &'t [u32] {
        let Some(end) = tokens.last_chunk::<ALIKE>() else { return &[] };
        // The run at the end is looked for, and learned when the text has gone on.
        for (run, after) in tokens.array_windows::<ALIKE>().zip(ALIKE..tokens.len()).skip(self.known) {
            self.after.insert(*run, after);
        }
        self.known = tokens.len() - ALIKE;
        if self.rest > 0 {
            self.rest -= 1;
            return &[];
        }
        let Some(from) = self.after.get(end) else { return &[] };
        let guess = tokens.get(*from..).unwrap_or_default();
        guess.get(..guess.len().min(most).min(self.most)).unwrap_or_default()
    }

    /// How many of the tokens that were guessed were right.
    pub(super) fn learn(&mut self, guessed: usize, right: usize) {
        match right {
            _ if guessed == 0 => {}
            0 => {
                self.most = (self.most / 2).max(2);
                self.rest = self.pause;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
            right => {
                self.most = if right == guessed { (self.most * 2).min(MOST) } else { self.most };
                self.pause = PAUSE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lookup;

    #[test]
    fn what_came_last_time_is_guessed() {
        let mut lookup = Lookup::default();
        assert!(lookup.guess(&[1, 2], 8).is_empty());
        assert_eq!(lookup.guess(&[1, 2, 3, 4, 5, 9, 1, 2, 3], 8), [4, 5, 9, 1]);
        assert_eq!(lookup.guess(&[1, 2, 3, 4, 5, 9, 1, 2, 3], 1), [4]);
        // The latest counts.
        assert_eq!(lookup.guess(&[1, 2, 3, 4, 5, 9, 1, 2, 3, 7, 7, 1, 2, 3], 8), [7, 7, 1, 2]);
        // A text that repeats itself goes on so.
        assert_eq!(Lookup::default().guess(&[5, 5, 5, 5], 8), [5]);
        assert!(Lookup::default().guess(&[1, 2, 3, 4], 8).is_empty());
    }

    #[test]
    fn wrong_guesses_become_rarer_and_right_ones_longer() {
        let tokens: Vec<u32> = (0..40).map(|token| token % 20).collect();
        let mut lookup = Lookup::default();
        assert_eq!(lookup.guess(&tokens, 8).len(), 4);
        lookup.learn(4, 4);
        assert_eq!(lookup.guess(&tokens, 8).len(), 8);
        lookup.learn(8, 0);
        let pauses = (0..).take_while(|_| lookup.guess(&tokens, 8).is_empty()).count();
        assert_eq!(pauses, 4);
        lookup.learn(4, 0);
        assert_eq!((0..).take_while(|_| lookup.guess(&tokens, 8).is_empty()).count(), 8);
        assert_eq!(lookup.guess(&tokens, 8).len(), 2);
        lookup.learn(2, 2);
        lookup.learn(4, 0);
        assert_eq!((0..).take_while(|_| lookup.guess(&tokens, 8).is_empty()).count(), 4);
    }
}
