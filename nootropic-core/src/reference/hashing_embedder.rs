//! An embedder without weights.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::words::words;
use crate::{EmbedRole, Embedder, EmbedderInfo, Embedding, Error, InlineEmbedder, Result};

/// An [`Embedder`] that hashes words and their parts into dimensions.
///
/// Texts are alike if they share words, or words of similar spelling: identifiers are cut at their seams, and each word adds
/// itself and, at half the weight, its character trigrams. A feature's dimension and sign come from its hash, and its weight
/// grows with the square root of how often it occurs. No substitute for a trained embedder, but one is always there.
///
/// Source: Weinberger et al. 2009, *Feature Hashing for Large Scale Multitask Learning*, arXiv:0902.2206.
#[derive(Debug, Clone)]
pub struct HashingEmbedder {
    info: EmbedderInfo,
}

/// Part of the identity; to be raised with every change of the vectors.
const VERSION: u32 = 1;

impl HashingEmbedder {
    /// An embedder of `dim` dimensions; 256 to 1,024 serve well.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] unless `dim` is 8 to 65,536.
    pub fn new(dim: usize) -> Result<Self> {
        if !(8..=65_536).contains(&dim) {
            return Err(Error::invalid("dimensions of a hashing embedder", format!("{dim} is not in 8..=65536")));
        }
        let id = format!("hashing-v{VERSION}-{dim}");
        Ok(Self { info: EmbedderInfo { id, dim, max_tokens: usize::MAX } })
    }

    fn vector(&self, text: &str) -> Result<Embedding> {
        let mut counts: BTreeMap<u64, (u32, f32)> = BTreeMap::new(); // how often, and the weight of one
        let mut add = |feature: u64, weight: f32| counts.entry(feature).or_insert((0, weight)).0 += 1;
        for word in words(text) {
            add(hash(b"word", word.as_bytes()), 1.0);
            let padded: Vec<char> = std::iter::once('^').chain(word.chars()).chain(['$']).collect();
            for trigram in padded.windows(3) {
                add(hash(b"part", trigram.iter().collect::<String>().as_bytes()), 0.5);
            }
        }
        if counts.is_empty() {
            counts.insert(hash(b"none", b""), (1, 1.0)); // a text without words is like other texts without words
        }
        let mut vector = vec![0.0_f32; self.info.dim];
        for (hash, (count, weight)) in counts {
            let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
            let dimension = (hash % self.info.dim as u64) as usize;
            if let Some(component) = vector.get_mut(dimension) {
                *component += sign * weight * (count as f32).sqrt();
            }
        }
        // Features of opposite sign may cancel out; then, too, the text has no direction of its own.
        Embedding::normalized(vector).or_else(|_| {
            let mut first = vec![0.0; self.info.dim];
            first.iter_mut().take(1).for_each(|x| *x = 1.0);
            Embedding::normalized(first)
        })
    }
}

#[async_trait]
impl Embedder for HashingEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    async fn embed(&self, texts: &[&str], _: EmbedRole) -> Result<Vec<Embedding>> {
        texts.iter().map(|text| self.vector(text)).collect()
    }

    fn inline(&self) -> Option<&dyn InlineEmbedder> {
        Some(self)
    }
}

impl InlineEmbedder for HashingEmbedder {
    fn embed_inline(&self, text: &str, _: EmbedRole) -> Result<Embedding> {
        self.vector(text)
    }
}

/// FNV-1a, 64 bits, with the finalizer of MurmurHash3 because the last byte must reach every bit.
fn hash(kind: &[u8], bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut h = kind.iter().chain(bytes).fold(0xcbf2_9ce4_8422_2325, step);
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        let embedder = HashingEmbedder::new(512).unwrap();
        let vectors = block_on(embedder.embed(&[a, b], EmbedRole::Document)).unwrap();
        vectors[0].cosine(&vectors[1]).unwrap()
    }

    #[test]
    fn identifiers_are_alike_however_they_are_written() {
        assert!(cosine("commit_write_transaction", "commitWriteTransaction") > 0.999);
        assert!(
            cosine("commit the transaction", "transactions committed")
                > cosine("commit the transaction", "paint a fence")
        );
    }

    /// Vectors are stored under the identity: if this fails, the version has to be raised.
    #[test]
    fn the_vectors_of_an_identity_never_change() {
        let embedder = HashingEmbedder::new(8).unwrap();
        assert_eq!(embedder.info().id, "hashing-v1-8");
        let vector = block_on(embedder.embed(&["openStore"], EmbedRole::Query)).unwrap().remove(0);
        let rounded: Vec<_> = vector.as_slice().iter().map(|x| (x * 1e4).round() as i32).collect();
        assert_eq!(rounded, [0, 2085, 0, -4170, 0, 2085, -8341, -2085]);
    }

    #[test]
    fn absurd_dimensions_are_refused() {
        assert!(HashingEmbedder::new(0).is_err() && HashingEmbedder::new(1 << 20).is_err());
    }
}
