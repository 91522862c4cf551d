"""``python -m res2clip.cli``, which ``torchrun`` needs."""

from res2clip.cli import main

main()
