//! Plans: tasks and what they need, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What to do, and what must be done before it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The tasks. Each may begin when those it needs are finished.
    pub tasks: Vec<PlannedTask>,
}

/// One task of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedTask {
    /// Unique in the plan.
    pub id: String,
    /// The action it carries out: [`Action::id`], or an action of a PDDL domain with its arguments.
    pub name: String,
    /// Tasks that must be finished before it begins, by id.
    #[serde(default)]
    pub needs: Vec<String>,
    /// How long it takes, in seconds.
    #[serde(default)]
    pub duration: f64,
    /// What it costs, in the problem's own unit.
    #[serde(default)]
    pub cost: f64,
    /// Why it is there, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Plan {
    /// What all its tasks cost together.
    pub fn cost(&self) -> f64 {
        self.tasks.iter().map(|task| task.cost).sum()
    }

    /// An order in which each task comes after those it needs, as places in [`tasks`](Self::tasks). Of tasks that could come
    /// next, the one listed first does.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if two tasks have one id, a task needs one that is not there, tasks need each other in a circle,
    /// or a duration or cost is negative or not finite.
    pub fn order(&self) -> Result<Vec<usize>> {
        let bad = |task: &PlannedTask, problem: String| Error::invalid(format!("plan, task {:?}", task.id), problem);
        let mut places = BTreeMap::new();
        for (place, task) in self.tasks.iter().enumerate() {
            if places.insert(task.id.as_str(), place).is_some() {
                return Err(bad(task, "two tasks have this id".into()));
            }
            if [task.duration, task.cost].iter().any(|x| !x.is_finite() || *x < 0.0) {
                return Err(bad(task, format!("duration {} and cost {} must be at least 0", task.duration, task.cost)));
            }
        }
        let mut waits = vec![0_usize; self.tasks.len()]; // for how many others, by place
        let mut frees = vec![Vec::new(); self.tasks.len()];
        for (place, task) in self.tasks.iter().enumerate() {
            for need in task.needs.iter().collect::<BTreeSet<_>>() {
                let needed = places
                    .get(need.as_str())
                    .ok_or_else(|| bad(task, format!("it needs {need:?}, which is not there")))?;
                frees[*needed].push(place);
                waits[place] += 1;
            }
        }
        let mut ready: BTreeSet<usize> = (0..waits.len()).filter(|place| waits[*place] == 0).collect();
        let mut order = Vec::with_capacity(waits.len());
        while let Some(place) = ready.pop_first() {
            order.push(place);
            for next in &frees[place] {
                waits[*next] -= 1;
                if waits[*next] == 0 {
                    ready.insert(*next);
                }
            }
        }
        match self.tasks.iter().zip(&waits).find(|(_, waits)| **waits > 0) {
            Some((task, _)) => Err(bad(task, "it waits for itself, through tasks that need each other".into())),
            None => Ok(order),
        }
    }
}

/// What to plan for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Problem {
    /// Facts, a goal and actions (STRIPS).
    Actions(ActionProblem),
    /// The text of a domain and a problem in PDDL 3.1.
    Pddl {
        /// The domain.
        domain: String,
        /// The problem.
        problem: String,
    },
}

/// A planning problem of plain facts: each either holds or does not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionProblem {
    /// What holds at the start.
    #[serde(default)]
    pub facts: BTreeSet<String>,
    /// What shall hold at the end.
    pub goal: BTreeSet<String>,
    /// What can be done, each as often as one likes.
    pub actions: Vec<Action>,
}

/// Something that can be done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Unique in the problem.
    pub id: String,
    /// Facts that must hold before.
    #[serde(default)]
    pub needs: BTreeSet<String>,
    /// Facts that hold after.
    #[serde(default)]
    pub gives: BTreeSet<String>,
    /// Facts that no longer hold after, unless it gives them too.
    #[serde(default)]
    pub takes: BTreeSet<String>,
    /// How long it takes, in seconds.
    #[serde(default)]
    pub duration: f64,
    /// What it costs.
    #[serde(default)]
    pub cost: f64,
}

impl Action {
    /// Whether it can be done where `facts` hold.
    pub fn applies(&self, facts: &BTreeSet<String>) -> bool {
        self.needs.is_subset(facts)
    }

