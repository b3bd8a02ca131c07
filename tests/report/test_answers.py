"""The five answers, in runs of every kind, against numbers taken from the frames by hand."""

from __future__ import annotations

import re

import pytest

from sim.report.answers import answers
from sim.report.phrases import percent
from sim.result.words import duration


@pytest.fixture
def told(run_of):
    """The answers of a run: per key the few words, and the sentences as one text."""

    def tell(name):
        return {one.key: (one.short, " ".join(one.sentences)) for one in answers(run_of(name))}

    return tell


def test_the_five_questions_come_in_the_order_in_which_they_are_asked(told):
    assert list(told("plain")) == ["duration", "holding", "deferred", "bad-release", "control-plane"]


# -- how long, and which wave


def test_a_finished_rollout_says_when_and_names_the_wave_that_set_the_end(told, run_of):
    short, text = told("plain")["duration"]
    [rollout] = run_of("plain").summary["rollouts"]
    assert short == duration(rollout["terminal_at_s"])
    links = run_of("plain").critical_path("c@r1")
    wave_of = run_of("plain").hosts.set_index("host")["wave"]
    spent: dict[int, float] = {}
    for link in links:
        spent[wave_of[link.host]] = spent.get(wave_of[link.host], 0.0) + link.to_s - link.from_s
    slowest = max(spent, key=lambda wave: spent[wave])
    assert f"The bottleneck is wave {slowest} of c@r1" in text
    assert f"of the {short} that set the end {duration(spent[slowest])} passed there" in text
    assert f"Half the hosts of c@r1 had converged after {duration(rollout['time_to_converged_s']['p50'])}" in text


@pytest.mark.parametrize(
    ("name", "short", "words"),
    [
        ("no release", "nothing rolled out", "no release reached a host"),
        ("one host", "1h", "reached the one host in 1h"),
        ("no waves", "1h", "All its hosts go in one wave"),
        ("failed", "not finished", "Not one of the 40 hosts of c@r1 had converged by the end."),
        ("nothing converged", "not finished", "The run was cut off at its horizon, 1d; a longer one may see the end."),
        ("horizon", "not finished", "It was in wave 1 then; the last is wave 2."),
        ("at once over", "not finished", "c@r1 did not finish (40 Pending)."),
        ("chain", "16m24s", "Both rollouts finished: a@r1 at 9m5s and b@r1 at 16m24s."),
        ("superseded", "3h19m", "c@r1 was superseded with 24 Pending, 16 Converged."),
        ("unlisted", "not finished", "without help it never will"),
        (
            "never boots",
            "not finished",
            "The bottleneck is wave 2, open since 11m45s: the rollout does not leave it.",
        ),
    ],
)
def test_how_long_in_odd_cases(told, name, short, words):
    found, text = told(name)["duration"]
    assert found == short
    assert words in text


def test_dispatches_queued_again_are_counted(told, run_of):
    again = run_of("laptops").summary["load"]["dispatches_requeued"]
    assert again > 1
    said = f"{again:,} dispatches had to be queued again, because they had not been taken by the next pass."
    assert said in told("laptops")["control-plane"][1]


# -- what holds hosts back


def test_a_stall_is_told_with_its_culprits_and_what_to_do(told):
    short, text = told("stalled")["holding"]
    assert short == "office is stalled"
    assert "waiting for lab-00000 and lab-00001 (not in this rollout)" in text
    assert "What to do: a wave is left when every host that it lists is done" in text


def test_the_hosts_that_came_last_are_named_with_what_they_waited_for(told, run_of):
    hosts = run_of("deferred").hosts.sort_values("converged_at", ascending=False)
    last = hosts.iloc[0]
    _, text = told("deferred")["holding"]
    after, waited = duration(last["converged_at"]), duration(last["deferred_s"])
    assert f"The last to converge: {last['host']} after {after} ({waited} waiting for a reboot" in text


def test_the_share_of_the_time_is_that_of_the_frame(told, run_of):
    waves = run_of("plain").waves
    parts = [name for name in waves.columns if name.endswith("_s")]
    share = waves["gates_s"].sum() / waves[parts].to_numpy().sum()
    short, text = told("plain")["holding"]
    assert short == f"{percent(share)} held by gates"
    hours = run_of("plain").gates["blocked_s"].sum() / 3600
    assert f"{hours:.1f} host-hours because of waves that go first" in text


