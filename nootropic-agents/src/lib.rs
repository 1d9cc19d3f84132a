//! Decides and acts for the Nootropic runtime.
//!
//! So far this is the [`Gate`] that every effect passes: policy, egress broker, budget, a person where one is to be asked, and
//! an event before anything happens.

mod gate;

pub use gate::{Answer, Approver, Gate};
