"""What `router logs` tells, from the files alone: bans, errors, throttles, advice, and the story of one item.

`find_logs` finds the files. `analyse` reads them, `item_story` tells of one item, `run_sql` answers a
query, and `follow` tells while a run goes on. `router.reports` prints what they find.
"""

from router.analysis.analysis import Analysis, analyse, analyse_rows
from router.analysis.follow import follow
from router.analysis.item import Story, item_story
from router.analysis.query import Found, csv_lines, json_lines, run_sql
from router.analysis.reading import find_logs

__all__ = [
    "Analysis",
    "Found",
    "Story",
    "analyse",
    "analyse_rows",
    "csv_lines",
    "find_logs",
    "follow",
    "item_story",
    "json_lines",
    "run_sql",
]
