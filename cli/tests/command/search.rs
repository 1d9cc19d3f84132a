use std::process::Stdio;

use crate::{Repository, Run, keys};

#[test]
fn the_first_question_indexes_and_answers() {
    let repository = Repository::sample();
    let answer = repository.json(["search", "-k", "1", "who waits for the lock?"]);
    assert_eq!(keys(&answer), ["hits", "query", "snapshot", "took_ms"]);
    assert_eq!(answer["query"], "who waits for the lock?");
    assert!(answer["snapshot"].is_string() && answer["took_ms"].is_number());
    let hits = answer["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 1);
    let hit = &hits[0];
    assert_eq!(keys(hit), ["end_line", "kind", "language", "path", "score", "snippet", "start_line", "symbol"]);
    assert_eq!((&hit["path"], &hit["symbol"]), (&"src/lock.rs".into(), &"acquire_lock".into()));
    assert_eq!((&hit["kind"], &hit["language"]), (&"function".into(), &"rust".into()));
    let (start, end) = (hit["start_line"].as_u64().unwrap(), hit["end_line"].as_u64().unwrap());
    assert!(start >= 1 && end >= start && end <= 8, "{hit}");
    let snippet = hit["snippet"].as_str().unwrap();
    assert!(snippet.contains("acquire_lock"));
    assert_eq!(snippet.trim_end_matches('\n').lines().count() as u64, end - start + 1, "the snippet is those lines");
}

#[test]
fn what_changed_is_read_before_answering() {
    let repository = Repository::sample();
    let first = repository.json(["search", "zanzibar"]);
    assert_eq!(first["hits"].as_array().unwrap().len(), 0);
    repository.write("src/new.rs", "fn zanzibar() {}\n");
    assert_eq!(repository.json(["search", "zanzibar", "--no-update"])["hits"].as_array().unwrap().len(), 0);
    let second = repository.json(["search", "zanzibar"]);
    assert_eq!(second["hits"][0]["path"], "src/new.rs");
    assert_ne!(first["snapshot"], second["snapshot"]);
    std::fs::remove_file(repository.path().join("src/new.rs")).unwrap();
    assert_eq!(repository.json(["search", "zanzibar"])["hits"].as_array().unwrap().len(), 0);
}

#[test]
fn a_question_needs_no_quotes_and_takes_filters() {
    let repository = Repository::sample();
    let paths = |arguments: &[&str]| -> Vec<String> {
        let answer = repository.json(arguments);
        answer["hits"].as_array().unwrap().iter().map(|hit| hit["path"].as_str().unwrap().to_owned()).collect()
    };
    let all = paths(&["search", "the", "lock"]);
    assert!(all.contains(&"src/lock.rs".to_owned()) && all.contains(&"README.md".to_owned()), "{all:?}");
    assert_eq!(paths(&["search", "the", "lock", "--lang", "rust"]), ["src/lock.rs"]);
    assert_eq!(paths(&["search", "lock path:README.md"]), ["README.md"]);
    assert_eq!(paths(&["search", "lock", "-p", "src"]), ["src/lock.rs"]);
}

#[test]
fn filters_alone_are_a_question() {
    let repository = Repository::sample();
    for arguments in
        [&["search", "--symbol", "backoff"][..], &["search", "-p", "tools"], &["search", "-l=python", "-k1"]]
    {
        let answer = repository.json(arguments);
        assert_eq!((&answer["query"], &answer["hits"][0]["path"]), (&"".into(), &"tools/retry.py".into()), "{answer}");
        assert!(repository.run(arguments).out.starts_with("tools/retry.py:1-3"), "{arguments:?}");
    }
    let error = repository.error(["search", "-k3"], 2);
    assert_eq!(
        (&error["kind"], &error["message"]),
        (&"invalid_input".into(), &"query: there is nothing to look for".into())
    );
}

#[test]
fn a_question_may_begin_with_what_is_to_be_left_out() {
    let repository = Repository::sample();
    for (arguments, query, paths) in [
        (&["search", "-lang:rust lock"][..], "-lang:rust lock", &["README.md"][..]),
        (&["search", "-path:README.md", "lock"], "-path:README.md lock", &["src/lock.rs"]),
        (&["search", "lock", "-p", "src", "-symbol:acquire_lock"], "lock -symbol:acquire_lock", &[]),
        (&["search", "-k5", "-- lock", "-l", "rust"], "-- lock", &["src/lock.rs"]),
        (&["search", "-> Result<Guard>", "-l", "rust"], "-> Result<Guard>", &["src/lock.rs"]),
        (&["search", "-1 is returned for lock", "--path=src"], "-1 is returned for lock", &["src/lock.rs"]),
        (&["search", "--lock of path"], "--lock of path", &["src/lock.rs", "README.md"]),
        (&["search", "-l", "rust", "--", "-k", "lock"], "-k lock", &["src/lock.rs"]),
    ] {
        let mut command = repository.command(["--json"]);
        command.args(arguments);
        let run = Run::of(command);
        assert_eq!(run.code, Some(0), "{run:?}");
        let answer: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        let found: Vec<_> =
            answer["hits"].as_array().unwrap().iter().map(|hit| hit["path"].as_str().unwrap()).collect();
        assert_eq!((answer["query"].as_str().unwrap(), found.as_slice()), (query, paths));
    }
    assert_eq!(repository.json(["pack", "-lang:rust", "lock"])["blocks"][0]["path"], "README.md");
    // What looks like an option stays one.
    for arguments in [&["search", "x", "--lagn", "rust"][..], &["search", "-z", "x"], &["index", "-lang:rust x"]] {
        repository.error(arguments, 2);
    }
}

#[test]
fn the_score_can_be_explained() {
    let repository = Repository::sample();
    let hit = repository.json(["search", "--explain", "retry"])["hits"][0].clone();
    let signals = hit["signals"].as_array().unwrap();
    assert!(!signals.is_empty());
    assert_eq!(keys(&signals[0]), ["factor", "name", "value"]);
}

#[test]
fn an_explanation_multiplies_out_for_the_last_passage_of_a_file_as_well() {
    let part = |i| format!("/// Waits for the lock.\nfn wait_{i}() {{\n{}}}\n\n", "    lock();\n".repeat(30));
    let repository = Repository::new(&[("src/lock.rs", &(0..6).map(part).collect::<String>())]);
    let hits = repository.json(["search", "--explain", "lock"])["hits"].as_array().unwrap().clone();
    assert!(hits.len() >= 6, "{}", hits.len());
    for hit in hits {
        let (mut sum, mut product) = (0.0, 1.0);
        for signal in hit["signals"].as_array().unwrap() {
            let value = signal["value"].as_f64().unwrap();
            if signal["factor"] == true { product *= value } else { sum += value }
        }
        let score = hit["score"].as_f64().unwrap();
        assert!(score > 0.0 && (sum * product - score).abs() < score * 2e-3, "{score} is not {sum} × {product}: {hit}");
    }
}

#[test]
fn people_get_ranked_passages_without_escape_codes_in_a_file() {
    let repository = Repository::sample();
    let run = repository.run(["search", "who waits for the lock?"]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{run:?}");
    assert!(run.out.starts_with("src/lock.rs:1-8  acquire_lock  function, rust\n"), "{}", run.out);
    assert!(run.out.contains("    2 │ pub fn acquire_lock(path: &Path)"), "{}", run.out);
    assert!(!run.out.contains('\u{1b}'));
    let colored = repository.run(["search", "--color", "always", "lock"]);
    assert!(colored.out.contains("\u{1b}[1m\u{1b}[33mlock\u{1b}[0m"), "found words stand out: {:?}", colored.out);
    let nothing = repository.run(["search", "zanzibar"]);
    assert_eq!(nothing.code, Some(0));
    assert!(nothing.out.starts_with("Nothing was found"));
}

#[cfg(unix)]
#[test]
fn a_repository_cannot_write_to_the_terminal() {
    let repository =
        Repository::new(&[("a\u{1b}]0;x\u{7}.rs", "fn evil() {} // \u{1b}[2J\u{202e}evil\u{9b}1m\u{7f}\n")]);
    repository.json(["index"]);
    for arguments in
        [&["search", "evil"][..], &["symbols", "evil"], &["pack", "evil"], &["map"], &["watch", "--updates=1"]]
    {
        for format in [&["--color=never"][..], &["--json"], &["--yaml"]] {
            let shown = repository.on_terminal(arguments.iter().chain(format));
            assert!(shown.contains("evil") || arguments[0] == "watch", "{arguments:?}: {shown:?}");
            let active = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!shown.contains(active), "{arguments:?} {format:?}: {shown:?}");
        }
    }
    // What people read in a pager is harmless too.
    for arguments in [&["search", "evil"][..], &["symbols", "evil"]] {
        let run = repository.run(arguments);
        assert!(!run.out.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{arguments:?}: {:?}", run.out);
    }
}

#[test]
fn a_map_and_a_pack_are_the_text_as_it_is() {
    let repository = Repository::new(&[("a.go", "package a\n\nfunc Recover() {\n\tpanic(\"\u{1b}\")\n}\n")]);
    for arguments in [&["pack", "recover"][..], &["map"]] {
        let text = repository.json(arguments)["text"].as_str().unwrap().to_owned();
        assert_eq!(repository.run(arguments).out, text);
    }
    assert!(repository.run(["pack", "recover"]).out.contains("\n\tpanic(\"\u{1b}\")\n"));
    #[cfg(unix)]
    assert!(repository.on_terminal(["pack", "recover"]).contains("\n\tpanic(\"␛\")\n"));
}

#[test]
fn a_map_or_a_pack_of_nothing_says_so_to_people_alone() {
    let repository = Repository::sample();
    for (arguments, said) in [
        (&["map", "-p", "nowhere"][..], "There is nothing to map: no file is indexed that fits.\n"),
        (&["map", "-p", "README.md"], "There is nothing to map: no definition is in 1 file.\n"),
        (&["map", "-t", "1"], "Nothing fits into 1 token; there are 2 definitions.\n"),
        (&["pack", "zanzibar"], "Nothing was found. Other words may help, or fewer filters.\n"),
        (&["pack", "lock", "-t", "1"], "Nothing fits into 1 token: 2 passages left out.\n"),
    ] {
        let run = repository.run(arguments);
        assert_eq!((run.code, run.out.as_str()), (Some(0), said), "{arguments:?}");
        assert_eq!(repository.json(arguments)["text"], "", "{arguments:?}");
    }
}

#[test]
fn a_focus_that_nothing_matches_is_warned_of() {
    let repository = Repository::sample();
    let absolute = repository.path().join("src").to_str().unwrap().to_owned();
    let run = repository.run(["map", "src", "Zanzibar", "acquire_lock", &absolute, ".", "quux/"]);
    let warnings: Vec<_> = run.err.lines().filter(|line| line.starts_with("warning: ")).collect();
    let warning = |focus: &str| format!("warning: no file, folder or name matches the focus `{focus}`");
    assert_eq!((run.code, warnings), (Some(0), vec![warning("Zanzibar").as_str(), &warning("quux/")]), "{run:?}");
    assert!(run.out.contains("acquire_lock"), "{}", run.out);
    assert_eq!(repository.json(["map", "Zanzibar"])["unmatched"][0], "Zanzibar");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf8_is_flagged() {
    use std::os::unix::ffi::OsStrExt;
    let repository = Repository::sample();
    repository.write(std::ffi::OsStr::from_bytes(b"caf\xe9.rs"), "fn espresso() {}\n");
    let hit = repository.json(["search", "espresso"])["hits"][0].clone();
    assert_eq!((&hit["path"], &hit["path_is_lossy"]), (&"caf\u{fffd}.rs".into(), &true.into()));
}

#[test]
fn yaml_says_the_same() {
    let repository = Repository::sample();
    let run = repository.run(["search", "--yaml", "-k1", "backoff"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for line in ["query: backoff\n", "hits:\n", "- path: tools/retry.py\n", "  start_line: 1\n"] {
        assert!(run.out.contains(line), "no {line:?} in {}", run.out);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let repository = Repository::sample();
    for arguments in [
        &["guide", "--reference"][..],
        &["search", "lock"],
        &["list-capabilities", "--json"],
        &["--help"],
        &["watch", "--json"],
    ] {
        let mut child = repository.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn a_map_and_a_pack_stay_in_their_budget() {
    let repository = Repository::sample();
    let map = repository.json(["map", "-t", "200"]);
    assert!(map["tokens"].as_u64().unwrap() <= 200);
    assert!(map["text"].as_str().unwrap().contains("acquire_lock"));
    let pack = repository.json(["pack", "how long until the next retry", "-t", "200"]);
    assert!(pack["tokens"].as_u64().unwrap() <= 200);
    assert_eq!(pack["blocks"][0]["path"], "tools/retry.py");
    assert!(pack["text"].as_str().unwrap().contains("2 ** attempt"));
}

#[test]
fn symbols_are_found_by_parts_of_their_names() {
    let repository = Repository::sample();
    let found = repository.json(["symbols", "acquire", "--references"]);
    assert_eq!(found["symbols"][0]["name"], "acquire_lock");
    assert!(found["symbols"][0]["references"].is_object());
    let none: Run = repository.run(["symbols", "zanzibar", "--exact"]);
    assert_eq!(none.code, Some(0), "{none:?}");
}
