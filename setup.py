"""What pyproject.toml cannot say: how the compiled step is built, and what a wheel takes along."""

import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

TAKEN_ALONG = ("checkpoints", "examples", "migrations")  # from beside the packages in a checkout

# The step of the model in C++, for what a processor can do; the best that runs is loaded.
BUILDS = {
    "vnni": ("-march=x86-64-v4", "-mavx512vnni", "-mprefer-vector-width=512"),
    "v4": ("-march=x86-64-v4", "-mprefer-vector-width=512"),
    "v3": ("-march=x86-64-v3", "-Wno-psabi"),
    "v1": ("-Wno-psabi",),
}


class BuildWithFiles(build_py):
    """composer.places looks for them in composer/installed."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name in TAKEN_ALONG:
                to = Path(self.build_lib, "composer", "installed", name)
                shutil.copytree(name, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def step(build: str, options: tuple[str, ...]) -> Extension:
    return Extension(
        f"composer.engine.native.step_{build}",
        ["composer/engine/native/step.cpp"],
        depends=[str(header) for header in Path("composer/engine/native").glob("*.h")],
        extra_compile_args=["-std=c++17", "-O3", "-pthread", *options],
        language="c++",
        optional=True,  # without a compiler, or on a processor of another family, torch does the same, more slowly
    )


setup(cmdclass={"build_py": BuildWithFiles}, ext_modules=[step(*build) for build in BUILDS.items()])
