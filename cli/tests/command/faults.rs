use std::fs;

use crate::Repository;

/// Enough files that a run can be interrupted before its end.
#[cfg(unix)]
const MANY: usize = 3000;

#[cfg(unix)]
#[test]
fn an_interrupted_run_keeps_what_it_did_and_goes_on() {
    use std::process::{Command, Stdio};
    let repository = Repository::new(&[]);
    for i in 0..MANY {
        let body: String = (0..40).map(|line| format!("    let value_{line} = compute_{i}({line});\n")).collect();
        repository.write(format!("src/part{}/file{i}.rs", i % 50), format!("fn function_{i}() {{\n{body}}}\n"));
    }
    let child = repository.command(["index", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let data = repository.path().join(".nootropic/store/data.mdb");
    while !data.exists() {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "cancelled");
    let report = repository.json(["index"]);
    assert_eq!(report["files"], MANY);
    assert_eq!(repository.json(["verify"])["ok"], true);
}

/// Waits until a process would notice an interrupt rather than die of it.
#[cfg(target_os = "linux")]
fn until_it_listens(pid: u32) {
    let listens = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        u64::from_str_radix(&caught, 16).unwrap() & (1 << 1) != 0 // SIGINT is signal 2
    };
    while !listens() {
        std::thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_stop_in_order_ends_at_the_first_interrupt() {
    use std::process::{Command, Stdio};
    let repository = Repository::sample();
    repository.json(["index"]);
    repository.json(["backup", "../backup"]);
    let blocked = |data: &std::path::Path| {
        fs::remove_file(data).unwrap();
        assert!(Command::new("mkfifo").arg(data).status().unwrap().success());
    };
    // Whoever opens it waits for ever.
    blocked(&repository.temp.path().join("backup/data.mdb"));
    let drafts = || {
        let names = fs::read_dir(repository.path().join(".nootropic")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().contains(".tmp-")).count()
    };
    let end = |arguments: &[&str], signal: &str, begun: &dyn Fn() -> bool| {
        let mut command = repository.command(arguments);
        let child = command.arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until_it_listens(child.id());
        while !begun() {
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{arguments:?}: {output:?}");
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["kind"], "cancelled", "{arguments:?}");
    };
    end(&["restore", "../backup"], "-TERM", &|| drafts() == 1);
    assert_eq!(drafts(), 1, "it was making a copy");
    assert_eq!(repository.json(["verify"])["ok"], true, "the store is what it was");
    assert_eq!(drafts(), 0, "whoever opens the store next removes the copy");
    blocked(&repository.path().join(".nootropic/store/data.mdb"));
    for command in ["verify", "compact", "doctor", "status"] {
        end(&[command], "-INT", &|| true);
    }
}

#[test]
fn two_programs_may_index_and_ask_at_once() {
    let repository = Repository::sample();
    for i in 0..60 {
        repository.write(format!("src/more{i}.rs"), format!("fn more_{i}() {{}}\n"));
    }
    let spawn = |arguments: &[&str]| repository.command(arguments).stdout(std::process::Stdio::null()).spawn().unwrap();
    let running =
        [spawn(&["index"]), spawn(&["search", "lock"]), spawn(&["index", "--rehash"]), spawn(&["search", "more"])];
    for mut child in running {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(repository.json(["index"])["files"], 63);
    assert_eq!(repository.json(["verify"])["ok"], true);
}

#[test]
fn a_store_cut_short_is_refused_and_can_be_rebuilt() {
    let repository = Repository::sample();
    repository.json(["index"]);
    let data = repository.path().join(".nootropic/store/data.mdb");
    let bytes = fs::read(&data).unwrap();
    fs::write(&data, &bytes[..bytes.len() / 2]).unwrap();
    for command in [&["search", "lock"][..], &["index"], &["status"]] {
        let error = repository.error(command, 8);
        assert_eq!(error["kind"], "corrupt");
        assert!(error["hint"].as_str().unwrap().contains("--rebuild"), "{error}");
    }
    let doctor = repository.run(["doctor", "--json"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    let report = repository.json(["index", "--rebuild"]);
    assert_eq!(report["files"], 3);
    let kept = report["kept"].as_str().unwrap();
    assert!(kept.ends_with("/store.damaged-1"), "a damaged store is kept for those who can mend it: {report}");
    let doctor = repository.json(["doctor"]);
    let old = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "old indexes").unwrap();
    assert!(
        old["message"].as_str().unwrap().contains(kept) && old["message"].as_str().unwrap().contains("MiB"),
        "{old}"
    );
    assert_eq!((&old["state"], old["hint"].as_str().unwrap().contains("delete")), (&"warn".into(), true));
    assert_eq!(repository.json(["search", "backoff"])["hits"][0]["path"], "tools/retry.py");
}

#[test]
fn damage_is_reported_with_a_code_of_its_own() {
    let repository = Repository::sample();
    repository.json(["index"]);
    let data = repository.path().join(".nootropic/store/data.mdb");
    let mut bytes = fs::read(&data).unwrap();
    let text = b"Waits for the lock";
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    bytes[at] ^= 0x20;
    fs::write(&data, bytes).unwrap();
    let run = repository.run(["verify", "--json"]);
    assert_eq!(run.code, Some(8), "{run:?}");
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["ok"], false);
    assert!(report["problem_count"].as_u64().unwrap() > 0);
}

/// Root may write anywhere, so as root the command runs as somebody else.
#[cfg(unix)]
fn as_somebody(repository: &Repository, arguments: &[&str]) -> crate::Run {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    let plain = repository.command(arguments);
    if fs::metadata(repository.path()).unwrap().uid() != 0 {
        return crate::Run::of(plain);
    }
    // The build may lie where nobody else may look.
    let program = repository.temp.path().join("nootropic");
    fs::copy(plain.get_program(), &program).unwrap();
    let mut command = crate::through(program, &plain);
    command.uid(65534).gid(65534);
    crate::Run::of(command)
}

#[cfg(unix)]
fn set_modes(repository: &Repository, folders: u32, files: u32) {
    use std::os::unix::fs::PermissionsExt;
    fn walk(path: &std::path::Path, folders: u32, files: u32) {
        let metadata = fs::symlink_metadata(path).unwrap();
        if metadata.is_dir() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
            for entry in fs::read_dir(path).unwrap() {
                walk(&entry.unwrap().path(), folders, files);
            }
        }
        let mode = if metadata.is_dir() { folders } else { files };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(repository.temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
    walk(&repository.path(), folders, files);
}

/// A command whose repository lies on a filesystem that is mounted for reading only.
#[cfg(target_os = "linux")]
fn mounted_read_only(repository: &Repository, arguments: &[&str]) -> std::process::Command {
    let plain = repository.command(arguments);
    let place = repository.path();
    let script = format!(
        "mount --bind '{0}' '{0}' && mount -o remount,bind,ro '{0}' && cd '{0}' && exec \"$0\" \"$@\"",
        place.display()
    );
    let mut command = repository.command(["-Urm", "sh", "-c", &script]);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(repository.temp.path());
    crate::through("unshare", &command)
}

#[cfg(target_os = "linux")]
#[test]
fn a_repository_that_cannot_be_written_is_answered_from_what_is_there() {
    let repository = Repository::sample();
    repository.json(["index"]);
    if !crate::can_mount() {
        return;
    }
    repository.write("src/new.rs", "fn unknown_to_the_index() {}\n");
    let run = crate::Run::of(mounted_read_only(&repository, &["search", "--json", "-k1", "backoff"]));
    let described = format!("{run:?}");
    assert_eq!(run.code, Some(0), "{described}");
    assert!(run.out.contains("tools/retry.py"), "{described}");
    let warning: serde_json::Value = serde_json::from_str(&run.err).expect(&described);
    let message = warning["warning"]["message"].as_str().unwrap();
    assert!(message.contains("not brought up to date: ") && message.contains("open for reading only"), "{described}");
    let index = crate::Run::of(mounted_read_only(&repository, &["index", "--json"]));
    assert_eq!(index.code, Some(6), "{index:?}");

    // An index of an older version has no vectors: then there are words, and nothing is amiss.
    let repository = Repository::sample();
    repository.json(["index", "--embedder", "none"]);
    std::thread::sleep(std::time::Duration::from_millis(200)); // until files count as unchanged
    repository.json(["index"]);
    fs::remove_file(repository.path().join(".nootropic/embedder.json")).unwrap();
    let run = crate::Run::of(mounted_read_only(&repository, &["search", "--json", "-k1", "backoff"]));
    assert!(run.out.contains("tools/retry.py") && run.err.is_empty(), "{run:?}");
}

#[cfg(unix)]
#[test]
fn the_doctor_tells_what_is_new_from_what_nobody_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let repository = Repository::sample();
    let mode = |path: &str, mode| {
        fs::set_permissions(repository.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    repository.write("inner/later.rs", "fn later() {}\n");
    set_modes(&repository, 0o777, 0o666);
    assert_eq!(as_somebody(&repository, &["index"]).code, Some(0));
    repository.write("secret.rs", "fn secret() {}\n");
    mode("secret.rs", 0o000);
    mode("inner", 0o000);
    let files = |command: &[&str]| {
        let run = as_somebody(&repository, command);
        assert_eq!(run.code, Some(0), "{run:?}");
        let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "files").unwrap().clone()
    };
    let cannot = "2 paths cannot be read, the first: inner";
    assert_eq!(files(&["doctor", "--json"])["message"], cannot);
    assert_eq!(as_somebody(&repository, &["index", "--rebuild"]).code, Some(0));
    let check = files(&["doctor", "--json"]);
    assert_eq!((&check["message"], &check["state"]), (&cannot.into(), &"warn".into()));
    assert!(check["hint"].as_str().unwrap().contains("index.exclude"), "{check}");
    mode("inner", 0o777);
    assert_eq!(files(&["doctor", "--json"])["message"], "1 file is new, 1 path cannot be read: secret.rs");
}

#[cfg(unix)]
#[test]
fn an_index_that_cannot_be_made_says_where_it_could() {
    let repository = Repository::sample();
    let refused = || {
        set_modes(&repository, 0o555, 0o444);
        let run = as_somebody(&repository, &["search", "--json", "backoff"]);
        set_modes(&repository, 0o755, 0o644);
        assert_eq!(run.code, Some(5), "{run:?}");
        let error: serde_json::Value = serde_json::from_str(&run.err).unwrap();
        assert_eq!(error["error"]["kind"], "permission_denied");
        assert!(error["error"]["hint"].as_str().unwrap().contains("store.place=user"), "{error}");
    };
    refused();
    // Nor may somebody else's index be read whose locks cannot be taken.
    repository.json(["index"]);
    refused();
}
