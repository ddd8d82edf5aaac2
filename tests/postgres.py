"""A PostgreSQL for tests and benchmarks: on loopback, in a folder that goes away with it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

USER = "segue"
PASSWORD = "open-sesame"
START_SECONDS = 60.0
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")  # forgets all in a power cut


class PostgresError(Exception):
    """PostgreSQL is not installed, or does not start."""


class Postgres:
    """A server that runs."""

    def __init__(self, port: int, version: int) -> None:
        self.port, self.version = port, version

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template0") -> None:
        quickly = "STRATEGY file_copy" if self.version >= 15 else ""  # before 15 there was no other
        self.execute(f"CREATE DATABASE {database} TEMPLATE {template} {quickly}")

    def drop(self, database: str) -> None:
        self.execute(f"DROP DATABASE {database} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """As the superuser, outside of any database of the tests."""

        async def run() -> None:
            connection = await asyncpg.connect(self.url("postgres").replace("+asyncpg", ""))
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())


@contextmanager
def started(durable: bool = False) -> Iterator[Postgres]:
    """Start a server and stop it in the end. durable: as in service, rather than fast. Raises PostgresError."""
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="segue-postgres-") as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        if os.getuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres")
        initdb: list[str | Path] = [
            programs / "initdb",
            "-D",
            folder / "data",
            "-U",
            USER,
            "-A",
            "scram-sha-256",
            "--no-sync",
        ]
        _run([*initdb, f"--pwfile={folder / 'password'}", "--encoding=UTF8", "--locale=C"], folder)
        server, port = _serve(programs, folder, () if durable else FAST)
        try:
            yield Postgres(port, version=int((folder / "data" / "PG_VERSION").read_text()))
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: nothing in it is needed any more
            server.wait()


def _programs() -> Path:
    """Where the server's programs are; Debian keeps them off the PATH."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    if on_path is None:
        raise PostgresError("PostgreSQL is not installed. Take ./run test, which installs it, or install `postgresql`.")
    return Path(on_path).resolve().parent


def _as_its_user(parent_dies: bool) -> list[str | Path]:
    """PostgreSQL refuses to run as root. And it shall not outlive whoever started it."""
    options: list[str | Path] = ["--pdeathsig", "QUIT"] if parent_dies else []
    if os.getuid() == 0:
        options += ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    return ["setpriv", *options, "--"] if options else []


def _run(command: list[str | Path], folder: Path) -> None:
    done = subprocess.run([*_as_its_user(parent_dies=False), *command], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise PostgresError(f"{Path(command[0]).name} failed: {done.stderr.strip()}")


def _serve(programs: Path, folder: Path, settings: tuple[str, ...]) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(3):  # somebody else may take the port that was free
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        ours = (
            "listen_addresses=127.0.0.1",
            f"port={port}",
            "unix_socket_directories=",
            "max_connections=200",
            *settings,
        )
        command: list[str | Path] = [*_as_its_user(parent_dies=True), programs / "postgres", "-D", folder / "data"]
        for setting in ours:
            command += ["-c", setting]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        if _answers(programs, server, port):
            return server, port
    raise PostgresError(f"PostgreSQL does not start: {(folder / 'log').read_text().strip()}")


def _answers(programs: Path, server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it takes connections. False: it has ended instead, or takes too long."""
    ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    until = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        if subprocess.run(ready).returncode == 0:
            return True
        time.sleep(0.05)
    server.kill()
    server.wait()
    return False
