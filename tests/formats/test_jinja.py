from __future__ import annotations

import jinja2
import jinja2.ext
import jinja2.lexer
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.vectors.build import vectors
from weighlock.errors import OverBudgetError
from weighlock.formats import chat_template, jinja, json_text
from weighlock.formats.source import Budget, BytesSource

# As transformers makes it.
ENVIRONMENT = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
TRICKY = [
    "{{ 1_000 // 3 ** 2 - 1.5e3 + .5 }}{{ 0x_f0 + 0b1 }}",
    "{{- 'it\\'s \\x41\\u00e9\\101\\N{BULLET}\\d' -}} text {{+ \"a\\\nb\" }}",
    "{% if a >= b != c %}{{ {'a': {'b': 1}}['a'] }}{%- endif +%}",
    "{#- '}} {{ a -#}{% raw %}{{ x['a'] }}{% endraw %}{%- raw -%} {% set %} {%- endraw -%}{{ b }}",
    "{{ '}}' ~ \"%}\" }}{% set x = '{{ y }}' %}\r\n{{ a\r\n|b }}",
    "{{ äöü }} {{ a.b[1:2].c(d=e, *f)|g('h') is not i }}",
    "{{ 'ü\\\u00fc' }}{{ x.0.1 }}",
]


def theirs(text):
    tags, current = [], None
    for token in ENVIRONMENT.lexer.tokenize(text):
        if token.type in {"block_begin", "variable_begin"}:
            current = []
        elif token.type in {"block_end", "variable_end"}:
            tags.append(current)
        elif token.type in jinja2.lexer.reverse_operators:
            current.append(("operator", jinja2.lexer.reverse_operators[token.type]))
        elif token.type != "data":
            current.append((token.type, token.value))
    return tags


def value(token):
    if token.kind == "integer":
        return int(token.text.replace("_", ""), 0)
    return float(token.text.replace("_", "")) if token.kind == "float" else token.text


def ours(text):
    template = jinja.parse(text)
    assert template.broken is None
    return [[(token.kind, value(token)) for token in tag.tokens] for tag in template.tags]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("text", TRICKY)
def test_tokens_are_those_of_jinja(text):
    assert ours(text) == theirs(text)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tokens_of_all_vectors_are_those_of_jinja():
    compared = 0
    for path, data in vectors().items():
        if (
            path.startswith("chat-template/")
            and path.endswith(".json")
            and "error" not in path
            and "closed" not in path
        ):
            for found in json_text.parse(BytesSource(data), Budget()).every("chat_template"):
                for text in [found] if isinstance(found, str) else [dict(item)["template"] for item in found]:
                    assert ours(text) == theirs(text)
                    compared += 1
    assert compared > 25


@pytest.mark.parametrize(
    "text", ["{{ a", "{% if", "{# a", "{{ ( }}", "{{ a] }}", "{{ '\\x1' }}", "{{ ? }}", "{{ '\\N{no}' }}"]
)
def test_what_jinja_refuses_is_broken(text):
    with pytest.raises(jinja2.TemplateSyntaxError):
        ENVIRONMENT.parse(text)
    assert jinja.parse(text).broken


def test_tags_before_an_error_are_there():
    assert chat_template.parse("{{ x.__class__ }}{{ 'a").escapes


def test_a_template_without_an_end_is_over_budget():
    with pytest.raises(OverBudgetError):
        jinja.parse(" " * (jinja.LARGEST + 1))


@pytest.mark.parametrize(
    "text",
    [
        "{{ messages[loop.index0 - 1].content[:-1] }}",
        "{% for k, v in a.items() %}{{ a[k] }}{% endfor %}",
        "{{ ['<|' + role + '|>', 'x'] | join }}",
        "{% set b = a ~ a %}{% set i = b | length %}{{ messages[i] }}",
        "{{ message['tool_calls'][0]['function'].get('_hidden') }}",
        "{% for i in range(0, parts | length) %}{{ parts[i].strip('_') }}{% endfor %}",
        "{{ name.split('__')[0] }}{{ x | map('upper') | list | sort(attribute='type') }}",
        "{{ f(self=1) }}{{ a.cycler }}",
    ],
)
def test_honest_lookups_are_no_findings(text):
    template = chat_template.parse(text)
    assert (template.escapes, template.computed, template.loops) == ((), (), ())
