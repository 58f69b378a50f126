from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio

import services
import grpc
import uvloop


class Echo(grpc.GenericRpcHandler):
    def service(self, call):
        async def answer(request, context):
            return request

        return grpc.unary_unary_rpc_method_handler(answer)


async def start():
    process = await asyncio.create_subprocess_exec("/bin/true")
    return await process.wait()


async def main():
    server = grpc.aio.server(handlers=[Echo()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/echo/Echo")

        async def go_on():
            while True:
                await call(b"x")

        calling = [asyncio.create_task(go_on()) for _ in range(4)]
        codes = [await start() for _ in range(STARTS)]
        for one in calling:
            one.cancel()
        await asyncio.gather(*calling, return_exceptions=True)
    await server.stop(None)
    print([code for code in codes if code])


uvloop.run(main())
"""
STARTS = 400


@pytest.mark.timeout(120)
def test_programs_that_a_room_starts_while_it_is_called_do_not_die() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("STARTS", str(STARTS))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
