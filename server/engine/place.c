/*
 * place.c - where the data of an import lies.
 */
#include <stdio.h>
#include <string.h>

#include "steward/json.h"
#include "steward/str.h"
#include "work.h"

/* train/<group>/<type>/ before train/<group>/<type>.csv, unless the file says where. */
void place_find(const struct step_row *row, struct data_place *p)
{
    const char *given = json_text(json_object_get(row->options, "source"), "dataLocation");
    const char *prefix = json_text_or(row->options, "prefix", "");
    char type[40];
    size_t n;

    str_copy(p->bucket, sizeof p->bucket, json_text_or(row->options, "bucket", ""));
    if (given && str_starts(given, "s3://")) {
        const char *slash = strchr(given + 5, '/');

        (void) snprintf(p->bucket, sizeof p->bucket, "%.*s",
                        (int) (slash ? slash - given - 5 : (long) strlen(given + 5)), given + 5);
        str_copy(p->folder, sizeof p->folder, slash ? slash + 1 : "");
        n = strlen(p->folder);
        if (n && p->folder[n - 1] == '/')
            p->folder[n - 1] = '\0';
        str_copy(p->file, sizeof p->file, p->folder);
        return;
    }
    str_copy(type, sizeof type, json_text_or(row->options, "datasetType", ""));
    for (char *t = type; *t; t++)
        *t = (char) (*t >= 'A' && *t <= 'Z' ? *t + 32 : *t);
    n = strlen(prefix);
    (void) snprintf(p->folder, sizeof p->folder, "%s%s%s", prefix,
                    n && prefix[n - 1] != '/' ? "/" : "", type);
    (void) snprintf(p->file, sizeof p->file, "%s.csv", p->folder);
}
