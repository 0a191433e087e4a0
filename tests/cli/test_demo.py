"""`aistorch demo`, shortened."""

from __future__ import annotations

import re

from tests.cli.command import run


def test_starts_a_server_and_reports_what_came_of_it() -> None:
    ended = run("demo", "--epochs", "3")
    assert ended.returncode == 0, ended.stderr
    accuracy = re.search(r"accuracy on the held-out part\s+([\d.]+)%", ended.stdout)
    assert accuracy is not None
    assert float(accuracy[1]) > 90
    assert re.search(r"samples a second\s+[\d,]+", ended.stdout)
    assert "AIS_ENDPOINT=http://your-proxy:51080 make demo" in ended.stdout
    for step in ("storing: 100%", "training, epoch 3 of 3: 100%", "testing: 100%"):
        assert step in ended.stderr


def test_an_endpoint_where_nothing_answers_is_named() -> None:
    ended = run("demo", "--epochs", "1", AIS_ENDPOINT="http://127.0.0.1:9")
    assert ended.returncode == 1
    assert "http://127.0.0.1:9" in ended.stderr
    assert "Traceback" not in ended.stderr
