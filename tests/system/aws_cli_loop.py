"""The aws command line as one process for many commands: a JSON list of arguments a line in, what the command did out.

It is the installed `aws` but for the half second that each start takes.
"""
import contextlib
import io
import json
import sys

import awscli.clidriver

driver = awscli.clidriver.create_clidriver()
for line in sys.stdin:
    out, error = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = driver.main(json.loads(line))
        out.flush()
    print(json.dumps({"code": code, "out": out.buffer.getvalue().decode(), "error": error.getvalue()}), flush=True)
