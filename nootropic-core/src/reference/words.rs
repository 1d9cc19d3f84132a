//! Words of texts and of identifiers.

/// The words of `text`, in lower case: runs of letters and digits, identifiers cut where their case changes (`parseHTTPHeader`
/// is `parse`, `http`, `header`) and between letters and digits.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for run in text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let chars: Vec<char> = run.chars().collect();
        let mut word = String::new();
        for (i, c) in chars.iter().enumerate() {
            let before = i.checked_sub(1).and_then(|j| chars.get(j));
            let cut = before.is_some_and(|b| is_edge(*b, *c, chars.get(i + 1)));
            if cut && !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            word.extend(c.to_lowercase());
        }
        words.push(word);
    }
    words
}

/// Whether a word ends between `before` and `c`: `aB`, `ABc` before `B`, `a1`, `1a`.
fn is_edge(before: char, c: char, after: Option<&char>) -> bool {
    let new_hump = c.is_uppercase() && (before.is_lowercase() || after.is_some_and(|after| after.is_lowercase()));
    new_hump || before.is_numeric() != c.is_numeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_cut_at_their_seams() {
        let expected = ["parse", "http", "header", "2", "snake", "case", "über", "größe", "x", "86"];
        assert_eq!(words("parseHTTPHeader2 snake_case::ÜberGröße, (x86)"), expected);
        assert_eq!(words(" \n-"), [""; 0]);
    }
}
