//! Word stems, so that `scheduling`, `scheduled` and `scheduler` meet.
//!
//! Source: M. F. Porter, *An algorithm for suffix stripping*, Program 14(3), 1980.

/// Reduces a lower-case ASCII word to its stem, in place. Words of one or two letters and words with anything but
/// `a..=z` are left alone.
pub fn stem(word: &mut Vec<u8>) {
    if word.len() < 3 || !word.iter().all(u8::is_ascii_lowercase) {
        return;
    }
    plurals(word);
    past_and_progressive(word);
    if ends(word, b"y") && has_vowel(&word[..word.len() - 1]) {
        set_last(word, b'i');
    }
    replace_first(word, DOUBLE_SUFFIXES, 0);
    replace_first(word, FULL_SUFFIXES, 0);
    drop_suffixes(word);
    tidy(word);
}

const DOUBLE_SUFFIXES: &[(&[u8], &[u8])] = &[
    (b"ational", b"ate"),
    (b"tional", b"tion"),
    (b"enci", b"ence"),
    (b"anci", b"ance"),
    (b"izer", b"ize"),
    (b"abli", b"able"),
    (b"alli", b"al"),
    (b"entli", b"ent"),
    (b"eli", b"e"),
    (b"ousli", b"ous"),
    (b"ization", b"ize"),
    (b"ation", b"ate"),
    (b"ator", b"ate"),
    (b"alism", b"al"),
    (b"iveness", b"ive"),
    (b"fulness", b"ful"),
    (b"ousness", b"ous"),
    (b"aliti", b"al"),
    (b"iviti", b"ive"),
    (b"biliti", b"ble"),
];

const FULL_SUFFIXES: &[(&[u8], &[u8])] = &[
    (b"icate", b"ic"),
    (b"ative", b""),
    (b"alize", b"al"),
    (b"iciti", b"ic"),
    (b"ical", b"ic"),
    (b"ful", b""),
    (b"ness", b""),
];

const DROPPED_SUFFIXES: &[(&[u8], &[u8])] = &[
    (b"ement", b""),
    (b"ance", b""),
    (b"ence", b""),
    (b"able", b""),
    (b"ible", b""),
    (b"ment", b""),
    (b"ant", b""),
    (b"ent", b""),
    (b"ism", b""),
    (b"ate", b""),
    (b"iti", b""),
    (b"ous", b""),
    (b"ive", b""),
    (b"ize", b""),
    (b"al", b""),
    (b"er", b""),
    (b"ic", b""),
    (b"ou", b""),
];

fn ends(word: &[u8], suffix: &[u8]) -> bool {
    word.ends_with(suffix)
}

fn set_last(word: &mut [u8], letter: u8) {
    if let Some(last) = word.last_mut() {
        *last = letter;
    }
}

fn cut(word: &mut Vec<u8>, n: usize) {
    word.truncate(word.len().saturating_sub(n));
}

fn is_consonant(word: &[u8], i: usize) -> bool {
    match word[i] {
        b'a' | b'e' | b'i' | b'o' | b'u' => false,
        b'y' => i == 0 || !is_consonant(word, i - 1),
        _ => true,
    }
}

fn has_vowel(word: &[u8]) -> bool {
    (0..word.len()).any(|i| !is_consonant(word, i))
}

/// Porter's `m`: how often a vowel run is followed by a consonant run.
fn measure(word: &[u8]) -> usize {
    let (mut m, mut in_vowels) = (0, false);
    for i in 0..word.len() {
        let consonant = is_consonant(word, i);
        m += usize::from(consonant && in_vowels);
        in_vowels = !consonant;
    }
    m
}

fn ends_double_consonant(word: &[u8]) -> bool {
    let n = word.len();
    n >= 2 && word[n - 1] == word[n - 2] && is_consonant(word, n - 1)
}

/// Porter's `*o`: ends consonant, vowel, consonant, the last not w, x or y.
fn ends_cvc(word: &[u8]) -> bool {
    let n = word.len();
    n >= 3
        && is_consonant(word, n - 1)
        && !is_consonant(word, n - 2)
        && is_consonant(word, n - 3)
        && !matches!(word[n - 1], b'w' | b'x' | b'y')
}

