"""HTTP/1.1 octet by octet, for requests that no client library would send."""

import socket
import urllib.parse
from http.client import HTTPResponse


class Connection:
    """One connection, from an address of one's choice."""

    def __init__(self, url: str, source: str = "127.0.0.1", timeout: float = 35):
        address = urllib.parse.urlsplit(url)
        self.host = address.netloc
        self.socket = socket.create_connection(
            (address.hostname, address.port), timeout, source_address=(source, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets: bytes) -> None:
        """Sends; a peer that has hung up already is no error, since it may have answered."""
        try:
            self.socket.sendall(octets)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def head(self, *lines: str, path: str = "/mpic", method: str = "POST") -> None:
        """Sends a whole head."""
        given = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", *lines]
        self.send("\r\n".join([*given, "", ""]).encode("latin-1"))

    def answer(self, method: str = "POST"):
        """Status, headers and body of the next answer."""
        response = HTTPResponse(self.socket, method=method)
        response.begin()
        return response.status, response.headers, response.read()

    def rest(self) -> bytes:
        """Everything that the peer says until it hangs up, or until the time is over."""
        octets = b""
        try:
            while more := self.socket.recv(65_536):
                octets += more
        except (TimeoutError, ConnectionResetError):
            pass
        return octets

    def is_closed(self) -> bool:
        """Whether the peer has hung up, or does within the time of this connection."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
