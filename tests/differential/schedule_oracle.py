#!/usr/bin/env python3
"""Compares Steward's schedules with an independent reading of them, by random and by exhaustive questions.

usage: schedule_oracle.py PROBE [--random N] [--seed S] [--changes every|few]

The oracle shares nothing with the C code: it lists the days of a month by asking each day, and the times of a day by
asking each minute; around clock changes it walks the real minutes with Python's zoneinfo (its own reader of the tz data,
its own idea of folds). Prints the seed; exits 1 at the first 10 differences.
"""
import argparse
import calendar
import datetime as dt
import functools
import itertools
import random
import re
import subprocess
import sys
import time
import zoneinfo

UTC = dt.timezone.utc
EPOCH = dt.date(1970, 1, 1).toordinal()
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split()
RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199)]


# --- the meaning of an expression ---------------------------------------------------------------------------------

def value(text, field):
    names = {3: MONTHS, 4: WEEKDAYS}.get(field, [])
    return names.index(text.upper()) + 1 if text.upper() in names else int(text)


def members(text, field):
    """Every value of a field that has no letters of its own, by asking where each item leads."""
    low, high = RANGES[field]
    cycle = list(range(low, high + 1))
    found = set()
    for item in text.split(","):
        base, _, step = item.partition("/")
        if base == "*":
            walk = cycle
        elif "-" in base:
            first, last = (value(t, field) for t in base.split("-"))
            walk = [first]
            while walk[-1] != last:
                walk.append(walk[-1] + 1 if walk[-1] < high else low)
        else:
            first = value(base, field)
            walk = list(range(first, high + 1)) if step else [first]
        found |= set(walk[::int(step or 1)])
    return found


class Expression:
    def __init__(self, text):
        self.text = text
        minute, hour, self.day, month, self.weekday, year = text.split(" ")
        self.minutes, self.hours = members(minute, 0), members(hour, 1)
        self.months, self.years = members(month, 3), members(year, 5)
        self.by_elapsed = len(self.hours) == 24
        if not re.search("[?LWlw]", self.day):
            self.day_set = members(self.day, 2)
        if not re.search("[?L#l]", self.weekday):
            self.weekday_set = members(self.weekday, 4)
        self.times = [(h, m) for h in sorted(self.hours) for m in sorted(self.minutes)]
        self.month_cache = {}

    def days(self, year, month):
        key = year, month
        if key not in self.month_cache:
            n = calendar.monthrange(year, month)[1]
            month_days = [dt.date(year, month, d) for d in range(1, n + 1)]
            self.month_cache[key] = [d for d in month_days if self.day_matches(d, month_days)]
        return self.month_cache[key]

    def day_matches(self, date, month_days):
        last = month_days[-1]
        text = (self.weekday if self.day == "?" else self.day).upper()
        if self.day == "?":
            number = date.isoweekday() % 7 + 1
            if text == "L":
                return number == 7
            if text.endswith("L"):
                return number == value(text[:-1], 4) and (last - date).days < 7
            if "#" in text:
                weekday, nth = text.split("#")
                return number == value(weekday, 4) and (date.day + 6) // 7 == int(nth)
            return number in self.weekday_set
        if text == "L":
            return date == last
        work = [d for d in month_days if d.weekday() < 5] if "W" in text else []
        if text == "LW":
            return date == work[-1]
        if text.startswith("L-"):
            return (last - date).days == int(text[2:])
        if text.endswith("W"):
            wanted = int(text[:-1])
            if wanted > last.day:
                return False
            # nearest, and of two equally near ones there is none: a weekend has two days
            return date == min(work, key=lambda d: abs(d.day - wanted))
        return date.day in self.day_set

    def matches_minute(self, local):
        return (local.minute in self.minutes and local.hour in self.hours and local.month in self.months and
                local.year in self.years and local.date() in self.days(local.year, local.month))


# --- real minutes --------------------------------------------------------------------------------------------------

def stamp(local_naive, offset_s):
    return (local_naive.toordinal() - EPOCH) * 86400 + local_naive.hour * 3600 + local_naive.minute * 60 - offset_s


@functools.lru_cache(maxsize=None)
def zone_of(name):
    return zoneinfo.ZoneInfo(name)


@functools.lru_cache(maxsize=200000)
def offset_at(name, at):
    return int(dt.datetime.fromtimestamp(at, zone_of(name)).utcoffset().total_seconds())


