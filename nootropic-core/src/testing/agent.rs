//! What every [`Agent`] must do.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::future::join;

use crate::{Agent, AgentEvent, AgentTask, CallContext, CapabilityKind, ErrorKind, Outcome};

/// Checks an [`Agent`] against its contract.
///
/// `task` is something it can do, several times, in `context`; it is cancelled in some of the runs, on a token of the suite's
/// own.
///
/// # Panics
/// With the first clause that does not hold.
pub async fn agent_suite(agent: &dyn Agent, task: &AgentTask, context: &CallContext) {
    super::describes("agent", &agent.describe(), CapabilityKind::Agent);
    let (first, second) = join(run(agent, task, context), run(agent, task, context)).await;
    for events in [first, second] {
        ends_once(&events);
        let done = matches!(events.last(), Some(Ok(AgentEvent::Finished { outcome: Outcome::Done, .. })));
        check("a task it can do is done, also twice at once", done, || format!("{:?}", events.last()));
        answers_calls(&events);
    }

    let cancelled = CallContext { cancel: context.cancel.child(), ..context.clone() };
    cancelled.cancel.cancel();
    let events = run(agent, task, &cancelled).await;
    ends_once(&events);
    check("a cancelled run ends as cancelled", is_cancelled(&events), || format!("{:?}", events.last()));

    let midway = CallContext { cancel: context.cancel.child(), ..context.clone() };
    if let Ok(mut stream) = agent.run(task.clone(), midway.clone()).await {
        let first = stream.next().await;
        let over = matches!(first, Some(Ok(AgentEvent::Finished { .. }) | Err(_)));
        midway.cancel.cancel();
        let rest: Events = stream.map(|event| event.map_err(|error| error.kind())).collect().await;
        let done = matches!(rest.last(), Some(Ok(AgentEvent::Finished { outcome: Outcome::Done, .. })));
        let short = rest.len() <= 2; // what was under way may still come out
        let ended = over || is_cancelled(&rest) || done && short;
        check("a run that is cancelled midway ends soon", ended, || {
            format!("{} more events, {:?}", rest.len(), rest.last())
        });
    }
    drop(agent.run(task.clone(), context.clone()).await); // must not disturb what follows
    ends_once(&run(agent, task, context).await);
}

type Events = Vec<Result<AgentEvent, ErrorKind>>;

async fn run(agent: &dyn Agent, task: &AgentTask, context: &CallContext) -> Events {
    match agent.run(task.clone(), context.clone()).await {
        Ok(stream) => stream.map(|event| event.map_err(|error| error.kind())).collect().await,
        Err(error) => vec![Err(error.kind())],
    }
}

fn is_cancelled(events: &[Result<AgentEvent, ErrorKind>]) -> bool {
    matches!(
        events.last(),
        Some(Ok(AgentEvent::Finished { outcome: Outcome::Cancelled, .. }) | Err(ErrorKind::Cancelled))
    )
}

#[track_caller]
fn ends_once(events: &[Result<AgentEvent, ErrorKind>]) {
    let ends: Vec<_> = events.iter().map(|event| matches!(event, Ok(AgentEvent::Finished { .. }) | Err(_))).collect();
    let once = ends.iter().filter(|end| **end).count() == 1 && ends.last() == Some(&true);
    check("a run ends with one finish or one error, and nothing follows", once, || format!("{events:?}"));
}

#[track_caller]
fn answers_calls(events: &[Result<AgentEvent, ErrorKind>]) {
    let mut open = BTreeSet::new();
    for event in events.iter().flatten() {
        match event {
            AgentEvent::ToolCall(call) => {
                let fresh = open.insert(&call.id);
                check("two calls have two ids", fresh, || format!("{call:?}"));
            }
            AgentEvent::ToolResult { call_id, .. } => {
                check("a result answers one earlier call", open.remove(call_id), || format!("{event:?}"));
            }
            _ => {}
        }
    }
}

#[track_caller]
fn check(clause: &str, holds: bool, saw: impl FnOnce() -> String) {
    super::check("agent", clause, holds, saw);
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures_executor::block_on;
    use futures_util::stream;
    use serde_json::Value;

    use super::*;
    use crate::reference::EchoAgent;
    use crate::testing::failure_of;
    use crate::{AgentStream, Capability, Result};

    fn task() -> AgentTask {
        AgentTask::new("say these five plain words")
    }

    #[test]
    fn the_reference_keeps_the_contract() {
        block_on(agent_suite(&EchoAgent, &task(), &CallContext::default()));
    }

    /// Bends the events of a run, told whether it was cancelled before it began.
    type Bend = fn(Vec<AgentEvent>, bool) -> Vec<AgentEvent>;

    #[derive(Debug)]
    struct Flawed(Bend);

    #[async_trait]
    impl Agent for Flawed {
        fn describe(&self) -> Capability {
            EchoAgent.describe()
        }

        async fn run(&self, task: AgentTask, context: CallContext) -> Result<AgentStream> {
            let cancelled = context.cancel.is_cancelled();
            let events: Vec<_> = EchoAgent.run(task, context).await?.map(|event| event.unwrap()).collect().await;
            Ok(Box::pin(stream::iter((self.0)(events, cancelled)).map(Ok)))
        }
    }

    fn done() -> AgentEvent {
        AgentEvent::Finished { outcome: Outcome::Done, output: Value::Null }
    }

    fn result(call_id: &str) -> AgentEvent {
        AgentEvent::ToolResult { call_id: call_id.into(), result: Ok(Value::Null) }
    }

    #[test]
    fn broken_agents_are_noticed() {
        let flaws: [(Bend, &str); 5] = [
            (
                |mut events, _| {
                    events.pop();
                    events
                },
                "ends with one finish",
            ),
            (
                |mut events, _| {
                    events.push(done());
                    events
                },
                "ends with one finish",
            ),
            (
                |mut events, _| {
                    events.insert(0, result("a"));
                    events
                },
                "one earlier call",
            ),
            (|_, _| vec![done()], "ends as cancelled"),
            (|events, _| events, "midway"), // all of it is computed before the first event is read
        ];
        for (flaw, clause) in flaws {
            let failure = failure_of(|| block_on(agent_suite(&Flawed(flaw), &task(), &CallContext::default())));
            assert!(failure.contains(clause), "not {clause:?}: {failure}");
        }
    }
}
