/*
 * log.h - logfmt lines on stderr, one per event.
 *
 *   log_event(LOG_INFO, "engine", "step_waiting", "run=%s step=%d seen=\"%s\"", id, n, seen);
 *   ts=2026-11-24T00:14:39.123Z level=info mod=engine event=step_waiting run=… step=3 seen="ACTIVE"
 *
 * Event names are stable; prose goes in msg="…". Secrets, signed headers and bodies are never
 * logged; the sink redacts what looks like one all the same, escapes control bytes and cuts a line
 * at 8 KiB. Thread-safe; one write(2) a line.
 */
#ifndef STEWARD_LOG_H
#define STEWARD_LOG_H

#include <stdint.h>

#include "steward/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_init(enum log_level min, bool as_json);
bool log_is_on(enum log_level level);
/* fields is logfmt text; values that may hold blanks or foreign text go through log_quote(). */
PRINTF_LIKE(4, 5)
void log_event(enum log_level level, const char *mod, const char *event, const char *fields, ...);
/* Logs an error value with its code, message and detail. */
void log_error(const char *mod, const char *event, const struct err *e);
/* Quoted and escaped for a logfmt value; valid until the 4th next call of this thread. */
const char *log_quote(const char *text);
/* Blots out what looks like a secret, in place: the log's own rule, for other texts that are kept.
 */
void log_redact(char *text);
/* Lines that nobody took: the reader of the log stands still, or its disk is full. */
uint64_t log_dropped(void);
/* "debug", "info", "warn", "error"; false when unknown. */
bool log_level_parse(const char *name, enum log_level *out);

#endif
