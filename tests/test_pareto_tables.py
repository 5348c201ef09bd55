"""Tables of other programs: every dialect of CSV, and the point sets of moocore and pymoo."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import point_sets

from morl.pareto import Front
from morl.spec import FrontError

AB = [[3.0, 0.5], [1.0, 2.5]]
"""Two points, as a front sorts them."""

DIALECTS = {
    "plain": "a,b\n1,2.5\n3,0.5\n",
    "no header": "1,2.5\n3,0.5\n",
    "byte-order mark": "\ufeffa,b\n1,2.5\n3,0.5\n",
    "CRLF": "a,b\r\n1,2.5\r\n3,0.5\r\n",
    "old Macintosh": "a,b\r1,2.5\r3,0.5\r",
    "spaces": " a , b \n 1 , 2.5\n3,  0.5 \n",
    "quoted": '"a","b"\n"1","2.5"\n"3","0.5"\n',
    "numpy.savetxt with a header": "# a,b\n1.0e+00,2.5e+00\n3.0e+00,5.0e-01\n",
    "comments": "# measured on Monday, by hand, twice\n# a,b\n1,2.5\n# the other one\n3,0.5\n",
    "pandas with its index": ",a,b\n0,1,2.5\n1,3,0.5\n",
    "pandas, written twice": "Unnamed: 0,a,b\n0,1,2.5\n1,3,0.5\n",
    "R's write.csv": '"","a","b"\n"1",1,2.5\n"2",3,0.5\n',
    "an index of words": ",a,b\nfirst,1,2.5\nsecond,3,0.5\n",
    "semicolons": "a;b\n1;2.5\n3;0.5\n",
    "decimal commas": "a;b\n1;2,5\n3,0;0,5\n",
    "a spreadsheet's first line": "sep=;\na;b\n1;2,5\n3;0,5\n",
    "tabs": "a\tb\n1\t2.5\n3\t0.5\n",
    "tabs and decimal commas": "a\tb\n1\t2,5\n3\t0,5\n",
    "trailing separators": "a,b,\n1,2.5,\n3,0.5,\n",
    "trailing separators without a header": "1,2.5,\n3,0.5,\n",
    "R's write.table": '"a" "b"\n"1" 1 2.5\n"2" 3 0.5\n',
    "an index called index": "index,a,b\n0,1,2.5\n1,3,0.5\n",
    "an index from 1": "Id;a;b\n1;1;2.5\n2;3;0.5\n",
    "row numbers": "Nr.\ta\tb\n1\t1\t2,5\n2\t3\t0,5\n",
    "bars": "a|b\n1|2.5\n3|0.5\n",
    "commas and blanks": "a, b\n1, 2.5\n3, 0.5\n",
    "blank lines": "\na,b\n\n1,2.5\n\n\n3,0.5\n\n",
    "blanks": "a b\n1   2.5\n 3 0.5\n",
    "blanks and decimal commas": "a b\n1 2,5\n3 0,5\n",
    "no digits before the point, a sign, an exponent": "a,b\n+1.,2.5e0\n3E+0,.5\n",
    "no end of line": "a,b\n1,2.5\n3,0.5",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_points(dialect, tmp_path):
    path = tmp_path / "front.CSV"
    path.write_bytes(DIALECTS[dialect].encode())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        front = Front.load(path)
    assert front.points.tolist() == AB
    assert front.names == (("r0", "r1") if "no header" in dialect or "without" in dialect else ("a", "b"))


def test_encodings(tmp_path):
    path = tmp_path / "front.txt"
    path.write_bytes("Höhe\tKosten\n1\t2,5\n3\t0,5\n".encode("utf-16"))
    assert Front.load(path).names == ("Höhe", "Kosten")
    path.write_bytes(b"H\xf6he,b\n1,2\n")
    with pytest.raises(FrontError, match="save it as UTF-8"):
        Front.load(path)


@pytest.mark.parametrize("name", ["set.dat", "set.pf", "set.txt", "set.tsv", "set"])
def test_point_sets_separated_by_blank_lines_are_one_front_that_says_so(name, tmp_path):
    path = tmp_path / name
    path.write_text("# moocore\n0.5 2\n1 1.5\n\n# the second\n0.25 3 # inline\n\n\n2\t0.5\n".replace("\t", " "))
    with pytest.warns(UserWarning, match="3 point sets, separated by blank lines, are read as one front"):
        front = Front.load(path)
    assert front.points.tolist() == [[2, 0.5], [1, 1.5], [0.5, 2], [0.25, 3]]
    assert front.provenance["sets"] == 3
    assert front.role == "union of the fronts"


def test_point_sets_of_minimisation_libraries(tmp_path):
    path = tmp_path / "zdt1.pf"
    np.savetxt(path, [[0.0, 1.0], [1.0, 0.0]])
    front = Front.load(path, minimise=True)
    assert front.points.tolist() == [[0, -1], [-1, 0]]
    assert [o.minimise for o in front.objectives] == [True, True]
    path.write_text("speed cost\n3 120\n")
    assert Front.load(path, minimise=["cost"]).points.tolist() == [[3, -120]]
    with pytest.raises(FrontError, match="'prize' is not in the file; expected one of speed, cost"):
        Front.load(path, minimise=["prize"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("# nothing\n", "is empty"),
        ('{"a": 1}', "format None"),
        ("a,b\n1\n", "line 2 has 1 values; expected 2"),
        ("a,b\n1,2,3\n", "line 2 has 3 values; expected 2"),
        ("1,2\n3,4\n\n5\n", "line 4 has 1 values; expected 2"),
        ("a,b\n1,\n", "line 2 has nothing for 'b'"),
        ("a,b\n1,x\n", "line 2 has 'x' for 'b'; that is not a number"),
        ("a,b\n1,2\n3,nan\n", "line 3 has nan for 'b'; expected finite"),
        ("1,inf\n", "line 1 has inf for 'column 2'"),
        ("1 2\n-Infinity 3\n", "line 2 has -Infinity"),
        ("a,b\n1,1e999\n", "line 2 has 1e999 for 'b'; expected finite"),
        ("1,x\n2,3\n", "line 1 mixes numbers and words"),
        ("a,,b\n1,2,3\n", "a name for every column"),
        ("a;b\n1.000,5;2\n", "line 2 has '1.000,5' for 'a'"),
        ('a,b\n"1,5",2\n', "line 2 has '1,5' for 'a'"),
        ("a,b\n1_000,2\n", "line 2 has '1_000'"),
        ("a,b\n0x10,2\n", "line 2 has '0x10'"),
        ("a,b\n١,2\n", "line 2 has '١'"),
        ("a,a\n1,2\n", "given twice"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(text, message, tmp_path):
    path = tmp_path / "front.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FrontError, match=message) as caught:
        Front.load(path)
    assert "\n" not in str(caught.value)


def test_a_first_line_that_may_number_the_columns_is_said_to_be_a_point():
    with pytest.warns(UserWarning, match=r"line 1 \(0, 1\) is read as a point"):
        assert len(Front.from_csv("0,1\n0.5,0.25\n")) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Front.from_csv("0,1\n0.5,0.25\n1,0\n")) == 3
    assert Front.from_csv(",0,1\n0,0.5,0.25\n").names == ("0", "1")
    assert Front.from_csv("id,b\n1,5\n3,4\n").names == ("id", "b")  # counts nothing


@given(point_sets(grid=False), st.sampled_from([",", ";", "\t", " "]), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_tables_round_trip(points, separator, header, end):
    front = Front(points * np.pi, [f"o{i}" for i in range(points.shape[1])])
    rows = [front.names] * header + [tuple(map(repr, row)) for row in front.points.tolist()]
    read = Front.from_csv(end.join(separator.join(row) for row in rows) + end)
    assert np.array_equal(read.points, front.points)
    assert read.names == front.names or not header
