"""Colours hold in greyscale and for the colour-blind, computed: CIE L*, and the colour differences that are left when
colour vision is simulated after G. Machado, M. Oliveira, L. Fernandes, "A physiologically-based model for simulation of
color vision deficiency", IEEE TVCG 15(6), 2009, for full protanopia, deuteranopia and tritanopia."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from sim import plot
from sim.plot.style import ELIGIBLE, GATES, PHASES, STATES, lines
from sim.reducer import gates
from sim.reducer.records import STATES as ALL

SIGHT = {
    "trichromat": np.eye(3),
    "protanope": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranope": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanope": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def linear(colour: str) -> np.ndarray:
    part = np.array(to_rgb(colour))
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB."""
    part = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    root = np.where(part > 0.008856, np.cbrt(part), 7.787 * part + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def lightness(colour: str) -> float:
    return float(lab(linear(colour))[0])


def contrast_with_white(colour: str) -> float:
    """Of WCAG 2.1."""
    return 1.05 / (float(TO_XYZ[1] @ linear(colour)) + 0.05)


def nearest(colours: list[str]) -> float:
    """The least difference of L* between any two."""
    return min(abs(lightness(one) - lightness(other)) for one, other in combinations(colours, 2))


def test_every_state_has_a_colour_of_its_own():
    assert set(STATES) == set(ALL)
    assert len({look.colour for look in STATES.values()}) == len(ALL)
    assert plot.STATES is STATES


def test_states_are_distinct_in_greyscale():
    assert nearest([look.colour for look in STATES.values()]) > 10


@pytest.mark.parametrize("sight", SIGHT)
def test_states_are_distinct_for(sight):
    seen = [lab(np.array(SIGHT[sight]) @ linear(look.colour)) for look in STATES.values()]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 20


def test_states_that_touch_in_a_stack_are_told_apart_by_a_hatch_or_by_much_luminance():
    order = list(STATES.values())
    for one, other in combinations(order, 2):
        assert one.hatch != other.hatch or abs(lightness(one.colour) - lightness(other.colour)) > 12
    hatches = [look.hatch for look in order if look.hatch]
    assert len(set(hatches)) == len(hatches)


@pytest.mark.parametrize(("table", "apart"), [(PHASES, 15), (GATES, 8)], ids=["phases", "gates"])
def test_other_areas_are_distinct_in_greyscale_and_share_no_colour_with_a_state(table, apart):
    colours = [look.colour for look in table.values()]
    assert nearest(colours) > apart
    assert not {colour.lower() for colour in colours} & {look.colour.lower() for look in STATES.values()}


def test_hatches_show_on_their_areas():
    for look in (*STATES.values(), *PHASES.values(), *GATES.values()):
        if look.hatch:
            assert abs(lightness(look.colour) - lightness(look.hatch_colour)) > 18


def test_every_gate_has_a_look():
    assert set(GATES) == {
        gates.QUARANTINE,
        gates.CHANNEL_EDGES,
        gates.WAVE_PROMOTION,
        gates.UNSTAGED,
        gates.HOST_EDGE,
        gates.DISRUPTION_BUDGET,
        gates.COMPLIANCE_WAVE,
    }


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 12, 40])
def test_lines_go_from_dark_to_light_and_still_show_on_white(count):
    looks = lines(count)
    light = [lightness(look.colour) for look in looks]
    assert light == sorted(light)
    assert min(contrast_with_white(look.colour) for look in looks) >= 3
    assert all(one.style != other.style for one, other in pairwise(looks))
    if 1 < count <= 4:
        assert nearest([look.colour for look in looks]) > 12


def test_eligible_is_converged_but_lighter():
    converged = STATES["Converged"].colour
    assert lightness(ELIGIBLE) - lightness(converged) > 25
    hue = [np.arctan2(lab(linear(colour))[2], lab(linear(colour))[1]) for colour in (ELIGIBLE, converged)]
    assert abs(hue[0] - hue[1]) < 0.2
    assert contrast_with_white(converged) > 4.5


def test_one_colour_per_state_in_every_figure(run_of):
    """What a legend names after a state has the state's colour; nothing else has."""
    colour_of = {state: to_hex(look.colour) for state, look in STATES.items()}
    for name in ("deferred", "superseded", "reverted", "chain"):
        result = run_of(name)
        drawn = [plot.states_over_time(result), plot.waves(result), plot.time_to_converged(result)]
        drawn += [plot.converged_share(result, against=run_of("plain")), plot.blocked_by_gate(result)]
        drawn += [plot.control_plane_load(result)]
        for axes in drawn:
            legend = axes.get_legend()
            for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True) if legend else ():
                colour = handle.get_facecolor() if hasattr(handle, "get_facecolor") else handle.get_color()
                state = text.get_text().split(":")[0].split(",")[0].capitalize()
                if state in colour_of:
                    assert to_hex(colour) == colour_of[state], text
                elif np.size(colour) in (3, 4) or isinstance(colour, str):
                    assert to_hex(colour) not in colour_of.values(), text
