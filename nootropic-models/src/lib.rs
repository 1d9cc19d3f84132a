//! nootropic-models
