"""Many streams at once: independent, fair, cancellable, counted."""

import threading
import time

import numpy as np
import tritonclient.grpc as grpc_client

from demo.llm.scheduler import Scheduler

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


def test_all_requests_advance_together(server, language_arrays, as_inputs):
    inputs = as_inputs(grpc_client, language_arrays([PROMPT], 60))
    arrived, everything = [], threading.Event()

    def receive(result, error):
        response = result.get_response()
        arrived.append((response.id, response.parameters["triton_final_response"].bool_param))
        if sum(is_final for _, is_final in arrived) == NUM_STREAMS:
            everything.set()

    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        client.start_stream(receive)
        for index in range(NUM_STREAMS):
            client.async_stream_infer("demo-chat", inputs, request_id=f"request-{index}")
        assert everything.wait(30)
    first_end = [is_final for _, is_final in arrived].index(True)
    assert len({name for name, _ in arrived[:first_end]}) == NUM_STREAMS


def test_the_scheduler_takes_turns_and_lets_the_delayed_wait():
    order, ended = [], threading.Event()

    class Job:
        def __init__(self, name, units, delay=0.0):
            self.name, self.units, self.ready_at = name, units, time.monotonic() + delay

        def run_unit(self):
            order.append(self.name)
            self.units -= 1
            if self.name == "late":
                ended.set()
            # The first job waits for the others, so that all are there when it goes on.
            started.wait(5)
            return self.units > 0

    started, scheduler = threading.Event(), Scheduler()
    for job in (Job("late", 1, 0.3), Job("a", 3), Job("b", 1), Job("c", 2)):
        scheduler.submit(job)
    started.set()
    assert ended.wait(5)
    scheduler.stop()
    assert order == ["a", "b", "c", "a", "c", "a", "late"]


def test_a_long_prompt_does_not_hold_up_the_others(client):
    running = client.stream([PROMPT], 800)
    running.next()
    long = client.stream([[1] + [30] * 999], 1).rest()[-1]
    arrivals = [message.arrived for message in running.rest()]
    during = [arrived for arrived in arrivals if arrived < long.arrived]
    assert len(during) >= 3


def test_a_delayed_stream_does_not_hold_up_the_others(client):
    slow = [client.stream([PROMPT], 20, model="ft-slow") for _ in range(8)]
    spans = [each[-1].arrived - each[0].arrived for each in (stream.rest() for stream in slow)]
    assert max(spans) < 2 * 19 * 0.05


def test_the_counters_count(client):
    before = client.counters()
    client.messages([PROMPT, PROMPT], 7)
    after = client.counters()
    assert after.started - before.started == after.completed - before.completed == 1
    assert after.tokens - before.tokens == 14


def test_a_cancelled_stream_stops(client, eventually):
    before = client.counters("ft-slow")
    stream = client.stream([PROMPT], 400, model="ft-slow")
    stream.next()
    stream.cancel()
    eventually(lambda: client.counters("ft-slow").cancelled == before.cancelled + 1)
    assert client.counters("ft-slow").tokens - before.tokens < 40
    assert client.counters("ft-slow").completed == before.completed


def test_requests_are_cancelled_while_they_share_the_model(client, eventually):
    before = client.counters()
    streams = [client.stream([[1] + [30] * 999], 900) for _ in range(4)]
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
    last = client.messages([[1] + [30] * 1023], 1024)[-1]
    assert last.length == 2048
    assert not np.isnan(last.ids).any()
