//! What defines what and who uses it: symbol search, a ranked map of a repository, and passages packed into a token
//! budget with citations.

mod edges;
mod map;
mod pack;
mod rank;
mod signature;
mod symbols;
#[cfg(test)]
#[cfg(feature = "languages")]
mod testing;
mod tokens;
mod uses;

/// A path or name on one line, whatever it holds: a name may hold line breaks, and each would begin another entry.
fn one_line(text: &str) -> std::borrow::Cow<'_, str> {
    match text.contains(['\n', '\r']) {
        true => text.replace('\n', "␊").replace('\r', "␍").into(),
        false => text.into(),
    }
}

pub use edges::{FileNode, SymbolGraph};
pub use map::{MapDefinition, MapFile, MapFolder, MapOptions, RepoMap, repo_map};
pub use pack::{HeaderLine, LeftOut, LeftOutReason, Pack, PackBlock, PackOptions, PackOrder, pack, pack_with};
pub use rank::{Focus, Ranks};
pub use symbols::{NameMatch, SymbolAnswer, SymbolHit, SymbolQuery, symbols};
pub use tokens::{EstimatedTokens, TokenCounter};
pub use uses::{SymbolUses, UsePlace};
