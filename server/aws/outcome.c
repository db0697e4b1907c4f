/*
 * outcome.c - what an answer means. Pure.
 *
 * Three outcomes. DONE: 2xx with a body that reads. REFUSED: a definite no - a 4xx with an error
 * that reads, or nothing was ever written. UNKNOWN: everything else; the call may have had its
 * effect, and only a look can tell.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "aws_private.h"
#include "steward/json.h"

static const struct {
    const char *code;
    enum aws_error_class error_class;
} error_codes[] = {
    { "ResourceNotFoundException", AWS_ERROR_NOT_FOUND },
    { "ResourceNotFound", AWS_ERROR_NOT_FOUND },
    { "NoSuchKey", AWS_ERROR_NOT_FOUND },
    { "NoSuchBucket", AWS_ERROR_NOT_FOUND },
    { "NotFound", AWS_ERROR_NOT_FOUND },
    { "NotFoundException", AWS_ERROR_NOT_FOUND },
    { "ResourceAlreadyExistsException", AWS_ERROR_EXISTS },
    { "ResourceInUseException", AWS_ERROR_IN_USE },
    { "LimitExceededException", AWS_ERROR_LIMIT },
    { "ServiceQuotaExceededException", AWS_ERROR_LIMIT },
    { "Throttling", AWS_ERROR_THROTTLED },
    { "ThrottlingException", AWS_ERROR_THROTTLED },
    { "ThrottledException", AWS_ERROR_THROTTLED },
    { "RequestThrottledException", AWS_ERROR_THROTTLED },
    { "RequestThrottled", AWS_ERROR_THROTTLED },
    { "TooManyRequestsException", AWS_ERROR_THROTTLED },
    { "ProvisionedThroughputExceededException", AWS_ERROR_THROTTLED },
    { "TransactionInProgressException", AWS_ERROR_THROTTLED },
    { "RequestLimitExceeded", AWS_ERROR_THROTTLED },
    { "BandwidthLimitExceeded", AWS_ERROR_THROTTLED },
    { "SlowDown", AWS_ERROR_THROTTLED },
    { "EC2ThrottledException", AWS_ERROR_THROTTLED },
    { "PriorRequestNotComplete", AWS_ERROR_THROTTLED },
    { "InvalidInputException", AWS_ERROR_INVALID },
    { "ValidationException", AWS_ERROR_INVALID },
    { "ValidationError", AWS_ERROR_INVALID },
    { "InvalidNextTokenException", AWS_ERROR_INVALID },
    { "InvalidParameter", AWS_ERROR_INVALID },
    { "InvalidParameterValue", AWS_ERROR_INVALID },
    { "InvalidParameterException", AWS_ERROR_INVALID },
    { "InvalidArgument", AWS_ERROR_INVALID },
    { "InvalidBucketName", AWS_ERROR_INVALID },
    { "SerializationException", AWS_ERROR_INVALID },
    { "UnknownOperationException", AWS_ERROR_INVALID },
    { "InvalidAction", AWS_ERROR_INVALID },
    { "TooManyTagsException", AWS_ERROR_INVALID },
    { "TooManyTagKeysException", AWS_ERROR_INVALID },
    { "AccessDeniedException", AWS_ERROR_ACCESS_DENIED },
    { "AccessDenied", AWS_ERROR_ACCESS_DENIED },
    { "AllAccessDisabled", AWS_ERROR_ACCESS_DENIED },
    { "AuthorizationError", AWS_ERROR_ACCESS_DENIED },
    { "UnauthorizedOperation", AWS_ERROR_ACCESS_DENIED },
    { "OptInRequired", AWS_ERROR_ACCESS_DENIED },
    { "SubscriptionRequiredException", AWS_ERROR_ACCESS_DENIED },
    { "ExpiredToken", AWS_ERROR_CREDENTIALS },
    { "ExpiredTokenException", AWS_ERROR_CREDENTIALS },
    { "TokenRefreshRequired", AWS_ERROR_CREDENTIALS },
    { "UnrecognizedClientException", AWS_ERROR_CREDENTIALS },
    { "InvalidClientTokenId", AWS_ERROR_CREDENTIALS },
    { "InvalidAccessKeyId", AWS_ERROR_CREDENTIALS },
    { "InvalidToken", AWS_ERROR_CREDENTIALS },
    { "InvalidSecurity", AWS_ERROR_CREDENTIALS },
    { "MissingAuthenticationToken", AWS_ERROR_CREDENTIALS },
    { "MissingAuthenticationTokenException", AWS_ERROR_CREDENTIALS },
    { "IncompleteSignature", AWS_ERROR_CREDENTIALS },
    { "IncompleteSignatureException", AWS_ERROR_CREDENTIALS },
    { "AuthFailure", AWS_ERROR_CREDENTIALS },
    { "RequestExpired", AWS_ERROR_SIGNATURE_EXPIRED },
    { "RequestTimeTooSkewed", AWS_ERROR_SIGNATURE_EXPIRED },
    { "RequestInTheFuture", AWS_ERROR_SIGNATURE_EXPIRED },
};

enum aws_error_class aws_error_class_of(const char *code, const char *message, int http_status)
{
    if (str_eq(code, "InvalidSignatureException") || str_eq(code, "SignatureDoesNotMatch"))
        return message &&
                       (strstr(message, "Signature expired") || strstr(message, "not yet current"))
                   ? AWS_ERROR_SIGNATURE_EXPIRED
                   : AWS_ERROR_CREDENTIALS;
    for (size_t i = 0; i < ARRAY_LEN(error_codes); i++)
        if (str_eq(error_codes[i].code, code))
            return error_codes[i].error_class;
    if (http_status >= 500)
        return AWS_ERROR_SERVER;
    if (http_status == 429)
        return AWS_ERROR_THROTTLED;
    if (http_status == 401 || http_status == 403)
        return AWS_ERROR_ACCESS_DENIED;
    return AWS_ERROR_OTHER;
}

/* "aws.service#ResourceInUseException:http://…" names "ResourceInUseException". */
static void set_code(struct aws_call *call, const char *text)
{
    const char *hash = strrchr(text, '#');

    (void) str_copy(call->error_code, sizeof call->error_code, hash ? hash + 1 : text);
    call->error_code[strcspn(call->error_code, ":; \t\r\n")] = '\0';
}

