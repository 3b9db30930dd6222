"""`python -m demo`: Triton with the demo's models, and the server in front of it, until Ctrl-C."""

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from demo.configuration import TRITON_PORTS, configuration_file, own_models
from demo.environment import VENV, ensure_environment
from demo.errors import DemoError
from demo.gateway import Gateway, check_gateway
from demo.ports import LOOPBACK, check_port
from demo.triton import DEMO_REPOSITORY, PORTS_OPTION, TritonServer

DEFAULT_HOST, DEFAULT_PORT = "localhost", 5100
READY_SECONDS = 60.0

EXAMPLES = """
The demo answers at {url}: open it in a browser, or try, in another terminal:

curl {url}/v1/chat/completions -H 'Content-Type: application/json' -d '{{"model": "demo-chat", \
"messages": [{{"role": "user", "content": "What is 7 + 5?"}}]}}'

curl {url}/v1/embeddings -H 'Content-Type: application/json' -d '{{"model": "all-minilm-l6-v2", \
"input": "Hello, Triton"}}'

curl {url}/v1/rerank -H 'Content-Type: application/json' -d '{{"model": "minilm-reranker", \
"query": "How long is the holiday?", "documents": ["Article 1: Wages are paid monthly.", \
"Article 2: Employees have 25 days of paid holiday a year."]}}'

{warnings}Stop with Ctrl-C.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status: 0 stopped, 1 something died, 2 it could not start."""
    options = _parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        # Also where the launcher was started with Ctrl-C ignored.
        signal.signal(number, _interrupt)
    try:
        return _run(options)
    except DemoError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="openai-api demo", description=__doc__)
    parser.add_argument("--host", default=DEFAULT_HOST, help="address of the server (%(default)s)")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="its port (%(default)s)")
    parser.add_argument("--workers", type=int, help="its worker processes")
    parser.add_argument(
        PORTS_OPTION,
        type=_three_ports,
        default=TRITON_PORTS,
        metavar="HTTP,GRPC,METRICS",
        help="Triton's ports (8000,8001,8002)",
    )
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port number")
    return int(text)


def _three_ports(text: str) -> tuple[int, ...]:
    ports = tuple(_port(part) for part in text.split(","))
    if len(ports) != len(TRITON_PORTS):
        raise argparse.ArgumentTypeError("give three port numbers: HTTP,GRPC,METRICS")
    return ports


def _run(options: argparse.Namespace) -> int:
    check_gateway()
    if len({options.port, *options.triton_ports}) <= len(options.triton_ports):
        raise DemoError(f"--port and the three ports of {PORTS_OPTION} must all be different.")
    check_port(options.host, options.port, "--port")
    for port in options.triton_ports:
        check_port(LOOPBACK, port, PORTS_OPTION)
    environment = ensure_environment(_say)
    log_file = VENV / f"triton-{options.triton_ports[0]}.log"
    triton = TritonServer(
        [DEMO_REPOSITORY], *options.triton_ports, environment=environment, log_file=log_file
    )
    gateway = Gateway(options.host, options.port, options.workers)
    ports = dict(zip(TRITON_PORTS, options.triton_ports, strict=True))
    with ExitStack() as stack:
        configuration = stack.enter_context(configuration_file(ports))
        stack.enter_context(_stopping(triton, gateway))
        _say(f"Starting Triton with three models (log: {log_file}) ...")
        triton.start()
        triton.wait_until_ready()
        _say("Starting the server ...")
        gateway.start(configuration)
        others = gateway.wait_until_ready(own_models(), READY_SECONDS)
        _say(EXAMPLES.format(url=gateway.url, warnings=_warnings(others, configuration)))
        return _wait_for_death(triton, gateway)


def _warnings(causes: Mapping[str, str], configuration: Path) -> str:
    """Lines for the models that were added and are not ready; they may still get so."""
    lines = [f"Warning: {name!r} is not ready: {cause}\n" for name, cause in causes.items()]
    if lines:
        # The file that is in use: it may be a copy with other ports.
        command = f"openai-api check-config {shlex.quote(str(configuration))} --connect"
        lines.append(f"{command} tells more.\n")
    return "".join(lines)


@contextmanager
def _stopping(triton: TritonServer, gateway: Gateway) -> Iterator[None]:
    """Stop both at the end, the gateway first, so that it can finish what it is answering."""
    try:
        yield
    finally:
        # A second Ctrl-C must not interrupt the clean-up, which is short and bounded.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        gateway.stop()
        triton.stop()


def _wait_for_death(triton: TritonServer, gateway: Gateway) -> int:
    while True:
        for name, process in (("Triton", triton), ("The server", gateway)):
            code = process.exit_code()
            if code is not None:
                print(f"{name} ended unexpectedly (exit code {code}); stopping.", file=sys.stderr)
                return 1
        time.sleep(0.2)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Both signals unwind alike."""
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
