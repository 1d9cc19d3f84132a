//! Brings a repository and its index into step.
