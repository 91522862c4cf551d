"""Runs one function of a test file in this process: ``child.py FILE FUNCTION JSON_ARGUMENTS``.

What the function returns is printed as the last line, as JSON.
"""

from __future__ import annotations

import importlib.util
import json
import sys


def main() -> None:
    path, name, arguments = sys.argv[1:]
    spec = importlib.util.spec_from_file_location("test_file", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["test_file"] = module
    spec.loader.exec_module(module)
    print(json.dumps(getattr(module, name)(*json.loads(arguments))))


if __name__ == "__main__":
    main()
