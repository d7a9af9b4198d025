#!/usr/bin/env python3
"""CPU time per request, beside HAProxy with the same job and nginx, which only forwards.

    apt-get install haproxy nginx-light wrk nghttp2-client openssl
    cargo build --release --example standalone --example openloop
    python3 benches/compare/run.py [--rounds 5] [--seconds 3] [name ...]

All servers run on 127.0.0.1 and are terminated at the end. Before the measurement, a test request
checks the configuration of each server. Within a round all servers take turns, in rotating order.
A ratio compares two runs of one round; each row shows the median of the rounds, with the lowest and
the highest. CPU time is that of all threads of a server according to the kernel (schedstat),
divided by the responses that the load generator counted. wrk and h2load are closed loops: their
latencies omit the requests that they delayed, so they are not printed.

"growth" measures CPU time, latency and memory as connections, tokens, the size of answers and the
latency of the tenant grow. benches/compare/weight.py measures the cost of building the crate.
"""
import argparse
import resource
import signal
import sys
import tempfile

from growth import TABLES
from rows import ROWS, is_configured
from servers import DESCRIPTORS, World


def main():
    # On SIGTERM, `with` terminates the servers as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    connections = "connections of the row idle; default is 1000"
    parser.add_argument("--connections", type=int, default=1000, help=connections)
    settle = "seconds before the memory of idle connections is read; default is 12"
    parser.add_argument("--settle", type=int, default=12, help=settle)
    rows, tables = ", ".join(ROWS), ", ".join(TABLES)
    known = f"rows: {rows}; tables: {tables}, or growth for all tables; default is all rows"
    parser.add_argument("names", nargs="*", metavar="name", help=known)
    options = parser.parse_args()
    names = []
    for given in options.names or ROWS:
        names += TABLES if given == "growth" else [given]
    if unknown := set(names) - {*ROWS, *TABLES}:
        parser.error(f"unknown row or table: {', '.join(unknown)}")
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard_limit))
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory)
        with world.tenant:
            for name in ("omneo-id", "haproxy", "nginx"):
                if not is_configured(world, name):
                    sys.exit(f"{name} fails the test request")
            print("CPU time per request, and its ratio to that of other servers (lowest-highest)\n")
            for name in names:
                {**ROWS, **TABLES}[name](world, options)


if __name__ == "__main__":
    main()
