"""The table of claims, from what runs on several networks have noted."""

import json
from pathlib import Path

import pytest
import run_networks


def noted(folder: Path, notebook: str, *claims: tuple[str, str, bool]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"network": name, "claim": claim, "holds": holds}) for name, claim, holds in claims]
    (folder / f"{notebook}.claims").write_text("\n".join(lines) + "\n")


def test_each_claim_has_a_row_with_all_networks_that_were_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_networks, "BUILD", tmp_path)
    noted(tmp_path / "minivgg", "01_filters", ("minivgg", "a", True), ("minivgg", "b", True))
    noted(tmp_path / "alexnet", "01_filters", ("alexnet (untrained)", "a", False), ("alexnet (untrained)", "a", True))
    noted(tmp_path / "minivgg", "04_activations", ("minivgg", "c", True))
    assert run_networks.table(run_networks.collect()) == [
        {"notebook": "01_filters", "claim": "a", "holds": {"minivgg": True, "alexnet (untrained)": False}},
        {"notebook": "01_filters", "claim": "b", "holds": {"minivgg": True}},
        {"notebook": "04_activations", "claim": "c", "holds": {"minivgg": True}},
    ]


def test_what_was_not_run_has_no_claims(tmp_path: Path):
    assert run_networks.claims_in(tmp_path / "none.claims") == []
