"""Tables: CPU time, latency and memory as the load grows, beside HAProxy."""
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from loads import ask, open_loop, tenant_requests, wrk, wrk_refused, wrk_tokens
from rounds import cost, take_turns
from servers import LARGE, MOST_CONNECTIONS, OPENLOOP, SLOW, Server
from tokens import write_tokens

NAMES = ("omneo-id", "haproxy")


def table(world, options, head, steps, run, columns):
    """`run(name, step)` returns a figure for each column; the ratio is that of the first one."""
    print(f"\n{'':14}" + "".join(f"{name:>{11 * len(columns)}}" for name in NAMES))
    titles = (*columns, *columns, "ratio")
    print(f"{head:14}" + "".join(f"{title:>11}" for title in titles), flush=True)
    for step in steps:
        contestants = {name: lambda name=name: run(name, step) for name in NAMES}
        results = take_turns(contestants, options.rounds)
        figures = [statistics.median(column) for name in NAMES for column in zip(*results[name])]
        ratios = [ours[0] / theirs[0] for ours, theirs in zip(*(results[name] for name in NAMES))]
        cells = (*(f"{figure:.1f}" for figure in figures), f"{statistics.median(ratios):.2f}")
        print(f"{step:<14}" + "".join(f"{cell:>11}" for cell in cells), flush=True)


def connections(world, options):
    """Idle connections: 2000 requests per second are spread over all of them."""

    def run(name, count):
        with world.start(name, connections=count + 1000) as server:
            # At 2000 requests/s, each connection has a request during the warm-up.
            warm = 1 + count // 2000
            seen = open_loop(server, options.seconds, world.good, 2000, count, warm)
            return seen["cost"], seen["p50"], seen["p99"], seen["refused"], seen["resident"]

    columns = ("us", "p50 us", "p99 us", "refused", "MB")
    table(world, options, "connections", (1, 10, 100, 1000, 10_000), run, columns)


def closed_loop(world, options):
    """A closed loop on all connections: CPU time per 200 response, including that of rejections.

    The measurement starts after 3 s, when all connections are open."""

    def run(name, count):
        with world.start(name, connections=count + 1000) as server, ThreadPoolExecutor() as pool:
            refused = pool.submit(wrk_refused, server.port, options.seconds + 4, world.good, count)
            time.sleep(3)
            before, used = tenant_requests(), server.cpu()
            time.sleep(options.seconds)
            used, answers = server.cpu() - used, tenant_requests() - before
            resident = server.resident() / 1024
            return used / answers, refused.result() * 100, resident

    steps = [min(count, MOST_CONNECTIONS) for count in (1, 10, 100, 1000, 10_000)]
    table(world, options, "all at once", steps, run, ("us", "refused %", "MB"))


def population(world, options):
    """Tokens in use at one time, drawn with equal probability."""
    steps = (1, 1000, 10_000, 100_000, 1_000_000)
    file = f"{world.directory}/population"
    write_tokens(file, steps[-1])

    def run(name, count):
        with world.start(name) as server:
            load = lambda seconds: wrk_tokens(server.port, seconds, file, count)
            return cost(server, load, options.seconds), server.resident() / 1024

    table(world, options, "tokens", steps, run, ("us", "MB"))


def body(world, options):
    """Answers by size. Large answers in flight at the end count by the bytes received."""

    def run(name, size):
        path = f"/id/api/v1/profiles/me/sizes/{size}"
        with world.start(name, tenant=LARGE) as server:
            status, answer = ask(server.port, world.good, path)
            if (status, len(answer)) != (200, size):
                raise RuntimeError(f"{name}: {status}, {len(answer)} bytes of {size}")
            script = "totals.lua" if size >= 1_000_000 else None
            one = size if script else 1
            load = lambda seconds: wrk(server.port, seconds, world.good, path, 8, script) / one
            of_one = cost(server, load, options.seconds)
            return of_one, of_one / size * 1e6 if size else 0, server.resident() / 1024

    steps = (0, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
    for size in steps:
        world.file_of(size)
    table(world, options, "bytes", steps, run, ("us", "us/MB", "MB"))


def latency(world, options):
    """500 requests per second, for several latencies of the tenant."""

    def run(name, step):
        argv = [OPENLOOP, "tenant", "--delay", step, f"127.0.0.1:{SLOW}"]
        with Server(argv, SLOW, cpu=0), world.start(name, tenant=SLOW) as server:
            seen = open_loop(server, options.seconds, world.good, 500, 1000, warm=3)
            return seen["cost"], seen["p50"] / 1000, seen["in_flight"], seen["resident"]

    steps = ("0ms", "1ms", "10ms", "100ms", "1s")
    table(world, options, "tenant takes", steps, run, ("us", "p50 ms", "in flight", "MB"))


TABLES = {
    "connections": connections,
    "closed-loop": closed_loop,
    "population": population,
    "body": body,
    "latency": latency,
}
