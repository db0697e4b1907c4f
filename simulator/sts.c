/*
 * sts.c - the one operation of STS that clients ask for at the start: GetCallerIdentity (query
 * protocol, XML).
 */
#include <string.h>

#include "steward/mem.h"
#include "steward/str.h"
#include "wire.h"

#define XMLNS "https://sts.amazonaws.com/doc/2011-06-15/"

static void respond(struct exchange *x, int status, const char *error, struct buf *xml)
{
    size_t n = xml->length;

    http_set_header(x->rq, "x-amzn-RequestId", x->request_id);
    http_respond_take(x->rq, status, "text/xml", buf_take(xml), n);
    exchange_done(x, status, error);
}

void sts_refuse(struct exchange *x, int status, const char *code, const char *message)
{
    static const struct {
        const char *json, *query;
    } names[] = { { "UnrecognizedClientException", "InvalidClientTokenId" },
                  { "InvalidSignatureException", "SignatureDoesNotMatch" },
                  { "MissingAuthenticationTokenException", "MissingAuthenticationToken" },
                  { "IncompleteSignatureException", "IncompleteSignature" } };
    AUTO_BUF struct buf xml = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(names[i].json, code))
            code = names[i].query;
    buf_printf(&xml,
               "<ErrorResponse xmlns=\"" XMLNS
               "\"><Error><Type>Sender</Type><Code>%s</Code><Message>",
               code);
    for (const char *p = message; *p; p++) {
        if (*p == '<' || *p == '&')
            buf_adds(&xml, *p == '<' ? "&lt;" : "&amp;");
        else
            buf_addc(&xml, *p);
    }
    buf_printf(&xml, "</Message></Error><RequestId>%s</RequestId></ErrorResponse>", x->request_id);
    respond(x, status, code, &xml);
}

/* The value of a form parameter stands in the body or in the query. */
static bool has_action(struct exchange *x, const char *action)
{
    AUTO_FREE char *wanted = xasprintf("Action=%s", action);
    size_t n;
    const char *body = http_body(x->rq, &n), *at = strstr(body, wanted);

    if (at && (at == body || at[-1] == '&'))
        return at[strlen(wanted)] == '&' || at[strlen(wanted)] == '\0';
    return str_eq(http_query(x->rq, "Action"), action);
}

void sts_handle(struct exchange *x)
{
    const struct sim_settings *s = &x->wire->sim->settings;
    AUTO_BUF struct buf xml = { 0 };

    if (!has_action(x, "GetCallerIdentity")) {
        sts_refuse(x, 400, "InvalidAction", "Only GetCallerIdentity is known here.");
        return;
    }
    buf_printf(&xml,
               "<GetCallerIdentityResponse xmlns=\"" XMLNS "\"><GetCallerIdentityResult>"
               "<Arn>arn:%s:iam::%s:user/%s</Arn><UserId>AIDA%s</UserId><Account>%s</Account>"
               "</GetCallerIdentityResult><ResponseMetadata><RequestId>%s</RequestId>"
               "</ResponseMetadata></GetCallerIdentityResponse>",
               s->partition, s->account_id, "local", s->account_id, s->account_id, x->request_id);
    respond(x, 200, NULL, &xml);
}