static void set_message(struct aws_call *call, const char *text)
{
    (void) str_copy(call->error_message, sizeof call->error_message, text ? text : "");
}

/* The parsed body of a JSON or query service as an object; NULL when it does not read. The caller
 * owns it. */
static json_t *read_object(const struct aws_call *call, const struct aws_answer *a)
{
    enum aws_protocol protocol = aws_services[call->service].protocol;
    json_t *object = NULL;
    struct err ignored;

    if (protocol == AWS_PROTOCOL_QUERY || protocol == AWS_PROTOCOL_S3)
        return a->body_n ? aws_xml_leaves(a->body, a->body_n) : NULL;
    if (a->body_n == 0)
        return NULL;
    if (json_parse(a->body, a->body_n, &object, NULL, &ignored) != OK)
        return NULL;
    if (!json_is_object(object))
        json_decref(TAKE(object));
    return object;
}

static void set_unknown(struct aws_call *call, enum aws_error_class error_class, const char *what)
{
    call->outcome = AWS_UNKNOWN;
    call->error_class = error_class;
    set_message(call, what);
}

static void set_success(struct aws_call *call, const struct aws_answer *a)
{
    if (aws_services[call->service].protocol == AWS_PROTOCOL_S3) {
        call->body = xmalloc(a->body_n + 1);
        if (a->body_n)
            memcpy(call->body, a->body, a->body_n);
        call->body[a->body_n] = '\0';
        call->body_n = a->body_n;
        call->outcome = AWS_DONE;
        return;
    }
    call->response = a->body_n == 0 ? json_object() : read_object(call, a);
    if (call->response)
        call->outcome = AWS_DONE;
    else
        set_unknown(call, AWS_ERROR_SERVER, "the answer's body cannot be read");
}

/* Finds code and message of an error answer; false when there is neither body nor header that names
 * one. */
