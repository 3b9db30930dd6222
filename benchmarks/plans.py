"""The form of a scenario, and the names of who is measured."""

from dataclasses import dataclass

from benchmarks.loads import Load

PACE = 20
"""Tokens a second of a paced stream, about as fast as somebody reads."""
UNPACED, PACED, STEADY = "ft", f"ft-pace{PACE}", "ft-pace500"
CHAT_MODELS = (UNPACED, PACED, STEADY)
ENCODERS = EMBEDDER, RERANKER = "embed1024", "rerank"
"""Models are named for what the mock does, see native/README.md."""

GATEWAY, GATEWAY_2 = "openai_api", "openai_api, 2 workers"
MODELS_10, MODELS_50 = "openai_api, 10 models", "openai_api, 50 models"
BARE, BARE_UVLOOP = "bare grpc.aio", "bare grpc.aio, uvloop"
BASELINE, BASELINE_ORJSON = "FastAPI, pydantic", "FastAPI, orjson"
LITELLM, ROUTER, INFINITY = "LiteLLM", "Rust router", "infinity"
BARE_ENCODER = "bare tritonclient"
CEILING = "mock alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One load, and who carries it. `x` is its place on the scenario's axis.

    `background` runs beside it. With `probes`, somebody asks for /livez all the time; with
    `weighs`, memory is watched. With `is_steady`, the streams are cut off after the load's
    seconds, and CPU is taken while all of them are open.
    """

    label: str
    load: Load
    subjects: tuple[str, ...]
    x: float | None = None
    background: Load | None = None
    probes: bool = False
    weighs: bool = False
    is_steady: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Points that are compared with one another; `axis` says what differs between them.

    `backend` is the mock, or the demo's tritonserver.
    """

    name: str
    title: str
    axis: str
    points: tuple[Point, ...]
    backend: str = "mock"

    @property
    def subjects(self) -> tuple[str, ...]:
        """Everyone who is asked at some point, in order."""
        return tuple(dict.fromkeys(name for point in self.points for name in point.subjects))
