#!/usr/bin/env python3
"""Checks the files of `examples/standalone/deploy`.

The image and the Kubernetes manifest: the binary starts as the Dockerfile's user in a root
directory that holds only it, its shared libraries and the files of the Secret, with the variables
of the manifest. The probes of the manifest have to succeed, a request has to reach the tenant, and
SIGTERM has to end the process as the manifest expects.

The units: systemd has to accept them, and the service has the credentials that the page on
deployment names.

Needs PyYAML, `redis-server` and root, or user namespaces.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import yaml

import processes
from processes import API_TOKEN, MOUNT, PROFILE, ROOT, SIGNING_KEY, Process
from processes import free_port, send, status, until

DEPLOY = ROOT / "examples/standalone/deploy"
# The greatest exposure by `systemd-analyze security`, which has a scale from 0 to 100.
EXPOSURE = 15


def seconds(text):
    """A duration such as `5s`."""
    return int(re.fullmatch(r"(\d+)s", text)[1])


class Image:
    """The last stage of the Dockerfile."""

    def __init__(self):
        text = (DEPLOY / "Dockerfile").read_text()
        build, last = text.rsplit("\nFROM ", 1)
        (self.build,) = re.findall(r"^RUN (cargo build .+)$", build, re.M)
        ((source, self.binary),) = re.findall(r"^COPY --from=build /src/(\S+) (\S+)$", last, re.M)
        self.source = Path(os.environ.get("STANDALONE", ROOT / source))
        self.user = re.search(r"^USER (\d+:\d+)$", last, re.M)[1]
        self.environment = dict(re.findall(r"^ENV (\w+)=(\S+)$", last, re.M))
        self.port = int(re.search(r"^EXPOSE (\d+)$", last, re.M)[1])
        self.signal = signal.Signals[re.search(r"^STOPSIGNAL (\w+)$", last, re.M)[1]]
        self.entrypoint = json.loads(re.search(r"^ENTRYPOINT (.+)$", last, re.M)[1])
        assert self.entrypoint[0] == self.binary, self.entrypoint

    def unpack(self, root):
        """Writes the binary and its shared libraries, and nothing else, below the directory."""
        copy(self.source, root, self.binary)
        listed = subprocess.run(["ldd", self.source], check=True, capture_output=True, text=True)
        assert "not found" not in listed.stdout, listed.stdout
        libraries = re.findall(r"(/\S+) \(0x", listed.stdout)
        for library in libraries:
            copy(library, root, library)
        return libraries

    def command(self, root):
        if os.geteuid() == 0:
            return ["chroot", f"--userspec={self.user}", root, *self.entrypoint]
        return ["unshare", "--user", "--map-root-user", "chroot", root, *self.entrypoint]


def copy(source, root, path):
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


class Manifest:
    """The parts of the Kubernetes manifest that the process depends on."""

    def __init__(self):
        documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
        kinds = {document["kind"]: document for document in documents}
        assert len(kinds) == len(documents), "one document of each kind"
        deployment = kinds["Deployment"]["spec"]
        labels = deployment["template"]["metadata"]["labels"]
        assert deployment["selector"]["matchLabels"] == labels
        assert kinds["Service"]["spec"]["selector"] == labels
        assert kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
        self.pod = deployment["template"]["spec"]
        (self.container,) = self.pod["containers"]
        self.ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        for port in kinds["Service"]["spec"]["ports"]:
            assert port["targetPort"] in self.ports, port
        (volume,) = self.pod["volumes"]
        (mount,) = self.container["volumeMounts"]
        assert volume["name"] == mount["name"]
        self.secrets = mount["mountPath"]
        self.environment = {one["name"]: one["value"] for one in self.container["env"]}
        self.grace = self.pod["terminationGracePeriodSeconds"]

    def probe(self, name):
        """The path and port of a probe."""
        probe = self.container[name]["httpGet"]
        return probe["path"], self.ports[probe["port"]]


def image_and_manifest():
    image, manifest = Image(), Manifest()
    if "STANDALONE" not in os.environ:
        print(f"+ {image.build}", flush=True)
        subprocess.run(shlex.split(image.build), cwd=ROOT, check=True)
    context = manifest.pod["securityContext"]
    assert image.user == f"{context['runAsUser']}:{context['runAsGroup']}", "one user"
    assert image.port == manifest.ports["http"], "one port"
    delay = seconds(manifest.environment["OMNEO_ID_DRAIN_DELAY"])
    drain = seconds(manifest.environment["OMNEO_ID_DRAIN_TIMEOUT"])
    assert manifest.grace > delay + drain, "Kubernetes would kill the process during its drain"
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # The process has another user.
        root.chmod(0o755)
        libraries = image.unpack(root)
        print(f"   the root directory: {image.binary} and {' '.join(libraries)}")
        run(stack, image, manifest, root, delay + drain)


def run(stack, image, manifest, root, drain):
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    redis_port, redis = processes.redis(folder)
    tenant_port, tenant = processes.tenant(folder)
    secrets = {
        "api-token": API_TOKEN,
        "signing-key": SIGNING_KEY,
        "revocations-url": f"redis://127.0.0.1:{redis_port}",
    }
    mounted = root / manifest.secrets.lstrip("/")
    mounted.mkdir(parents=True)
    for name, secret in secrets.items():
        (mounted / name).write_text(f"{secret}\n")
    environment = image.environment | manifest.environment
    files = {value for value in environment.values() if value.startswith(manifest.secrets)}
    assert files == {f"{manifest.secrets}/{name}" for name in secrets}, files
    # The tenant and the ports of this machine.
    environment["OMNEO_ID_UPSTREAM"] = f"http://127.0.0.1:{tenant_port}"
    ports = {port: free_port() for port in manifest.ports.values()}
    for name, value in environment.items():
        if listen := re.fullmatch(r"0\.0\.0\.0:(\d+)", value):
            environment[name] = f"127.0.0.1:{ports[int(listen[1])]}"
    server = Process(folder, "server", image.command(root), environment)
    for process in (redis, tenant, server):
        stack.callback(process.kill)
        process.start()

    def probe(name):
        path, port = manifest.probe(name)
        return status(ports[port], path)

    def is_ready():
        server.check()
        return probe("readinessProbe") == 200

    until(is_ready, "the readiness probe")
    assert probe("livenessProbe") == 200
    port = ports[image.port]
    code, text = send(port, "POST", f"{MOUNT}/auth/token", API_TOKEN, {"id": PROFILE})
    assert code == 200, (code, text)
    token = json.loads(text)["data"]["token"]
    code, text = send(port, "GET", f"{MOUNT}/profiles/me", token)
    assert code == 200 and json.loads(text)["data"]["id"] == PROFILE, (code, text)
    assert status(ports[manifest.ports["metrics"]], "/metrics") == 200
    print("   the probes, the metrics and a request that reaches the tenant: 200")
    server.signal(image.signal)
    began = time.monotonic()
    until(lambda: probe("readinessProbe") == 503, "the readiness probe fails after SIGTERM")
    assert probe("livenessProbe") == 200, "no new connection during the drain delay"
    code = server.process.wait(manifest.grace)
    assert code == 0, f"exit code {code}:\n{server.log()}"
    events = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    warnings = [event for event in events if event["level"] in ("WARN", "ERROR")]
    # The manifest sets no unknown variable, and limits that fit the machine.
    assert all(event["message"] == "not ready" for event in warnings), warnings
    print(f"   SIGTERM: not ready, still serving, then exit code 0 after "
          f"{time.monotonic() - began:.1f} s, of at most {drain} s")


def units():
    page = (ROOT / "src/docs/deployment.md").read_text()
    unit = (DEPLOY / "omneo-id.service").read_text()
    # The configuration file of the page names the credentials of the unit.
    named = re.findall(r'"/run/credentials/omneo-id\.service/(.+?)"', page)
    assert named == re.findall(r"^LoadCredential=(.+?):", unit, re.M), named
    if shutil.which("systemd-analyze") is None:
        print("   no systemd-analyze: UNITS NOT CHECKED")
        return
    with tempfile.TemporaryDirectory() as folder:
        copies = []
        for name in ("omneo-id.service", "omneo-id.socket"):
            text = (DEPLOY / name).read_text()
            # A program that exists.
            text = text.replace("/usr/local/bin/omneo-id", "/bin/true")
            copies.append(Path(folder, name))
            copies[-1].write_text(text)
        done = subprocess.run(["systemd-analyze", "verify", *copies], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                               f"--threshold={EXPOSURE}", copies[0]], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        print("  ", done.stdout.strip().splitlines()[-1])


def main():
    for name, part in (("image and manifest", image_and_manifest), ("units", units)):
        print(f"-- {name}", flush=True)
        part()


if __name__ == "__main__":
    main()
