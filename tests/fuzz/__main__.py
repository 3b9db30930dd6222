"""`make fuzz`: fuzz each target for FUZZ_SECONDS, and keep the inputs that reach something new.

`python -m tests.fuzz [TARGET ...] [--seconds N]`; an input that fails stays in .cache/fuzz.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.fuzz.corpus import read_corpus, write_corpus

WORK = Path(".cache/fuzz")
# The modules whose branches the fuzzer sees; the more they are, the slower is everything.
SUBJECTS = [
    "app.web.json_body",
    "app.web.json_size",
    "app.schemas",
    "app.prompting.detokenizer",
    "app.prompting.stop_sequences",
    "app.prompting.tool_calls",
    "app.triton.errors",
    "app.triton.grpc_client.frames",
    "app.triton.grpc_client.http2",
    "app.triton.http_messages",
    "app.triton.model_response",
    "gunicorn.http.body",
    "gunicorn.http.message",
]
MAX_LENGTH = 4096
MAX_MEGABYTES = 1024
# Of one input, under the instrumentation, which makes all slower.
MAX_SECONDS = 5
OPTIONS = (f"-max_len={MAX_LENGTH}", f"-rss_limit_mb={MAX_MEGABYTES}", f"-timeout={MAX_SECONDS}")


def main() -> int:
    """Fuzz all targets or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    # How this program calls itself, because a fuzzer never returns.
    parser.add_argument("--run", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        _fuzz_here(*options.run)
    from tests.fuzz.targets import TARGETS

    failed = [
        name for name in options.targets or TARGETS if not _fuzz(name, max(options.seconds, 1))
    ]
    if failed:
        print(f"failed: {', '.join(failed)}; the inputs are in {WORK}", file=sys.stderr)
    return 1 if failed else 0


def _fuzz(target: str, seconds: int) -> bool:
    """Whether nothing failed in that time."""
    found, kept = WORK / target, WORK / f"{target}-kept"
    shutil.rmtree(kept, ignore_errors=True)
    for folder in (found, kept):
        folder.mkdir(parents=True, exist_ok=True)
    _write(found, read_corpus(target))
    artifacts = f"-artifact_prefix={WORK}/{target}-"
    is_good = _run(target, f"-max_total_time={seconds}", artifacts, str(found))
    if is_good:
        # The fewest that reach what the kept ones do not.
        _write(kept, read_corpus(target))
        is_good = _run(target, "-merge=1", artifacts, str(kept), str(found))
        write_corpus(target, {path.read_bytes() for path in kept.iterdir()})
    return is_good


def _run(target: str, *arguments: str) -> bool:
    return subprocess.run([*_command(target), *OPTIONS, *arguments], check=False).returncode == 0


def _command(target: str) -> list[str]:
    return [sys.executable, "-m", "tests.fuzz", "--run", target]


def _write(folder: Path, inputs: Iterable[bytes]) -> None:
    for each in inputs:
        (folder / hashlib.sha256(each).hexdigest()[:32]).write_bytes(each)


def _fuzz_here(target: str, *arguments: str) -> None:
    import atheris

    with atheris.instrument_imports(include=SUBJECTS):
        from tests.fuzz.targets import TARGETS

    # What is loaded once must not count as slow.
    TARGETS[target](b"")
    # A merge starts the first word again, by a shell.
    atheris.Setup([shlex.join(_command(target)), *arguments], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
