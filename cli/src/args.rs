//! The command line, made from the registry; and what was typed, made into a command's input.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, Styles, ValueParser, styling};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use nootropic::context::search::is_filter;
use nootropic::{Argument, Capability, CapabilityKind, Error, Registry, ValueKind};
use serde_json::{Map, Value};

use crate::exit::{CODES, Failure};

/// The heading of what every command takes.
const COMMON: &str = "Options of every command";

/// Builds the whole command line.
pub(crate) fn build(registry: &Registry) -> Result<Command, Error> {
    let mut root = Command::new("nootropic")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Find anything in a repository: search, map and pack it, on this machine alone")
        .after_help("Begin with: nootropic search \"where is the configuration read?\"\nA short tour: nootropic guide")
        .after_long_help(format!(
            "Begin with: nootropic search \"where is the configuration read?\"\nA short tour: nootropic guide\n\n{}",
            exit_codes()
        ))
        .styles(styles())
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(common());
    for name in ORDER.iter().copied().chain(others(registry)) {
        let capability = registry.get(name)?;
        root = add(root, capability)?;
    }
    Ok(root)
}

/// The order of the help: what is used most comes first.
const ORDER: &[&str] = &[
    "search",
    "ask",
    "index",
    "map",
    "pack",
    "symbols",
    "watch",
    "status",
    "doctor",
    "verify",
    "backup",
    "restore",
    "compact",
    "chat",
    "complete",
    "embed",
    "models.list",
    "models.info",
    "models.pull",
    "models.quantize",
    "models.distill",
    "models.probe",
    "models.bench",
    "config.show",
    "list-capabilities",
    "guide",
    "completions",
];

/// What commands of two words have in common.
const GROUPS: &[(&str, &str)] =
    &[("models", "List model files, look into them, fetch them, make smaller ones, and time them")];

fn others(registry: &Registry) -> impl Iterator<Item = &str> {
    registry.of_kind(CapabilityKind::Command).map(|capability| capability.name.as_str()).filter(|n| !ORDER.contains(n))
}

fn add(root: Command, capability: &Capability) -> Result<Command, Error> {
    let Some((group, name)) = capability.name.split_once('.') else {
        return Ok(root.subcommand(subcommand(&capability.name, capability)?));
    };
    let inner = subcommand(name, capability)?;
    if root.find_subcommand(group).is_some() {
        return Ok(root.mut_subcommand(group, |command| command.subcommand(inner)));
    }
    let about = GROUPS.iter().find(|(name, _)| *name == group).map_or(capability.summary.as_str(), |(_, about)| *about);
    let group =
        Command::new(group.to_owned()).about(about.to_owned()).subcommand_required(true).arg_required_else_help(true);
    Ok(root.subcommand(group.subcommand(inner)))
}

fn subcommand(name: &str, capability: &Capability) -> Result<Command, Error> {
    let arguments = capability.arguments()?;
    let last = arguments.iter().filter(|a| a.positional.is_some()).count();
    let mut command = Command::new(name.to_owned()).about(capability.summary.clone());
    if let Some(details) = &capability.details {
        command = command.long_about(format!("{}\n\n{details}", capability.summary));
    }
    let examples = examples(capability, &arguments);
    if !examples.is_empty() {
        command = command.after_help(format!("Examples:\n{examples}"));
    }
    Ok(command.args(arguments.iter().map(|argument| arg(argument, last))))
}

/// Whether the words that follow belong to it too: then a question needs no quotes.
fn takes_the_rest(argument: &Argument, last: usize) -> bool {
    argument.rest
        && argument.positional.is_some_and(|place| place as usize == last)
        && argument.value == ValueKind::Text
        && !argument.many
}

fn arg(argument: &Argument, last: usize) -> Arg {
    let mut arg =
        Arg::new(argument.name.clone()).help(help(argument)).required(argument.required).hide(argument.hidden);
    match argument.positional {
        Some(place) => arg = arg.index(place as usize),
        None => arg = arg.long(argument.name.replace('_', "-")),
    }
    if let Some(short) = argument.short {
        arg = arg.short(short);
    }
    if argument.value == ValueKind::Flag {
        return arg.action(ArgAction::SetTrue);
    }
    arg = arg.value_parser(parser(argument)).value_hint(match argument.complete.as_deref() {
        Some("dir") => ValueHint::DirPath,
        Some("file") => ValueHint::FilePath,
        Some("path") => ValueHint::AnyPath,
        _ => ValueHint::Other,
    });
    arg = arg.value_name(argument.value_name.clone().unwrap_or_else(|| argument.name.to_uppercase()));
    if takes_the_rest(argument, last) {
        arg = arg.num_args(1..).action(ArgAction::Append);
    } else if argument.many {
        arg = arg.action(ArgAction::Append);
        if argument.positional.is_some() {
            arg = arg.num_args(0..);
        }
    }
    arg
}

