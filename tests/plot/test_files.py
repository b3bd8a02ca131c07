"""Figures as files: the same whenever they are written, and with nothing global changed."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

import sim
from sim import plot

DATE = re.compile(r"\d{4}-\d\d-\d\d|<dc:date>")


def figures(result) -> list:
    return [
        plot.states_over_time(result),
        plot.waves(result),
        plot.time_to_converged(result),
        plot.converged_share(result, against=result),
        plot.blocked_by_gate(result),
        plot.control_plane_load(result),
    ]


def test_svg_is_the_same_drawn_again_and_made_again(run_of):
    for first, second in zip(figures(run_of("deferred")), figures(run_of("deferred")), strict=True):
        text = plot.svg(first)
        assert plot.svg(first) == text
        assert plot.svg(second) == text
        assert not DATE.search(text)


def test_svg_is_the_same_after_a_png_was_drawn(run_of, tmp_path):
    axes = plot.states_over_time(run_of("deferred"))
    text = plot.svg(axes)
    plot.save(axes, tmp_path / "one.png")
    assert plot.svg(axes) == text


def test_svg_is_one_element_whose_names_no_other_has(run_of):
    one, other = (plot.svg(plot.states_over_time(run_of(kind))) for kind in ("deferred", "plain"))
    root = ET.fromstring(one)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(set(names)) == len(names)
    used = re.findall(r'(?:url\(#|href="#)([^)"]+)', one)
    assert used
    assert set(used) <= set(names)
    assert not set(names) & set(re.findall(r'id="([^"]+)"', other))


def test_files_are_the_same_whenever_written(run_of, tmp_path):
    for number in (1, 2):
        axes = plot.waves(run_of("deferred"))
        plot.save(axes, tmp_path / f"{number}.svg")
        plot.save(axes.figure, str(tmp_path / f"{number}.PNG"))
    for ending in ("svg", "PNG"):
        assert (tmp_path / f"1.{ending}").read_bytes() == (tmp_path / f"2.{ending}").read_bytes()
    assert (tmp_path / "1.svg").read_text() == plot.svg(plot.waves(run_of("deferred"))) + "\n"
    png = (tmp_path / "1.PNG").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert b"tEXt" not in png.replace(b"pHYs", b"") or b"Software" not in png


def test_saving_takes_figures_without_a_layout_whole(run_of, tmp_path):
    """The legend beside the Axes is on it, and so are Axes in a part of a figure."""
    figure = Figure(figsize=(4, 3))
    axes = plot.states_over_time(run_of("plain"), figure.add_subplot())
    width = float(re.search(r'width="([\d.]+)pt"', plot.svg(axes))[1])
    assert width > 4 * 72
    part = Figure(figsize=(14, 4), layout="constrained").subfigures(1, 2)[0]
    plot.save(plot.waves(run_of("plain"), part.add_subplot()), tmp_path / "part.svg")
    assert (tmp_path / "part.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("name", ["figure.pdf", "figure", "svg"])
def test_other_endings_are_refused(run_of, tmp_path, name):
    with pytest.raises(ValueError, match=r"ends in \.svg or \.png"):
        plot.save(plot.waves(run_of("plain")), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_an_os_error(run_of, tmp_path):
    with pytest.raises(OSError):
        plot.save(plot.waves(run_of("plain")), tmp_path / "missing" / "figure.svg")


def test_nothing_global_is_changed(run_of, tmp_path):
    import matplotlib.pyplot as plt

    settings = dict(mpl.rcParams)
    backend, numbers = mpl.get_backend(), plt.get_fignums()
    for axes in figures(run_of("superseded")):
        plot.svg(axes)
        plot.save(axes, tmp_path / "figure.png")
    assert dict(mpl.rcParams) == settings
    assert (mpl.get_backend(), plt.get_fignums()) == (backend, numbers)


def test_figures_of_pyplot_can_be_drawn_on_and_stay(run_of):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    try:
        assert plot.waves(run_of("plain"), axes) is axes
        plot.svg(axes)
        assert plt.get_fignums() == [figure.number]
    finally:
        plt.close(figure)


def test_importing_sim_takes_no_matplotlib_and_plotting_no_pyplot():
    code = (
        "import sys, sim, sim.result, sim.cli.main; assert 'matplotlib' not in sys.modules; "
        "import sim.plot; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_result_that_was_saved_gives_the_same_figures(run_of, tmp_path):
    from sim.result import read, save

    result = run_of("chain")
    save(result, tmp_path / "out")
    for first, second in zip(figures(result), figures(read(tmp_path / "out")), strict=True):
        assert plot.svg(first) == plot.svg(second)


@pytest.mark.slow
def test_the_scenario_of_100_000_hosts(tmp_path):
    from pathlib import Path

    result = sim.run(sim.load(Path(__file__).parents[2] / "scenarios" / "hundred-thousand.yaml"))
    for axes in figures(result):
        assert len(plot.svg(axes)) < 500_000


def test_a_character_that_the_font_lacks_is_no_warning(run_of, tmp_path):
    # warnings are errors here, and on a terminal they would name files of this project
    axes = plot.waves(run_of("plain"))
    axes.set_title("web-\N{FOX FACE}")
    plot.save(axes, tmp_path / "fox.svg")
    plot.save(axes, tmp_path / "fox.png")
    assert plot.svg(axes).startswith("<svg")
