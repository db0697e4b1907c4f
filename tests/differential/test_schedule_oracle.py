"""The schedule engine against an independent brute-force scan in Python.

The engine computes by field arithmetic and zone spans. The oracle knows none of that: it looks at one local day after the other, asks a
plain predicate whether the day is named, and walks the day's UTC minutes one by one with zoneinfo wherever the clock may change on it.
Expressions are drawn together with the sets of values they mean, so the oracle shares no parser either.

50,000 triples (expression, zone, instant); 1,000,000 with STEWARD_TEST_FULL set. SEED=n repeats a run.
Instants begin in 1973: before, one zone (Africa/Monrovia) stood off UTC by seconds, and a scan by minutes would miss its fires."""
import array
import calendar
import functools
import os
import pathlib
import random
import subprocess
import time
import zoneinfo
from datetime import date, datetime

BUILD = pathlib.Path(os.environ.get("STEWARD_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build-dev")).resolve()
PROBE = BUILD / "tests" / "tools" / "schedule_probe"
FULL = bool(os.environ.get("STEWARD_TEST_FULL"))
SEED = int(os.environ.get("SEED") or time.time_ns() % 1_000_000_000)
TRIPLES = 1_000_000 if FULL else 50_000
BATCH = 50_000
DAY = 86400
EPOCH = date(1970, 1, 1).toordinal()
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split()
YEARS_AHEAD = 9  # the oracle gives up after so many years; the engine may then only name later fires

# Zones with a peculiar past or present, drawn more often: half-hour summer time, days left out, changes at midnight or 00:01, Ramadan.
ODD = ["Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kwajalein", "America/St_Johns", "Africa/Casablanca", "Europe/Dublin", "Asia/Gaza",
       "Antarctica/Troll", "America/Scoresbysund", "Asia/Tehran", "America/Asuncion", "America/Nuuk", "Africa/Cairo", "Asia/Pyongyang",
       "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Kiritimati", "America/Caracas", "Africa/Juba", "UTC"]
ZONES = sorted(z for z in zoneinfo.available_timezones() if z not in ("localtime", "Factory"))


# ---- zones ----
@functools.lru_cache(maxsize=None)
def zone_key(name):
    """One name for all zones with the same file, so that links share their scans."""
    for folder in zoneinfo.TZPATH:
        path = pathlib.Path(folder, name)
        if path.is_file():
            return first_name(path.read_bytes(), name)
    raise AssertionError(f"zone {name} has no file in {zoneinfo.TZPATH}")


names_by_content = {}


def first_name(content, name):
    return names_by_content.setdefault(content, name)


def offset(zone, at):
    o = datetime.fromtimestamp(at, zone).utcoffset()
    return o.days * DAY + o.seconds


@functools.lru_cache(maxsize=2_000_000)
def steady_offset(key, day):
    """The zone's offset around a local day on which its clock does not change; None on the others."""
    zone = zoneinfo.ZoneInfo(key)
    start = day * DAY
    first = offset(zone, start - 15 * 3600)
    return first if all(offset(zone, at) == first for at in samples(start)) else None


def samples(start):
    """Since 1973 no zone is more than 14 hours off UTC, and none changed its clock twice within six."""
    return range(start - 15 * 3600, start + DAY + 16 * 3600, 6 * 3600)


@functools.lru_cache(maxsize=4_000)
def minutes_shown(key, day):
    """(first, shown): UTC minute first + 60 i shows the local time shown[i], in seconds of the day; every minute that may belong to it."""
    zone = zoneinfo.ZoneInfo(key)
    start = day * DAY
    offsets = [offset(zone, at) for at in samples(start)]
    first, shown = start - max(offsets), array.array("i")
    for hour in range(first, start + DAY - min(offsets) + 60, 3600):
        begin, end = offset(zone, hour), offset(zone, hour + 3600)
        for at in range(hour, hour + 3600, 60):  # no clock changed twice within an hour
            shown.append(at - start + (begin if begin == end else offset(zone, at)))
    return first, shown


