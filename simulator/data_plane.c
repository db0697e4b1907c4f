/*
 * data_plane.c - the events and runtime APIs: one table of paths, then the checks that all of them
 * share.
 */
#include "data_plane.h"

#include <string.h>

#include "steward/mem.h"
#include "wire.h"

#define EVENTS  "personalize-events"
#define RUNTIME "personalize-runtime"

static const struct {
    const char *path, *operation, *service;
    const struct service_model *model;
    enum wire_error (*run)(struct call *c);
} routes[] = {
    { "/events", "PutEvents", EVENTS, &service_personalize_events, put_events },
    { "/items", "PutItems", EVENTS, &service_personalize_events, put_items },
    { "/users", "PutUsers", EVENTS, &service_personalize_events, put_users },
    { "/actions", "PutActions", EVENTS, &service_personalize_events, put_actions },
    { "/action-interactions", "PutActionInteractions", EVENTS, &service_personalize_events,
      put_action_interactions },
    { "/recommendations", "GetRecommendations", RUNTIME, &service_personalize_runtime,
      get_recommendations },
    { "/personalize-ranking", "GetPersonalizedRanking", RUNTIME, &service_personalize_runtime,
      get_ranking },
    { "/action-recommendations", "GetActionRecommendations", RUNTIME, &service_personalize_runtime,
      get_action_recommendations },
};

bool data_plane_find(const char *path, const char **service, const char **operation)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (str_ends(path, routes[i].path)) {
            *service = routes[i].service;
            *operation = routes[i].operation;
            return true;
        }
    }
    return false;
}

const struct service_model *data_plane_model(const char *service)
{
    return str_eq(service, EVENTS) ? &service_personalize_events : &service_personalize_runtime;
}

enum wire_error data_plane_call(struct call *c)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (str_eq(routes[i].operation, c->operation)) {
            c->model = service_operation_find(routes[i].model, c->operation);
            c->now_ms = sim_now_ms(c->sim);
            PASS(call_check_input(c));
            return routes[i].run(c);
        }
    }
    return call_fail(c, WIRE_UNKNOWN_OPERATION, "The operation %.100s is not known.", c->operation);
}
