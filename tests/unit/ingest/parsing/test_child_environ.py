from __future__ import annotations

import pytest

from services.ingest.parsing.children import child_environ

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
