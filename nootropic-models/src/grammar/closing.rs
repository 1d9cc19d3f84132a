//! A short way to the end of an answer.

use std::collections::{HashMap, HashSet};

use llguidance::Matcher;
use llguidance::toktrie::SimpleVob;

/// How soon each token brings a text to its end, as far as its bytes tell.
#[derive(Debug)]
pub(super) struct Closers {
    /// Smaller is sooner; between brackets, and inside of strings.
    ranks: Vec<[u16; 2]>,
    /// What each token begins with.
    firsts: Vec<u8>,
    /// Tokens that end the answer.
    ends: Vec<u32>,
    /// Tokens that may come where any text may, and nowhere between brackets.
    letters: Vec<u32>,
    /// Tokens that may come where digits of base 16 may.
    hexadecimal: Vec<u32>,
    /// Line ends, which may come in free text, and in no string of JSON.
    lines: Vec<u32>,
    /// Quotes, which end most strings.
    quotes: Vec<u32>,
    /// Points and exponents, which make a number more than an integer.
    fractions: Vec<u32>,
    /// Tokens that begin with `-0`.
    negative_zeros: Vec<u32>,
}

impl Closers {
    pub(super) fn new(words: &[Vec<u8>], ends: &[u32]) -> Self {
        let find = |fits: &dyn Fn(&[u8]) -> bool| {
            (0..).zip(words).filter(|(_, word)| fits(word)).map(|(token, _)| token).collect::<Vec<u32>>()
        };
        Self {
            ranks: words.iter().map(|word| [rank(word, between_brackets), rank(word, in_string)]).collect(),
            firsts: words.iter().map(|word| first(word)).collect(),
            ends: ends.to_vec(),
            letters: find(&|word| matches!(word, b"q" | b"z" | b"Q" | b"Z")),
            hexadecimal: find(&|word| matches!(word, b"a" | b"f" | b"A" | b"F")),
            lines: find(&|word| word == b"\n"),
            quotes: find(&|word| word == b"\""),
            fractions: find(&|word| matches!(word, b"." | b"e" | b"E")),
            negative_zeros: find(&|word| word.starts_with(b"-0")),
        }
    }

    /// Whether the answer may end where these tokens may come.
    pub(super) fn can_end(&self, allowed: &SimpleVob) -> bool {
        any(&self.ends, allowed)
    }

    /// Whether letters may come, other than that of an exponent: not so in a number.
    pub(super) fn goes_on_in_letters(&self, allowed: &SimpleVob) -> bool {
        any(&self.letters, allowed) || any(&self.hexadecimal, allowed)
    }

    /// Whether a point or an exponent may come.
    pub(super) fn goes_on_in_fraction(&self, allowed: &SimpleVob) -> bool {
        any(&self.fractions, allowed)
    }

    /// Whether a token may come that begins with `-0`.
    pub(super) fn has_negative_zero(&self, allowed: &SimpleVob) -> bool {
        any(&self.negative_zeros, allowed)
    }

    /// Tokens that end the text from where `matcher` stands, the last of them one that ends the answer; none if more than `most` would
    /// be needed, or if none are found. `exits` are tokens that are worth a try where text goes on and on.
    pub(super) fn path(&self, matcher: &Matcher, exits: &[Vec<u32>], most: usize) -> Option<Vec<u32>> {
        let mut matcher = matcher.clone();
        let mut walk = Walk { closers: self, tried: HashMap::new(), exhausted: HashSet::new(), last: None };
        let mut path = Vec::new();
        while path.len() < most {
            let allowed = matcher.compute_mask_or_eos().ok()?;
            if let Some(end) = self.ends.iter().find(|end| allowed.is_allowed(**end)) {
                path.push(*end);
                return Some(path);
            }
            let place = walk.arrive(&allowed);
            if let Some((exit, after)) = walk.exit(&matcher, &allowed, place, exits) {
                path.extend(exit);
                matcher = after;
                continue;
            }
            let token = walk.best(&allowed, place)?;
            matcher.consume_token(token).ok()?;
            path.push(token);
        }
        None
    }
}

/// A place in a grammar, as far as it shows in what may come next.
type Place = u64;

/// A walk to the end, and what it has learned: tokens that lead nowhere new are not taken again and again.
struct Walk<'a> {
    closers: &'a Closers,
    /// By place and beginning: how often it was taken, and whether it ever led to another place.
    tried: HashMap<(Place, u8), (u32, bool)>,
    /// Places where no exit helped.
    exhausted: HashSet<Place>,
    last: Option<(Place, u8)>,
}

