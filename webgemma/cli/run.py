"""`webgemma run`: one answer, or a chat in the terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from webgemma.cli import options
from webgemma.cli.chat import chat, print_pieces, typed_lines

if TYPE_CHECKING:
    from webgemma.runtime.generation import Generation

EXAMPLES = """\b
Examples:
  webgemma run site "Why is the sky blue?"
  webgemma run site
  webgemma run site "A story, please." --temperature 0.8 --seed 7
  webgemma run site "Hello" --json      prompt_tokens, tokens, text, finish_reason, timings"""


def run(
    site: options.Site,
    prompt: Annotated[
        str | None,
        typer.Argument(metavar="PROMPT", help="What to answer; - reads stdin. None: a chat."),
    ] = None,
    model: options.Model = None,
    variant: options.Variant = "auto",
    limits: options.Limits = "browser",
    context_window_size: Annotated[
        int | None,
        typer.Option(
            "--context-window-size", min=1, metavar="TOKENS", help="Tokens the caches hold."
        ),
    ] = None,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, metavar="N", help="Stop after so many.")
    ] = 256,
    temperature: Annotated[
        float,
        typer.Option("--temperature", min=0.0, metavar="T", help="0 takes the likeliest token."),
    ] = 0.0,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, metavar="N", help="Makes --temperature repeatable."),
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option("--stop", metavar="TEXT", help="Text that ends the answer; repeatable."),
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Generate with a site's model, without a browser.

    It runs the same program and the same shaders as the page, through wgpu. Without a prompt it
    is a chat.
    """
    if as_json and prompt is None:
        raise typer.BadParameter("--json needs a PROMPT.")
    from webgemma.runtime.session import open_session

    with open_session(
        site, model=model, variant=variant, limits=limits, context_window_size=context_window_size
    ) as session:

        def answer(content: str | list[dict[str, str]]) -> Generation:
            return session.generate(
                content,
                max_tokens=max_tokens,
                temperature=temperature,
                seed=seed,
                stop=tuple(stop or ()),
            )

        if prompt is None:
            has_template = session.model.manifest.get("chat") is not None
            if not has_template:
                print("The model has no chat template: it continues each line.", file=sys.stderr)
            chat(typed_lines(), answer, remembers=has_template)
            return
        generation = answer(sys.stdin.read() if prompt == "-" else prompt)
        if as_json:
            _print_json(generation)
        else:
            print_pieces(generation)


def _print_json(generation: Generation) -> None:
    """Print a whole answer as one object."""
    for _ in generation:
        pass
    answer = {
        "prompt_tokens": generation.prompt_tokens,
        "tokens": generation.tokens,
        "text": generation.text,
        "finish_reason": generation.finish_reason,
        "timings": generation.timings,
    }
    print(json.dumps(answer, ensure_ascii=False))
