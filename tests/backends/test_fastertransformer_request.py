"""What goes over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import BackendError, UnsupportedParameter
from app.services.capability_checks import check_capabilities
from app.types import Generation, Sampling
from tests.backends.jobs import PROMPT, VOCABULARY, answer, backend, job
from tests.scripted_triton import LLAMA_INPUTS, ScriptedTriton, model_config, sent, value


def tensors(triton: ScriptedTriton, *, facts: Any = None, **asked: Any) -> dict[str, Any]:
    """The tensors of one request, without the random seed."""
    answer(backend(triton, **(facts or {})), job(**asked))
    found = sent(triton.requests[-1])
    found.pop("random_seed")
    return found


REQUIRED = {
    "input_ids": ("UINT32", [list(PROMPT)]),
    "input_lengths": ("UINT32", [[4]]),
    "request_output_len": ("UINT32", [[8]]),
    "start_id": ("UINT32", [[1]]),
    "end_id": ("UINT32", [[2]]),
}


def test_a_request_without_wishes_carries_openai_defaults(triton: ScriptedTriton) -> None:
    assert tensors(triton) == {
        **REQUIRED,
        "temperature": ("FP32", [[1.0]]),
        "runtime_top_k": ("UINT32", [[0]]),
        "runtime_top_p": ("FP32", [[1.0]]),
    }


def test_the_request_names_model_version_and_id(triton: ScriptedTriton) -> None:
    answer(backend(triton), job())
    request = triton.requests[-1]
    assert (request.model_name, request.model_version, request.id) == ("llm", "3", "request-7")


def test_the_stream_does_not_ask_for_statuses(triton: ScriptedTriton) -> None:
    """Triton 2.51 dies of models that send their final flag after such a failure."""
    answer(backend(triton), job())
    assert "triton_grpc_error" not in triton.metadata[-1]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({"top_k": 40}, {"runtime_top_k": 40, "runtime_top_p": 1.0, "temperature": 1.0}),
        ({"top_p": 0.5}, {"runtime_top_k": 0, "runtime_top_p": 0.5, "temperature": 1.0}),
        (
            {"top_k": 40, "top_p": 0.5, "temperature": 0.25},
            {"runtime_top_k": 40, "runtime_top_p": 0.5, "temperature": 0.25},
        ),
        ({"top_k": -1}, {"runtime_top_k": 0, "runtime_top_p": 1.0, "temperature": 1.0}),
        ({"temperature": 0.0}, {"runtime_top_k": 1}),
        ({"temperature": 0.0, "top_p": 0.5, "top_k": 9}, {"runtime_top_k": 1}),
        ({"top_p": 0.0}, {"runtime_top_k": 1}),
        (
            {"repetition_penalty": 1.5},
            {
                "repetition_penalty": 1.5,
                "runtime_top_k": 0,
                "runtime_top_p": 1.0,
                "temperature": 1.0,
            },
        ),
    ],
)
def test_sampling_table(
    triton: ScriptedTriton, sampling: dict[str, Any], expected: dict[str, float]
) -> None:
    found = tensors(triton, **sampling)
    assert {name: found[name][1][0][0] for name in found if name not in REQUIRED} == expected


def test_the_models_defaults_come_before_openais(triton: ScriptedTriton) -> None:
    facts = {"temperature": 0.5, "top_k": 7, "top_p": 0.75, "repetition_penalty": 1.25}
    found = tensors(triton, facts=facts)
    assert found["temperature"][1] == [[0.5]]
    assert found["runtime_top_k"][1] == [[7]]
    assert found["runtime_top_p"][1] == [[0.75]]
    assert found["repetition_penalty"][1] == [[1.25]]


def test_a_request_comes_before_the_models_defaults(triton: ScriptedTriton) -> None:
    facts = {"temperature": 0.5, "top_k": 7}
    found = tensors(triton, facts=facts, temperature=0.25, top_k=3)
    assert (found["temperature"][1], found["runtime_top_k"][1]) == ([[0.25]], [[3]])


def test_a_models_temperature_of_0_is_greedy_too(triton: ScriptedTriton) -> None:
    found = tensors(triton, facts={"temperature": 0.0})
    assert found["runtime_top_k"][1] == [[1]]
    assert "temperature" not in found


@pytest.mark.parametrize(
    ("seed", "expected"),
    [(0, 0), (42, 42), (2**64 - 1, 2**64 - 1), (-1, 2**64 - 1), (-(2**63), 2**63)],
)
def test_a_given_seed_is_sent_as_uint64(triton: ScriptedTriton, seed: int, expected: int) -> None:
    answer(backend(triton), job(seed=seed))
    assert sent(triton.requests[-1])["random_seed"] == ("UINT64", [[expected]])


def test_without_a_seed_every_request_gets_its_own(triton: ScriptedTriton) -> None:
    served = backend(triton)
    for _ in range(8):
        answer(served, job())
    seeds = {int(value(request, "random_seed")) for request in triton.requests}
    assert len(seeds) == 8
    assert max(seeds) > 2**40


@pytest.mark.parametrize(
    ("given", "expected"), [(-1, 0xFFFFFFFF), (-2, 0xFFFFFFFE), (2**32 - 1, 2**32 - 1), (7, 7)]
)
def test_start_and_end_are_twos_complement(
    triton: ScriptedTriton, given: int, expected: int
) -> None:
    found = tensors(triton, facts={"start_id": given, "end_id": given})
    assert found["start_id"] == ("UINT32", [[expected]])
    assert found["end_id"] == ("UINT32", [[expected]])


def test_word_lists_are_ids_and_end_offsets(triton: ScriptedTriton) -> None:
    found = tensors(
        triton, facts={"bad_words": ((2,), (29871, 13, 13)), "stop_words": ((7768,), (3908,))}
    )
    assert found["bad_words_list"] == ("INT32", [[[2, 29871, 13, 13], [1, 4, -1, -1]]])
    assert found["stop_words_list"] == ("INT32", [[[7768, 3908], [1, 2]]])


def test_further_end_tokens_are_one_token_stop_words(triton: ScriptedTriton) -> None:
    found = tensors(triton, facts={"stop_words": ((8, 9),), "end_ids": (4,)})
    assert found["stop_words_list"] == ("INT32", [[[8, 9, 4], [2, 3, -1]]])


def with_inputs(*more: tuple[str, str, list[int], bool]) -> Any:
    return model_config((*LLAMA_INPUTS, *more))


def test_undeclared_tensors_are_not_sent(triton: ScriptedTriton) -> None:
    triton.config = model_config(LLAMA_INPUTS[:3])
    found = tensors_of_three(triton)
    assert set(found) == {"input_ids", "input_lengths", "request_output_len"}


def tensors_of_three(triton: ScriptedTriton) -> dict[str, Any]:
    facts = {"mask_positions": (-1,), "extra_inputs": {"len_penalty": 1.0}, "bad_words": ((5,),)}
    answer(backend(triton, **facts), job())
    return sent(triton.requests[-1])


@pytest.mark.parametrize(("configured", "expected"), [(None, -1), ((-1,), -1), ((3,), 3)])
def test_mask_positions_are_sent_where_declared(
    triton: ScriptedTriton, configured: tuple[int, ...] | None, expected: int
) -> None:
    triton.config = with_inputs(("mask_positions", "INT32", [1], False))
    found = tensors(triton, facts={"mask_positions": configured})
    assert found["mask_positions"] == ("INT32", [[expected]])


def test_extra_inputs_take_the_declared_type_and_shape(triton: ScriptedTriton) -> None:
    triton.config = with_inputs(
        ("len_penalty", "FP32", [1], True),
        ("flags", "BOOL", [1], True),
        ("ids", "INT64", [3], True),
    )
    facts = {"extra_inputs": {"len_penalty": 1, "flags": True, "ids": [4, 5, 6], "other": 1}}
    found = tensors(triton, facts=facts)
    assert found["len_penalty"] == ("FP32", [[1.0]])
    assert found["flags"] == ("BOOL", [[True]])
    assert found["ids"] == ("INT64", [[4, 5, 6]])
    assert "other" not in found


def test_a_request_comes_before_an_extra_input(triton: ScriptedTriton) -> None:
    """What model_infos gives are defaults."""
    found = tensors(triton, facts={"extra_inputs": {"runtime_top_p": 0.75}}, top_p=0.5)
    assert found["runtime_top_p"] == ("FP32", [[0.5]])


REQUIRED_BY_A_VENDOR = {
    "runtime_top_p": ("FP32", [1]),
    "temperature": ("FP32", [1]),
    "repetition_penalty": ("FP32", [1]),
    "bad_words_list": ("INT32", [2, -1]),
    "stop_words_list": ("INT32", [2, -1]),
}


@pytest.mark.parametrize("name", REQUIRED_BY_A_VENDOR)
def test_a_required_tensor_with_a_neutral_value_is_filled(
    triton: ScriptedTriton, name: str
) -> None:
    """Before Triton 22.05 no input was optional; a greedy request leaves these out otherwise."""
    triton.config = model_config(
        [(row[0], row[1], row[2], row[3] and row[0] != name) for row in LLAMA_INPUTS]
    )
    found = tensors(triton, temperature=0.0)
    assert found["runtime_top_k"][1] == [[1]]
    if name.endswith("_list"):
        assert found[name] == ("INT32", [[[0], [-1]]])
    else:
        assert found[name][1][0][0] > 0


def test_a_vendors_other_datatypes_are_respected(triton: ScriptedTriton) -> None:
    inputs = [
        (name, {"UINT32": "INT32", "UINT64": "INT64"}.get(datatype, datatype), dims, optional)
        for name, datatype, dims, optional in LLAMA_INPUTS
    ]
    triton.config = model_config(inputs)
    found = tensors(triton, facts={"end_id": -2}, seed=-5)
    assert found["input_ids"] == ("INT32", [list(PROMPT)])
    assert found["end_id"] == ("INT32", [[-2]])
    assert sent(triton.requests[-1])["random_seed"] == ("INT64", [[-5]])


def test_word_lists_in_another_datatype(triton: ScriptedTriton) -> None:
    triton.config = model_config(
        [
            (name, "UINT32" if name.endswith("words_list") else datatype, dims, optional)
            for name, datatype, dims, optional in LLAMA_INPUTS
        ]
    )
    found = tensors(triton, facts={"stop_words": ((300,),)})
    assert found["stop_words_list"] == ("UINT32", [[[300], [1]]])


def test_a_required_tensor_that_nobody_has_a_value_for_is_the_backends_failure(
    triton: ScriptedTriton,
) -> None:
    triton.config = with_inputs(("session_len", "UINT32", [1], False))
    with pytest.raises(BackendError) as caught:
        answer(backend(triton), job())
    assert caught.value.status == 502
    assert "session_len" not in caught.value.message
    assert "session_len" in str(caught.value.detail)
    assert triton.requests == []


def test_the_contract_is_read_once(triton: ScriptedTriton) -> None:
    served = backend(triton)
    for _ in range(3):
        answer(served, job())
    assert triton.num_configs == 1


SAMPLING_TENSORS = {
    "temperature": ("temperature", 0.5),
    "top_p": ("runtime_top_p", 0.5),
    "top_k": ("runtime_top_k", 5),
    "repetition_penalty": ("repetition_penalty", 1.5),
    "seed": ("random_seed", 5),
}


def check(triton: ScriptedTriton, **fields: Any) -> None:
    request = Generation(model="chat", sampling=Sampling(**fields))
    check_capabilities(request, backend(triton).capabilities(), VOCABULARY)


@pytest.mark.parametrize("name", SAMPLING_TENSORS)
def test_a_field_without_a_declared_tensor_is_unsupported(
    triton: ScriptedTriton, name: str
) -> None:
    tensor, given = SAMPLING_TENSORS[name]
    triton.config = model_config([row for row in LLAMA_INPUTS if row[0] != tensor])
    with pytest.raises(UnsupportedParameter) as caught:
        check(triton, **{name: given})
    assert f"no input {tensor}" in caught.value.message
    assert (caught.value.status, caught.value.code, caught.value.param) == (
        400,
        "unsupported_parameter",
        name,
    )


@pytest.mark.parametrize(
    ("name", "neutral"),
    [("temperature", 1.0), ("top_p", 1.0), ("top_k", 0), ("top_k", -1), ("repetition_penalty", 1)],
)
def test_a_neutral_value_needs_no_tensor(triton: ScriptedTriton, name: str, neutral: float) -> None:
    tensor, _ = SAMPLING_TENSORS[name]
    triton.config = model_config([row for row in LLAMA_INPUTS if row[0] != tensor])
    check(triton, **{name: neutral})


def test_greedy_needs_only_top_k(triton: ScriptedTriton) -> None:
    triton.config = model_config([row for row in LLAMA_INPUTS if row[0] != "temperature"])
    check(triton, temperature=0)
