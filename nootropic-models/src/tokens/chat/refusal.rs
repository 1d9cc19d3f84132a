//! What is refused of a template before it is parsed, because it could overflow the stack, which would end the process: expressions that
//! nest without end, and namespaces that are used as values. They are the only values that change, and so the only ones that could come to
//! hold themselves; whoever shows such a value never ends.

use std::collections::HashSet;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

const NAMESPACE: &str = "namespace";

/// The longest tag, in tokens: each may be an operator whose operand is what the others make. The longest known have some hundred.
const LONGEST_TAG: usize = 4096;

/// Why a template is refused: for a tag that is too long, or for a namespace that is more than a name with parts. Each must be made by
/// `set name = namespace(…)`, and then be read and set by its parts, `name.part`, alone: so none can lie in another, nor in itself.
///
/// Mistakes in the language are for its own parser to tell.
pub(super) fn refusal(source: &str, syntax: &SyntaxConfig) -> Option<String> {
    let tokens: Vec<Token<'_>> =
        tokenize(source, false, syntax.clone()).map_while(Result::ok).map(|(token, _)| token).collect();
    let is_end = |token: &Token<'_>| matches!(token, Token::BlockEnd | Token::VariableEnd);
    if tokens.split(is_end).any(|tag| tag.len() > LONGEST_TAG) {
        return Some(format!("has a tag of more than {LONGEST_TAG} words"));
    }
    let makes = |at: usize| match tokens.get(at.checked_sub(2)?..at + 2)? {
        [Token::Ident(name), Token::Assign, Token::Ident(NAMESPACE), Token::ParenOpen] => {
            let set = at.checked_sub(3).and_then(|before| tokens.get(before));
            // Nothing beside it, or it would be a part of what is made.
            let only = closing(&tokens, at + 1).is_some_and(|end| matches!(tokens.get(end + 1), Some(Token::BlockEnd)));
            (only && matches!(set, Some(Token::Ident("set")))).then_some(*name)
        }
        _ => None,
    };
    let names: HashSet<&str> = (0..tokens.len()).filter_map(makes).collect();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Ident(name) = token else { continue };
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        if matches!(before, Some(Token::Dot)) {
            continue; // a part of something, whatever it is called
        }
        if *name == NAMESPACE && makes(at).is_none() {
            return Some("makes a namespace without giving it a name, which could come to hold itself".into());
        }
        // Read or set by a part, or about to be something else.
        let is_harmless = matches!(
            tokens.get(at + 1..).unwrap_or_default(),
            [Token::Dot | Token::Assign, ..]
                | [Token::BracketOpen, Token::Str(_) | Token::String(_), Token::BracketClose, ..]
        );
        if names.contains(name) && !is_harmless {
            return Some(format!("uses the namespace `{name}` as a value, which could come to hold itself"));
        }
    }
    None
}

/// The parenthesis that closes the one at `open`.
fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::ParenOpen => depth += 1,
            Token::ParenClose if depth == 1 => return Some(at),
            Token::ParenClose => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_read_and_set_by_their_parts() {
        let syntax = SyntaxConfig::default();
        for fine in [
            "",
            "{% set ns = namespace(i=0, s='x') %}{% set ns.s = ns.s ~ m['ns'] ~ ns['i'] %}{{ ns.s }} ns",
            "{% set ns = namespace() %}{# ns #}{{ message.ns }}{% raw %}{{ ns }}{% endraw %}{{ 'ns' }}",
            "{% set found = 1 %}{% set ns = namespace(ns=0) %}{% set ns.i = f(ns=2) %}",
            "{% set space = namespace(found=false) %}{% if not found %}{% set space.found = true %}{% endif %}",
            "{{ this is no template",
        ] {
            assert_eq!(refusal(fine, &syntax), None, "{fine}");
        }
        for wrong in [
            "{% set ns = namespace() %}{% set ns.s = ns %}",
            "{% set ns = namespace() %}{% set ns.s = [ns] %}",
            "{% set ns = namespace() %}{% set ns.s = ns | list %}",
            "{% set ns = namespace() %}{% set other = ns %}",
            "{% set ns = namespace() %}{{ f(ns) }}",
            "{% set ns = namespace(inner=namespace()) %}",
            "{% set make = namespace %}",
            "{% set b = namespace(s=0), 1 %}{% set n = b[0] %}{% set n.s = n %}",
            "{% set b = namespace(s=0) | list %}",
            "{% set b = namespace(s=0) if x else y %}",
            "{% set ns = namespace() %}{{ ns[0] }}",
            "{% set ns, x = namespace(), 1 %}",
            "{% set x.y = namespace() %}",
            "{% with ns = namespace() %}{% endwith %}",
            &format!("{{{{ {}1 }}}}", "not ".repeat(LONGEST_TAG)),
            "{% raw %}{{ '{% endraw %}{% set ns = namespace() %}{% set ns.s = ns %}{# ' #}",
        ] {
            assert!(refusal(wrong, &syntax).is_some(), "{wrong}");
        }
    }
}
