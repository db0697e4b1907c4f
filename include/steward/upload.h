/*
 * upload.h - what an object in S3 means to us: a parameter file, data of a config, or nothing.
 * Pure.
 *
 * The layout is the AWS solution's: parameter files train/<anything>.json; data beside them,
 * <type>.csv or <type>/<part>.csv. The S3 watch, the queue and triggers ask the same questions
 * here.
 */
#ifndef STEWARD_UPLOAD_H
#define STEWARD_UPLOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "steward/err.h"
#include "steward/parameter_file.h"
#include "steward/plan.h"

/*
 * The objects that a notification says were created: [{bucket, key}], keys decoded. Takes an S3
 * event record list, the same inside an SNS notification, and EventBridge's "Object Created"; other
 * events of S3 (and its test event) give an empty list. ERR_INVALID: it is none of these. Caller
 * owns *list.
 */
MUST_USE enum err_code upload_read_notification(const json_t *body, json_t **list, struct err *e);

/* Where parameter files and data are looked for: the server's --prefix, or train/. */
const char *upload_root(const char *prefix);
/* root + anything + ".json" */
bool upload_is_parameter_file(const char *root, const char *key);

/* Where a config's data lies: bucket and prefix with the server's settings filled in; source: the
 * dataLocation of a dataset (s3://bucket/path) instead of both. */
struct upload_place {
    const char *config, *bucket, *prefix, *source;
};
/* Whether the object is data that an import of the config would read. */
bool upload_is_data(const struct upload_place *place, const char *bucket, const char *key);

/* The same for all datasets of a file. */
bool upload_is_data_of(const struct parameter_file *f, const struct plan_settings *settings,
                       const char *bucket, const char *key);

/*
 * A parameter file's data lies beside it: when the document does not say where and the folder is
 * not the one that would be looked into anyway, deployment.prefix is put into the document. name:
 * of the dataset group; prefix: the server's --prefix, NULL: none.
 */
void upload_settle_document(json_t *document, const char *name, const char *prefix,
                            const char *key);

/* What is wrong with a file, as sentences: [text]; at most 50 of 300 characters. Caller owns. */
json_t *upload_errors(const struct findings *f);

#endif
