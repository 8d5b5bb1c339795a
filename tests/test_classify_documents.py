"""Replies built by ourselves after the vendors' documents: the same faults in wordings that no recorded case has.

`data/documented_errors.jsonl`, one a line: `id, provider, status, headers, body, kind, source`, where `source` is
the document that names the code or the sentence; envelopes are the vendor's usual ones.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from router.classify import classify
from router.faults import Kind
from router.jsonl import read
from router.types import Reply

NOW = 1_794_000_000.0
CASES = tuple(read(Path(__file__).with_name("data") / "documented_errors.jsonl"))


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case["id"])) for case in CASES])
def test_a_reply_after_the_vendors_document_is_told(case: dict[str, object]) -> None:
    status, headers = case["status"], case["headers"]
    assert isinstance(status, int)
    assert isinstance(headers, Mapping)

    fault = classify(Reply(status, headers, str(case["body"])), provider=str(case["provider"]), now=NOW)

    assert fault.kind is Kind(str(case["kind"])), fault


def test_each_case_names_its_document_and_has_an_id_of_its_own() -> None:
    assert all(str(case["source"]).startswith("https://") for case in CASES)
    assert len({case["id"] for case in CASES}) == len(CASES)
