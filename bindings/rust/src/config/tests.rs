use std::fs;
use std::path::Path;

use nootropic_core::ErrorKind;
use serde_json::json;

use super::*;
use crate::{Error, Result};

fn load(
    root: &Path,
    user: &str,
    repository: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Layers> {
    let user_file = root.join("user.toml");
    fs::write(&user_file, user).unwrap();
    if !repository.is_empty() {
        fs::write(root.join("nootropic.toml"), repository).unwrap();
    }
    let own =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
    Layers::load_from(root, Some(user_file), own(environment).into_iter(), &own(flags))
}

fn value(layers: &Layers, key: &str) -> (Value, Source) {
    let report = layers.report().into_iter().find(|report| report.key == key).unwrap();
    (report.value, report.source)
}

#[test]
fn a_nearer_layer_wins_and_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let layers = load(
        temp.path(),
        "[search]\nlimit = 1\n[index]\nchunk_lines = 30\nmax_file_bytes = \"1 MiB\"\nthreads = 3\n",
        "[search]\nlimit = 2\n[index]\nmax_file_bytes = 7\nexclude = [\"*.gen\"]\n",
        &[("NOOTROPIC_SEARCH_LIMIT", "3"), ("NOOTROPIC_INDEX_MAX_FILE_BYTES", "9")],
        &[("search.limit", "4")],
    )
    .unwrap();
    assert_eq!(value(&layers, "search.limit"), (json!(4), Source::Flag { flag: "--set search.limit".into() }));
    let (bytes, source) = value(&layers, "index.max_file_bytes");
    assert_eq!((bytes, source), (json!(9), Source::Environment { variable: "NOOTROPIC_INDEX_MAX_FILE_BYTES".into() }));
    let (globs, source) = value(&layers, "index.exclude");
    assert_eq!(globs, json!(["*.gen"]));
    assert_eq!(source, Source::RepositoryFile { path: temp.path().join("nootropic.toml"), line: 5 });
    assert!(matches!(value(&layers, "index.chunk_lines"), (v, Source::UserFile { line: 4, .. }) if v == 30));
    assert_eq!(value(&layers, "index.hidden"), (json!(false), Source::Default));
    assert_eq!(layers.config().index.options().walk.exclude, ["*.gen"]);
}

#[test]
fn a_mistake_is_shown_where_it_stands() {
    for (text, place, problem, hint) in [
        ("[index]\nexlude = []\n", ":2:1", "unknown setting `index.exlude`", Some("did you mean `index.exclude`?")),
        ("index.max_file_bytes = \"much\"\n", ":1:7", "`index.max_file_bytes`: a size such as", None),
        ("[index]\nhidden = 1\n", ":2:1", "`index.hidden`: true or false is needed", None),
        ("x = \n", ":1:5", "", None),
        ("[zebra]\n", ":1:2", "unknown setting `zebra`", None),
        ("index = 3\n", ":1:1", "`index` is a group of settings", Some("write its settings under `[index]`")),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let error = load(temp.path(), text, "", &[], &[]).unwrap_err();
        let Error::Setting { place: found, problem: said, hint: advice } = &error else { panic!("{error:?}") };
        assert!(found.ends_with(place), "{found} for {text}");
        assert!(said.starts_with(problem), "{said} for {text}");
        assert_eq!(advice.as_deref(), hint, "{text}");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_repository_cannot_set_what_could_do_harm() {
    for setting in SETTINGS.iter().filter(|setting| !setting.in_repository) {
        let temp = tempfile::tempdir().unwrap();
        let error = load(temp.path(), "", &format!("{} = 1\n", setting.key), &[], &[]).unwrap_err();
        assert!(error.to_string().contains("cannot be set by a repository"), "{error}");
    }
}

#[test]
fn every_setting_reads_back_what_was_written() {
    for setting in SETTINGS {
        let mut config = Config::default();
        let before = setting.get(&config);
        if !before.is_null() {
            setting.set(&mut config, before.clone()).unwrap();
        }
        assert_eq!(config, Config::default(), "{}", setting.key);
    }
    assert!(SETTINGS.is_sorted_by_key(|setting| setting.key));
}

#[test]
fn sizes_take_units_and_limits() {
    let temp = tempfile::tempdir().unwrap();
    for (text, bytes) in [("2 MiB", 2 << 20), ("500kB", 500_000), ("64m", 64 << 20), ("12", 12)] {
        let layers = load(temp.path(), "", "", &[], &[("index.max_file_bytes", text)]).unwrap();
        assert_eq!(layers.config().index.max_file_bytes, bytes, "{text}");
    }
    for text in ["65 MiB", "0", "-1", "1.5 MiB", "99999999999999999999", "1 parsec"] {
        assert!(load(temp.path(), "", "", &[], &[("index.max_file_bytes", text)]).is_err(), "{text}");
    }
}

#[test]
fn a_variable_of_another_version_is_only_mentioned() {
    let temp = tempfile::tempdir().unwrap();
    let layers = load(temp.path(), "", "", &[("NOOTROPIC_FUTURE", "1")], &[]).unwrap();
    assert_eq!(layers.config(), &Config::default());
    assert!(layers.warnings()[0].contains("NOOTROPIC_FUTURE"));
}
