/*
 * place.c - S3 locations as the service takes them.
 */
#include "place.h"

#include <string.h>

#include "steward/str.h"

bool s3_place_parse(const char *location, struct s3_place *out)
{
    const char *bucket, *slash;
    size_t n;

    if (!location || !str_starts(location, "s3://"))
        return false;
    bucket = location + strlen("s3://");
    slash = strchr(bucket, '/');
    n = slash ? (size_t) (slash - bucket) : strlen(bucket);
    if (n < 3 || n >= sizeof out->bucket || strlen(location) >= S3_PLACE_BYTES)
        return false;
    if (strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") < n)
        return false;
    memcpy(out->bucket, bucket, n);
    out->bucket[n] = '\0';
    (void) str_copy(out->key, sizeof out->key, slash ? slash + 1 : "");
    return true;
}

bool s3_place_is_folder(const struct s3_place *place)
{
    const char *name = strrchr(place->key, '/');

    name = name ? name + 1 : place->key;
    return !*name || !strchr(name, '.');
}
