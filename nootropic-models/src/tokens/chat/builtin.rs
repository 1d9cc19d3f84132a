//! Templates for models whose files have none, chosen by the tokens they know.

use crate::tokens::Tokenizer;

const CHATML: &str = "\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const LLAMA3: &str = "\
{{- bos_token }}
{%- for message in messages %}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";

const MISTRAL: &str = "\
{{- bos_token }}
{%- set ns = namespace(system='') %}
{%- for message in messages %}
{%- if message.role == 'system' %}{% set ns.system = message.content + '\n\n' %}
{%- elif message.role == 'assistant' %}{{- ' ' + message.content | trim + eos_token }}
{%- else %}{{- '[INST] ' + ns.system + message.content + ' [/INST]' }}{% set ns.system = '' %}
{%- endif %}
{%- endfor %}";

const GEMMA: &str = "\
{{- bos_token }}
{%- set ns = namespace(system='') %}
{%- for message in messages %}
{%- if message.role == 'system' %}{% set ns.system = message.content | trim + '\n\n' %}
{%- else %}
{%- set role = 'model' if message.role == 'assistant' else 'user' %}
{{- '<start_of_turn>' + role + '\n' + ns.system + message.content | trim + '<end_of_turn>\n' }}
{%- set ns.system = '' %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}";

const PHI3: &str = "\
{%- for message in messages %}
{{- '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}";

/// The family's template, if the vocabulary shows which it is.
pub(super) fn template(tokenizer: &Tokenizer) -> Option<&'static str> {
    let has = |names: &[&str]| names.iter().all(|name| tokenizer.find(name).is_some());
    [
        (&["<|im_start|>", "<|im_end|>"][..], CHATML),
        (&["<|start_header_id|>", "<|eot_id|>"], LLAMA3),
        (&["<start_of_turn>", "<end_of_turn>"], GEMMA),
        (&["<|user|>", "<|assistant|>", "<|end|>"], PHI3),
        (&["[INST]", "[/INST]"], MISTRAL),
    ]
    .into_iter()
    .find(|(names, _)| has(names))
    .map(|(_, template)| template)
}
