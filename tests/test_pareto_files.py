"""Front files that were changed, damaged, made to hurt, or are no files at all."""

import json
import os
import subprocess
import warnings

import numpy as np
import pytest

from morl.pareto import Front
from morl.spec import FrontError, Objective

FRONT = Front(
    [[1.0, -3.0], [3.0, -5.5]],
    [Objective("speed", "m/s"), Objective("cost", "EUR", 0, 10, minimise=True)],
    ref_point=[0.0, -25.0],
    discount=0.9,
    covariance=[np.array([[2.0, 0.5], [0.5, 1.0]])] * 2,
    episodes=[10, 10],
    outer=[[0.25, 0.75, 2.0]],
    scale=([0.0, -25.0], [4.0, 0.0]),
    provenance={"algorithm": "test", "seed": 3},
)


def quietly(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Front.load(path)


class TestCosts:
    def test_files_hold_positive_costs_and_come_back_as_they_were(self, tmp_path):
        loaded = quietly(FRONT.save(tmp_path / "f.json"))
        data = json.loads((tmp_path / "f.json").read_text())
        assert data["points"] == [[3, 5.5], [1, 3]]
        assert data["ref_point"] == [0, 25]
        assert data["scale"] == [[0, 25], [4, 0]]
        assert data["outer"] == [[0.25, -0.75, 2]]
        for name in ("points", "ref_point", "covariance", "outer"):
            assert np.array_equal(getattr(loaded, name), getattr(FRONT, name)), name
        assert np.array_equal(loaded.scale, FRONT.scale)
        assert loaded.objectives == FRONT.objectives

    def test_tables_mark_them(self, tmp_path):
        path = FRONT.save(tmp_path / "f.csv")
        assert path.read_text() == "speed,cost (minimise)\n3.0,5.5\n1.0,3.0\n"
        assert np.array_equal(quietly(path).points, FRONT.points)
        assert quietly(path).objectives[1] == Objective("cost", minimise=True)

    def test_fronts_without_costs_keep_the_format_of_old_readers(self):
        assert Front([[1.0]]).to_dict()["format"] == "morl-front-1"
        assert "minimise" not in Front([[1.0]]).to_dict()["objectives"][0]
        assert FRONT.to_dict()["format"] == "morl-front-2"

    def test_files_from_before_still_load(self, tmp_path):
        old = tmp_path / "old.json"
        old.write_text(json.dumps(Front([[1, 2]], ["a", "b"]).to_dict()))  # neither digest nor minimise
        assert quietly(old).points.tolist() == [[1, 2]]


class TestAltered:
    def test_a_number_changed_by_hand_is_read_and_told(self, tmp_path):
        path = FRONT.save(tmp_path / "f.json")
        path.write_text(path.read_text().replace("5.5", "4.5"))
        with pytest.warns(UserWarning, match=r"f.json' was altered after it was written"):
            front = Front.load(path)
        assert front.points.tolist() == [[3, -4.5], [1, -3]]
        assert front.provenance["altered"] is True
        assert front.role == "reference front"
        assert quietly(front.save(tmp_path / "again.json")).provenance["altered"] is True

    def test_layout_is_not_content(self, tmp_path):
        path = FRONT.save(tmp_path / "f.json")
        data = json.loads(path.read_text())
        path.write_text(json.dumps(dict(reversed(data.items()))))
        quietly(path)

    def test_a_table_has_its_digest_beside_it(self, tmp_path):
        path = FRONT.save(tmp_path / "f.csv")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["f.csv", "f.csv.sha256"]
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        quietly(path)
        path.write_text(path.read_text().replace("3.0", "2.0"))
        with pytest.warns(UserWarning, match="altered"):
            assert Front.load(path).provenance["altered"]
        FRONT.save(path)
        quietly(path)

    def test_no_bit_flip_passes_in_silence(self, tmp_path):
        """Each is refused in one line, told, or leaves the front as it was."""
        path, rng = tmp_path / "f.json", np.random.default_rng(0)
        whole = FRONT.save(path).read_bytes()
        same = Front.load(path).to_dict()
        for _ in range(400):
            damaged = bytearray(whole)
            damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                try:
                    front = Front.load(path)
                except FrontError:
                    continue
            assert told or front.to_dict() == same, bytes(damaged)


HURTFUL = {
    "deep lists": '{"format": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "deep objects": '{"provenance": ' + '{"a":' * 200 + "1" + "}" * 200 + "}",
    "an integer of 6,000 digits": '{"format": ' + "7" * 6000 + "}",
    "an integer of 400 digits": '{"format": ' + "7" * 400 + "}",
    "NaN": '{"format": "morl-front-1", "points": [[NaN]]}',
    "an overflow": '{"format": "morl-front-1", "points": [[1e999]]}',
    "half a file": '{"format": "morl-front-1", "poi',
    "nothing": "",
    "not an object": "3",
}


@pytest.mark.parametrize("kind", HURTFUL)
def test_hurtful_json_gets_one_line(kind, tmp_path):
    path = tmp_path / "f.json"
    path.write_text(HURTFUL[kind])
    with pytest.raises(FrontError) as caught:
        Front.load(path)
    assert "f.json" in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


WRONG = [
    ("points", "many"), ("points", [["1", "2"]]), ("points", [[1, 2], [3]]), ("points", None),
    ("objectives", [{"name": ""}]), ("objectives", [3]), ("objectives", "ab"),
    ("objectives", [{"name": "a"}, {"name": "b", "minimise": "no"}]),
    ("ref_point", [1]), ("discount", 2), ("discount", "x"), ("weights", [[1]]), ("covariance", [[1, 2], [3]]),
    ("episodes", ["x"]), ("episodes", [10**30, 1]), ("epsilon", [1]), ("outer", [[1]]), ("scale", [[1, 2]]),
    ("scale", 3), ("provenance", "a"), ("provenance", [1]), ("supported", [1]),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), WRONG, ids=[f"{k}-{str(v)[:20]}" for k, v in WRONG])
@pytest.mark.parametrize("cost", [False, True])
def test_wrong_content_gets_one_line(key, value, cost, tmp_path):
    front = FRONT if cost else Front(FRONT.points, ["a", "b"], covariance=FRONT.covariance, episodes=FRONT.episodes)
    path = tmp_path / "f.json"
    path.write_text(json.dumps({**front.to_dict(), key: value}))
    with pytest.raises(FrontError, match=r"f\.json") as caught:
        Front.load(path)
    assert "\n" not in str(caught.value)


class TestWhatIsNoFile:
    def test_a_folder(self, tmp_path):
        (tmp_path / "f.json").mkdir()
        with pytest.raises(FrontError, match="is a folder; expected a regular file"):
            Front.load(tmp_path / "f.json")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    @pytest.mark.parametrize("name", ["f.json", "f.csv", "f.dat"])
    def test_a_pipe_is_refused_and_not_waited_for(self, name, tmp_path):
        os.mkfifo(tmp_path / name)
        with pytest.raises(FrontError, match="expected a regular file"):
            Front.load(tmp_path / name)

    @pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs /dev/zero")
    def test_a_device(self):
        with pytest.raises(FrontError, match="expected a regular file"):
            Front.load("/dev/zero")

    def test_a_file_too_large(self, tmp_path):
        path = tmp_path / "f.json"
        with path.open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(FrontError, match="expected at most"):
            Front.load(path)

    def test_a_name_that_no_system_takes(self):
        with pytest.raises(FrontError, match="cannot be read"):
            Front.load("a\0b.json")


def test_the_digest_beside_a_table_is_checked_by_sha256sum(tmp_path):
    FRONT.save(tmp_path / "f.csv")
    try:
        found = subprocess.run(["sha256sum", "--check", "f.csv.sha256"], cwd=tmp_path, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no sha256sum here")
    assert found.returncode == 0
