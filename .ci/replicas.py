#!/usr/bin/env python3
"""Two replicas of the standalone server behind nginx, with one Redis server and one tenant. nginx
has the configuration of the page on deployment.

Tokens and revocations of one replica have to be effective at the other. Under load, each replica is
killed (SIGKILL) and replaced (SIGTERM, then a start on the same port). A kill may fail the requests
that are in flight on the sockets of the killed process. A replacement may fail none.

Uses the standard library of Python, `nginx` and `redis-server`.
"""

import http.client
import itertools
import json
import os
import re
import signal
import tempfile
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import processes
from processes import API_TOKEN, MOUNT, PROFILE, ROOT, SIGNING_KEY, STANDALONE, Process
from processes import free_port, send, status, until

CLIENTS = 8
ROUNDS = 2

NGINX = """
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    log_format trial '$http_x_request_id $status "$upstream_addr" "$upstream_status"';
    access_log {folder}/access.log trial;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{servers}
}}
"""


def servers(port, replicas):
    """The configuration of the page, with these ports."""
    page = (ROOT / "src/docs/deployment.md").read_text()
    (text,) = re.findall(r"^```text\n(upstream .*?)^```$", page, re.M | re.S)
    text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    text = re.sub(r"^ +ssl_certificate.*\n", "", text, flags=re.M)
    first, *others = re.findall(r"^ +server 10\..+\n", text, re.M)
    for other in others:
        text = text.replace(other, "")
    lines = [re.sub(r"10[\d.:]+", f"127.0.0.1:{replica.port}", first) for replica in replicas]
    return text.replace(first, "".join(lines))


def mint(port):
    code, text = send(port, "POST", f"{MOUNT}/auth/token", API_TOKEN, {"id": PROFILE})
    assert code == 200, (code, text)
    return json.loads(text)["data"]["token"]


def me(port, token):
    return send(port, "GET", f"{MOUNT}/profiles/me", token)[0]


class Replica(Process):
    def __init__(self, folder, name, tenant, redis):
        self.port = free_port()
        super().__init__(folder, name, [
            STANDALONE, "--listen", f"127.0.0.1:{self.port}", "--upstream", f"http://127.0.0.1:{tenant}",
            "--api-token", API_TOKEN, "--signing-key", SIGNING_KEY, "--threads", "1", "--log", "warn",
            "--revocations", f"redis://127.0.0.1:{redis}", "--drain-delay", "2s",
        ])

    def is_ready(self):
        return status(self.port, "/readyz") == 200

    def start_and_wait(self):
        self.start()
        until(self.is_ready, f"readiness of {self.port}")
        self.check()


class Nginx(processes.Nginx):
    """nginx, and a probe of `/readyz` that writes its list of replicas, as a controller does."""

    def __init__(self, folder, replicas):
        self.folder, self.replicas, self.port = folder, replicas, free_port()
        self.ready = list(replicas)
        self.access = folder / "access.log"
        self.stopped, self.probe = threading.Event(), threading.Thread(target=self.run_probe)
        self.write()
        super().__init__(folder)

    def write(self):
        text = NGINX.format(folder=self.folder, servers=servers(self.port, self.ready))
        (self.folder / "nginx.conf").write_text(text)

    def start(self):
        super().start()
        until(lambda: status(self.port, "/") is not None, "nginx")
        self.probe.start()

    def run_probe(self):
        while not self.stopped.wait(0.1):
            ready = [replica for replica in self.replicas if replica.is_ready()]
            if ready and ready != self.ready:
                self.ready = ready
                self.write()
                self.signal(signal.SIGHUP)

    def kill(self):
        self.stopped.set()
        if self.probe.is_alive():
            self.probe.join()
        super().kill()

    def served(self):
        """The number of responses of each replica."""
        ports = [line.split('"')[1].rsplit(":", 1)[-1] for line in self.access.read_text().splitlines()]
        counts = Counter(ports)
        return [counts[str(replica.port)] for replica in self.replicas]

    def refused(self):
        """The number of connections that a replica has refused."""
        return (self.folder / "error.log").read_text().count("connect() failed")

    def upstreams(self):
        """The upstreams of each request, in the order of the attempts."""
        lines = (line.split('"') for line in self.access.read_text().splitlines())
        return {line[0].split()[0]: line[1].split(", ") for line in lines}


class Load:
    """Clients that send requests one after another, each on a new connection to nginx."""

    def __init__(self, port, token):
        self.port, self.token = port, token
        self.lock = threading.Lock()
        self.sent, self.failed = Counter(), []
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(client,)) for client in range(CLIENTS)]

    def run(self, client):
        for number in itertools.count():
            if self.stopped.is_set():
                return
            name = f"c{client}-{number}-{os.urandom(4).hex()}"
            method, path, token, body = [
                ("GET", "/profiles/me", self.token, None),
                ("POST", "/auth/token", API_TOKEN, {"id": PROFILE}),
                ("GET", "/locations", self.token, None),
                ("PUT", "/profiles/me", self.token, {"first_name": "Ada"}),
            ][number % 4]
            try:
                outcome = send(self.port, method, MOUNT + path, token, body, name)[0]
            except (OSError, http.client.HTTPException) as error:
                outcome = repr(error)
            with self.lock:
                self.sent[method] += 1
                if outcome != 200:
                    self.failed.append((name, method, path, outcome))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def count(self):
        with self.lock:
            return self.sent.total()

    def more(self, number=200):
        """Waits for further requests."""
        count = self.count()
        until(lambda: self.count() >= count + number, "requests of the load")


