/*
 * s3_error.c - the table of S3's errors: code, status, words; one row per error.
 *
 * Clients act on the code, so every code here is one that S3 itself uses for the situation.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "s3_internal.h"
#include "steward/log.h"

static const struct s3_error errors[S3_CODE_COUNT] = {
    [S3_OK] = { "OK", 200, "" },
    [S3_ACCESS_DENIED] = { "AccessDenied", 403, "Access Denied" },
    [S3_BAD_DIGEST] = { "BadDigest", 400,
                        "The Content-MD5 you specified did not match what we received." },
    [S3_BUCKET_ALREADY_OWNED] = { "BucketAlreadyOwnedByYou", 409,
                                  "Your previous request to create the named bucket succeeded and "
                                  "you already own it." },
    [S3_BUCKET_NOT_EMPTY] = { "BucketNotEmpty", 409,
                              "The bucket you tried to delete is not empty" },
    [S3_CHECKSUM_MISMATCH] = { "BadDigest", 400,
                               "The checksum you specified did not match the calculated "
                               "checksum." },
    [S3_ENTITY_TOO_LARGE] = { "EntityTooLarge", 400,
                              "Your proposed upload exceeds the maximum allowed size" },
    [S3_ENTITY_TOO_SMALL] = { "EntityTooSmall", 400,
                              "Your proposed upload is smaller than the minimum allowed size" },
    [S3_INCOMPLETE_BODY] = { "IncompleteBody", 400,
                             "You did not provide the number of bytes specified by the "
                             "Content-Length HTTP header" },
    [S3_INTERNAL_ERROR] = { "InternalError", 500,
                            "We encountered an internal error. Please try again." },
    [S3_INVALID_ACCESS_KEY] = { "InvalidAccessKeyId", 403,
                                "The AWS Access Key Id you provided does not exist in our "
                                "records." },
    [S3_INVALID_ARGUMENT] = { "InvalidArgument", 400, "Invalid Argument" },
    [S3_INVALID_BUCKET_NAME] = { "InvalidBucketName", 400, "The specified bucket is not valid." },
    [S3_INVALID_DIGEST] = { "InvalidDigest", 400, "The Content-MD5 you specified was invalid." },
    [S3_INVALID_LOCATION] = { "InvalidLocationConstraint", 400,
                              "The specified location-constraint is not valid" },
    [S3_INVALID_PART] = { "InvalidPart", 400,
                          "One or more of the specified parts could not be found. The part may "
                          "not have been uploaded, or the specified entity tag may not match the "
                          "part's entity tag." },
    [S3_INVALID_PART_ORDER] = { "InvalidPartOrder", 400,
                                "The list of parts was not in ascending order. Parts must be "
                                "ordered by part number." },
    [S3_INVALID_RANGE] = { "InvalidRange", 416, "The requested range is not satisfiable" },
    [S3_INVALID_REQUEST] = { "InvalidRequest", 400, "Invalid Request" },
    [S3_INVALID_TOKEN] = { "InvalidArgument", 400, "The continuation token provided is incorrect" },
    [S3_INVALID_URI] = { "InvalidURI", 400, "Couldn't parse the specified URI." },
    [S3_KEY_TOO_LONG] = { "KeyTooLongError", 400, "Your key is too long" },
    [S3_MALFORMED_AUTHORIZATION] = { "AuthorizationHeaderMalformed", 400,
                                     "The authorization header that you provided is not valid." },
    [S3_MALFORMED_XML] = { "MalformedXML", 400,
                           "The XML you provided was not well-formed or did not validate against "
                           "our published schema" },
    [S3_METADATA_TOO_LARGE] = { "MetadataTooLarge", 400,
                                "Your metadata headers exceed the maximum allowed metadata size" },
    [S3_METHOD_NOT_ALLOWED] = { "MethodNotAllowed", 405,
                                "The specified method is not allowed against this resource." },
    [S3_NO_SUCH_BUCKET] = { "NoSuchBucket", 404, "The specified bucket does not exist" },
    [S3_NO_SUCH_KEY] = { "NoSuchKey", 404, "The specified key does not exist." },
    [S3_NO_SUCH_UPLOAD] = { "NoSuchUpload", 404,
                            "The specified upload does not exist. The upload ID may be invalid, or "
                            "the upload may have been aborted or completed." },
    [S3_NOT_IMPLEMENTED] = { "NotImplemented", 501,
                             "A header or query you provided implies functionality that is not "
                             "implemented" },
    [S3_NOT_MODIFIED] = { "NotModified", 304, "" },
    [S3_PRECONDITION_FAILED] = { "PreconditionFailed", 412,
                                 "At least one of the pre-conditions you specified did not hold" },
    [S3_REQUEST_EXPIRED] = { "AccessDenied", 403, "Request has expired" },
    [S3_SIGNATURE_MISMATCH] = { "SignatureDoesNotMatch", 403,
                                "The request signature we calculated does not match the signature "
                                "you provided. Check your key and signing method." },
    [S3_TIME_TOO_SKEWED] = { "RequestTimeTooSkewed", 403,
                             "The difference between the request time and the current time is too "
                             "large." },
    [S3_SHA256_MISMATCH] = { "XAmzContentSHA256Mismatch", 400,
                             "The provided 'x-amz-content-sha256' header does not match what was "
                             "computed." },
};

const struct s3_error *s3_error_of(enum s3_code code)
{
    assert((unsigned) code < S3_CODE_COUNT && errors[code].code);
    return &errors[code];
}

enum err_code s3_err(struct err *e, enum s3_code code, const struct s3_location *at)
{
    const struct s3_error *row = s3_error_of(code);
    enum err_code as = row->status >= 500   ? ERR_INTERNAL
                       : row->status == 404 ? ERR_NOT_FOUND
                       : row->status == 409 ? ERR_CONFLICT
                                            : ERR_INVALID;

    if (code == S3_OK)
        return OK;
    err_set(e, as, "s3://%s/%s: %s", at->bucket, at->key ? at->key : "", row->message);
    return err_detail(e, "%s", row->code);
}

enum s3_code s3_broken(const char *doing, const char *path)
{
    log_event(LOG_ERROR, "s3", "disk", "doing=%s path=%s msg=%s", log_quote(doing), log_quote(path),
              log_quote(strerror(errno)));
    return S3_INTERNAL_ERROR;
}
