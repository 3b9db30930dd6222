"""The client in a process whose threads are greenlets."""

from __future__ import annotations

import subprocess
import sys

from tests.triton.grpc_client.grpcio_server import GrpcioServer


def test_all_of_it_works_under_gevent() -> None:
    server = GrpcioServer()
    program = ["gevent.monkey", "--module", "tests.triton.grpc_client.gevent_program"]
    command = [sys.executable, "-m", *program, server.address]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    server.stop()
    assert (result.stdout, result.returncode) == ("well\n", 0), result.stderr
