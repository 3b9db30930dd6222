"""The server's side of the `h2` library: it refuses a client that breaks a rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded
from h2.settings import SettingCodes, Settings

from app.triton.grpc_client.http2 import ClientProtocol


class H2Server:
    """It is joined to a client by `talk`, and notes what it receives."""

    def __init__(self, client: ClientProtocol, settings: Mapping[SettingCodes, int]) -> None:
        self.conn = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.conn.local_settings = Settings(client=False, initial_values=dict(settings))
        self.conn.max_inbound_frame_size = self.conn.local_settings.max_frame_size
        self.conn.initiate_connection()
        self.events: list[Any] = []
        self._client = client

    def talk(self) -> None:
        """Carry what each has to say to the other, until nobody has."""
        while True:
            forth = bytes(self._client.outgoing)
            self._client.outgoing.clear()
            if forth:
                self.events += self.conn.receive_data(forth)
            back = self.conn.data_to_send()
            if back:
                self._client.receive(back)
            if not forth and not back:
                return

    def body(self, stream_id: int) -> bytes:
        """What a stream has brought so far."""
        parts = [each for each in self.events if isinstance(each, DataReceived)]
        return b"".join(each.data or b"" for each in parts if each.stream_id == stream_id)

    def has_whole(self, stream_id: int) -> bool:
        """Whether a stream's request has ended."""
        return any(
            isinstance(each, StreamEnded) and each.stream_id == stream_id for each in self.events
        )
