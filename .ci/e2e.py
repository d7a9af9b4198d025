#!/usr/bin/env python3
"""Starts the standalone server with the README's command, and runs the commands that the README and
the server print.

Uses the standard library of Python only. The order of the checks: the README's command and its
lines, the shutdown, wrong flags, a tenant that is down, clients in front of two other tenants.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
DEFAULT = "127.0.0.1:8080"
MOUNT = "/id/api/v1"
RELEASE = Path(os.environ.get("STANDALONE", ROOT / "target/release/examples/standalone"))
SANDBOX = ROOT / "target/debug/examples/sandbox"
SECRET = "an end-to-end secret of more than 32 bytes"
# A profile of the sandbox.
ADA = {
    "PROFILE_ID": "6513270e-269e-4d37-b2a7-4de452e6b438",
    "IDENTITY_HANDLE": "shopify",
    "IDENTITY": "6142338891902",
    "KNOWN_EMAIL": "ada.lovelace@example.com",
}


def fenced(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def commands():
    """The first two commands of the README: start and test."""
    start, test = [line for line in fenced("sh")[0].splitlines() if line and not line.startswith("#")]
    return start, test


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def default_is_free():
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8080))
        except OSError:
            return False
    return True


def clean_environment(**extra):
    ours = ("OMNEO_", "RUST_LOG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | extra


@contextmanager
def server(command, first_line=r"listening on (http://\S+)", wait=1200, **environment):
    """A server that has printed its address. At the end, SIGTERM must stop it with exit code 0."""
    log = open(ROOT / "target/e2e.log", "w+")
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log,
        text=True, env=clean_environment(**environment), start_new_session=True,
    )
    printed = []
    reader = threading.Thread(target=lambda: printed.extend(process.stdout), daemon=True)
    reader.start()
    try:
        deadline = time.monotonic() + wait
        while not (found := re.search(first_line, "".join(printed))):
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise SystemExit(f"{command}: the server did not start\n{log.read()}")
            time.sleep(0.05)
        url = found[1]
        time.sleep(0.3)  # for the lines after the first one
        yield url, "".join(printed), process
        process.send_signal(signal.SIGTERM)
        code = process.wait(20)
        assert code == 0, f"{command}: exit code {code} after SIGTERM"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def paragraphs(text):
    """(title, expected status or None, command) of each command with a comment."""
    for title, line in re.findall(r"^# (.+)\n((?:curl|[A-Z]+=\$\(curl).+)$", text, re.M):
        status = re.search(r": (\d{3})$", title)
        yield title, status and status[1], line


def paste(text):
    """Runs the commands in one shell, like a user who pastes them."""
    steps = list(paragraphs(text))
    assert len(steps) >= 10, f"only {len(steps)} commands:\n{text}"
    mark = "=== next ==="
    script = "".join(f"{line}\necho '{mark}'\n" for _, _, line in steps)
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, timeout=120,
                          env=clean_environment())
    assert done.stderr == "", done.stderr
    answers = [answer.strip() for answer in done.stdout.split(mark)]
    bodies = {}
    for (title, status, _), answer in zip(steps, answers):
        if status is None:
            assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", answer), f"{title}: not a token: {answer!r}"
            continue
        body, got = f" {answer}".rsplit(" -> ", 1)
        assert got == status, f"{title}: {answer}"
        bodies[title] = json.loads(body) if body else {}
    sign_ups = [body for title, body in bodies.items() if title.startswith("Sign up")]
    assert sign_ups == [{"data": {"success": True}}] * 2, sign_ups
    assert any(body.get("data", {}).get("handle") == "wishlist" for body in bodies.values()
               if isinstance(body.get("data"), dict))
    locations = next(body for title, body in bodies.items() if "locations" in title)["data"]
    assert locations and all(location["is_published"] for location in locations)
    print(f"   {len(steps)} commands return the documented answers")


def ask(url, method="GET", body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, data=body, headers=headers)
    started = time.monotonic()
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read()
        return answer.status, dict(answer.headers), text, time.monotonic() - started


def readme_commands():
    start, _ = commands()
    assert start == "cargo run --release --example standalone", start
    environment = {}
    address = DEFAULT
    if not default_is_free():
        address = f"127.0.0.1:{free_port()}"
        environment["OMNEO_ID_LISTEN"] = address
        print(f"   {DEFAULT} is in use: listening on {address} instead")
    readme_lines = next(block for block in fenced("sh") if "/auth/token" in block)
    with server(start.split(), **environment) as (url, printed, _):
        assert url == f"http://{address}{MOUNT}", url
        paste(printed)
        origin = f"http://{address}"
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/nothing", 404)):
            assert ask(origin + path)[0] == status, path
    with server(start.split(), **environment):
        paste(readme_lines.replace(DEFAULT, address))


def wrong_flags():
    short = "hunter2-hunter2"
    cases = [
        (["--listen", "nowhere"], {}),
        (["--no-such-flag"], {}),
        (["--sandbox", "--signing-key", short], {}),
        (["--sandbox"], {"OMNEO_ID_SIGNING_KEY": short}),
        (["--token-ttl", "soon"], {}),
        ([], {"OMNEO_ID_THREADS": "0"}),
        ([], {"OMNEO_ID_UPSTREEM": "https://api.acme.getomneo.com"}),
        ([], {"OMNEO_ID_SIGNING_KEY": SECRET}),
        (["--upstream", "http://api.acme.getomneo.com", "--api-token", "t"], {}),
        (["--upstream", "https://api.acme.getomneo.com"], {}),
        (["--cors-origin", "https://shop.example/"], {}),
        (["--signing-key", SECRET, "--signing-key-file", "/dev/null"], {}),
        (["--mount", "id"], {}),
    ]
    for flags, variables in cases:
        done = subprocess.run([RELEASE, *flags], capture_output=True, text=True, timeout=20,
                              env=clean_environment(**variables))
        assert done.returncode == 2, (flags, variables, done)
        assert done.stdout == "" and len(done.stderr.splitlines()) == 1, (flags, done.stderr)
        assert short not in done.stderr and SECRET not in done.stderr, done.stderr
        print(f"   {done.stderr.strip()}")


def tenant_down():
    nowhere = f"http://127.0.0.1:{free_port()}"
    # The token comes from a server with a tenant and the same key.
    with server([RELEASE, "--listen", "127.0.0.1:0", "--sandbox", "--signing-key", SECRET]) as (url, _, _):
        mint = {"authorization": "Bearer sandbox-api-token", "content_type": "application/json"}
        body = json.dumps({"id": ADA["PROFILE_ID"]}).encode()
        token = json.loads(ask(f"{url}/auth/token", "POST", body, **mint)[2])["data"]["token"]
    command = [RELEASE, "--listen", "127.0.0.1:0", "--signing-key", SECRET,
               "--upstream", nowhere, "--api-token", "unused-api-token"]
    with server(command) as (url, printed, process):
        bearer = {"authorization": f"Bearer {token}", "content_type": "application/json"}
        sign_up = json.dumps({"email": "someone@example.com"}).encode()
        for method, path, body, credential in (
            ("POST", "/auth/token", b"{}", mint),
            ("POST", "/auth/token", json.dumps({"id": ADA["PROFILE_ID"]}).encode(), mint),
            ("GET", "/profiles/me", None, bearer),
            ("PUT", "/profiles/me", b'{"first_name":"Ada"}', bearer),
            ("DELETE", "/profiles/me/lists/1", None, bearer),
            ("POST", "/profiles", sign_up, bearer),
            ("GET", "/locations", None, bearer),
            ("GET", "/locations/1", None, bearer),
        ):
            status, headers, text, took = ask(url + path, method, body, **credential)
            assert status == 502, (method, path, status, text)
            assert headers["content-type"] == "application/json", headers
            assert json.loads(text)["message"], text
            assert took < 6, f"{method} {path} took {took:.1f} s"
        origin = url.removesuffix(MOUNT)
        assert ask(origin + "/healthz")[0] == 200
        assert ask(origin + "/readyz")[0] == 503
        assert process.poll() is None
        assert "unused-api-token" not in printed + (ROOT / "target/e2e.log").read_text()


def clients(directory):
    page = "https://shop.example"
    node_tenant = subprocess.Popen(["node", directory / "tenant.mjs"], stdout=subprocess.PIPE, text=True,
                                   env=clean_environment(API_TOKEN="tenant-token", **ADA))
    try:
        independent = f"http://127.0.0.1:{node_tenant.stdout.readline().strip()}"
        check_clients(directory, page, independent, "tenant-token", UPSTREAM=independent)
    finally:
        node_tenant.terminate()
        node_tenant.wait()
    with server([SANDBOX, "--listen", "127.0.0.1:0"], r"(http://127\.0\.0\.1:\d+)", wait=60) as (url, _, _):
        check_clients(directory, page, url, "sandbox-api-token")


def check_clients(directory, page, upstream, api_token, **extra):
    command = [RELEASE, "--listen", "127.0.0.1:0", "--cors-origin", f"{page},https://other.example"]
    with server(command, OMNEO_ID_UPSTREAM=upstream, OMNEO_ID_API_TOKEN=api_token) as (url, printed, _):
        assert api_token not in printed, printed
        environment = clean_environment(
            ORIGIN=url.removesuffix(MOUNT), MOUNT=MOUNT, API_TOKEN=api_token, PAGE=page, **ADA, **extra)
        subprocess.run(["node", directory / "check.mjs"], env=environment, check=True, timeout=120)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--print", choices=["test-command"])
    arguments.add_argument("--clients", type=Path)
    arguments = arguments.parse_args()
    if arguments.print:
        print(commands()[1])
        return
    for name, part in (
        ("README", readme_commands),
        ("wrong flags", wrong_flags),
        ("tenant down", tenant_down),
        ("clients", lambda: clients(arguments.clients)),
    ):
        print(f"-- {name}", flush=True)
        part()


if __name__ == "__main__":
    sys.exit(main())
