"""Every cheat is caught by the check that is meant for it, with a message that names it; honest ones pass."""

import subprocess
import sys
import types

import pytest

from btcframe.errors import PluginError
from btcframe.hookspecs import hookimpl
from btcframe.plugins import Catalog, discover
from btcframe.testing import ContractError, checks_of, contract_tests, run_checks
from btcframe.testing.features import check_causal

from . import cheats

ANY = None
"""Where a component cannot even be run, every check may fail."""

# component, the check that is meant for it, words of its message, other checks that rightly fail with it
CAUGHT = [
    ("features/looks_ahead", "causal", "LooksAhead looks ahead by 1 row: value at row", {"chunk_invariant", "nan_until_warm", "warmup"}),
    ("features/batch_mean", "causal", "BatchMean uses the whole batch: column change at row 1,", {"chunk_invariant"}),
    ("features/global_memory", "deterministic", "GlobalMemory keeps hidden global state", {"nan_until_warm", "warmup"}),
    ("features/instance_memory", "restart", "InstanceMemory keeps memory outside its state: saved at row", set()),
    ("features/chunk_size", "chunk_invariant", "ChunkSize depends on the chunk size", set()),
    ("features/noisy", "deterministic", "Noisy is unseeded: it draws from the global random generator", {"global_state"}),
    ("features/zero_for_nan", "nan_not_zero", "ZeroForNaN writes NaN as 0: column change", {"nan_until_warm", "warmup"}),
    ("features/changes_input", "input_untouched", "ChangesInput changes its input: row 77, field mid: nan became 0.0", set()),
    ("features/fewer_columns", "declared_columns", "other columns than declared: change_of_change is declared", {"warmup"}),
    ("features/more_columns", "declared_columns", "other columns than declared: it declares 1 (change)", ANY),
    ("features/beyond_the_row", "declared_columns", "declares 1 and writes beyond them", ANY),
    ("features/out_of_range", "range", "outside its declared range [-1, 1]", set()),
    ("features/never_forgets", "bad_row_recovery", "does not recover from a bad row (gap, rows", set()),
    ("features/infinite", "no_infinity", "Infinite writes infinity: column change", set()),
    ("features/late_warm_up", "nan_until_warm", "before its declared warm-up of 3 rows", {"warmup"}),
    ("features/never_warm", "warmup", "declares a warm-up of 0 rows and has its first value at row 1", {"bad_row_recovery"}),
    ("features/grows", "no_allocation_growth", "Grows grows with every row", set()),
    ("features/plain_state", "state", "is not a structured array of shape (1,)", set()),
    ("features/undocumented", "docstring", "says nothing about window", set()),
    ("features/unstable", "config_roundtrip", "Unstable is Unstable(window=4) before", set()),
    ("regime/peeking", "fit_prefix", "PeekingRegime peeks at the test rows", set()),
    ("regime/batch_regime", "labeler_causal", "BatchRegime's labeler uses the whole batch", {"labeler_chunk_invariant"}),
    ("regime/forgetful_regime", "save_load", "ForgetfulRegime: saved and loaded", set()),
    ("label/past_end", "within_t_end", "PastEnd looks past its end: y_5s at row", set()),
    ("label/counts_rows", "within_t_end", "CountsRows looks past its end: y_5s at row", set()),
    ("label/next_row", "within_t_end", "NextRow looks past its end: y_5s at row", set()),
    ("label/too_far", "horizon", "ends 9000000000 ns after its row; max_horizon_ns is 5000000000", {"nan_at_end"}),
    ("label/long_memory", "lookback", "LongMemory reaches back further than it says", set()),
    ("model/unseeded", "seeded", "UnseededModel is unseeded: two fits of the same data differ: mean at row", {"global_state"}),
    ("model/batch_model", "row_of_one", "BatchModel predicts a row differently in a batch", {"missing_values"}),
    ("model/forgetful_model", "save_load", "ForgetfulModel: saved and loaded, it predicts something else", set()),
    ("model/sorting", "columns", "SortingModel: fitted on ('f3', 'f0', ", set()),
    ("model/mutating_model", "input_untouched", "MutatingModel changes its input: x of the training set", set()),
    ("model/forgetful_parts", "parts", "ForgetfulParts fitted part by part predicts something else: mean at row", set()),
    ("model/closed_parts", "parts", "a part of its fit cannot be handed to another process: Can't pickle", set()),
    ("policy/mutating", "pure", "MutatingPolicy changes its input: market.x", set()),
    ("policy/counting", "pure", "CountingPolicy is not pure", set()),
    ("policy/nothing", "intents", "lots must be positive", set()),
    ("policy/blind", "opens_nothing_blind", "BlindPolicy opens a position", set()),
    ("policy/restless", "settles", "RestlessPolicy never settles: at one moment, from Position(lots=0", set()),
    ("policy/crossing", "intents", "post-only at 600002, and the book offers 600002", set()),
    ("policy/canceling", "intents", "order 7 is being canceled", {"settles"}),
    ("policy/idle", "intents", "the amendment changes nothing", {"settles"}),
    ("policy/undecided", "intents", "it is changed twice in one decision", set()),
    ("policy/wrong_way", "intents", "reduce-only, and 500 are held", set()),
    ("policy/deep", "bears_every_market", "DeepPolicy raises IndexError: index 1 is out of bounds", {"pure", "intents", "settles", "global_state"}),
    ("risk/doubling", "never_increases", "DoublingRisk increases risk", {"reducing_passes"}),
    ("risk/locking", "reducing_passes", "LockingRisk blocks the way out", set()),
    ("source/unseeded_source", "deterministic", "UnseededSource is unseeded", set()),
    ("source/backwards", "order", "local_ts goes back at event 1000", set()),
    ("source/standing_truth", "truth_form", "row_ns of its truth does not go forward at row 1", set()),
    ("source/early_truth", "truth_form", "too early", set()),
    ("source/plain_truth", "truth_form", "PlainTruth tells truth as", set()),
    ("source/unseeded_truth", "truth_seeded", "its truth is unseeded", {"truth_apart"}),
    ("source/same_truth", "truth_seeded", "SameTruth tells the same truth with seed 0 and seed 1", set()),
    ("source/echoing_truth", "truth_apart", "its events change when a reader overwrites the truth", set()),
    ("source/reading_truth", "truth_apart", "its truth depends on what a reader does with the events", set()),
    ("source/no_oracle", "oracle", "NoOracle tells truth but has no oracle", set()),
    ("source/silent_oracle", "oracle", "the oracle of SilentOracle gives nan at row", set()),
    ("source/flat_oracle", "oracle", "for 19 rows and 3 horizons", set()),
    ("source/smoothing_oracle", "oracle", "the oracle of SmoothingOracle looks at other rows", set()),
    ("source/touching_oracle", "oracle", "the oracle of TouchingOracle changes the truth", set()),
    ("clock/early", "boundaries", "EarlyClock closes row", set()),
    ("venue/generous", "reports", "reconcile() says", {"market_order"}),
    ("features/seeding", "global_state", "SeedingFeature changes the generator of np.random, which belongs to the whole process", set()),
    ("regime/silencing", "global_state", "SilencingRegime changes warnings.filters", set()),
    ("label/careless", "global_state", "CarelessLabel changes np.seterr", set()),
    ("model/greedy", "global_state", "GreedyModel changes os.environ, which belongs to the whole process: OMP_NUM_THREADS", set()),
    ("policy/wandering", "global_state", "WanderingPolicy changes the working directory", set()),
    ("risk/deep_risk", "global_state", "DeepRisk changes the recursion limit, which belongs to the whole process: 1000 became 5000", set()),
    ("source/seeding_source", "global_state", "SeedingSource changes the generator of random", set()),
    ("clock/hoarding", "global_state", "HoardingClock changes garbage collection", set()),
    ("venue/talking", "global_state", "TalkingVenue changes the root logger", set()),
]  # fmt: skip

