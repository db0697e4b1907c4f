"""One kilobyte from memory, 64 connections: what HTTP itself costs."""
import textwrap

from kit import PEERS, Area, Contender, Goal, Program, Steward, limit, node, wrk

BODY = b'{"pad":"' + b"x" * 1014 + b'"}'


def nginx(bench):
    folder = bench.folder / "nginx"
    (folder / "www").mkdir(parents=True, exist_ok=True)
    for f in (folder, folder / "www"):
        f.chmod(0o755)
    (folder / "www" / "body.json").write_bytes(BODY)
    # One worker, as everybody here has one process; no access log, files kept open: nginx' own advice for static files.
    (folder / "nginx.conf").write_text(textwrap.dedent(f"""
        daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=10;
            types {{ application/json json; }}
            client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
            scgi_temp_path {folder}/s;
            server {{ listen 127.0.0.1:{bench.free_port()}; root {folder}/www; }}
        }}"""))
    program = bench.add(Program("/usr/sbin/nginx", "-e", folder / "error.log", "-c", folder / "nginx.conf", ready=False,
                                log=bench.folder / "nginx.out"))
    url = f"http://127.0.0.1:{bench.last_port}/body.json"
    bench.wait_port(bench.last_port)
    return program, url


def prepare(bench):
    body = bench.folder / "body.json"
    body.write_bytes(BODY)
    bare = bench.add(limit("mhd_static", body, "application/json"))
    floor = bench.add(limit("http_floor", body, "application/json"))
    fastify = bench.add(node(bench.folder, "fastify.mjs", "", body))
    engine, engine_url = nginx(bench)
    bench.pg.create("static")
    us = bench.add(Steward(bench, "static", workers=0))

    def load(url, script=""):
        return lambda seconds: wrk(url, seconds, script=script, folder=bench.folder)

    def at(program):
        return f"http://127.0.0.1:{program.ready.split()[1]}/body"

    return Area("static", "static 1 KB, 64 connections", "requests/s", [
        Contender("us", "us", load(at(floor)), floor.pid),
        Contender("Fastify", "peer", load(at(fastify)), fastify.pid),
        Contender("nginx", "peer", load(engine_url), engine.pid),
        Contender("whole server", "us", load(us.url + "/version", us.lua_headers()), us.pid),
        Contender("bare libmicrohttpd", "limit", load(at(bare)), bare.pid),
    ], [Goal("≥ 0.8 × bare libmicrohttpd (http floor alone)", against="bare libmicrohttpd", at_least=0.8),
        Goal("≥ 0.5 × bare libmicrohttpd (token, routes, log, metrics)", against="bare libmicrohttpd", at_least=0.5, us="whole server"),
        Goal("(no goal) against Fastify", against="Fastify"), Goal("(no goal) against nginx", against="nginx")],
        note="The whole server answers GET /version with a token checked.")
