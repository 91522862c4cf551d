"""``res2clip-mini``: the small CLIP that ships inside the package, and its training.

The packaged weights lie beside this file as ``mini.safetensors``; ``docs/mini.md`` is their card
and ``python -m res2clip.mini.train`` makes them again from scratch.
"""
