//! Which language a file is taken for.

use super::*;

#[test]
fn every_language_is_known_by_its_extension_name_and_code() {
    for (language, path, text) in SAMPLES {
        assert_eq!(Language::detect(path, text), Some(language));
        assert_eq!(Language::detect(&format!("deep/er/{}", path.to_uppercase()), text), Some(language));
        assert_eq!(Language::from_name(language.name()), Some(language));
        assert_eq!(Language::from_code(language.code()), Some(language));
    }
    assert_eq!(Language::ALL.len(), SAMPLES.len());
    assert_eq!(Language::from_code(0), None);
    assert_eq!(Language::from_code(200), None);
    assert_eq!(Language::from_name("C++"), Some(Language::Cpp));
    assert_eq!(Language::from_name("golang"), Some(Language::Go));
    assert_eq!(Language::from_name("cobol"), None);
}

#[test]
fn files_without_an_extension_are_known_by_name_or_first_line() {
    let cases = [
        ("Gemfile", "", Some(Language::Ruby)),
        ("lib/Rakefile", "", Some(Language::Ruby)),
        ("home/.bashrc", "", Some(Language::Bash)),
        ("Cargo.lock", "", Some(Language::Toml)),
        ("Pipfile.lock", "", Some(Language::Json)),
        (".clang-format", "", Some(Language::Yaml)),
        ("Makefile", "all:\n\tmake x\n", None),
        ("LICENSE", "text", None),
        ("run", "#!/bin/sh\n", Some(Language::Bash)),
        ("run", "#!/usr/bin/env python3.12\n", Some(Language::Python)),
        ("run", "#!/usr/bin/env -S node --flag\n", Some(Language::JavaScript)),
        ("run", "#!/usr/bin/env FOO=1 ruby\n", Some(Language::Ruby)),
        ("run", "\u{feff}#!/usr/local/bin/lua5.4\r\n", Some(Language::Lua)),
        ("bin/setup.in", "#!/bin/bash\n", Some(Language::Bash)),
        ("run", "#!/usr/bin/perl\n", None),
        ("run", "#!", None),
        ("", "", None),
        (".", "", None),
        ("dir.rs/file", "text", None),
        ("types.d.ts", "", Some(Language::TypeScript)),
        ("build.gradle.kts", "", Some(Language::Kotlin)),
        ("photo.png", "", None),
    ];
    for (path, text, language) in cases {
        assert_eq!(Language::detect(path, text), language, "{path} {text:?}");
    }
}

#[test]
fn a_header_is_cpp_only_if_it_says_so() {
    let c = "#include <stdio.h>\n/* a class of its own */\nstruct a { int class_id; };\nint f(struct a *x);\n";
    assert_eq!(Language::detect("a.h", c), Some(Language::C));
    for cpp in
        ["namespace a {\n", "#include <vector>\n", "  template <class T>\n", "std::string name();\n", "public:\n"]
    {
        assert_eq!(Language::detect("a.h", cpp), Some(Language::Cpp), "{cpp}");
    }
}
