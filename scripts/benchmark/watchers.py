"""Opens many watches of one run that says nothing for long, and holds them until standard input closes."""

from __future__ import annotations

import asyncio
import os
import sys

import grpc
import uvloop

from thinkaloud.v1 import chat_service_pb2, chat_service_pb2_grpc, run_service_pb2, run_service_pb2_grpc

# A connection carries this many watches; a server of many users sees fewer on each.
WATCHES_PER_CONNECTION = 100


async def main(address: str, count: int) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]
    first = grpc.aio.insecure_channel(address, options=options)
    request = chat_service_pb2.ChatRequest(text="600", model="demo/slow", detach=0)
    run = chat_service_pb2_grpc.ChatServiceStub(first).Chat(request)
    run_id = (await run.read()).event.start.run_id
    channels = [
        grpc.aio.insecure_channel(address, options=options)
        for _ in range((count + WATCHES_PER_CONNECTION - 1) // WATCHES_PER_CONNECTION)
    ]
    opened = asyncio.Semaphore(0)
    limit = asyncio.Semaphore(200)

    async def watch(stub: run_service_pb2_grpc.RunServiceStub) -> None:
        async with limit:
            call = stub.WatchRun(run_service_pb2.WatchRunRequest(run_id=run_id))
            await call.read()
            opened.release()
        while await call.read() is not grpc.aio.EOF:
            pass

    tasks = [
        asyncio.ensure_future(watch(run_service_pb2_grpc.RunServiceStub(channels[number // WATCHES_PER_CONNECTION])))
        for number in range(count)
    ]
    for _ in range(count):
        await opened.acquire()
    await asyncio.sleep(2)  # let the server's allocator come to rest before it is weighed
    sys.stdout.write(f"{sum(not task.done() for task in tasks)}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    # Closing ten thousand calls one by one tells nothing: the server sees their connections end.
    os._exit(0)


uvloop.run(main(sys.argv[1], int(sys.argv[2])))
