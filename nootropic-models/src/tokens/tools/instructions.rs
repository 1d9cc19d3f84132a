//! Conversations in other words, for templates that take less than was said.

use nootropic_core::{Message, ToolCall, ToolSpec};
use serde_json::json;

/// The conversation for a template that knows nothing of tools: the system message tells of them, in Hermes' dialect, and calls
/// and answers are said by the model and the user.
pub(crate) fn without_tools(messages: &[Message], tools: &[ToolSpec]) -> Vec<Message> {
    let mut out: Vec<Message> = Vec::with_capacity(messages.len() + 1);
    let mut rest = messages;
    if !tools.is_empty() {
        let mut text = String::new();
        if let Some((Message::System { text: system }, others)) = messages.split_first() {
            text = format!("{system}\n\n");
            rest = others;
        }
        text.push_str(&of_tools(tools));
        out.push(Message::system(text));
    }
    for message in rest {
        match message {
            Message::Assistant { text, tool_calls } => {
                let calls: Vec<String> = tool_calls.iter().map(call).collect();
                let parts = std::iter::once(text.clone()).filter(|text| !text.is_empty()).chain(calls);
                out.push(Message::assistant(parts.collect::<Vec<_>>().join("\n")));
            }
            Message::Tool { text, .. } => {
                let answer = format!("<tool_response>\n{text}\n</tool_response>");
                match out.last_mut() {
                    Some(Message::User { text }) if text.ends_with("</tool_response>") => {
                        text.push('\n');
                        text.push_str(&answer);
                    }
                    _ => out.push(Message::user(answer)),
                }
            }
            other => out.push(other.clone()),
        }
    }
    out
}

fn of_tools(tools: &[ToolSpec]) -> String {
    let mut text = String::from("You may call these tools. Each is described by a JSON schema:\n<tools>\n");
    for tool in tools {
        let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.input.as_value()});
        text.push_str(&json!({"type": "function", "function": function}).to_string());
        text.push('\n');
    }
    text.push_str(
        "</tools>\nTo call one, answer with its name and arguments as a JSON object within these tags:\n\
         <tool_call>\n{\"name\": \"…\", \"arguments\": {…}}\n</tool_call>",
    );
    text
}

fn call(call: &ToolCall) -> String {
    format!("<tool_call>\n{}\n</tool_call>", json!({"name": call.name, "arguments": call.input}))
}

/// The conversation for a template that refuses system messages: the first user says it. `None` if there is none to say.
pub(crate) fn without_system(messages: &[Message]) -> Option<Vec<Message>> {
    let Some((Message::System { text: system }, rest)) = messages.split_first() else { return None };
    match rest.split_first() {
        Some((Message::User { text }, rest)) => {
            let first = Message::user(format!("{system}\n\n{text}"));
            Some(std::iter::once(first).chain(rest.iter().cloned()).collect())
        }
        _ => Some(std::iter::once(Message::user(system.clone())).chain(rest.iter().cloned()).collect()),
    }
}
