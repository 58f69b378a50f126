from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from services.ingest.parsing.children import ROOT, child_environ

NEEDED = (
    "PATH HOME LANG LC_ALL TMPDIR LD_LIBRARY_PATH PYTHONPATH VIRTUAL_ENV HF_HOME HF_HUB_OFFLINE HTTPS_PROXY "
    "no_proxy SSL_CERT_FILE REQUESTS_CA_BUNDLE"
)
LEFT_OUT = (
    "SISHU_S3_SECRET_KEY SISHU_DATABASE_URL HF_TOKEN HF_HUB_TOKEN HUGGING_FACE_HUB_TOKEN "
    "AWS_SECRET_ACCESS_KEY OPENAI_API_KEY PGPASSWORD MY_PATH PATH_TO_KEY OF_NOBODY"
)


@pytest.mark.parametrize("name", NEEDED.split())
def test_a_child_gets_what_it_needs(name: str) -> None:
    assert child_environ({name: "x"}) == {name: "x"}


@pytest.mark.parametrize("name", LEFT_OUT.split())
def test_a_child_gets_no_secret_and_nothing_unknown(name: str) -> None:
    assert child_environ({name: "x", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        ("http://user:pass-word@proxy.example:3128", "http://proxy.example:3128"),
        ("http://user:p@ss/w#rd@proxy.example:3128/", "http://proxy.example:3128/"),
        ("user:pass-word@proxy.example:3128", "proxy.example:3128"),
        ("socks5h://user@proxy.example", "socks5h://proxy.example"),
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("proxy.example", "proxy.example"),
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY", "HF_ENDPOINT"])
def test_a_child_gets_addresses_without_their_passwords(name: str, given: str, passed_on: str) -> None:
    assert child_environ({name: given}) == {name: passed_on}


HELD = "SISHU_S3_SECRET_KEY", "not to be read"
ALONE = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
"""Root may read all; without its rights it is a user as any."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shuts a process")
@pytest.mark.skipif(bool(ALONE) and shutil.which("setpriv") is None, reason="root keeps its rights")
@pytest.mark.parametrize("hidden", [True, False])
def test_another_process_of_the_user_cannot_read_the_environment_of_the_room(hidden: bool) -> None:
    program = f"from services.ingest.parsing.hiding import hide; {'hide()' if hidden else 'pass'}; print(flush=True); input()"
    command = [*ALONE, sys.executable, "-c", program]
    environ = dict([HELD], PATH=os.environ["PATH"], PYTHONPATH=str(ROOT))
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as room:
        assert room.stdout is not None
        room.stdout.readline()
        found = subprocess.run([*ALONE, "cat", f"/proc/{room.pid}/environ"], capture_output=True, check=False)
        room.communicate(b"\n")
    assert ("=".join(HELD).encode() in found.stdout) is not hidden
