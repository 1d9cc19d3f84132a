//! The examples live in `examples/`, one question each.
