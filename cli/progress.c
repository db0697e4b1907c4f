/*
 * progress.c - showing runs: live while they happen, as tables afterwards.
 *
 * On a terminal the table of steps is redrawn in place; elsewhere each change is one line, so that
 * logs read well.
 */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "steward/clock.h"
#include "steward/json.h"
#include "steward/kinds.h"
#include "steward/mem.h"
#include "steward/str.h"

#define WAIT_SECONDS 10

static const struct {
    const char *status, *mark, *color;
} looks[] = {
    { "blocked", "·", "2" },     { "ready", "›", "0" },   { "waiting", "…", "33" },
    { "succeeded", "✓", "32" },  { "failed", "✗", "31" }, { "skipped", "–", "2" },
    { "cancelled", "–", "2" },   { "queued", "·", "2" },  { "running", "…", "33" },
    { "cancelling", "…", "33" }, { "held", "?", "33" },
};

static bool is_terminal(void)
{
    return isatty(STDOUT_FILENO) && !str_eq(getenv("TERM"), "dumb");
}

static void print_mark(const char *status)
{
    for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
        if (!str_eq(looks[i].status, status))
            continue;
        if (is_terminal() && !getenv("NO_COLOR"))
            (void) printf("\033[%sm%s\033[0m", looks[i].color, looks[i].mark);
        else
            (void) printf("%s", looks[i].mark);
        return;
    }
    (void) printf("?");
}

static const char *title_of(const char *kind)
{
    const struct kind *k = kind ? kind_find(kind) : NULL;

    return k ? k->title : kind ? kind : "";
}

/* What to say about a step now. */
static const char *step_words(const json_t *step, char *out, size_t size)
{
    const char *status = json_text_or(step, "status", "");
    const char *reason = json_text(step, "reason");

    if (str_eq(status, "waiting") || str_eq(status, "ready"))
        (void) snprintf(out, size, "%s%s", json_text(step, "waitingFor") ? "waiting for " : "",
                        json_text_or(step, "waitingFor", "looking"));
    else if (str_eq(status, "succeeded"))
        (void) snprintf(out, size, "%s%s%.160s", json_text_or(step, "result", "done"),
                        reason ? ": " : "", reason ? reason : "");
    else if (reason)
        (void) snprintf(out, size, "%s: %.400s", status, reason);
    else
        (void) snprintf(out, size, "%s", status);
    return out;
}

static void print_step(const json_t *step, const char *lead)
{
    char words[512];

    (void) printf("%s", lead);
    print_mark(json_text_or(step, "status", ""));
    (void) printf(" %-20s %-32s %s", title_of(json_text(step, "kind")),
                  json_text_or(step, "name", ""), step_words(step, words, sizeof words));
}

void progress_print_run_line(const json_t *run)
{
    print_mark(json_text_or(run, "status", ""));
    (void) printf(" %s  %-14s %-24s %-10s %s  %s\n", json_text_or(run, "id", ""),
                  json_text_or(run, "kind", ""), json_text_or(run, "config", "-"),
                  json_text_or(run, "status", ""), json_text_or(run, "createdAt", ""),
                  json_text_or(run, "reason", ""));
}

void progress_print_run(const json_t *run)
{
    size_t i;
    json_t *step;

    progress_print_run_line(run);
    json_array_foreach (json_object_get(run, "steps"), i, step) {
        print_step(step, "  ");
        (void) printf("\n");
    }
}

/* ---- watching ---- */

struct watch {
    int64_t started_ms;
    json_t *shown; /* step id -> words last shown */
    int lines;     /* of the table on the terminal */
};

static void show_changes(struct watch *w, const json_t *run)
{
    char words[512], lead[32];
    size_t i;
    json_t *step;

    json_array_foreach (json_object_get(run, "steps"), i, step) {
        const char *id = json_text_or(step, "id", "");

        (void) step_words(step, words, sizeof words);
        if (str_eq(json_text_or(step, "status", ""), "blocked") ||
            str_eq(json_text(w->shown, id), words))
            continue;
        json_object_set_new(w->shown, id, json_string(words));
        (void) snprintf(lead, sizeof lead, "%7.1f s  ",
                        (double) (clock_mono_ms() - w->started_ms) / 1000.0);
        print_step(step, lead);
        (void) printf("\n");
    }
    (void) fflush(stdout);
}

static void redraw(struct watch *w, const json_t *run)
{
    const json_t *steps = json_object_get(run, "steps");
    size_t done = 0, i;
    json_t *step;

    if (w->lines)
        (void) printf("\033[%dA", w->lines);
    w->lines = 1;
    json_array_foreach ((json_t *) steps, i, step) {
        const char *status = json_text_or(step, "status", "");

        done +=
            !str_eq(status, "blocked") && !str_eq(status, "ready") && !str_eq(status, "waiting");
        print_step(step, "  ");
        (void) printf("\033[K\n");
        w->lines++;
    }
    (void) printf("  %zu of %zu steps, %.0f s\033[K\n", done, json_array_size(steps),
                  (double) (clock_mono_ms() - w->started_ms) / 1000.0);
    (void) fflush(stdout);
}

/* A held run has done its work, and asks; nobody waits days for the answer. */
static bool is_final(const char *status)
{
    return str_eq(status, "held") || str_eq(status, "succeeded") || str_eq(status, "failed") ||
           str_eq(status, "cancelled");
}

