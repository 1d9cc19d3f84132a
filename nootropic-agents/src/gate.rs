//! The gate that every effect passes.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use nootropic_core::{
    Budget, Cost, Decision, Effect, EffectGate, EgressBroker, Endpoint, Error, Event, EventSink, Permit, Policy,
    Result, SealedBroker, Silent, Verdict,
};

/// Asks a person.
///
/// # Contract
/// - What is shown to the person is the effect itself, in full, never a model's description of it.
/// - Dropping the future withdraws the question. An approver that loses its person answers with an error, which denies.
#[async_trait]
pub trait Approver: fmt::Debug + Send + Sync {
    /// Whether `effect` may happen this once; `reason` says which rule asks.
    ///
    /// # Errors
    /// Whatever keeps the person from answering.
    async fn approve(&self, effect: &Effect, reason: &str) -> Result<Answer>;
}

const _: fn(&dyn Approver) = |_| {}; // a gate holds `Arc<dyn Approver>`

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Do it, this once.
    Allow,
    /// Do not.
    Deny,
}

/// Lets an effect through if policy, broker, budget and, where policy says so, a person agree; in this order.
///
/// Every decision is an [`Event::Effect`], sent before the effect can happen. A new gate allows nothing that its policy does
/// not, connects nowhere and asks nobody, so that whatever is to be asked is denied.
///
/// ```
/// use nootropic_agents::Gate;
/// use nootropic_core::{Budget, Cost, Effect, EffectGate, Limits, Policy};
/// # futures_executor::block_on(async {
/// let policy = Policy { allow: vec!["read:src/**".parse()?], ..Policy::default() };
/// let gate = Gate::new(policy, Budget::new(Limits { bytes: Some(1 << 20), ..Limits::default() }));
///
/// let permit = gate.check(Effect::Read { path: "src/lib.rs".into() }, Cost { bytes: 4096, ..Cost::default() }).await?;
/// // … read the file …
/// permit.settle(Cost { bytes: 1234, ..Cost::default() });
///
/// assert!(gate.check(Effect::Read { path: "/etc/passwd".into() }, Cost::default()).await.is_err());
/// # Ok::<(), nootropic_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Gate {
    policy: Policy,
    budget: Budget,
    broker: Arc<dyn EgressBroker>,
    approver: Option<Arc<dyn Approver>>,
    sink: Arc<dyn EventSink>,
}

impl Gate {
    /// A gate with these rules and limits.
    pub fn new(policy: Policy, budget: Budget) -> Self {
        Self { policy, budget, broker: Arc::new(SealedBroker), approver: None, sink: Arc::new(Silent) }
    }

    /// Lets this broker decide on connections.
    #[must_use]
    pub fn with_broker(self, broker: Arc<dyn EgressBroker>) -> Self {
        Self { broker, ..self }
    }

    /// Lets this approver be asked.
    #[must_use]
    pub fn with_approver(self, approver: Arc<dyn Approver>) -> Self {
        Self { approver: Some(approver), ..self }
    }

    /// Sends every decision here.
    #[must_use]
    pub fn with_sink(self, sink: Arc<dyn EventSink>) -> Self {
        Self { sink, ..self }
    }

    /// The budget that effects are charged to.
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether a connection that was let through may go to `address`, which its name resolved to.
    ///
    /// # Errors
    /// [`Error::Denied`].
    pub fn check_address(&self, endpoint: &Endpoint, address: IpAddr) -> Result<()> {
        self.broker.decide_address(endpoint, address).inspect_err(|error| {
            self.tell(&Effect::Connect { endpoint: endpoint.clone() }, Verdict::Deny, error.to_string());
        })
    }

    fn tell(&self, effect: &Effect, verdict: Verdict, reason: impl Into<String>) {
        self.sink.emit(&Event::Effect { effect: effect.clone(), verdict, reason: reason.into() });
    }

    /// Why `effect` may happen.
    async fn decide(&self, effect: &Effect, cost: Cost) -> Result<String> {
        let denied = |reason| Error::Denied { effect: effect.to_string(), reason };
        let decision = self.policy.decide(effect);
        if decision.verdict == Verdict::Deny {
            return Err(denied(decision.reason));
        }
        if let Effect::Connect { endpoint } = effect {
            self.broker.decide(endpoint)?;
        }
        // Nobody is asked about what could not be paid for anyway. Nothing is held while a person thinks.
        self.budget.reserve(cost)?.settle(Cost::default());
        match (decision.verdict, &self.approver) {
            (Verdict::Ask, Some(approver)) => {
                self.tell(effect, Verdict::Ask, &decision.reason);
                match approver.approve(effect, &decision.reason).await {
                    Ok(Answer::Allow) => Ok(format!("{}, and a person agreed", decision.reason)),
                    Ok(Answer::Deny) => Err(denied(format!("{}, and a person refused", decision.reason))),
                    Err(error) => Err(denied(format!("{}, and asking failed: {error}", decision.reason))),
                }
            }
            _ => match decision.unattended() {
                Decision { verdict: Verdict::Allow, reason } => Ok(reason),
                Decision { reason, .. } => Err(denied(reason)),
            },
        }
    }
}

#[async_trait]
impl EffectGate for Gate {
    async fn check(&self, effect: Effect, cost: Cost) -> Result<Permit> {
        let decided = self.decide(&effect, cost).await;
        let granted = decided.and_then(|reason| Ok((reason, self.budget.reserve(cost)?)));
        match granted {
            Ok((reason, reservation)) => {
                self.tell(&effect, Verdict::Allow, reason);
                Ok(Permit::new(effect, reservation))
            }
            Err(error) => {
                self.tell(&effect, Verdict::Deny, error.to_string());
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
