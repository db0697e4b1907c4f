/*
 * pause_cmd.c - "steward pause" and "steward resume": the switch that stops spending, server-wide.
 */
#include <stddef.h>
#include <stdio.h>

#include "steward/cli.h"
#include "steward/json.h"
#include "verbs.h"

struct options {
    struct cli_head head;
    char *reason, *until;
};

static const struct conf_option option_rows[] = {
    HEAD_OPTIONS(struct options),
    { .name = "reason",
      .type = CONF_TEXT,
      .offset = offsetof(struct options, reason),
      .value = "TEXT",
      .help = "pause: why" },
    { .name = "until",
      .type = CONF_TEXT,
      .offset = offsetof(struct options, until),
      .value = "TIME",
      .help = "pause: it ends by itself then" },
};

static void print_pause(const json_t *p)
{
    if (!json_bool_or(p, "paused", false))
        (void) puts("Spending goes on.");
    else
        (void) printf("Spending is stopped since %s%s%s: %s\n%s\n", json_text_or(p, "at", ""),
                      json_text(p, "until") ? " until " : "", json_text_or(p, "until", ""),
                      json_text_or(p, "reason", "no reason given"), json_text_or(p, "note", ""));
}

static bool ask_pause(struct cli_asked *a)
{
    const struct options *o = a->options;

    a->body = json_object();
    cli_add_text(a->body, "reason", o->reason);
    cli_add_text(a->body, "until", o->until);
    return true;
}

/* clang-format off */
static const struct cli_verb verbs[] = {
    { "pause", "steward pause [--reason TEXT] [--until TIME]\n\nStops spending, server-wide: nothing that buys is started.",
      "POST", "/pause", 0, 0, ask_pause, print_pause },
    { "resume", "steward resume\n\nSpending goes on; what waited goes on at once.", "POST", "/resume", 0, 0, NULL, print_pause },
};
/* clang-format on */
static const struct cli_verbs table = { .verbs = verbs,
                                        .n_verbs = ARRAY_LEN(verbs),
                                        .options = option_rows,
                                        .n_options = ARRAY_LEN(option_rows),
                                        .options_size = sizeof(struct options) };

int cli_pause(char *const argv[])
{
    return cli_run_verb(&table, &verbs[0], argv);
}

int cli_resume(char *const argv[])
{
    return cli_run_verb(&table, &verbs[1], argv);
}
