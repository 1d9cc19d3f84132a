use super::*;

fn policy(deny: &[&str], ask: &[&str], allow: &[&str]) -> Policy {
    let parse = |rules: &[&str]| rules.iter().map(|rule| rule.parse().unwrap()).collect();
    Policy { deny: parse(deny), ask: parse(ask), allow: parse(allow) }
}

fn read(path: &str) -> Effect {
    Effect::Read { path: path.into() }
}

fn run(line: &str) -> Effect {
    let mut words = line.split(' ').map(str::to_owned);
    Effect::Run { program: words.next().unwrap(), args: words.collect() }
}

fn connect(url: &str) -> Effect {
    Effect::Connect { endpoint: url.parse().unwrap() }
}

#[test]
fn nothing_is_allowed_by_default() {
    for effect in [read("a"), run("ls"), connect("https://example.com"), Effect::Env { name: "HOME".into() }] {
        assert_eq!(Policy::default().decide(&effect).verdict, Verdict::Deny);
    }
}

#[test]
fn denying_beats_asking_beats_allowing() {
    let policy = policy(&["read:secret/**"], &["read:private/**", "read:secret/**"], &["*"]);
    assert_eq!(policy.decide(&read("secret/key")).verdict, Verdict::Deny);
    assert_eq!(policy.decide(&read("private/key")).verdict, Verdict::Ask);
    assert_eq!(policy.decide(&read("public/key")).verdict, Verdict::Allow);
    assert!(policy.decide(&read("secret/key")).reason.contains("read:secret/**"));
}

#[test]
fn asking_nobody_is_denying() {
    let decision = policy(&[], &["run"], &[]).decide(&run("ls"));
    assert_eq!(decision.verdict, Verdict::Ask);
    assert_eq!(decision.unattended().verdict, Verdict::Deny);
}

#[test]
fn paths_match_by_component() {
    for (pattern, path, expected) in [
        ("src/**", "src/a/b.rs", true),
        ("src/**", "src", true),
        ("src/**", "srcs/a", false),
        ("src/*", "src/a/b.rs", false),
        ("src/*.rs", "src/b.rs", true),
        ("**/*.rs", "b.rs", true),
        ("**/b/**/d", "a/b/c/c/d", true),
        ("**", "a/b", true),
        ("a?c", "abc", true),
        ("**", "../a", false),
        ("**", "a/../../b", false),
        ("**", "/etc/passwd", false),
        ("*", "..", false),
        ("src/**", "src/../secret", false),
        ("src/**", "./src//./a/../b", true),
        ("src/**", "SRC/a", false),
        ("/etc/**", "/etc/../etc/hosts", true),
        ("/etc/**", "etc/hosts", false),
        ("/**", "/../x", true),
        ("**", "a\0b", false),
    ] {
        let verdict = policy(&[], &[], &[&format!("read:{pattern}")]).decide(&read(path)).verdict;
        assert_eq!(verdict == Verdict::Allow, expected, "allow read:{pattern} on {path}");
    }
}

#[test]
fn denied_paths_are_denied_in_every_spelling() {
    let policy = policy(&["read:**/.env", "read:.git/**", "read:/etc/shadow"], &[], &["*"]);
    for path in
        [".env", "a/.ENV", "/srv/.env", "../.env", ".git/config", ".GIT/config", "a/../.git", "/etc/x/../SHADOW"]
    {
        assert_eq!(policy.decide(&read(path)).verdict, Verdict::Deny, "{path}");
    }
    assert_eq!(policy.decide(&read(".envrc")).verdict, Verdict::Allow);
    assert_eq!(policy.decide(&Effect::Write { path: ".env".into() }).verdict, Verdict::Allow, "a rule is for one kind");
}

#[test]
fn programs_match_word_by_word() {
    let allowed = policy(&[], &[], &["run:cargo test **", "run:ls", "run:git log -?"]);
    for (line, expected) in [
        ("cargo test", true),
        ("cargo test --all x", true),
        ("cargo build", false),
        ("cargo", false),
        ("/tmp/cargo test", false),
        ("CARGO test", false),
        ("ls", true),
        ("ls -l", false),
        ("git log -p", true),
        ("git log -p x", false),
    ] {
        assert_eq!(allowed.decide(&run(line)).verdict == Verdict::Allow, expected, "{line}");
    }
    let denied = policy(&["run:rm", "run:git push **"], &[], &["run"]);
    for line in ["rm", "rm -rf /", "/bin/rm x", "RM.EXE x", "git push", "/usr/bin/git push --force"] {
        assert_eq!(denied.decide(&run(line)).verdict, Verdict::Deny, "{line}");
    }
    assert_eq!(denied.decide(&run("git pull")).verdict, Verdict::Allow);
}

#[test]
fn hosts_match_as_the_broker_reads_them() {
    let policy = policy(&["connect:*.evil.example"], &[], &["connect:https://*.example", "connect:*:8080"]);
    for (url, expected) in [
        ("https://a.example", true),
        ("http://a.example", false),
        ("https://x.evil.example", false),
        ("http://other.org:8080", true),
        ("http://10.0.0.1:8080", false),
        ("http://169.254.169.254:8080", false),
    ] {
        assert_eq!(policy.decide(&connect(url)).verdict == Verdict::Allow, expected, "{url}");
    }
}

#[test]
fn wrong_rules_are_refused_with_a_reason() {
    for rule in ["", "red:x", "read:", "run: ", "connect:http://", "connect:0x7f.1", "**", "Read:x"] {
        let error = rule.parse::<Pattern>().unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidInput, "{rule}: {error}");
    }
    assert!(serde_json::from_str::<Policy>(r#"{"alow": []}"#).is_err(), "a misspelt list is not ignored");
}
