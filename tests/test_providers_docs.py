"""docs/providers.md names every option and every credential that the file may hold."""

from __future__ import annotations

from pathlib import Path

from router.config.loading import load
from router.config.parameters import CREDENTIALS
from router.config.schema import OF_PROVIDER

TEXT = (Path(__file__).parent.parent / "docs" / "providers.md").read_text(encoding="utf-8")


def test_every_option_has_a_row() -> None:
    rows = [line.split("`")[1] for line in TEXT.splitlines() if line.startswith("| `") and line.count("|") == 4]
    assert sorted(rows) == sorted(option.name for option in OF_PROVIDER)


def test_every_credential_that_is_named_is_one() -> None:
    table = TEXT.partition("| models | parameters |")[2].partition("```")[0]
    known = frozenset[str]().union(*CREDENTIALS.values())
    named = {word for word in table.split("`")[1::2] if not word.endswith("/")}
    assert named
    assert named <= known


def test_the_example_reads(tmp_path: Path) -> None:
    path = tmp_path / "providers.yaml"
    path.write_text(TEXT.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    provider = load(path, {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}).providers[0]
    assert provider.is_usable
    assert provider.params["aws_secret_access_key"] == "secret"