fn parser(argument: &Argument) -> ValueParser {
    match &argument.value {
        ValueKind::Integer { min, max } => {
            value_parser!(i64).range(min.unwrap_or(i64::MIN)..=max.unwrap_or(i64::MAX)).into()
        }
        ValueKind::Number => value_parser!(f64).into(),
        ValueKind::Choice(words) => {
            let words = words.iter().map(|(word, help)| PossibleValue::new(word.clone()).help(sentence(help)));
            PossibleValuesParser::new(words).into()
        }
        _ => value_parser!(OsString),
    }
}

/// The doc comment, with the default.
fn help(argument: &Argument) -> String {
    let mut help = sentence(&argument.help);
    match &argument.default {
        None | Some(Value::Null | Value::Bool(_) | Value::Array(_)) => {}
        Some(Value::String(word)) => help.push_str(&format!(" [default: {word}]")),
        Some(value) => help.push_str(&format!(" [default: {value}]")),
    }
    help
}

/// A doc comment without its line breaks and full stop.
pub(crate) fn sentence(doc: &str) -> String {
    let text = doc.split_whitespace().collect::<Vec<_>>().join(" ");
    text.strip_suffix('.').map(str::to_owned).unwrap_or(text)
}

/// The examples of a command, as they are typed.
pub(crate) fn examples(capability: &Capability, arguments: &[Argument]) -> String {
    let mut text = String::new();
    for example in &capability.examples {
        text.push_str(&format!("  # {}\n  nootropic {}", example.title, capability.name.replace('.', " ")));
        let given = |argument: &&Argument| example.input.get(&argument.name).is_some();
        for argument in arguments.iter().filter(given) {
            for word in words(argument, example.input.get(&argument.name).unwrap_or(&Value::Null)) {
                text.push(' ');
                text.push_str(&quoted(&word));
            }
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

fn words(argument: &Argument, value: &Value) -> Vec<String> {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let flag = match argument.short {
        Some(short) => format!("-{short}"),
        None => format!("--{}", argument.name.replace('_', "-")),
    };
    let values = match value {
        Value::Array(values) => values.iter().map(shown).collect(),
        Value::Bool(true) => return vec![flag],
        value => vec![shown(value)],
    };
    match argument.positional {
        Some(_) => values,
        None => values.into_iter().flat_map(|value| [flag.clone(), value]).collect(),
    }
}

fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "-_./=:".contains(c);
    if word.chars().all(harmless) { word.to_owned() } else { format!("\"{word}\"") }
}

fn common() -> [Arg; 7] {
    let arg =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help).help_heading(COMMON).global(true);
    let flag = |name, help| arg(name, help).action(ArgAction::SetTrue);
    [
        arg("repo", "The repository's folder, if not the one we stand in")
            .value_name("DIR")
            .value_hint(ValueHint::DirPath)
            .value_parser(value_parser!(PathBuf)),
        flag("json", "Write the result as one JSON object, an error likewise on standard error").conflicts_with("yaml"),
        flag("yaml", "Write the result as YAML"),
        arg("color", "When to use colour [default: auto]").value_name("WHEN").value_parser(["auto", "always", "never"]),
        arg("set", "Set a configuration value, as `config show` lists them")
            .value_name("KEY=VALUE")
            .action(ArgAction::Append),
        flag("quiet", "Show no progress").short('q'),
        Arg::new("no-progress").long("no-progress").hide(true).global(true).action(ArgAction::SetTrue),
    ]
}

/// The table of exit codes, for the long help.
pub(crate) fn exit_codes() -> String {
    let mut text = String::from("Exit codes:\n    0  done\n    1  `doctor` found fault\n");
    for (kind, code, meaning) in CODES {
        text.push_str(&format!("  {code:>3}  {meaning} ({kind})\n"));
    }
    text.trim_end().to_owned()
}

fn styles() -> Styles {
    Styles::styled()
        .header(styling::AnsiColor::Green.on_default().bold())
        .usage(styling::AnsiColor::Green.on_default().bold())
        .literal(styling::AnsiColor::Cyan.on_default().bold())
        .placeholder(styling::AnsiColor::Cyan.on_default())
}

/// The capability that was chosen, and its arguments.
pub(crate) fn chosen(matches: &ArgMatches) -> Option<(String, &ArgMatches)> {
    let (name, inner) = matches.subcommand()?;
    match inner.subcommand() {
        Some((second, inner)) => Some((format!("{name}.{second}"), inner)),
        None => Some((name.to_owned(), inner)),
    }
}

/// Lets a question begin with `-`: a filter such as `-path:tests`, and a text with a space that names no option, get a
/// space in front, with which no option begins. [`input`] takes it away again.
pub(crate) fn set_apart(root: &Command, arguments: &[OsString]) -> Vec<OsString> {
    let chosen = arguments.iter().skip(1).find_map(|argument| root.find_subcommand(argument));
    let Some(command) = chosen.filter(|command| command.get_positionals().any(takes_words)) else {
        return arguments.to_vec();
    };
    let is_option = |text: &str| match text.strip_prefix("--") {
        Some(long) => {
            let name = long.split('=').next();
            command.get_arguments().chain(root.get_arguments()).any(|arg| arg.get_long() == name)
                || name == Some("help")
        }
        None => text.chars().nth(1).is_some_and(|short| {
            command.get_arguments().chain(root.get_arguments()).any(|arg| arg.get_short() == Some(short))
                || short == 'h'
        }),
    };
    let is_question = |text: &&str| {
        let mut words = text.split_whitespace();
        text.starts_with('-') && (words.next().is_some_and(is_filter) || words.next().is_some() && !is_option(text))
    };
    let mut closed = false;
    let apart = |argument: &OsString| {
        closed |= argument == "--";
        match argument.to_str().filter(is_question) {
            Some(text) if !closed => format!(" {text}").into(),
            _ => argument.clone(),
        }
    };
    arguments.iter().map(apart).collect()
}

/// Whether an argument is a question, as [`takes_the_rest`] made it.
fn takes_words(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|values| values.min_values() > 0 && values.max_values() > 1)
}

