//! What every [`Tool`] must do.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::join;
use serde_json::{Value, json};

use crate::{
    Budget, CallContext, CapabilityKind, ClosedGate, Cost, Effect, EffectGate, EffectKind, ErrorKind, Permit, Result,
    Tool,
};

/// Checks a [`Tool`] against its contract.
///
/// `inputs` are inputs it takes and that may really be carried out, at least one, each of them several times.
///
/// # Panics
/// With the first clause that does not hold.
pub async fn tool_suite(tool: &dyn Tool, inputs: &[Value]) {
    let described = tool.describe();
    super::describes("tool", &described, CapabilityKind::Tool);
    check("a description does not change", described == tool.describe(), || "the second one differs".into());
    let kind = described.input.get("type");
    check("the input is an object", kind.is_some_and(|kind| kind == "object"), || format!("its schema says {kind:?}"));
    check("the suite is given inputs", !inputs.is_empty(), || "there are none".into());

    for input in inputs {
        let asked = takes(tool, input, &described.effects).await;
        if asked {
            heeds_the_gate(tool, input).await;
        }
        stops_when_cancelled(tool, input).await;
    }
    refuses_wrong_input(tool).await;
}

/// Calls with an open gate; says whether it asked for anything.
async fn takes(tool: &dyn Tool, input: &Value, declared: &[EffectKind]) -> bool {
    let gate = Arc::new(Watched::default());
    let context = CallContext { gate: gate.clone(), ..CallContext::default() };
    let (first, second) = join(tool.call(input.clone(), &context), tool.call(input.clone(), &context)).await;
    for result in [first, second] {
        check("a right input is taken, also twice at once", result.is_ok(), || format!("{input}: {result:?}"));
    }
    let asked = gate.asked();
    let undeclared = asked.iter().find(|effect| !declared.contains(&effect.kind()));
    check("every effect is of a declared kind", undeclared.is_none(), || format!("{input}: {undeclared:?}"));
    !asked.is_empty()
}

async fn heeds_the_gate(tool: &dyn Tool, input: &Value) {
    let context = CallContext { gate: Arc::new(ClosedGate), ..CallContext::default() };
    let result = tool.call(input.clone(), &context).await;
    let denied = result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Denied);
    check("what the gate refuses, the tool refuses", denied, || format!("{input}: {result:?}"));
}

async fn stops_when_cancelled(tool: &dyn Tool, input: &Value) {
    let context = CallContext { gate: Arc::new(Watched::default()), ..CallContext::default() };
    context.cancel.cancel();
    let result = tool.call(input.clone(), &context).await;
    let cancelled = result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Cancelled);
    check("a cancelled call ends as cancelled", cancelled, || format!("{input}: {result:?}"));
}

async fn refuses_wrong_input(tool: &dyn Tool) {
    let gate = Arc::new(Watched::default());
    let context = CallContext { gate: gate.clone(), ..CallContext::default() };
    for input in [json!(null), json!("text"), json!(7), json!([[]])] {
        let result = tool.call(input.clone(), &context).await;
        let refused = result.as_ref().is_err_and(|error| error.kind() == ErrorKind::InvalidInput);
        check("wrong input is refused as such", refused, || format!("{input}: {result:?}"));
        check("wrong input is refused before any effect", gate.asked().is_empty(), || {
            format!("{input}: {:?}", gate.asked())
        });
    }
}

#[track_caller]
fn check(clause: &str, holds: bool, saw: impl FnOnce() -> String) {
    super::check("tool", clause, holds, saw);
}

/// Lets everything through and remembers it.
#[derive(Debug, Default)]
struct Watched(Mutex<Vec<Effect>>);

impl Watched {
    fn asked(&self) -> Vec<Effect> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl EffectGate for Watched {
    async fn check(&self, effect: Effect, cost: Cost) -> Result<Permit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(effect.clone());
        Ok(Permit::new(effect, Budget::unlimited().reserve(cost)?))
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;
    use crate::reference::EchoTool;
    use crate::testing::failure_of;
    use crate::{Capability, Error};

    #[test]
    fn the_reference_keeps_the_contract() {
        block_on(tool_suite(&EchoTool, &[json!({"text": "hello"}), json!({"text": ""})]));
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Flaw {
        None,
        HidesAnEffect,
        PassesTheGate,
        IgnoresCancel,
        TakesAnything,
        ActsFirst,
        IsNoTool,
    }

    /// Writes a file, or would.
    #[derive(Debug)]
    struct Writer(Flaw);

    #[async_trait]
    impl Tool for Writer {
        fn describe(&self) -> Capability {
            let kind = if self.0 == Flaw::IsNoTool { CapabilityKind::Command } else { CapabilityKind::Tool };
            let described = Capability { name: "write".into(), kind, ..EchoTool.describe() };
            if self.0 == Flaw::HidesAnEffect { described } else { described.with_effects([EffectKind::Write]) }
        }

        async fn call(&self, input: Value, context: &CallContext) -> Result<Value> {
            if self.0 != Flaw::IgnoresCancel {
                context.cancel.check()?;
            }
            let write = || context.gate.check(Effect::Write { path: "note".into() }, Cost::CALL);
            if self.0 == Flaw::ActsFirst {
                write().await?.settle(Cost::CALL);
            }
            if self.0 != Flaw::TakesAnything && !input.is_object() {
                return Err(Error::invalid("tool input", "it is no object"));
            }
            match write().await {
                Err(_) if self.0 == Flaw::PassesTheGate => {}
                asked => asked?.settle(Cost::CALL),
            }
            Ok(Value::Null)
        }
    }

    #[test]
    fn a_tool_with_effects_keeps_the_contract() {
        block_on(tool_suite(&Writer(Flaw::None), &[json!({"text": ""})]));
    }

    #[test]
    fn broken_tools_are_noticed() {
        for (flaw, clause) in [
            (Flaw::HidesAnEffect, "declared kind"),
            (Flaw::PassesTheGate, "what the gate refuses"),
            (Flaw::IgnoresCancel, "ends as cancelled"),
            (Flaw::TakesAnything, "wrong input is refused as such"),
            (Flaw::ActsFirst, "before any effect"),
            (Flaw::IsNoTool, "describes itself"),
        ] {
            let failure = failure_of(|| block_on(tool_suite(&Writer(flaw), &[json!({"text": ""})])));
            assert!(failure.contains(clause), "{flaw:?} failed with another clause: {failure}");
        }
    }
}
