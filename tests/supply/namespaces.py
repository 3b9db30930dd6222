"""Linux namespaces for what a test starts: `unshare` of util-linux, as root or as a user."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from functools import cache

IS_ROOT = os.geteuid() == 0
KINDS = ["--mount", "--net", "--pid", "--fork", "--kill-child"]


def unshare(*kinds: str) -> list[str]:
    """The beginning of a command that runs in namespaces of its own. Fails the test without."""
    refusal = _refusal()
    assert not refusal, (
        "This machine gives a process no namespaces of its own, which this test needs"
        f" ({refusal}). Run it as root outside of a container, or allow user namespaces:"
        " sysctl kernel.unprivileged_userns_clone=1 on Debian,"
        " kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu."
    )
    return [*_as_user(), *kinds]


def _as_user() -> Sequence[str]:
    return ["unshare"] if IS_ROOT else ["unshare", "--user", "--map-root-user"]


@cache
def _refusal() -> str:
    try:
        done = subprocess.run([*_as_user(), *KINDS, "true"], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""
