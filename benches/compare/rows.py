"""Rows: CPU time per request beside other servers, or beside another request to this server."""
import json
import os
import socket
import statistics
import time

from loads import ME, SIGN_UP, ask, h2load, open_loop, tenant_requests, wrk, wrk_tokens
from rounds import cost, line, micros, ratio, take_turns
from servers import API_TOKEN, LARGE, MIRROR, SMALL
from tokens import PROFILE, algorithm_of, token, write_key


def is_configured(world, name):
    """Whether the server checks tokens and replaces the credential. nginx only has to forward."""
    with world.start(name, tenant=MIRROR, pinned=False) as server:
        status, _ = ask(server.port, world.good)
        if name == "nginx":
            return status == 200
        forged = world.good[:-2] + ("AA" if world.good[-2:] != "AA" else "BB")
        invalid = (None, forged, token("a", life=-120), "x.y.z")
        rejected = [ask(server.port, credential)[0] for credential in invalid]
        forwarded = f"GET /api/v3/profiles/{PROFILE}/balances Bearer {API_TOKEN}"
        return status == 200 and world.seen()[-1] == forwarded and rejected == [401] * 4


def compare(world, options, title, others, load, **setting):
    def run(name):
        with world.start(name, **setting) as server:
            return cost(server, lambda seconds: load(server.port, seconds), options.seconds)

    names = ("omneo-id", *others)
    costs = take_turns({name: lambda name=name: run(name) for name in names}, options.rounds)
    ours = costs.pop("omneo-id")
    line(title, micros(ours), *(f"{name} {ratio(ours, theirs)}" for name, theirs in costs.items()))


def one_token(world, options):
    load = lambda port, seconds: wrk(port, seconds, world.good)
    compare(world, options, "1 thread, 1 KB, one token", ("haproxy", "nginx"), load)


def many_tokens(world, options):
    load = lambda port, seconds: wrk_tokens(port, seconds, world.tokens, 1000)
    compare(world, options, "1 thread, 1 KB, 1000 tokens", ("haproxy",), load)


def large(world, options):
    load = lambda port, seconds: wrk(port, seconds, world.good)
    compare(world, options, "1 thread, 100 KB", ("haproxy", "nginx"), load, tenant=LARGE)


def two_threads(world, options):
    load = lambda port, seconds: wrk(port, seconds, world.good, pinned=False)
    title = "2 threads, not pinned, 1 KB"
    compare(world, options, title, ("haproxy", "nginx"), load, threads=2, pinned=False)


def http2(world, options):
    # HAProxy accepts HTTP/2 on the next port.
    load = lambda port, seconds: h2load(port + (port == 19630), seconds, world.good)
    compare(world, options, "HTTP/2 in, HTTP/1.1 out, 1 KB", ("haproxy",), load)


def algorithms(world, options):
    """This server with keys of other algorithms. 1000 tokens fit into its cache."""

    def key(algorithm):
        if algorithm == "HS256":
            return ()
        path = f"{world.directory}/{algorithm}.pem"
        if not os.path.exists(path):
            write_key(path, algorithm)
        return ("--signing-key-file", path)

    def mint(algorithm):
        path, mint_request = f"{world.directory}/{algorithm}", json.dumps({"id": PROFILE})
        with world.start("omneo-id", extra=key(algorithm)) as server, open(path, "w") as file:
            for _ in range(1000):
                uri = "/id/api/v1/auth/token"
                status, body = ask(server.port, API_TOKEN, uri, "POST", mint_request)
                minted = json.loads(body)["data"]["token"]
                if status != 200 or algorithm_of(minted) != algorithm:
                    raise RuntimeError(f"{algorithm}: {status} {body}")
                file.write(minted + "\n")
        return path

    def run(algorithm, count):
        with world.start("omneo-id", extra=key(algorithm)) as server:
            load = lambda seconds: wrk_tokens(server.port, seconds, minted[algorithm], count)
            return cost(server, load, options.seconds)

    minted = {algorithm: mint(algorithm) for algorithm in ("HS256", "ES256", "EdDSA", "RS256")}
    for count, title in ((1, "HS256, one token"), (1000, "HS256, 1000 tokens")):
        runs = {name: lambda name=name: run(name, count) for name in minted}
        costs = take_turns(runs, options.rounds)
        base = costs.pop("HS256")
        ratios = (f"{name} {ratio(theirs, base)}" for name, theirs in costs.items())
        line(title, micros(base), *ratios)


