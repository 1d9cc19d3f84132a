//! The shape of the workspace: arrows point down, dependencies are few, licensed and known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// Names of everything a crate links with all its features, itself included.
fn linked(package: &str) -> BTreeSet<String> {
    linked_with(package, "--all-features")
}

fn linked_with(package: &str, features: &str) -> BTreeSet<String> {
    let tree = cargo(&["tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", features]);
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn arrows_point_down() {
    let ours = [
        ("nootropic-core", &[] as &[&str]),
        ("nootropic-models", &["nootropic-core"]),
        ("nootropic-context", &["nootropic-core"]),
        ("nootropic-agents", &["nootropic-core"]),
        ("nootropic", &["nootropic-core", "nootropic-models", "nootropic-context", "nootropic-agents"]),
    ];
    for (package, allowed) in ours {
        for name in linked(package).iter().filter(|name| name.starts_with("nootropic") && *name != package) {
            assert!(allowed.contains(&name.as_str()), "{package} must not depend on {name}");
        }
    }
}

#[test]
fn core_links_no_model_database_network_or_runtime() {
    let linked = linked("nootropic-core");
    for banned in ["burn", "heed", "lmdb-master-sys", "tokio", "hyper", "reqwest", "ureq", "async-std", "smol"] {
        assert!(!linked.contains(banned), "nootropic-core links {banned}");
    }
}

/// What could open a connection.
const CONNECTING: [&str; 10] =
    ["reqwest", "hyper", "curl", "native-tls", "openssl", "quinn", "hickory-resolver", "tokio", "ureq", "rustls"];

#[test]
fn nothing_that_could_open_a_connection_is_linked_unless_asked_for() {
    for package in ["nootropic-core", "nootropic-models", "nootropic-context", "nootropic-agents", "nootropic"] {
        let linked = linked_with(package, "--no-default-features");
        for banned in CONNECTING {
            assert!(!linked.contains(banned), "{package} links {banned} without being asked to");
        }
    }
    let linked = linked("nootropic-cli");
    for banned in CONNECTING.into_iter().filter(|name| !["ureq", "rustls"].contains(name)) {
        assert!(!linked.contains(banned), "the command links {banned}");
    }
}

#[test]
fn one_place_connects() {
    fn walk(folder: &Path, each: &mut dyn FnMut(&Path)) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => walk(&path, each),
                false => each(&path),
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let client = Path::new("nootropic-models/src/http");
    let mut found = BTreeSet::new();
    for package in
        ["nootropic-core", "nootropic-models", "nootropic-context", "nootropic-agents", "bindings/rust", "cli"]
    {
        walk(&root.join(package).join("src"), &mut |path| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if ["TcpStream", "UdpSocket", "ToSocketAddrs", "ureq::"].iter().any(|word| text.contains(word)) {
                found.insert(path.strip_prefix(&root).expect("it lies there").to_owned());
            }
        });
    }
    assert!(!found.is_empty());
    for path in &found {
        assert!(path.starts_with(client), "{} connects past the egress broker", path.display());
    }
}

/// Every package that is built for some target with some of our features. Cargo.lock also names what only features of our
/// dependencies would need that nobody turns on.
fn packages() -> Vec<Value> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--locked", "--format-version", "1"])).expect("metadata is JSON");
    let edges = ["-e", "normal,build,dev", "--target", "all", "--all-features"];
    let tree = cargo(&[&["tree", "--locked", "--workspace", "--prefix", "none"][..], &edges].concat());
    let built: BTreeSet<String> =
        tree.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let is_built = |package: &&Value| {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        built.contains(&format!("{} v{}", text("name"), text("version")))
    };
    let packages: Vec<_> = metadata["packages"].as_array().into_iter().flatten().filter(is_built).cloned().collect();
    assert!(packages.len() > 100 && packages.iter().any(|package| package["name"] == "nootropic-cli"));
    packages
}

#[test]
fn every_dependency_has_a_licence_we_may_ship() {
    const ALLOWED: &[&str] = &[
        "MIT",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CDLA-Permissive-2.0", // a list of root certificates, built for Android alone
        "CC0-1.0",
        "ISC",
        "MIT-0",
        "Unicode-3.0",
        "Unlicense",
        "Zlib",
        "0BSD",
        "OpenLDAP-2.8",
        "MPL-2.0",
    ];
    for package in packages() {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default().replace('/', " OR ").replace(['(', ')'], "");
        // `A AND B` needs both, `A OR B` one.
        let fits = licence.split(" AND ").all(|all| all.split(" OR ").any(|one| ALLOWED.contains(&one.trim())));
        assert!(fits && !licence.is_empty(), "{name} is licensed as {licence:?}");
    }
}

#[test]
fn dependencies_come_from_the_registry_or_this_workspace() {
    for package in packages() {
        let name = package["name"].as_str().unwrap_or_default();
        match package["source"].as_str() {
            None => assert!(name.starts_with("nootropic"), "{name} is a path dependency"),
            Some(source) => assert!(source.starts_with("registry+"), "{name} comes from {source}"),
        }
    }
}

/// Crates that stand twice in Cargo.lock, with the reason; anything else standing twice fails.
const KNOWN_DUPLICATES: &[(&str, &str)] = &[
    ("bit-set", "naga, below wgpu, is not yet where fancy-regex is"),
    ("bit-vec", "as bit-set"),
    ("convert_case", "build time only: derive_more and others below burn"),
    ("darling", "build time only: three derives below burn"),
    ("darling_core", "as darling"),
    ("darling_macro", "as darling"),
    ("foldhash", "comes with hashbrown"),
    ("getrandom", "ring is not yet where tempfile is"),
    ("hashbrown", "text_placeholder, internment and wgpu, below burn, each have their own"),
    ("hi_sparse_bitset", "cubecl-opt and cubecl-ir, below burn"),
    ("rustc-hash", "naga, below wgpu, is not yet on 2"),
    ("syn", "build time only: tracing-attributes and enum-iterator-derive, below arroy, are not yet on 3"),
    ("thiserror", "nvml-wrapper, below cubecl, is not yet on 2"),
    ("thiserror-impl", "as thiserror"),
];

#[test]
fn no_crate_is_linked_in_two_versions_unknowingly() {
    let tree = cargo(&["tree", "--locked", "-p", "nootropic-cli", "-e", "normal", "--prefix", "none"]);
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines() {
        if let [name, version, ..] = line.split(' ').collect::<Vec<_>>()[..] {
            versions.entry(name).or_default().insert(version);
        }
    }
    for (name, found) in versions.iter().filter(|(_, found)| found.len() > 1) {
        let known = KNOWN_DUPLICATES.iter().any(|(known, _)| known == name);
        assert!(known, "{name} is linked in versions {found:?}");
    }
    for (name, reason) in KNOWN_DUPLICATES {
        let twice = versions.get(name).is_some_and(|found| found.len() > 1);
        assert!(twice, "{name} is linked once now: strike it from the list ({reason})");
    }
}
