"""Load generators. Any response but 200 is an error, except where 503 responses are counted."""
import json
import os
import re
import socket
import subprocess
import time

from servers import HERE, OPENLOOP, STATUS

ME = "/id/api/v1/profiles/me/balances"
SIGN_UP = "/id/api/v1/profiles"


def ask(port, credential, path=ME, method="GET", body=None):
    with socket.create_connection(("127.0.0.1", port), 5) as peer:
        head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        if credential:
            head += f"Authorization: Bearer {credential}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        peer.sendall(f"{head}\r\n{body or ''}".encode())
        answer = b""
        while piece := peer.recv(1 << 20):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def wrk(port, seconds, credential=None, path=ME, connections=64, script=None, pinned=True, **env):
    text = wrk_output(port, seconds, credential, path, connections, script, pinned, **env)
    if "Non-2xx" in text:
        raise RuntimeError(text)
    # totals.lua counts bytes instead of requests.
    total = r"(\d+) bytes in all" if script == "totals.lua" else r"(\d+) requests in"
    return int(re.search(total, text)[1])


def wrk_refused(port, seconds, credential, connections):
    """The share of responses other than 2xx and 3xx."""
    text = wrk_output(port, seconds, credential, connections=connections)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return int(refused[1]) / int(re.search(r"(\d+) requests in", text)[1]) if refused else 0


def wrk_output(port, seconds, credential, path=ME, connections=64, script=None, pinned=True, **env):
    argv = ["taskset", "-c", "0"] if pinned else []
    argv += ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    argv += ["-s", f"{HERE}/{script}"] if script else []
    argv += ["-H", f"Authorization: Bearer {credential}"] if credential else []
    argv += [f"http://127.0.0.1:{port}{path}"]
    env = {**os.environ, **env}
    text = subprocess.run(argv, check=True, capture_output=True, text=True, env=env).stdout
    if "Socket errors" in text:
        raise RuntimeError(text)
    return text


def wrk_tokens(port, seconds, file, count, **options):
    options |= dict(script="tokens.lua", TOKENS=file, COUNT=str(count), TARGET=ME)
    return wrk(port, seconds, **options)


def h2load(port, seconds, credential):
    argv = ["taskset", "-c", "0", "h2load", "-c8", "-m8", f"-D{seconds}"]
    argv += ["-H", f"authorization: Bearer {credential}", f"http://127.0.0.1:{port}{ME}"]
    text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return int(re.search(r"(\d+) 2xx", text)[1])


def open_loop(server, seconds, credential, rate=5000, connections=64, warm=1):
    """Runs openloop.rs, and returns its figures: latency in microseconds since a request was due.

    Adds the CPU time of the server in this interval, and its memory at 90 % of it."""
    argv = ["taskset", "-c", "0", OPENLOOP, "send", "--token", credential, "--rate", str(rate)]
    argv += ["--time", f"{seconds}s", "--warm", f"{warm}s", "--connections", str(connections)]
    argv += [f"127.0.0.1:{server.port}", ME]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True) as process:
        # The generator prints a line after its warm-up.
        process.stdout.readline()
        before = server.cpu()
        time.sleep(seconds * 0.9)
        resident = server.resident() / 1024
        text = process.stdout.readline()
        used, problem = server.cpu() - before, process.stderr.read()
    if process.returncode:
        raise RuntimeError(f"open loop, port {server.port}, {connections} connections: {problem}")
    seen = json.loads(text)
    return seen | {"cost": used / (seen["answers"] + seen["refused"]), "resident": resident}


def tenant_requests():
    """The number of requests that the tenant has received."""
    _, body = ask(STATUS, None)
    return int(re.search(r"requests\n \d+ \d+ (\d+)", body.decode())[1])
