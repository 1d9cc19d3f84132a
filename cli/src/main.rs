//! The `nootropic` command: a thin face on the crate of that name. Commands, options, help, completions and documents are
//! made from the capability registry.

mod args;
mod color;
mod commands;
mod exit;
mod faces;
mod interrupt;
mod output;
mod progress;
mod reference;
mod render;
mod run;
mod speaking;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|argument| argument == run::VERIFIER) {
        return run::verify_child(arguments.get(2));
    }
    run::run(&arguments)
}