enum err_code progress_watch(struct client *c, const char *run_id, bool *is_good, struct err *e)
{
    AUTO_JSON json_t *shown = json_object();
    struct watch w = { .started_ms = clock_mono_ms(), .shown = shown };
    AUTO_FREE char *path = xasprintf("/runs/%s?wait=%d", run_id, WAIT_SECONDS);
    AUTO_FREE char *first = xasprintf("/runs/%s", run_id);
    const struct timespec pause = { .tv_nsec = 100000000 };

    for (bool is_first = true;; is_first = false) {
        AUTO_REPLY struct reply r = { 0 };
        const char *status;

        TRY(client_get(c, is_first ? first : path, &r, e));
        if (is_terminal())
            redraw(&w, r.json);
        else
            show_changes(&w, r.json);
        status = json_text_or(r.json, "status", "");
        if (is_final(status)) {
            *is_good = str_eq(status, "succeeded") || str_eq(status, "held");
            (void) printf("%s run %s %s%s%s\n", *is_good ? "✓" : "✗", run_id, status,
                          json_text(r.json, "reason") ? ": " : "",
                          json_text_or(r.json, "reason", ""));
            return OK;
        }
        (void) nanosleep(&pause, NULL);
    }
}

/* ---- tables ---- */

static enum err_code print_resources(struct client *c, const char *name, struct err *e)
{
    AUTO_FREE char *path = xasprintf("/configs/%s/resources?limit=200", name);
    AUTO_REPLY struct reply r = { 0 };
    size_t i;
    json_t *item;

    TRY(client_get(c, path, &r, e));
    (void) printf("\n%-20s %-42s %-13s %s\n", "RESOURCE", "NAME", "STATUS", "ARN");
    for (size_t k = 0; k < KIND_COUNT; k++) { /* in the order in which an apply works */
        json_array_foreach (json_object_get(r.json, "items"), i, item)
            if (str_eq(json_text(item, "kind"), kinds[k].name))
                (void) printf("%-20s %-42s %-13s %s\n", kinds[k].title,
                              json_text_or(item, "name", ""), json_text_or(item, "status", "-"),
                              json_text_or(item, "arn", "-"));
    }
    return OK;
}

static void print_metrics(const char *solution, const json_t *version)
{
    static const struct {
        const char *key, *label;
    } columns[] = { { "coverage", "coverage" },
                    { "mean_reciprocal_rank_at_25", "MRR@25" },
                    { "normalized_discounted_cumulative_gain_at_10", "NDCG@10" },
                    { "precision_at_10", "precision@10" } };
    const json_t *metrics = json_object_get(version, "metrics");

    (void) printf("%-24s", solution);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        const json_t *value = json_object_get(metrics, columns[i].key);

        if (json_is_number(value))
            (void) printf("  %s %.4f", columns[i].label, json_number_value(value));
    }
    (void) printf("%s\n", json_object_size(metrics) ? "" : "  none");
}

static enum err_code print_solutions(struct client *c, const char *name, struct err *e)
{
    AUTO_FREE char *path = xasprintf("/configs/%s/resources?limit=200", name);
    AUTO_REPLY struct reply r = { 0 };
    size_t i;
    json_t *item;

    TRY(client_get(c, path, &r, e));
    (void) printf("\nMETRICS\n");
    json_array_foreach (json_object_get(r.json, "items"), i, item) {
        const char *solution;
        AUTO_FREE char *versions = NULL;
        AUTO_REPLY struct reply v = { 0 };

        if (!str_eq(json_text(item, "kind"), "solution"))
            continue;
        /* Its name in the file: one made beside another by blue-green has a longer one at Amazon.
         */
        solution =
            json_text_or(json_object_get(item, "desired"), "name", json_text_or(item, "name", ""));
        versions = xasprintf("/solutions/%s/versions", solution);
        TRY(client_get(c, versions, &v, e));
        print_metrics(solution, json_array_get(json_object_get(v.json, "items"), 0));
    }
    return OK;
}

/* Where it is written, or its own name. */
static const char *schedule_place(const json_t *schedule)
{
    return json_text_or(schedule, "path", json_text_or(schedule, "name", ""));
}

static enum err_code print_schedules(struct client *c, const char *name, struct err *e)
{
    AUTO_FREE char *path = xasprintf("/schedules?config=%s&limit=200", name);
    AUTO_REPLY struct reply r = { 0 };
    int width = 42;
    size_t i;
    json_t *item;

    TRY(client_get(c, path, &r, e));
    if (json_array_size(json_object_get(r.json, "items")) == 0)
        return OK;
    json_array_foreach (json_object_get(r.json, "items"), i, item)
        if ((int) strlen(schedule_place(item)) > width)
            width = (int) strlen(schedule_place(item));
    (void) printf("\n%-16s %-*s %-26s %s\n", "SCHEDULE", width, "OF", "NEXT FIRE", "IN WORDS");
    json_array_foreach (json_object_get(r.json, "items"), i, item)
        (void) printf("%-16s %-*s %-26s %s\n", json_text_or(item, "kind", ""), width,
                      schedule_place(item), json_text_or(item, "nextFireAt", "never"),
                      json_text_or(item, "description", json_text_or(item, "expression", "")));
    return OK;
}

enum err_code progress_print_config(struct client *c, const char *name, struct err *e)
{
    TRY(print_resources(c, name, e));
    TRY(print_solutions(c, name, e));
    return print_schedules(c, name, e);
}