# ---- expressions: text and meaning together ----
def pick_field(rng, low, high, names=None):
    """A field of numbers: (text, set of values)."""
    span = high - low + 1

    def word(value):
        return rng.choice([str.upper, str.lower, str.title])(names[value - low]) if names and rng.random() < 0.5 else str(value)

    def item():
        kind = rng.random()
        step = rng.randint(1, span - 1 if high > 12 else high)
        a, b = rng.randint(low, high), rng.randint(low, high)
        if kind < 0.5:
            return word(a), {a}
        if kind < 0.75:
            length = (b - a) % span
            text, values = f"{word(a)}-{word(b)}", [(a - low + i) % span + low for i in range(length + 1)]
            if rng.random() < 0.3:
                return f"{text}/{step}", set(values[::step])
            return text, set(values)
        if kind < 0.9:
            return f"{word(a)}/{step}", set(range(a, high + 1, step))
        return f"*/{step}", set(range(low, high + 1, step))

    if rng.random() < 0.3:
        return "*", set(range(low, high + 1))
    items = [item() for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    return ",".join(text for text, _ in items), set().union(*(values for _, values in items))


@functools.lru_cache(maxsize=None)
def last_of(year, month):
    return calendar.monthrange(year, month)[1]


def weekday(year, month, day):
    """1 = Sunday"""
    return date(year, month, day).isoweekday() % 7 + 1


@functools.lru_cache(maxsize=None)
def workdays_of(y, m):
    return [day for day in range(1, last_of(y, m) + 1) if 2 <= weekday(y, m, day) <= 6]


def is_nearest_workday(n, y, m, d):
    """Of the month's workdays the one nearest to day n: for a Saturday the Friday before, for a Sunday the Monday after, if the month has it."""
    return n <= last_of(y, m) and d == min(workdays_of(y, m), key=lambda day: abs(day - n))


def pick_days(rng):
    """Both day fields: (day-of-month, day-of-week, predicate of year, month, day)."""
    kind = rng.randrange(10)
    n = rng.randint(1, 31)
    w = rng.randint(1, 7)
    name = rng.choice([str(w), WEEKDAYS[w - 1], WEEKDAYS[w - 1].lower()])
    if kind == 0:
        return "L", "?", lambda y, m, d: d == last_of(y, m)
    if kind == 1:
        back = rng.randint(0, 30)
        return f"L-{back}", "?", lambda y, m, d: d == last_of(y, m) - back
    if kind == 2:
        return "LW", "?", lambda y, m, d: d == max(workdays_of(y, m))
    if kind == 3:
        return f"{n}W", "?", lambda y, m, d: is_nearest_workday(n, y, m, d)
    if kind == 4:
        return "?", f"{name}L", lambda y, m, d: weekday(y, m, d) == w and d > last_of(y, m) - 7
    if kind == 5:
        k = rng.randint(1, 5)
        return "?", f"{name}#{k}", lambda y, m, d: weekday(y, m, d) == w and (d + 6) // 7 == k
    if kind == 6 and rng.random() < 0.3:
        return "?", "L", lambda y, m, d: weekday(y, m, d) == 7
    if kind < 8:
        text, days = pick_field(rng, 1, 31)
        return text, "?", lambda y, m, d: d in days
    text, weekdays = pick_field(rng, 1, 7, WEEKDAYS)
    return "?", text, lambda y, m, d: weekday(y, m, d) in weekdays


def pick_years(rng):
    kind = rng.random()
    a, b = sorted(rng.sample(range(1970, 2200), 2))
    if kind < 0.75:
        return "*", None
    if kind < 0.82:
        return f"{a}-{b}", range(a, b + 1)
    if kind < 0.88:
        step = rng.randint(1, 7)
        return f"{a}/{step}", range(a, 2200, step)
    if kind < 0.94:
        step = rng.randint(1, 7)
        return f"*/{step}", range(1970, 2200, step)
    years = {rng.randint(1990, 2060) for _ in range(12)}
    return ",".join(str(y) for y in sorted(years)), years


class Expression:
    def __init__(self, rng):
        minute, minutes = pick_field(rng, 0, 59)
        hour, hours = pick_field(rng, 0, 23)
        month, self.months = pick_field(rng, 1, 12, MONTHS)
        day, week, self.is_day = pick_days(rng)
        year, self.year_set = pick_years(rng)
        self.text = f"cron({minute} {hour} {day} {month} {week} {year})"
        self.times = sorted(h * 3600 + m * 60 for h in hours for m in minutes)
        self.time_set = frozenset(self.times)
        self.is_any_hour = len(hours) == 24
        self.day_lists = {}

    def days(self, y, m):
        """The named days of a month, as days since the epoch."""
        if (y, m) not in self.day_lists:
            is_named = 1970 <= y <= 2199 and (self.year_set is None or y in self.year_set) and m in self.months
            first = date(y, m, 1).toordinal() - EPOCH - 1
            self.day_lists[y, m] = [first + d for d in range(1, last_of(y, m) + 1) if self.is_day(y, m, d)] if is_named else []
        return self.day_lists[y, m]

    def fires(self, key, day):
        """The instants at which the schedule fires for one local day."""
        steady = steady_offset(key, day)
        if steady is not None:
            return [day * DAY + t - steady for t in self.times]
        first, shown = minutes_shown(key, day)
        if self.is_any_hour:
            return [first + 60 * i for i, local in enumerate(shown) if local in self.time_set]
        found, i = set(), 0
        for t in self.times:  # the first minute whose local time is that one or later
            while shown[i] < t:
                i += 1
            found.add(first + 60 * i)
        return sorted(found)


def walk(x, key, instant, way):
    """(day, fires) by named day away from the instant, until the oracle gives up."""
    day = instant // DAY - 3 * way
    first = date.fromordinal(day + EPOCH)
    start = first.year * 12 + first.month - 1
    for month in range(start, start + way * YEARS_AHEAD * 12, way):
        for d in x.days(month // 12, month % 12 + 1)[::way]:
            if (d - day) * way >= 0:
                yield d, x.fires(key, d)


def oracle(x, key, instant, count, way=1):
    """The fires after (way 1: strictly) or up to (way -1) the instant, nearest first; fewer when the years are over."""
    found, enough = set(), None
    for day, fires in walk(x, key, instant, way):
        if enough is not None and (day - enough) * way > 3:  # a day's fires may come two days off; three is sure
            break
        found.update(at for at in fires if (at > instant if way > 0 else at <= instant))
        if enough is None and len(found) >= count:
            enough = day
    return sorted(found, reverse=way < 0)[:count]


def probe(queries):
    text = "".join(f"{zone}\t{x}\t{instant}\t{count}\n" for zone, x, instant, count in queries)
    out = subprocess.run([str(PROBE)], input=text, capture_output=True, text=True, timeout=600, check=True).stdout.splitlines()
    assert len(out) == len(queries)
    return out


def difference(x, query, line):
    """What is wrong with the engine's answer; None when nothing is."""
    zone, text, instant, count = query
    if line.startswith("error"):
        return f"{query}: {line}"
    key = zone_key(zone)
    fires, previous, counted = line.split("\t")
    got = [int(f) for f in fires.split()]
    expected = oracle(x, key, instant, count)
    horizon = instant + (YEARS_AHEAD * 365 - 40) * DAY
    seen = got if len(expected) == count else [f for f in got if f < horizon]
    if seen != (expected if len(expected) == count else [f for f in expected if f < horizon]):
        return f"{query}: fires {got}, a scan finds {expected}"
    if int(counted) != len(got):
        return f"{query}: schedule_count() sees {counted} of {len(got)} fires {got}"
    before = oracle(x, key, instant, 1, way=-1)
    low = instant - (YEARS_AHEAD * 365 - 40) * DAY
    if before and before[0] > low and previous != str(before[0]):
        return f"{query}: the fire before is {previous}, a scan finds {before[0]}"
    if not before and previous != "-" and int(previous) > low:
        return f"{query}: the fire before is {previous}, a scan finds none"
    return None


@functools.lru_cache(maxsize=None)
def changes(key, first_year, last_year):
    """Instants at which a zone's clock changes, to the next day."""
    zone = zoneinfo.ZoneInfo(key)
    at = (date(first_year, 1, 1).toordinal() - EPOCH) * DAY
    end = (date(last_year + 1, 1, 1).toordinal() - EPOCH) * DAY
    found, before = [], offset(zone, at)
    while at < end:
        at += 7 * DAY
        now = offset(zone, at)
        if now != before:  # the first day of the week with another offset; two changes are further apart
            found.append(next(t for t in range(at - 6 * DAY, at + DAY, DAY) if offset(zone, t) != before))
            before = now
    return found


def pick_places(rng, n):
    """Zones with a stretch of time in which instants are drawn: n around clock changes, 2 n anywhere."""
    zones, places = ZONES + ODD * 10, []
    while len(places) < n:
        zone, year = rng.choice(zones), rng.randint(1973, 2040) if rng.random() < 0.9 else rng.randint(2041, 2189)
        near = changes(zone_key(zone), year, year)
        if near:
            places.append((zone, rng.choice(near) - 3 * DAY, 5 * DAY))
    for _ in range(2 * n):
        year = rng.randint(1973, 2040) if rng.random() < 0.9 else rng.randint(2041, 2189)
        places.append((rng.choice(zones), (date(year, 1, 1).toordinal() - EPOCH) * DAY + rng.randrange(365) * DAY, 4 * DAY))
    return places


def pick_pairs(rng, n):
    """n times (expression, (zone, text, instant, count)); half of the instants near clock changes."""
    pairs, places = [], pick_places(rng, 400)
    while len(pairs) < n:
        x = Expression(rng)
        for _ in range(min(25, n - len(pairs))):
            zone, start, length = places[rng.randrange(400) if rng.random() < 0.5 else rng.randrange(400, 1200)]
            pairs.append((x, (zone, x.text, start + rng.randrange(length), rng.randint(1, 8))))
    return pairs


def test_random_triples():
    print(f"SEED={SEED}")
    rng = random.Random(SEED)
    done, wrong = 0, []
    while done < TRIPLES:
        pairs = pick_pairs(rng, min(BATCH, TRIPLES - done))
        for (x, query), line in zip(pairs, probe([query for _, query in pairs]), strict=True):
            problem = difference(x, query, line)
            if problem:
                wrong.append(problem)
        done += len(pairs)
    print(f"{done} triples, {len(wrong)} differences")
    assert not wrong, f"SEED={SEED}: {len(wrong)} differences, the first:\n" + "\n".join(wrong[:10])


class Daily(Expression):
    """A fixed time on every day."""

    def __init__(self, hour, minute):
        self.text = f"cron({minute} {hour} * * ? *)"
        self.times = [hour * 3600 + minute * 60]
        self.is_any_hour = False
        self.day_lists = {}
        self.months, self.year_set, self.is_day = range(1, 13), None, lambda y, m, d: True


def test_every_zone_on_every_change_2020_to_2040():
    """Fixed times around every gap and fold of every IANA zone: each named local day has its one fire, at the right instant."""
    expressions = [Daily(h, m) for h, m in [(0, 0), (0, 30), (1, 0), (1, 30), (2, 0), (2, 15), (2, 45), (3, 0), (22, 30), (23, 59)]]
    pairs = [(x, (zone, x.text, at - 2 * DAY - 1, 4)) for zone in ZONES for at in changes(zone_key(zone), 2020, 2040) for x in expressions]
    assert len(pairs) > 10_000, "the zones have no changes: is tzdata installed?"
    wrong, seen = [], {}
    for (x, query), line in zip(pairs, probe([query for _, query in pairs]), strict=True):
        same = (zone_key(query[0]), *query[1:])
        if same not in seen:
            seen[same] = oracle(x, same[0], query[2], 4)
        fires = [] if line.startswith("error") else [int(f) for f in line.split("\t")[0].split()]
        if fires != seen[same]:
            wrong.append(f"{query}: {line}, a scan finds {seen[same]}")
    print(f"{len(ZONES)} zones, {len(pairs)} schedules around changes, {len(wrong)} wrong")
    assert not wrong, f"{len(wrong)} wrong, the first:\n" + "\n".join(wrong[:10])


def test_the_oracle_itself():
    """Known answers, so that both sides cannot agree on nonsense."""
    def at(text):
        return int((datetime.fromisoformat(text) - datetime(1970, 1, 1)).total_seconds())

    night = Daily(2, 30)
    berlin = zone_key("Europe/Berlin")
    assert oracle(night, berlin, at("2026-03-28T12:00:00"), 2) == [at("2026-03-29T01:00:00"), at("2026-03-30T00:30:00")]
    assert oracle(night, berlin, at("2026-10-24T12:00:00"), 2) == [at("2026-10-25T00:30:00"), at("2026-10-26T01:30:00")]
    assert oracle(night, berlin, at("2026-10-25T01:30:00"), 1, way=-1) == [at("2026-10-25T00:30:00")]
    # Samoa had no 30 December 2011: its fire comes with the first instant of the 31st.
    assert oracle(night, zone_key("Pacific/Apia"), at("2011-12-29T13:00:00"), 2) == [at("2011-12-30T10:00:00"), at("2011-12-30T12:30:00")]
