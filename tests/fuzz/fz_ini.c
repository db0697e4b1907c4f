/*
 * fz_ini.c - any text as an AWS configuration file: every entry has its section, and no value shows
 * up in an error.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aws/ini.h"
#include "steward/mem.h"
#include "steward/str.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = xstrndup((const char *) data, size);
    AUTO_FREE char *with_secret =
        xasprintf("[p]\naws_secret_access_key = hunter2hunter2\n%s\nhunter2hunter2", text);
    struct err e = { 0 };
    struct ini ini;

    if (ini_parse(text, "path", &ini, &e) == OK) {
        for (size_t i = 0; i < ini.count; i++) {
            const struct ini_entry *entry = &ini.entries[i];

            check(entry->section && !entry->key == !entry->value && (entry->key || !entry->nested));
            check(ini_has_section(&ini, entry->section));
            if (entry->key)
                check(ini_get(&ini, entry->section, entry->key, entry->nested) != NULL);
        }
        ini_done(&ini);
    } else {
        check(e.message[0] && !ini.entries);
    }
    if (ini_parse(with_secret, "path", &ini, &e) == OK)
        ini_done(&ini);
    else
        check(!strstr(e.message, "hunter2") && !strstr(e.detail, "hunter2"));
    return 0;
}