def check_tokens(replicas, nginx):
    for one, other in (replicas, replicas[::-1]):
        token = mint(one.port)
        for port in (one.port, other.port, nginx.port):
            assert me(port, token) == 200, port
    print("   tokens of each replica are valid at the other")


def check_revocations(replicas):
    """Ends one token and all tokens of the profile, at each replica. Returns the ended tokens."""
    ended = []
    for one, other in (replicas, replicas[::-1]):
        token = mint(one.port)
        assert me(other.port, token) == 200
        assert send(one.port, "DELETE", f"{MOUNT}/auth/token", token)[0] == 204
        assert me(one.port, token) == 401
        took = until(lambda: me(other.port, token) == 401, "the other replica ends the token")
        print(f"   a sign-out reaches the other replica after {1000 * took:.0f} ms")
        ended.append(token)
        token = mint(other.port)
        assert me(one.port, token) == 200
        assert send(other.port, "POST", f"{MOUNT}/auth/revoke", API_TOKEN, {"id": PROFILE})[0] == 204
        took = until(lambda: me(one.port, token) == 401, "the other replica ends the tokens")
        print(f"   a revocation of a profile reaches the other replica after {1000 * took:.0f} ms")
        ended.append(token)
    return ended


def wait_until_serving(nginx, load, replica):
    """Waits until the replica is in nginx's list and has served further requests."""
    until(lambda: replica in nginx.ready, f"{replica.port} in the list of nginx")
    at = nginx.replicas.index(replica)
    before = nginx.served()[at]
    until(lambda: nginx.served()[at] > before + 20, f"requests to {replica.port}")
    load.more()


def kill_under_load(replicas, nginx, ended):
    token = mint(nginx.port)
    for round_number in range(ROUNDS):
        for replica in replicas:
            with Load(nginx.port, token) as load:
                wait_until_serving(nginx, load, replica)
                began = load.count()
                replica.kill()
                load.more()
                replica.start_and_wait()
                for old in ended:
                    assert me(replica.port, old) == 401, "a started replica accepts an ended token"
                wait_until_serving(nginx, load, replica)
            upstreams = nginx.upstreams()
            own = f"127.0.0.1:{replica.port}"
            others = [one for one in load.failed if upstreams.get(one[0], [""])[-1] != own]
            assert not others, f"failed, but not on a socket of the killed process: {others}"
            assert len(load.failed) <= CLIENTS, load.failed
            print(f"   SIGKILL, round {round_number + 1}: {load.count()} requests, "
                  f"{load.count() - began} of them after the kill; {len(load.failed)} failed, all on "
                  f"the sockets of the killed process (in flight: at most {CLIENTS})")


def replace_under_load(replicas, nginx):
    token = mint(nginx.port)
    refused = nginx.refused()
    for round_number in range(ROUNDS):
        with Load(nginx.port, token) as load:
            for replica in replicas:
                wait_until_serving(nginx, load, replica)
                replica.end(signal.SIGTERM)
                replica.start_and_wait()
                wait_until_serving(nginx, load, replica)
        assert not load.failed, load.failed
        # The drain delay is longer than nginx takes to remove a replica from its list.
        assert nginx.refused() == refused, "a connection was refused during the drain delay"
        print(f"   SIGTERM to each replica, round {round_number + 1}: "
              f"{load.count()} requests ({dict(load.sent)}), 0 failed")


def main():
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # For the workers of nginx, which have another user if this one is root.
        folder.chmod(0o755)

        def run(process):
            stack.callback(process.kill)
            process.start()
            return process

        redis_port, redis = processes.redis(folder)
        run(redis)
        tenant_port, tenant = processes.tenant(folder)
        run(tenant)
        until(lambda: status(tenant_port, "/") is not None, "the tenant")
        replicas = [Replica(folder, name, tenant_port, redis_port) for name in ("one", "two")]
        for replica in replicas:
            stack.callback(replica.kill)
            replica.start_and_wait()
        nginx = run(Nginx(folder, replicas))
        try:
            check_tokens(replicas, nginx)
            ended = check_revocations(replicas)
            kill_under_load(replicas, nginx, ended)
            replace_under_load(replicas, nginx)
        except BaseException:
            for log in folder.glob("*.log"):
                lines = log.read_text().splitlines()
                print(f"-- {log.name}", *lines[-20:], sep="\n")
            raise
        print(f"   responses of the replicas: {nginx.served()}")


if __name__ == "__main__":
    main()
