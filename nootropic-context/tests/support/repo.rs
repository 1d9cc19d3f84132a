//! Repositories made of chance.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::rng::Rng;

const WORDS: &[&str] = &[
    "parse", "token", "stream", "buffer", "index", "commit", "reader", "writer", "cache", "socket", "request",
    "answer", "branch", "merge", "vector", "query", "score", "segment", "folder", "ignore", "thread", "worker",
    "budget", "policy",
];
const FOLDERS: &[&str] = &["", "src", "src/net", "src/store/pages", "tests", "docs", "tools/gen"];
const ENDINGS: &[&str] = &["rs", "py", "ts", "go", "java", "c", "rb", "md", "json", "toml", "txt"];

/// With fewer files than this, edits only add some.
const FEW: usize = 100;

/// Questions whose answers are compared.
pub(crate) const QUESTIONS: &[&str] = &[
    "parse token stream",
    "where is the segment merged?",
    "commit_writer",
    "ReaderCache",
    "lang:python folder ignore",
    "path:src/net socket",
    "budget policy",
];

fn name(rng: &mut Rng) -> String {
    let (a, b, n) = (rng.pick(WORDS), rng.pick(WORDS), rng.below(40));
    match rng.below(3) {
        0 => format!("{a}_{b}"),
        1 => format!("{a}_{b}_{n}"),
        _ => format!("{}{}{}", &a[..1].to_uppercase(), &a[1..], b),
    }
}

fn prose(rng: &mut Rng) -> String {
    (0..4 + rng.below(8)).map(|_| *rng.pick(WORDS)).collect::<Vec<_>>().join(" ")
}

/// A definition in the language of an ending.
fn definition(ending: &str, rng: &mut Rng) -> String {
    let (name, about, call, n) = (name(rng), prose(rng), name(rng), rng.below(1000));
    match ending {
        "rs" => format!("/// {about}\npub fn {name}(x: u32) -> u32 {{\n    {call}(x + {n})\n}}\n\n"),
        "py" => format!("def {name}(x):\n    \"\"\"{about}\"\"\"\n    return {call}(x, {n})\n\n\n"),
        "ts" => format!("// {about}\nexport function {name}(x: number): number {{\n  return {call}(x) + {n};\n}}\n\n"),
        "go" => format!("// {about}\nfunc {name}(x int) int {{\n\treturn {call}(x) + {n}\n}}\n\n"),
        "java" => {
            format!("class {name} {{\n    /** {about} */\n    int run(int x) {{ return {call}(x) + {n}; }}\n}}\n\n")
        }
        "c" => format!("/* {about} */\nint {name}(int x)\n{{\n    return {call}(x) + {n};\n}}\n\n"),
        "rb" => format!("# {about}\ndef {name}(x)\n  {call}(x) + {n}\nend\n\n"),
        "md" => format!("## {name}\n\n{about}.\nSee `{call}`, {n}.\n\n"),
        "json" => format!("{{\"{name}\": [\"{about}\", {n}]}}\n"),
        "toml" => format!("[{name}]\nabout = \"{about}\"\nn = {n}\n\n"),
        _ => format!("{about} {name} {n}\n\n"),
    }
}

/// The content of a file with that ending.
pub(crate) fn content(ending: &str, definitions: usize, rng: &mut Rng) -> String {
    (0..definitions).map(|_| definition(ending, rng)).collect()
}

/// A path for a file that may not be there yet.
fn path(root: &Path, rng: &mut Rng) -> PathBuf {
    let (folder, name, n, ending) = (rng.pick(FOLDERS), rng.pick(WORDS), rng.below(30), rng.pick(ENDINGS));
    root.join(folder).join(format!("{name}{n}.{ending}"))
}

pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn create(root: &Path, rng: &mut Rng) {
    let path = path(root, rng);
    let ending = path.extension().unwrap().to_str().unwrap();
    let definitions = 1 + rng.below(5);
    let text = content(ending, definitions, rng);
    // A folder or a link may have taken the name.
    if path.symlink_metadata().map_or(true, |found| found.is_file()) {
        write(&path, text);
    }
}

/// A repository of about that many files.
pub(crate) fn generate(root: &Path, files: usize, rng: &mut Rng) {
    fs::create_dir_all(root).unwrap();
    for _ in 0..files {
        create(root, rng);
    }
}

/// Every file below `root`, sorted; links are not followed.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let (mut out, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                out.push(entry.path());
            }
        }
    }
    out.sort();
    out
}

/// Something that people and programs do to a repository. Says what.
pub(crate) fn edit(root: &Path, rng: &mut Rng) -> &'static str {
    let all = files(root);
    let what = rng.below(16);
    if all.len() < FEW || what < 3 {
        (0..if all.len() < FEW { 4 } else { 1 }).for_each(|_| create(root, rng));
        return "create";
    }
    let victim = rng.pick(&all).clone();
    let ending = victim.extension().map_or("txt", |e| e.to_str().unwrap_or("txt")).to_owned();
    match what {
        3..=6 => {
            let mut text = fs::read(&victim).unwrap();
            text.extend_from_slice(definition(&ending, rng).as_bytes());
            if text.len() > 6000 {
                text.drain(..3000);
            }
            fs::write(&victim, text).unwrap();
            "append"
        }
        7 => {
            let fresh = victim.with_extension("new~");
            fs::write(&fresh, content(&ending, 2, rng)).unwrap();
            fs::rename(&fresh, &victim).unwrap();
            "replace"
        }
        8 => {
            fs::remove_file(&victim).unwrap();
            "delete"
        }
        9 | 10 => {
            let to = path(root, rng);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            if to.symlink_metadata().map_or(true, |found| found.is_file()) {
                fs::rename(&victim, &to).unwrap();
            }
            "rename"
        }
        11 => {
            let from = root.join(rng.pick(&FOLDERS[1..]));
            let to = root.join(format!("moved{}", rng.below(4)));
            fs::create_dir_all(from.parent().unwrap()).unwrap();
            match (from.exists(), to.exists()) {
                (true, false) => fs::rename(from, to).unwrap(),
                (false, true) => fs::rename(to, from).unwrap(),
                (true, true) if rng.below(4) == 0 => fs::remove_dir_all(to).unwrap(),
                _ => {}
            }
            "move a folder"
        }
        12 => {
            fs::set_permissions(&victim, fs::Permissions::from_mode(0o640 + rng.below(2) as u32 * 0o111)).unwrap();
            "chmod"
        }
        13 => {
            let text = fs::read(&victim).unwrap();
            fs::write(&victim, text).unwrap();
            "touch"
        }
        14 => {
            let text: &[u8] = if rng.below(2) == 0 { b"" } else { b"\0\x01\x02\0\xff\xfe binary \0\0" };
            fs::write(&victim, text).unwrap();
            "empty or binary"
        }
        _ => {
            fs::remove_file(&victim).unwrap();
            std::os::unix::fs::symlink("nowhere", &victim).unwrap();
            "link"
        }
    }
}

/// Several [`edit`]s.
pub(crate) fn edits(root: &Path, n: usize, rng: &mut Rng) -> Vec<&'static str> {
    (0..n).map(|_| edit(root, rng)).collect()
}
