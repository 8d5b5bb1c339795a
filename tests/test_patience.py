"""When a run is given up: who speaks for whom, and what there is to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_config, make_provider
from test_results import ROW

from router.errors import CallError, DeadlineExceeded, NothingServes
from router.evals.items import Item
from router.evals.patience import Patience
from router.evals.plan import Across, Plan
from router.evals.prompts import Prompt, Turn
from router.evals.settling import Settled
from router.evals.tasks import arithmetic_task
from router.evals.templates import Text
from router.evals.trials import Trial

PROMPT = Prompt("ask", Path("ask.txt"), (Turn("user", Text("{{ question }}", Path("ask.txt"))),), params={"top_p": 1})
ITEM = Item("x", "1 + 1", "2", {"question": "1 + 1"})
DEAD = NothingServes("nothing can serve this: acme#1: revoked_key")


def settled(provider: str | None, error: CallError | None, model: str | None = None) -> Settled:
    return Settled(Trial("x", ITEM, PROMPT, 1, model, provider), replace(ROW, provider=provider or ""), error)


def patience(across: Across = "spread", models: tuple[str, ...] = ()) -> Patience:
    config = make_config(
        make_provider("acme", params={"temperature": 0}, models=["small", "big"]),
        make_provider("bolt", models=["small"]),
    )
    return Patience(Plan(config, (PROMPT,), arithmetic_task(3), across=across, models=models))


@pytest.mark.parametrize(
    ("heard", "ends"),
    [
        pytest.param([(None, DEAD)], True, id="any provider might have served it"),
        pytest.param([("acme", DEAD), ("acme", DEAD)], False, id="one of two"),
        pytest.param([("acme", DEAD), ("bolt", DEAD)], True, id="both"),
        pytest.param([("acme", DEAD), ("acme", None), ("bolt", DEAD)], False, id="one has come back"),
        pytest.param([(None, DeadlineExceeded("late"))], False, id="another error"),
        pytest.param([(None, None)], False, id="an answer"),
    ],
)
def test_who_speaks_for_whom(heard: list[tuple[str | None, CallError | None]], *, ends: bool) -> None:
    listener = patience("every" if any(provider for provider, _ in heard) else "spread")
    *_, last = [listener.hear(settled(provider, error), 0.0) for provider, error in heard]
    assert (last is not None) is ends


@pytest.mark.parametrize(
    ("across", "lost", "ends"),
    [
        pytest.param("spread", [("small", None)], False, id="one model"),
        pytest.param("spread", [("small", None), ("big", None)], True, id="both models"),
        pytest.param("every", [("small", "acme"), ("small", "bolt")], False, id="one model everywhere"),
        pytest.param("every", [("small", "acme"), ("small", "bolt"), ("big", "acme")], True, id="all there is"),
    ],
)
def test_a_model_that_nobody_serves_ends_nothing_while_another_is_served(
    across: Across, lost: list[tuple[str, str | None]], *, ends: bool
) -> None:
    listener = patience(across, ("small", "big"))
    *_, last = [listener.hear(settled(provider, DEAD, model), 0.0) for model, provider in lost]
    assert (last is not None) is ends


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        pytest.param(DEAD, "`router check --live` shows how each key stands", id="dead"),
        pytest.param(NothingServes("quota", until=1000.0), "come back then, or wait with --max-wait 17min", id="later"),
        pytest.param(
            NothingServes("acme#1: bad_request: temperature and top_p"),
            "look at the parameter temperature in providers.yaml, top_p in ask.txt",
            id="parameters",
        ),
        pytest.param(NothingServes("acme#1: bad_request: no"), "look at the model and at `params:`", id="no parameter"),
    ],
)
def test_what_there_is_to_do(error: NothingServes, advice: str) -> None:
    assert str(patience().hear(settled(None, error), 0.0)).startswith(f"{error}; {advice}")
