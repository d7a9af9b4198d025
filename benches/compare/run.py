#!/usr/bin/env python3
"""What a request costs in CPU, beside HAProxy doing the same job and nginx doing less.

    apt-get install haproxy nginx-light wrk nghttp2-client
    cargo build --release --example standalone
    python3 benches/compare/run.py [--rounds 5] [--seconds 3] [row ...]

Everything runs on 127.0.0.1 and is ended again. Each server is first asked whether it does the job. Within
a round all take turns, in another order each time; a ratio is that of two runs of one round, and the median
of the rounds is printed with the lowest and the highest. CPU time is the kernel's own account of all threads
of a server (schedstat), divided by the answers that the load generator counted.
"""
import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import resource
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
STANDALONE = os.environ.get("STANDALONE", f"{ROOT}/target/release/examples/standalone")
PROFILE = "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10"
PATH = "/id/api/v1/profiles/me/balances"
SMALL, LARGE, MIRROR = 19610, 19611, 19612
API_TOKEN = "api-token-of-the-usual-length-0123456789"
SECRET = secrets.token_hex(20)


class Server:
    """A process, and what it has used."""

    def __init__(self, argv, port, cpu=None):
        if cpu is not None:
            argv = ["taskset", "-c", str(cpu), *argv]
        self.port = port
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(100):
            if self.process.poll() is not None:
                raise RuntimeError(f"{argv[:4]} ended with {self.process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", port), 0.5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{argv[:4]} does not listen")

    def pids(self):
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as children:
                    todo += [int(child) for child in children.read().split()]
        return found

    def cpu(self):
        """Nanoseconds, all threads."""
        total = 0
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as line:
                    total += int(line.read().split()[0])
        return total

    def resident(self):
        """Kilobytes."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status") as status:
                total += int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])
        return total

    def stop(self):
        children = self.pids()[1:]
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in children:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass


def token(profile, life=3600):
    part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    now = int(time.time())
    claims = {"pid": profile, "iat": now, "exp": now + life, "jti": secrets.token_hex(8)}
    signed = b".".join(part(json.dumps(data).encode()) for data in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (signed + b"." + part(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


def fill(name, directory, **values):
    with open(f"{HERE}/{name}") as template:
        text = template.read().format(dir=directory, **values)
    path = f"{directory}/{name}"
    with open(path, "w") as file:
        file.write(text)
    return path


class World:
    def __init__(self, directory):
        self.directory = directory
        self.good = token(PROFILE)
        self.tokens = f"{directory}/tokens"
        with open(self.tokens, "w") as file:
            file.writelines(token(f"profile-{number}") + "\n" for number in range(1000))
        os.makedirs(f"{directory}/www")
        with open(f"{directory}/www/large.json", "w") as file:
            file.write('"' + "x" * 102398 + '"')
        body = '{"data":"' + "x" * (1024 - 11) + '"}'
        ports = dict(small=SMALL, large=LARGE, mirror=MIRROR, body=body)
        conf = fill("tenant.conf", directory, **ports)
        self.tenant = Server(["nginx", "-p", directory, "-c", conf], SMALL, cpu=0)

    def start(self, name, threads, tenant, pinned, extra=()):
        cpu = 1 if pinned else None
        if name == "omneo-id":
            argv = [STANDALONE, "--listen", "127.0.0.1:19620", "--upstream", f"http://127.0.0.1:{tenant}"]
            argv += ["--api-token", API_TOKEN, "--threads", str(threads), *extra]
            if "--signing-key-file" not in extra:
                argv += ["--signing-key", SECRET]
            return Server(argv + ["--log", "error"], 19620, cpu)
        directory = f"{self.directory}/{name}"
        os.makedirs(directory, exist_ok=True)
        values = dict(threads=threads, tenant=tenant, secret=SECRET, api_token=API_TOKEN)
        if name == "haproxy":
            conf = fill("haproxy.cfg", directory, port=19630, port_h2=19631, **values)
            return Server(["haproxy", "-db", "-f", conf], 19630, cpu)
        master = "on" if threads > 1 else "off"
        conf = fill("nginx.conf", directory, port=19640, master=master, **values)
        return Server(["nginx", "-p", directory, "-c", conf], 19640, cpu)


def ask(port, credential, path=PATH):
    with socket.create_connection(("127.0.0.1", port), 5) as peer:
        authorization = f"Authorization: Bearer {credential}\r\n" if credential else ""
        peer.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{authorization}\r\n".encode())
        answer = b""
        while piece := peer.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def does_the_job(world, name):
    """Whoever only forwards need not; the others are asked what may not pass."""
    server = world.start(name, 1, MIRROR, pinned=False)
    try:
        status, _ = ask(server.port, world.good)
        if name == "nginx":
            return status == 200
        time.sleep(0.2)
        with open(f"{world.directory}/seen") as log:
            seen = log.read().splitlines()[-1]
        forged = world.good[:-2] + ("AA" if world.good[-2:] != "AA" else "BB")
        refused = [ask(server.port, bad)[0] for bad in (None, forged, token("a", life=-120), "x.y.z")]
        asked = f"/api/v3/profiles/{PROFILE}/balances Bearer {API_TOKEN}"
        return status == 200 and seen == asked and refused == [401] * 4
    finally:
        server.stop()


def wrk(world, port, seconds, connections=64, script=None, pinned=True):
    argv = ["taskset", "-c", "0"] if pinned else []
    argv += ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    argv += ["-s", script] if script else ["-H", f"Authorization: Bearer {world.good}"]
    env = {**os.environ, "TOKENS": world.tokens}
    text = subprocess.run([*argv, f"http://127.0.0.1:{port}{PATH}"], capture_output=True, text=True, env=env).stdout
    if re.search(r"Non-2xx|Socket errors", text):
        raise RuntimeError(text)
    return int(re.search(r"(\d+) requests in", text)[1])


def h2load(world, port, seconds):
    argv = ["taskset", "-c", "0", "h2load", "-c8", "-m8", f"-D{seconds}", "-H", f"authorization: Bearer {world.good}"]
    text = subprocess.run([*argv, f"http://127.0.0.1:{port}{PATH}"], capture_output=True, text=True).stdout
    return int(re.search(r"(\d+) 2xx", text)[1])


ROWS = {
    # name: (what it is, who takes part, threads, tenant, pinned, load)
    "one-token": ("1 thread, 1 KB, one token", ("haproxy", "nginx"), 1, SMALL, True, None),
    "many-tokens": ("1 thread, 1 KB, 1000 tokens", ("haproxy",), 1, SMALL, True, "tokens"),
    "large": ("1 thread, 100 KB", ("haproxy", "nginx"), 1, LARGE, True, None),
    "two-threads": ("2 threads, nothing pinned, 1 KB", ("haproxy", "nginx"), 2, SMALL, False, None),
    "http2": ("HTTP/2 in, HTTP/1.1 out, 1 KB", ("haproxy",), 1, SMALL, True, "h2"),
}


def load(world, kind, name, port, seconds, pinned):
    if kind == "h2":
        return h2load(world, 19631 if name == "haproxy" else port, seconds)
    script = f"{HERE}/tokens.lua" if kind == "tokens" else None
    return wrk(world, port, seconds, script=script, pinned=pinned)


def row(world, key, rounds, seconds):
    what, others, threads, tenant, pinned, kind = ROWS[key]
    names = ["omneo-id", *others]
    costs = {name: [] for name in names}
    for turn in range(rounds):
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            server = world.start(name, threads, tenant, pinned)
            try:
                load(world, kind, name, server.port, 1, pinned)
                before = server.cpu()
                answers = load(world, kind, name, server.port, seconds, pinned)
                costs[name].append((server.cpu() - before) / answers / 1000)
            finally:
                server.stop()
    ours = costs["omneo-id"]
    cells = [f"{what:32} {statistics.median(ours):7.1f} us"]
    for name in others:
        ratios = [own / other for own, other in zip(ours, costs[name])]
        cells.append(f"{name} {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
    print("  ".join(cells), flush=True)


def idle(world, count=1000):
    """Memory of a connection that has asked once and stays open."""
    cells = []
    for name in ("omneo-id", "haproxy", "nginx"):
        server = world.start(name, 1, SMALL, pinned=False)
        open_ones = []
        try:
            ask(server.port, world.good)
            before = server.resident()
            for _ in range(count):
                peer = socket.create_connection(("127.0.0.1", server.port), 5)
                request = f"GET {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {world.good}\r\n\r\n"
                peer.sendall(request.encode())
                answer = b""
                while b'"}' not in answer:
                    answer += peer.recv(65536)
                open_ones.append(peer)
            time.sleep(3)
            cells.append(f"{name} {(server.resident() - before) / count:.1f} KB")
        finally:
            for peer in open_ones:
                peer.close()
            server.stop()
    print(f"{f'{count} idle connections':32} " + "  ".join(cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("rows", nargs="*", help=f"default is all: {', '.join([*ROWS, 'idle'])}")
    options = parser.parse_args()
    if unknown := set(options.rows) - {*ROWS, "idle"}:
        parser.error(f"no such row: {', '.join(unknown)}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory)
        try:
            for name in ("omneo-id", "haproxy", "nginx"):
                if not does_the_job(world, name):
                    sys.exit(f"{name} does not do the job")
            print("CPU per request, and its ratio to that of others (lowest-highest)\n")
            for key in options.rows or [*ROWS, "idle"]:
                if key == "idle":
                    idle(world)
                else:
                    row(world, key, options.rounds, options.seconds)
        finally:
            world.tenant.stop()


if __name__ == "__main__":
    main()
