/*
 * log.c - the sink: timestamp, level, redaction, one write per line.
 *
 * Rule: a log line never waits, neither for another thread's formatting nor for whoever reads the
 * log: what a stopped reader or a full disk has no room for is dropped and counted. And it never
 * carries a secret.
 */
#include "steward/log.h"

#include <ctype.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "steward/clock.h"
#include "steward/str.h"

#define LINE_MAX_BYTES 8192
#define PIECE_BYTES    4096 /* what a pipe that is ready takes at once (PIPE_BUF) */

static _Atomic int min_level = LOG_INFO;
static _Atomic bool is_json;
static _Atomic uint64_t n_dropped;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"
};

void log_init(enum log_level min, bool as_json)
{
    min_level = min;
    is_json = as_json;
}

bool log_is_on(enum log_level level)
{
    return (int) level >= min_level;
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (unsigned i = 0; i <= LOG_ERROR; i++) {
        if (str_eq(name, level_names[i])) {
            *out = (enum log_level) i;
            return true;
        }
    }
    return false;
}

const char *log_quote(const char *text)
{
    static _Thread_local char slots[4][1024];
    static _Thread_local unsigned next;
    char *out = slots[next++ % 4];
    bool is_utf8 = !text || str_is_utf8(text, strlen(text));
    size_t n = 0;

    out[n++] = '"';
    for (const char *p = text ? text : ""; *p && n + 8 < sizeof slots[0]; p++) {
        unsigned char c = (unsigned char) *p;

        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char) c;
        } else if (c < 0x20 || c == 0x7F || (c >= 0x80 && !is_utf8)) {
            n += (size_t) snprintf(out + n, sizeof slots[0] - n, "\\x%02x", c);
        } else {
            out[n++] = (char) c;
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}

/* What looks like a secret, whoever logged it: everything after the prefix up to a delimiter
 * becomes "…". */
void log_redact(char *line)
{
    static const char *const prefixes[] = {
        "AKIA", "ASIA", "stw_", "whsec_", "X-Amz-Signature=", "Authorization: ", "password="
    };

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        char *at = line;

        while ((at = strstr(at, prefixes[i])) != NULL) {
            at += strlen(prefixes[i]);
            for (; *at && !isspace((unsigned char) *at) && *at != '"' && *at != '&'; at++)
                *at = '*';
        }
    }
}

/* logfmt fields as one JSON object's members: key=value and key="escaped". */
static void fields_to_json(struct buf *out, const char *p)
{
    while (*p) {
        size_t k = strcspn(p, "= ");

        if (p[k] != '=') {
            p += k + (p[k] != '\0');
            continue;
        }
        buf_printf(out, ",\"%.*s\":", (int) k, p);
        p += k + 1;
        if (*p == '"') {
            buf_addc(out, *p++);
            for (; *p && *p != '"'; p++) {
                if (*p == '\\' && p[1] == 'x') {
                    buf_printf(out, "\\u00%.2s", p + 2);
                    p += 3;
                } else {
                    buf_addc(out, *p);
                    if (*p == '\\' && p[1])
                        buf_addc(out, *++p);
                }
            }
            buf_addc(out, '"');
            p += *p == '"';
        } else {
            k = strcspn(p, " ");
            buf_printf(out, "\"%.*s\"", (int) k, p);
            p += k;
        }
        p += strspn(p, " ");
    }
}

uint64_t log_dropped(void)
{
    return n_dropped;
}

static bool write_piece(const char *text, size_t n)
{
    struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

    return poll(&out, 1, 0) == 1 && out.revents & POLLOUT &&
           write(STDERR_FILENO, text, n) == (ssize_t) n;
}

/* False when there is no room. Nothing in the lock waits: a piece is written only where it fits. */
static bool write_line(const char *text, size_t n)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    size_t done = 0;
    bool is_good = true;

    pthread_mutex_lock(&lock);
    while (done < n && is_good) {
        size_t piece = n - done < PIECE_BYTES ? n - done : PIECE_BYTES;

        is_good = write_piece(text + done, piece);
        done += piece;
    }
    pthread_mutex_unlock(&lock);
    return is_good;
}

/* Says once how many lines are missing at this place, when there is room again. */
static void put(const char *text, size_t n)
{
    static _Atomic uint64_t n_told;
    uint64_t dropped = n_dropped, told = n_told;
    char note[128];

    if (dropped != told) {
        char now[CLOCK_TEXT_BYTES];
        int length;

        clock_format_ms(clock_wall_ms(), now);
        length = snprintf(note, sizeof note,
                          is_json ? "{\"ts\":\"%s\",\"level\":\"warn\",\"mod\":\"log\",\"event\":"
                                    "\"dropped\",\"lines\":\"%llu\"}\n"
                                  : "ts=%s level=warn mod=log event=dropped lines=%llu\n",
                          now, (unsigned long long) (dropped - told));
        if (atomic_compare_exchange_strong(&n_told, &told, dropped) &&
            !write_line(note, (size_t) length))
            n_told = told; /* later, then */
    }
    if (!write_line(text, n))
        n_dropped++;
}

static void sink(enum log_level level, const char *mod, const char *event, const char *fields)
{
    char now[CLOCK_TEXT_BYTES];
    AUTO_BUF struct buf line = { 0 };

    clock_format_ms(clock_wall_ms(), now);
    if (is_json) {
        buf_printf(&line, "{\"ts\":\"%s\",\"level\":\"%s\",\"mod\":\"%s\",\"event\":\"%s\"", now,
                   level_names[level], mod, event);
        fields_to_json(&line, fields);
        buf_addc(&line, '}');
    } else {
        buf_printf(&line, "ts=%s level=%s mod=%s event=%s%s%s", now, level_names[level], mod, event,
                   *fields ? " " : "", fields);
    }
    log_redact(line.data);
    for (char *p = line.data; *p; p++)
        if ((unsigned char) *p < 0x20)
            *p = ' ';
    if (line.length > LINE_MAX_BYTES - 1)
        line.length = LINE_MAX_BYTES - 1;
    buf_addc(&line, '\n');
    put(line.data, line.length);
}

void log_event(enum log_level level, const char *mod, const char *event, const char *fields, ...)
{
    AUTO_BUF struct buf text = { 0 };
    va_list ap;

    if (!log_is_on(level))
        return;
    va_start(ap, fields);
    buf_vprintf(&text, fields, ap);
    va_end(ap);
    sink(level, mod, event, text.data);
}

void log_error(const char *mod, const char *event, const struct err *e)
{
    log_event(LOG_ERROR, mod, event, "code=%s msg=%s detail=%s", err_slug(e->code),
              log_quote(e->message), log_quote(e->detail));
}
