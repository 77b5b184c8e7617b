"""A public bucket on loopback, laid out as MAST's cloud copy: moto's S3, filled through boto3."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

NAME = "stpubdata"


@dataclass
class Bucket:
    """A bucket that anybody may read."""

    url: str  # of the bucket
    _client: Any

    def put(self, key: str, data: bytes) -> str:
        """Store bytes under a key; their ETag."""
        stored = self._client.put_object(Bucket=NAME, Key=key, Body=data, ACL="public-read")
        return stored["ETag"]

    def put_private(self, key: str, data: bytes) -> None:
        """Store bytes that nobody without a signature may read."""
        self._client.put_object(Bucket=NAME, Key=key, Body=data)


@contextmanager
def serve_bucket() -> Iterator[Bucket]:
    """A fresh bucket for as long as the context lasts."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
        )
        client.create_bucket(Bucket=NAME)
        yield Bucket(f"{endpoint}/{NAME}", client)
    finally:
        server.stop()
