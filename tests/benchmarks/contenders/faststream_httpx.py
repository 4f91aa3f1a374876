"""FastStream and httpx."""

import httpx
import uvloop
from faststream_job import application
from job import ENDPOINT, request_headers


async def main() -> None:
    async with httpx.AsyncClient(timeout=30) as client:

        async def post(body: bytes, key: str) -> tuple[int, bytes]:
            answer = await client.post(ENDPOINT, content=body, headers=request_headers(key))
            answer.raise_for_status()
            return answer.status_code, answer.content

        await application(post).run()


uvloop.run(main())
