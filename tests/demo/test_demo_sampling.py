"""FasterTransformer's sampling rules, on the wire and in the sampler alone."""

import numpy as np
import pytest

from demo.llm.errors import ExecuteError
from demo.llm.sampling import Sampler, Sampling
from demo.llm.wordlists import banned_ids, is_stopped, read_words

PROMPT = [1, 10, 11, 12]
ANY = {"runtime_top_k": 0, "runtime_top_p": 1.0, "temperature": 3.0}
"""Settings under which the model hardly repeats itself by chance."""


@pytest.fixture(scope="module")
def greedy(client):
    return client.generated(PROMPT, 20)


def words(*rows):
    """`[B, 2, N]` lists of words' ids and end offsets, one row of the batch per argument."""
    flat = [[token for word in row for token in word] for row in rows]
    width = max(1, *map(len, flat))
    encoded = []
    for row, ids in zip(rows, flat, strict=True):
        ends = np.cumsum([len(word) for word in row]).tolist()
        encoded.append([ids + [0] * (width - len(ids)), ends + [-1] * (width - len(ends))])
    return encoded


def test_neither_top_k_nor_top_p_is_greedy(client, greedy):
    assert client.generated(PROMPT, 20, temperature=5.0, random_seed=3) == greedy
    assert client.generated(PROMPT, 20, runtime_top_k=1, runtime_top_p=0.9, random_seed=4) == greedy


def test_a_seed_repeats_the_text_and_another_changes_it(client):
    first = client.generated(PROMPT, 20, random_seed=7, **ANY)
    assert client.generated(PROMPT, 20, random_seed=7, **ANY) == first
    assert client.generated(PROMPT, 20, random_seed=8, **ANY) != first
    assert client.generated(PROMPT, 20, **ANY) == client.generated(PROMPT, 20, random_seed=0, **ANY)


def test_rows_with_one_seed_share_the_random_stream(client):
    ids = client.messages([PROMPT] * 3, 20, random_seed=[[5], [5], [6]], **ANY)[-1].ids
    assert (ids[0] == ids[1]).all()
    assert (ids[0] != ids[2]).any()


def test_a_stop_word_stops_and_stays(client, greedy):
    stopped = client.generated(PROMPT, 20, stop_words_list=words([[9999], greedy[3:5]]))
    end = next(i for i in range(2, 21) if greedy[i - 2 : i] == greedy[3:5])
    assert stopped == greedy[:end]


def test_a_stop_word_matches_across_the_prompt(client, greedy):
    stop = words([[PROMPT[-1], greedy[0]]])
    assert client.generated(PROMPT, 20, stop_words_list=stop) == greedy[:1]


def test_an_empty_stop_word_stops_at_once(client, greedy):
    assert client.generated(PROMPT, 20, stop_words_list=[[[32094], [0]]]) == greedy[:1]


def test_an_empty_list_changes_nothing(client, greedy):
    lists = {"stop_words_list": [[[0], [-1]]], "bad_words_list": [[[0], [-1]]]}
    assert client.generated(PROMPT, 20, **lists) == greedy


def test_bad_words_never_appear(client, greedy):
    assert greedy[0] not in client.generated(PROMPT, 20, bad_words_list=words([[greedy[0]]]))
    pair = [PROMPT[-1], greedy[0]]
    changed = client.generated(PROMPT, 20, bad_words_list=words([pair]))
    assert changed[0] != greedy[0]


def test_word_lists_belong_to_their_row(client, greedy):
    lists = words([greedy[:1]], [[9999], [9998]])
    lengths = client.messages([PROMPT] * 2, 20, stop_words_list=lists)[-1].tensors[
        "sequence_length"
    ]
    assert lengths.tolist() == [[len(PROMPT) + 1], [len(PROMPT) + 20]]


def test_log_probs_only_when_asked(client):
    assert set(client.messages([PROMPT], 6)[-1].tensors) == {"output_ids", "sequence_length"}


def test_greedy_log_probs_are_relative_to_one_candidate(client):
    last = client.messages([PROMPT], 6, is_return_log_probs=True)[-1].tensors
    assert last["output_log_probs"].tolist() == [[[0.0] * 6]]
    assert last["cum_log_probs"][0, 0] < 0


