"""What is checked before anything runs: that the text is long enough, and one for all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from webgemma.architectures import lower
from webgemma.build.manifest import generation
from webgemma.errors import ConfigError
from webgemma.evaluate.text import Chunks, Text, cut, encode, read_text
from webgemma.language import check_vocabulary, read_language
from webgemma.layout import is_site
from webgemma.runtime.shards import SiteModel, open_site_model
from webgemma.sources import open_checkpoint
from webgemma.tokenizer import Tokenizer

DEFAULT_CONTEXT = 512
"""llama-perplexity's; less where a model's own maximum is less."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A model as far as it reads a text."""

    where: Path
    tokenizer_json: bytes
    vocab_size: int
    bos_token_id: int | None
    """The token it wants first, if any."""
    max_context: int


def site_reader(model: SiteModel) -> Reader:
    """How a site's model reads."""
    manifest = model.manifest
    return Reader(
        model.folder,
        model.read("tokenizer.json"),
        manifest["vocab_size"],
        manifest["generation"].get("bos_token_id"),
        manifest["context"]["max"],
    )


def source_reader(source: Path) -> Reader:
    """How the model of a site will read that is yet to be built.

    Raises:
        WebGemmaError: it cannot be built.
    """
    checkpoint = open_checkpoint(source)
    program = lower(checkpoint).program
    language = read_language(checkpoint)
    check_vocabulary(checkpoint, language, program.vocab_size)
    return Reader(
        source,
        language.tokenizer_json,
        program.vocab_size,
        generation(checkpoint, language.special)["bos_token_id"],
        program.max_context_window_size,
    )


def check_inputs(
    sites: Sequence[str | Path],
    text: str | Path,
    reference: Path,
    *,
    model: str | None = None,
    context: int | None = None,
    control_tokens: bool = False,
) -> None:
    """Check everything that needs no GPU, before minutes are spent on building the reference.

    Args:
        sites: As `evaluate` takes them.
        text: As `evaluate` takes it.
        reference: A site, or what one is to be built of.
        model: As `evaluate` takes it.
        context: As `evaluate` takes it.
        control_tokens: As `evaluate` takes it.

    Raises:
        WebGemmaError: what `evaluate` or `build_site` would raise.
    """
    readers = [site_reader(open_site_model(site, model)) for site in sites]
    document = read_text(Path(text))
    # The sites come first: a wrong text is said without a look at the reference.
    cut_text(readers, document, context=context, control_tokens=control_tokens)
    base = site_reader(open_site_model(reference)) if is_site(reference) else None
    readers.append(base or source_reader(reference))
    cut_text(readers, document, context=context, control_tokens=control_tokens)


def cut_text(
    readers: Sequence[Reader],
    document: Text,
    *,
    context: int | None = None,
    most: int | None = None,
    control_tokens: bool = False,
) -> Chunks:
    """Cut a text into chunks that all models read.

    Raises:
        ConfigError: it is too short, a context too long, or the vocabularies differ.
    """
    length = context or min(DEFAULT_CONTEXT, *(reader.max_context for reader in readers))
    for reader in readers:
        if length > reader.max_context:
            raise ConfigError(
                f"--context: got {length:,}, expected at most {reader.max_context:,}, the maximum "
                f"of {reader.where}."
            )
    ids = shared_tokens(readers, document.content, control_tokens=control_tokens)
    return cut(ids, length, readers[0].bos_token_id, most=most)


def shared_tokens(readers: Sequence[Reader], text: str, *, control_tokens: bool) -> list[int]:
    """The text's token ids, which all the models must agree on.

    Raises:
        ConfigError: two have different vocabularies.
    """
    known: dict[bytes, list[int]] = {}
    for reader in readers:
        if reader.tokenizer_json not in known:
            tokenizer = Tokenizer.from_json(reader.tokenizer_json)
            bos = reader.bos_token_id
            ids = encode(text, tokenizer, bos, control_tokens=control_tokens)
            known[reader.tokenizer_json] = ids
        expected = known[readers[0].tokenizer_json]
        check_same_vocabulary(readers[0], reader, expected, known[reader.tokenizer_json])
    return known[readers[0].tokenizer_json]


def check_same_vocabulary(
    first: Reader, other: Reader, expected: list[int], ids: list[int]
) -> None:
    """Refuse to compare models that do not predict the same tokens.

    Raises:
        ConfigError: the sizes differ, or the tokens of the text do.
    """
    if other.vocab_size != first.vocab_size:
        msg = (
            f"{other.where}: got a vocabulary of {other.vocab_size:,} tokens, expected "
            f"{first.vocab_size:,} as in {first.where}. Evaluate models of one family together."
        )
        raise ConfigError(msg)
    if ids != expected or first.bos_token_id != other.bos_token_id:
        msg = (
            f"{other.where}: got {len(ids):,} tokens of the text, expected the {len(expected):,} "
            f"of {first.where}, each the same. The vocabularies differ: evaluate them apart."
        )
        raise ConfigError(msg)