def open_loop_row(world, options):
    def run(name):
        with world.start(name) as server:
            seen = open_loop(server, options.seconds, world.good)
            if seen["refused"]:
                raise RuntimeError(f"{name} rejected {seen['refused']} requests")
            return seen

    names = ("omneo-id", "haproxy", "nginx")
    results = take_turns({name: lambda name=name: run(name) for name in names}, options.rounds)
    costs = {name: [result["cost"] for result in results[name]] for name in names}
    ours = costs["omneo-id"]
    ratios = (f"{name} {ratio(ours, costs[name])}" for name in names[1:])
    line("5000 requests/s, open loop", micros(ours), *ratios)
    for name in names:
        median = lambda key: statistics.median(result[key] for result in results[name])
        p50, p99, late = (f"{key} {median(key):.0f} us" for key in ("p50", "p99", "late_p99"))
        line(f"  latency, {name}", p50, p99, f"(delay of the generator: {late})")


def upsert(world, options):
    """A sign-up for an existing profile, beside a `me` request."""
    body = '{"email":"person-1@example.com","attributes":{"comms":{"email_promo":true}}}'
    with world.start("omneo-id", tenant=MIRROR) as server:
        before = len(world.seen())
        answer = ask(server.port, world.anonymous, SIGN_UP, "POST", body)
        expected = [
            f"GET /api/v3/profiles?filter%5Bemail%5D=person-1%40example.com Bearer {API_TOKEN}",
            f"PUT /api/v3/profiles/{PROFILE}/attributes/comms Bearer {API_TOKEN}",
        ]
        if answer != (200, b'{"data":{"success":true}}') or world.seen()[before:] != expected:
            raise RuntimeError(f"sign-up: {answer} {world.seen()[before:]}")

    def run(**load):
        with world.start("omneo-id") as server:
            wrk(server.port, 1, **load)
            before, used = tenant_requests(), server.cpu()
            answers = wrk(server.port, options.seconds, **load)
            # Reading the counter is a request, too.
            return (server.cpu() - used) / answers, (tenant_requests() - before - 1) / answers

    runs = {
        "me": lambda: run(credential=world.good),
        "sign-up": lambda: run(credential=world.anonymous, path=SIGN_UP, script="signup.lua"),
    }
    results = take_turns(runs, options.rounds)
    costs = {name: [cost for cost, _ in results[name]] for name in results}
    trips = {name: statistics.median(count for _, count in results[name]) for name in results}
    line(
        "sign-up, existing profile",
        micros(costs["sign-up"]),
        f"{trips['sign-up']:.2f} tenant requests (me {trips['me']:.2f})",
        f"me {ratio(costs['sign-up'], costs['me'])}",
    )


def idle(world, options):
    """Memory of an idle connection that has served one request."""
    count, cells = options.connections, []
    request = f"GET {ME} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {world.good}\r\n\r\n".encode()

    def answered(peer):
        peer.sendall(request)
        answer = b""
        while b'"}' not in answer:
            piece = peer.recv(65536)
            if not piece:
                raise RuntimeError(f"{name} closed an idle connection")
            answer += piece

    for name in ("omneo-id", "haproxy", "nginx"):
        with world.start(name, connections=count + 1000) as server:
            ask(server.port, world.good)
            before, peers = server.resident(), []
            try:
                for _ in range(count):
                    peers.append(socket.create_connection(("127.0.0.1", server.port), 5))
                    answered(peers[-1])
                time.sleep(options.settle)
                cells.append(f"{name} {(server.resident() - before) / count:.1f} KB")
                # All connections are still open.
                for peer in peers:
                    answered(peer)
            finally:
                for peer in peers:
                    peer.close()
    line(f"{count} idle connections", *cells)


ROWS = {
    "one-token": one_token,
    "many-tokens": many_tokens,
    "large": large,
    "two-threads": two_threads,
    "http2": http2,
    "algorithms": algorithms,
    "open-loop": open_loop_row,
    "upsert": upsert,
    "idle": idle,
}
