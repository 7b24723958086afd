"""R19: an upgrade from every earlier schema with many rows, killed at random again and again. It rolls
back or goes on; nothing is lost, and a copy of before is there."""

import contextlib
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator

import pytest
from conftest import LONG
from kit import BINARY, ROOT
from postgres import Postgres

ROWS = 1_000_000 if LONG else 20_000
KILLS = 25 if LONG else 4
FILES = sorted(
    path for path in (ROOT / "migrations").glob("*.sql")
    if not path.name.endswith((".sqlite.sql", ".postgres.sql"))
)
NEWEST = int(FILES[-1].name[:4])
# A share of the rows for each of these tables of the first schema.
TABLES = {"state_change": 5, "link_change": 2, "charge_transaction": 2, "signal_reading": 1}
COLUMNS = {
    "state_change": "id, charger_key, evse, connector, at_ms, status, error",
    "link_change": "id, charger_key, at_ms, online, reason",
    "charge_transaction": (
        "transaction_id, charger_key, external_id, evse, connector, id_token, opened_at_ms,"
        " started_at_ms, meter_start_wh, ended_at_ms, energy_wh, reason, suspect, json"
    ),
    "signal_reading": "id, charger_key, at_ms, json",
}
VALUES = {
    "state_change": "n, n % 5000, 1, 1, 1790000000000 + n, 'Available', ''",
    "link_change": "n, n % 5000, 1790000000000 + n, 1, 'a reason'",
    "charge_transaction": (
        "n, n % 5000, '', 1, 1, 'TAG', 1790000000000 + n, 1790000000000 + n, 100,"
        " 1790000900000 + n, 1250.5, 'Local', NULL, '{}'"
    ),
    "signal_reading": "n, n % 5000, 1790000000000 + n, '{}'",
}


def steps(version: int, dialect: str) -> Iterator[str]:
    """What brings an empty database to an earlier version, and fills it."""
    yield (
        "CREATE TABLE schema_version (version BIGINT PRIMARY KEY, name TEXT NOT NULL,"
        " applied_at_ms BIGINT NOT NULL)"
    )
    for file in FILES[:version]:
        yield file.read_text()
        other = file.with_suffix(f".{dialect}.sql")
        if other.exists():
            yield other.read_text()
        number = int(file.name[:4])
        yield f"INSERT INTO schema_version VALUES ({number}, '{file.stem}', 1)"
    for table, share in TABLES.items():
        count = ROWS * share // sum(TABLES.values())
        numbers = (
            f"WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})"
            if dialect == "sqlite" else ""
        )
        source = "s" if dialect == "sqlite" else f"generate_series(1, {count}) AS s (n)"
        yield (
            f"{numbers} INSERT INTO {table} ({COLUMNS[table]})"
            f" SELECT {VALUES[table]} FROM {source}"
        )


