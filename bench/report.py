"""The report of many items: how long it takes to write, how large it is, and when a browser has its table ready.

    uv run python bench/report.py 300 20000 100000

Writing is measured on made-up runs of two providers and one prompt. For the page it needs Chromium (`chromium` on the
path, or CHROMIUM), driven over its DevTools by `router.testing`'s client in tests/browser.py.
"""
