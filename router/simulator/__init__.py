"""Simulated vendors: real HTTP servers on loopback that keep limits, fail and answer as the real ones do."""
