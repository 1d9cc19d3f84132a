//! Planners: a problem in, a plan out.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CancelToken, Capability, CapabilityKind, Plan, Problem, Result};

/// How much a search for a plan may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlanLimits {
    /// Most time, by the clock; none means no limit.
    pub time: Option<Duration>,
    /// Most memory, in bytes; none means no limit.
    pub memory: Option<u64>,
    /// Whether to go on for a cheaper plan after the first one, as long as the limits allow.
    pub optimize: bool,
}

/// What came of planning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Planned {
    /// A plan that reaches the goal.
    Found(Plan),
    /// There is none; why, as far as it can be said.
    Unsolvable(String),
}

/// Finds plans.
///
/// # Contract
/// - A plan that is found can be proved: carried out in [`Plan::order`], every task has what it needs and the goal holds at the
///   end. A goal that holds already has the empty plan.
/// - [`Planned::Unsolvable`] is proved too: giving up is an error instead, of kind `Timeout` (time is up) or
///   `BudgetExceeded` (memory is up). The limits hold, give or take a tenth of a second.
/// - A problem that makes no sense is refused with [`Error::InvalidInput`](crate::Error::InvalidInput); a kind of problem that it
///   does not read, with an error of kind `Unsupported`.
/// - Cancelling ends it within a tenth of a second, with [`Error::Cancelled`](crate::Error::Cancelled).
/// - The same problem has the same plan, unless a limit was reached.
///
/// A planner that computes for long does so on threads of its own: its future must not block those who poll it for longer
/// than that either.
///
/// `testing::planner_suite` checks this (feature `testing`).
#[async_trait]
pub trait Planner: fmt::Debug + Send + Sync {
    /// Its identity, e.g. `breadth-first`.
    fn id(&self) -> &str;

    /// Looks for a plan.
    ///
    /// # Errors
    /// As the contract says.
    async fn plan(&self, problem: &Problem, limits: &PlanLimits, cancel: &CancelToken) -> Result<Planned>;

    /// How it describes itself.
    fn describe(&self) -> Capability {
        let name = Capability::name_for(CapabilityKind::Planner, self.id());
        let summary = format!("Finds plans by {}", self.id().trim_end_matches('.'));
        Capability::new::<Problem, Planned>(CapabilityKind::Planner, name, summary)
    }
}

const _: fn(&dyn Planner) = |_| {}; // the facade and bindings hold `Arc<dyn Planner>`
