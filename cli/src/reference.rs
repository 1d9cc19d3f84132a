//! The reference of the command, as Markdown, made from the registry and the table of settings.

use nootropic::config::SETTINGS;
use nootropic::{Argument, Capability, Error, Registry, ValueKind};

use crate::args::{self, sentence};
use crate::exit::CODES;

/// `docs/cli.md`.
pub(crate) fn markdown(registry: &Registry) -> Result<String, Error> {
    let mut text = String::from(HEAD);
    for capability in registry.iter() {
        command(&mut text, capability)?;
    }
    text.push_str(COMMON);
    text.push_str("\n## Exit codes\n\n| code | kind | meaning |\n|---|---|---|\n| 0 | | done |\n");
    text.push_str("| 1 | | `doctor` found fault; its report is on standard output |\n");
    for (kind, code, meaning) in CODES {
        text.push_str(&format!("| {code} | `{kind}` | {meaning} |\n"));
    }
    text.push_str(SETTINGS_HEAD);
    for setting in SETTINGS {
        let default = setting.get(&nootropic::Config::default());
        let who = if setting.in_repository { "yes" } else { "no" };
        text.push_str(&format!(
            "| `{}` | `{}` | {who} | `{default}` | {} |\n",
            setting.key,
            setting.variable(),
            setting.about
        ));
    }
    Ok(text)
}

const HEAD: &str = "\
# The command line

<!-- Made by `nootropic guide --reference`; a test keeps it in step with the program. -->

The repository is `--repo DIR` (or `index DIR`), else the nearest folder upward that holds `.nootropic`, else the nearest
that holds `.git`, else the current one. What is found upward has to belong to you or to root: somebody else's is refused
until it is named.

With `--json` or `--yaml` a result is data on standard output, and an error is
`{\"error\":{\"kind\",\"message\",\"hint\"}}` on standard error; a warning is `{\"warning\":{…}}` there.

At an interrupt (Ctrl-C) or SIGTERM, `index`, `watch`, `search`, `map`, `pack`, `symbols`, `backup`, `models pull` and
`models quantize` stop in order: what was committed or fetched stays, and the next run goes on from there; a second one ends the
process at once. The other commands end at the first one: they only read, or what they write takes its place in one step. Either
way the exit code is 130, except that being interrupted is how `watch` ends.
";

const COMMON: &str = "
## Options of every command

| option | meaning |
|---|---|
| `--repo DIR` | the repository's folder; or set `NOOTROPIC_REPO` |
| `--json`, `--yaml` | write the result as data |
| `--color auto\\|always\\|never` | when to use colour; `NO_COLOR` is honoured |
| `--set KEY=VALUE` | set a configuration value |
| `-q`, `--quiet` | show no progress |
| `-h`, `--help` | help: short with `-h`, long with `--help` |
";

const SETTINGS_HEAD: &str = "
## Settings

Flags (`--set key=value`) count more than variables, those more than the repository's `.nootropic.toml` (or
`nootropic.toml`), that more than the user's file (`~/.config/nootropic/config.toml`, or `$NOOTROPIC_CONFIG`). A repository's
file comes from whoever wrote the repository, so it may only set what can do no harm. A key that does not exist is an error
that says where it stands. `nootropic config show` says where each value came from.

| key | variable | repository may set it | default | meaning |
|---|---|---|---|---|
";

fn command(text: &mut String, capability: &Capability) -> Result<(), Error> {
    let arguments = capability.arguments()?;
    let name = capability.name.replace('.', " ");
    text.push_str(&format!("\n## `nootropic {name}{}`\n\n{}.\n", usage(&arguments), capability.summary));
    if let Some(details) = &capability.details {
        text.push_str(&format!("\n{details}\n"));
    }
    let mut shown = arguments.iter().filter(|argument| !argument.hidden).peekable();
    if shown.peek().is_some() {
        text.push_str("\n| argument | meaning |\n|---|---|\n");
    }
    for argument in shown {
        text.push_str(&format!("| {} | {} |\n", spelled(argument), meaning(argument)));
    }
    let examples = args::examples(capability, &arguments);
    if !examples.is_empty() {
        text.push_str(&format!(
            "\n```sh\n{}\n```\n",
            examples.lines().map(str::trim_start).collect::<Vec<_>>().join("\n")
        ));
    }
    Ok(())
}

fn usage(arguments: &[Argument]) -> String {
    let positional = arguments.iter().filter(|argument| argument.positional.is_some());
    positional
        .map(|argument| {
            let name = value_name(argument);
            let many = if argument.many { "…" } else { "" };
            if argument.required { format!(" {name}{many}") } else { format!(" [{name}{many}]") }
        })
        .collect()
}

fn value_name(argument: &Argument) -> String {
    argument.value_name.clone().unwrap_or_else(|| argument.name.to_uppercase())
}

fn spelled(argument: &Argument) -> String {
    let value = match argument.value {
        ValueKind::Flag => String::new(),
        _ => format!(" {}", value_name(argument)),
    };
    match (argument.positional, argument.short) {
        (Some(_), _) => format!("`{}`", value_name(argument)),
        (None, Some(short)) => format!("`-{short}`, `--{}{value}`", argument.name.replace('_', "-")),
        (None, None) => format!("`--{}{value}`", argument.name.replace('_', "-")),
    }
}

fn meaning(argument: &Argument) -> String {
    let mut text = sentence(&argument.help).replace('|', "\\|");
    if let ValueKind::Choice(words) = &argument.value {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        text.push_str(&format!(": {}", words.join(", ")));
    }
    if argument.many && argument.positional.is_none() {
        text.push_str("; may be given several times");
    }
    match &argument.default {
        Some(default) if default.is_string() || default.is_number() => text.push_str(&format!("; default {default}")),
        _ => {}
    }
    text
}
