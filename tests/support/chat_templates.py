"""Chat templates that tests reduce to data."""

from __future__ import annotations

# Gemma 1 and 2, as in the tokenizer_config.json of google/gemma-2-2b-it.
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}"
    "{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)

# A system message goes into the first turn of the user, as in Gemma 3.
MERGED_SYSTEM = """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set first = messages[0]['content'] + '\n\n' -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set first = '' -%}
    {%- set turns = messages -%}
{%- endif -%}
{%- for message in turns -%}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '\n' + (first if loop.first else '') }}
    {{- message['content'] | trim }}{{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}
"""

# A turn of its own for the system, contents as they are, indented blocks.
CHATML = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""

# A system message that is there even where the chat has none.
DEFAULT_SYSTEM = (
    "{% if messages[0].role != 'system' %}<sys>Be kind.</sys>\n{% endif %}{% for m in messages %}"
    "{% if m.role == 'system' %}<sys>{{ m.content|trim }}</sys>\n{% elif m.role == 'user' %}"
    "[INST] {{ m.content }} [/INST]{% else %} {{ m.content|trim }}{{ eos_token }}{% endif %}"
    "{% endfor %}"
)
