//! How large the large cases of tests are.

/// So many of a thing, or as many as `NOOTROPIC_SCALE` says if that is less: 3,000 unless it is set. `make test` sets it to
/// what the product is to bear.
pub(crate) fn at_most(full: usize) -> usize {
    let scale = std::env::var("NOOTROPIC_SCALE").ok();
    full.min(scale.map_or(3_000, |text| text.parse().unwrap_or_else(|_| panic!("NOOTROPIC_SCALE={text} is no number"))))
}
