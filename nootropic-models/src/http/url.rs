//! As much of RFC 3986 as redirects and paths need.

use std::fmt::Write;

/// What `location`, from the answer to `base`, means (RFC 3986, section 5.2, without dot segments).
pub(super) fn join(base: &str, location: &str) -> Option<String> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, rest) = base.split_once("://")?;
    let origin = rest.find(['/', '?', '#']).map_or(rest, |end| rest.get(..end).unwrap_or(rest));
    let is_absolute = location.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
    if location.is_empty() {
        None
    } else if is_absolute {
        Some(location.to_owned())
    } else if location.starts_with("//") {
        Some(format!("{scheme}:{location}"))
    } else if location.starts_with('/') {
        Some(format!("{scheme}://{origin}{location}"))
    } else {
        let path = rest.get(origin.len()..)?.split(['?', '#']).next().unwrap_or_default();
        let folder = path.rfind('/').map_or("/", |end| path.get(..=end).unwrap_or("/"));
        Some(format!("{scheme}://{origin}{folder}{location}"))
    }
}

/// A path with everything escaped that could mean something else in a URL; `/` stays.
pub(crate) fn encode(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}"); // writing to a string does not fail
        }
    }
    text
}
