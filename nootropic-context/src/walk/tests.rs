//! Real folders, one rule at a time.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use nootropic_core::ErrorKind;
use tempfile::TempDir;

use super::*;
use crate::scale::at_most;

const GO_ON: &(dyn Fn() -> bool + Sync) = &|| false;

/// A temporary folder with these files.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        put(dir.path(), path, text);
    }
    dir
}

fn put(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn walk_all(root: &Path, options: &WalkOptions) -> Vec<Found> {
    let mut all = Vec::new();
    walk(root, options, GO_ON, &mut |found| all.push(found)).unwrap();
    all
}

/// The files found, as text.
fn files(root: &Path, options: &WalkOptions) -> Vec<String> {
    let file = |found: Found| matches!(found, Found::File { .. }).then(|| found.path().to_string());
    walk_all(root, options).into_iter().filter_map(file).collect()
}

/// What was skipped, as text.
fn skipped(root: &Path) -> Vec<(String, SkipReason)> {
    let skipped = |found: Found| match found {
        Found::Skipped { path, reason } => Some((path.to_string(), reason)),
        Found::File { .. } => None,
    };
    walk_all(root, &WalkOptions::default()).into_iter().filter_map(skipped).collect()
}

fn rel(path: &str) -> RelPath {
    RelPath::new(path).unwrap()
}

fn read(root: &Path, path: &str) -> Result<Content, SkipReason> {
    Reader::new(root, &WalkOptions::default()).unwrap().read(&rel(path)).map_err(|skip| skip.reason)
}

#[test]
fn files_come_sorted_with_their_stamps() {
    let dir = tree(&[("b.rs", "fn b() {}\n"), ("a/z.rs", ""), ("a/b/c.rs", "x"), ("a.rs", "y")]);
    let mut all = Vec::new();
    let summary = walk(dir.path(), &WalkOptions::default(), GO_ON, &mut |found| all.push(found)).unwrap();
    let paths: Vec<_> = all.iter().map(|found| found.path().to_string()).collect();
    assert_eq!(paths, ["a.rs", "a/b/c.rs", "a/z.rs", "b.rs"]);
    assert_eq!((summary.files, summary.bytes, summary.folders), (4, 12, 3));
    let expected = FileStamp::of(&fs::metadata(dir.path().join("b.rs")).unwrap());
    assert!(matches!(&all[3], Found::File { stamp, .. } if *stamp == expected && stamp.size == 10));
    for threads in [1, 2, 7] {
        assert_eq!(walk_all(dir.path(), &WalkOptions { threads, ..WalkOptions::default() }), all);
    }
}

#[test]
fn a_root_that_cannot_be_listed_is_an_error_that_names_it() {
    let dir = tree(&[("file", "")]);
    for (name, kind) in [("missing", Some(ErrorKind::NotFound)), ("file", None)] {
        let root = dir.path().join(name);
        let error = walk(&root, &WalkOptions::default(), GO_ON, &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert!(kind.is_none_or(|kind| error.kind() == kind));
    }
}

#[test]
fn ignore_files_count_without_a_repository() {
    let dir = tree(&[
        (".gitignore", "*.log\n/build/\n"),
        (".ignore", "*.tmp\n"),
        (".nootropicignore", "secret/\n"),
        ("a.log", ""),
        ("a.tmp", ""),
        ("a.rs", ""),
        ("build/out.rs", ""),
        ("src/build/kept.rs", ""),
        ("secret/key.rs", ""),
    ]);
    assert_eq!(
        files(dir.path(), &WalkOptions::default()),
        [".gitignore", ".ignore", ".nootropicignore", "a.rs", "src/build/kept.rs"]
    );
    let all = files(dir.path(), &WalkOptions { ignored: true, ..WalkOptions::default() });
    assert!(all.contains(&"a.log".into()) && all.contains(&"secret/key.rs".into()), "{all:?}");
}

#[test]
fn negations_and_nested_ignore_files_decide_as_in_git() {
    let dir = tree(&[
        (".gitignore", "*.gen\n!keep.gen\nout/\n/only-here.txt\ndoc/**/draft\n"),
        ("a.gen", ""),
        ("keep.gen", ""),
        ("only-here.txt", ""),
        ("sub/only-here.txt", ""),
        ("sub/.gitignore", "!b.gen\nkeep.gen\nlocal/*\n!local/yes\n"),
        ("sub/a.gen", ""),
        ("sub/b.gen", ""),
        ("sub/keep.gen", ""),
        ("sub/local/no", ""),
        ("sub/local/yes", ""),
        ("out/.gitignore", "!*\n"),
        ("out/lost.rs", ""),
        ("doc/x/y/draft", ""),
        ("doc/x/final", ""),
    ]);
    let expected =
        [".gitignore", "doc/x/final", "keep.gen", "sub/.gitignore", "sub/b.gen", "sub/local/yes", "sub/only-here.txt"];
    assert_eq!(files(dir.path(), &WalkOptions::default()), expected);
}

#[test]
fn our_own_ignore_file_has_the_last_word() {
    let dir = tree(&[
        (".gitignore", "*.sql\n"),
        (".nootropicignore", "!schema.sql\n*.md\n!.env\n"),
        ("schema.sql", ""),
        ("dump.sql", ""),
        ("README.md", ""),
        (".env", ""),
    ]);
    assert_eq!(files(dir.path(), &WalkOptions::default()), [".env", ".gitignore", ".nootropicignore", "schema.sql"]);
}

#[test]
fn a_folder_of_a_repository_obeys_the_files_above_it() {
    let dir = tree(&[
        (".gitignore", "above\n"),
        ("repo/.git/info/exclude", "excluded.rs\n"),
        ("repo/.gitignore", "*.log\n/pkg/app/rooted.rs\n"),
        ("repo/pkg/.gitignore", "local.rs\n"),
        ("repo/pkg/app/above", ""),
        ("repo/pkg/app/a.rs", ""),
        ("repo/pkg/app/a.log", ""),
        ("repo/pkg/app/local.rs", ""),
        ("repo/pkg/app/excluded.rs", ""),
        ("repo/pkg/app/rooted.rs", ""),
        ("repo/pkg/app/deep/rooted.rs", ""),
    ]);
    // What lies above the repository does not count; what lies between its top and the root does.
    let root = dir.path().join("repo/pkg/app");
    assert_eq!(files(&root, &WalkOptions::default()), ["a.rs", "above", "deep/rooted.rs"]);
}

#[test]
fn a_repository_within_keeps_to_its_own_rules() {
    let dir = tree(&[
        (".git/HEAD", ""),
        (".gitignore", "*.txt\n"),
        ("a.txt", ""),
        ("module/.git", "gitdir: ../.git/modules/module\n"),
        (".git/modules/module/info/exclude", "b.txt\n"),
        ("module/a.txt", ""),
        ("module/b.txt", ""),
    ]);
    assert_eq!(files(dir.path(), &WalkOptions::default()), [".gitignore", "module/a.txt"]);
}

#[test]
fn the_users_global_excludes_count() {
    const CHILD: &str = "NOOTROPIC_TEST_GLOBAL_EXCLUDES";
    if let Some(root) = std::env::var_os(CHILD) {
        assert_eq!(files(Path::new(&root), &WalkOptions::default()), ["a.rs"]);
        return;
    }
    let home = tree(&[("git/ignore", "*.swapfile\n")]);
    let dir = tree(&[("a.rs", ""), ("a.swapfile", "")]);
    // The environment of this process is shared by its tests, so a process of its own.
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "walk::tests::the_users_global_excludes_count"])
        .env(CHILD, dir.path())
        .env("HOME", home.path())
        .env("XDG_CONFIG_HOME", home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn an_ignore_file_that_is_no_file_or_no_pattern_does_no_harm() {
    let dir = tree(&[("a.rs", ""), ("sub/.gitignore", "[z-a\n\\\n*.log\n"), ("sub/b.log", ""), ("sub/b.rs", "")]);
    make_fifo(&dir.path().join(".gitignore"));
    fs::create_dir(dir.path().join(".ignore")).unwrap();
    let mut bytes = b"\xff\xfe\n".to_vec();
    bytes.extend(b"*.tmp\n");
    put(dir.path(), "odd/.ignore", bytes);
    put(dir.path(), "odd/c.tmp", "");
    assert_eq!(files(dir.path(), &WalkOptions::default()), ["a.rs", "odd/.ignore", "sub/.gitignore", "sub/b.rs"]);
}

#[test]
fn folders_of_version_control_and_our_own_are_never_entered() {
    let private = [".git", ".hg", ".svn", ".jj", ".nootropic", ".nootropic-cache"];
    let dir = tree(&[("a.rs", "")]);
    for name in private {
        put(dir.path(), &format!("{name}/x.rs"), "");
        put(dir.path(), &format!("sub/{name}/x.rs"), "");
    }
    let all = WalkOptions { hidden: true, ignored: true, generated: true, ..WalkOptions::default() };
    assert_eq!(files(dir.path(), &all), ["a.rs"]);
}

#[test]
fn hidden_names_are_left_out_unless_kept_or_asked_for() {
    let dir = tree(&[(".github/workflows/ci.yml", ""), (".venv/lib.py", ""), (".env", ""), (".editorconfig", "")]);
    assert_eq!(files(dir.path(), &WalkOptions::default()), [".editorconfig", ".github/workflows/ci.yml"]);
    assert_eq!(files(dir.path(), &WalkOptions { hidden: true, ..WalkOptions::default() }).len(), 4);
}

#[test]
fn installed_packages_and_marked_caches_are_skipped_with_a_reason() {
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# made by a build\n";
    let dir = tree(&[
        ("web/node_modules/x/index.js", ""),
        ("target/CACHEDIR.TAG", tag),
        ("target/debug/out.rs", ""),
        ("docs/CACHEDIR.TAG", "not a signature"),
        ("docs/a.md", ""),
    ]);
    assert_eq!(
        skipped(dir.path()),
        [("target".into(), SkipReason::Cache), ("web/node_modules".into(), SkipReason::Vendored)]
    );
    assert_eq!(files(dir.path(), &WalkOptions::default()), ["docs/CACHEDIR.TAG", "docs/a.md"]);
    // Who points at a cache itself means it.
    assert_eq!(files(&dir.path().join("target"), &WalkOptions::default()), ["CACHEDIR.TAG", "debug/out.rs"]);
}

#[test]
fn include_and_exclude_globs_narrow_the_walk() {
    let dir =
        tree(&[("src/a.rs", ""), ("src/a.py", ""), ("tests/a.rs", ""), ("src/old/b.rs", ""), (".gitignore", "a.py")]);
    let globs = |include: &[&str], exclude: &[&str]| {
        let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        files(dir.path(), &WalkOptions { include: owned(include), exclude: owned(exclude), ..WalkOptions::default() })
    };
    assert_eq!(globs(&["*.rs"], &[]), ["src/a.rs", "src/old/b.rs", "tests/a.rs"]);
    assert_eq!(globs(&["/src"], &["old/"]), ["src/a.rs"]);
    assert_eq!(globs(&["*.py"], &[]), [""; 0]);
    let bad = WalkOptions { include: vec!["a[".into()], ..WalkOptions::default() };
    let error = walk(dir.path(), &bad, GO_ON, &mut |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn links_are_not_followed_and_cannot_loop() {
    let outside = tree(&[("secret.rs", "password")]);
    let dir = tree(&[("a/b.rs", "fn b() {}")]);
    symlink("..", dir.path().join("a/up")).unwrap();
    symlink("self", dir.path().join("self")).unwrap();
    symlink(outside.path(), dir.path().join("out")).unwrap();
    symlink("a/b.rs", dir.path().join("b.rs")).unwrap();
    assert_eq!(files(dir.path(), &WalkOptions::default()), ["a/b.rs"]);
    let links = ["a/up", "b.rs", "out", "self"].map(|path| (path.to_owned(), SkipReason::Symlink));
    assert_eq!(skipped(dir.path()), links);
    assert_eq!(read(dir.path(), "b.rs"), Err(SkipReason::Symlink));
    assert_eq!(read(dir.path(), "out/secret.rs"), Err(SkipReason::Symlink));
    assert_eq!(read(dir.path(), "self/x"), Err(SkipReason::Symlink));
}

#[test]
fn a_folder_exchanged_for_a_link_leads_nowhere() {
    let outside = tree(&[("x.rs", "outside")]);
    let dir = tree(&[("a/x.rs", "inside")]);
    let reader = Reader::new(dir.path(), &WalkOptions::default()).unwrap();
    assert_eq!(reader.read(&rel("a/x.rs")).unwrap().text, "inside");
    fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
    symlink(outside.path(), dir.path().join("a")).unwrap();
    assert_eq!(reader.read(&rel("a/x.rs")).unwrap_err().reason, SkipReason::Symlink);
}

fn make_fifo(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn fifos_and_sockets_are_never_opened() {
    let dir = tree(&[("a.rs", "")]);
    make_fifo(&dir.path().join("pipe.rs"));
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket.rs")).unwrap();
    let odd = ["pipe.rs", "socket.rs"];
    assert_eq!(skipped(dir.path()), odd.map(|name| (name.to_owned(), SkipReason::NotRegular)));
    for name in odd {
        assert_eq!(read(dir.path(), name), Err(SkipReason::NotRegular));
    }
    assert_eq!(read(Path::new("/dev"), "null"), Err(SkipReason::NotRegular));
    fs::create_dir(dir.path().join("folder.rs")).unwrap();
    assert_eq!(read(dir.path(), "folder.rs"), Err(SkipReason::NotRegular));
}

#[test]
fn a_sparse_file_of_two_gigabytes_is_skipped_unread() {
    let dir = tree(&[("a.rs", "")]);
    fs::File::create(dir.path().join("huge.rs")).unwrap().set_len(2 << 30).unwrap();
    assert_eq!(skipped(dir.path()), [("huge.rs".into(), SkipReason::TooLarge)]);
    assert_eq!(read(dir.path(), "huge.rs"), Err(SkipReason::TooLarge));
    let anything = WalkOptions { max_file_bytes: u64::MAX, ..WalkOptions::default() };
    assert_eq!(files(dir.path(), &anything), ["a.rs"]);
    assert!(Reader::new(dir.path(), &anything).unwrap().read(&rel("huge.rs")).is_err());
}

#[test]
fn the_size_limit_is_inclusive() {
    let dir = tree(&[("at.txt", "12345678"), ("over.txt", "123456789")]);
    let options = WalkOptions { max_file_bytes: 8, ..WalkOptions::default() };
    assert_eq!(files(dir.path(), &options), ["at.txt"]);
    let reader = Reader::new(dir.path(), &options).unwrap();
    assert_eq!(reader.read(&rel("at.txt")).unwrap().bytes, 8);
    assert_eq!(reader.read(&rel("over.txt")).unwrap_err().reason, SkipReason::TooLarge);
}

#[test]
fn names_that_are_not_utf8_are_walked_and_read() {
    let dir = tree(&[]);
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.rs");
    fs::create_dir(dir.path().join(name)).unwrap();
    fs::write(dir.path().join(name).join(name), "fn f() {}").unwrap();
    let found = walk_all(dir.path(), &WalkOptions::default());
    let path = found[0].path();
    assert_eq!(path.as_bytes(), b"caf\xe9.rs/caf\xe9.rs");
    assert!(path.is_lossy() && path.under(dir.path()).is_file());
    let reader = Reader::new(dir.path(), &WalkOptions::default()).unwrap();
    assert_eq!(reader.read(path).unwrap().text, "fn f() {}");
    // Ignore files match such names, too.
    put(dir.path(), ".gitignore", "caf*\n");
    assert_eq!(files(dir.path(), &WalkOptions::default()), [".gitignore"]);
}

#[test]
fn what_may_not_be_read_is_skipped_with_a_reason() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tree(&[("a.rs", ""), ("locked/b.rs", ""), ("c.rs", "")]);
    for name in ["locked", "c.rs"] {
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    // Whoever may override permissions reads it all the same; others are told.
    if fs::File::open(dir.path().join("c.rs")).is_ok() {
        assert_eq!(files(dir.path(), &WalkOptions::default()), ["a.rs", "c.rs", "locked/b.rs"]);
        assert!(read(dir.path(), "c.rs").is_ok());
    } else {
        assert_eq!(skipped(dir.path()), [("locked".into(), SkipReason::PermissionDenied)]);
        assert_eq!(read(dir.path(), "c.rs"), Err(SkipReason::PermissionDenied));
        assert_eq!(read(dir.path(), "locked/b.rs"), Err(SkipReason::PermissionDenied));
    }
}

#[test]
fn a_folder_too_deep_for_the_system_is_skipped_and_the_rest_walked() {
    let dir = tree(&[("z.rs", "")]);
    let name = "d".repeat(200);
    let mut folder = rustix::fs::open(dir.path(), rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..30 {
        rustix::fs::mkdirat(&folder, &name, rustix::fs::Mode::RWXU).unwrap();
        folder = rustix::fs::openat(&folder, &name, rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    }
    assert_eq!(files(dir.path(), &WalkOptions::default()), ["z.rs"]);
    assert_eq!(skipped(dir.path()).iter().map(|(_, reason)| *reason).collect::<Vec<_>>(), [SkipReason::Unreadable]);
}

#[test]
fn a_hundred_thousand_files_in_one_folder_are_walked() {
    let (dir, many) = (tree(&[]), at_most(100_000));
    for i in 0..many {
        fs::File::create(dir.path().join(format!("f{i:06}.rs"))).unwrap();
    }
    let found = files(dir.path(), &WalkOptions::default());
    assert_eq!(found.len(), many);
    assert!(found.is_sorted());
}

#[test]
fn a_walk_can_be_cancelled() {
    let dir = tree(&[("a/a.rs", ""), ("b/b.rs", ""), ("c/c.rs", "")]);
    let asked = AtomicUsize::new(0);
    let cancel = || asked.fetch_add(1, Ordering::Relaxed) >= 2;
    let mut found = 0;
    let error = walk(dir.path(), &WalkOptions::default(), &cancel, &mut |_| found += 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(found, 0);
}

#[test]
fn content_carries_hash_encoding_and_length() {
    let dir = tree(&[("a.rs", "fn größe() {}\n")]);
    let content = read(dir.path(), "a.rs").unwrap();
    assert_eq!(content.text, "fn größe() {}\n");
    assert_eq!(content.hash, *blake3::hash("fn größe() {}\n".as_bytes()).as_bytes());
    assert_eq!((content.encoding, content.lossy, content.bytes), ("UTF-8", false, 16));

    let utf16: Vec<u8> = "\u{feff}Option Explicit ' Größe\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    put(dir.path(), "b.vbs", utf16);
    let content = read(dir.path(), "b.vbs").unwrap();
    assert_eq!((content.text.as_str(), content.encoding), ("Option Explicit ' Größe\r\n", "UTF-16LE"));

    put(dir.path(), "c.c", b"/* Gr\xf6\xdfe der \xdcbergabe pr\xfcfen */\n");
    assert_eq!(read(dir.path(), "c.c").unwrap().text, "/* Größe der Übergabe prüfen */\n");
}

#[test]
fn binary_generated_and_minified_files_are_skipped_with_a_reason() {
    let dir = tree(&[
        ("data", "a\0b"),
        ("logo.png", "not opened"),
        ("pb.go", "// Code generated by protoc-gen-go. DO NOT EDIT.\npackage pb\n"),
        ("Cargo.lock", "[[package]]\n"),
        ("app.js", &"var a=1;".repeat(1_000)),
    ]);
    let expected = [
        ("data", SkipReason::Binary),
        ("logo.png", SkipReason::Binary),
        ("pb.go", SkipReason::Generated),
        ("Cargo.lock", SkipReason::Generated),
        ("app.js", SkipReason::Minified),
    ];
    for (path, reason) in expected {
        assert_eq!(read(dir.path(), path), Err(reason), "{path}");
    }
    let options = WalkOptions { generated: true, ..WalkOptions::default() };
    let reader = Reader::new(dir.path(), &options).unwrap();
    for path in ["pb.go", "Cargo.lock", "app.js"] {
        assert!(reader.read(&rel(path)).is_ok(), "{path}");
    }
    assert_eq!(reader.read(&rel("data")).unwrap_err().reason, SkipReason::Binary);
}

#[test]
fn a_file_that_is_gone_has_vanished() {
    let dir = tree(&[("a.rs", "")]);
    assert_eq!(read(dir.path(), "b.rs"), Err(SkipReason::Vanished));
    assert_eq!(read(dir.path(), "no/b.rs"), Err(SkipReason::Vanished));
    assert_eq!(read(dir.path(), "a.rs/b.rs"), Err(SkipReason::Vanished));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_never_seen_torn() {
    let dir = tree(&[]);
    let path = dir.path().join("busy.txt");
    let (a, b) = ("a".repeat(1 << 20), "b".repeat(1 << 20));
    fs::write(&path, &a).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for text in [&b, &a] {
                    fs::write(&path, text).unwrap();
                }
            }
        });
        for _ in 0..40 {
            match read(dir.path(), "busy.txt") {
                // Truncated and not yet written again is a state a reader may meet.
                Ok(content) => assert!(content.stamp == FileStamp::NEVER || content.text == a || content.text == b),
                Err(reason) => assert_eq!(reason, SkipReason::Changing),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(read(dir.path(), "busy.txt").unwrap().bytes, 1 << 20);
}

#[test]
fn only_a_file_at_rest_keeps_its_stamp() {
    let dir = tree(&[("a.rs", "one")]);
    assert_eq!(read(dir.path(), "a.rs").unwrap().stamp, FileStamp::NEVER);
    let changed = FileStamp::of(&fs::metadata(dir.path().join("a.rs")).unwrap());
    while !changed.is_settled(SystemTime::now()) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let kept = read(dir.path(), "a.rs").unwrap().stamp;
    let walked = |root: &Path| match &walk_all(root, &WalkOptions::default())[..] {
        [Found::File { stamp, .. }] => *stamp,
        other => panic!("{other:?}"),
    };
    assert_eq!(kept, walked(dir.path()));

    // Same length, and the time of change set back: still another stamp.
    let before = fs::metadata(dir.path().join("a.rs")).unwrap().modified().unwrap();
    fs::write(dir.path().join("a.rs"), "two").unwrap();
    fs::File::options().write(true).open(dir.path().join("a.rs")).unwrap().set_modified(before).unwrap();
    assert_ne!(kept, walked(dir.path()));

    // A binary file keeps its stamp, so that it is not read again; a reason that may pass does not.
    put(dir.path(), "a.rs", "\0");
    let reader = Reader::new(dir.path(), &WalkOptions::default()).unwrap();
    std::thread::sleep(Duration::from_millis(150));
    let skip = reader.read(&rel("a.rs")).unwrap_err();
    assert_eq!((skip.reason, skip.stamp), (SkipReason::Binary, walked(dir.path())));
    assert_eq!(reader.read(&rel("gone")).unwrap_err().stamp, FileStamp::NEVER);
}