# -- deferred


def test_no_deferral_no_difference(told):
    assert told("plain")["deferred"][0] == "no difference here"
    assert told("no release")["deferred"][0] == "nothing"


def test_what_the_rule_gains_and_risks_is_in_the_frames(told, run_of):
    run = run_of("deferred")
    waves = run.waves.set_index("wave")
    leads = [
        waves["converged_at"][before] - waves["opened_at"][before + 1]
        for before in (0, 1)
        if waves["deferred_at_promotion"][before]
    ]
    took = run.summary["rollouts"][0]["exposure"]["took_before_verified"]
    short, text = told("deferred")["deferred"]
    assert short == f"a wave {duration(max(leads))} sooner, {took} hosts unverified"
    assert f"to wait for them would have taken {duration(max(leads))} more" in text
    assert f"{run.hosts['deferred_at'].notna().sum()} of 40 hosts put the release off" in text
    assert took > 0


def test_strict_says_that_nothing_is_risked(told):
    short, text = told("strict")["deferred"]
    assert short == "not counted as done here"
    assert "No host took the release before every host of the waves before its own had converged on it." in text


def test_a_wave_that_never_converges_is_not_given_a_time(told):
    short, text = told("never boots")["deferred"]
    assert short.startswith("a wave that would wait still, ")
    assert "by the end of the run wave 1 had not converged" in text


# -- a bad release


def test_a_bad_release_is_counted_before_and_after_it_was_seen(told, run_of):
    [rollout] = run_of("bad-release").summary["rollouts"]
    found = rollout["exposure"]
    short, text = told("bad-release")["bad-release"]
    after = sum(found["took_after_first_failure"].values())
    assert short == f"{found['running_at_first_failure']} hosts before, {after} more after"
    assert (
        f"fail after {duration(found['first_failure_at_s'])}; by then {found['running_at_first_failure']} hosts" in text
    )
    assert "2 were in a wave that was open, which a failure does not close" in text
    assert "483 of 500 hosts never ran it" in text


def test_hosts_that_fail_before_they_run_it(told):
    short, text = told("failed")["bad-release"]
    assert short == "no host ran it"
    assert "4 hosts stayed failed and no host ever ran it." in text
    assert "4 hosts rolled back" in told("reverted")["bad-release"][1]


def test_a_defect_that_nothing_saw_is_said(told):
    short, text = told("unseen defect")["bad-release"]
    assert short == "none failed"
    assert "The scenario gives r1 a defect, but no probe held it against a host" in text
    assert "defect" not in told("plain")["bad-release"][1]


def test_probe_runs_that_failed_without_harm_are_said(told, run_of):
    fails = run_of("flaky-probes").hosts["probe_fails"].sum()
    assert f"{fails} probe runs failed" in told("flaky-probes")["bad-release"][1]


# -- the control plane


def test_the_busiest_minute_is_that_of_the_frame(told, run_of):
    frame = run_of("canary-10k").load
    kinds = ["heartbeats", "dispatches_queued", "dispatches_requeued"]
    kinds += [name for name in frame.columns if name.startswith("reports.")]
    messages = frame[kinds].sum(axis=1)
    short, text = told("canary-10k")["control-plane"]
    at = duration(float(frame["at"][messages.idxmax()]))
    assert f"Its busiest minute, at {at}, has {messages.max():,} messages" in text
    assert short == f"{messages.max() / 10_000:.1f} times the usual at its busiest"
    rows = run_of("canary-10k").summary["load"]["event_log_rows"]
    assert re.search(rf"{rows:,} rows into its event log, 93\W%", text)


def test_a_control_plane_that_is_asked_nothing(told):
    assert told("no release")["control-plane"][0] == "nothing to do"
    assert told("nothing converged")["control-plane"][0] == "hardly"


@pytest.mark.parametrize(
    ("share", "words"), [(0, "0 %"), (1, "100 %"), (0.004, "under 1 %"), (0.996, "over 99 %"), (0.125, "12 %")]
)
def test_a_percentage_is_whole_only_where_it_is(share, words):
    assert percent(share).replace("\u00a0", " ") == words