fn plurals(word: &mut Vec<u8>) {
    if ends(word, b"sses") || ends(word, b"ies") {
        cut(word, 2);
    } else if ends(word, b"s") && !ends(word, b"ss") {
        cut(word, 1);
    }
}

fn past_and_progressive(word: &mut Vec<u8>) {
    if ends(word, b"eed") {
        if measure(&word[..word.len() - 3]) > 0 {
            cut(word, 1);
        }
        return;
    }
    let n = if ends(word, b"ed") {
        2
    } else if ends(word, b"ing") {
        3
    } else {
        return;
    };
    if !has_vowel(&word[..word.len() - n]) {
        return;
    }
    cut(word, n);
    if ends(word, b"at") || ends(word, b"bl") || ends(word, b"iz") {
        word.push(b'e');
    } else if ends_double_consonant(word) && !matches!(word.last(), Some(b'l' | b's' | b'z')) {
        cut(word, 1);
    } else if measure(word) == 1 && ends_cvc(word) {
        word.push(b'e');
    }
}

/// Replaces the longest suffix that fits if what stays measures more than `above`.
fn replace_first(word: &mut Vec<u8>, rules: &[(&[u8], &[u8])], above: usize) {
    let Some((suffix, with)) = rules.iter().filter(|(s, _)| ends(word, s)).max_by_key(|(s, _)| s.len()) else {
        return;
    };
    let stays = word.len() - suffix.len();
    if measure(&word[..stays]) > above {
        word.truncate(stays);
        word.extend_from_slice(with);
    }
}

fn drop_suffixes(word: &mut Vec<u8>) {
    if ends(word, b"ion") {
        let stays = &word[..word.len() - 3];
        if measure(stays) > 1 && matches!(stays.last(), Some(b's' | b't')) {
            cut(word, 3);
        }
    } else {
        replace_first(word, DROPPED_SUFFIXES, 1);
    }
}

fn tidy(word: &mut Vec<u8>) {
    if ends(word, b"e") {
        let stays = &word[..word.len() - 1];
        let m = measure(stays);
        if m > 1 || (m == 1 && !ends_cvc(stays)) {
            cut(word, 1);
        }
    }
    if ends(word, b"ll") && measure(word) > 1 {
        cut(word, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::stem;

    /// Word and stem, from the examples of Porter's paper.
    #[test]
    fn follows_the_paper() {
        for (word, expected) in [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("cats", "cat"),
            ("feed", "feed"),
            ("agreed", "agre"),
            ("plastered", "plaster"),
            ("bled", "bled"),
            ("motoring", "motor"),
            ("sing", "sing"),
            ("conflated", "conflat"),
            ("sized", "size"),
            ("hopping", "hop"),
            ("falling", "fall"),
            ("filing", "file"),
            ("happy", "happi"),
            ("relational", "relat"),
            ("digitizer", "digit"),
            ("vietnamization", "vietnam"),
            ("hopefulness", "hope"),
            ("triplicate", "triplic"),
            ("goodness", "good"),
            ("replacement", "replac"),
            ("adoption", "adopt"),
            ("effective", "effect"),
            ("probate", "probat"),
            ("rate", "rate"),
            ("controlling", "control"),
            ("roll", "roll"),
        ] {
            let mut bytes = word.as_bytes().to_vec();
            stem(&mut bytes);
            assert_eq!(std::str::from_utf8(&bytes), Ok(expected), "{word}");
        }
    }

    #[test]
    fn brings_the_forms_of_a_word_together() {
        for group in [["schedule", "scheduled", "scheduling"], ["retry", "retries", "retried"]] {
            let stems: Vec<_> = group
                .iter()
                .map(|word| {
                    let mut bytes = word.as_bytes().to_vec();
                    stem(&mut bytes);
                    bytes
                })
                .collect();
            assert!(stems.windows(2).all(|pair| pair[0] == pair[1]), "{group:?}");
        }
    }
}
