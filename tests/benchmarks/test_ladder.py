import math

import pytest
from benchmarks import ladder
from benchmarks.ladder import Run


def run(peer, rung, seconds, relative, variant="a", certified=None, screening=False, gap=None):
    said = {} if gap is None else {"gap": gap}
    return Run(
        peer, variant, rung, [seconds, seconds * 1.5], 1.0, 1 + relative, relative, 5.0, 9.0, certified, screening, said
    )


def test_the_fastest_rung_that_gets_there_wins_even_if_tighter():
    runs = [run("p", 1e-1, 0.1, 1e-1), run("p", 1e-2, 0.5, 5e-4), run("p", 1e-3, 0.4, 1e-5), run("p", 1e-4, 0.9, 1e-7)]
    assert ladder.pick(runs, 1e-3) == 1e-3
    assert ladder.pick(runs, 1e-6) == 1e-4
    assert ladder.pick(runs, 1e-9) is None


def test_a_rung_must_get_there_in_every_run():
    runs = [run("p", 1e-2, 0.1, 5e-4), run("p", 1e-2, 0.1, 2e-3), run("p", 1e-3, 0.4, 1e-5)]
    assert ladder.pick(runs, 1e-3) == 1e-3


def test_not_a_number_gets_nowhere():
    assert ladder.pick([run("p", 1e-2, 0.1, math.nan)], 1e-3) is None


def test_certified_asks_for_the_proof_too():
    runs = [run("us", 1e-2, 0.1, 1e-5, certified=1e-2), run("us", 1e-3, 0.3, 1e-6, certified=9e-4)]
    assert ladder.pick(runs, 1e-3) == 1e-2
    assert ladder.pick(runs, 1e-3, certified=True) == 1e-3
    assert ladder.pick([run("p", 1e-2, 0.1, 1e-5)], 1e-3, certified=True) is None
    lie = run("us", 1e-2, 0.1, 1e-2, certified=1e-5)  # claims what is not so
    assert ladder.pick([lie], 1e-3, certified=True) is None


def test_results_are_medians_over_processes_and_screening_counts_only_without_them():
    runs = [run("p", 1e-3, 0.01, 1e-7, screening=True)]
    assert ladder.results(runs, 1e-6)[0].seconds == 0.01
    runs += [run("p", 1e-3, s, 1e-7) for s in (0.3, 0.2, 0.9)]
    (only,) = ladder.results(runs, 1e-6)
    assert (only.seconds, only.low, only.high, only.runs) == (0.3, 0.2, 0.9, 3)


def test_results_come_fastest_first_and_best_peer_is_never_us():
    runs = [
        run("us", 1e-3, 0.1, 1e-7),
        run("p", 1e-3, 0.3, 1e-7),
        run("q", 1e-3, 0.2, 1e-7),
        run("r", 1e-3, 0.01, 1e-2),
    ]
    found = ladder.results(runs, 1e-6)
    assert [r.peer for r in found] == ["us", "q", "p"]
    assert ladder.fastest(found, against="us").peer == "q"
    assert ladder.fastest(found, "us").seconds == 0.1
    assert ladder.fastest(found, "r") is None


def test_contenders_are_those_near_the_fastest_and_the_named():
    runs = [
        run("fast", 1e-2, 0.1, 1e-4),
        run("fast", 1e-3, 0.2, 1e-7),
        run("near", 1e-3, 0.3, 1e-7),
        run("slow", 1e-3, 3.0, 1e-7),
        run("sklearn", 1e-3, 9.0, 1e-7),
        run("sklearn", 1e-3, 20.0, 1e-7, variant="slower"),
    ]
    chosen = ladder.contenders(runs, 2.0, ("sklearn",))
    assert set(chosen) == {("fast", "a", 1e-2), ("fast", "a", 1e-3), ("near", "a", 1e-3), ("sklearn", "a", 1e-3)}


def test_geometric_mean():
    assert ladder.geometric_mean([1.0, 4.0]) == pytest.approx(2.0)
    assert math.isnan(ladder.geometric_mean([]))


def test_a_false_certificate_is_found():
    honest, false = run("us", 1e-2, 0.1, 1e-4, gap=2e-4), run("us", 1e-3, 0.1, 1e-4, gap=5e-5)
    assert ladder.false_claims([honest, false, run("p", 1e-3, 0.1, 1e-2)], 1.0) == [false]
