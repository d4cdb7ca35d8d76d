"""One writer a gradebook: locks that the system lets go of when their holder ends, however it ends.

A file in the course's tree keeps two runs on this tree apart. A gradebook in PostgreSQL may be shared by
machines that share no files, so there the database holds a lock as well.
"""

import contextlib
import fcntl
import os
import socket
import sys
from collections.abc import Iterator

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import SQLAlchemyError

from grading.config import Config
from grading.errors import GradebookBusyError, GradingError

__all__ = ["only_writer"]

KEY = int.from_bytes(b"grading!", "big")
"""The number of the lock in a database, one a database."""


@contextlib.contextmanager
def only_writer(config: Config, *, wait: bool = False) -> Iterator[None]:
    """While inside, no other run writes to the gradebook of this course's tree.

    wait: wait for the other run instead of being refused.

    Raises:
        GradebookBusyError: another run is writing.
        GradingError: there is no database at the gradebook's address.
    """
    with _file_lock(config, wait), _connected(config) as connection:
        if connection.dialect.name == "postgresql":
            _lock_database(connection, wait)
        yield


@contextlib.contextmanager
def _file_lock(config: Config, wait: bool) -> Iterator[None]:
    path = config.tree / ".grading.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            _busy(f"process {file.read().strip() or 'unknown'}", path, wait)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextlib.contextmanager
def _connected(config: Config) -> Iterator[Connection]:
    """A connection to the gradebook's database that is never inside a transaction."""
    try:
        url = make_url(config.gradebook)
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        connection = engine.connect()
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        says = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        fix = "start its server, or correct course.gradebook (PostgreSQL: postgresql+psycopg://…)"
        raise GradingError(f"the gradebook cannot be opened ({says})", "", fix) from None
    with connection:
        yield connection


def _lock_database(connection: Connection, wait: bool) -> None:
    """Take the lock of this database, which it lets go of when the connection ends."""
    name = f"process {os.getpid()} on {socket.gethostname()}"
    connection.execute(text("SELECT set_config('application_name', :name, false)"), {"name": name[:63]})
    if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": KEY}):
        _busy(_holder(connection), connection.engine.url.render_as_string(), wait)
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": KEY})


def _holder(connection: Connection) -> str:
    """Who holds the lock in the database, as far as it tells us."""
    names = connection.execute(
        text(
            "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint) = :key"
        ),
        {"key": KEY},
    )
    return str(next((name for (name,) in names if name), "unknown"))


def _busy(holder: str, where: object, wait: bool) -> None:
    """Refuse, or say who is waited for.

    Raises:
        GradebookBusyError: where it is not to be waited for.
    """
    if not wait:
        raise GradebookBusyError(
            f"another run ({holder}) writes to this gradebook", where, "wait for it, or use --wait"
        )
    print(f"waiting for another run ({holder}) on this gradebook", file=sys.stderr, flush=True)
