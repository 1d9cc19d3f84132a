//! nootropic
fn main() {}
