//! From what was typed to an exit code.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::ArgMatches;
use clap::error::ErrorKind as ClapKind;
use nootropic::config::ColorChoice;
use nootropic::{Call, Registry, Session, VerifierCommand};

use crate::color::Palette;
use crate::exit::{Failure, code};
use crate::faces::{self, Context};
use crate::interrupt::Interrupts;
use crate::output::Format;
use crate::progress::Reporter;
use crate::{args, commands};

/// Commands that need no repository.
const WITHOUT: &[&str] = &["guide", "completions", "list-capabilities"];
/// The first argument of the process that checks a store; only we start it.
pub(crate) const VERIFIER: &str = "__verify-store";

/// Runs the command line.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let format = wanted_format(arguments);
    match parse_and_run(arguments, format) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.show(format, &Palette::new(wanted_color(arguments), &std::io::stderr()));
            ExitCode::from(code(failure.kind))
        }
    }
}

fn parse_and_run(arguments: &[OsString], format: Format) -> Result<u8, Failure> {
    let registry = commands::registry()?;
    let command = args::build(&registry)?.color(match wanted_color(arguments) {
        ColorChoice::Auto => clap::ColorChoice::Auto,
        ColorChoice::Always => clap::ColorChoice::Always,
        ColorChoice::Never => clap::ColorChoice::Never,
    });
    let arguments = args::set_apart(&command, arguments);
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return not_parsed(&error, format),
    };
    let Some((name, inner)) = args::chosen(&matches) else {
        return Err(Failure::invalid("no command was given", Some("nootropic --help")));
    };
    let capability = registry.get(&name).map_err(nootropic::Error::from)?;
    let input = args::input(capability, inner)?;
    // A mistake in the configuration is the command's to report.
    let dir = input.get("dir").and_then(serde_json::Value::as_str).map(Path::new);
    let session = Session::new(repository(inner, dir.is_some()), settings(inner)?)
        .with_verifier(verifier())
        .with_typed_commands();
    let output = if WITHOUT.contains(&name.as_str()) { None } else { session.repository_at(dir).ok() };
    let output = output.map_or_else(Default::default, |repository| repository.config().output.clone());
    let quiet = inner.get_flag("quiet") || inner.get_flag("no-progress");
    let notes = Palette::new(output.color, &std::io::stderr());
    let reporter = Arc::new(Reporter::new(format, notes, output.progress && !quiet));
    let call = Call::reporting(Arc::clone(&reporter) as Arc<dyn nootropic::EventSink>);
    let interrupts = Interrupts::install(&name, &call.cancel, format, notes);
    let context = Context {
        session: &session,
        call: &call,
        interrupts,
        format,
        palette: Palette::new(output.color, &std::io::stdout()),
        terminal: std::io::stdout().is_terminal(),
    };
    let done = faces::run(&name, input, &context)?;
    describe(&registry, &session, &name);
    Ok(done)
}

/// Help and version are no errors; the rest is one of ours.
fn not_parsed(error: &clap::Error, format: Format) -> Result<u8, Failure> {
    match error.kind() {
        ClapKind::DisplayHelp | ClapKind::DisplayVersion => {
            // A reader that has gone away (`--help | head`) is no failure.
            let _ = error.print();
            Ok(0)
        }
        _ if format == Format::Human => {
            let _ = error.print();
            Ok(2)
        }
        ClapKind::DisplayHelpOnMissingArgumentOrSubcommand | ClapKind::MissingSubcommand => {
            Err(Failure::invalid("a command is needed", Some("`nootropic --help` lists them")))
        }
        _ => {
            let text = error.render().to_string();
            let message = text.strip_prefix("error: ").unwrap_or(&text);
            let message = message.split("\n\n").next().unwrap_or(message);
            let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
            Err(Failure::invalid(message, Some("`nootropic --help` says what can be typed")))
        }
    }
}

/// The repository that is named; the variable only counts where nothing is.
fn repository(matches: &ArgMatches, named: bool) -> Option<PathBuf> {
    let variable = || std::env::var_os("NOOTROPIC_REPO").filter(|dir| !dir.is_empty() && !named).map(PathBuf::from);
    matches.get_one::<PathBuf>("repo").cloned().or_else(variable)
}

fn settings(matches: &ArgMatches) -> Result<Vec<(String, String)>, Failure> {
    let mut settings = Vec::new();
    for given in matches.get_many::<String>("set").into_iter().flatten() {
        let (key, value) = given.split_once('=').ok_or_else(|| {
            Failure::invalid(
                format!("--set {given}: `KEY=VALUE` is needed"),
                Some("e.g. --set index.exclude='*.gen.rs'"),
            )
        })?;
        settings.push((key.trim().to_owned(), value.to_owned()));
    }
    if let Some(color) = matches.get_one::<String>("color") {
        settings.push(("output.color".into(), color.clone()));
    }
    Ok(settings)
}

/// What was asked for, known before anything is parsed so that a mistake is reported in that form.
fn wanted_format(arguments: &[OsString]) -> Format {
    let mut flags = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    match flags.find(|argument| *argument == "--json" || *argument == "--yaml") {
        Some(flag) if flag == "--json" => Format::Json,
        Some(_) => Format::Yaml,
        None => Format::Human,
    }
}

fn wanted_color(arguments: &[OsString]) -> ColorChoice {
    let mut before = None;
    for argument in arguments.iter().take_while(|argument| *argument != "--").filter_map(|argument| argument.to_str()) {
        let value = argument.strip_prefix("--color=").or_else(|| (before == Some("--color")).then_some(argument));
        match value {
            Some("always") => return ColorChoice::Always,
            Some("never") => return ColorChoice::Never,
            _ => before = Some(argument),
        }
    }
    ColorChoice::Auto
}

fn verifier() -> Option<VerifierCommand> {
    let program = std::env::current_exe().ok()?;
    Some(VerifierCommand { program, args: vec![VERIFIER.into()] })
}

/// The process that checks a store after an unclean shutdown: damage may end it, and nothing else.
pub(crate) fn verify_child(dir: Option<&OsString>) -> ExitCode {
    let Some(dir) = dir else { return ExitCode::from(2) };
    let checked = nootropic::context::store::verify_mapped(Path::new(dir));
    match checked.and_then(|report| report.into_result(Path::new(dir))) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{}", nootropic::chain(&error));
            ExitCode::from(code(error.kind()))
        }
    }
}

/// Commands that bring `describe-registry.json` up to date; the others leave it as it is.
const DESCRIBING: &[&str] = &["index", "list-capabilities", "watch"];
const REGISTRY_FILE: &str = "describe-registry.json";

/// Keeps the registry's file in the cache. A cache that cannot be written is no reason to fail.
fn describe(registry: &Registry, session: &Session, command: &str) {
    let Some(repository) = session.opened() else { return };
    let layout = repository.layout();
    let missing = || layout.store().is_dir() && !layout.cache.join(REGISTRY_FILE).exists();
    if (DESCRIBING.contains(&command) || missing())
        && let Ok(json) = registry.to_json()
    {
        let _ = layout.write_cached(REGISTRY_FILE, &json);
    }
}
