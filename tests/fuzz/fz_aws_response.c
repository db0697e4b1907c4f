/*
 * fz_aws_response.c - any bytes as an answer of AWS: an outcome comes out, and it is a "no" or a
 * "done" only when the rules allow it; lists of objects are read or refused, never half read.
 *
 * Input: byte 0 chooses the service, byte 1 the status, byte 2 how the exchange ended; the rest is
 * the body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_private.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_list(const char *body, size_t n)
{
    struct s3_listing listing;
    struct err e = { 0 };

    if (aws_s3_parse_list(body, n, &listing, &e) != OK) {
        check(e.message[0] && !listing.objects && !listing.next_token);
        return;
    }
    for (size_t i = 0; i < listing.count; i++)
        check(listing.objects[i].key != NULL);
    aws_s3_listing_done(&listing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = { 200, 204, 206, 301, 307, 400, 403,
                                    404, 408, 429, 500, 503, 0,   100 };
    struct aws_answer answer = { .trouble = "trouble" };
    AUTO_FREE char *body = NULL;
    struct aws_call call;
    char text[200];

    if (size < 3)
        return 0;
    aws_call_init(&call, (enum aws_service)(data[0] % AWS_SERVICE_COUNT), "Operation", NULL);
    if (data[0] & 0x80)
        call.method = "HEAD";
    body = xstrndup((const char *) data + 3, size - 3);
    answer.is_complete = data[2] & 1;
    answer.is_written = answer.is_complete || data[2] & 2;
    answer.error_type = data[2] & 4 ? "a#ThrottlingException:x" : NULL;
    answer.query_error = data[2] & 8 ? body : NULL;
    answer.http_status = statuses[data[1] % ARRAY_LEN(statuses)];
    answer.body = body;
    answer.body_n = strlen(body);
    aws_outcome_set(&call, &answer);
    check(call.outcome != AWS_PENDING);
    if (call.outcome == AWS_DONE)
        check(answer.is_complete && answer.http_status / 100 == 2 &&
              call.error_class == AWS_ERROR_NONE &&
              (call.service == AWS_S3 || json_is_object(call.response)));
    else
        check(call.error_class != AWS_ERROR_NONE &&
              (call.error_message[0] || call.error_code[0] || answer.query_error));
    if (call.outcome == AWS_REFUSED)
        check(!answer.is_written || (answer.is_complete && answer.http_status / 100 >= 3 &&
                                     answer.http_status / 100 <= 4 && call.error_code[0]));
    aws_call_describe(&call, text, sizeof text);
    aws_call_done(&call);
    check_list(body, strlen(body));
    return 0;
}
