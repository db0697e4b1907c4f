"""How late the end of a job of AWS is noticed: the engine's own rule against the one of AWS's solution, in made-up time."""
import json
import subprocess

from kit import BUILD, Area, Contender, Goal

JOBS = 20000


def prepare(_):
    """Half an hour, one and three hours; the next job takes what the last took, give or take a tenth."""
    def of(who, minutes):
        done = subprocess.run([str(BUILD / "bench" / "notice"), str(minutes), "10", str(JOBS)], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)[who]
        return {"rate": None, "lag": found["mean"] / 1000, "p99": found["p99"], "looks": found["looks"]}

    contenders, goals = [], []
    for minutes in (30, 60, 180):
        us, they, first = f"us, {minutes} min", f"AWS's solution, {minutes} min", f"us, {minutes} min, nothing known"
        contenders += [Contender(us, "us", lambda s, m=minutes: of("us", m)), Contender(they, "peer", lambda s, m=minutes: of("theirs", m)),
                       Contender(first, "us", lambda s, m=minutes: of("first", m))]
        goals += [Goal("mean lag ≤ ⅒, jobs of an hour" if minutes == 60 else f"(no goal) mean lag, jobs of {minutes} min", "lag", they,
                       at_most=0.1 if minutes == 60 else None, us=us),
                  Goal(f"(no goal) the first job of its kind, {minutes} min", "lag", they, us=first),
                  Goal(f"(no goal) looks a job, {minutes} min", "looks", they, us=us)]
    return Area("notice", f"noticing that a job has finished ({JOBS:,} made-up jobs)", "s", contenders, goals, quick_rounds=1, full_rounds=1,
                note="Virtual time: step_poll_ms() of the engine with its jitter; of AWS's solution 60 s × 1.02ⁿ, given up after 100 looks.")
