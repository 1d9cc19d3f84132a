//! What is taken out of a small file in every language.

use super::*;

/// Parses a sample and compares: every definition (`kind container > name first-last`), some uses (`name line`), every
/// comment.
pub(super) fn check(path: &str, text: &str, symbols: &str, references: &[&str], comments: &[&str]) {
    let parsed = parse(path, text, &ChunkOptions::default());
    let found: Vec<String> = parsed.symbols.iter().map(describe).collect();
    let expected: Vec<&str> = symbols.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(found, expected);
    let used: Vec<String> = parsed.references.iter().map(|used| format!("{} {}", used.name, used.line)).collect();
    for reference in references {
        assert!(used.iter().any(|used| used == reference), "{reference} is not among {used:?}");
    }
    let found: Vec<&str> =
        parsed.comments.iter().map(|bytes| &text[bytes.start as usize..bytes.end as usize]).collect();
    assert_eq!(found, comments);
    check_pieces(text, &parsed, &ChunkOptions::default());
}

fn describe(symbol: &Symbol) -> String {
    let container = symbol.container.as_ref().map(|path| format!("{path} > ")).unwrap_or_default();
    let Span { start_line, end_line, .. } = symbol.span;
    format!("{} {container}{} {start_line}-{end_line}", symbol.kind.as_str(), symbol.name)
}

#[test]
fn rust() {
    check(
        "rust.rs",
        include_str!("samples/rust.rs"),
        "
        constant LIMIT 7-7
        constant NAME 8-8
        macro session 10-14
        struct Session 18-20
        enum State 22-25
        trait Close 27-29
        method Close > close 28-28
        impl Wrapper 31-36
        method Wrapper > close 33-35
        impl Session 38-45
        method Session > new 41-44
        type Map 47-47
        module tests 49-53
        function tests > check 50-52
        ",
        &["Environment 4", "Clone 31", "shut_down 34", "assert_eq 51", "helper 51"],
        &["//! Keeps sessions.", "/// How many at most.", "/// One session.", "// Twice is fine.", "/// A new one."],
    );
}

#[test]
fn python() {
    check(
        "python.py",
        include_str!("samples/python.py"),
        "
        constant LIMIT 5-5
        class Session 9-23
        field Session > retries 12-12
        method Session > __init__ 14-16
        method Session > label 19-20
        class Session > Meta 22-23
        field Session.Meta > ordering 23-23
        function fetch 27-31
        function fetch > inner 29-30
        function late 35-36
        ",
        &["OrderedDict 3", "Base 9", "Name 14", "normalize 16", "get 31"],
        &[
            "\"\"\"Keeps sessions.\"\"\"",
            "\"\"\"One session.\"\"\"",
            "\"\"\"Opens it.\"\"\"",
            "# once",
            "# Follows redirects.",
        ],
    );
}

#[test]
fn typescript() {
    check(
        "typescript.ts",
        include_str!("samples/typescript.ts"),
        "
        interface Session 4-7
        method Session > close 6-6
        type Id 9-9
        enum State 11-14
        constant LIMIT 16-16
        function open 19-21
        class Pool 23-39
        field Pool > size 24-24
        method Pool > handler 25-27
        method Pool > constructor 29-31
        method Pool > label 34-36
        method Pool > drain 38-38
        module x 41-43
        function x > inside 42-42
        module Util > Text 45-49
        function Util.Text > trim 46-48
        function main 51-53
        ",
        &["Store 1", "Promise 19", "connect 20", "Base 23", "Closer 23", "drain 52"],
        &["/** One session. */", "// Opens one."],
    );
}

#[test]
fn tsx() {
    check(
        "tsx.tsx",
        include_str!("samples/tsx.tsx"),
        "
        type Props 3-3
        function Button 6-14
        function Button > toggle 8-8
        function Card 16-18
        ",
        &["useState 1", "Props 6", "Panel 10", "memo 16"],
        &["/* A button. */"],
    );
}

