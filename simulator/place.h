/*
 * place.h - "s3://bucket/key" taken apart. Pure.
 */
#ifndef SIMULATOR_PLACE_H
#define SIMULATOR_PLACE_H

#include <stdbool.h>

#define S3_PLACE_BYTES 260

struct s3_place {
    char bucket[64],
        key[S3_PLACE_BYTES]; /* key "" is the whole bucket; ends with '/' for a folder */
};

/* False when the text is no s3:// location with a bucket. */
bool s3_place_parse(const char *location, struct s3_place *out);
/* Ends with '/', or names no file (no extension): the service takes it for a folder. */
bool s3_place_is_folder(const struct s3_place *place);

#endif
