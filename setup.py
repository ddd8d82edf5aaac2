"""What pyproject.toml cannot say: a wheel takes along what stands beside the packages in a checkout."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TAKEN_ALONG = ("checkpoints", "examples", "migrations")


class BuildWithFiles(build_py):
    """composer.places looks for them in composer/installed."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name in TAKEN_ALONG:
                to = Path(self.build_lib, "composer", "installed", name)
                shutil.copytree(name, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithFiles})
