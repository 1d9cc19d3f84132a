//! Answers of models, shown as they come.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use nootropic::{Ask, Call, CancelToken, Chat, Complete, Conversation, Generated, ModelEvent};

use crate::color::Palette;
use crate::exit::Failure;
use crate::faces::Context;
use crate::output::{self, Format};
use crate::render;
use crate::terminal::{block, thousands};

/// One answer; or, on a terminal and without a message, a conversation.
pub(crate) fn chat(mut chat: Chat, context: &Context<'_>) -> Result<u8, Failure> {
    if chat.message.is_none() {
        if io::stdin().is_terminal() && context.format == Format::Human {
            return converse(&mut chat.open(context.call)?, context);
        }
        chat.message = Some(standard_input()?);
    }
    let message = chat.message.as_deref().unwrap_or_default();
    let mut conversation = chat.open(context.call)?;
    answer(context, context.call, |call, each| conversation.say(message, call, each))?;
    Ok(0)
}

/// Code at a place in a file.
pub(crate) fn complete(complete: &Complete, context: &Context<'_>) -> Result<u8, Failure> {
    answer(context, context.call, |call, each| complete.stream(call, each))?;
    Ok(0)
}

/// An answer about the repository, and what it stands on.
pub(crate) fn ask(ask: &Ask, context: &Context<'_>) -> Result<u8, Failure> {
    let repository = context.session.repository()?;
    if context.format != Format::Human {
        let answer = ask.stream(repository, context.call, &mut |_| {})?;
        output::print(&output::encode(&answer, context.format)?)?;
        return Ok(0);
    }
    let mut screen = Screen::of(context, context.call);
    let answer = ask.stream(repository, context.call, &mut |event| screen.show(event))?;
    if answer.answer.is_some() {
        screen.write("\n\n");
    }
    output::print(&render::answer(&answer, context.palette, context.terminal))?;
    Ok(0)
}

fn standard_input() -> Result<String, Failure> {
    /// Longer ones are no message.
    const LONGEST: u64 = 64 << 20;
    let mut text = String::new();
    let read = io::stdin().lock().take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| Failure::invalid(format!("cannot read a message from standard input: {error}"), None))?;
    match text.trim().is_empty() {
        true => Err(Failure::invalid("message: standard input says nothing", Some("nootropic chat \"a question\""))),
        false => Ok(text),
    }
}

/// What gives an answer, piece by piece.
type Say<'a> = dyn FnMut(&Call, &mut dyn FnMut(&ModelEvent)) -> nootropic::Result<Generated> + 'a;

/// Shows an answer: as it comes for people, as a whole for programs.
fn answer(
    context: &Context<'_>,
    call: &Call,
    mut ask: impl FnMut(&Call, &mut dyn FnMut(&ModelEvent)) -> nootropic::Result<Generated>,
) -> Result<Generated, Failure> {
    if context.format != Format::Human {
        let generated = ask(call, &mut |_| {})?;
        call.cancel.check().map_err(nootropic::Error::from)?;
        output::print(&output::encode(&generated, context.format)?)?;
        return Ok(generated);
    }
    let generated = shown(context, call, &mut ask)?;
    call.cancel.check().map_err(nootropic::Error::from)?;
    Ok(generated)
}

fn shown(context: &Context<'_>, call: &Call, ask: &mut Say<'_>) -> Result<Generated, Failure> {
    let mut screen = Screen::of(context, call);
    let generated = ask(call, &mut |event| screen.show(event))?;
    screen.write("\n");
    Ok(generated)
}

/// Where an answer appears.
struct Screen<'a> {
    terminal: bool,
    palette: Palette,
    /// Whether thinking was shown last.
    dim: bool,
    cancel: &'a CancelToken,
}

impl<'a> Screen<'a> {
    fn of(context: &Context<'_>, call: &'a Call) -> Self {
        Self { terminal: context.terminal, palette: context.palette, dim: false, cancel: &call.cancel }
    }

    fn show(&mut self, event: &ModelEvent) {
        match event {
            ModelEvent::Text { text } => {
                if std::mem::take(&mut self.dim) {
                    self.write("\n\n");
                }
                self.write(text);
            }
            // For people alone: a program wants the answer.
            ModelEvent::Reasoning { text } if self.terminal => {
                self.dim = true;
                let text = self.palette.dim(block(text));
                self.write_as_it_is(&text);
            }
            _ => {}
        }
    }

    fn write(&self, text: &str) {
        if self.terminal { self.write_as_it_is(&block(text)) } else { self.write_as_it_is(text) }
    }

    /// If nobody reads any more, there is nothing left to generate for.
    fn write_as_it_is(&self, text: &str) {
        let mut out = io::stdout().lock();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            self.cancel.cancel();
        }
    }
}

/// Asks and answers until the input ends. An interrupt stops an answer; between answers it ends the conversation.
fn converse(conversation: &mut Conversation, context: &Context<'_>) -> Result<u8, Failure> {
    context.interrupts.cancel(None);
    output::print(&context.palette.dim("Ctrl-C stops an answer, Ctrl-D ends the conversation."))?;
    loop {
        let mut prompt = io::stderr();
        let _ = write!(prompt, "{} ", context.palette.hint(">")).and_then(|()| prompt.flush());
        let mut message = String::new();
        match io::stdin().lock().read_line(&mut message) {
            Ok(0) | Err(_) => {
                output::print("\n")?;
                return Ok(0);
            }
            Ok(_) if message.trim().is_empty() => continue,
            Ok(_) => {}
        }
        let call = Call { cancel: CancelToken::new(), events: context.call.events.clone() };
        context.interrupts.cancel(Some(&call.cancel));
        let said = shown(context, &call, &mut |call, each| conversation.say(message.trim_end(), call, each));
        context.interrupts.cancel(None);
        match said {
            Ok(answer) => {
                let speed = format!(
                    "{} tokens, {:.0} ms to the first, {:.1} a second",
                    thousands(answer.usage.output_tokens as u64),
                    answer.first_token_ms,
                    answer.tokens_per_second
                );
                output::print(&context.palette.dim(speed))?;
            }
            // What was said does not fit, say: the conversation is as it was, and goes on.
            Err(failure) => failure.show(context.format, &context.palette),
        }
    }
}
