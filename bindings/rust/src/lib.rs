//! bindings/rust
