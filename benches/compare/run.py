#!/usr/bin/env python3
"""What a request costs in CPU, beside HAProxy doing the same job and nginx doing less.

    apt-get install haproxy nginx-light wrk nghttp2-client openssl
    cargo build --release --example standalone --example openloop
    python3 benches/compare/run.py [--rounds 5] [--seconds 3] [what ...]

Everything runs on 127.0.0.1 and is ended again. Each server is first asked whether it does the job. Within
a round all take turns, in another order each time; a ratio is that of two runs of one round, and the median
of the rounds is printed with the lowest and the highest. CPU time is the kernel's own account of all threads
of a server (schedstat), divided by the answers that the load generator counted. wrk and h2load are closed
loops: what they tell of latency would leave out the requests that they did not send, so it is not printed.

"growth" is how cost grows with connections, tokens in use, the size of answers and the tenant's latency;
benches/compare/weight.py measures what depending on the crate takes to build.
"""
import argparse
import resource
import signal
import sys
import tempfile

from growth import TABLES
from rows import ROWS, does_the_job
from servers import DESCRIPTORS, World


def main():
    # Told to end, end what was started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=1000, help="of the row idle; default is 1000")
    parser.add_argument("--settle", type=int, default=12, help="seconds that they are idle; default is 12")
    known = f"rows: {', '.join(ROWS)} (default is all of them); tables: {', '.join(TABLES)}, or growth for all of them"
    parser.add_argument("what", nargs="*", help=known)
    options = parser.parse_args()
    what = [name for given in options.what or ROWS for name in (TABLES if given == "growth" else [given])]
    if unknown := set(what) - {*ROWS, *TABLES}:
        parser.error(f"no such row or table: {', '.join(unknown)}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory)
        with world.tenant:
            for name in ("omneo-id", "haproxy", "nginx"):
                if not does_the_job(world, name):
                    sys.exit(f"{name} does not do the job")
            print("CPU per request, and its ratio to that of others (lowest-highest)\n")
            for name in what:
                {**ROWS, **TABLES}[name](world, options)


if __name__ == "__main__":
    main()
