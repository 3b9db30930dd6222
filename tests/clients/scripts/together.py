"""Other programs of this folder one after the other, so that a large library is imported once.

Arguments: the server's address, and as JSON the further arguments of each program by its name.
"""

import io
import json
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path

URL, PROGRAMS = sys.argv[1], json.loads(sys.argv[2])

answers = {}
for name, arguments in PROGRAMS.items():
    sys.argv = [name, URL, *arguments]
    with redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(Path(__file__).with_name(name)), run_name="__main__")
    answers[name] = json.loads(printed.getvalue().splitlines()[-1])
print(json.dumps(answers))
