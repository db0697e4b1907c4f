"""Measures Steward, its peers and the limits of the machine side by side, and prints one Markdown table.

usage: bench/run [--smoke|--quick|--full] [--only AREA[,AREA…]] [--growth|--no-growth] [--rounds N] [--minutes N] [--json FILE]
                 [--no-install] [--list]
  --smoke      everything once, as short as can be: proves that the harness works, says nothing about time (about a minute)
  --quick      the default: at most five minutes
  --full       longer rounds, and how cost grows: at most forty minutes
  --minutes N  instead of these bounds: rounds, then areas, that would not fit any more are left out and said so
  --growth     how cost grows and nothing else; --only takes its names too
  --json FILE  everything measured; bench/report makes the table and the plots of docs/performance.md from it
All programs listen on loopback; everything is in one temporary folder, which goes at the end. What fails is a row that says why.
Peers, settings and reasons: docs/performance.md.
"""
import argparse
import contextlib
import importlib
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
sys.path.insert(0, str(BENCH))
sys.dont_write_bytecode = True

# name: (module, function). In the order of docs/performance.md's table.
AREAS = {
    "static": ("areas.static", "prepare"),
    "run": ("areas.reads", "prepare"),
    "bigrun": ("areas.reads", "prepare_big"),
    "list": ("areas.reads", "prepare_list"),
    "config": ("areas.configs", "prepare"),
    "flow": ("areas.engine", "prepare_flows"),
    "noop": ("areas.engine", "prepare_noop"),
    "latency": ("areas.engine", "prepare_latency"),
    "waiting": ("areas.engine", "prepare_waiting"),
    "takeover": ("areas.engine", "prepare_takeover"),
    "schedules": ("areas.rows", "prepare_schedules"),
    "sse": ("areas.rows", "prepare_sse"),
    "start": ("areas.rows", "prepare_start"),
    "simulator": ("areas.simulator", "prepare_calls"),
    "import": ("areas.simulator", "prepare_import"),
    "notice": ("areas.notice", "prepare"),
}
# Measured after the areas; each gives points over one size.
GROWTH = {"history": "grow_history", "waiting-steps": "grow_waiting", "many-schedules": "grow_schedules", "replicas": "grow_replicas",
          "readers": "grow_readers", "lines": "grow_lines"}
MINUTES = {"smoke": 5, "quick": 5, "full": 40}

LONG = {"smoke": {"bigrun", "noop"}, "quick": {"bigrun"}, "full": set()}  # the same code with other numbers


def install():
    """Packages, the release build and the peers; each only when missing."""
    subprocess.run([ROOT / "script" / "bootstrap", "--bench"], check=True, stdout=sys.stderr)
    if "STEWARD_BUILD" not in os.environ:
        subprocess.run([ROOT / "script" / "build", "release"], check=True, stdout=subprocess.DEVNULL)
    stamp = BENCH / "peers" / "node_modules" / ".package-lock.json"
    lock = BENCH / "peers" / "package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        # No install scripts: nothing of the peers needs one.
        done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], cwd=BENCH / "peers", check=False,
                              stdout=sys.stderr)
        if done.returncode:
            print("npm ci failed: areas with a peer on Node.js will fail", file=sys.stderr)
        else:
            os.utime(stamp)


class TimeIsUp(Exception):
    pass


@contextlib.contextmanager
def at_most(seconds):
    """Whatever hangs inside is ended by an exception."""
    def ring(*_):
        raise TimeIsUp(f"not done after {seconds:.0f} s")
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def measure(kit, bench, area, rounds, seconds):
    """{contender: [sample of each round]}, interleaved; fewer rounds when the time of the run does not allow them."""
    samples = {c.key: [] for c in area.contenders}
    for n in range(rounds):
        begun = time.monotonic()
        if n and begun + longest > bench.deadline:
            kit.say(f"  {n} of {rounds} rounds: the time is up")
            break
        for c in area.contenders:
            bench.pg.calm()
            watch = kit.Watch(c.pid() if callable(c.pid) else c.pid, bench.pg.process.pid)
            sample = c.run(seconds)
            sample = watch.stop() | sample
            counted = sample.get("n") or (sample["rate"] * seconds if sample.get("rate") and "p99" in sample else None)
            if counted and sample["cpu"] is not None:
                # Of the program and of PostgreSQL, for one of what is counted: hardly moved by foreign load.
                sample.setdefault("cost", (sample["cpu"] + sample["pg_cpu"]) * sample["seconds"] * 1e6 / counted)
            samples[c.key].append(sample)
            kit.say(f"  round {n + 1} {c.key}: " + ", ".join(
                f"{k} {v:.6g}" for k, v in samples[c.key][-1].items() if isinstance(v, (int, float))))
        longest = max(time.monotonic() - begun, longest if n else 0)
    return samples


