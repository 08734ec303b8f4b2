"""The `webgemma` command: parse, call, print. What the commands do lives in the other modules.

stdout carries data, stderr progress and errors. Exit codes: 0 done, 1 failed, 2 wrong usage. Each
command imports its heavy modules when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from typing import Annotated

import typer

from webgemma.cli.bench import EXAMPLES as BENCH_EXAMPLES
from webgemma.cli.bench import bench
from webgemma.cli.build import EXAMPLES as BUILD_EXAMPLES
from webgemma.cli.build import build
from webgemma.cli.convert import EXAMPLES as CONVERT_EXAMPLES
from webgemma.cli.convert import convert
from webgemma.cli.doctor import EXAMPLES as DOCTOR_EXAMPLES
from webgemma.cli.doctor import doctor
from webgemma.cli.evaluate import EXAMPLES as EVAL_EXAMPLES
from webgemma.cli.evaluate import evaluate
from webgemma.cli.inspect import ESTIMATE_EXAMPLES, INSPECT_EXAMPLES, estimate, inspect
from webgemma.cli.run import EXAMPLES as RUN_EXAMPLES
from webgemma.cli.run import run
from webgemma.cli.serve import DEMO_EXAMPLES, SERVE_EXAMPLES, demo, serve
from webgemma.errors import WebGemmaError
from webgemma.version import __version__

CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]
"""ClickException, which typer raises for wrong usage but does not export."""
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # what shells give for Ctrl-C: 128 + SIGINT

app = typer.Typer(
    name="webgemma",
    help="Package a language model as a static web site that runs it in the browser.",
    epilog="""\b
Try it:
  webgemma demo                                 the built-in model in your browser
  webgemma build model.gguf -o site             your own model
  webgemma serve site                           look at it
  webgemma run site "Why is the sky blue?"      the same program, without a browser

COMMAND --help shows examples of each.""",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

app.command(epilog=BUILD_EXAMPLES)(build)
app.command(epilog=SERVE_EXAMPLES)(serve)
app.command(epilog=DEMO_EXAMPLES)(demo)
app.command(epilog=RUN_EXAMPLES)(run)
app.command("eval", epilog=EVAL_EXAMPLES)(evaluate)
app.command(epilog=BENCH_EXAMPLES)(bench)
app.command(epilog=CONVERT_EXAMPLES)(convert)
app.command(epilog=INSPECT_EXAMPLES)(inspect)
app.command(epilog=ESTIMATE_EXAMPLES)(estimate)
app.command(epilog=DOCTOR_EXAMPLES)(doctor)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"webgemma {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: Without the program's name; None takes the process's own.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    debug = "--debug" in arguments
    # Where it is unset, the system's GPU libraries complain on stderr, each time they are asked.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    try:
        code = app(args=arguments, prog_name="webgemma", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of stdout has gone, as in `webgemma inspect x | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except Exception as error:  # the outermost frame: nothing passes it but as one line
        message, exit_code = _explain(error)
        if debug:
            sys.excepthook(type(error), error, error.__traceback__)
        print("error: " + " ".join(message.split()), file=sys.stderr)
        sys.exit(exit_code)
    if code == EXIT_INTERRUPTED:  # or typer gave it, having caught the interrupt itself
        print("interrupted", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> tuple[str, int]:
    """Return what to say about an error, and the exit code."""
    if isinstance(error, WebGemmaError):
        return str(error), error.exit_code
    if isinstance(error, CommandLineError):
        message = error.format_message().rstrip(".")  # type: ignore[attr-defined]
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "webgemma"
        return f"{message}. Try: {command} --help", EXIT_USAGE
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}.", EXIT_FAILURE
    return (
        f"{type(error).__name__}: {error}. This is a defect of webgemma: please report it with "
        "what --debug shows.",
        EXIT_FAILURE,
    )
