#!/usr/bin/env python3
"""The cost of building the crate: packages in the tree, and the time of a cold debug build.

    python3 benches/compare/weight.py [--jobs 2] [name ...]

A scratch crate with one dependency is built into an empty target directory, after all packages have
been downloaded. Other crates are built in their newest version. The CPU time is printed as well,
because it depends less on the other load of the machine.
"""
import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OURS = 'omneo-id = {{ path = "{root}", {rest} }}'
DEPENDENCIES = {
    "layers": OURS.format(root=ROOT, rest="default-features = false"),
    "layers, aws-lc-rs": OURS.format(
        root=ROOT, rest='default-features = false, features = ["aws-lc-rs"]'
    ),
    "client": OURS.format(root=ROOT, rest='default-features = false, features = ["client"]'),
    "default": OURS.format(root=ROOT, rest="default-features = true"),
    "axum-reverse-proxy": 'axum-reverse-proxy = "*"',
    "jwt-authorizer": 'jwt-authorizer = "*"',
}


def cargo(directory, *argv):
    argv = ["cargo", *argv, "--manifest-path", f"{directory}/Cargo.toml"]
    env = {**os.environ, "CARGO_TERM_QUIET": "true"}
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout


def scratch(directory, dependency):
    os.makedirs(f"{directory}/src")
    with open(f"{directory}/src/lib.rs", "w"):
        pass
    with open(f"{directory}/Cargo.toml", "w") as manifest:
        package = '[package]\nname = "scratch"\nversion = "0.0.0"\nedition = "2024"'
        manifest.write(f"{package}\n\n[dependencies]\n{dependency}\n")
    if f'"{ROOT}"' in dependency:
        shutil.copy(f"{ROOT}/Cargo.lock", directory)
    return directory


def packages(directory, *argv):
    """The packages that are built for this machine, without the scratch crate."""
    tree = ["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]
    tree = cargo(directory, *tree, *argv)
    return len({line.removesuffix(" (*)") for line in tree.splitlines() if line}) - 1


def cold(directory, jobs, *argv):
    cargo(directory, "fetch")
    processor = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    with tempfile.TemporaryDirectory() as target:
        begin, used = time.monotonic(), processor()
        cargo(directory, "build", "--jobs", str(jobs), "--target-dir", target, *argv)
        return time.monotonic() - begin, processor() - used


def main():
    # On SIGTERM, `with` removes the scratch directories.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--jobs", type=int, default=2)
    known = [*DEPENDENCIES, "standalone"]
    names = f"{', '.join(known)}; default is all"
    parser.add_argument("names", nargs="*", metavar="name", help=names)
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"unknown dependency: {', '.join(unknown)}")
    print(f"{'':20}{'packages':>9}{'cold build':>12}{'CPU time':>12}")
    for name in options.names or known:
        with tempfile.TemporaryDirectory() as directory:
            if name == "standalone":
                # An example builds with all development dependencies, including those of tests.
                count = packages(ROOT, "--edges", "normal,build,dev")
                seconds, used = cold(ROOT, options.jobs, "--example", "standalone")
            else:
                crate = scratch(f"{directory}/crate", DEPENDENCIES[name])
                seconds, used = cold(crate, options.jobs)
                count = packages(crate)
            print(f"{name:20}{count:9}{seconds:10.0f} s{used:10.0f} s", flush=True)


if __name__ == "__main__":
    main()
