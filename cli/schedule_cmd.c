/*
 * schedule_cmd.c - "steward schedules next": the next fires of an expression, offline.
 *
 * One RFC 3339 UTC time a line; fewer lines when there are fewer fires. A bad expression: the
 * reason, where, and exit code 1.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "steward/cli.h"
#include "steward/clock.h"
#include "steward/mem.h"
#include "steward/schedule.h"
#include "steward/str.h"

struct next_options {
    char *from, *time_zone;
    int64_t count;
    bool describe;
};

static const struct conf_option options[] = {
    { .name = "from",
      .type = CONF_TEXT,
      .offset = offsetof(struct next_options, from),
      .value = "TIME",
      .help = "fires strictly after this RFC 3339 time (default: now)" },
    { .name = "count",
      .type = CONF_INTEGER,
      .offset = offsetof(struct next_options, count),
      .fallback = "5",
      .value = "N",
      .help = "how many",
      .min = 1,
      .max = 100000 },
    { .name = "time-zone",
      .type = CONF_TEXT,
      .offset = offsetof(struct next_options, time_zone),
      .value = "ZONE",
      .help = "IANA name, e.g. Europe/Berlin (default: UTC)" },
    { .name = "describe",
      .type = CONF_FLAG,
      .offset = offsetof(struct next_options, describe),
      .help = "say in words what the expression means" },
};
static const struct conf_program program = {
    .usage = "steward schedules next EXPRESSION [--from TIME] [--count N] [--time-zone ZONE]\n\n"
             "EXPRESSION: cron(…), rate(…), at(…), or the six fields of a cron expression alone.",
    .env_prefix = "STEWARD_SCHEDULE",
    .options = options,
    .count = ARRAY_LEN(options),
};

static enum err_code print_fires(const struct next_options *o, const char *text, struct err *e)
{
    struct schedule_expression x;
    const struct tz *zone;
    int64_t at = clock_wall_ms(), anchor;
    char line[CLOCK_TEXT_BYTES], words[1024];

    TRY(schedule_parse_loose(text, &x, NULL, e)); /* six bare fields are a cron expression */
    TRY(tz_load(o->time_zone, &zone, e));
    if (o->from && !clock_parse(o->from, &at))
        return err_set(e, ERR_INVALID,
                       "--from: \"%s\" is not an RFC 3339 time such as 2026-01-31T12:00:00Z.",
                       o->from);
    if (o->describe) {
        (void) schedule_describe(&x, o->time_zone, words, sizeof words);
        (void) puts(words);
    }
    at = at < 0 && at % 1000 ? at / 1000 - 1 : at / 1000;
    anchor = at;
    for (int64_t i = 0; i < o->count && schedule_next(&x, zone, anchor, at, &at); i++) {
        clock_format_s(at, line);
        (void) puts(line);
    }
    return OK;
}

int cli_schedule_next(char *const argv[])
{
    struct next_options o = { 0 };
    struct conf_list rest = { 0 };
    bool is_help;
    struct err e;
    int exit_code = 0;

    if (conf_parse(&program, argv, &o, &rest, &is_help, &e))
        exit_code = cli_fail(&e) + 1;
    else if (!is_help && rest.count != 1)
        exit_code = (conf_print_help(&program, stderr), 2);
    else if (!is_help && print_fires(&o, rest.items[0], &e))
        exit_code = cli_fail(&e);
    free(rest.items);
    conf_done(&program, &o);
    return exit_code;
}
