//! Each command with the way people read its result.

use nootropic::{
    Ask, Backup, Call, Chat, Command, Compact, Complete, ConfigShow, Doctor, Embed, Index, Map, ModelsBench,
    ModelsDistill, ModelsInfo, ModelsList, ModelsProbe, ModelsPull, ModelsQuantize, Pack, Restore, Search, Session,
    Status, Symbols, Verify, Watch,
};
use serde_json::Value;

use crate::color::Palette;
use crate::commands::{Completions, Guide, ListCapabilities};
use crate::exit::{FOUND_FAULT, Failure};
use crate::interrupt::Interrupts;
use crate::output::{self, Format};
use crate::render;
use crate::speaking;
use crate::terminal::block;

/// What a face needs to run a command and show its result.
pub(crate) struct Context<'a> {
    pub(crate) session: &'a Session,
    pub(crate) call: &'a Call,
    pub(crate) interrupts: Interrupts,
    pub(crate) format: Format,
    pub(crate) palette: Palette,
    /// Whether a person looks at standard output.
    pub(crate) terminal: bool,
}

/// Runs a command and shows its result; returns the exit code.
pub(crate) fn run(name: &str, input: Value, context: &Context<'_>) -> Result<u8, Failure> {
    match name {
        Index::NAME => context.show::<Index>(input, render::index),
        Search::NAME => search(input, context),
        Ask::NAME => speaking::ask(&read(input)?, context),
        Map::NAME => context.show_text::<Map>(input, |map| &map.text, render::no_map),
        Pack::NAME => context.show_text::<Pack>(input, |pack| &pack.text, render::no_pack),
        Symbols::NAME => context.show::<Symbols>(input, render::symbols),
        Watch::NAME => watch(input, context),
        Status::NAME => context.show::<Status>(input, render::status),
        Verify::NAME => {
            let report = context.run::<Verify>(input)?;
            context.print(&report, render::verify)?;
            Ok(if report.ok { 0 } else { crate::exit::code(nootropic::ErrorKind::Corrupt) })
        }
        Backup::NAME => context.show::<Backup>(input, render::backup),
        Restore::NAME => context.show::<Restore>(input, render::restore),
        Compact::NAME => context.show::<Compact>(input, render::compact),
        Doctor::NAME => {
            let report = context.run::<Doctor>(input)?;
            context.print(&report, render::doctor)?;
            Ok(if report.ok { 0 } else { FOUND_FAULT })
        }
        ModelsList::NAME => context.show::<ModelsList>(input, render::models),
        ModelsInfo::NAME => context.show::<ModelsInfo>(input, render::model),
        ModelsPull::NAME => context.show::<ModelsPull>(input, render::pulled),
        ModelsQuantize::NAME => context.show::<ModelsQuantize>(input, render::quantized),
        ModelsDistill::NAME => context.show::<ModelsDistill>(input, render::distilled),
        ModelsProbe::NAME => context.show::<ModelsProbe>(input, render::profile),
        ModelsBench::NAME => context.show::<ModelsBench>(input, render::bench),
        Chat::NAME => speaking::chat(read(input)?, context),
        Complete::NAME => speaking::complete(&read(input)?, context),
        Embed::NAME => context.show::<Embed>(input, render::embedded),
        ConfigShow::NAME => context.show::<ConfigShow>(input, render::config),
        ListCapabilities::NAME => context.show::<ListCapabilities>(input, render::capabilities),
        Guide::NAME => context.show::<Guide>(input, |guide, _| guide.text.clone()),
        Completions::NAME => context.show::<Completions>(input, |completions, _| completions.script.clone()),
        // A command that the crate gained and nobody drew yet is shown as data.
        name => {
            let output = nootropic::invoke(name, input, context.session, context.call)?;
            let format = if context.format == Format::Human { Format::Yaml } else { context.format };
            output::print(&output::encode(&output, format)?)?;
            Ok(0)
        }
    }
}

impl Context<'_> {
    fn run<C: Command>(&self, input: Value) -> Result<C::Output, Failure> {
        Ok(read::<C>(input)?.run(self.session, self.call)?)
    }

    fn print<O: serde::Serialize>(&self, output: &O, human: fn(&O, Palette) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Human => output::print(&human(output, self.palette))?,
            format => output::print(&output::encode(output, format)?)?,
        };
        Ok(())
    }

    fn show<C: Command>(&self, input: Value, human: fn(&C::Output, Palette) -> String) -> Result<u8, Failure> {
        self.print(&self.run::<C>(input)?, human)?;
        Ok(0)
    }

    /// Shows a text made of a repository's: as it is, for it may go to a file or a program; harmless, on a terminal. People are
    /// told why, if there is none.
    fn show_text<C: Command>(
        &self,
        input: Value,
        text: fn(&C::Output) -> &str,
        none: fn(&C::Output) -> String,
    ) -> Result<u8, Failure> {
        let output = self.run::<C>(input)?;
        match (self.format, self.terminal) {
            (Format::Human, _) if text(&output).is_empty() => output::print(&none(&output))?,
            (Format::Human, true) => output::print(&block(text(&output)))?,
            (Format::Human, false) => output::print(text(&output))?,
            (format, _) => output::print(&output::encode(&output, format)?)?,
        };
        Ok(0)
    }
}

fn read<C: serde::de::DeserializeOwned>(input: Value) -> Result<C, Failure> {
    serde_json::from_value(input).map_err(|error| Failure::invalid(error.to_string(), None))
}

fn search(input: Value, context: &Context<'_>) -> Result<u8, Failure> {
    let search: Search = read(input)?;
    let question = search.query.clone();
    let answer = search.run(context.session, context.call)?;
    match context.format {
        Format::Human => output::print(&render::search(&answer, &question, context.palette, context.terminal))?,
        format => output::print(&output::encode(&answer, format)?)?,
    };
    Ok(0)
}

/// Each update is shown as it happens: as data, one object a line or one document each.
fn watch(input: Value, context: &Context<'_>) -> Result<u8, Failure> {
    let watch: Watch = read(input)?;
    let mut gone = None;
    let mut each = |report: &nootropic::IndexReport| {
        let shown = match context.format {
            Format::Human => Ok(render::index(report, context.palette)),
            Format::Json => serde_json::to_string(report).map_err(|error| Failure::invalid(error.to_string(), None)),
            Format::Yaml => output::encode(report, Format::Yaml).map(|text| format!("---\n{text}")),
        };
        match shown.and_then(|text| output::print(&text)) {
            Ok(true) => {}
            // Nobody reads any more: there is nothing left to watch for.
            Ok(false) => context.call.cancel.cancel(),
            Err(failure) => {
                gone = Some(failure);
                context.call.cancel.cancel();
            }
        }
    };
    let repository = context.session.repository()?;
    if context.format == Format::Human && context.terminal {
        output::print(&context.palette.dim("Watching; Ctrl-C ends it."))?;
    }
    let report = repository.watch(&watch, context.call, &mut each)?;
    match (gone, context.format) {
        (Some(failure), _) => return Err(failure),
        (None, Format::Human) => output::print(&render::watched(&report, context.palette))?,
        (None, _) => true,
    };
    Ok(0)
}
