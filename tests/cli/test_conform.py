"""`conform`, on the reference's vectors and on spoiled ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sim.cli.conform import SHOWN
from sim.cli.json_diff import DIFF_LINES

VECTORS = Path(__file__).parent.parent / "vectors"


def cases(kind: str = "rollout_step", most: int = 20) -> list[dict]:
    with gzip.open(VECTORS / f"{kind}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line, _ in zip(lines, range(most), strict=False)]


def write(path: Path, lines: list) -> Path:
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def last(out: str) -> str:
    return out.splitlines()[-1]


def test_all_vectors(cli) -> None:
    assert cli("conform", *sorted(VECTORS.glob("*.gz"))) == (0, "2348 passed, 0 failed\n", "")


def test_plain_and_zipped_whatever_the_name(cli, tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.gz", cases())
    zipped = tmp_path / "zipped.jsonl"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert cli("conform", plain, zipped) == (0, "40 passed, 0 failed\n", "")


def test_numbers_compare_by_value_and_lines_may_be_empty(cli, tmp_path: Path) -> None:
    def floats(value):
        if isinstance(value, dict):
            return {key: floats(part) for key, part in value.items()}
        if isinstance(value, list):
            return [floats(part) for part in value]
        return float(value) if type(value) is int else value

    path = write(tmp_path / "v", ["", *({**case, "expect": floats(case["expect"])} for case in cases()), ""])
    assert cli("conform", path) == (0, "20 passed, 0 failed\n", "")


def test_true_is_not_one(cli, tmp_path: Path) -> None:
    case = next(
        case for case in cases("rollout_step", 700) if case["expect"].get("record", {}).get("current_wave") == 1
    )
    case["expect"]["record"]["current_wave"] = True
    assert cli("conform", write(tmp_path / "v", [case])).code == 1


def test_failures_are_shown_as_diffs(cli, tmp_path: Path) -> None:
    given = [case for case in cases("rollout_step", 100) if "record" in case["expect"]][: SHOWN + 4]
    for case in given[1:]:
        case["expect"]["record"]["current_wave"] += 7
    path = write(tmp_path / "spoiled.jsonl", given)
    code, out, err = cli("conform", path)
    assert (code, err) == (1, "")
    assert last(out) == f"1 passed, {SHOWN + 3} failed"
    assert f"{path}:1:" not in out
    for line in range(2, SHOWN + 2):
        assert f"{path}:{line}: rollout_step failed" in out
    assert f"{path}:{SHOWN + 2}:" not in out
    assert "\n... and 3 more failed\n" in out
    wave = given[1]["expect"]["record"]["current_wave"]
    assert f'\n  -    "current_wave": {wave},\n  +    "current_wave": {wave - 7},\n' in out


def test_a_long_diff_is_cut(cli, tmp_path: Path) -> None:
    case = cases(most=1)[0] | {"expect": list(range(1000))}
    code, out, _ = cli("conform", write(tmp_path / "v", [case]))
    assert code == 1
    assert len(out.splitlines()) < DIFF_LINES + 10
    assert "more lines" in out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        ("3", "object"),
        ('{"kind": "rollout_step", "expect": NaN}', "NaN"),
        ('{"kind": "rollout_step"}', "`expect` is missing"),
        ('{"kind": "teatime", "expect": {}}', "unknown kind 'teatime'"),
        ('{"kind": "host_step", "expect": {}}', "`state` is missing"),
        ("[" * 100_000, "too deep"),
        ('{"expect": ' * 400 + "1" + "}" * 400, "kind"),
        ('{"x": ' + "9" * 5000 + "}", "JSON"),
    ],
)
def test_a_line_that_cannot_be_used(cli, tmp_path: Path, line: str, said: str) -> None:
    path = write(tmp_path / "v.jsonl", [cases()[0], line, cases()[1]])
    code, out, err = cli("conform", path)
    assert code == 2
    assert out == "2 passed, 0 failed\n"
    assert err.startswith(f"Error: {path}:2: ")
    assert said in err


def test_an_expectation_nested_too_deep(cli, tmp_path: Path) -> None:
    case = cases()[0] | {"expect": None}
    line = json.dumps(case).replace('"expect": null', '"expect": ' + "[" * 400 + "]" * 400)
    assert cli("conform", write(tmp_path / "v", [line])).code == 2


def test_no_text(cli, tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    path.write_bytes(b'{"kind": "\xff"}\n')
    code, _, err = cli("conform", path)
    assert code == 2
    assert err.startswith(f"Error: {path}:1: ")


def test_many_bad_lines_are_told_in_short(cli, tmp_path: Path) -> None:
    code, out, err = cli("conform", write(tmp_path / "v", ["{"] * 20))
    assert code == 2
    assert err.startswith("Error: 20 cases or files cannot be read\n")
    assert len(err.splitlines()) == SHOWN + 2
    assert last(out) == "0 passed, 0 failed"


def test_files_that_cannot_be_read(cli, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gz"
    broken.write_bytes((VECTORS / "plan.jsonl.gz").read_bytes()[:2000])
    garbled = tmp_path / "garbled.gz"
    garbled.write_bytes(b"\x1f\x8b" + b"garbage, and not zipped")
    empty = tmp_path / "empty"
    empty.touch()
    good = write(tmp_path / "good", cases())
    for file in (tmp_path / "nowhere", tmp_path, broken, garbled, empty):
        code, out, err = cli("conform", good, file)
        assert code == 2
        assert str(file) in err
        assert last(out).endswith(" passed, 0 failed")
        assert int(last(out).split()[0]) >= 20


def test_a_reducer_that_raises_has_failed(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(case):
        raise KeyError("oops")

    monkeypatch.setattr("sim.reducer.vectors.expected_of", broken)
    code, out, err = cli("conform", write(tmp_path / "v", cases()))
    assert (code, err) == (1, "")
    assert "KeyError: 'oops'" in out
    assert last(out) == "0 passed, 20 failed"


def test_json(cli, tmp_path: Path) -> None:
    given = cases()
    given[3]["expect"] = {"error": "Teatime"}
    path = write(tmp_path / "v.jsonl", [*given, "{"])
    code, out, _ = cli("conform", "--json", path)
    assert code == 2
    found = json.loads(out)
    assert (found["passed"], found["failed"]) == (19, 1)
    (failure,) = found["failures"]
    assert (failure["file"], failure["line"], failure["kind"]) == (str(path), 4, "rollout_step")
    assert failure["expect"] == {"error": "Teatime"}
    assert failure["got"] == cases()[3]["expect"]
    assert found["problems"][0]["line"] == 21
