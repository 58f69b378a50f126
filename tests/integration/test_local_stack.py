"""The single-machine stack with its real servers; the rooms are stand-ins that only answer `/readyz`.

The tests share one state directory and build on a stack that runs; each brings it up first, which costs
nothing when it runs already.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import psutil
import pytest
from minio import Minio

from services.local.stack import down, log_path, tail_log, up
from services.local.state import ComponentState, StackState, State
from services.local.status import status
from services.runtime.config import ROOMS
from services.runtime.errors import FailedPrecondition, SishuError, Unauthenticated, Unavailable

# Minutes of real processes: `make test-full`.
pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
DATABASE_URL, S3_URL = "SISHU_DATABASE_URL", "SISHU_S3_URL"

ROOM = """
import os, signal, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass

def end(*_):
    print("ends", flush=True)
    os._exit(0)

room = sys.argv[1]
signal.signal(signal.SIGTERM, end)
if room == "trainer":  # It leaves a child behind, as a room with an engine may.
    subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
print(room, "reaches", os.environ.get("SISHU_DATASET_ADDRESS"), flush=True)
HTTPServer(("127.0.0.1", int(os.environ[f"SISHU_{room.upper()}_METRICS_PORT"])), Ready).serve_forever()
"""

ORDINARY_USER = """
import json, os, sys
from pathlib import Path
from services.local.stack import down, up
home, room = Path(sys.argv[1]), sys.argv[2]
try:
    found = up(home, environ=os.environ, rooms={"ingest": [sys.executable, "-S", room, "ingest"]})
    owner = os.stat(home / "postgres").st_uid
    print(json.dumps({"uid": os.geteuid(), "healthy": found.healthy, "owner": owner}))
finally:
    down(home)
"""


def clean_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("SISHU_")}


@dataclass
class Stack:
    """One state directory and what its `up` is given."""

    home: Path
    rooms: dict[str, list[str]]
    environ: dict[str, str] = field(default_factory=clean_environ)

    def up(self, **environ: str) -> StackState:
        return up(self.home, environ=self.environ | environ, rooms=self.rooms, deadline=90)


def room_commands(folder: Path, *rooms: str) -> dict[str, list[str]]:
    script = folder / "room.py"
    script.write_text(ROOM)
    script.chmod(0o644)
    return {room: [sys.executable, "-S", str(script), room] for room in rooms}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    # Longer than the path of a Unix socket may be, and not ASCII.
    home = folder / "my 私塾" / ("long-" * 20)
    made = Stack(home, room_commands(folder, *ROOMS))
    try:
        yield made
    finally:
        down(made.home)
        assert processes_of(made.home) == []


def processes_of(home: Path) -> list[str]:
    """Command lines of living processes that have to do with a state directory."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            clues = [*process.cmdline(), *process.environ().values(), process.cwd()]
            if any(str(home) in clue for clue in clues):
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
    return found


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


async def fetch(state: StackState, statement: str) -> object:
    connection = await asyncpg.connect(state.environment[DATABASE_URL])
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def bucket_of(state: StackState) -> tuple[Minio, str]:
    client = Minio(
        state.environment[S3_URL].removeprefix("http://"),
        access_key=state.environment["SISHU_S3_ACCESS_KEY"],
        secret_key=state.environment["SISHU_S3_SECRET_KEY"],
        secure=False,
    )
    return client, state.environment["SISHU_S3_BUCKET"]


def pid_of(state: StackState, name: str) -> int:
    pid = state.component(name).pid
    assert pid is not None
    return pid


async def test_up_starts_real_servers_and_rooms_that_know_each_other(stack: Stack) -> None:
    told: list[ComponentState] = []
    state = up(stack.home, environ=stack.environ, rooms=stack.rooms, deadline=90, progress=told.append)
    assert state.running
    assert state.healthy
    assert [one.name for one in state.components] == ["postgres", "s3", *ROOMS]
    assert {one.name for one in told if one.state is State.HEALTHY} == {"postgres", "s3", *ROOMS}
    assert "creating the database" in {one.detail for one in told}

    assert await fetch(state, "SELECT current_database()") == "sishu"
    assert await fetch(state, "SHOW fsync") == "on"
    assert await fetch(state, "SELECT lower('ÄÉ') = 'äé' AND '私塾' ~ '^\\w+$'")
    client, bucket = bucket_of(state)
    client.put_object(bucket, "documents/a", io.BytesIO(b"kept"), 4)
    assert [found.object_name for found in client.list_objects(bucket, recursive=True)] == ["documents/a"]
    assert tail_log(stack.home, "ingest") == [f"ingest reaches {state.addresses['dataset']}"]