def test_top_p_log_probs_are_those_of_the_whole_vocabulary(client):
    messages = client.messages([PROMPT], 11, is_return_log_probs=True, random_seed=1, **ANY)
    for message in messages:
        new = message.length - len(PROMPT)
        log_probs = message.tensors["output_log_probs"][0, 0]
        assert log_probs.shape == (11,)
        assert np.isclose(log_probs[:new].sum(), message.tensors["cum_log_probs"][0, 0], rtol=1e-5)
        assert np.isnan(log_probs[new:]).all()


def test_repetition_penalty_changes_greedy(client, greedy):
    penalised = client.generated(PROMPT, 20, repetition_penalty=5.0)
    assert len(set(penalised)) > len(set(greedy)) or penalised != greedy


def logits(*values):
    return np.array(values, np.float32)


def draws(sampling, values, count=2000):
    """How often each token is drawn."""
    sampler, history = Sampler(sampling), np.array([0])
    tokens = [sampler.choose(logits(*values), history, []).token for _ in range(count)]
    return np.bincount(tokens, minlength=len(values)) / count


def test_top_k_draws_from_the_k_largest_in_proportion():
    shares = draws(Sampling(top_k=2), np.log([0.1, 0.6, 0.3]))
    assert shares[0] == 0
    assert shares[1] == pytest.approx(2 / 3, abs=0.04)


def test_top_p_draws_the_last_candidate_with_what_is_left():
    shares = draws(Sampling(top_p=0.7), np.log([0.1, 0.6, 0.3]))
    assert shares == pytest.approx([0, 6 / 7, 1 / 7], abs=0.04)


def test_top_k_with_top_p_draws_inside_the_k():
    shares = draws(Sampling(top_k=2, top_p=0.5), np.log([0.1, 0.6, 0.3]))
    assert shares.tolist() == [0, 1, 0]


def test_top_p_of_a_large_vocabulary_equals_the_full_sort():
    values = np.random.default_rng(0).normal(0, 4, 3000)
    shares = draws(Sampling(top_p=0.5), values, 200)
    order = np.argsort(-values)
    needed = np.searchsorted(np.cumsum(np.exp(values[order]) / np.exp(values).sum()), 0.5) + 1
    assert set(np.nonzero(shares)[0]) <= set(order[:needed])


def test_top_p_decays_and_a_reset_token_restores_it():
    sampler = Sampler(Sampling(top_p=0.9, top_p_decay=0.5, top_p_min=0.3, top_p_reset_id=2))
    seen = []
    for values in ([9, 0, 0], [9, 0, 0], [9, 0, 0], [0, 0, 9]):
        sampler.choose(logits(*values), np.array([0]), [])
        seen.append(sampler.top_p)
    assert seen == pytest.approx([0.45, 0.3, 0.3, 0.9])


def test_repetition_penalty_divides_positive_and_multiplies_negative_logits_once():
    sampler = Sampler(Sampling(top_k=1, repetition_penalty=2.0))
    values = logits(4.0, -1.0, 1.9)
    assert sampler.choose(values, np.array([0, 0, 1]), []).token == 0
    assert values.tolist() == pytest.approx([2.0, -2.0, 1.9])


def test_full_log_prob_on_the_top_k_path():
    choice = Sampler(Sampling(top_k=2)).choose(
        logits(*np.log([0.5, 0.25, 0.25])), np.array([0]), []
    )
    assert np.exp(choice.full_log_prob) in (pytest.approx(0.5), pytest.approx(0.25))
    assert np.exp(choice.log_prob) in (pytest.approx(2 / 3), pytest.approx(1 / 3))


@pytest.mark.parametrize(
    "sampling", [Sampling(repetition_penalty=0.0), Sampling(temperature=0.0, top_p=0.9)]
)
def test_degenerate_values_do_not_crash(sampling):
    assert 0 <= Sampler(sampling).choose(logits(1, 2, 3), np.array([1]), []).token < 3


def test_word_lists_are_read_by_their_offsets():
    rows = np.array([[2, 29871, 13, 13], [1, 4, -1, -1]], np.int32)
    assert read_words(rows) == ((2,), (29871, 13, 13))
    assert read_words(np.array([[0], [-1]], np.int32)) == ()
    with pytest.raises(ExecuteError):
        read_words(np.array([[2], [2]], np.int32))


def test_token_0_cannot_be_banned():
    assert banned_ids(((0,), (5,), (7, 8)), np.array([1, 7])) == [5, 8]


def test_a_stop_word_longer_than_the_text_does_not_match():
    assert not is_stopped(((1, 2, 3),), np.array([2, 3]))