def upgrade(
    url: str, folder: pathlib.Path, kill_after_s: float | None = None,
    command: tuple[str, ...] = ("user", "list"),
) -> float | None:
    """Any command that opens the database migrates it. How long that took; `None` when killed."""
    environment = {**os.environ, "MENDPOINT__DATABASE__URL": url}
    began = time.monotonic()
    process = subprocess.Popen(
        [BINARY, *command], env=environment, cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    try:
        _, said = process.communicate(timeout=kill_after_s or 1_800)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return None
    assert process.returncode == 0, said
    return time.monotonic() - began


def killed_again_and_again(
    url: str, folder: pathlib.Path, whole_s: float, seed: int, as_before, copies
) -> dict[str, int]:
    """Kills at random times until it is through, from the old database anew until there were enough
    kills: how many, and how many of them came after the copy, in the steps themselves."""
    chance, kills, in_steps = random.Random(seed), 0, 0
    while True:
        while True:
            # Most of the time goes into the copy; the steps deserve their share.
            part = chance.uniform(0, 0.8) if chance.random() < 0.3 else chance.uniform(0.7, 1.2)
            if upgrade(url, folder, max(0.01, part * whole_s)) is not None:
                break
            kills += 1
            in_steps += bool(copies())
            if kills >= 4 * KILLS:
                assert upgrade(url, folder) is not None
                break
        if kills >= KILLS:
            return {"kills": kills, "in_steps": in_steps}
        as_before()


def shape(connection: sqlite3.Connection) -> list[tuple]:
    """The schema without what is only a matter of white space."""
    rows = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return sorted((*row[:3], re.sub(r"\s+", "", row[3] or "")) for row in rows)


def count(connection: sqlite3.Connection, table: str) -> int:
    return connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_r19_sqlite_from_every_version(version: int, tmp_path: pathlib.Path, figures) -> None:
    fresh = tmp_path / "fresh.db"
    # One of the few that make a database where there is none.
    make = ("token", "create", "first", "--role", "viewer")
    upgrade(f"sqlite://{fresh}", tmp_path, command=make)
    old = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(old)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for step in steps(version, "sqlite"):
            connection.executescript(step)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # Once on a copy without a kill, to know how long it takes.
    copy = tmp_path / "copy" / "old.db"
    copy.parent.mkdir()
    copy.write_bytes(old.read_bytes())
    whole_s = upgrade(f"sqlite://{copy}", tmp_path)
    pristine = old.read_bytes()

    def copies() -> list[pathlib.Path]:
        return sorted(tmp_path.glob(f"old.db.schema-{version}.*.bak"))

    def as_before() -> None:
        for path in tmp_path.glob("old.db*"):
            path.unlink()
        old.write_bytes(pristine)

    kills = killed_again_and_again(
        f"sqlite://{old}", tmp_path, whole_s, version, as_before, copies
    )

    with (
        contextlib.closing(sqlite3.connect(old)) as found,
        contextlib.closing(sqlite3.connect(fresh)) as wanted,
    ):
        assert shape(found) == shape(wanted)
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert found.execute("SELECT MAX(version) FROM schema_version").fetchone() == (NEWEST,)
        for table, share in TABLES.items():
            assert count(found, table) == ROWS * share // sum(TABLES.values())
    assert copies(), "there is no copy of before"
    for backup in tmp_path.glob("old.db.schema-*.bak"):
        with contextlib.closing(sqlite3.connect(backup)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert sum(count(connection, table) for table in TABLES) == ROWS, backup
    figures(rows=ROWS, whole_s=round(whole_s, 1), **kills)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def psql(url: str, *commands: str) -> str:
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(
        ["psql", url, "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *words],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("version", range(1, NEWEST) if LONG else [1, NEWEST - 1])
def test_r19_postgres(server: Postgres, version: int, tmp_path: pathlib.Path, figures) -> None:
    def database(name: str) -> str:
        psql(server.url, f"CREATE DATABASE {name}")
        return f"{server.url.rsplit('/', 1)[0]}/{name}"

    old = database(f"old_{version}")
    psql(old, *steps(version, "postgres"))
    psql(server.url, f"CREATE DATABASE copy_{version} TEMPLATE old_{version}")
    copy = old.replace(f"/old_{version}", f"/copy_{version}")
    whole_s = upgrade(copy, tmp_path)
    psql(server.url, f"ALTER DATABASE copy_{version} RENAME TO through_{version}")
    psql(server.url, f"CREATE DATABASE copy_{version} TEMPLATE old_{version}")
    for dump in (tmp_path / "data").iterdir():
        dump.unlink()

    def copies() -> list[pathlib.Path]:
        return sorted((tmp_path / "data").glob(f"postgres.schema-{version}.*.dump"))

    def as_before() -> None:
        psql(server.url, f"DROP DATABASE old_{version} WITH (FORCE)")
        psql(server.url, f"CREATE DATABASE old_{version} TEMPLATE copy_{version}")
        for dump in (tmp_path / "data").iterdir():
            dump.unlink()

    kills = killed_again_and_again(old, tmp_path, whole_s, version, as_before, copies)
    assert psql(old, "SELECT MAX(version) FROM schema_version") == str(NEWEST)
    for table, share in TABLES.items():
        assert psql(old, f"SELECT COUNT(*) FROM {table}") == str(
            ROWS * share // sum(TABLES.values())
        )
    assert copies(), "there is no copy of before"
    back = database(f"back_{version}")
    subprocess.run(["pg_restore", "--no-owner", "-d", back, copies()[0]], check=True)
    assert psql(back, "SELECT MAX(version) FROM schema_version") == str(version)
    for name in ("old", "copy", "through", "back"):
        psql(server.url, f"DROP DATABASE {name}_{version} WITH (FORCE)")
    figures(rows=ROWS, whole_s=round(whole_s, 1), **kills)


def test_without_pg_dump_the_schema_is_not_migrated(
    server: Postgres, tmp_path: pathlib.Path
) -> None:
    psql(server.url, "CREATE DATABASE nodump")
    url = f"{server.url.rsplit('/', 1)[0]}/nodump"
    psql(url, *steps(1, "postgres"))
    empty = tmp_path / "bin"
    empty.mkdir()
    environment = {**os.environ, "MENDPOINT__DATABASE__URL": url, "PATH": str(empty)}

    def run() -> subprocess.CompletedProcess:
        command = [BINARY, "user", "list"]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)

    refused = run()
    assert refused.returncode == 1
    assert "install pg_dump" in refused.stderr and "database.dump_folder" in refused.stderr
    assert psql(url, "SELECT MAX(version) FROM schema_version") == "1"
    environment["MENDPOINT__DATABASE__DUMP_FOLDER"] = ""
    assert run().returncode == 0
    assert psql(url, "SELECT MAX(version) FROM schema_version") == str(NEWEST)
    psql(server.url, "DROP DATABASE nodump WITH (FORCE)")