def test_a_second_up_is_harmless(stack: Stack) -> None:
    first, second = stack.up(), stack.up()
    assert second == first


def test_a_damaged_state_file_is_replaced_and_two_ups_at_once_make_one_stack(stack: Stack) -> None:
    down(stack.home)
    (stack.home / "stack.json").write_text('{"version": 0, "pids": [1]}')
    assert not status(stack.home).running
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(lambda _: stack.up(), range(2))
    assert one.supervisor_pid == other.supervisor_pid
    assert {part.name: part.pid for part in one.components} == {
        part.name: part.pid for part in other.components
    }


def test_everything_listens_on_loopback_only(stack: Stack) -> None:
    stack.up()
    pids = {int(line.split()[0]) for line in processes_of(stack.home)}
    listening = [one for one in psutil.net_connections("tcp") if one.pid in pids and one.status == "LISTEN"]
    assert {next(iter(one.laddr)) for one in listening} == {"127.0.0.1"}
    assert len(listening) == 1 + 8 + len(ROOMS)


def test_the_state_directory_is_private(stack: Stack) -> None:
    state = stack.up()
    assert stat.S_IMODE(stack.home.stat().st_mode) == 0o700
    for folder in (stack.home, stack.home / "logs", stack.home / "s3"):
        for path in folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    shown = " ".join(processes_of(stack.home))
    for name in ("SISHU_DATABASE_URL", "SISHU_S3_SECRET_KEY"):
        assert state.environment[name] not in shown


def test_an_empty_bucket_takes_next_to_no_room(stack: Stack) -> None:
    stack.up()
    taken = sum(path.stat().st_blocks * 512 for path in (stack.home / "s3").rglob("*") if path.is_file())
    assert taken < 20 << 20


def test_a_killed_room_starts_again_and_is_counted(stack: Stack) -> None:
    before = stack.up()
    os.kill(pid_of(before, "dataset"), signal.SIGKILL)
    until(lambda: status(stack.home).component("dataset").restarts == 1)
    until(lambda: status(stack.home).healthy)
    after = status(stack.home)
    assert after.component("dataset").exit_code == -9
    assert pid_of(after, "dataset") != pid_of(before, "dataset")
    assert pid_of(after, "ingest") == pid_of(before, "ingest")
    assert after.addresses == before.addresses


async def test_a_killed_postgres_starts_again_with_its_data(stack: Stack) -> None:
    before = stack.up()
    await fetch(before, "CREATE TABLE IF NOT EXISTS kept (number int)")
    await fetch(before, "INSERT INTO kept VALUES (1)")
    os.kill(pid_of(before, "postgres"), signal.SIGKILL)
    until(lambda: status(stack.home).component("postgres").restarts == 1)
    until(lambda: status(stack.home).healthy)
    assert await fetch(status(stack.home), "SELECT count(*) FROM kept") == 1


