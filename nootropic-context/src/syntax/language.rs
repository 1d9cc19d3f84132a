//! Which language a file is written in.

use std::fmt;

/// A language that is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
#[expect(missing_docs, reason = "each variant is the name of a language")]
pub enum Language {
    Rust = 1,
    Python = 2,
    TypeScript = 3,
    /// TypeScript with JSX.
    Tsx = 4,
    /// With or without JSX.
    JavaScript = 5,
    Go = 6,
    Java = 7,
    C = 8,
    Cpp = 9,
    CSharp = 10,
    Ruby = 11,
    Php = 12,
    Swift = 13,
    Kotlin = 14,
    Scala = 15,
    Elixir = 16,
    Haskell = 17,
    Lua = 18,
    Zig = 19,
    /// Any shell close to it.
    Bash = 20,
    Markdown = 21,
    Toml = 22,
    Yaml = 23,
    /// With or without comments.
    Json = 24,
}

impl Language {
    /// Every language, in code order.
    pub const ALL: [Self; 24] = [
        Self::Rust,
        Self::Python,
        Self::TypeScript,
        Self::Tsx,
        Self::JavaScript,
        Self::Go,
        Self::Java,
        Self::C,
        Self::Cpp,
        Self::CSharp,
        Self::Ruby,
        Self::Php,
        Self::Swift,
        Self::Kotlin,
        Self::Scala,
        Self::Elixir,
        Self::Haskell,
        Self::Lua,
        Self::Zig,
        Self::Bash,
        Self::Markdown,
        Self::Toml,
        Self::Yaml,
        Self::Json,
    ];

