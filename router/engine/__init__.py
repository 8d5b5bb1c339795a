"""The engine: lanes pace and offer permits, jobs take them."""