    /// What holds after it is done where `facts` hold.
    pub fn apply(&self, facts: &BTreeSet<String>) -> BTreeSet<String> {
        facts.difference(&self.takes).chain(&self.gives).cloned().collect()
    }
}

impl ActionProblem {
    /// Whether actions have ids of their own and costs that make sense.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the action.
    pub fn check(&self) -> Result<()> {
        let mut ids = BTreeSet::new();
        for action in &self.actions {
            let bad = |problem: &str| Err(Error::invalid(format!("problem, action {:?}", action.id), problem));
            if !ids.insert(&action.id) {
                return bad("two actions have this id");
            }
            if [action.duration, action.cost].iter().any(|x| !x.is_finite() || *x < 0.0) {
                return bad("duration and cost must be at least 0");
            }
        }
        Ok(())
    }

    /// Proves a plan by carrying it out, in [`Plan::order`], on the facts alone.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the first task that is no action or lacks a fact, or with the goal that is not met.
    pub fn prove(&self, plan: &Plan) -> Result<()> {
        let mut facts = self.facts.clone();
        for place in plan.order()? {
            let task = &plan.tasks[place];
            let bad = |problem: String| Error::invalid(format!("plan, task {:?}", task.id), problem);
            let action = self.actions.iter().find(|action| action.id == task.name);
            let action = action.ok_or_else(|| bad(format!("the problem has no action {:?}", task.name)))?;
            if let Some(missing) = action.needs.difference(&facts).next() {
                return Err(bad(format!("{missing:?} does not hold when it begins")));
            }
            facts = action.apply(&facts);
        }
        match self.goal.difference(&facts).next() {
            Some(missing) => Err(Error::invalid("plan", format!("the goal {missing:?} does not hold at its end"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, needs: &[&str]) -> PlannedTask {
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        PlannedTask { id: id.into(), name: id.into(), needs, duration: 1.0, cost: 1.0, reason: None }
    }

    fn facts(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn tasks_come_after_what_they_need() {
        let plan = Plan { tasks: vec![task("c", &["b", "a", "b"]), task("b", &["a"]), task("a", &[]), task("d", &[])] };
        assert_eq!(plan.order().unwrap(), [2, 1, 0, 3]);
        assert_eq!(plan.cost(), 4.0);
    }

    #[test]
    fn plans_that_make_no_sense_are_refused() {
        let wrong = [
            vec![task("a", &[]), task("a", &[])],
            vec![task("a", &["b"])],
            vec![task("a", &["b"]), task("b", &["a"])],
            vec![task("a", &["a"])],
            vec![PlannedTask { duration: f64::NAN, ..task("a", &[]) }],
            vec![PlannedTask { cost: -1.0, ..task("a", &[]) }],
        ];
        for tasks in wrong {
            assert!(Plan { tasks: tasks.clone() }.order().is_err(), "{tasks:?}");
        }
    }

    #[test]
    fn a_proof_finds_the_first_broken_step() {
        let action = |id: &str, needs: &[&str], gives: &[&str], takes: &[&str]| Action {
            id: id.into(),
            needs: facts(needs),
            gives: facts(gives),
            takes: facts(takes),
            ..Action::default()
        };
        let problem = ActionProblem {
            facts: facts(&["wood"]),
            goal: facts(&["warm"]),
            actions: vec![action("light", &["wood"], &["fire"], &["wood"]), action("sit", &["fire"], &["warm"], &[])],
        };
        problem.check().unwrap();
        let prove = |tasks: Vec<PlannedTask>| problem.prove(&Plan { tasks }).map_err(|error| error.to_string());
        assert_eq!(prove(vec![task("sit", &["light"]), task("light", &[])]), Ok(()));
        assert!(prove(vec![task("sit", &[]), task("light", &[])]).unwrap_err().contains("\"fire\" does not hold"));
        assert!(prove(vec![task("light", &[])]).unwrap_err().contains("goal \"warm\""));
        assert!(prove(vec![task("dance", &[])]).unwrap_err().contains("no action \"dance\""));
        let twice = PlannedTask { id: "again".into(), ..task("light", &["light"]) };
        assert!(prove(vec![task("light", &[]), twice]).unwrap_err().contains("\"wood\" does not hold"));
    }
}
