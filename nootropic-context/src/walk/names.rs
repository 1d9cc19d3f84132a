//! What a name alone says about a file or folder.

use super::SkipReason;

/// The ignore file that is ours alone; it has the last word over all others.
pub(super) const OWN_IGNORE: &str = ".nootropicignore";

/// The file that marks a folder as a cache, and how it begins; see <https://bford.info/cachedir/>.
pub(super) const CACHE_TAG: &str = "CACHEDIR.TAG";
/// How a [`CACHE_TAG`] begins.
pub(super) const CACHE_TAG_HEAD: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Whether nothing below a folder of this name is ever looked at: version control's own data and ours.
pub(super) fn is_private(name: &[u8]) -> bool {
    matches!(name, b".git" | b".hg" | b".svn" | b".jj" | b".nootropic" | b".nootropic-cache")
}

/// Whether a folder of this name holds what package managers installed.
pub(super) fn is_vendored(name: &[u8]) -> bool {
    matches!(name, b"node_modules" | b"bower_components" | b"jspm_packages" | b"__pycache__" | b"site-packages")
}

/// Whether a name is hidden and not one of those that repositories keep on purpose.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    name.first() == Some(&b'.') && !KEPT_HIDDEN.iter().any(|kept| matches_kept(name, kept.as_bytes()))
}

/// `kept` itself, or with an ending: `.eslintrc` keeps `.eslintrc.json`.
fn matches_kept(name: &[u8], kept: &[u8]) -> bool {
    name.strip_prefix(kept).is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'.'))
}

const KEPT_HIDDEN: &[&str] = &[
    // folders
    ".azure-pipelines",
    ".buildkite",
    ".cargo",
    ".changeset",
    ".ci",
    ".circleci",
    ".config",
    ".devcontainer",
    ".forgejo",
    ".gitea",
    ".github",
    ".gitlab",
    ".husky",
    ".storybook",
    ".teamcity",
    ".tekton",
    ".woodpecker",
    // files
    ".babelrc",
    ".bazelrc",
    ".clang-format",
    ".clang-tidy",
    ".clippy",
    ".cirrus",
    ".codecov",
    ".credo",
    ".dockerignore",
    ".editorconfig",
    ".env.example",
    ".env.sample",
    ".env.template",
    ".eslintignore",
    ".eslintrc",
    ".formatter.exs",
    ".gitattributes",
    ".gitignore",
    ".gitlab-ci",
    ".gitmodules",
    ".golangci",
    ".goreleaser",
    ".ignore",
    ".mergify",
    ".mocharc",
    ".nootropicignore",
    ".pre-commit-config",
    ".prettierrc",
    ".pylintrc",
    ".readthedocs",
    ".rspec",
    ".rubocop",
    ".rustfmt",
    ".scalafmt",
    ".stylelintrc",
    ".swiftlint",
    ".travis",
];

/// Why a file of this name is not worth opening, if it is not.
pub(super) fn skip_by_name(name: &[u8], generated: bool) -> Option<SkipReason> {
    let name = name.to_ascii_lowercase();
    let (stem, extension) = match name.iter().rposition(|&b| b == b'.') {
        Some(dot) => (&name[..dot], &name[dot + 1..]),
        None => (&name[..], &b""[..]),
    };
    let listed = |list: &[&str], what: &[u8]| list.binary_search_by(|item| item.as_bytes().cmp(what)).is_ok();
    if listed(BINARY_EXTENSIONS, extension) {
        return Some(SkipReason::Binary);
    }
    if generated {
        return None;
    }
    let is_map =
        extension == b"map" && [&b".js"[..], b".mjs", b".cjs", b".css", b".ts"].iter().any(|e| stem.ends_with(e));
    if is_map || listed(LOCK_FILES, &name) {
        return Some(SkipReason::Generated);
    }
    let squeezed = matches!(extension, b"js" | b"mjs" | b"cjs" | b"css" | b"html");
    (squeezed && stem.ends_with(b".min")).then_some(SkipReason::Minified)
}

