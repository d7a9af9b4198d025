#!/usr/bin/env python3
"""Asks a running standalone server for everything that its OpenAPI description promises.

In: the path of schemathesis. Its configuration is the file beside this one.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from e2e import ADA, MOUNT, RELEASE, ask, server  # noqa: E402

API_TOKEN = "sandbox-api-token"
# All but the three outside the mount, and the end of the profile.
TESTED = 26
LIMIT = 180


def main():
    with server([RELEASE, "--listen", "127.0.0.1:0", "--log", "warn"], wait=60) as (url, _, process):
        origin = url.removesuffix(MOUNT)
        mint = {"authorization": f"Bearer {API_TOKEN}", "content_type": "application/json"}
        minted = ask(f"{url}/auth/token", "POST", json.dumps({"id": ADA["PROFILE_ID"]}).encode(), **mint)
        environment = os.environ | {
            "API_TOKEN": API_TOKEN,
            "ID_TOKEN": json.loads(minted[2])["data"]["token"],
            "SCHEMATHESIS_HOOKS": "hooks",
            "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [sys.argv[1], "--config-file", HERE / "schemathesis.toml", "run",
                   f"{origin}/openapi.json", "--origin", origin, "--no-color"]
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run(command, env=environment, cwd=scratch, timeout=LIMIT, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        tested = re.search(r"Tested: (\d+)", done.stdout)
        assert tested and int(tested[1]) == TESTED, done.stdout
        assert process.poll() is None
        cases = re.search(r"\d+ generated.*", done.stdout)
        print(f"   {tested[1]} operations answer as described: {cases and cases[0]}")


if __name__ == "__main__":
    sys.exit(main())
