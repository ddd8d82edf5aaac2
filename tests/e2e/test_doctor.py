"""`segue doctor` as its user types it: what is well, and for each thing that is not, what to do."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.doctor import examine
from bot.settings import HOW_TO_GET_A_TOKEN, Settings
from composer.rendering import audio

TOKEN = f"{base64.b64encode(b'123456789012345678').decode()}.made-u.p"  # well-formed, of no bot
CHECKS = ["token", "database", "sound", "vocabulary", "model"]
NOWHERE = "postgresql+asyncpg://segue:hunter2@127.0.0.1:1/segue"  # where nothing listens


Said = dict[str, tuple[str, str]]


def parsed(text: str) -> Said:
    """For each check "ok" or "BAD", and what was said."""
    said: Said = {}
    for line in text.splitlines():
        verdict, _, rest = line.partition(" ")
        if verdict in ("ok", "BAD"):
            name, _, sentence = rest.strip().partition(": ")
            said[name] = (verdict, sentence)
    return said


def bad(said: Said) -> set[str]:
    return {name for name, (verdict, _) in said.items() if verdict == "BAD"}


# ---------------------------------------------------------------------- the command


def doctor(folder: Path, **settings: str) -> tuple[int, Said]:
    """Its exit status, and what it said."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "composer.cli", "doctor"],
        cwd=folder,
        env=inherited | {"OMP_NUM_THREADS": "1"} | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert "hunter2" not in done.stdout
    return done.returncode, parsed(done.stdout)


def test_where_all_is_well_it_says_what_it_found(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"DISCORD_TOKEN={TOKEN}\nCHECKPOINT={tiny}\n")
    status, said = doctor(tmp_path)
    assert status == 0
    assert list(said) == CHECKS
    assert bad(said) == set()
    assert "123456789012345678" in said["token"][1]
    assert "tiny" in said["model"][1]
    assert (tmp_path / "segue.db").exists(), "the tables are there from now on"
    assert not any(TOKEN in sentence for _, sentence in said.values())


def test_each_thing_that_is_missing_says_what_to_do_and_the_others_are_checked_all_the_same(tmp_path: Path) -> None:
    wrong = {"DISCORD_TOKEN": "hunter2-is-a-client-secret", "DATABASE_URL": NOWHERE, "WORKERS": "0"}
    status, said = doctor(tmp_path, **wrong, PATH=str(tmp_path))
    assert status == 2
    assert list(said) == CHECKS
    assert bad(said) == {"token", "database", "sound"}
    assert "Bot -> Reset Token" in said["token"][1]
    assert "Check DATABASE_URL" in said["database"][1]
    assert "ffmpeg" in said["sound"][1]
    assert "apt install ffmpeg" in said["sound"][1]


# ---------------------------------------------------------------------- its parts, in this process


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with nothing in it, and no setting but a token and that the workers run elsewhere."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)
    monkeypatch.setenv("WORKERS", "0")


async def examined(capsys: pytest.CaptureFixture[str]) -> Said:
    status = await examine()
    said = parsed(capsys.readouterr().out)
    assert status == (2 if bad(said) else 0)
    return said


@pytest.mark.usefixtures("_here")
async def test_a_checkpoint_and_a_soundfont_that_are_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("WORKERS", "1"), ("CHECKPOINT", "runs/gone"), ("SOUNDFONT", "gone.sf2")):
        monkeypatch.setenv(name, value)
    said = await examined(capsys)
    assert list(said) == CHECKS
    assert bad(said) == {"sound", "vocabulary", "model"}
    assert "gone.sf2" in said["sound"][1]
    assert "Correct the path, or leave it out" in said["sound"][1]
    assert "CHECKPOINT" in said["vocabulary"][1]
    assert "runs/gone" in said["vocabulary"][1]
    assert "CHECKPOINT: The checkpoint runs/gone cannot be used: model.safetensors is missing" in said["model"][1]


@pytest.mark.usefixtures("_here")
async def test_without_a_token_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISCORD_TOKEN")
    assert await examine() == 2
    assert HOW_TO_GET_A_TOKEN in capsys.readouterr().out


@pytest.mark.usefixtures("_here")
async def test_a_soundfont_of_ones_own_is_as_good_as_an_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed = audio.find_soundfont()
    monkeypatch.setattr(audio, "SOUNDFONTS", (tmp_path / "not installed.sf3",))
    verdict, sentence = (await examined(capsys))["sound"]
    assert verdict == "BAD"
    assert sentence.startswith("No soundfont was found")
    assert "apt install fluidr3mono-gm-soundfont" in sentence
    shutil.copy(installed, tmp_path / "mine.sf3")
    monkeypatch.setenv("SOUNDFONT", "mine.sf3")
    verdict, sentence = (await examined(capsys))["sound"]
    assert verdict == "ok"
    assert sentence.endswith("mine.sf3")


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    "token",
    [
        "MTIzNDU2Nzg5MDEyMzQ1Njc4",  # the id alone
        "MTIzNDU2Nzg5MDEyMzQ1Njc4.abc",
        "MTIzNDU2Nzg5MDEyMzQ1Njc4.a.b.c",
        "123456789012345678.a.b",
        "schlüssel.a.b",
        "/w==.a.b",
        f"{base64.b64encode(b'not a number of a bot').decode()}.a.b",
        "Bot MTIzNDU2Nzg5MDEyMzQ1Njc4.a.b",
    ],
)
async def test_what_is_no_token_is_told_by_its_looks(
    token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", token)
    verdict, sentence = (await examined(capsys))["token"]
    assert verdict == "BAD"
    assert "Bot -> Reset Token" in sentence
    assert token not in sentence
