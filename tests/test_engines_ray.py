"""Ray: the same results as here, on a cluster of two nodes of which one is killed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from study_programs import TINY, square

import morl
from morl.engines import Outcome, Silent
from morl.studies import Study

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one core each on this machine; the first has none to work with."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


def test_a_study_on_ray_is_that_of_this_process_and_survives_a_killed_node(
    cluster: Any, whole_study: Study, tmp_path: Path
) -> None:
    from morl.engines.ray import RayEngine

    outcomes = RayEngine().run(square, [3, -1, 7], Silent())
    assert outcomes == [Outcome(9), Outcome(error="ValueError: no"), Outcome(49, warnings=("seven",))]
    victim = cluster.add_node(num_cpus=1)
    folder = tmp_path / "study"

    def kill() -> None:
        while not list((folder / "cells").glob("*/config.json")):
            time.sleep(0.05)
        cluster.remove_node(victim, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    made = morl.study(TINY, folder, engine=RayEngine())
    killer.join()
    assert made.failures == {}
    assert made.table.results().rows == whole_study.table.results().rows
