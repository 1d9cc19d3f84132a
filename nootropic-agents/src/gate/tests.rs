use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use futures_executor::block_on;
use nootropic_core::reference::EventLog;
use nootropic_core::{AllowListBroker, ErrorKind, Limits};

use super::*;

fn policy(deny: &[&str], ask: &[&str], allow: &[&str]) -> Policy {
    let parse = |rules: &[&str]| rules.iter().map(|rule| rule.parse().unwrap()).collect();
    Policy { deny: parse(deny), ask: parse(ask), allow: parse(allow) }
}

/// A gate whose decisions are kept.
fn gate(policy: Policy, limits: Limits) -> (Gate, Arc<EventLog>) {
    let log = Arc::new(EventLog::new());
    (Gate::new(policy, Budget::new(limits)).with_sink(log.clone()), log)
}

fn verdicts(log: &EventLog) -> Vec<Verdict> {
    let verdict = |event| if let Event::Effect { verdict, .. } = event { Some(verdict) } else { None };
    log.events().into_iter().filter_map(verdict).collect()
}

fn write(path: &str) -> Effect {
    Effect::Write { path: path.into() }
}

fn connect(url: &str) -> Effect {
    Effect::Connect { endpoint: url.parse().unwrap() }
}

fn check(gate: &Gate, effect: Effect) -> Result<Permit> {
    block_on(gate.check(effect, Cost::CALL))
}

/// Gives the same answer to everything, or an error for none.
#[derive(Debug)]
struct Person(Option<Answer>, AtomicUsize);

impl Person {
    fn who(answer: Option<Answer>) -> Arc<Self> {
        Arc::new(Self(answer, AtomicUsize::new(0)))
    }
}

#[async_trait]
impl Approver for Person {
    async fn approve(&self, _: &Effect, _: &str) -> Result<Answer> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.ok_or(Error::Cancelled)
    }
}

#[test]
fn what_policy_allows_is_told_charged_and_let_through() {
    let (gate, log) = gate(policy(&[], &[], &["write:src/**"]), Limits::default());
    let permit = check(&gate, write("src/lib.rs")).unwrap();
    assert_eq!(permit.effect(), &write("src/lib.rs"));
    assert_eq!(verdicts(&log), [Verdict::Allow], "the event came before the effect could");
    assert_eq!(gate.budget().used(), Cost::CALL);
    permit.settle(Cost::default());
    assert_eq!(gate.budget().used(), Cost::default());
}

#[test]
fn what_policy_denies_costs_nothing_and_is_told() {
    let (gate, log) = gate(policy(&["write:secret/**"], &[], &["*"]), Limits::default());
    let error = check(&gate, write("secret/key")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("write:secret/**"), "{error}");
    assert_eq!((verdicts(&log), gate.budget().used()), (vec![Verdict::Deny], Cost::default()));
}

#[test]
fn nobody_to_ask_means_no() {
    let (gate, log) = gate(policy(&[], &["write"], &["*"]), Limits::default());
    let error = check(&gate, write("a")).unwrap_err();
    assert!(error.kind() == ErrorKind::Denied && error.to_string().contains("nobody"), "{error}");
    assert_eq!(verdicts(&log), [Verdict::Deny]);
}

#[test]
fn a_person_decides_where_policy_asks() {
    for (answer, verdict) in
        [(Some(Answer::Allow), Verdict::Allow), (Some(Answer::Deny), Verdict::Deny), (None, Verdict::Deny)]
    {
        let (gate, log) = gate(policy(&["write:b"], &["write"], &[]), Limits::default());
        let person = Person::who(answer);
        let gate = gate.with_approver(person.clone());
        assert_eq!(check(&gate, write("a")).is_ok(), verdict == Verdict::Allow, "{answer:?}");
        assert_eq!(verdicts(&log), [Verdict::Ask, verdict]);
        assert!(check(&gate, write("b")).is_err());
        assert_eq!(person.1.load(Ordering::SeqCst), 1, "nobody is asked about what is denied anyway");
    }
}

#[test]
fn the_budget_refuses_before_a_person_is_bothered() {
    let (gate, log) = gate(policy(&[], &["write"], &["read"]), Limits { calls: Some(1), ..Limits::default() });
    let person = Person::who(Some(Answer::Allow));
    let gate = gate.with_approver(person.clone());
    let _held = check(&gate, write("a")).unwrap();
    for effect in [write("a"), Effect::Read { path: "a".into() }] {
        assert_eq!(check(&gate, effect).unwrap_err().kind(), ErrorKind::BudgetExceeded);
    }
    assert_eq!(person.1.load(Ordering::SeqCst), 1);
    assert_eq!(verdicts(&log), [Verdict::Ask, Verdict::Allow, Verdict::Deny, Verdict::Deny]);
}

#[test]
fn connections_need_policy_and_broker() {
    let everywhere = policy(&[], &[], &["connect:* private"]);
    let (sealed, _) = gate(everywhere.clone(), Limits::default());
    assert_eq!(check(&sealed, connect("https://example.com")).unwrap_err().kind(), ErrorKind::Denied);

    let broker = || Arc::new(AllowListBroker::new(["https://example.com".parse().unwrap()]));
    let (open, log) = gate(everywhere, Limits::default());
    let open = open.with_broker(broker());
    assert!(check(&open, connect("https://example.com")).is_ok());
    assert!(check(&open, connect("https://example.org")).is_err());
    let endpoint = "https://example.com".parse().unwrap();
    assert!(open.check_address(&endpoint, [93, 184, 216, 34].into()).is_ok());
    assert!(open.check_address(&endpoint, [127, 0, 0, 1].into()).is_err());
    assert_eq!(verdicts(&log), [Verdict::Allow, Verdict::Deny, Verdict::Deny]);

    let (strict, _) = gate(Policy::default(), Limits::default());
    assert!(check(&strict.with_broker(broker()), connect("https://example.com")).is_err());
}

/// Never answers.
#[derive(Debug)]
struct Absent;

#[async_trait]
impl Approver for Absent {
    async fn approve(&self, _: &Effect, _: &str) -> Result<Answer> {
        std::future::pending().await
    }
}

#[test]
fn a_question_that_is_withdrawn_costs_nothing() {
    let (gate, _) = gate(policy(&[], &["write"], &[]), Limits::default());
    let gate = gate.with_approver(Arc::new(Absent));
    let mut asking = gate.check(write("a"), Cost::CALL);
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(asking);
    assert_eq!(gate.budget().used(), Cost::default());
}
