"""Hard expressions, written by hand, through the command line: each with its next five fires after four instants, against a reader and a
day-by-day scan in Python that share nothing with the engine; and texts that have to be refused."""
import calendar
import concurrent.futures
import functools
import os
import pathlib
import subprocess
from datetime import date, datetime, timedelta, timezone

BUILD = pathlib.Path(os.environ.get("STEWARD_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build-dev")).resolve()
PROBE = BUILD / "tests" / "tools" / "schedule_probe"
STEWARD = BUILD / "steward"
INSTANTS = [datetime(2026, 1, 1), datetime(2026, 2, 28, 23, 59, 30), datetime(2027, 12, 31, 23, 59, 59), datetime(2028, 2, 29, 12, 34, 56)]
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
DAYS = "SUN MON TUE WED THU FRI SAT".split()

TIMES = """0 0|* *|0/1 0/1|59 23|0 */6|0 1/5|5,10-20/5,59 3|50-10/5 4|22-2 5|55-5 22-2|0 22-2/2|0/59 0/23|7/13 11/7|0-59/30 8-18/5|30,0,15 2,1|00 06|007 008
*/7 */5|0 0,12,23|58-1 23-0|*/59 */23|3-3 4-4|10-20,15-25,59-0 13|1/30,2/30 0""".replace("\n", "|").split("|")
DATES = """* * ?|? * *|1 1 ?|29 2 ?|30 2 ?|31 * ?|31 4,6,9,11 ?|31 2,4/2 ?|30,31 2/12 ?|L * ?|L 2 ?|L-1 2 ?|L-28 2 ?|L-29 * ?|L-30 * ?|L-0 * ?|LW * ?|LW 2 ?|1W * ?|2W * ?
15W 8 ?|29W 2 ?|30W * ?|31W * ?|31W 2 ?|28W FEB ?|? * 1L|? * 7L|? * SUNL|? * satL|? 2 THUL|? * 6#3|? * SUN#1|? * SAT#5|? 2 SUN#5|? 2 TUE#5|? * 2#1|? JAN,JUL MON#4|? * L
? * 1-7|? * 7-1|? * SAT-SUN|? * FRI-MON|? * FRI-TUE/2|? * 5-2/3|? * MON-FRI|? * 2-6|? * */2|? * 2/2|? * 7/3|? * MON,WED-FRI,1|? NOV-FEB MON|? 11-2/2 *|* 12-1 ?|28-3 * ?
25-5/4 * ?|31-1 * ?|*/10 * ?|5/10 * ?|1-31/30 * ?|13 * ?|? * FRI|1,15,L-0X * ?|8-14 * ?|1-7/6 JAN-MAR,OCT/1 ?|? */5 sun|? 6-8/2 TUE|1/31 * ?|* DEC-JAN ?|30 JAN/1 ?""".replace("\n", "|").split("|")
YEARS = ["*", "2027", "2028-2030", "2026/3", "*/4", "2026,2029-2031,2199", "2199", "1970-2025", "1970", "2198/1", "2026-2199/50", "1970/229", "2100,2096", "2025,2024", "*/100"]
DATES = [d for d in DATES if "X" not in d]


def expressions():
    """Every date with times and years drawn by its place; and each time and year at least once."""
    found = []
    for i, day in enumerate(DATES):
        for k in range(5):
            minute_hour = TIMES[(i * 7 + k * 5) % len(TIMES)]
            year = YEARS[(i + k * 4) % len(YEARS)] if k else "*"
            dom, month, dow = day.split()
            found.append(f"{minute_hour} {dom} {month} {dow} {year}")
    return list(dict.fromkeys(found))


# ---- an independent reading ----
def field(text, low, high, names=()):
    def number(word):
        return names.index(word.upper()) + low if word.upper() in names else int(word)

    values = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = map(number, span.split("-"))
        else:
            first = number(span)
            last = high if step else first
        if last < first:  # around the end and on
            last += high - low + 1
        values |= {(v - low) % (high - low + 1) + low for v in range(first, last + 1, int(step or 1))}
    return values


def weekday(day):
    return day.isoweekday() % 7 + 1


@functools.lru_cache(maxsize=None)
def workdays(year, month):
    return [d for d in range(1, calendar.monthrange(year, month)[1] + 1) if date(year, month, d).weekday() < 5]


