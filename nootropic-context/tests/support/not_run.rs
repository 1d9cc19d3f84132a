//! Tests that this machine cannot run.

/// Says that a test is not run; where every test has to run, in continuous integration and in `make test`, it fails.
pub(crate) fn not_run(why: &str) {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let required = ["CI", "NOOTROPIC_REQUIRE_MOUNTS"].into_iter().find(set);
    assert!(required.is_none(), "{why}; {} asks for every test to run", required.unwrap_or_default());
    eprintln!("NOT RUN: {why}");
}
