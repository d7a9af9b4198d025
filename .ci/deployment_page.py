#!/usr/bin/env python3
"""Follows the page on deployment: installs the server with its command, and starts it with its
configuration file.

Two tenants with certificates of a private authority, TLS in front, a trusted proxy, Redis, a reload
and a drain. Only addresses and networks are replaced by those of this machine.

Uses the standard library of Python, `curl`, `nginx`, `openssl` and `redis-server`.
"""

import json
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

import processes
from processes import API_TOKEN, MOUNT, PROFILE, ROOT, SIGNING_KEY, STANDALONE, Process
from processes import free_port, status, until

PAGE = (ROOT / "src/docs/deployment.md").read_text()
BRANDS = ("acme", "globex")
CUSTOMER = "203.0.113.7"

# The tenants: each a sandbox behind TLS.
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    ssl_certificate {folder}/tenants.pem;
    ssl_certificate_key {folder}/tenants.key;
{servers}
}}
"""
SERVER = """
    server {{
        listen 127.0.0.1:{tls} ssl http2;
        location / {{ proxy_pass http://127.0.0.1:{port}; }}
    }}
"""


def openssl(folder, arguments):
    done = subprocess.run(["openssl", *shlex.split(arguments)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def authority(folder):
    """A private authority, `authority.pem`."""
    openssl(folder, "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
                    "-keyout authority.key -out authority.pem -subj '/CN=A private authority' "
                    "-addext keyUsage=critical,keyCertSign")


def certificate(folder, name, hosts):
    """A certificate of the authority for these hosts, `{name}.pem`, with its key `{name}.key`."""
    names = ",".join(f"DNS:{host}" for host in hosts)
    openssl(folder, "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
                    f"-keyout {name}.key -out {name}.pem -subj /CN={hosts[0]} "
                    "-CA authority.pem -CAkey authority.key "
                    f"-addext subjectAltName={names} -addext basicConstraints=critical,CA:FALSE")


def configuration():
    """The configuration file of the page."""
    blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S)
    (text,) = [block for block in blocks if "tenant_by" in block]
    return text


def replaced(text, replacements):
    """The text with replacements, each of which must occur once."""
    for before, after in replacements.items():
        assert text.count(before) == 1, f"{before!r} occurs {text.count(before)} times"
        text = text.replace(before, after)
    return text


class Operator:
    """The folder of a configuration, and a server that runs with it."""

    def __init__(self, folder, port, server):
        self.folder, self.port, self.server = folder, port, server

    def curl(self, authority, path, *options, **headers):
        """The status, the version of HTTP and the body of a request over TLS. The header `host` may
        differ from the authority of the certificate.
        """
        body = self.folder / "response"
        body.unlink(missing_ok=True)
        lines = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--cacert", self.folder / "authority.pem",
             "--resolve", f"{authority}:{self.port}:127.0.0.1", "--output", body,
             "--write-out", "%{http_code} %{http_version}", *options, *lines,
             f"https://{authority}:{self.port}{path}"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        code, version = done.stdout.split()
        return int(code), version, body.read_bytes() if body.exists() else b""

    def mint(self, host):
        code, _, text = self.curl(host, f"{MOUNT}/auth/token", "--json", json.dumps({"id": PROFILE}),
                                  authorization=f"Bearer {API_TOKEN}")
        assert code == 200, (code, text)
        return json.loads(text)["data"]["token"]

    def me(self, authority, token, *options, **headers):
        return self.curl(authority, f"{MOUNT}/profiles/me", *options, authorization=f"Bearer {token}",
                         **headers)

    def serial(self, host):
        """The serial number of the certificate."""
        context = ssl.create_default_context(cafile=self.folder / "authority.pem")
        with socket.create_connection(("127.0.0.1", self.port)) as stream:
            with context.wrap_socket(stream, server_hostname=host) as tls:
                return tls.getpeercert()["serialNumber"]


def install(folder):
    """Runs the page's `cargo install`. The binary that it installs is returned."""
    (line,) = re.findall(r"^cargo install .+$", PAGE, re.M)
    print(f"+ {line}", flush=True)
    subprocess.run([*shlex.split(line), "--quiet", "--root", folder], cwd=ROOT, check=True)
    (binary,) = (folder / "bin").iterdir()
    assert f"~/.cargo/bin/{binary.name} " in PAGE, binary
    return binary


def check_commands(binary, folder):
    """Runs each command of the page that starts the server, with `--check`."""
    (folder / "api-token").write_text(f"{API_TOKEN}\n")
    (folder / "signing-key").write_text(f"{SIGNING_KEY}\n")
    lines = re.findall(r"^omneo-id (.+)$", PAGE.replace("\\\n", " "), re.M)
    assert len(lines) == 3, lines
    for line in lines:
        arguments = [*shlex.split(line, comments=True), "--check"]
        done = subprocess.run([binary, *dict.fromkeys(arguments)], cwd=folder, capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stderr
        print(f"   {line}: {(done.stdout + done.stderr).strip()}")


def check(operator):
    tokens = {}
    for brand in BRANDS:
        host = f"id.{brand}.example"
        until(lambda: operator.curl(host, f"/readyz/{brand}")[0] == 200, f"readiness of {brand}")
        tokens[brand] = operator.mint(host)
        assert operator.me(host, tokens[brand])[:2] == (200, "2"), brand
        assert operator.me(host, tokens[brand], "--http1.1")[:2] == (200, "1.1"), brand
    print("   both tenants: ready; a token of each is valid there, over HTTP/2 and HTTP/1.1 with TLS")
    assert operator.me("id.acme.example", tokens["globex"])[0] == 401
    assert operator.me("id.globex.example", tokens["acme"])[0] == 401
    print("   the same signing key: a token of one tenant is a 401 at the other")
    unknown = operator.curl("id.acme.example", "/unknown")
    other = operator.curl("id.acme.example", f"{MOUNT}/profiles/me", host="id.initech.example",
                          authorization=f"Bearer {tokens['acme']}")
    assert other == unknown and unknown[0] == 404, (other, unknown)
    operator.me("id.acme.example", tokens["acme"], **{"x-forwarded-for": CUSTOMER})
    until(lambda: CUSTOMER in operator.server.log(), "the customer's address in the log")
    print("   an unknown host is a 404; the log has the address that the trusted proxy reports")
    return tokens


def reload(operator, token):
    host = "id.acme.example"
    before = operator.serial(host)
    certificate(operator.folder, "server", [f"id.{brand}.example" for brand in BRANDS])
    publish(operator.folder)
    operator.server.signal(signal.SIGHUP)
    until(lambda: operator.serial(host) != before, "the new certificate")
    file = operator.folder / "omneo-id.toml"
    text = file.read_text()
    file.write_text(text.replace("token_ttl", "token_tll"))
    operator.server.signal(signal.SIGHUP)
    until(lambda: "token_tll" in operator.server.log(), "the reason in the log")
    assert operator.me(host, token)[0] == 200
    print("   SIGHUP: the new certificate; an invalid file changes nothing, and the log names the field")
    added = "login.acme.example"
    assert operator.me(host, token, host=added)[0] == 404
    file.write_text(replaced(text, {f'"{host}"': f'"{host}", "{added}"'}))
    operator.server.signal(signal.SIGHUP)
    until(lambda: operator.me(host, token, host=added)[0] == 200, "the new host")
    print("   SIGHUP: a tenant has a further host, and accepts its previous tokens")


def publish(folder):
    """Copies the certificates to where the page's file names them."""
    for source, target in (("server.pem", "tls/fullchain.pem"), ("server.key", "tls/privkey.pem"),
                           ("authority.pem", "tls/private-ca.pem")):
        (folder / target).write_bytes((folder / source).read_bytes())


def main():
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        binary = STANDALONE if "STANDALONE" in os.environ else install(folder / "installed")
        for name in ("tls", "secrets"):
            (folder / name).mkdir()

        def run(process):
            stack.callback(process.kill)
            process.start()

        authority(folder)
        certificate(folder, "server", [f"id.{brand}.example" for brand in BRANDS])
        certificate(folder, "tenants", ["localhost"])
        publish(folder)
        redis_port, redis = processes.redis(folder)
        run(redis)
        (folder / "secrets/redis-url").write_text(f"redis://127.0.0.1:{redis_port}\n")
        port, metrics, servers = free_port(), free_port(), ""
        replacements = {
            "0.0.0.0:8443": f"127.0.0.1:{port}",
            "127.0.0.1:9464": f"127.0.0.1:{metrics}",
            "10.0.0.0/8": "127.0.0.0/8",
        }
        for brand in BRANDS:
            tls, (tenant_port, tenant) = free_port(), processes.tenant(folder, brand)
            run(tenant)
            servers += SERVER.format(tls=tls, port=tenant_port)
            replacements[f"https://api.{brand}.getomneo.com"] = f"https://localhost:{tls}"
            (folder / f"secrets/{brand}-api-token").write_text(f"{API_TOKEN}\n")
            (folder / f"secrets/{brand}-signing-key").write_text(f"{SIGNING_KEY}\n")
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, servers=servers))
        run(processes.Nginx(folder))
        (folder / "omneo-id.toml").write_text(replaced(configuration(), replacements))
        check_commands(binary, folder)
        server = Process(folder, "server", [binary, "--config", folder / "omneo-id.toml"])
        run(server)
        until(lambda: server.check() or status(metrics, "/metrics") == 200, "the start")
        operator = Operator(folder, port, server)
        try:
            tokens = check(operator)
            reload(operator, tokens["acme"])
            server.end(signal.SIGTERM)
        except BaseException:
            print(server.log())
            raise


if __name__ == "__main__":
    main()
