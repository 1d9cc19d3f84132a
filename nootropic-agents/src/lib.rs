//! nootropic-agents
