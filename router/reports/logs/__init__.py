"""What `router logs` tells, from the files alone: bans, errors, throttles, advice, and the story of one item.

`find_logs` finds the files. `analyse` reads them and `render` prints it; so do `item_story` and `render_story` for
one item, `run_sql` and `render_found` or `json_lines` for a query, and `follow` while a run goes on.
"""

from router.reports.logs.analysis import Analysis, analyse, analyse_rows
from router.reports.logs.follow import follow
from router.reports.logs.reading import find_logs
from router.reports.logs.render import render
from router.reports.logs.sql import Found, json_lines, render_found, run_sql
from router.reports.logs.story import Story, item_story
from router.reports.logs.tell import render_story

__all__ = [
    "Analysis",
    "Found",
    "Story",
    "analyse",
    "analyse_rows",
    "find_logs",
    "follow",
    "item_story",
    "json_lines",
    "render",
    "render_found",
    "render_story",
    "run_sql",
]
