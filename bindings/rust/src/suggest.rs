//! What someone who mistyped a name may have meant.

/// The name most like `name`, if one is near enough to be meant.
///
/// ```
/// assert_eq!(nootropic::nearest("serach", ["index", "search"]), Some("search"));
/// assert_eq!(nootropic::nearest("zebra", ["index", "search"]), None);
/// ```
pub fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let best = names.into_iter().map(|known| (distance(name, known), known)).min()?;
    (best.0 <= 2 + name.len() / 4).then_some(best.1)
}

/// “did you mean `index.exclude`?”, if one is near.
pub(crate) fn did_you_mean<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    nearest(name, names).map(|known| format!("did you mean `{known}`?"))
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let value = (diagonal + usize::from(x != *y)).min(*cell + 1).min(left + 1);
            diagonal = *cell;
            *cell = value;
            left = value;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
