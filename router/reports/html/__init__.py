"""The report of a run: one HTML file that works offline, with plots and a table of all items."""
