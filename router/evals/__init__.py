"""Evaluations: prompts, data sets, scorers, runs.

evaluation = await evaluate(Plan(config, prompts=(load_prompt(path),), task=arithmetic_task(limit=100)))
"""

from router.evals.evaluate import evaluate
from router.evals.items import Item
from router.evals.plan import Plan, Task
from router.evals.run import Evaluation
from router.evals.scores import Score

__all__ = ["Evaluation", "Item", "Plan", "Score", "Task", "evaluate"]
