//! The shortest way to the end of an answer, nearly.

use llguidance::Matcher;
use llguidance::toktrie::SimpleVob;

/// How soon each token brings a text to its end, as far as its bytes tell.
#[derive(Debug)]
pub(super) struct Closers {
    /// Smaller is sooner; between brackets, and inside of strings.
    ranks: Vec<[u16; 2]>,
    /// Tokens that may come where any text may, and nowhere between brackets.
    text: Vec<u32>,
    /// Line ends, which may come in free text, and in no string of JSON.
    lines: Vec<u32>,
}

impl Closers {
    pub(super) fn new(words: &[Vec<u8>]) -> Self {
        let text = |word: &[u8]| matches!(word, b"q" | b"z" | b"Q" | b"Z");
        let find = |fits: &dyn Fn(&[u8]) -> bool| {
            (0..).zip(words).filter(|(_, word)| fits(word)).map(|(token, _)| token).collect::<Vec<u32>>()
        };
        Self {
            ranks: words.iter().map(|word| [rank(word, between_brackets), rank(word, in_string)]).collect(),
            text: find(&text),
            lines: find(&|word: &[u8]| word == b"\n"),
        }
    }

    /// The allowed token that ends the text soonest; of equals the first.
    fn best(&self, allowed: &SimpleVob) -> Option<u32> {
        let in_string = self.text.iter().any(|token| allowed.is_allowed(*token));
        let mut best: Option<(u16, u32)> = None;
        allowed.iter_set_entries(|token| {
            let rank = self.ranks.get(token).map_or(u16::MAX, |ranks| ranks[usize::from(in_string)]);
            if best.is_none_or(|(other, _)| rank < other) {
                best = Some((rank, token as u32));
            }
        });
        best.map(|(_, token)| token)
    }

    /// Tokens that end the text from where `matcher` stands, the last of them one that ends the answer; none if more than `most` would
    /// be needed. `exits` are tokens that end free text.
    pub(super) fn path(&self, matcher: &Matcher, exits: &[Vec<u32>], most: usize) -> Option<Vec<u32>> {
        let mut matcher = matcher.clone();
        let trie = matcher.tok_env().ok()?;
        let ends = trie.tok_trie().eos_tokens().to_vec();
        let mut path = Vec::new();
        while path.len() < most {
            let allowed = matcher.compute_mask_or_eos().ok()?;
            if let Some(end) = ends.iter().find(|end| allowed.is_allowed(**end)) {
                path.push(*end);
                return Some(path);
            }
            if let Some((exit, after)) = self.exit(&matcher, &allowed, exits) {
                path.extend(exit);
                matcher = after;
                continue;
            }
            let token = self.best(&allowed)?;
            matcher.consume_token(token).ok()?;
            path.push(token);
        }
        None
    }

    /// The tokens that lead out of free text, and where they lead.
    fn exit<'a>(
        &self,
        matcher: &Matcher,
        allowed: &SimpleVob,
        exits: &'a [Vec<u32>],
    ) -> Option<(&'a [u32], Matcher)> {
        let any = |tokens: &[u32], allowed: &SimpleVob| tokens.iter().any(|token| allowed.is_allowed(*token));
        let free = |allowed: &SimpleVob| any(&self.text, allowed) && any(&self.lines, allowed);
        if exits.is_empty() || !free(allowed) {
            return None;
        }
        exits.iter().find_map(|exit| {
            let mut after = matcher.clone();
            after.consume_tokens(exit).ok()?;
            // Where the text goes on, this was no exit of it.
            let left = after.compute_mask_or_eos().is_ok_and(|allowed| !free(&allowed) || ends(&after, &allowed));
            left.then_some((exit.as_slice(), after))
        })
    }
}

/// Whether the answer may end here.
fn ends(matcher: &Matcher, allowed: &SimpleVob) -> bool {
    let ends = matcher.tok_env().map(|env| env.tok_trie().eos_tokens().to_vec()).unwrap_or_default();
    ends.iter().any(|end| allowed.is_allowed(*end))
}

/// What closes something comes first, what opens something last; of the same kind, longer ones first, because they say more at
/// once of what has to be said.
fn rank(word: &[u8], kind: fn(u8) -> u16) -> u16 {
    let Some((&first, rest)) = word.split_first().filter(|(first, _)| **first != 0xFF) else { return u16::MAX };
    // What opens something after all is no closer.
    let opens = rest.iter().any(|byte| matches!(byte, b'{' | b'[' | b'\\' | b'"'));
    let kind = if opens { LAST } else { kind(first) };
    kind * 256 + 255 - (word.len().min(255) as u16)
}

const LAST: u16 = 7;

fn between_brackets(first: u8) -> u16 {
    match first {
        b'}' | b']' | b')' | b'>' => 0,
        b'"' => 1,
        b'0'..=b'9' => 2,
        b'a'..=b'z' | b'A'..=b'Z' => 3,
        b':' | b',' => 4,
        b'{' | b'[' | b'\\' => LAST,
        byte if byte.is_ascii_whitespace() => 6,
        _ => 5,
    }
}

/// Marks before letters: what a pattern wants at last is more often one of them.
fn in_string(first: u8) -> u16 {
    match first {
        b'"' => 0,
        b'\\' => LAST,
        byte if byte.is_ascii_whitespace() => 4,
        byte if byte.is_ascii_punctuation() => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    }
}
