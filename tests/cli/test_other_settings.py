"""A store asked with other settings than its vectors were made with: what differs, and advice that works."""

import re
import shlex

import retclip
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.workflows.doctor.doctor import check_open_store

GRID = "plugin.reference.colour_texture.grid"


def test_the_refusal_names_the_setting_and_its_advice_works(run, built, tmp_path):
    photo = built.photos / "train_0_0000.png"
    given = ("segment", photo, "--store", built.store, "--set", "store.index=resident", "--out", tmp_path / "out")
    refused = run(*given, "--set", f"{GRID}=80")
    assert refused.code == 5, refused.err
    assert '"grid":80' in refused.err and '"grid":160' in refused.err
    assert "and the --set of this command" in refused.err
    advice = re.search(r"made with: ((?:--set \S+ ?)+)", refused.err.replace(",", ""))
    assert advice is not None and f"{GRID}=160" in advice[1]
    assert run(*given, "--set", f"{GRID}=80", *shlex.split(advice[1])).code == 0


def test_doctor_says_which_distribution_made_a_space_that_nobody_can_ask(built):
    with FeatureStore.open(built.store, StoreOptions(index="resident")) as store:
        findings = {finding.what: finding for finding in check_open_store(store, False, ["timm.lite0"])}
        whole = check_open_store(store, False, ["reference.colour_texture"])
    absent = findings["backbone reference.colour_texture"]
    assert not absent.ok and f"made by retclip-reference {retclip.__version__}" in absent.found
    assert "pip install retclip-reference" in absent.cure
    assert all(finding.ok for finding in whole)
