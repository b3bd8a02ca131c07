"""A check of a baseline as files for others to read: Markdown for a comment on a change, JUnit XML for a CI server."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml

from sim.experiment.regression import Check, Compared
from sim.experiment.verdict import HEADS, Row, again, closing, drifted, facts, headline, labels, row, rows, sections

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKDOWN = re.compile(r"([\\`*_\[\]|~#])")


def markdown(check: Check) -> str:
    """What `describe` says, as GitHub and GitLab show it."""
    lines = [f"### {_plain(headline(check))}", "", _plain(facts(check))]
    table = rows(check)
    if table:
        lines += ["", _cells(HEADS), "|---|---|---|--:|--:|--:|---|---|"]
        lines += [_cells(_bold(one)) for one in table]
    for head, sentences in sections(check):
        lines += ["", f"**{_plain(head)}**", "", *(f"- {_plain(sentence)}" for sentence in sentences)]
    said = closing(check)
    lines += ["", _plain(" ".join(said))]
    if check.stands_apart:
        lines += ["", "If this is meant, record it:", "", "```sh", again(check), "```"]
    return "\n".join(lines) + "\n"


def junit(check: Check) -> str:
    """A suite per scenario, a case per metric: failed if it is worse. Its trajectory is a case, too, which never fails,
    and is skipped where statistics alone were compared."""
    names = labels(check)
    suites = xml.Element("testsuites", name=_text(f"nixfleet-sim bench check {check.file}"))
    for name in check.baseline.scenarios:
        suite = xml.SubElement(suites, "testsuite", name=_text(names[name]))
        _trajectory(suite, check, name)
        for one in check.compared:
            if one.scenario == name:
                _metric(suite, check, one)
        for path in check.gone.get(name, []):
            _skipped(_case(suite, path), "not in the scenario any more")
        _counted(suite, [suite])
    _counted(suites, list(suites))
    xml.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(suites, encoding="unicode") + "\n"


def _trajectory(suite: xml.Element, check: Check, name: str) -> None:
    case = _case(suite, "trajectory")
    if name in check.changed:
        _skipped(case, f"statistics alone: other {' and '.join(check.changed[name])} than recorded")
    for drift in check.drifts:
        if drift.scenario == name:
            xml.SubElement(case, "system-out").text = _text(f"another trajectory with the same seeds: {drifted(drift)}")


def _metric(suite: xml.Element, check: Check, one: Compared) -> None:
    case = _case(suite, one.metric)
    if not one.moved:
        return
    told = row(check, one)
    said = f"{told.way}: was {told.was}, is {told.is_now} {told.unit}".rstrip() + f" ({told.change}), by {told.how}"
    if one.way == "worse":
        xml.SubElement(case, "failure", type="worse", message=_text(said)).text = _text(
            f"{headline(check)}\nIf this is meant, record it: {again(check)}"
        )
    else:
        xml.SubElement(case, "system-out").text = _text(said)


def _case(suite: xml.Element, name: str) -> xml.Element:
    return xml.SubElement(suite, "testcase", classname=suite.attrib["name"], name=_text(name))


def _skipped(case: xml.Element, why: str) -> None:
    xml.SubElement(case, "skipped", message=_text(why))


def _counted(element: xml.Element, suites: list[xml.Element]) -> None:
    for name, path in (("tests", "testcase"), ("failures", "testcase/failure"), ("skipped", "testcase/skipped")):
        element.set(name, str(sum(len(suite.findall(path)) for suite in suites)))
    element.set("errors", "0")


def _text(text: str) -> str:
    """What XML can hold of a text."""
    return _NOT_XML.sub("\ufffd", text)


def _plain(text: str) -> str:
    """A text in which nothing means anything to Markdown."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    return _MARKDOWN.sub(r"\\\1", escaped)


def _cells(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _bold(told: Row) -> tuple[str, ...]:
    cells = [_plain(cell) for cell in told]
    return tuple(f"**{cell}**" if cell == "worse" else cell for cell in cells)
