/*
 * sim_life_test.c - life cycles on a frozen clock, without HTTP, disk or jobs: what each kind goes
 * through, and when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim.h"
#include "steward/json.h"
#include "steward/mem.h"

#define START_MS INT64_C(1767225600000)

static struct sim sim;

static int set_up(void **state)
{
    (void) state;
    sim = (struct sim){ .settings = { .account_id = (char *) "123456789012",
                                      .region = (char *) "us-east-1",
                                      .partition = (char *) "aws",
                                      .time_scale = 1 },
                        .clock = { .base_ms = START_MS, .is_frozen = true },
                        .roles = json_object() };
    world_init(&sim.world);
    quota_defaults(sim.quotas);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    world_done(&sim.world);
    faults_clear(&sim.faults);
    json_decref(sim.roles);
    return 0;
}

static void advance(int64_t seconds)
{
    sim.clock.base_ms += seconds * 1000;
    life_advance(&sim);
}

/* Runs one operation; the answer's ARN (first member) or the error's name is kept until the next
 * call. */
static const char *run(const char *operation, const char *json)
{
    static char kept[512];
    AUTO_JSON json_t *in = json_loads(json, 0, NULL);
    struct call c = { .sim = &sim, .operation = operation, .in = in };
    enum wire_error error;

    assert_non_null(in);
    error = sim_call(&c);
    life_advance(&sim);
    (void) str_copy(kept, sizeof kept, error ? wire_error_name(error) : c.arn);
    json_decref(c.out);
    return kept;
}

static const char *status(const char *arn)
{
    const struct resource *r = world_find(&sim.world, arn);

    return r ? resource_text(r, "status") : "gone";
}

#define GROUP "arn:aws:personalize:us-east-1:123456789012:dataset-group/g"

static void test_group(void **state)
{
    (void) state;
    assert_string_equal(run("CreateDatasetGroup", "{\"name\":\"g\"}"), GROUP);
    assert_string_equal(status(GROUP), "CREATE PENDING");
    advance(4);
    assert_string_equal(status(GROUP), "CREATE PENDING");
    advance(1);
    assert_string_equal(status(GROUP), "CREATE IN_PROGRESS");
    advance(40);
    assert_string_equal(status(GROUP), "ACTIVE");
    assert_string_equal(run("DeleteDatasetGroup", "{\"datasetGroupArn\":\"" GROUP "\"}"), GROUP);
    assert_string_equal(status(GROUP), "DELETE PENDING");
    assert_string_equal(run("CreateDatasetGroup", "{\"name\":\"g\"}"),
                        "ResourceAlreadyExistsException");
    advance(120); /* a group has no DELETE IN_PROGRESS */
    assert_string_equal(status(GROUP), "gone");
    assert_string_equal(run("CreateDatasetGroup", "{\"name\":\"g\"}"), GROUP);
}

/* Stamps are the times at which transitions were due, however far the clock was moved at once. */
static void test_stamps_of_a_jump(void **state)
{
    const struct resource *r;

    (void) state;
    (void) run("CreateDatasetGroup", "{\"name\":\"g\"}");
    advance(100000);
    r = world_find(&sim.world, GROUP);
    assert_string_equal(status(GROUP), "ACTIVE");
    assert_true(json_real_value(json_object_get(r->body, "lastUpdatedDateTime")) ==
                START_MS / 1000.0 + 45);
    assert_true(json_real_value(json_object_get(r->body, "creationDateTime")) == START_MS / 1000.0);
}

static void test_time_scale(void **state)
{
    (void) state;
    sim.settings.time_scale = 10;
    (void) run("CreateDatasetGroup", "{\"name\":\"g\"}");
    sim.clock.base_ms += 4500;
    life_advance(&sim);
    assert_string_equal(status(GROUP), "ACTIVE");
    sim.settings.time_scale = 0;
    (void) run("CreateDatasetGroup", "{\"name\":\"h\"}");
    assert_string_equal(status("arn:aws:personalize:us-east-1:123456789012:dataset-group/h"),
                        "ACTIVE");
}

static void test_event_tracker_and_deletion_words(void **state)
{
    char tracker[512];

    (void) state;
    (void) run("CreateDatasetGroup", "{\"name\":\"g\"}");
    assert_string_equal(
        run("CreateEventTracker", "{\"name\":\"t\",\"datasetGroupArn\":\"" GROUP "\"}"),
        "ResourceInUseException");
    advance(60);
    (void) str_copy(
        tracker, sizeof tracker,
        run("CreateEventTracker", "{\"name\":\"t\",\"datasetGroupArn\":\"" GROUP "\"}"));
    advance(60);
    assert_string_equal(status(tracker), "ACTIVE");
    assert_string_equal(run("DeleteDatasetGroup", "{\"datasetGroupArn\":\"" GROUP "\"}"),
                        "ResourceInUseException");
    assert_string_equal(life_text(&sim_kinds[SIM_DELETION_JOB], LIFE_IN_PROGRESS), "IN_PROGRESS");
    assert_string_equal(life_text(&sim_kinds[SIM_DELETION_JOB], LIFE_ACTIVE), "COMPLETED");
    assert_string_equal(life_text(&sim_kinds[SIM_CAMPAIGN], LIFE_IN_PROGRESS),
                        "CREATE IN_PROGRESS");
}

static void test_doomed_creations_fail(void **state)
{
    struct err e;

    (void) state;
    assert_int_equal(
        fault_add(&sim.faults, "CreateDatasetGroup/g=create-failed,reason=No room", &e), OK);
    (void) run("CreateDatasetGroup", "{\"name\":\"g\"}");
    advance(60);
    assert_string_equal(status(GROUP), "CREATE FAILED");
    assert_string_equal(resource_text(world_find(&sim.world, GROUP), "failureReason"), "No room");
}

/* What a saved resource says of itself is what it was. */
static void test_resources_go_through_json(void **state)
{
    AUTO_JSON json_t *saved = NULL, *again = NULL;
    struct resource *copy;

    (void) state;
    (void) run("CreateDatasetGroup",
               "{\"name\":\"g\",\"tags\":[{\"tagKey\":\"a\",\"tagValue\":\"b\"}]}");
    saved = resource_to_json(world_find(&sim.world, GROUP));
    copy = resource_from_json(saved);
    assert_non_null(copy);
    again = resource_to_json(copy);
    assert_true(json_equal(saved, again));
    resource_free(copy);
    (void) json_object_del(saved, "arn");
    assert_null(resource_from_json(saved));
}

/* Members that only answers have cannot be smuggled in with a request. */
static void test_requests_cannot_set_answers(void **state)
{
    const struct resource *r;

    (void) state;
    (void) run(
        "CreateDatasetGroup",
        "{\"name\":\"g\",\"status\":\"ACTIVE\",\"failureReason\":\"x\",\"creationDateTime\":1}");
    r = world_find(&sim.world, GROUP);
    assert_string_equal(status(GROUP), "CREATE PENDING");
    assert_null(json_object_get(r->body, "failureReason"));
    assert_true(json_real_value(json_object_get(r->body, "creationDateTime")) > 1e9);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_group),
        TEST(test_stamps_of_a_jump),
        TEST(test_time_scale),
        TEST(test_event_tracker_and_deletion_words),
        TEST(test_doomed_creations_fail),
        TEST(test_resources_go_through_json),
        TEST(test_requests_cannot_set_answers),
    };

    mem_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