#[test]
fn javascript() {
    check(
        "javascript.js",
        include_str!("samples/javascript.js"),
        "
        variable app 8-8
        function create 10-12
        function app > listen 14-16
        method Router > route 18-20
        function main 22-22
        function close 24-24
        function helper 26-26
        function walk 28-30
        class Queue 32-37
        field Queue > items 33-33
        method Queue > of 34-36
        method render 41-43
        function load 44-44
        ",
        &["merge 11", "Layer 19", "Base 32", "fetch 44"],
        &["/**\n * The application.\n */", "// small"],
    );
}

#[test]
fn go() {
    check(
        "go.go",
        include_str!("samples/go.go"),
        "
        constant Limit 10-10
        constant open 13-13
        constant closed 14-14
        variable defaultPool 17-17
        struct Session 20-23
        interface Closer 26-28
        method Closer > Close 27-27
        type ID 29-29
        method Session > Close 32-34
        method Pool > Get 36-38
        function NewPool 40-43
        ",
        &["NewPool 17", "Store 22", "Flush 33", "Println 41"],
        &[
            "// Package session keeps sessions.",
            "// Limit is how many at most.",
            "// Session is one session.",
            "// loud",
        ],
    );
}

#[test]
fn java() {
    check(
        "java.java",
        include_str!("samples/java.java"),
        "
        class Sessions 7-37
        constant Sessions > LIMIT 9-9
        field Sessions > items 10-10
        method Sessions > Sessions 12-14
        method Sessions > close 17-21
        enum Sessions > State 23-30
        method Sessions.State > live 27-29
        interface Sessions > Visitor 32-34
        method Sessions.Visitor > visit 33-33
        struct Sessions > Point 36-36
        interface Marker 39-41
        method Marker > value 40-40
        ",
        &["List 3", "entry 4", "Base 8", "release 19", "Reaper 20", "Node 33"],
        &["/** Keeps sessions. */", "// Closes all."],
    );
}

#[test]
fn c() {
    check(
        "c.c",
        include_str!("samples/c.c"),
        "
        constant LIMIT 4-4
        macro MAX 5-5
        type session_t 8-11
        struct session 8-11
        struct pool 13-15
        enum state 17-17
        struct value 19-22
        type handler_t 24-24
        constant name 26-26
        function session_open 31-35
        function dump 38-41
        ",
        &["pool 10", "session_t 31", "pool_alloc 33", "printf 40"],
        &["/* One session. */", "// Opens one."],
    );
}

#[test]
fn cpp() {
    check(
        "cpp.cpp",
        include_str!("samples/cpp.cpp"),
        "
        module net 3-37
        module net > detail 4-20
        class net.detail > Session 8-18
        method net.detail.Session > Session 10-10
        method net.detail.Session > ~Session 11-11
        method net.detail.Session > close 12-12
        method net.detail.Session > operator== 13-13
        method net.detail.Session > id 14-14
        struct net > Point 22-24
        enum net > State 26-26
        type net > Ids 28-28
        constant net > kLimit 30-30
        function net > largest 33-35
        macro CHECK 39-42
        method net.detail.Session > id 44-46
        method net.Point > Point 48-48
        function main 50-52
        ",
        &["Base 8", "release 12", "vector 28", "max 34", "helper 45"],
        &["/// One session.", "// namespace detail", "// namespace net"],
    );
}

#[test]
fn csharp() {
    check(
        "csharp.cs",
        include_str!("samples/csharp.cs"),
        "
        module Example > Sessions 4-45
        class Example.Sessions > Session 7-30
        constant Example.Sessions.Session > Limit 10-10
        field Example.Sessions.Session > items 11-11
        method Example.Sessions.Session > Session 13-16
        field Example.Sessions.Session > Name 18-18
        method Example.Sessions.Session > CloseAsync 21-25
        field Example.Sessions.Session > Closed 27-27
        type Example.Sessions.Session > Handler 29-29
        interface Example.Sessions > ICloser 32-35
        method Example.Sessions.ICloser > Close 34-34
        enum Example.Sessions > State 37-37
        struct Example.Sessions > Point 39-39
        struct Example.Sessions > Pair 41-44
        field Example.Sessions.Pair > A 43-43
        ",
        &["Generic 2", "Base 8", "List 11", "Task 21", "ReleaseAsync 23", "Reaper 24", "EventHandler 27"],
        &["/// <summary>One session.</summary>", "// Closes it."],
    );
}

