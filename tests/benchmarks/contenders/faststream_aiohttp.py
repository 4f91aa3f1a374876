"""FastStream and aiohttp."""

import aiohttp
import uvloop
from faststream_job import application
from job import ENDPOINT, IN_FLIGHT, request_headers


async def main() -> None:
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as client:

        async def post(body: bytes, key: str) -> tuple[int, bytes]:
            async with client.post(ENDPOINT, data=body, headers=request_headers(key)) as answer:
                return answer.status, await answer.read()

        await application(post).run()


uvloop.run(main())