HONEST = [
    "features/honest", "regime/honest_regime", "label/honest_label", "model/honest_model", "policy/honest_policy",
    "risk/honest_risk", "source/honest_source", "source/honest_truth",
]  # fmt: skip


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover(extra=[("cheats", cheats)])


@pytest.fixture(scope="module")
def results(catalog):
    found = {}
    for result in run_checks("cheats", catalog):
        found.setdefault(result.component, {})[result.check] = result
    return found


@pytest.mark.parametrize(
    ("component", "check", "words", "also"), CAUGHT, ids=[f"{c[0]}-{c[1]}" for c in CAUGHT]
)
def test_cheat_is_caught(results, component, check, words, also):
    result = results[component][check]
    assert result.outcome == "failed"
    assert words in result.message
    assert "\nCure: " in result.message
    failed = {name for name, r in results[component].items() if r.outcome == "failed"}
    assert also is ANY or failed == {check} | also


@pytest.mark.parametrize("component", HONEST)
def test_honest_passes(results, component):
    outcomes = {name: r.outcome for name, r in results[component].items()}
    assert set(outcomes.values()) <= {"passed", "skipped"}, results[component]
    assert len(outcomes) == len(checks_of(component.split("/")[0]))


def test_no_cheat_is_untested(catalog):
    names = {
        f"{c.slot}/{c.name}"
        for s in catalog.components.values()
        for c in s.values()
        if "cheats" in c.distribution
    }
    assert names == {c[0] for c in CAUGHT} | set(HONEST)


def test_cost_is_reported(results):
    cost = results["features/honest"]["cost"]
    assert set(cost.figures) == {"batch_ns_per_row", "one_row_us"} and "one_row_us" in cost.message


def test_plain_function_needs_no_catalog():
    check_causal(cheats.Honest())
    with pytest.raises(ContractError, match="looks ahead by 1 row: value at row"):
        check_causal(cheats.LooksAhead())


