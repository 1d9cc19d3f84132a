//! The one gate that every effect passes, as those see it who have effects.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Budget, CancelToken, Cost, Effect, Error, EventSink, Reservation, Result, Silent};

/// Lets effects through, or not.
///
/// Tools, agents and everything else that reads, writes, runs or connects asks first and does it only with a [`Permit`].
/// `nootropic-agents` has the gate that puts policy, budget, broker and events behind this.
///
/// # Contract
/// - What is not let through is an error, of kind `Denied` or `BudgetExceeded`; it has not happened and must not.
/// - Asking may take as long as a person takes to answer; dropping the future withdraws the question.
#[async_trait]
pub trait EffectGate: fmt::Debug + Send + Sync {
    /// Asks for an effect that costs at most `cost`.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::BudgetExceeded`].
    async fn check(&self, effect: Effect, cost: Cost) -> Result<Permit>;
}

/// Says that an effect may happen, once.
#[derive(Debug)]
#[must_use = "a permit is held while the effect happens"]
pub struct Permit {
    effect: Effect,
    reservation: Reservation,
}

impl Permit {
    /// A permit, given by a gate.
    pub const fn new(effect: Effect, reservation: Reservation) -> Self {
        Self { effect, reservation }
    }

    /// What may happen.
    pub const fn effect(&self) -> &Effect {
        &self.effect
    }

    /// What is reserved for it.
    pub const fn cost(&self) -> Cost {
        self.reservation.cost()
    }

    /// Says what it really cost, once it has happened. Without this the reserved cost stands.
    pub fn settle(self, actual: Cost) {
        self.reservation.settle(actual);
    }
}

/// A gate that lets nothing through: what applies until somebody sets another.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClosedGate;

#[async_trait]
impl EffectGate for ClosedGate {
    async fn check(&self, effect: Effect, _: Cost) -> Result<Permit> {
        Err(Error::Denied { effect: effect.to_string(), reason: "no gate is set".into() })
    }
}

/// A gate that lets everything through and counts nothing. For tests, and for programs that are their own gate.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenGate;

#[async_trait]
impl EffectGate for OpenGate {
    async fn check(&self, effect: Effect, cost: Cost) -> Result<Permit> {
        Ok(Permit::new(effect, Budget::unlimited().reserve(cost)?))
    }
}

/// What a call is given besides its input. The default denies every effect, is never cancelled and reports to nobody.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Asked before every effect.
    pub gate: Arc<dyn EffectGate>,
    /// Looked at between steps.
    pub cancel: CancelToken,
    /// Told of progress.
    pub events: Arc<dyn EventSink>,
}

impl Default for CallContext {
    fn default() -> Self {
        Self { gate: Arc::new(ClosedGate), cancel: CancelToken::new(), events: Arc::new(Silent) }
    }
}

const _: fn(&dyn EffectGate) = |_| {}; // a call's context holds `Arc<dyn EffectGate>`