/// Sorted; only endings that no text format shares.
const BINARY_EXTENSIONS: &[&str] = &[
    "7z",
    "aac",
    "aar",
    "apk",
    "avi",
    "avif",
    "beam",
    "blend",
    "bmp",
    "br",
    "bz2",
    "cab",
    "class",
    "deb",
    "dll",
    "dmg",
    "docx",
    "dylib",
    "ear",
    "egg",
    "elc",
    "eot",
    "exe",
    "flac",
    "gguf",
    "gif",
    "glb",
    "gz",
    "hdf5",
    "heic",
    "icns",
    "ico",
    "ipa",
    "iso",
    "jar",
    "jpeg",
    "jpg",
    "lz4",
    "lzma",
    "m4a",
    "m4v",
    "mkv",
    "mov",
    "mp3",
    "mp4",
    "mpeg",
    "msi",
    "npy",
    "npz",
    "nupkg",
    "o",
    "odp",
    "ods",
    "odt",
    "ogg",
    "onnx",
    "opus",
    "otf",
    "parquet",
    "pdb",
    "pdf",
    "png",
    "pptx",
    "psd",
    "pyc",
    "pyd",
    "pyo",
    "rar",
    "rlib",
    "rmeta",
    "rpm",
    "safetensors",
    "so",
    "sqlite",
    "sqlite3",
    "swf",
    "tar",
    "tflite",
    "tgz",
    "tif",
    "tiff",
    "ttc",
    "ttf",
    "wasm",
    "wav",
    "webm",
    "webp",
    "whl",
    "wmv",
    "woff",
    "woff2",
    "xlsx",
    "xz",
    "zip",
    "zst",
];

/// Sorted, in lower case.
const LOCK_FILES: &[&str] = &[
    ".terraform.lock.hcl",
    "bun.lock",
    "cabal.project.freeze",
    "cargo.lock",
    "cartfile.resolved",
    "composer.lock",
    "conda-lock.yml",
    "deno.lock",
    "flake.lock",
    "gemfile.lock",
    "go.sum",
    "go.work.sum",
    "gradle.lockfile",
    "mix.lock",
    "module.bazel.lock",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "package.resolved",
    "packages.lock.json",
    "paket.lock",
    "pdm.lock",
    "pipfile.lock",
    "pixi.lock",
    "pnpm-lock.yaml",
    "podfile.lock",
    "poetry.lock",
    "pubspec.lock",
    "rebar.lock",
    "stack.yaml.lock",
    "uv.lock",
    "yarn.lock",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_for_the_binary_search() {
        assert!(BINARY_EXTENSIONS.is_sorted());
        assert!(LOCK_FILES.is_sorted());
    }

    #[test]
    fn names_tell_binaries_lock_files_and_minified_code() {
        let reason = |name: &str| skip_by_name(name.as_bytes(), false);
        assert_eq!(reason("Logo.PNG"), Some(SkipReason::Binary));
        assert_eq!(reason("font.woff2"), Some(SkipReason::Binary));
        assert_eq!(reason("Cargo.lock"), Some(SkipReason::Generated));
        assert_eq!(reason("go.sum"), Some(SkipReason::Generated));
        assert_eq!(reason("app.js.map"), Some(SkipReason::Generated));
        assert_eq!(reason("jquery.min.js"), Some(SkipReason::Minified));
        for kept in ["main.rs", "png", "world.map", "min.js", "lock.rs", "Makefile", "a.ts", ".gitignore", "x.lock"] {
            assert_eq!(reason(kept), None, "{kept}");
        }
        assert_eq!(skip_by_name(b"Cargo.lock", true), None);
        assert_eq!(skip_by_name(b"a.png", true), Some(SkipReason::Binary));
    }

    #[test]
    fn hidden_names_that_repositories_keep_are_not_hidden() {
        for kept in [".github", ".gitlab-ci.yml", ".eslintrc.json", ".ci", "src", ".env.example"] {
            assert!(!is_hidden(kept.as_bytes()), "{kept}");
        }
        for hidden in [".env", ".env.local", ".venv", ".idea", ".cache", ".githubx", ".ssh"] {
            assert!(is_hidden(hidden.as_bytes()), "{hidden}");
        }
    }
}
