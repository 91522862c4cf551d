"""``python -m res2clip_runtime.cli``."""

from res2clip_runtime.cli import main

main()
