"""A public S3 bucket on loopback with the layout of MAST's cloud copy, by moto and boto3."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

NAME = "stpubdata"


@dataclass
class Bucket:
    """A bucket with public and private objects."""

    url: str  # of the bucket
    _client: Any

    def put(self, key: str, data: bytes) -> str:
        """Store bytes that everyone may read; return their ETag."""
        stored = self._client.put_object(Bucket=NAME, Key=key, Body=data, ACL="public-read")
        return stored["ETag"]

    def put_private(self, key: str, data: bytes) -> None:
        """Store bytes that cannot be read without a signature."""
        self._client.put_object(Bucket=NAME, Key=key, Body=data)


@contextmanager
def serve_bucket() -> Iterator[Bucket]:
    """Serve a new, empty bucket as long as the context lasts."""
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
            aws_access_key_id="anonymous",
            aws_secret_access_key="nothing",  # noqa: S106 - it opens nothing
        )
        client.create_bucket(Bucket=NAME)
        yield Bucket(f"{endpoint}/{NAME}", client)
    finally:
        server.stop()
