"""A scorer of one's own: a Python function, plain or async, that is given the item and the completion."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import math
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from router.errors import ConfigError
from router.evals.answers import without_thinking
from router.evals.items import Item
from router.evals.scores import Ask, Score, ScorerFailed
from router.types import Completion

TIMEOUT_S = 60.0
MAX_HANGING = 16
"""Threads that do not come back, after which a plain function is not called any more."""


@dataclass(slots=True)
class PythonScorer:
    """Calls a function; a plain one in a thread, so that what takes long holds nobody up."""

    name: str
    function: Callable[[Item, Completion], object]
    timeout_s: float = TIMEOUT_S
    lacks: str = "answer for it"
    wants: str = ""
    needs_gold: bool = False
    reads_end: bool = False
    hanging: int = field(default=0, init=False)

    def ideal(self, item: Item) -> str | None:
        """What is expected, which a scorer that compares finds right."""
        return item.accepted[0] if item.accepted else None

    async def score(self, item: Item, completion: Completion, ask: Ask) -> Score:  # noqa: ARG002 - asks nobody
        """Mark an answer; raises ScorerFailed where the function raises, hangs, or returns what is no score."""
        try:
            async with asyncio.timeout(self.timeout_s):
                if inspect.iscoroutinefunction(self.function):
                    said = await self.function(item, completion)
                else:
                    said = await self._in_thread(item, completion)
        except TimeoutError:
            raise ScorerFailed(f"scorer {self.name} took more than {self.timeout_s:g} s") from None
        except ScorerFailed:
            raise
        except Exception as error:
            raise ScorerFailed(f"scorer {self.name} raised {type(error).__name__}: {error}") from error
        return self._read(said, completion)

    async def _in_thread(self, item: Item, completion: Completion) -> object:
        """A daemon's: neither this coroutine nor the end of the program waits for one that hangs."""
        if self.hanging >= MAX_HANGING:
            raise ScorerFailed(f"scorer {self.name} hangs: {self.hanging} calls of it have not come back")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()

        def settle(value: object, error: Exception | None) -> None:
            if done.cancelled():
                self.hanging -= 1
            elif error is not None:
                done.set_exception(error)
            else:
                done.set_result(value)

        def work() -> None:
            value, failure = None, None
            try:
                value = self.function(item, completion)
            except Exception as error:  # noqa: BLE001 - handed over
                failure = error
            with suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
                loop.call_soon_threadsafe(settle, value, failure)

        threading.Thread(target=work, daemon=True, name=self.name).start()
        try:
            return await done
        except asyncio.CancelledError:
            self.hanging += 1
            raise

    def _read(self, said: object, completion: Completion) -> Score:
        if isinstance(said, Score):
            value, score = said.value, said
        elif isinstance(said, bool | int | float):
            value, score = float(said), Score(float(said), without_thinking(completion.text).strip())
        else:
            raise ScorerFailed(f"scorer {self.name} returned {said!r:.60}; expected true or false, 0 to 1, or a Score")
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise ScorerFailed(f"scorer {self.name} returned {value!r}; a score is from 0 to 1")
        return score


def python_scorer(name: str, argument: str, directory: Path) -> PythonScorer:
    """The scorer `python:module:function` or `python:file.py:function`; raises ConfigError where there is none.

    A file is looked for in `directory`, a module also in the working directory.
    """
    place, colon, function_name = argument.rpartition(":")
    if not colon or not place or not function_name:
        raise ConfigError(f"scorer {name}: write python:module:function or python:file.py:function")
    try:
        module = _from_file(directory / place) if place.endswith(".py") else _from_path(place)
    except Exception as error:
        raise ConfigError(f"scorer {name}: importing {place} failed: {type(error).__name__}: {error}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        there = ", ".join(
            n for n, v in vars(module).items() if inspect.isfunction(v) and v.__module__ == module.__name__
        )
        raise ConfigError(f"scorer {name}: {place} has no function {function_name!r} (there are: {there or 'none'})")
    try:
        inspect.signature(function).bind(object(), object())
    except TypeError as error:
        raise ConfigError(
            f"scorer {name}: it must accept two arguments, the item and the completion: {error}"
        ) from None
    return PythonScorer(name, function)


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _from_path(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return importlib.import_module(name)