#[test]
fn ruby() {
    check(
        "ruby.rb",
        include_str!("samples/ruby.rb"),
        "
        module Sessions 4-35
        constant Sessions > LIMIT 5-5
        class Sessions > Session 7-28
        field Sessions.Session > id 9-9
        field Sessions.Session > name 9-9
        field Sessions.Session > pool 10-10
        method Sessions.Session > initialize 13-15
        method Sessions.Session > open 17-19
        method Sessions.Session > label 21-23
        method Sessions.Session > build 26-26
        class Sessions.Admin > Session 30-34
        method Sessions.Admin.Session > live? 31-33
        struct Point 37-37
        ",
        &["Base 7", "Comparable 8", "normalize 14", "Pool 32"],
        &["# Keeps sessions.", "# Opens one."],
    );
}

#[test]
fn php() {
    check(
        "php.php",
        include_str!("samples/php.php"),
        "
        module App > Sessions 3-3
        constant LIMIT 9-9
        class Session 14-33
        constant Session > STATE 19-19
        field Session > pool 20-20
        method Session > __construct 22-25
        method Session > close 28-32
        interface Closer 35-38
        method Closer > close 37-37
        trait Logs 40-43
        method Logs > log 42-42
        enum State 45-48
        function open_session 50-53
        ",
        &["Environment 5", "Base 15", "Closer 15", "Logs 17", "Pool 24", "release 30", "strtolower 52"],
        &["/**\n * One session.\n */", "// Closes it."],
    );
}

#[test]
fn swift() {
    check(
        "swift.swift",
        include_str!("samples/swift.swift"),
        "
        class Session 4-24
        field Session > limit 5-5
        field Session > name 6-6
        method Session > init 8-10
        method Session > close 13-15
        field Session > label 17-19
        method Session > deinit 21-23
        interface Closer 26-28
        method Closer > close 27-27
        struct Point 30-32
        field Point > x 31-31
        enum State 34-37
        impl Session 39-43
        method Session > == 40-42
        type Ids 45-45
        constant version 47-47
        function openSession 49-51
        class Worker 53-55
        method Worker > run 54-54
        ",
        &["Foundation 1", "Base 4", "release 14", "uppercased 18", "Session 50"],
        &["/// One session.", "// Closes it."],
    );
}

#[test]
fn kotlin() {
    check(
        "kotlin.kt",
        include_str!("samples/kotlin.kt"),
        "
        constant LIMIT 6-6
        class Session 9-22
        method Session > close 12-14
        field Session > label 16-17
        class Session > Companion 19-21
        method Session.Companion > open 20-20
        interface Closer 24-26
        method Closer > close 25-25
        class Pool 28-30
        field Pool > size 29-29
        enum State 32-35
        type Ids 37-37
        function shout 39-41
        class Shape 43-45
        class Shape > Circle 44-44
        ",
        &["Environment 4", "Base 10", "release 13", "UUID 20", "helper 40"],
        &["/** One session. */", "// Closes it."],
    );
}

#[test]
fn scala() {
    check(
        "scala.scala",
        include_str!("samples/scala.scala"),
        "
        class Session 6-15
        field Session > limit 7-7
        method Session > close 10-12
        type Session > Id 14-14
        class Session 17-19
        method Session > open 18-18
        trait Closer 21-23
        method Closer > close 22-22
        enum State 25-26
        function shout 29-29
        variable ordering 31-31
        ",
        &["Environment 3", "Base 6", "release 11", "by 31"],
        &["/** One session. */", "// Closes it."],
    );
}

