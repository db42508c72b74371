"""Benchmarks of corange against its peers, measured side by side (``python -m bench --help``)."""
