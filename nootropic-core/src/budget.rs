//! How much may be used up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What something uses up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cost {
    /// Tokens read and written by models.
    pub tokens: u64,
    /// Money, in millionths of the currency the limits are meant in.
    pub money: u64,
    /// Time, in milliseconds of work (not of waiting for a person).
    pub time: u64,
    /// Calls of models and tools.
    pub calls: u64,
    /// Bytes read, written or transferred.
    pub bytes: u64,
}

/// The most that may be used up; none means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// As [`Cost::tokens`].
    pub tokens: Option<u64>,
    /// As [`Cost::money`].
    pub money: Option<u64>,
    /// As [`Cost::time`].
    pub time: Option<u64>,
    /// As [`Cost::calls`].
    pub calls: Option<u64>,
    /// As [`Cost::bytes`].
    pub bytes: Option<u64>,
}

impl Cost {
    /// One call.
    pub const CALL: Self = Self { calls: 1, tokens: 0, money: 0, time: 0, bytes: 0 };

    fn parts(&self) -> [(&'static str, u64); 5] {
        [
            ("tokens", self.tokens),
            ("money", self.money),
            ("time", self.time),
            ("calls", self.calls),
            ("bytes", self.bytes),
        ]
    }

    fn zip(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            tokens: join(self.tokens, other.tokens),
            money: join(self.money, other.money),
            time: join(self.time, other.time),
            calls: join(self.calls, other.calls),
            bytes: join(self.bytes, other.bytes),
        }
    }
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.zip(&other, u64::saturating_add)
    }
}

/// What is left of the limits. Clones share it.
///
/// What something may cost is charged before it happens; a charge that any limit does not bear changes nothing. What it really
/// cost is settled afterwards.
///
/// ```
/// use nootropic_core::{Budget, Cost, Limits};
///
/// let budget = Budget::new(Limits { tokens: Some(1_000), ..Limits::default() });
/// let reserved = budget.reserve(Cost { tokens: 800, ..Cost::CALL })?; // at most this much
/// assert!(budget.reserve(Cost { tokens: 300, ..Cost::CALL }).is_err());
/// reserved.settle(Cost { tokens: 120, ..Cost::CALL });
/// assert_eq!(budget.used().tokens, 120);
/// # Ok::<(), nootropic_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Budget {
    limits: Limits,
    used: Arc<Mutex<Cost>>,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limits: Limits) -> Self {
        Self::resume(limits, Cost::default())
    }

    /// A budget of which some was used before, by an earlier process, say.
    pub fn resume(limits: Limits, used: Cost) -> Self {
        Self { limits, used: Arc::new(Mutex::new(used)) }
    }

    /// A budget without limits, which still counts.
    pub fn unlimited() -> Self {
        Self::new(Limits::default())
    }

    /// The limits.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What is used or reserved by now.
    pub fn used(&self) -> Cost {
        *self.lock()
    }

    /// Uses up `cost`, all of it or nothing.
    ///
    /// # Errors
    /// [`Error::BudgetExceeded`] with the first limit that does not bear it.
    pub fn charge(&self, cost: Cost) -> Result<()> {
        let mut used = self.lock();
        let limits = [self.limits.tokens, self.limits.money, self.limits.time, self.limits.calls, self.limits.bytes];
        for (((budget, wanted), (_, used)), limit) in cost.parts().into_iter().zip(used.parts()).zip(limits) {
            // What costs nothing may happen even if more than the limit was used by something settled late.
            if let Some(limit) =
                limit.filter(|limit| wanted > 0 && used.checked_add(wanted).is_none_or(|sum| sum > *limit))
            {
                return Err(Error::BudgetExceeded { budget, used, limit, wanted });
            }
        }
        *used = *used + cost;
        Ok(())
    }

    /// Charges the most that something may cost, to be settled when it is over.
    ///
    /// # Errors
    /// As [`charge`](Self::charge).
    pub fn reserve(&self, cost: Cost) -> Result<Reservation> {
        self.charge(cost)?;
        Ok(Reservation { budget: self.clone(), cost })
    }

    fn lock(&self) -> MutexGuard<'_, Cost> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner) // a `Cost` is whole at any time
    }
}

/// A charge whose final amount is not known yet. Dropped unsettled, all of it stays charged: something may have happened.
#[derive(Debug)]
#[must_use = "an unsettled reservation stays charged in full"]
pub struct Reservation {
    budget: Budget,
    cost: Cost,
}

impl Reservation {
    /// What is reserved.
    pub const fn cost(&self) -> Cost {
        self.cost
    }

    /// Replaces the reservation by what it really was, even if that is more.
    pub fn settle(self, actual: Cost) {
        let mut used = self.budget.lock();
        *used = used.zip(&self.cost, u64::saturating_sub) + actual;
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_charge_is_taken_whole_or_not_at_all() {
        let budget = Budget::new(Limits { tokens: Some(10), calls: Some(2), ..Limits::default() });
        budget.charge(Cost { tokens: 4, ..Cost::CALL }).unwrap();
        let error = budget.charge(Cost { tokens: 7, ..Cost::CALL }).unwrap_err();
        assert!(matches!(error, Error::BudgetExceeded { budget: "tokens", used: 4, limit: 10, wanted: 7 }), "{error}");
        assert_eq!(budget.used(), Cost { tokens: 4, ..Cost::CALL }, "the call was not counted either");
        budget.charge(Cost { tokens: 6, ..Cost::CALL }).unwrap();
        assert_eq!(budget.charge(Cost::CALL).unwrap_err().kind(), ErrorKind::BudgetExceeded);
    }

    #[test]
    fn threads_cannot_overdraw_together() {
        let budget = Budget::new(Limits { calls: Some(100), ..Limits::default() });
        let granted: usize = thread::scope(|scope| {
            let clerk = || (0..50).filter(|_| budget.charge(Cost::CALL).is_ok()).count();
            let clerks: Vec<_> = (0..4).map(|_| scope.spawn(clerk)).collect();
            clerks.into_iter().map(|clerk| clerk.join().unwrap()).sum()
        });
        assert_eq!((granted, budget.used().calls), (100, 100));
    }

    #[test]
    fn settling_counts_what_it_was() {
        let budget = Budget::new(Limits { tokens: Some(10), ..Limits::default() });
        budget.reserve(Cost { tokens: 9, ..Cost::default() }).unwrap().settle(Cost { tokens: 2, ..Cost::default() });
        assert_eq!(budget.used().tokens, 2);
        budget.reserve(Cost { tokens: 8, ..Cost::default() }).unwrap().settle(Cost { tokens: 11, ..Cost::default() });
        assert_eq!(budget.used().tokens, 13, "what was overdrawn is known");
        assert!(budget.charge(Cost { tokens: 1, ..Cost::default() }).is_err());
        assert!(budget.charge(Cost::CALL).is_ok(), "what costs no tokens goes on");
    }

    #[test]
    fn a_dropped_reservation_stays_charged() {
        let budget = Budget::unlimited();
        drop(budget.reserve(Cost { bytes: 5, ..Cost::default() }).unwrap());
        assert_eq!(budget.used().bytes, 5);
        assert!(
            Budget::new(Limits { bytes: Some(1), ..Limits::default() })
                .charge(Cost { bytes: u64::MAX, ..Cost::default() })
                .is_err()
        );
    }
}
