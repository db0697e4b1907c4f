/*
 * ledger.c - append a line, read lines back; the sequence number goes on after a restart.
 */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "steward/clock.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/mem.h"
#include "steward/str.h"

struct ledger {
    int fd;
    int64_t seq;
    char *path;
};

static int64_t count_lines(const char *path)
{
    FILE *f = fopen(path, "re");
    int64_t n = 0;
    int c;

    if (!f)
        return 0;
    while ((c = getc_unlocked(f)) != EOF)
        n += c == '\n';
    (void) fclose(f);
    return n;
}

enum err_code ledger_open(const char *data_dir, struct ledger **out, struct err *e)
{
    struct ledger *l = xcalloc(1, sizeof *l);

    *out = l;
    l->path = xasprintf("%s/ledger.jsonl", data_dir);
    l->seq = count_lines(l->path);
    l->fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (l->fd < 0)
        return err_set(e, ERR_INTERNAL, "Cannot write %s: %s.", l->path, strerror(errno));
    return OK;
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        (void) close(l->fd);
    free(l->path);
    free(l);
}

void ledger_reset(struct ledger *l)
{
    if (ftruncate(l->fd, 0) != 0)
        log_event(LOG_ERROR, "simulator", "ledger_truncate_failed", "error=%s",
                  log_quote(strerror(errno)));
    l->seq = 0;
}

static void set_text(json_t *line, const char *key, const char *value)
{
    json_object_set_new(line, key, value && *value ? json_string(value) : json_null());
}

void ledger_add(struct ledger *l, const struct ledger_entry *entry)
{
    AUTO_JSON json_t *line = json_object();
    AUTO_BUF struct buf out = { 0 };
    AUTO_FREE char *text = NULL;
    char at[CLOCK_TEXT_BYTES], model[CLOCK_TEXT_BYTES];

    clock_format_ms(clock_wall_ms(), at);
    clock_format_ms(entry->model_ms, model);
    json_object_set_new(line, "seq", json_integer(++l->seq));
    json_object_set_new(line, "time", json_string(at));
    json_object_set_new(line, "modelTime", json_string(model));
    set_text(line, "service", entry->service);
    set_text(line, "operation", entry->operation);
    if (entry->request)
        json_object_set(line, "request", (json_t *) entry->request);
    json_object_set_new(line, "status", json_integer(entry->status));
    set_text(line, "error", entry->error);
    set_text(line, "arn", entry->arn);
    set_text(line, "requestId", entry->request_id);
    set_text(line, "accessKeyId", entry->access_key_id);
    json_object_set_new(line, "hasEffect", json_boolean(entry->has_effect));
    if (entry->fault)
        set_text(line, "fault", entry->fault);
    text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15));
    buf_adds(&out, text);
    buf_addc(&out, '\n');
    if (write(l->fd, out.data, out.length) != (ssize_t) out.length)
        log_event(LOG_ERROR, "simulator", "ledger_write_failed", "error=%s",
                  log_quote(strerror(errno)));
}

static bool is_wanted(const json_t *line, const struct ledger_query *query)
{
    return json_int_or(line, "seq", 0) > query->since &&
           (!query->operation || str_eq(json_text(line, "operation"), query->operation)) &&
           (!query->effects_only || json_bool_or(line, "hasEffect", false));
}

json_t *ledger_read(const struct ledger *l, const struct ledger_query *query)
{
    FILE *f = fopen(l->path, "re");
    json_t *out = json_array();
    char *text = NULL;
    size_t capacity = 0;
    ssize_t n;

    while (f && json_array_size(out) < query->limit && (n = getline(&text, &capacity, f)) > 0) {
        AUTO_JSON json_t *line = json_loadb(text, (size_t) n, 0, NULL);

        if (line && is_wanted(line, query))
            json_array_append(out, line);
    }
    free(text);
    if (f)
        (void) fclose(f);
    return out;
}
