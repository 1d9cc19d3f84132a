//! What every [`Planner`] must do.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::{
    Action, ActionProblem, CancelToken, CapabilityKind, ErrorKind, PlanLimits, Planned, Planner, Problem, Result,
};

/// Checks a [`Planner`] that reads [`Problem::Actions`] against its contract.
///
/// # Panics
/// With the first clause that does not hold.
pub async fn planner_suite(planner: &dyn Planner) {
    super::describes("planner", &planner.describe(), CapabilityKind::Planner);
    finds_proved_plans(planner).await;
    knows_what_is_impossible(planner).await;
    refuses_nonsense(planner).await;
    stops(planner).await;
}

#[track_caller]
fn check(clause: &str, holds: bool, saw: impl FnOnce() -> String) {
    super::check("planner", clause, holds, saw);
}

async fn plan(planner: &dyn Planner, problem: &ActionProblem) -> Result<Planned> {
    planner.plan(&Problem::Actions(problem.clone()), &PlanLimits::default(), &CancelToken::new()).await
}

fn facts(names: &str) -> BTreeSet<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

/// `id: needs -> gives / takes`, facts separated by spaces.
fn action(line: &str) -> Action {
    let (id, rest) = line.split_once(':').unwrap_or((line, ""));
    let (needs, rest) = rest.split_once("->").unwrap_or((rest, ""));
    let (gives, takes) = rest.split_once('/').unwrap_or((rest, ""));
    let (needs, gives, takes) = (facts(needs), facts(gives), facts(takes));
    Action { id: id.into(), needs, gives, takes, duration: 1.0, cost: 1.0 }
}

fn problem(start: &str, goal: &str, actions: &[&str]) -> ActionProblem {
    ActionProblem { facts: facts(start), goal: facts(goal), actions: actions.iter().map(|line| action(line)).collect() }
}

async fn finds_proved_plans(planner: &dyn Planner) {
    let problems = [
        ("one step", problem("a", "b", &["x: a -> b"])),
        ("a chain", problem("a", "d", &["z: c -> d", "y: b -> c", "x: a -> b"])),
        ("two branches", problem("a", "b c", &["x: a -> b", "y: a -> c"])),
        ("a trap", problem("a", "b c", &["x: a -> b / a", "y: a -> c"])),
        (
            "a thing used twice",
            problem(
                "door key",
                "in door",
                &["open: key door -> open / door", "go: open -> in", "shut: open -> door / open"],
            ),
        ),
        ("giving what is taken", problem("a", "b", &["x: a -> a b / a"])),
        ("nothing at the start", problem("", "b", &["x: -> b"])),
    ];
    for (name, problem) in problems {
        let found = plan(planner, &problem).await;
        let Ok(Planned::Found(first)) = &found else {
            super::broken("planner", "a problem that has a plan is solved", &format!("{name}: {found:?}"));
        };
        let proof = problem.prove(first);
        check("a plan that is found can be proved", proof.is_ok(), || format!("{name}: {proof:?}"));
        let again = plan(planner, &problem).await;
        check("the same problem has the same plan", again.as_ref().ok() == found.as_ref().ok(), || {
            format!("{name}: {again:?}")
        });
    }
    let done = plan(planner, &problem("a b", "a", &["x: a -> b"])).await;
    let empty = matches!(&done, Ok(Planned::Found(plan)) if plan.tasks.is_empty());
    check("a goal that holds already has the empty plan", empty, || format!("{done:?}"));
}

async fn knows_what_is_impossible(planner: &dyn Planner) {
    for (name, problem) in [
        ("a goal that nothing gives", problem("a", "c", &["x: a -> b"])),
        ("a circle", problem("", "a", &["x: b -> a", "y: a -> b"])),
        ("goals that exclude each other", problem("", "a b", &["x: -> a / b", "y: -> b / a"])),
        ("no actions", problem("", "a", &[])),
    ] {
        let answer = plan(planner, &problem).await;
        let proved = matches!(answer, Ok(Planned::Unsolvable(_)));
        check("a problem without a plan is said to have none", proved, || format!("{name}: {answer:?}"));
    }
}

async fn refuses_nonsense(planner: &dyn Planner) {
    let twice = problem("a", "b", &["x: a -> b", "x: a -> b"]);
    let mut negative = problem("a", "b", &["x: a -> b"]);
    negative.actions.iter_mut().for_each(|action| action.cost = -1.0);
    let mut unnumbered = problem("a", "b", &["x: a -> b"]);
    unnumbered.actions.iter_mut().for_each(|action| action.duration = f64::NAN);
    for (name, problem) in [("two of one id", twice), ("a negative cost", negative), ("no duration", unnumbered)] {
        let answer = plan(planner, &problem).await;
        let refused = answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::InvalidInput);
        check("a problem that makes no sense is refused as such", refused, || format!("{name}: {answer:?}"));
    }
}

