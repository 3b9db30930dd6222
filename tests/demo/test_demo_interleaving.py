"""Many streams at once: independent, fair, cancellable, counted."""

import threading

import numpy as np
import tritonclient.grpc as grpc_client

from demo.llm import scheduler as scheduler_module
from demo.llm.scheduler import Scheduler
from tests.live.waiting import LATE

PROMPT = [1, 10, 11, 12]
NUM_STREAMS = 32


def prompt(index):
    """Prompts of different lengths, some longer than a prefill chunk."""
    return [1, *(4 + (7 * index + 13 * position) % 3000 for position in range(3 + 5 * index))]


def text_of(messages, length):
    return messages[-1].ids[0, 0, length : messages[-1].length].tolist()


def test_greedy_output_does_not_depend_on_what_else_runs(client):
    alone = [client.generated(prompt(index), 24) for index in range(NUM_STREAMS)]
    streams = [client.stream([prompt(index)], 24) for index in range(NUM_STREAMS)]
    together = [text_of(stream.rest(), len(prompt(i))) for i, stream in enumerate(streams)]
    assert together == alone


def test_a_batch_equals_its_rows_alone(client):
    rows = [prompt(index) for index in (0, 5, 20)]
    ids = client.messages(rows, 12)[-1].ids
    for row, answer in zip(rows, ids[:, 0], strict=True):
        assert answer[len(row) : len(row) + 12].tolist() == client.generated(row, 12)


def test_all_requests_advance_together(client, language_arrays, as_inputs):
    """Each has begun before one of them, which take long, has ended."""
    inputs = as_inputs(grpc_client, language_arrays([PROMPT], 2000))
    arrived, everything = {}, threading.Event()

    def receive(result, error):
        if not everything.is_set():
            response = result.get_response()
            is_final = response.parameters["triton_final_response"].bool_param
            arrived[response.id] = is_final or arrived.get(response.id, False)
        if len(arrived) == NUM_STREAMS:
            everything.set()

    with grpc_client.InferenceServerClient(client.server.grpc_url) as stream:
        stream.start_stream(receive)
        for index in range(NUM_STREAMS):
            stream.async_stream_infer("demo-chat", inputs, request_id=f"request-{index}")
        assert everything.wait(60)
        stream.stop_stream(cancel_requests=True)
    assert not any(arrived.values())


class Clock:
    """A clock that stands still, but for who waits for it. In the place of `time`."""

    now = 0.0

    def monotonic(self):
        return self.now


def test_the_scheduler_takes_turns_and_lets_the_delayed_wait(monkeypatch):
    clock, order, ended = Clock(), [], threading.Event()
    monkeypatch.setattr(scheduler_module, "time", clock)

    class Job:
        def __init__(self, name, units, delay=0.0):
            self.name, self.units, self.ready_at = name, units, delay

        def run_unit(self):
            order.append(self.name)
            self.units -= 1
            if self.name == "late":
                ended.set()
            # The first job waits for the others, so that all are there when it goes on.
            started.wait(60)
            # The others have six units: then comes the time of the delayed one.
            clock.now = 0.3 if len(order) == 6 else 0.0
            return self.units > 0

    started, scheduler = threading.Event(), Scheduler()
    for job in (Job("late", 1, 0.3), Job("a", 3), Job("b", 1), Job("c", 2)):
        scheduler.submit(job)
    started.set()
    assert ended.wait(60)
    scheduler.stop()
    assert order == ["a", "b", "c", "a", "c", "a", "late"]


def test_a_long_prompt_does_not_hold_up_the_others(client, language_arrays, as_inputs):
    """In one stream, so that all comes in the order in which it was sent."""
    arrived, has_begun, has_ended = [], threading.Event(), threading.Event()

    def receive(result, error):
        if not has_ended.is_set():
            arrived.append(result.get_response().id)
            (has_ended if arrived[-1] == "long" else has_begun).set()

    with grpc_client.InferenceServerClient(client.server.grpc_url) as stream:
        stream.start_stream(receive)
        running = as_inputs(grpc_client, language_arrays([PROMPT], 2000))
        stream.async_stream_infer("demo-chat", running, request_id="running")
        assert has_begun.wait(60)
        long = as_inputs(grpc_client, language_arrays([[1] + [30] * 999], 1))
        num_before = len(arrived)
        stream.async_stream_infer("demo-chat", long, request_id="long")
        assert has_ended.wait(60)
        stream.stop_stream(cancel_requests=True)
    assert len(arrived) - num_before - 1 >= 3


def test_a_delayed_stream_does_not_hold_up_the_others(client):
    num_pauses = 39
    slow = [client.stream([PROMPT], num_pauses + 1, model="ft-slow") for _ in range(NUM_STREAMS)]
    spans = [each[-1].arrived - each[0].arrived for each in (stream.rest() for stream in slow)]
    # If each pause were everybody's, they would take a minute.
    assert max(spans) < num_pauses * 0.05 + LATE


def test_the_counters_count(client):
    before = client.counters()
    client.messages([PROMPT, PROMPT], 7)
    after = client.counters()
    assert after.started - before.started == after.completed - before.completed == 1
    assert after.tokens - before.tokens == 14


def test_a_cancelled_stream_stops(client, eventually):
    before = client.counters("ft-slow")
    stream = client.stream([PROMPT], 2000, model="ft-slow")
    stream.next()
    stream.cancel()
    eventually(lambda: client.counters("ft-slow").cancelled == before.cancelled + 1)
    assert client.counters("ft-slow").tokens - before.tokens < LATE / 0.05
    assert client.counters("ft-slow").completed == before.completed


def test_requests_are_cancelled_while_they_share_the_model(client, eventually):
    before = client.counters()
    streams = [client.stream([[1] + [30] * 999], 1000) for _ in range(4)]
    eventually(lambda: client.counters().started == before.started + 4)
    for stream in streams:
        stream.cancel()
    eventually(lambda: client.counters().cancelled == before.cancelled + 4)


def test_an_uninterruptible_model_runs_to_its_end(client, eventually):
    before = client.counters("ft-drain")
    stream = client.stream([PROMPT], 40, model="ft-drain")
    stream.next()
    stream.cancel()
    eventually(lambda: client.counters("ft-drain").completed == before.completed + 1)
    after = client.counters("ft-drain")
    assert (after.tokens - before.tokens, after.cancelled) == (40, before.cancelled)


def test_max_len_is_the_models(client):
    last = client.messages([[1] + [30] * 1999], 48)[-1]
    assert last.length == 2048
    assert not np.isnan(last.ids).any()
