"""`webgemma run`: one answer, or a chat in the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webgemma.cli import options
from webgemma.cli.chat import chat, print_pieces, typed_lines
from webgemma.errors import ConfigError

if TYPE_CHECKING:
    from webgemma.runtime.generation import Generation
    from webgemma.runtime.session import Session

EXAMPLES = """\b
Examples:
  webgemma run site "Why is the sky blue?"
  webgemma run site
  webgemma run site "A story, please." --temperature 0.8 --seed 7
  webgemma run site "Hello" --json      prompt_tokens, tokens, text, finish_reason, timings
  webgemma run site "Rome, as JSON" --json-schema city.json
  webgemma run site "detect cat" --image cat.jpg --save boxes.png"""

Prompt = Annotated[
    str | None,
    typer.Argument(metavar="PROMPT", help="What to answer; - reads stdin. None: a chat."),
]
Image = Annotated[
    Path | None,
    typer.Option("--image", metavar="FILE", help="What the prompt is about (PaliGemma)."),
]
Save = Annotated[
    Path | None,
    typer.Option(
        "--save", metavar="FILE", help="Write the image there with the boxes of the answer."
    ),
]
ContextWindowSize = Annotated[
    int | None,
    typer.Option("--context-window-size", min=1, metavar="TOKENS", help="Tokens the caches hold."),
]
MaxTokens = Annotated[
    int, typer.Option("--max-tokens", min=1, metavar="N", help="Stop after so many.")
]
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", metavar="T", help="0 takes the likeliest token."),
]
TopP = Annotated[
    float | None,
    typer.Option("--top-p", metavar="P", help="Draw from the likeliest with this mass."),
]
TopK = Annotated[
    int | None, typer.Option("--top-k", metavar="K", help="Draw from so many; 0: from all.")
]
MinP = Annotated[
    float | None,
    typer.Option("--min-p", metavar="P", help="Leave out what is rarer than P times the top."),
]
RepetitionPenalty = Annotated[
    float | None,
    typer.Option("--repetition-penalty", metavar="R", help="Above 1 repeats less."),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, metavar="N", help="Makes drawing repeatable."),
]
Stop = Annotated[
    list[str] | None,
    typer.Option("--stop", metavar="TEXT", help="Text that ends the answer; repeatable."),
]

JsonSchema = Annotated[
    Path | None,
    typer.Option(
        "--json-schema",
        metavar="FILE",
        help="Answer with JSON of this schema (docs/structured.md).",
    ),
]


def run(
    site: options.Site,
    prompt: Prompt = None,
    image: Image = None,
    save: Save = None,
    model: options.Model = None,
    variant: options.Variant = "auto",
    limits: options.Limits = "browser",
    context_window_size: ContextWindowSize = None,
    max_tokens: MaxTokens = 256,
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = None,
    min_p: MinP = None,
    repetition_penalty: RepetitionPenalty = None,
    seed: Seed = None,
    stop: Stop = None,
    json_schema: JsonSchema = None,
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
    response_format = None if json_schema is None else _read_schema(json_schema)
    from webgemma.runtime.session import open_session

    with open_session(
        site, model=model, variant=variant, limits=limits, context_window_size=context_window_size
    ) as session:
        answer = partial(
            session.generate,
            image=image,
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            seed=seed,
            stop=tuple(stop or ()),
            response_format=response_format,
        )
        if prompt is None:
            _chat(session, answer)
            return
        generation = answer(sys.stdin.read() if prompt == "-" else prompt)
        if as_json:
            _print_json(generation, has_image=image is not None)
        else:
            print_pieces(generation)
        if save is not None and image is not None:
            _save(generation.text, image, save)


def _read_schema(path: Path) -> dict[str, object]:
    """Return the response_format that holds an answer to the JSON Schema of a file.

    Raises:
        ConfigError: it cannot be read, or is not JSON.
    """
    try:
        schema = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        msg = f"--json-schema {path}: {error}. Give it a file with a JSON Schema."
        raise ConfigError(msg) from error
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def _chat(session: Session, answer: Callable[..., Generation]) -> None:
    """Answer what is typed until the user has enough."""
    has_template = session.model.manifest.get("chat") is not None
    if not has_template:
        print("The model has no chat template: it continues each line.", file=sys.stderr)
    chat(typed_lines(), answer, remembers=has_template)


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