def day_rule(dom, dow):
    def last(d):
        return calendar.monthrange(d.year, d.month)[1]

    if dow == "?":
        if dom == "LW":
            return lambda d: d.day == workdays(d.year, d.month)[-1]
        if dom.startswith("L"):
            back = int(dom[2:] or 0)
            return lambda d: d.day == last(d) - back
        if dom.endswith("W"):
            n = int(dom[:-1])
            return lambda d: n <= last(d) and d.day == min(workdays(d.year, d.month), key=lambda w: abs(w - n))
        days = field(dom, 1, 31)
        return lambda d: d.day in days
    if dow == "L":
        return lambda d: weekday(d) == 7
    if "#" in dow:
        name, k = dow.split("#")
        n, = field(name, 1, 7, DAYS)
        return lambda d: weekday(d) == n and (d.day + 6) // 7 == int(k)
    if dow.upper().endswith("L") and dow != "L":
        n, = field(dow[:-1], 1, 7, DAYS)
        return lambda d: weekday(d) == n and d.day > last(d) - 7
    weekdays = field(dow, 1, 7, DAYS)
    return lambda d: weekday(d) in weekdays


def oracle(text, after, count=5):
    minute, hour, dom, month, dow, year = text.split()
    times = sorted((h, m) for h in field(hour, 0, 23) for m in field(minute, 0, 59))
    months, years, named = field(month, 1, 12, MONTHS), field(year, 1970, 2199), day_rule(dom, dow)
    found, day = [], after.date()
    while day.year <= 2199 and len(found) < count:
        if day.year not in years:
            day = date(day.year + 1, 1, 1)
        elif day.month not in months:
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        else:
            if named(day):
                found += [at for h, m in times if (at := datetime(day.year, day.month, day.day, h, m)) > after]
            day += timedelta(days=1)
    return found[:count]


def seconds(at):
    return int(at.replace(tzinfo=timezone.utc).timestamp())


