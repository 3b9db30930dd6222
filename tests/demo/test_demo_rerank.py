"""The demo's reranker behind the cross-encoder contract."""

import numpy as np
import pytest
from tokenizers import Tokenizer

from demo.environment import MINILM
from demo.minilm.pairs import split_pair

ARTICLES = [
    "Article 1: This law applies to all citizens of the country.",
    "Article 2: The seat of government is the capital.",
    "Article 3: Whoever steals the property of another shall be punished with imprisonment.",
    "Article 4: The national flag is red and white.",
]

CASES = [
    ("What is the punishment for theft?", ARTICLES, 2),
    (
        "How long is annual leave?",
        [
            "Article 1: The employer pays wages at the end of each month.",
            "Article 2: Working hours are eight hours a day.",
            "Article 3: Every employee is entitled to 25 days of paid vacation a year.",
            "Article 4: The notice period is one month.",
        ],
        2,
    ),
    (
        "What is the capital of France?",
        ["Bananas are rich in potassium.", "Paris is the capital of France.", "The market fell."],
        1,
    ),
    (
        "how do I reset my password",
        ["Our office is open from nine to five.", "Change your login credentials under Settings."],
        1,
    ),
    ("什么是深度学习", ["今天天气很好", "深度学习是机器学习的一个分支"], 1),
]


@pytest.fixture(scope="module")
def tokenizer(demo_environment):
    loaded = Tokenizer.from_file(str(MINILM / "tokenizer.json"))
    loaded.no_truncation()
    loaded.enable_padding()
    return loaded


@pytest.fixture
def scores(client, tokenizer):
    """Logistic scores `[documents]` of a query's documents."""

    def compute(query, documents):
        pairs = tokenizer.encode_batch([(query, document) for document in documents])
        arrays = {
            "input_ids": np.array([pair.ids for pair in pairs]),
            "attention_mask": np.array([pair.attention_mask for pair in pairs]),
            "token_type_ids": np.array([pair.type_ids for pair in pairs]),
        }
        logits = client.infer("minilm-reranker", **arrays).as_numpy("logits")
        assert logits.shape == (len(documents), 1)
        assert logits.dtype == np.float32
        return 1 / (1 + np.exp(-logits[:, 0]))

    return compute


@pytest.mark.parametrize(("query", "documents", "relevant"), CASES, ids=[case[0] for case in CASES])
def test_the_relevant_document_comes_first(scores, query, documents, relevant):
    assert scores(query, documents).argmax() == relevant


def test_scores_separate_related_from_unrelated(scores):
    values = scores(*CASES[0][:2])
    assert values[2] > 0.9
    assert np.delete(values, 2).max() < 0.3


def test_a_score_does_not_depend_on_the_other_documents(scores):
    query, documents, _ = CASES[0]
    alone = [scores(query, [document])[0] for document in documents]
    assert scores(query, documents) == pytest.approx(alone, abs=1e-6)


def test_a_pair_comes_apart_at_its_separators():
    assert split_pair([101, 7, 8, 102, 9, 102]) == ((101, 7, 8, 102), (101, 9, 102))
    assert split_pair([101, 7, 102]) == ((101, 7, 102), (101, 102))
    assert split_pair([]) == ((101, 102), (101, 102))