/// What was typed, as the input of a command.
pub(crate) fn input(capability: &Capability, matches: &ArgMatches) -> Result<Value, Failure> {
    let arguments = capability.arguments().map_err(Error::from)?;
    let last = arguments.iter().filter(|a| a.positional.is_some()).count();
    let mut input = Map::new();
    for argument in &arguments {
        let mut values = values(argument, matches)?;
        let value = if takes_the_rest(argument, last) {
            let typed = |word| match str::strip_prefix(word, ' ') {
                Some(apart) if apart.starts_with('-') => apart,
                _ => word,
            };
            let words: Vec<_> = values.iter().filter_map(Value::as_str).map(typed).collect();
            (!values.is_empty()).then(|| Value::String(words.join(" ")))
        } else if argument.many {
            (!values.is_empty()).then_some(Value::Array(values))
        } else {
            values.pop()
        };
        if let Some(value) = value {
            input.insert(argument.name.clone(), value);
        }
    }
    Ok(Value::Object(input))
}

fn values(argument: &Argument, matches: &ArgMatches) -> Result<Vec<Value>, Failure> {
    let name = argument.name.as_str();
    Ok(match &argument.value {
        ValueKind::Flag => {
            if matches.get_flag(name) {
                vec![Value::Bool(true)]
            } else {
                Vec::new()
            }
        }
        ValueKind::Integer { .. } => {
            matches.get_many::<i64>(name).into_iter().flatten().map(|n| Value::from(*n)).collect()
        }
        ValueKind::Number => matches.get_many::<f64>(name).into_iter().flatten().map(|n| Value::from(*n)).collect(),
        ValueKind::Choice(_) => {
            matches.get_many::<String>(name).into_iter().flatten().map(|w| Value::from(w.clone())).collect()
        }
        kind => {
            let given = matches.get_many::<OsString>(name).into_iter().flatten();
            given.map(|text| text_value(argument, kind, text)).collect::<Result<_, _>>()?
        }
    })
}

fn text_value(argument: &Argument, kind: &ValueKind, text: &OsString) -> Result<Value, Failure> {
    let name = &argument.name;
    let Some(text) = text.to_str() else {
        let hint = argument.complete.as_ref().map(|_| "a folder whose name is not UTF-8 can be named with --repo");
        return Err(Failure::invalid(format!("{name}: {} is not UTF-8", text.to_string_lossy()), hint));
    };
    match kind {
        ValueKind::Json => serde_json::from_str(text)
            .map_err(|error| Failure::invalid(format!("{name}: {error}"), Some("JSON is needed"))),
        _ => Ok(Value::from(text)),
    }
}