impl Walk<'_> {
    /// Where the walk stands, with what the last step came to.
    fn arrive(&mut self, allowed: &SimpleVob) -> Place {
        // FNV-1a.
        let place = allowed
            .as_slice()
            .iter()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, word| (hash ^ u64::from(*word)).wrapping_mul(0x0100_0000_01B3));
        if let Some(last) = self.last.take().filter(|last| last.0 != place)
            && let Some((_, led)) = self.tried.get_mut(&last)
        {
            *led = true;
        }
        place
    }

    /// The token that is likely to end the text soonest; of equals the first.
    fn best(&mut self, allowed: &SimpleVob, place: Place) -> Option<u32> {
        let kind = usize::from(any(&self.closers.letters, allowed));
        let mut costs = [1; 256];
        for ((_, first), (taken, led)) in self.tried.iter().filter(|((at, _), _)| *at == place) {
            costs[usize::from(*first)] = match (led, taken) {
                (true, _) if *first == b'"' => 0,
                (true, 0..=8) => 0,
                (_, taken) => 1 + taken,
            };
        }
        if kind == 0 {
            // These lead on even where the place looks the same afterwards; what opens something leads on and on.
            b"}]\",:".iter().for_each(|mark| costs[usize::from(*mark)] = 0);
            b"{[".iter().for_each(|mark| costs[usize::from(*mark)] = 1);
        }
        let mut best: Option<(u32, u16, u32)> = None;
        allowed.iter_set_entries(|token| {
            let first = self.closers.firsts.get(token).copied().unwrap_or(SPECIAL);
            let rank = self.closers.ranks.get(token).map_or(u16::MAX, |ranks| ranks[kind]);
            let cost = if first.is_ascii_whitespace() { SPACE } else { costs[usize::from(first)] };
            if best.is_none_or(|(least, other, _)| (cost, rank) < (least, other)) {
                best = Some((cost, rank, token as u32));
            }
        });
        let (_, _, token) = best?;
        let first = self.closers.firsts.get(token as usize).copied().unwrap_or(SPECIAL);
        self.tried.entry((place, first)).or_default().0 += 1;
        self.last = Some((place, first));
        Some(token)
    }

    /// Tokens that lead out of a text that a quote does not end, and where they lead.
    fn exit<'e>(
        &mut self,
        matcher: &Matcher,
        allowed: &SimpleVob,
        place: Place,
        exits: &'e [Vec<u32>],
    ) -> Option<(&'e [u32], Matcher)> {
        let Closers { letters, lines, quotes, .. } = self.closers;
        let quote_fails = self.tried.get(&(place, b'"')).is_some_and(|(_, led)| !led);
        let in_string = any(quotes, allowed) && !any(lines, allowed) && !quote_fails;
        if in_string || !any(letters, allowed) || self.exhausted.contains(&place) {
            return None;
        }
        let found = exits.iter().find_map(|exit| {
            let mut after = matcher.clone();
            after.consume_tokens(exit).ok()?;
            let then = after.compute_mask_or_eos().ok()?;
            let left = then.as_slice() != allowed.as_slice() || self.closers.can_end(&then);
            left.then_some((exit.as_slice(), after))
        });
        if found.is_none() {
            self.exhausted.insert(place);
        }
        found
    }
}

fn any(tokens: &[u32], allowed: &SimpleVob) -> bool {
    tokens.iter().any(|token| allowed.is_allowed(*token))
}

/// Begins tokens that are no text.
const SPECIAL: u8 = 0xFF;
/// White space is hardly ever needed: as good as what was tried three times in vain.
const SPACE: u32 = 4;

/// What a token begins with: its first byte, with one letter for all, one digit, and one for what is not ASCII.
fn first(word: &[u8]) -> u8 {
    match word.first() {
        None => SPECIAL,
        Some(byte) if byte.is_ascii_alphabetic() => b'a',
        Some(byte) if byte.is_ascii_digit() => b'0',
        Some(byte) if !byte.is_ascii() && *byte != SPECIAL => 0x80,
        Some(byte) => *byte,
    }
}

/// What closes something comes first, what opens something last; of the same kind, longer ones first, because they say more at
/// once of what has to be said.
fn rank(word: &[u8], kind: fn(u8) -> u16) -> u16 {
    let Some((&first, rest)) = word.split_first().filter(|(first, _)| **first != SPECIAL) else { return u16::MAX };
    // What opens something after all is no closer.
    let opens = rest.iter().any(|byte| matches!(byte, b'{' | b'[' | b'\\' | b'"'));
    let kind = if opens { LAST } else { kind(first) };
    kind * 256 + 255 - (word.len().min(255) as u16)
}

const LAST: u16 = 7;

fn between_brackets(first: u8) -> u16 {
    match first {
        b'}' | b']' | b')' | b'>' | b'/' => 0,
        b'"' => 1,
        b':' | b',' => 2,
        b'0'..=b'9' => 3,
        b'a'..=b'z' | b'A'..=b'Z' => 4,
        b'{' | b'[' | b'\\' => LAST,
        byte if byte.is_ascii_whitespace() => LAST,
        _ => 5,
    }
}

/// Marks before letters: what a pattern wants at last is more often one of them.
fn in_string(first: u8) -> u16 {
    match first {
        b'"' => 0,
        b'@' | b'.' | b':' | b'/' | b'-' | b'_' => 1,
        b'\\' => LAST,
        byte if byte.is_ascii_whitespace() => LAST,
        byte if byte.is_ascii_punctuation() => 2,
        b'0'..=b'9' => 3,
        _ => 4,
    }
}