def number(x):
    if x is None:
        return "–"
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def median(samples, metric):
    values = [s[metric] for s in samples if s.get(metric) is not None]
    return statistics.median(values) if values else None


def judge(goal, samples):
    """(median, least, most) of the ratio (or of the absolute figure), and whether the goal is met."""
    ours = [s[goal.metric] for s in samples[goal.us]]
    if goal.against:
        others = [s[goal.metric] for s in samples[goal.against]]
        values = [a / b for a, b in zip(ours, others) if a is not None and b]
    else:
        values = [a for a in ours if a is not None]
    if not values:
        return None, ""
    middle = statistics.median(values)
    if goal.at_least is None and goal.at_most is None:
        return (middle, min(values), max(values)), ""
    is_met = middle >= goal.at_least if goal.at_least is not None else middle <= goal.at_most
    return (middle, min(values), max(values)), "yes" if is_met else "**no**"


HEAD = ("| area | us | peer or limit | ratio (min – max) | goal | met | our CPU: cores, µs each | our peak MiB | foreign CPU |\n"
        "|---|---|---|---|---|---|---|---|---|")


UNITS = {"p50": "ms", "p99": "ms", "fan_out": "ms", "commits": "commits a run", "grown": "MiB", "idle": "cores", "share": "cores", "beyond": "s", "ready": "s",
         "upload": "s", "import": "s", "training": "s", "lag": "s", "looks": "looks"}


def beside(goal, samples):
    """The other's figure, with its processor time and peak memory where it is a program."""
    cpu, memory = median(samples, "cpu"), median(samples, "memory")
    spent = f" ({cpu:.2f} cores, {memory:.0f} MiB)" if cpu is not None and memory else ""
    return f"{goal.against}: {number(median(samples, goal.metric))}{spent}"


def rows(area, samples):
    for i, goal in enumerate(g for g in area.goals if not g.against or g.against in samples):
        ratio, met = judge(goal, samples)
        ours = samples[goal.us]
        other = beside(goal, samples[goal.against]) if goal.against else "–"
        foreign = statistics.median(s["foreign"] for list_ in samples.values() for s in list_)
        title = area.title if i == 0 else "〃"
        unit = area.unit if goal.metric == "rate" else UNITS[goal.metric]
        text = f"{ratio[0]:.3g} ({ratio[1]:.3g} – {ratio[2]:.3g})" if ratio and goal.against else "–" if not ratio else \
            f"({number(ratio[1])} – {number(ratio[2])})"
        cpu, memory, cost = median(ours, "cpu"), median(ours, "memory"), median(ours, "cost")
        yield (f"| {title} | {number(median(ours, goal.metric))} {unit} | {other} | {text} | {goal.text} | {met} | "
               f"{'–' if cpu is None else f'{cpu:.2f}'}{'' if cost is None else f', {cost:.0f}'} | {'–' if memory is None else f'{memory:.0f}'} | {foreign:.2f} |")