#[test]
fn elixir() {
    check(
        "elixir.ex",
        include_str!("samples/elixir.ex"),
        "
        module Example > Session 1-32
        constant Example.Session > limit 8-8
        struct Example.Session > Session 10-10
        function Example.Session > open 14-17
        function Example.Session > close 20-20
        macro Example.Session > session 22-24
        macro Example.Session > is_open 26-26
        function Example.Session > size 27-27
        module Example.Session > Error 29-31
        struct Example.Session.Error > Error 30-30
        interface Closer 34-36
        method Closer > close 35-35
        impl Closer 38-40
        method Closer > close 39-39
        ",
        &["GenServer 5", "Store 15", "fetch 15", "normalize 16", "release 20", "Pool 27"],
        &["\"\"\"\n  One session.\n  \"\"\"", "\"Opens one.\"", "# Closed twice is fine."],
    );
}

#[test]
fn haskell() {
    check(
        "haskell.hs",
        include_str!("samples/haskell.hs"),
        "
        module Example > Session 3-6
        struct Session 12-15
        struct Id 17-17
        type Ids 19-19
        trait Closer 21-22
        method Closer > close 22-22
        impl Closer 24-25
        method Closer > close 25-25
        function open 29-30
        function limit 33-33
        struct State 35-36
        ",
        &["sortBy 9", "String 14", "release 25", "normalize 30"],
        &["-- | Keeps sessions.", "-- | One session.", "-- Opens one."],
    );
}

#[test]
fn lua() {
    check(
        "lua.lua",
        include_str!("samples/lua.lua"),
        "
        variable M 4-4
        variable M > limit 5-5
        function M > open 8-10
        method M > close 12-14
        function helper 16-18
        function M > label 20-22
        function shout 24-24
        function global 26-26
        ",
        &["fetch 9", "release 13", "helper 21"],
        &["--- Keeps sessions.", "-- Opens one."],
    );
}

#[test]
fn zig() {
    check(
        "zig.zig",
        include_str!("samples/zig.zig"),
        "
        constant Allocator 3-3
        constant limit 6-6
        struct Session 9-20
        method Session > init 12-14
        method Session > close 17-19
        enum State 22-22
        struct Value 24-24
        function main 26-28
        function opens 30-32
        ",
        &["Allocator 12", "open 13", "release 18", "print 27"],
        &["//! Keeps sessions.", "/// How many at most.", "/// One session.", "// Closes it."],
    );
}

#[test]
fn bash() {
    check(
        "bash.sh",
        include_str!("samples/bash.sh"),
        "
        constant LIMIT 6-6
        variable NAME 7-7
        variable count 8-8
        function open_session 11-14
        function close_session 16-18
        ",
        &["fetch_session 13", "normalize 13", "open_session 20"],
        &["#!/usr/bin/env bash", "# Keeps sessions.", "# Opens one."],
    );
}

#[test]
fn markdown() {
    check(
        "markdown.md",
        include_str!("samples/markdown.md"),
        "
        heading Sessions 2-24
        heading Sessions > Open 6-17
        heading Sessions.Open > Flags 14-17
        heading Sessions > Close 19-24
        ",
        &[],
        &[],
    );
}

#[test]
fn toml() {
    check(
        "toml.toml",
        include_str!("samples/toml.toml"),
        "
        key name 2-2
        key package 4-6
        key package > version 5-5
        key package > authors 6-6
        key dependencies.serde 8-9
        key dependencies.serde > version 9-9
        key bin 11-12
        key bin > path 12-12
        ",
        &[],
        &["# Keeps sessions."],
    );
}

#[test]
fn yaml() {
    check(
        "yaml.yaml",
        include_str!("samples/yaml.yaml"),
        "
        key name 2-2
        key on 3-5
        key on > push 4-5
        key jobs 6-10
        key jobs > build 7-9
        key jobs > test 10-10
        key list 11-13
        ",
        &[],
        &["# Keeps sessions."],
    );
}

#[test]
fn json() {
    check(
        "json.json",
        include_str!("samples/json.json"),
        "
        key name 2-2
        key scripts 3-6
        key scripts > build 4-4
        key scripts > test 5-5
        key list 7-7
        ",
        &[],
        &[],
    );
}
