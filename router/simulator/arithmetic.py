"""What a simulated model says: the last arithmetic expression of the prompt, solved, mostly rightly.

Everything is decided by a hash of seed, vendor and question: a question gets the same reply on every run.
"""

from __future__ import annotations

import hashlib
import re
from math import prod

_EXPRESSION = re.compile(r"(?<![\w.])-?\d+(?:\s*[-+−*x×]\s*-?\d+)+(?![\d.]*\d)", re.ASCII)
_STEP = re.compile(r"([-+*])(-?\d+)", re.ASCII)
_PLAIN_SIGNS = str.maketrans({"×": "*", "x": "*", "−": "-"})
_MISSES = (-1, 1, -2, 2, -10, 10, 9, -9)

NOTHING_TO_SOLVE = "I see no arithmetic here, so there is nothing for me to work out."


def last_expression(text: str) -> str | None:
    """Find the last chain of integers with + - x × *, such as `12 + 7 x 3`; None where there is none."""
    found = _EXPRESSION.findall(text)
    return found[-1] if found else None


def solve(expression: str) -> int:
    """Work out a chain that `last_expression` found; products go first."""
    plain = re.sub(r"\s+", "", expression).translate(_PLAIN_SIGNS)
    terms: list[list[int]] = []
    for sign, digits in _STEP.findall("+" + plain):
        if sign == "*":
            terms[-1].append(int(digits))
        else:
            terms.append([int(digits) if sign == "+" else -int(digits)])
    return sum(prod(factors) for factors in terms)


def reply(question: str, prompt: str, *, accuracy: float, seed: int, name: str) -> str:
    """Answer the last expression of `question`, in the form that the whole `prompt` asks for.

    A prompt that mentions `reason` gets a JSON object with `reason` and `infer`, at times fenced or after a
    <think> block; one that mentions `infer` alone gets that object bare; any other a sentence.
    """
    expression = last_expression(question)
    if expression is None:
        return NOTHING_TO_SOLVE
    dice = hashlib.blake2b(f"{seed}\0{name}\0{question}".encode(), digest_size=8).digest()
    is_right = int.from_bytes(dice[:4]) < accuracy * 2**32
    number = solve(expression) + (0 if is_right else _MISSES[dice[4] % len(_MISSES)])
    if "reason" in prompt:
        return _reasoned(expression, number, dice[5])
    if "infer" in prompt:
        return f'{{"infer": {number}}}'
    return f"The result of {expression} is {number}."


def _reasoned(expression: str, number: int, die: int) -> str:
    json = f'{{"reason": "Products first, then sums: {expression} = {number}.", "infer": {number}}}'
    if die % 4 == 0:
        return f"Working it out step by step.\n```json\n{json}\n```"
    if die % 4 == 1:
        return f"<think>\nFirst the products of {expression}, then the sums.\n</think>\n{json}"
    return f"Products go first, then sums from left to right.\n{json}"
