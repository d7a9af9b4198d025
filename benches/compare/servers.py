"""The compared servers and the tenant. CPU time and memory are read from /proc."""
import os
import re
import resource
import socket
import subprocess
import time

from tokens import PROFILE, SECRET, token, write_tokens

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
EXAMPLES = os.environ.get("EXAMPLES", f"{ROOT}/target/release/examples")
STANDALONE = os.environ.get("STANDALONE", f"{EXAMPLES}/standalone")
OPENLOOP = os.environ.get("OPENLOOP", f"{EXAMPLES}/openloop")
SMALL, LARGE, MIRROR, STATUS, SLOW = range(19610, 19615)
API_TOKEN = "api-token-of-the-usual-length-0123456789"
DESCRIPTORS = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)
# A proxy needs two descriptors for each connection: one for each side. 200 are for files.
MOST_CONNECTIONS = (DESCRIPTORS - 200) // 2


class Server:
    """A server process, with its CPU time and memory."""

    def __init__(self, argv, port, cpu=None):
        if cpu is not None:
            argv = ["taskset", "-c", str(cpu), *argv]
        self.port = port
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(100):
            if self.process.poll() is not None:
                raise RuntimeError(f"{argv[:4]} exited with {self.process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", port), 0.5).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"{argv[:4]} does not listen")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def pids(self):
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as children:
                    todo += [int(child) for child in children.read().split()]
        return found

    def cpu(self):
        """The CPU time of all threads in microseconds."""
        total = 0
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as line:
                    total += int(line.read().split()[0])
        return total / 1000

    def resident(self):
        """The resident memory in kilobytes."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status") as status:
                total += int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])
        return total

    def stop(self):
        children = self.pids()[1:] if self.process.poll() is None else []
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in children:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass


def fill(name, directory, **values):
    with open(f"{HERE}/{name}") as template:
        text = template.read().format(dir=directory, **values)
    path = f"{directory}/{name}"
    with open(path, "w") as file:
        file.write(text)
    return path


class World:
    """A scratch directory, a tenant, and the servers that run in front of it."""

    def __init__(self, directory):
        self.directory = directory
        self.good = token(PROFILE)
        self.anonymous = token("")
        self.tokens = f"{directory}/tokens"
        write_tokens(self.tokens, 1000)
        os.makedirs(f"{directory}/www")
        self.file_of(102400)
        filler = "x" * (1024 - 11)
        values = dict(small=SMALL, large=LARGE, mirror=MIRROR, status=STATUS, profile=PROFILE)
        values |= dict(body=f'{{"data":"{filler}"}}', filler=filler[100:])
        conf = fill("tenant.conf", directory, **values)
        self.tenant = Server(["nginx", "-p", directory, "-c", conf], SMALL, cpu=0)

    def file_of(self, size):
        """Writes the file that the tenant serves as an answer of this size."""
        with open(f"{self.directory}/www/{size}", "w") as file:
            if size:
                file.write('"' + "x" * (size - 2) + '"')

    def seen(self):
        """The requests that the mirror has logged."""
        time.sleep(0.2)
        with open(f"{self.directory}/seen") as log:
            return log.read().splitlines()

    def start(self, name, threads=1, tenant=SMALL, pinned=True, connections=4000, extra=()):
        cpu = 1 if pinned else None
        if name == "omneo-id":
            argv = [STANDALONE, "--listen", "127.0.0.1:19620"]
            argv += ["--upstream", f"http://127.0.0.1:{tenant}", "--api-token", API_TOKEN]
            argv += [ "--threads", str(threads), "--log", "error", *extra]
            if "--signing-key-file" not in extra:
                argv += ["--signing-key", SECRET]
            if connections > 4000:
                argv += ["--max-connections", str(connections)]
            return Server(argv, 19620, cpu)
        directory = f"{self.directory}/{name}"
        os.makedirs(directory, exist_ok=True)
        values = dict(threads=threads, tenant=tenant)
        if name == "haproxy":
            values |= dict(secret=SECRET, api_token=API_TOKEN)
            values |= dict(descriptors=DESCRIPTORS, connections=connections)
            conf = fill("haproxy.cfg", directory, port=19630, port_h2=19631, **values)
            return Server(["haproxy", "-q", "-db", "-f", conf], 19630, cpu)
        master = "on" if threads > 1 else "off"
        values |= dict(port=19640, master=master, sockets=2 * connections)
        conf = fill("nginx.conf", directory, **values)
        return Server(["nginx", "-p", directory, "-c", conf], 19640, cpu)