def test_an_exception_that_is_raised_is_a_failure(results):
    assert "IndexError" in results["features/more_columns"]["causal"].message


# ------------------------------------------------------------------------------------------ exceptions, names


@pytest.fixture
def few():
    """A catalog with one honest feature and one cheat."""
    module = types.ModuleType("acme_few")
    chosen = {"features": {"honest": cheats.Honest, "looks_ahead": cheats.LooksAhead}}
    module.btcframe_components = hookimpl(lambda: chosen, specname="btcframe_components")
    return discover(extra=[("few", module)])


def outcome(few, declared, check):
    (component,) = declared
    for result in run_checks("acme_few", few, xfail=declared):
        if (result.component, result.check) == (component, check):
            return result
    raise AssertionError(check)


def test_declared_exception(few):
    result = outcome(few, {"features/looks_ahead": {"causal": "a demonstration"}}, "causal")
    assert (result.outcome, result.message) == ("xfailed", "a demonstration")


def test_declared_exception_that_passes_fails(few):
    result = outcome(few, {"features/honest": {"causal": "it was once"}}, "causal")
    assert result.outcome == "failed" and "take the exception back" in result.message


@pytest.mark.parametrize(
    ("xfail", "words"),
    [
        ({"features/onest": {"causal": "x"}}, "Did you mean features/honest?"),
        ({"features/honest": {"casual": "x"}}, "Did you mean causal?"),
        ({"features/honest": {"causal": ""}}, "needs a reason"),
    ],
)
def test_exception_for_nothing_is_refused(catalog, xfail, words):
    with pytest.raises(PluginError) as error:
        run_checks("cheats", catalog, xfail=xfail)
    assert words in str(error.value)


def test_unknown_distribution():
    with pytest.raises(PluginError) as error:
        contract_tests("btcframe_featurs")
    assert "no installed distribution is called btcframe_featurs" in str(error.value)
    assert "Did you mean btcframe-features?" in str(error.value)


@pytest.mark.parametrize("name", ["btcframe_features", "btcframe-features", "Btcframe.Features"])
def test_distribution_or_package(name):
    ids = [case.id for case in pytest_cases(name)]
    assert "features/book-causal" in ids and "features/returns-restart" in ids


def pytest_cases(name):
    (mark,) = contract_tests(name).pytestmark
    return [param.values[0] for param in mark.args[1]]


def test_pytest_marks(catalog):
    test = contract_tests("cheats", catalog=catalog, xfail={"features/looks_ahead": {"causal": "because"}})
    (mark,) = test.pytestmark
    params = {param.id: param for param in mark.args[1]}
    assert params["features/looks_ahead-causal"].marks[0].kwargs["reason"] == "because"
    assert not params["features/looks_ahead-restart"].marks
    with pytest.raises(ContractError):
        test(params["features/looks_ahead-causal"].values[0])
    test(params["features/honest-causal"].values[0])


def test_broken_component_is_a_failure(distribution, monkeypatch):
    code = (
        "from btcframe.hookspecs import hookimpl\n"
        "class Plain: columns = state = update = None\n"
        "@hookimpl\n"
        "def btcframe_components(): return {'features': {'plain': Plain}}\n"
    )
    monkeypatch.syspath_prepend(str(distribution("acme-broken", code)))
    (result,) = run_checks("acme_broken")
    assert (result.component, result.check, result.outcome) == ("features/plain", "loads", "failed")
    assert "not a frozen dataclass" in result.message


def test_a_plugin_without_components(distribution, monkeypatch):
    monkeypatch.syspath_prepend(str(distribution("acme-empty", "")))
    with pytest.raises(PluginError, match="nothing to check"):
        run_checks("acme_empty")


def test_heavy_import_and_missing_settings(distribution, monkeypatch):
    code = (
        "import xgboost\n"
        "from dataclasses import dataclass\n"
        "from btcframe.hookspecs import hookimpl\n"
        "@dataclass(frozen=True)\n"
        "class Rule:\n"
        "    '''A rule.\n\n    Parameters\n    ----------\n    size : float   lots\n    '''\n"
        "    size: float\n"
        "    def check(self, intent, account, market): return intent\n"
        "@hookimpl\n"
        "def btcframe_components(): return {'risk': {'heavy_rule': Rule}}\n"
    )
    site = distribution("acme-heavy", code)
    (site / "xgboost.py").write_text("")
    monkeypatch.syspath_prepend(str(site))
    skipped = run_checks("acme_heavy")
    assert {r.outcome for r in skipped} == {"skipped"} and "a value for size" in skipped[0].message
    by_name = {r.check: r for r in run_checks("acme_heavy", settings={"risk/heavy_rule": {"size": 2}})}
    assert by_name["pure"].outcome == by_name["config_roundtrip"].outcome == "passed"
    assert "importing acme_heavy also imports xgboost" in by_name["light_import"].message


def test_pytest_is_not_needed_to_import():
    code = "import sys, btcframe.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
