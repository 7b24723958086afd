"""A database with a large fleet that is known: one charger that really connected, copied."""

import json
import pathlib
import sqlite3
import time

from kit import Server

SITE_OF = 20


def grow(database: pathlib.Path, chargers: int) -> None:
    """Copies the first charger of the database so many times, with its state and a password each."""
    with sqlite3.connect(database) as connection:
        names, one = row(connection, "charger", "charger_key")
        site_names, site = row(connection, "site", "site_key")
        state = json.loads(connection.execute(
            "SELECT json FROM charger_state WHERE charger_key = ?", (one["charger_key"],)
        ).fetchone()[0])
        first_site = connection.execute("SELECT MAX(site_key) + 1 FROM site").fetchone()[0]
        first = connection.execute("SELECT MAX(charger_key) + 1 FROM charger").fetchone()[0]
        now = int(time.time() * 1000)

        def put(table: str, columns: list[str], rows) -> None:
            marks = ",".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({','.join(columns)}) VALUES ({marks})", rows)

        put("site", site_names, (
            [*({**site, "site_key": first_site + n, "name": f"Site {n}"}).values()]
            for n in range(chargers // SITE_OF + 1)
        ))
        copies = [
            {**one, "charger_key": first + n, "identity": f"FLEET-{n:06}", "public_id": f"fleet{n:07}",
             "site_key": first_site + n // SITE_OF, "name": f"Charger {n}"}
            for n in range(chargers)
        ]
        put("charger", names, ([*copy.values()] for copy in copies))
        put("charger_state", ["charger_key", "saved_at_ms", "connectors", "json"], (
            (copy["charger_key"], now, 2, json.dumps({
                **state, "key": copy["charger_key"], "identity": copy["identity"],
                "site": copy["site_key"],
            }, separators=(",", ":")))
            for copy in copies
        ))
        put("credential", ["charger_key", "kind", "slot", "salt", "hash", "created_at_ms"], (
            (copy["charger_key"], "basic", 0, b"", bytes(32), now) for copy in copies
        ))
        connection.execute(
            "UPDATE id_sequence SET value = ? WHERE name = 'charger'", (first + chargers,)
        )


def row(connection: sqlite3.Connection, table: str, key: str) -> tuple[list[str], dict]:
    """The columns of a table, and its first row."""
    cursor = connection.execute(f"SELECT * FROM {table} ORDER BY {key} LIMIT 1")
    names = [column[0] for column in cursor.description]
    return names, dict(zip(names, cursor.fetchone(), strict=True))


def database_of(server: Server) -> pathlib.Path:
    """The file of the server's database."""
    return pathlib.Path(server.folder.name) / "test.db"