async def test_a_killed_supervisor_leaves_nothing_and_the_next_up_has_all_data(stack: Stack) -> None:
    before = stack.up()
    await fetch(before, "CREATE TABLE durable AS SELECT 7 AS number")
    client, bucket = bucket_of(before)
    client.put_object(bucket, "documents/b", io.BytesIO(b"kept too"), 8)
    grandchild = psutil.Process(pid_of(before, "trainer")).children()[0]
    assert before.supervisor_pid is not None
    os.kill(before.supervisor_pid, signal.SIGKILL)
    ours = {f"{grandchild.pid} {' '.join(grandchild.cmdline())}"}
    until(lambda: set(processes_of(stack.home)) <= ours)
    assert not status(stack.home).running
    assert {one.state for one in status(stack.home).components} == {State.STOPPED}

    # What a supervisor that was killed before its file system came back would leave.
    (stack.home / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{stack.home / 'postgres'}\n")
    after = stack.up()
    assert not grandchild.is_running()
    assert after.addresses == before.addresses
    assert await fetch(after, "SELECT number FROM durable") == 7
    client, bucket = bucket_of(after)
    assert client.get_object(bucket, "documents/b").data == b"kept too"


def test_given_servers_are_used_and_none_is_started(stack: Stack, tmp_path: Path) -> None:
    given = stack.up().environment
    other = Stack(tmp_path / "home", room_commands(tmp_path, "ingest"))
    names = (DATABASE_URL, S3_URL, "SISHU_S3_ACCESS_KEY", "SISHU_S3_SECRET_KEY")
    wanted = {name: given[name] for name in names} | {"SISHU_S3_BUCKET": "another"}
    try:
        state = other.up(**wanted)
        assert {name: state.environment[name] for name in wanted} == wanted
        assert [(one.name, one.external, one.pid is None) for one in state.components] == [
            ("postgres", True, True),
            ("s3", True, True),
            ("ingest", False, False),
        ]
        assert not (other.home / "postgres").exists()
        assert not (other.home / "s3").exists()
    finally:
        assert not down(other.home).running
    assert processes_of(other.home) == []
    assert status(stack.home).healthy


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (
            {DATABASE_URL: "postgresql://u:hidden@127.0.0.1:1/x"},
            Unavailable,
            r"Postgres at 127\.0\.0\.1:1 .*start it",
        ),
        ({DATABASE_URL: "postgresql://{who}@{where}x"}, FailedPrecondition, "create it first"),
        (
            {DATABASE_URL: "postgresql://sishu:hidden@{where}"},
            Unauthenticated,
            "refuses the user or the password",
        ),
        ({S3_URL: "http://127.0.0.1:1"}, Unavailable, r"the S3 server at 127\.0\.0\.1:1"),
        ({"SISHU_S3_SECRET_KEY": "hidden"}, Unavailable, r"refused: \w+; check SISHU_S3_ACCESS_KEY"),
    ],
)
def test_a_given_server_that_is_no_use_is_named_and_nothing_runs(
    stack: Stack, tmp_path: Path, change: dict[str, str], error: type[SishuError], said: str
) -> None:
    given = stack.up().environment
    names = (DATABASE_URL, S3_URL, "SISHU_S3_ACCESS_KEY", "SISHU_S3_SECRET_KEY")
    wanted = {name: given[name] for name in names}
    who, _, where = given[DATABASE_URL].removeprefix("postgresql://").partition("@")
    wanted |= {name: value.format(who=who, where=where) for name, value in change.items()}
    other = Stack(tmp_path / "home", room_commands(tmp_path, "ingest"))
    with pytest.raises(error, match=said) as refused:
        other.up(**wanted)
    assert "hidden" not in refused.value.message
    assert not status(other.home).running
    assert status(other.home).failure is not None
    assert processes_of(other.home) == []


def test_a_room_that_dies_again_and_again_is_named_with_its_last_words(stack: Stack, tmp_path: Path) -> None:
    given = stack.up().environment
    names = (DATABASE_URL, S3_URL, "SISHU_S3_ACCESS_KEY", "SISHU_S3_SECRET_KEY")
    code = "import sys; sys.exit('no such column')"
    other = Stack(tmp_path / "home", {"ingest": [sys.executable, "-S", "-c", code]})
    try:
        with pytest.raises(Unavailable, match=r"ingest died 3 times.*no such column"):
            other.up(**{name: given[name] for name in names})
        assert status(other.home).component("ingest").state is State.RESTARTING
    finally:
        down(other.home)
    assert processes_of(other.home) == []


def test_down_ends_everything_in_order_and_is_harmless_twice(stack: Stack) -> None:
    stack.up()
    told: list[ComponentState] = []
    state = down(stack.home, progress=told.append)
    assert not state.running
    assert {one.state for one in state.components} == {State.STOPPED}
    assert processes_of(stack.home) == []
    assert tail_log(stack.home, "ingest", 1) == ["ends"]
    assert "database system is shut down" in tail_log(stack.home, "postgres", 1)[0]
    assert "stack_stopped" in log_path(stack.home, "supervisor").read_text().splitlines()[-1]
    assert down(stack.home) == state
    sockets = [str(path) for path in Path(tempfile.gettempdir()).glob("seaweedfs-*.sock")]
    assert not [path for path in sockets if any(f"-{port}.sock" in path for port in state.ports.values())]


@pytest.mark.skipif(os.geteuid() != 0, reason="all other tests of this file ran as an ordinary user already")
@pytest.mark.skipif(
    shutil.which("setpriv") is None, reason="setpriv of util-linux is needed to change the user"
)
def test_an_ordinary_user_can_run_it() -> None:
    with tempfile.TemporaryDirectory(prefix="sishu-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        home = folder / "home"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        room_commands(folder, "ingest")
        argv = [*as_nobody(), sys.executable, "-c", ORDINARY_USER, str(home), str(folder / "room.py")]
        environ = clean_environ() | {"HOME": str(home), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            argv, env=environ, cwd=folder, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"uid": NOBODY, "healthy": True, "owner": NOBODY}
        assert processes_of(home) == []


def as_nobody() -> list[str]:
    """Command that becomes an ordinary user, who may read the interpreter even if it lies below /root."""
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    # Twice, for setpriv still reads everything when it starts the first.
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import services'], check=True)"
    reads = subprocess.run([*become, sys.executable, "-c", again], cwd=ROOT, capture_output=True, check=False)
    if reads.returncode == 0:
        return become
    return [*become, "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
