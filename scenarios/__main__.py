"""``python -m scenarios`` is ``usernetstack``."""

from scenarios.cli import main

main()
