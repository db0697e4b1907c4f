/*
 * command.c - what the commands share.
 *
 * Exit codes: 0 good, 1 refused, failed or invalid, 2 wrong usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "steward/json.h"

static struct conf_program program_of(const struct cli_usage *u)
{
    return (struct conf_program){
        .usage = u->text, .env_prefix = "STEWARD", .options = u->options, .count = u->count
    };
}

int cli_parse(const struct cli_usage *u, char *const argv[], void *options, struct conf_list *rest)
{
    const struct conf_program program = program_of(u);
    bool is_help = false;
    struct err e;

    if (conf_parse(&program, argv, options, rest, &is_help, &e)) {
        (void) cli_fail(&e);
        return 2;
    }
    if (is_help)
        return 0;
    if (rest->count >= u->least && rest->count <= u->most)
        return CLI_GO_ON;
    conf_print_help(&program, stderr);
    return 2;
}

void cli_parsed_done(const struct cli_usage *u, void *options, struct conf_list *rest)
{
    const struct conf_program program = program_of(u);

    free(rest->items);
    conf_done(&program, options);
}

void cli_add_parameter(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(path, "%c%s=", strchr(path->data, '?') ? '&' : '?', name);
    uri_encode(path, value, strlen(value), false);
}

int cli_ask_quietly(const struct cli_call *call, struct client *c, struct reply *r)
{
    AUTO_FREE char *text = call->body ? json_compact(call->body) : NULL;
    struct request rq = { .method = call->method, .path = call->path };
    struct err e;

    rq.body = text ? text : str_eq(call->method, "POST") ? "{}" : NULL;
    rq.body_n = rq.body ? strlen(rq.body) : 0;
    if (client_call(c, &rq, r, &e))
        return cli_fail(&e);
    if (r->status < 400)
        return CLI_GO_ON;
    client_print_problem(r);
    return 1;
}

int cli_ask(const struct cli_call *call)
{
    AUTO_CLIENT struct client *c = NULL;
    AUTO_REPLY struct reply r = { 0 };
    struct err e;
    int code;

    if (client_open(call->client, &c, &e))
        return cli_fail(&e);
    code = cli_ask_quietly(call, c, &r);
    if (code != CLI_GO_ON)
        return code;
    if (call->json || !call->print) {
        AUTO_FREE char *out = json_dumps(r.json, JSON_INDENT(2) | JSON_ENCODE_ANY);

        (void) puts(out ? out : r.text);
    } else {
        call->print(r.json);
    }
    return 0;
}
