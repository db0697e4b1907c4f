/*
 * client.h - one HTTP call to the server; private to the command line.
 */
#ifndef STEWARD_CLI_CLIENT_H
#define STEWARD_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "steward/conf.h"
#include "steward/err.h"

/* Options every command that talks to the server has. */
struct client_options {
    char *url, *token, *data_dir, *ca_bundle;
};
#define CLIENT_OPTIONS_AT(owner, at)                                                               \
    { .name = "ca-bundle",                                                                         \
      .type = CONF_TEXT,                                                                           \
      .offset = offsetof(owner, at.ca_bundle),                                                     \
      .value = "FILE",                                                                             \
      .help = "certificates that an https:// server is checked against" },                         \
        { .name = "url",                                                                           \
          .type = CONF_TEXT,                                                                       \
          .offset = offsetof(owner, at.url),                                                       \
          .value = "URL",                                                                          \
          .help = "the server; found in the data directory by default" },                          \
        { .name = "data-dir",                                                                      \
          .type = CONF_TEXT,                                                                       \
          .offset = offsetof(owner, at.data_dir),                                                  \
          .value = "DIR",                                                                          \
          .help = "the server's data directory, where URL and token are found" },                  \
    {                                                                                              \
        .name = "token", .type = CONF_TEXT, .offset = offsetof(owner, at.token), .value = "TOKEN", \
        .help = "bearer token; found in the data directory by default", .is_secret = true          \
    }
#define CLIENT_OPTIONS(owner) CLIENT_OPTIONS_AT(owner, client)

struct client;
MUST_USE enum err_code client_open(const struct client_options *options, struct client **out,
                                   struct err *e);
void client_close(struct client *c);
static inline void client_p(struct client **c)
{
    client_close(*c);
}
#define AUTO_CLIENT __attribute__((cleanup(client_p)))

struct reply {
    int status;
    json_t *json; /* parsed body; NULL when it is not JSON */
    char *text;
};
void reply_done(struct reply *r);
#define AUTO_REPLY __attribute__((cleanup(reply_done)))

struct request {
    const char *method, *path;
    const char *type; /* content type; NULL: application/json when there is a body */
    const char *body;
    size_t body_n;
    const char *accept; /* NULL: application/json */
};
/* ERR_UNAVAILABLE when the server could not be asked. A status of 400 and above is not an error
 * here. */
MUST_USE enum err_code client_call(struct client *c, const struct request *rq, struct reply *out,
                                   struct err *e);
/* The same, and 400 and above print the problem (all of it) and are an error that needs no more
 * words. */
MUST_USE enum err_code client_get(struct client *c, const char *path, struct reply *out,
                                  struct err *e);
/* Prints a problem+json to stderr: the sentence, then one line per finding. */
void client_print_problem(const struct reply *r);
/* Passes lines of a streamed answer on; returns when it ends or visit returns false. */
MUST_USE enum err_code client_stream(struct client *c, const char *path,
                                     bool (*visit)(void *context, const char *line), void *context,
                                     struct err *e);

/* Prints e (when it has words) and returns the exit code 1. */
int cli_fail(const struct err *e);
/* Reads a whole file ("-": standard input). Caller owns *text. */
MUST_USE enum err_code cli_read_file(const char *path, char **text, size_t *n, struct err *e);

#endif
