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
        let in_folder = |names: &[&str]| folders.split('/').any(|f| names.contains(&f));
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let folder_suffix = |suffixes: &[&str]| folders.split('/').any(|f| suffixes.iter().any(|s| f.ends_with(s)));
        if in_folder(&[
            "vendor",
            "vendored",
            "third_party",
            "third-party",
            "thirdparty",
            "node_modules",
            "bower_components",
        ]) {
            Self::Vendored
        } else if in_folder(&["bench", "benches", "benchmark", "benchmarks", "perf", "sandbox", "fuzz", "fuzzing"])
            || folder_suffix(&["-bench", "-benches", ".benchmark", ".benchmarks", "_bench"])
            || stem.ends_with("_bench")
            || stem.ends_with(".bench")
            || stem.ends_with("benchmark")
        {
            Self::Bench
        } else if is_test(folders, stem) {
            Self::Test
        } else if in_folder(&[
            "example",
            "examples",
            "demo",
            "demos",
            "sample",
            "samples",
            "tutorial",
            "tutorials",
            "playground",
        ]) || folder_suffix(&["-example", "-examples", ".sample", ".samples", "_example"])
        {
            Self::Example
        } else if in_folder(&["locales", "locale", "i18n", "translations", "l10n"]) {
            Self::Locale
        } else if name.ends_with(".d.ts") || name.ends_with(".d.mts") || name.ends_with(".d.cts") || extension == "pyi"
        {
            Self::Declaration
        } else if in_folder(&["legacy", "compat", "deprecated", "_compat", "_legacy", "polyfill", "polyfills"])
            || ["compat", "_compat", "legacy", "deprecated"].contains(&stem)
        {
            Self::Legacy
        } else if ["md", "mdx", "rst", "txt", "adoc", "markdown", "html"].contains(&extension)
            || in_folder(&["doc", "docs", "documentation", "guides", "changes", "changelog"])
        {
            Self::Docs
        } else if ["json", "yaml", "yml", "toml", "ini", "cfg", "lock", "xml", "properties", "csproj", "props"]
            .contains(&extension)
            || folders.split('/').any(|f| f.starts_with('.') && f.len() > 1)
            || name.starts_with('.')
        {
            Self::Config
        } else {
            Self::Source
        }
    }
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
