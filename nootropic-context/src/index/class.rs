//! What a path says about a file: source, test, example, documentation and the like.

/// What part a file plays, guessed from its path alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum PathClass {
    /// Where behaviour is defined.
    Source = 0,
    /// Tests, fixtures, mocks.
    Test = 1,
    /// Examples, demos, tutorials.
    Example = 2,
    /// Documentation and change logs.
    Docs = 3,
    /// Benchmarks.
    Bench = 4,
    /// Kept for old callers: compatibility shims, legacy, deprecated.
    Legacy = 5,
    /// Copies of other projects.
    Vendored = 6,
    /// Data and settings.
    Config = 7,
    /// Declarations without behaviour, e.g. `.d.ts`.
    Declaration = 8,
    /// Translations of documentation or messages.
    Locale = 9,
}

impl PathClass {
    const ALL: [Self; 10] = [
        Self::Source,
        Self::Test,
        Self::Example,
        Self::Docs,
        Self::Bench,
        Self::Legacy,
        Self::Vendored,
        Self::Config,
        Self::Declaration,
        Self::Locale,
    ];

    /// From the stored code; what is not known counts as source.
    pub const fn from_code(code: u8) -> Self {
        if (code as usize) < Self::ALL.len() { Self::ALL[code as usize] } else { Self::Source }
    }

    /// Its name in explanations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Test => "test",
            Self::Example => "example",
            Self::Docs => "docs",
            Self::Bench => "bench",
            Self::Legacy => "legacy",
            Self::Vendored => "vendored",
            Self::Config => "config",
            Self::Declaration => "declaration",
            Self::Locale => "locale",
        }
    }

    /// Classifies a `/`-separated path.
    pub fn of(path: &str) -> Self {
        let lower = path.to_lowercase();
        let (folders, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        if lies_in(folders, VENDORED) {
            Self::Vendored
        } else if is_bench(folders, stem) {
            Self::Bench
        } else if is_test(folders, stem) {
            Self::Test
        } else if lies_in(folders, EXAMPLES) || ends_in(folders, EXAMPLE_ENDS) {
            Self::Example
        } else if lies_in(folders, LOCALES) {
            Self::Locale
        } else if DECLARATION_ENDS.iter().any(|end| name.ends_with(end)) {
            Self::Declaration
        } else if lies_in(folders, LEGACY) || LEGACY_STEMS.contains(&stem) {
            Self::Legacy
        } else if DOC_EXTENSIONS.contains(&extension) || lies_in(folders, DOCS) {
            Self::Docs
        } else if CONFIG_EXTENSIONS.contains(&extension) || is_hidden(folders, name) {
            Self::Config
        } else {
            Self::Source
        }
    }
}

const VENDORED: &[&str] =
    &["vendor", "vendored", "third_party", "third-party", "thirdparty", "node_modules", "bower_components"];
const BENCHES: &[&str] = &["bench", "benches", "benchmark", "benchmarks", "perf", "sandbox", "fuzz", "fuzzing"];
const EXAMPLES: &[&str] =
    &["example", "examples", "demo", "demos", "sample", "samples", "tutorial", "tutorials", "playground"];
const EXAMPLE_ENDS: &[&str] = &["-example", "-examples", ".sample", ".samples", "_example"];
const LOCALES: &[&str] = &["locales", "locale", "i18n", "translations", "l10n"];
const DECLARATION_ENDS: &[&str] = &[".d.ts", ".d.mts", ".d.cts", ".pyi"];
const LEGACY: &[&str] = &["legacy", "compat", "deprecated", "_compat", "_legacy", "polyfill", "polyfills"];
const LEGACY_STEMS: &[&str] = &["compat", "_compat", "legacy", "deprecated"];
const DOCS: &[&str] = &["doc", "docs", "documentation", "guides", "changes", "changelog"];
const DOC_EXTENSIONS: &[&str] = &["md", "mdx", "rst", "txt", "adoc", "markdown", "html"];
const CONFIG_EXTENSIONS: &[&str] =
    &["json", "yaml", "yml", "toml", "ini", "cfg", "lock", "xml", "properties", "csproj", "props"];

/// Whether one of the folders has one of these names.
fn lies_in(folders: &str, names: &[&str]) -> bool {
    folders.split('/').any(|folder| names.contains(&folder))
}

/// Whether the name of one of the folders ends so.
fn ends_in(folders: &str, ends: &[&str]) -> bool {
    folders.split('/').any(|folder| ends.iter().any(|end| folder.ends_with(end)))
}

fn is_hidden(folders: &str, name: &str) -> bool {
    name.starts_with('.') || folders.split('/').any(|folder| folder.starts_with('.') && folder.len() > 1)
}

fn is_bench(folders: &str, stem: &str) -> bool {
    lies_in(folders, BENCHES)
        || ends_in(folders, &["-bench", "-benches", ".benchmark", ".benchmarks", "_bench"])
        || ["_bench", ".bench", "benchmark"].iter().any(|end| stem.ends_with(end))
}

fn is_test(folders: &str, stem: &str) -> bool {
    let folder = folders.split('/').any(|f| {
        matches!(
            f,
            "test"
                | "tests"
                | "testing"
                | "__tests__"
                | "spec"
                | "specs"
                | "testdata"
                | "fixtures"
                | "__mocks__"
                | "mocks"
                | "e2e"
                | "test-utils"
        ) || f.ends_with("-tests")
            || f.ends_with("-test")
            || f.ends_with("_tests")
            || f.ends_with("_test")
            || f.starts_with("test-")
            || f.starts_with("tests-")
            || f.starts_with("tests_")
            || f.ends_with(".tests")
            || f.ends_with(".test")
    });
    folder
        || stem.starts_with("test_")
        || ["_test", "_tests", ".test", ".spec", "_spec", "-test", "-spec"].iter().any(|s| stem.ends_with(s))
        || matches!(stem, "test" | "tests" | "mock" | "mocks" | "conftest" | "spec_helper" | "test_helper")
        || (stem.ends_with("tests") || stem.ends_with("test"))
            && folders.split('/').any(|f| f == "java" || f == "kotlin")
}

#[cfg(test)]
mod tests {
    use super::PathClass;

    #[test]
    fn a_path_tells_the_part_a_file_plays() {
        for (path, class) in [
            ("src/lib.rs", PathClass::Source),
            ("tests/store.rs", PathClass::Test),
            ("gin/recovery_test.go", PathClass::Test),
            ("src/latest.rs", PathClass::Source),
            ("src/test/java/com/x/GsonTest.java", PathClass::Test),
            ("examples/hello.py", PathClass::Example),
            ("docs/guide.md", PathClass::Docs),
            ("CHANGELOG.md", PathClass::Docs),
            ("vendor/x/y.go", PathClass::Vendored),
            ("types/index.d.ts", PathClass::Declaration),
            ("package.json", PathClass::Config),
            ("benches/run.rs", PathClass::Bench),
            ("src/v4/locales/de.ts", PathClass::Locale),
        ] {
            assert_eq!(PathClass::of(path), class, "{path}");
        }
    }
}