def describe_machine():
    def first(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().splitlines()[0]
        except (OSError, IndexError):
            return "?"
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    lock = json.loads((BENCH / "peers" / "package-lock.json").read_text())["packages"]
    peers = ", ".join(f"{n} {lock['node_modules/' + n]['version']}" for n in json.loads((BENCH / "peers" / "package.json").read_text())["dependencies"])
    return (f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {os.cpu_count()} × {model}, Linux {platform.release()}; "
            f"commit {first('git', '-C', str(ROOT), 'rev-parse', '--short', 'HEAD')}; {first('postgres' if shutil.which('postgres') else 'psql', '--version')}; "
            f"Node {first('node', '--version')}; {peers}")


def attempt(kit, bench, name, report, do):
    """One area's trouble must not cost the others' figures: it becomes a row."""
    left = bench.deadline - time.monotonic()
    kit.say(f"{name} ({left:.0f} s are left)")
    try:
        if left < 5:
            raise TimeIsUp("not measured: the time of the run was up")
        with at_most(min(left + 60, 900)):
            do()
    except Exception as trouble:
        text = " ".join(str(trouble).split())[-200:] or repr(trouble)
        report["failures"][name] = text
        print(f"| {name} | **failed**: {text.replace('|', '/')} | | | | | | | |", flush=True)
    finally:
        with contextlib.suppress(Exception), at_most(60):
            bench.end_area()


def measure_all(kit, bench, a, wanted, report):
    rounds = a.rounds or {"smoke": 1, "quick": 3, "full": 5}[a.size]
    seconds = a.seconds or {"smoke": 1, "quick": 1, "full": 8}[a.size]
    if wanted:
        print(f"{report['machine']}; --{a.size}, up to {rounds} round(s) of {seconds:g} s\n\n{HEAD}", flush=True)
    for name in wanted:
        def do(name=name):
            module, function = AREAS[name]
            area = getattr(importlib.import_module(module), function)(bench)
            most = {"smoke": 1, "quick": area.quick_rounds, "full": area.full_rounds}[a.size]
            samples = measure(kit, bench, area, a.rounds or min(rounds, most), seconds)
            lines = list(rows(area, samples))
            print("\n".join(lines), flush=True)
            report["areas"][name] = {"title": area.title, "unit": area.unit, "note": area.note, "rows": lines, "samples": samples}
        attempt(kit, bench, name, report, do)


def grow_all(kit, bench, wanted, report):
    for name in wanted:
        def do(name=name):
            series = getattr(importlib.import_module("areas.growth"), GROWTH[name])(bench)
            report["growth"][name] = series
            print(f"\n{series['title']}\n\n" + growth_table(series), flush=True)
        attempt(kit, bench, name, report, do)


def growth_table(series):
    lines = [f"| {series['x']} | " + " | ".join(c["label"] for c in series["columns"]) + " |", "|---" * (len(series["columns"]) + 1) + "|"]
    for point in series["points"]:
        lines.append(f"| {point['x']:,} | " + " | ".join(number(point.get(c["key"])) for c in series["columns"]) + " |")
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    sizes = p.add_mutually_exclusive_group()
    for size in ("smoke", "quick", "full"):
        sizes.add_argument("--" + size, action="store_const", const=size, dest="size", default="quick")
    p.add_argument("--only", default="")
    p.add_argument("--rounds", type=int)
    p.add_argument("--seconds", type=float)
    p.add_argument("--minutes", type=float)
    p.add_argument("--growth", action="store_true")
    p.add_argument("--no-growth", action="store_true")
    p.add_argument("--install", action="store_true")
    p.add_argument("--json", type=pathlib.Path)
    p.add_argument("--no-install", action="store_true")
    p.add_argument("--keep", action="store_true")
    p.add_argument("--list", action="store_true")
    a = p.parse_args()
    if a.list:
        print("\n".join([*AREAS, *GROWTH]))
        return 0
    named = [n for n in a.only.split(",") if n]
    for name in named:
        if name not in AREAS and name not in GROWTH:
            p.error(f"there is no area {name}; there are: {', '.join([*AREAS, *GROWTH])}")
    wanted = [n for n in named if n in AREAS] if named else [] if a.growth else [n for n in AREAS if n not in LONG[a.size]]
    if not a.no_install:
        install()
    if a.install:
        return 0
    import kit
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted_growth = [n for n in named if n in GROWTH] if named else list(GROWTH) if a.growth or (a.size != "quick" and not a.no_growth) else []
    folder = pathlib.Path(tempfile.mkdtemp(prefix="steward-bench-"))
    folder.chmod(0o755)
    report = {"machine": describe_machine(), "size": a.size, "head": HEAD, "areas": {}, "growth": {}, "failures": {}}
    begun = time.monotonic()
    try:
        with kit.Bench(folder, a.size) as bench:
            bench.deadline = begun + 60 * (a.minutes or MINUTES[a.size])
            # What takes long by itself leaves room for what comes after.
            measure_all(kit, bench, a, wanted, report)
            grow_all(kit, bench, wanted_growth, report)
    finally:
        if a.keep:
            kit.say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        if a.json:
            a.json.write_text(json.dumps(report, indent=1))
    kit.say(f"{time.monotonic() - begun:.0f} s")
    return 1 if report["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
