"""Processes and requests for the scripts of this folder."""

import http.client
import json
import os
import random
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STANDALONE = Path(os.environ.get("STANDALONE", ROOT / "target/release/examples/standalone"))
SANDBOX = Path(os.environ.get("SANDBOX", ROOT / "target/debug/examples/sandbox"))
MOUNT = "/id/api/v1"
# Of the sandbox.
API_TOKEN = "sandbox-api-token"
PROFILE = "6513270e-269e-4d37-b2a7-4de452e6b438"
SIGNING_KEY = "5b1f0e9a7c3d48269f80b1c2d3e4f506"
# A limit in seconds for steps of a few milliseconds, on a busy machine.
PATIENCE = 60


ports = set()


def free_port():
    """A free port, another one each time. Linux assigns ports from 32768 on to connections, which
    may take such a port before its server starts; so it is a lower one.
    """
    while True:
        port = random.randrange(10_000, 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in ports:
                ports.add(port)
                return port


def until(condition, what):
    """Waits for a condition, and returns the seconds until then."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + PATIENCE, f"timeout: {what}"
        time.sleep(0.01)
    return time.monotonic() - began


def send(port, method, path, token=None, body=None, request_id=None):
    """The status and body of one request, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {}
    if token:
        headers["authorization"] = f"Bearer {token}"
    if request_id:
        headers["x-request-id"] = request_id
    if body is not None:
        body = json.dumps(body)
        headers["content-type"] = "application/json"
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def status(port, path):
    """The status of a GET request, or None without a response."""
    try:
        return send(port, "GET", path)[0]
    except (OSError, http.client.HTTPException):
        return None


class Process:
    """A process with its output in a file. `kill` ends it."""

    def __init__(self, folder, name, command, environment=None):
        self.output = folder / f"{name}.log"
        self.command = [str(part) for part in command]
        ours = ("OMNEO_", "RUST_LOG", "HTTP_", "HTTPS_", "SSL_CERT")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environment = inherited | (environment or {})
        self.process = None

    def start(self):
        with open(self.output, "a") as output:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, env=self.environment)

    def log(self):
        return self.output.read_text()

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def check(self):
        """Fails if the process has exited."""
        code = self.process.poll()
        assert code is None, f"{self.command} has exited with {code}:\n{self.log()}"

    def end(self, number):
        """Sends a signal, and waits until the process ends with exit code 0."""
        self.signal(number)
        code = self.process.wait(PATIENCE)
        assert code == 0, f"exit code {code}:\n{self.log()}"


class Redis(Process):
    """A Redis server, which persists its data."""

    def __init__(self, folder, port):
        command = ["redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", folder]
        super().__init__(folder, "redis", [*command, "--appendonly", "yes", "--save", ""])
        self.port = port

    def start(self):
        super().start()
        until(lambda: accepts(self.port), "Redis listens")


def redis(folder):
    """A Redis server and its port."""
    port = free_port()
    return port, Redis(folder, port)


def accepts(port):
    """Whether a server listens on this port."""
    try:
        socket.create_connection(("127.0.0.1", int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def tenant(folder, name="tenant"):
    """The sandbox."""
    port = free_port()
    return port, Process(folder, name, [SANDBOX, "--listen", f"127.0.0.1:{port}"])


class Nginx(Process):
    """nginx with the configuration file of this folder."""

    def __init__(self, folder):
        command = ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
        super().__init__(folder, "nginx", command)

    def kill(self):
        if self.process is not None:
            # Its workers would survive SIGKILL.
            self.process.terminate()
            self.process.wait()
