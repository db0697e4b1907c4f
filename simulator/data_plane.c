/*
 * data_plane.c - the events and runtime APIs: one table of paths.
 */
#include <string.h>

#include "steward/mem.h"
#include "wire.h"

static const struct {
    const char *path, *operation, *service;
    enum wire_error (*run)(struct call *c);
} routes[1];

bool data_plane_find(const char *path, const char **service, const char **operation)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (routes[i].path && str_ends(path, routes[i].path)) {
            *service = routes[i].service;
            *operation = routes[i].operation;
            return true;
        }
    }
    return false;
}

enum wire_error data_plane_call(struct call *c)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (routes[i].run && str_eq(routes[i].operation, c->operation))
            return routes[i].run(c);
    return WIRE_UNKNOWN_OPERATION;
}
