"""Load: each function returns how many answers there were, and raises if one is not a good one."""
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
    argv = ["taskset", "-c", "0"] if pinned else []
    argv += ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    argv += ["-s", f"{HERE}/{script}"] if script else []
    argv += ["-H", f"Authorization: Bearer {credential}"] if credential else []
    argv += [f"http://127.0.0.1:{port}{path}"]
    env = {**os.environ, **env}
    text = subprocess.run(argv, check=True, capture_output=True, text=True, env=env).stdout
    if re.search(r"Non-2xx|Socket errors", text):
        raise RuntimeError(text)
    # Only totals.lua counts bytes.
    return int(re.search(r"(\d+) bytes in all|(\d+) requests in", text).group(1 if script == "totals.lua" else 2))


def wrk_tokens(port, seconds, file, count, **options):
    return wrk(port, seconds, script="tokens.lua", TOKENS=file, COUNT=str(count), ASKED=ME, **options)


def h2load(port, seconds, credential):
    argv = ["taskset", "-c", "0", "h2load", "-c8", "-m8", f"-D{seconds}", "-H", f"authorization: Bearer {credential}"]
    text = subprocess.run([*argv, f"http://127.0.0.1:{port}{ME}"], check=True, capture_output=True, text=True).stdout
    return int(re.search(r"(\d+) 2xx", text)[1])


def open_loop(port, seconds, credential, rate=5000, connections=64, meanwhile=None):
    """What openloop.rs prints: latency in microseconds, counted from when a request was due."""
    argv = ["taskset", "-c", "0", OPENLOOP, "send", "--token", credential, "--rate", str(rate), "--time", f"{seconds}s"]
    argv += ["--connections", str(connections), f"127.0.0.1:{port}", ME]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        if meanwhile:
            time.sleep(seconds * 0.9)
            meanwhile()
        text, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{argv[3:5]} ended with {process.returncode}")
    return json.loads(text)


def tenant_requests():
    """How many the tenant has had."""
    _, body = ask(STATUS, None)
    return int(re.search(r"requests\n \d+ \d+ (\d+)", body.decode())[1])
