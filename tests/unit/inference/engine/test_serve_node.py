from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.contract.client_programs import TESTDATA, demand
from tests.unit.inference.engine.test_serve_openai import KEY, client, tooled
from tests.unit.inference.engine.tiny import NAME

__all__ = ["client", "tooled"]

CHECKS = 9


@pytest.mark.full
async def test_the_official_node_sdk_gets_what_openai_documents(client: AsyncOpenAI, tmp_path: Path) -> None:
    demand("node", "npm")
    folder = tmp_path / "openai"
    shutil.copytree(TESTDATA / "openai", folder)
    await run("npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", cwd=folder)
    said = await run("node", "conformance.mjs", str(client.base_url), KEY, NAME, cwd=folder)
    assert said.split() == [str(CHECKS)]


async def run(*command: str, cwd: Path) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=cwd, stdout=pipe, stderr=pipe)
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode()
