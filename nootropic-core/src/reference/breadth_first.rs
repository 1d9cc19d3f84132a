//! A planner for small problems.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Instant;

use async_trait::async_trait;

use crate::{
    ActionProblem, CancelToken, Error, ErrorKind, Plan, PlanLimits, Planned, PlannedTask, Planner, Problem, Result,
};

/// A [`Planner`] that tries every order of actions, shortest first. It finds the plan of fewest tasks, for problems of a dozen
/// actions or so; the tasks stand in one line, each needing the one before.
///
/// It computes on the caller's thread and lets others run after every thousand states.
#[derive(Debug, Clone, Copy, Default)]
pub struct BreadthFirstPlanner;

/// A state, and the place of its predecessor with the action that led here.
struct Node {
    facts: BTreeSet<String>,
    from: Option<(usize, usize)>,
}

#[async_trait]
impl Planner for BreadthFirstPlanner {
    fn id(&self) -> &str {
        "breadth-first"
    }

    async fn plan(&self, problem: &Problem, limits: &PlanLimits, cancel: &CancelToken) -> Result<Planned> {
        let Problem::Actions(problem) = problem else {
            return Err(Error::failed("plan", ErrorKind::Unsupported, "this planner reads actions only"));
        };
        problem.check()?;
        let started = Instant::now();
        let mut nodes = vec![Node { facts: problem.facts.clone(), from: None }];
        let mut seen = HashSet::from([problem.facts.clone()]);
        let mut waiting = VecDeque::from([0_usize]);
        let mut bytes = size(&problem.facts);
        while let Some(place) = waiting.pop_front() {
            cancel.check()?;
            if limits.time.is_some_and(|time| started.elapsed() > time) {
                return Err(Error::failed("plan", ErrorKind::Timeout, "the time for planning is up"));
            }
            let Some(node) = nodes.get(place) else { break };
            if problem.goal.is_subset(&node.facts) {
                return Ok(Planned::Found(path(problem, &nodes, place)));
            }
            let applicable = problem.actions.iter().enumerate().filter(|(_, action)| action.applies(&node.facts));
            let next: Vec<_> = applicable.map(|(i, action)| (i, action.apply(&node.facts))).collect();
            for (action, facts) in next {
                if seen.insert(facts.clone()) {
                    bytes += size(&facts);
                    within(limits.memory, bytes)?;
                    waiting.push_back(nodes.len());
                    nodes.push(Node { facts, from: Some((place, action)) });
                }
            }
            if place % 1_000 == 999 {
                give_way().await;
            }
        }
        Ok(Planned::Unsolvable(format!("none of the {} states that can be reached meets the goal", nodes.len())))
    }
}

/// What a state takes, kept twice.
fn size(facts: &BTreeSet<String>) -> u64 {
    2 * facts.iter().map(|fact| fact.len() as u64 + 48).sum::<u64>() + 128
}

fn within(limit: Option<u64>, wanted: u64) -> Result<()> {
    match limit.filter(|limit| wanted > *limit) {
        Some(limit) => Err(Error::BudgetExceeded { budget: "memory", used: limit, limit, wanted: wanted - limit }),
        None => Ok(()),
    }
}

fn path(problem: &ActionProblem, nodes: &[Node], mut place: usize) -> Plan {
    let mut actions = Vec::new();
    while let Some((from, action)) = nodes.get(place).and_then(|node| node.from) {
        actions.extend(problem.actions.get(action));
        place = from;
    }
    let task = |(i, action): (usize, &&crate::Action)| PlannedTask {
        id: format!("t{}", i + 1),
        name: action.id.clone(),
        needs: if i == 0 { Vec::new() } else { vec![format!("t{i}")] },
        duration: action.duration,
        cost: action.cost,
        reason: None,
    };
    Plan { tasks: actions.iter().rev().enumerate().map(task).collect() }
}

/// Lets whatever else the executor has to do run first.
async fn give_way() {
    let mut first = true;
    std::future::poll_fn(|cx| {
        if std::mem::take(&mut first) {
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
}
