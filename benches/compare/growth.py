"""How cost grows: small tables, beside HAProxy."""
import statistics
import subprocess
import threading
import time

from loads import ask, open_loop, tenant_requests, wrk, wrk_tokens
from rounds import cost, take_turns
from servers import LARGE, MOST_CONNECTIONS, OPENLOOP, SLOW, Server
from tokens import write_tokens

NAMES = ("omneo-id", "haproxy")


def table(world, options, head, steps, run, columns):
    """`run(name, step)` returns one figure for each column, and the first is compared."""
    titles = [f"{name} {column}" for name in NAMES for column in columns]
    print("\n" + "".join(f"{title:>18}" for title in (head, *titles, "ratio")), flush=True)
    for step in steps:
        contestants = {name: lambda name=name: run(name, step) for name in NAMES}
        results = take_turns(contestants, options.rounds)
        figures = [statistics.median(column) for name in NAMES for column in zip(*results[name])]
        ratios = [ours[0] / theirs[0] for ours, theirs in zip(*(results[name] for name in NAMES))]
        cells = (f"{step:,}" if isinstance(step, int) else step, *(f"{figure:,.1f}" for figure in figures))
        print("".join(f"{cell:>18}" for cell in (*cells, f"{statistics.median(ratios):.2f}")), flush=True)


def connections(world, options):
    """Closed loop, measured while it lasts: opening so many connections is not the question."""

    def run(name, count):
        with world.start(name, connections=MOST_CONNECTIONS) as server:
            load = threading.Thread(target=wrk, args=(server.port, options.seconds + 4, world.good, ME, count))
            load.start()
            try:
                time.sleep(3)
                before, used = tenant_requests(), server.cpu()
                time.sleep(options.seconds)
                used = server.cpu() - used
                return used / (tenant_requests() - before), server.resident() / 1024
            finally:
                load.join()

    steps = [min(count, MOST_CONNECTIONS) for count in (1, 10, 100, 1000, 10000)]
    table(world, options, "connections", steps, run, ("us", "MB"))


def population(world, options):
    """Tokens in use at one time, each as likely as the others."""
    steps = (1, 1000, 10_000, 100_000, 1_000_000)
    file = f"{world.directory}/population"
    write_tokens(file, steps[-1])

    def run(name, count):
        with world.start(name) as server:
            load = lambda seconds: wrk_tokens(server.port, seconds, file, count)
            return cost(server, load, options.seconds), server.resident() / 1024

    table(world, options, "tokens", steps, run, ("us", "MB"))


def body(world, options):
    """Answers by their size; of those under way at the end what has come counts."""

    def run(name, size):
        path = f"/id/api/v1/profiles/me/sizes/{size}"
        with world.start(name, tenant=LARGE) as server:
            whole = 0
            status, answer = ask(server.port, world.good, path)
            if (status, len(answer)) != (200, size):
                raise RuntimeError(f"{name}: {status}, {len(answer)} bytes of {size}")
            load = lambda seconds: wrk(server.port, seconds, world.good, path, 8, "totals.lua") / (size + 250)
            of_one = cost(server, load, options.seconds)
            return of_one, of_one / size * 1e6 if size else 0, server.resident() / 1024

    steps = (0, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
    for size in steps:
        world.file_of(size)
    table(world, options, "bytes", steps, run, ("us", "us/MB", "MB"))


def latency(world, options):
    """1000 requests a second, whatever the tenant takes."""

    def run(name, delay):
        argv = [OPENLOOP, "tenant", "--delay", delay, f"127.0.0.1:{SLOW}"]
        with Server(argv, SLOW, cpu=0), world.start(name, tenant=SLOW) as server:
            resident = []
            warm = server.cpu()
            load = lambda seconds, **more: open_loop(server.port, seconds, world.good, 1000, 3000, **more)
            load(1)
            before = server.cpu()
            seen = load(options.seconds + 2, meanwhile=lambda: resident.append(server.resident()))
            used = server.cpu() - before
            return used / seen["answers"], seen["p50"] / 1000, seen["under_way"], resident[0] / 1024

    steps = ("0ms", "1ms", "10ms", "100ms", "1s")
    table(world, options, "tenant takes", steps, run, ("us", "p50 ms", "under way", "MB"))


TABLES = {"connections": connections, "population": population, "body": body, "latency": latency}
