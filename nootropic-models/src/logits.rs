//! What a pass gives.

/// Which logits to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logits {
    /// None: the tokens are only taken in.
    None,
    /// Those after the last token.
    Last,
    /// Those after each token.
    All,
}
