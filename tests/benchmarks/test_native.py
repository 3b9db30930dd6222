"""The mock Triton's language models, as gRPC's own stub and tritonclient see them."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.applications import token_ids
from tests.benchmarks.native_programs import Mock, mock_triton

ANSWER = tuple(token_ids("The answer is long and says nothing. "))
END_ID = 9


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    with mock_triton(tmp_path_factory.mktemp("mock"), ANSWER) as running:
        yield running


@pytest.fixture(scope="module")
def stub(mock: Mock) -> Iterator[Any]:
    with grpc.insecure_channel(mock.grpc) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def request(
    model: str, num_tokens: int, prompts: tuple[tuple[int, ...], ...] = ((5, 6, 7),)
) -> Any:
    """A request for as many tokens for each prompt."""
    longest = max(map(len, prompts))
    column = (len(prompts), 1)
    tensors = {
        "input_ids": [[*prompt, *[0] * (longest - len(prompt))] for prompt in prompts],
        "input_lengths": [[len(prompt)] for prompt in prompts],
        "request_output_len": np.full(column, num_tokens),
        "end_id": np.full(column, END_ID),
    }
    made = service_pb2.ModelInferRequest(model_name=model, id="a-request")
    for name, values in tensors.items():
        array = np.asarray(values, np.uint32)
        made.inputs.add(name=name, datatype="UINT32", shape=array.shape)
        made.raw_input_contents.append(array.tobytes())
    return made


def read(message: Any) -> tuple[Any, Any]:
    """The rows of ids of one message, and their lengths."""
    response = message.infer_response
    assert not message.error_message
    assert [output.name for output in response.outputs] == ["output_ids", "sequence_length"]
    ids, lengths = (np.frombuffer(raw, np.uint32) for raw in response.raw_output_contents)
    ids_shape, lengths_shape = (tuple(output.shape) for output in response.outputs)
    assert ids_shape[1] == 1
    assert lengths_shape == (len(lengths), 1)
    return ids.reshape(ids_shape[0], ids_shape[2]), lengths


def answer(num_tokens: int) -> list[int]:
    return [ANSWER[index % len(ANSWER)] for index in range(num_tokens)]


def test_answers_about_a_model(stub: Any) -> None:
    assert stub.ServerLive(service_pb2.ServerLiveRequest()).live
    assert stub.ServerReady(service_pb2.ServerReadyRequest()).ready
    assert stub.ModelReady(service_pb2.ModelReadyRequest(name="ft-pace50-step4")).ready
    assert not stub.ModelReady(service_pb2.ModelReadyRequest(name="ft-speed50")).ready
    config = stub.ModelConfig(service_pb2.ModelConfigRequest(name="ft-step2")).config
    assert (config.backend, config.max_batch_size) == ("fastertransformer", 1024)
    assert config.model_transaction_policy.decoupled
    declared = {item.name: list(item.dims) for item in config.input}
    assert (declared["input_ids"], declared["stop_words_list"]) == ([-1], [2, -1])
    metadata = stub.ModelMetadata(service_pb2.ModelMetadataRequest(name="ft"))
    assert [list(item.shape) for item in metadata.outputs] == [[-1, -1, -1], [-1, -1]]


@pytest.mark.parametrize(("model", "step"), [("ft", 1), ("ft-step5", 5), ("ft-step7", 7)])
def test_each_message_repeats_the_prompt_and_all_tokens(stub: Any, model: str, step: int) -> None:
    messages = list(stub.ModelStreamInfer(iter([request(model, 20)])))
    totals = [min(total, 20) for total in range(step, 20 + step, step)]
    assert len(messages) == len(totals)
    for message, total in zip(messages, totals, strict=True):
        (row,), lengths = read(message)
        assert row.tolist() == [5, 6, 7, *answer(total), *[END_ID] * (20 - total)]
        assert lengths.tolist() == [3 + total]
        assert message.infer_response.id == "a-request"
        final = message.infer_response.parameters["triton_final_response"]
        assert final.bool_param == (total == 20)


def test_rows_are_compact_and_lengths_count_the_padding(stub: Any) -> None:
    rows, lengths = read(
        list(stub.ModelStreamInfer(iter([request("ft", 4, ((5, 6, 7), (8,)))])))[-1]
    )
    assert rows.tolist() == [[5, 6, 7, *answer(4)], [8, *answer(4), END_ID, END_ID]]
    assert lengths.tolist() == [7, 7]


def test_a_long_prompt_passes_both_windows(stub: Any) -> None:
    prompt = tuple(range(10, 400_010))
    messages = list(stub.ModelStreamInfer(iter([request("ft", 3, (prompt,))])))
    (row,), _ = read(messages[-1])
    assert len(messages) == 3
    assert row.tolist() == [*prompt, *answer(3)]


def test_sixty_four_streams_at_once(stub: Any) -> None:
    def run(number: int) -> list[int]:
        messages = list(stub.ModelStreamInfer(iter([request("ft", 100, ((number,),))])))
        assert len(messages) == 100
        return list(read(messages[-1])[0][0])

    with ThreadPoolExecutor(64) as pool:
        rows = list(pool.map(run, range(64)))
    assert rows == [[number, *answer(100)] for number in range(64)]


def test_the_pace_is_kept(stub: Any) -> None:
    def is_kept() -> bool:
        started = time.monotonic()
        stream = stub.ModelStreamInfer(iter([request("ft-pace50", 60)]))
        late = [time.monotonic() - started - index / 50 for index, _ in enumerate(stream, start=1)]
        assert len(late) == 60
        # Never ahead; behind only by what delays this test itself, and that not at every token.
        assert min(late) > -0.005
        return min(late[20:]) < 0.3

    # A busy machine may stand still as it begins, but not every time.
    assert any(is_kept() for _ in range(10))


def test_a_cancelled_stream_leaves_the_others_alone(stub: Any) -> None:
    kept = stub.ModelStreamInfer(iter([request("ft-pace100", 30)]))
    for model, num_tokens in (("ft", 900_000), ("ft-pace10", 100)):
        stream = stub.ModelStreamInfer(iter([request(model, num_tokens)]))
        next(stream)
        stream.cancel()
        with pytest.raises(grpc.RpcError):
            list(stream)
    assert len(list(kept)) == 30


def test_a_slow_reader_holds_only_its_own_stream_back(stub: Any) -> None:
    slow = stub.ModelStreamInfer(iter([request("ft", 5000)]))
    next(slow)
    assert len(list(stub.ModelStreamInfer(iter([request("ft", 200)])))) == 200
    assert len(list(slow)) == 4999


def test_requests_of_one_stream_are_answered_side_by_side(mock: Mock) -> None:
    client, results = tritonclient.grpc.InferenceServerClient(mock.grpc), queue.Queue[Any]()
    client.start_stream(lambda result, error: results.put((result, error)))
    for number, (model, num_tokens) in enumerate((("ft-pace2", 120), ("ft", 3), ("ft-absent", 3))):
        client.async_stream_infer(model, _tensors(num_tokens), request_id=str(number))
    found: list[str] = []
    while "0" not in found or len(found) - found.count("0") < 4:
        result, error = results.get(timeout=60)
        found += [result.get_response().id if error is None else str(error)]
    client.stop_stream(cancel_requests=True)
    # The other two are long answered when the slow one, which takes a minute, ends.
    assert found.count("0") < 120
    others = sorted(each for each in found if each != "0")
    assert others[:3] == ["1", "1", "1"]
    assert "Request for unknown model: 'ft-absent' is not found" in others[3]


def _tensors(num_tokens: int) -> list[Any]:
    made = []
    for item, raw in zip(*_parts(request("ft", num_tokens)), strict=True):
        tensor = tritonclient.grpc.InferInput(item.name, list(item.shape), item.datatype)
        tensor.set_data_from_numpy(np.frombuffer(raw, np.uint32).reshape(tuple(item.shape)))
        made.append(tensor)
    return made


def _parts(message: Any) -> tuple[Any, Any]:
    return message.inputs, message.raw_input_contents


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"datatype": "INT32"}, "data-type is 'INT32'"),
        ({"name": "inputs"}, "unexpected inference input 'inputs'"),
        ({"shape": [3]}, "unexpected shape for input 'input_ids'"),
        ({"shape": [1, 4]}, "byte size mismatch"),
    ],
)
def test_tensors_that_triton_refuses(stub: Any, change: dict[str, Any], text: str) -> None:
    wrong = request("ft", 4)
    for field, value in change.items():
        wrong.inputs[0].ClearField(field)
        if field == "shape":
            wrong.inputs[0].shape.extend(value)
        else:
            setattr(wrong.inputs[0], field, value)
    (message,) = stub.ModelStreamInfer(iter([wrong]))
    assert text in message.error_message


def test_a_stream_is_the_only_way_to_infer(stub: Any) -> None:
    with pytest.raises(grpc.RpcError, match="decoupled transaction policy") as refused:
        stub.ModelInfer(request("ft", 4))
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