async fn stops(planner: &dyn Planner) {
    let cancel = CancelToken::new();
    cancel.cancel();
    let large = Problem::Actions(counter(40));
    let answer = planner.plan(&large, &PlanLimits::default(), &cancel).await;
    let cancelled = answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Cancelled);
    check("a cancelled search ends as cancelled", cancelled, || format!("{answer:?}"));

    let limits = [
        ("time", PlanLimits { time: Some(Duration::from_millis(50)), ..PlanLimits::default() }, ErrorKind::Timeout),
        ("memory", PlanLimits { memory: Some(1 << 20), ..PlanLimits::default() }, ErrorKind::BudgetExceeded),
    ];
    for (name, limits, kind) in limits {
        let answer = planner.plan(&large, &limits, &CancelToken::new()).await;
        let held = match &answer {
            Ok(Planned::Found(_)) => true, // it was good enough
            Ok(Planned::Unsolvable(_)) => false,
            Err(error) => error.kind() == kind,
        };
        check("a search that gives up says which limit it reached", held, || format!("{name}: {answer:?}"));
    }
}

/// A binary counter of `bits` bits that has to count to its end: its shortest plan has `2^bits - 1` tasks.
fn counter(bits: usize) -> ActionProblem {
    let names = |range: std::ops::Range<usize>, set: bool| -> BTreeSet<String> {
        range.map(|bit| format!("bit{bit}-{}", u8::from(set))).collect()
    };
    let one = |bit: usize, set: bool| names(bit..bit + 1, set);
    let actions = (0..bits).map(|bit| Action {
        id: format!("carry{bit}"),
        needs: one(bit, false).union(&names(0..bit, true)).cloned().collect(),
        gives: one(bit, true).union(&names(0..bit, false)).cloned().collect(),
        takes: one(bit, false).union(&names(0..bit, true)).cloned().collect(),
        ..Action::default()
    });
    ActionProblem { facts: names(0..bits, false), goal: names(0..bits, true), actions: actions.collect() }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures_executor::block_on;

    use super::*;
    use crate::reference::BreadthFirstPlanner;
    use crate::testing::failure_of;
    use crate::{Plan, PlannedTask};

    #[test]
    fn the_reference_keeps_the_contract() {
        block_on(planner_suite(&BreadthFirstPlanner));
    }

    #[test]
    fn a_counter_counts() {
        let Ok(Planned::Found(found)) = block_on(plan(&BreadthFirstPlanner, &counter(4))) else { panic!("no plan") };
        assert_eq!(found.tasks.len(), 15);
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Flaw {
        Backward,
        GivesUpAsUnsolvable,
        GuessesUnsolvable,
        TakesNonsense,
        IgnoresCancel,
        PlansForNothing,
    }

    #[derive(Debug)]
    struct Flawed(Flaw);

    #[async_trait]
    impl Planner for Flawed {
        fn id(&self) -> &str {
            "flawed"
        }

        async fn plan(&self, problem: &Problem, limits: &PlanLimits, cancel: &CancelToken) -> Result<Planned> {
            let fresh = CancelToken::new();
            let cancel = if self.0 == Flaw::IgnoresCancel { &fresh } else { cancel };
            // A search that ignores cancelling would not end on its own here.
            let limits = &PlanLimits { memory: limits.memory.or(Some(8 << 20)), ..*limits };
            let answer = BreadthFirstPlanner.plan(problem, limits, cancel).await;
            match (self.0, answer) {
                (Flaw::Backward, Ok(Planned::Found(mut plan))) => {
                    plan.tasks.iter_mut().for_each(|task| task.needs.clear());
                    plan.tasks.reverse();
                    Ok(Planned::Found(plan))
                }
                (Flaw::GuessesUnsolvable, Ok(_)) => Ok(Planned::Unsolvable("it looks hard".into())),
                (Flaw::PlansForNothing, Ok(Planned::Found(plan))) if plan.tasks.is_empty() => {
                    let task = PlannedTask {
                        id: "t".into(),
                        name: "x".into(),
                        needs: Vec::new(),
                        duration: 0.0,
                        cost: 0.0,
                        reason: None,
                    };
                    Ok(Planned::Found(Plan { tasks: vec![task] }))
                }
                (Flaw::GivesUpAsUnsolvable, Err(error))
                    if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::BudgetExceeded) =>
                {
                    Ok(Planned::Unsolvable("it took too long".into()))
                }
                (Flaw::TakesNonsense, Err(error)) if error.kind() == ErrorKind::InvalidInput => {
                    Ok(Planned::Found(Plan::default()))
                }
                (_, answer) => answer,
            }
        }
    }

    #[test]
    fn broken_planners_are_noticed() {
        for (flaw, clause) in [
            (Flaw::Backward, "can be proved"),
            (Flaw::GivesUpAsUnsolvable, "which limit"),
            (Flaw::GuessesUnsolvable, "has a plan is solved"),
            (Flaw::TakesNonsense, "makes no sense"),
            (Flaw::IgnoresCancel, "ends as cancelled"),
            (Flaw::PlansForNothing, "empty plan"),
        ] {
            let failure = failure_of(|| block_on(planner_suite(&Flawed(flaw))));
            assert!(failure.contains(clause), "{flaw:?} failed with another clause: {failure}");
        }
    }
}
