"""The benchmark: what reading from AIStore costs with each contender, side by side on one server.

A run goes from `workloads.json` (what is read, and by whom) over `buckets` (to read from) and `rounds` (each
measurement in a fresh process, contenders taking turns) to `results`, which `report` and `chart` show.
Processes of the benchmark's own are `child` (reads and measures) and `relay` (adds latency).
"""