def local_of(name, at):
    """The wall clock, without zoneinfo's object, and whether it shows this time for the second time."""
    aware = dt.datetime.fromtimestamp(at, zone_of(name))
    return aware.replace(tzinfo=None, fold=0), aware.fold


def scan(expression, zone, first, last):
    """Fires among the real minutes of [first, last), one by one."""
    previous, _ = local_of(zone, first - 60)
    minute = dt.timedelta(minutes=1)
    for at in range(first, last, 60):
        local, fold = local_of(zone, at)
        if expression.by_elapsed:
            if expression.matches_minute(local):
                yield at
        else:
            skipped, fires = previous + minute, False
            while skipped < local:  # the minutes that the clock jumped over
                fires = fires or expression.matches_minute(skipped)
                skipped += minute
            if fires or (fold == 0 and expression.matches_minute(local)):
                yield at
        previous = local


def has_change(zone, first, last):
    return len({offset_at(zone, t) for t in range(first, last + 1, 43200)}) > 1


def fires(expression, zone, after, count, horizon_years=230):
    """The first fires after an instant. Days without a clock change nearby are read off; the others are scanned."""
    found = []
    start = dt.datetime.fromtimestamp(after, UTC).date() - dt.timedelta(days=2)
    done_until = after // 60 * 60 + 60
    if zone != "UTC" and has_change(zone, after - 3 * 86400, after + 3 * 86400):
        done_until = after // 60 * 60 + 3 * 86400
        found += list(scan(expression, zone, after // 60 * 60 + 60, done_until))
    for year in sorted(expression.years):
        if year < start.year or year > start.year + horizon_years:
            continue
        for month in sorted(expression.months):
            if (year, month) < (start.year, start.month):
                continue
            for day in expression.days(year, month):
                if len(found) >= count:
                    return found[:count]
                midnight = (day.toordinal() - EPOCH) * 86400
                if midnight + 3 * 86400 < done_until:
                    continue
                if zone == "UTC" or not has_change(zone, midnight - 86400, midnight + 2 * 86400):
                    base = midnight - (0 if zone == "UTC" else offset_at(zone, midnight))
                    all_day = (base + h * 3600 + m * 60 for h, m in expression.times)
                    new = list(itertools.islice((t for t in all_day if t >= done_until), count))
                    found += new
                    done_until = max(done_until, new[-1] + 60) if new else done_until
                else:
                    first, last = max(done_until, midnight - 86400), midnight + 2 * 86400
                    if first < last:
                        found += list(scan(expression, zone, first, last))
                        done_until = last
    return found[:count]


# --- questions -------------------------------------------------------------------------------------------------------

def case(rng, text):
    return rng.choice([text, text, text.lower(), text.capitalize()])


def spell(rng, v, field):
    names = {3: MONTHS, 4: WEEKDAYS}.get(field)
    if names and rng.random() < 0.5:
        return case(rng, names[v - 1])
    return f"{v:02d}" if field < 2 and rng.random() < 0.1 else str(v)


def random_item(rng, field):
    low, high = RANGES[field]
    if field == 5:
        low, high = rng.choice([(1970, 2199), (2020, 2045), (2026, 2032)])
    a, b = rng.randint(low, high), rng.randint(low, high)
    if field == 5:
        a, b = min(a, b), max(a, b)
    step = rng.randint(1, [59, 23, 31, 12, 7, 40][field])
    return rng.choice([
        lambda: spell(rng, a, field), lambda: spell(rng, a, field),
        lambda: f"{spell(rng, a, field)}-{spell(rng, b, field)}",
        lambda: f"{spell(rng, a, field)}-{spell(rng, b, field)}/{step}",
        lambda: f"{spell(rng, a, field)}/{step}",
        lambda: f"*/{step}",
    ])()


def random_field(rng, field, p_star):
    if rng.random() < p_star:
        return "*"
    return ",".join(random_item(rng, field) for _ in range(rng.choice([1, 1, 1, 2, 3])))


def random_expression(rng):
    day, weekday = "?", "?"
    if rng.random() < 0.5:
        day = rng.choice([lambda: random_field(rng, 2, 0.4), lambda: random_field(rng, 2, 0.4),
                          lambda: case(rng, "L"), lambda: case(rng, "LW"), lambda: f"L-{rng.randint(0, 30)}",
                          lambda: f"{rng.randint(1, 31)}W"])()
    else:
        weekday = rng.choice([lambda: random_field(rng, 4, 0.3), lambda: random_field(rng, 4, 0.3),
                              lambda: case(rng, "L"), lambda: spell(rng, rng.randint(1, 7), 4) + "L",
                              lambda: f"{spell(rng, rng.randint(1, 7), 4)}#{rng.randint(1, 5)}"])()
    return " ".join([random_field(rng, 0, 0.2), random_field(rng, 1, 0.3), day, random_field(rng, 3, 0.6), weekday,
                     random_field(rng, 5, 0.85)])


def random_questions(rng, n):
    zones = sorted(z for z in zoneinfo.available_timezones() if not z.startswith(("posix/", "right/")) and z != "Factory"
                   and z != "localtime")
    first, last = (int(dt.datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (2000, 2110))
    near, far = (int(dt.datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (2024, 2031))
    while n > 0:
        text = random_expression(rng)
        for _ in range(min(n, 10)):
            zone = "UTC" if rng.random() < 0.3 else rng.choice(zones)
            at = rng.randint(near, far) if rng.random() < 0.7 else rng.randint(first, last)
            yield text, zone, at, rng.choice([1, 2, 5])
            n -= 1


def changes(zone, first_year, last_year):
    """The instants at which a zone's offset changes, found by halving."""
    step = 86400
    at = int(dt.datetime(first_year, 1, 1, tzinfo=UTC).timestamp())
    end = int(dt.datetime(last_year + 1, 1, 1, tzinfo=UTC).timestamp())
    while at < end:
        if offset_at(zone, at) != offset_at(zone, at + step):
            low, high = at, at + step
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_at(zone, middle) == offset_at(zone, low) else (low, middle)
            yield high
        at += step


def change_questions(rng, thorough):
    """All zones, all their changes from 2020 to 2040: times inside, at both ends of and around the gap or fold."""
    zones = sorted(z for z in zoneinfo.available_timezones() if not z.startswith(("posix/", "right/")) and z != "Factory"
                   and z != "localtime")
    same = {}
    for zone in zones:
        found = tuple((c, offset_at(zone, c - 1), offset_at(zone, c)) for c in changes(zone, 2020, 2040))
        for change, before, after in found:
            if not thorough and same.setdefault((change, before, after), zone) != zone and rng.random() < 0.9:
                continue  # aliases and neighbours with the same change: a tenth of them, at random
            times = [change + before, change + after]
            times += [rng.randint(min(times), max(times)), min(times) - 60, max(times) + 60]
            for local in times if thorough else rng.sample(times, 3):
                t = dt.datetime.fromtimestamp(local, UTC)
                for text in (f"{t.minute} {t.hour} * * ? *", f"{t.minute} {t.hour} {t.day} {t.month} ? {t.year}",
                             f"{t.minute} * * * ? *"):
                    yield text, zone, change - rng.randint(0, 90000), 3


def run(probe, questions, seed):
    questions = list(questions)
    started = time.monotonic()
    asked = "".join(f"{zone}\t{text}\t{at}\t{count}\n" for text, zone, at, count in questions)
    answers = subprocess.run([probe], input=asked, capture_output=True, text=True, check=True).stdout.splitlines()
    print(f"probe: {len(questions)} questions in {time.monotonic() - started:.1f} s")
    assert len(answers) == len(questions), "the probe left questions out"
    wrong, expressions = 0, {}
    for (text, zone, at, count), answer in zip(questions, answers):
        if text not in expressions:
            expressions = {text: Expression(text)}  # questions come grouped by expression
        expected = fires(expressions[text], zone, at, count)
        if answer.split() != [str(t) for t in expected]:
            wrong += 1
            print(f"DIFFERS (seed {seed}): cron({text}) in {zone} after {dt.datetime.fromtimestamp(at, UTC)} ({at}):\n"
                  f"  probe  {answer}\n  oracle {expected}")
            if wrong >= 10:
                break
    print(f"schedule oracle: {len(questions)} questions, {wrong} differences, {time.monotonic() - started:.1f} s, seed {seed}")
    return wrong


def main():
    p = argparse.ArgumentParser()
    p.add_argument("probe")
    p.add_argument("--random", type=int, default=50000)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    p.add_argument("--changes", choices=["every", "few", "none"], default="few")
    o = p.parse_args()
    print(f"seed {o.seed}", flush=True)
    rng = random.Random(o.seed)
    wrong = run(o.probe, random_questions(rng, o.random), o.seed)
    if o.changes != "none":
        wrong += run(o.probe, change_questions(rng, o.changes == "every"), o.seed)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