static bool read_error(struct aws_call *call, const struct aws_answer *a)
{
    AUTO_JSON json_t *object = read_object(call, a);
    const char *code = json_text(object, "__type"), *message = json_text(object, "message");

    if (!code)
        code = json_text(object, "code");
    if (!code)
        code = json_text(object, "Code");
    if (!message)
        message = json_text(object, "Message");
    if (a->query_error && *a->query_error)
        code = a->query_error; /* "Code;Sender" of services that changed their protocol */
    if (!code && (object || a->body_n == 0))
        code = a->error_type;
    if (!code || !*code)
        return false;
    set_code(call, code);
    set_message(call, message);
    if (!*call->request_id && json_text(object, "RequestId"))
        (void) str_copy(call->request_id, sizeof call->request_id, json_text(object, "RequestId"));
    return call->error_code[0] != '\0';
}

/* A HEAD answer has no body: its status is its error. */
static bool read_status_error(struct aws_call *call, const struct aws_answer *a)
{
    static const struct {
        int status;
        const char *code;
    } codes[] = { { 301, "PermanentRedirect" },
                  { 400, "BadRequest" },
                  { 403, "AccessDenied" },
                  { 404, "NotFound" },
                  { 412, "PreconditionFailed" } };

    if (!str_eq(call->method, "HEAD"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (codes[i].status == a->http_status) {
            set_code(call, codes[i].code);
            return true;
        }
    }
    return false;
}

static void set_failure(struct aws_call *call, const struct aws_answer *a)
{
    bool is_read = read_error(call, a) || read_status_error(call, a);
    char what[80];

    if (a->http_status >= 300 && a->http_status < 500 && is_read) {
        call->outcome = AWS_REFUSED;
        call->error_class =
            aws_error_class_of(call->error_code, call->error_message, a->http_status);
        return;
    }
    call->outcome = AWS_UNKNOWN;
    call->error_class =
        is_read ? aws_error_class_of(call->error_code, call->error_message, a->http_status)
                : AWS_ERROR_SERVER;
    if (!*call->error_message) {
        (void) snprintf(what, sizeof what, "HTTP status %d%s", a->http_status,
                        is_read ? "" : " without an error that can be read");
        set_message(call, what);
    }
}

void aws_outcome_set(struct aws_call *call, const struct aws_answer *a)
{
    call->http_status = a->http_status;
    call->error_class = AWS_ERROR_NONE;
    if (!a->is_complete && !a->is_written) {
        call->outcome = AWS_REFUSED;
        call->error_class = AWS_ERROR_NOT_SENT;
        set_message(call, a->trouble);
    } else if (!a->is_complete) {
        set_unknown(call, AWS_ERROR_TRANSPORT, a->trouble);
    } else if (a->http_status >= 200 && a->http_status < 300) {
        set_success(call, a);
    } else {
        set_failure(call, a);
    }
}

void aws_outcome_not_sent(struct aws_call *call, enum aws_error_class error_class,
                          const struct err *e)
{
    call->outcome = AWS_REFUSED;
    call->error_class = error_class;
    set_message(call, e->message);
}

bool aws_is_worth_a_retry(const struct aws_call *call)
{
    if (call->outcome == AWS_DONE || call->outcome == AWS_PENDING)
        return false;
    switch (call->error_class) {
    case AWS_ERROR_NOT_SENT:
    case AWS_ERROR_TRANSPORT:
    case AWS_ERROR_THROTTLED:
    case AWS_ERROR_SERVER:
    case AWS_ERROR_LIMIT:
        return true;
    case AWS_ERROR_NONE:
    case AWS_ERROR_NOT_FOUND:
    case AWS_ERROR_EXISTS:
    case AWS_ERROR_IN_USE:
    case AWS_ERROR_INVALID:
    case AWS_ERROR_ACCESS_DENIED:
    case AWS_ERROR_CREDENTIALS:
    case AWS_ERROR_SIGNATURE_EXPIRED:
    case AWS_ERROR_OTHER:
        break;
    }
    return str_eq(call->error_code, "RequestTimeout") ||
           str_eq(call->error_code, "RequestTimeoutException");
}
