"""`webgemma run`: one answer, or a chat in the terminal."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
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
  webgemma run site "Hello" --json      prompt_tokens, tokens, text, finish_reason, timings
  webgemma run site "detect cat" --image cat.jpg --save boxes.png"""


def run(
    site: options.Site,
    prompt: Annotated[
        str | None,
        typer.Argument(metavar="PROMPT", help="What to answer; - reads stdin. None: a chat."),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="FILE", help="What the prompt is about (PaliGemma)."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save", metavar="FILE", help="Write the image there with the boxes of the answer."
        ),
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
        float | None,
        typer.Option("--temperature", metavar="T", help="0 takes the likeliest token."),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option("--top-p", metavar="P", help="Draw from the likeliest with this mass."),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", metavar="K", help="Draw from so many; 0: from all.")
    ] = None,
    min_p: Annotated[
        float | None,
        typer.Option("--min-p", metavar="P", help="Leave out what is rarer than P times the top."),
    ] = None,
    repetition_penalty: Annotated[
        float | None,
        typer.Option("--repetition-penalty", metavar="R", help="Above 1 repeats less."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, metavar="N", help="Makes drawing repeatable."),
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
    is a chat. How tokens are chosen is the model's own way where no option says otherwise.
    """
    if as_json and prompt is None:
        raise typer.BadParameter("--json needs a PROMPT.")
    if save is not None and (prompt is None or image is None):
        raise typer.BadParameter("--save needs a PROMPT and --image.")
    from webgemma.runtime.session import open_session

    with open_session(
        site, model=model, variant=variant, limits=limits, context_window_size=context_window_size
    ) as session:

        def answer(content: str | list[dict[str, str]]) -> Generation:
            return session.generate(
                content,
                image=image,
                max_tokens=max_tokens,
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                min_p=min_p,
                repetition_penalty=repetition_penalty,
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
            _print_json(generation, has_image=image is not None)
        else:
            print_pieces(generation)
        if save is not None and image is not None:
            _save(generation.text, image, save)


def _save(answer: str, image: Path, path: Path) -> None:
    """Draw the answer's boxes into a copy of the image."""
    from webgemma.image import draw_boxes, parse_boxes, read_image

    boxes = parse_boxes(answer)
    draw_boxes(read_image(image), boxes, path)
    print(f"{path}: boxes drawn: {len(boxes)}", file=sys.stderr)


def _boxes(answer: str) -> list[dict[str, object]]:
    from webgemma.image import parse_boxes

    return [asdict(box) for box in parse_boxes(answer)]


def _print_json(generation: Generation, *, has_image: bool) -> None:
    """Print a whole answer as one object; about an image, with the boxes it names."""
    for _ in generation:
        pass
    answer = {
        "prompt_tokens": generation.prompt_tokens,
        "tokens": generation.tokens,
        "text": generation.text,
        "finish_reason": generation.finish_reason,
        "timings": generation.timings,
    }
    if has_image:
        answer["boxes"] = _boxes(generation.text)
    print(json.dumps(answer, ensure_ascii=False))
