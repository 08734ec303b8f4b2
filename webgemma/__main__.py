"""`python -m webgemma` is the `webgemma` command."""

from __future__ import annotations

from webgemma.cli import main

if __name__ == "__main__":
    main()