    /// The stable code used on disk.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The language of a stored code; `None` for one this version does not know.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The stable lower-case name, e.g. `csharp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::TypeScript => "typescript",
            Self::Tsx => "tsx",
            Self::JavaScript => "javascript",
            Self::Go => "go",
            Self::Java => "java",
            Self::C => "c",
            Self::Cpp => "cpp",
            Self::CSharp => "csharp",
            Self::Ruby => "ruby",
            Self::Php => "php",
            Self::Swift => "swift",
            Self::Kotlin => "kotlin",
            Self::Scala => "scala",
            Self::Elixir => "elixir",
            Self::Haskell => "haskell",
            Self::Lua => "lua",
            Self::Zig => "zig",
            Self::Bash => "bash",
            Self::Markdown => "markdown",
            Self::Toml => "toml",
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }

    /// The language of a name, in any case; also common other names such as `c++`, `ts` or `golang`.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let by_name = Self::ALL.into_iter().find(|language| language.name() == name);
        by_name.or_else(|| match name.as_str() {
            "c++" => Some(Self::Cpp),
            "c#" | "dotnet" => Some(Self::CSharp),
            "golang" => Some(Self::Go),
            "node" | "jsx" => Some(Self::JavaScript),
            "shell" => Some(Self::Bash),
            _ => by_extension(&name),
        })
    }

    /// The language of a file, by its name, its extension or its first line. `text` is looked at only where those leave
    /// it open: a `.h` may hold C or C++, a script may have no extension.
    pub fn detect(path: &str, text: &str) -> Option<Self> {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        if let Some(language) = by_file_name(name) {
            return Some(language);
        }
        match name.rsplit_once('.') {
            Some((_, extension)) if extension.len() <= 12 && !extension.is_empty() => {
                let extension = extension.to_ascii_lowercase();
                match extension.as_str() {
                    "h" => Some(if looks_like_cpp(text) { Self::Cpp } else { Self::C }),
                    // Version suffixes and the like say nothing: `deploy.1`, `run.in`.
                    _ => by_extension(&extension).or_else(|| by_first_line(text)),
                }
            }
            _ => by_first_line(text),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn by_extension(extension: &str) -> Option<Language> {
    Some(match extension {
        "rs" => Language::Rust,
        "py" | "pyi" | "pyw" | "pyx" | "bzl" | "bazel" | "star" => Language::Python,
        "ts" | "mts" | "cts" => Language::TypeScript,
        "tsx" => Language::Tsx,
        "js" | "mjs" | "cjs" | "jsx" | "es6" => Language::JavaScript,
        "go" => Language::Go,
        "java" => Language::Java,
        "c" => Language::C,
        "cc" | "cpp" | "cxx" | "c++" | "hpp" | "hh" | "hxx" | "h++" | "ipp" | "inl" | "tpp" | "ixx" | "cppm" | "cu"
        | "cuh" => Language::Cpp,
        "cs" | "csx" => Language::CSharp,
        "rb" | "rake" | "gemspec" | "ru" | "podspec" | "rbi" => Language::Ruby,
        "php" | "phtml" | "php5" | "php7" | "php8" => Language::Php,
        "swift" => Language::Swift,
        "kt" | "kts" => Language::Kotlin,
        "scala" | "sc" | "sbt" => Language::Scala,
        "ex" | "exs" => Language::Elixir,
        "hs" | "hs-boot" => Language::Haskell,
        "lua" | "luau" => Language::Lua,
        "zig" | "zon" => Language::Zig,
        "sh" | "bash" | "zsh" | "ksh" | "bats" | "ebuild" => Language::Bash,
        "md" | "markdown" | "mdx" | "mdown" => Language::Markdown,
        "toml" => Language::Toml,
        "yaml" | "yml" => Language::Yaml,
        "json" | "jsonc" | "json5" | "webmanifest" | "geojson" => Language::Json,
        _ => return None,
    })
}

fn by_file_name(name: &str) -> Option<Language> {
    Some(match name {
        "Gemfile" | "Rakefile" | "Guardfile" | "Vagrantfile" | "Podfile" | "Fastfile" | "Brewfile" | "Capfile"
        | ".irbrc" | ".pryrc" => Language::Ruby,
        "BUILD" | "WORKSPACE" | "SConstruct" | "SConscript" | "wscript" => Language::Python,
        ".bashrc" | ".bash_profile" | ".bash_aliases" | ".bash_logout" | ".profile" | ".zshrc" | ".zprofile"
        | ".zshenv" | ".envrc" | "PKGBUILD" | "APKBUILD" => Language::Bash,
        "Cargo.lock" | "Pipfile" | "poetry.lock" | "uv.lock" | "pdm.lock" | "Gopkg.lock" => Language::Toml,
        "composer.lock" | "Pipfile.lock" | "flake.lock" | ".babelrc" | ".eslintrc" | ".jshintrc" | ".swcrc" => {
            Language::Json
        }
        ".clang-format" | ".clang-tidy" | ".clangd" | ".prettierrc" | ".yamllint" | "pubspec.lock" => Language::Yaml,
        "README" | "CHANGELOG" | "CONTRIBUTING" => Language::Markdown,
        _ => return None,
    })
}

/// The interpreter of a `#!` line.
fn by_first_line(text: &str) -> Option<Language> {
    let line = text.strip_prefix('\u{feff}').unwrap_or(text).strip_prefix("#!")?;
    let line = line.lines().next().unwrap_or_default();
    let line = line.get(..200).unwrap_or(line);
    let mut words = line.split_whitespace();
    let mut program = words.next()?.rsplit('/').next()?;
    if program == "env" {
        program = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        program = program.rsplit('/').next()?;
    }
    let bare = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    Some(match bare {
        "sh" | "bash" | "zsh" | "ksh" | "dash" | "ash" | "bats" => Language::Bash,
        "python" | "pypy" => Language::Python,
        "node" | "nodejs" | "bun" => Language::JavaScript,
        "deno" | "ts-node" | "tsx" => Language::TypeScript,
        "ruby" | "jruby" => Language::Ruby,
        "php" => Language::Php,
        "lua" | "luajit" => Language::Lua,
        "elixir" => Language::Elixir,
        "runghc" | "runhaskell" | "stack" => Language::Haskell,
        "scala" | "scala-cli" | "amm" => Language::Scala,
        "swift" => Language::Swift,
        "kotlin" | "kotlinc" => Language::Kotlin,
        "rust-script" | "cargo" => Language::Rust,
        _ => return None,
    })
}

/// Whether a header has a line that C would not.
fn looks_like_cpp(text: &str) -> bool {
    const STARTS: &[&str] = &[
        "class ",
        "namespace ",
        "template ",
        "template<",
        "using ",
        "public:",
        "private:",
        "protected:",
        "constexpr ",
        "inline namespace ",
        "enum class ",
        "explicit ",
        "virtual ",
        "friend ",
        "static constexpr ",
        "concept ",
    ];
    let mut end = text.len().min(64 * 1024);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].lines().map(str::trim_start).any(|line| {
        STARTS.iter().any(|start| line.starts_with(start))
            || !line.starts_with(['/', '*']) && (line.contains("std::") || line.contains("nullptr"))
            || is_cpp_include(line)
    })
}

/// `#include <vector>`: the standard headers of C++ have no extension.
fn is_cpp_include(line: &str) -> bool {
    let header = line.strip_prefix("#include").map(str::trim_start).and_then(|rest| rest.strip_prefix('<'));
    header.and_then(|rest| rest.split_once('>')).is_some_and(|(name, _)| !name.is_empty() && !name.contains(['.', '/']))
}