def test_hard_expressions():
    texts = expressions()
    assert len(texts) >= 300
    queries = [(text, after) for text in texts for after in INSTANTS]
    lines = "".join(f"UTC\tcron({text})\t{seconds(after)}\t5\n" for text, after in queries)
    answers = subprocess.run([str(PROBE)], input=lines, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    wrong = []
    for (text, after), answer in zip(queries, answers, strict=True):
        expected = " ".join(str(seconds(at)) for at in oracle(text, after))
        if answer.split("\t")[0] != expected:
            wrong.append(f"cron({text}) after {after}: {answer}, a scan finds {expected}")
    print(f"{len(texts)} expressions, {len(queries)} questions, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong[:20])


def next_of(text, after):
    return subprocess.run([str(STEWARD), "schedule", "next", text, "--from", after.isoformat() + "Z", "--count", "5", "--time-zone", "UTC"],
                          capture_output=True, text=True, timeout=60)


def test_the_command_line_says_the_same():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for text, done in zip(expressions()[::9], pool.map(lambda t: next_of(f"cron({t})", INSTANTS[3]), expressions()[::9])):
            assert done.returncode == 0, done.stderr
            assert done.stdout.split() == [at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in oracle(text, INSTANTS[3])], text


BAD = """60 * * * ? *|-1 * * * ? *|* 24 * * ? *|* * 0 * ? *|* * 32 * ? *|* * * 0 ? *|* * * 13 ? *|* * ? * 0 *|* * ? * 8 *|* * * * ? 1969|* * * * ? 2200|* * * * * *
* * ? * ? *|* * 1 * 1 *|* * * * ?|* * * * ? * *|*||* * L * L *|* * ? * MON#0 *|* * ? * MON#6 *|* * ? * #2 *|* * ? * 2# *|* * ? * 2#1,3#1 *|* * ? * 2#1-2 *|* * ? * LMON *
* * ? * 8L *|* * ? * 0L *|* * L-31 * ? *|* * L--1 * ? *|* * L+1 * ? *|* * L- * ? *|* * 0W * ? *|* * 32W * ? *|* * WL * ? *|* * W * ? *|* * 1,2W * ? *|* * L,1 * ? *|* * 1-L * ? *
* * 5W/2 * ? *|*/0 * * * ? *|*/60 * * * ? *|*/-5 * * * ? *|0/61 * * * ? *|* */25 * * ? *|* * */32 * ? *|* * * */13 ? *|* * ? * */8 *|5/ * * * ? *|/5 * * * ? *|5/5/5 * * * ? *
1- * * * ? *|-5 * * * ? *|1-2-3 * * * ? *|1,,2 * * * ? *|,1 * * * ? *|1, * * * ? *|1 ,2 * * * ? *|0x1 * * * ? *|1.5 * * * ? *|1e1 * * * ? *|+1 * * * ? *|*5 * * * ? *|** * * * ? *|*-5 * * * ? *
? * * * ? *|* ? * * ? *|* * * ? ? *|* * * * ? ?|L * * * ? *|* * * L ? *|* * * * ? L|* * * JANUARY ? *|* * * JA ? *|* * ? * MONDAY *|* * ? * MO *|* * * MON ? *|* * ? * JAN *|MON * * * ? *
* * ? * MON-8 *|* * * JAN-13 ? *|* * * * ? 2030-2200|* * * * ? 1960/5|* * ?? * ? *|* * ?/2 * MON *|* * ? * MON? *|@daily|@reboot * * * ? *|%9 * * * ? *|é * * * ? *|0 0 1 1 ? 2026#1|0 0 1W-2 * ? *
99999999999999999999 * * * ? *|0 0 ? * 6L,2 *|0 0 LW-1 * ? *|0 0 15W,L * ? *|0\t0 * * ?|0 0 * * ? *)|((0 0 * * ? *|0 0 ? * 3#3L *""".replace("\n", "|").split("|")
BAD_WHOLE = ["rate(0 minutes)", "rate(-1 hours)", "rate(1 minutes)", "rate(2 minute)", "rate(1 second)", "rate(5 weeks)", "rate(minutes)", "rate(5)", "rate()",
             "rate(1.5 hours)", "rate(5 hours", "at(2026-13-01T00:00:00)", "at(2026-02-30T00:00:00)", "at(2026-01-01)", "at(2026-01-01T25:00:00)", "at()",
             "at(2026-01-01T00:00:60)", "at(tomorrow)", "cron", "cron(", "cron()", "CRON(0 0 * * ? *", "cron(0 0 * * ? *) ", "every 5 minutes", "rate(99999999999999999999 days)", ""]


def test_what_is_refused():
    texts = [f"cron({text})" for text in BAD] + BAD_WHOLE
    lines = "".join(f"UTC\t{text}\t0\t1\n" for text in texts if "\t" not in text)
    answers = subprocess.run([str(PROBE)], input=lines, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    accepted = [text for text, line in zip([t for t in texts if "\t" not in t], answers, strict=True) if not line.startswith("error\t")]
    assert not accepted, accepted
    for line in answers:
        _, position, message = line.split("\t", 2)
        assert position.isdigit() and len(message) > 20, line


def test_rate_and_at():
    known = {
        ("rate(5 minutes)", "UTC"): ["2028-02-29T12:39:56Z", "2028-02-29T12:44:56Z"],
        ("rate(1 day)", "Asia/Tokyo"): ["2028-03-01T12:34:56Z", "2028-03-02T12:34:56Z"],
        ("at(2028-03-26T02:30:00)", "Europe/Berlin"): ["2028-03-26T01:00:00Z"],  # inside the gap: the first instant after it
        ("at(2028-10-29T02:30:00)", "Europe/Berlin"): ["2028-10-29T00:30:00Z"],  # twice: the first
        ("at(2027-01-01T00:00:00)", "UTC"): [],
        ("at(2199-12-31T23:59:59)", "UTC"): ["2199-12-31T23:59:59Z"],
        ("cron(0 0 29 2 ? 2199)", "UTC"): [],
        ("cron(59 23 31 12 ? 2199)", "UTC"): ["2199-12-31T23:59:00Z"],
        ("cron(30 2 * * ? *)", "Europe/Berlin"): ["2028-03-01T01:30:00Z", "2028-03-02T01:30:00Z"],
        ("cron(0 0 29 2 ? 2096-2104)", "UTC"): ["2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"],
    }
    for (text, zone), expected in known.items():
        done = subprocess.run([str(STEWARD), "schedule", "next", text, "--from", "2028-02-29T12:34:56Z", "--count", "5", "--time-zone", zone],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout.split()[:len(expected) or 5] == expected, (text, zone, done.stdout, done.stderr)
