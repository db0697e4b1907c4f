/*
 * sim_learn_test.c - what the simulator's models learn: counting, neighbours, ranking, measures,
 * files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "learn/metrics.h"
#include "learn/model.h"
#include "steward/mem.h"

static void add(struct interactions *x, const char *user, const char *item, int64_t time_s)
{
    interactions_add(x, &(struct interaction_texts){ user, item, "click", time_s });
}

static void test_names(void **state)
{
    struct names n = { 0 };

    (void) state;
    assert_int_equal(names_find(&n, "a"), NO_NAME);
    for (uint32_t i = 0; i < 1000; i++) {
        char text[16];

        (void) snprintf(text, sizeof text, "n%u", i);
        assert_int_equal(names_add(&n, text), i);
        assert_int_equal(names_add(&n, text), i);
    }
    assert_int_equal(names_find(&n, "n999"), 999);
    assert_int_equal(names_find(&n, "n1000"), NO_NAME);
    names_done(&n);
}

static void test_interactions_are_sorted_and_unrepeated(void **state)
{
    struct interactions x = { 0 };

    (void) state;
    add(&x, "b", "i1", 5);
    add(&x, "a", "i2", 9);
    add(&x, "a", "i1", 3);
    add(&x, "a", "i2", 9); /* the same again */
    interactions_finish(&x);
    assert_int_equal(x.count, 3);
    assert_int_equal(x.starts[0], 0); /* b came first */
    assert_int_equal(x.starts[1], 1);
    assert_int_equal(x.starts[2], 3);
    assert_int_equal(x.rows[1].time_s, 3);
    interactions_done(&x);
}

/* Two circles of users, each with its own items. */
static void two_tastes(struct interactions *x)
{
    for (int u = 0; u < 40; u++) {
        char user[16], item[16];

        (void) snprintf(user, sizeof user, "u%d", u);
        for (int n = 0; n < 6; n++) {
            (void) snprintf(item, sizeof item, "i%d", (u * 3 + n * 3) % 10 * 2 + u % 2);
            add(x, user, item, u + n * 100);
        }
    }
    interactions_finish(x);
}

static void test_tastes_are_learned(void **state)
{
    struct interactions x = { 0 };
    struct model m;
    struct scored best[5];
    float *scores;

    (void) state;
    two_tastes(&x);
    model_train(&m, &x, NULL);
    scores = xcalloc(m.items.count, sizeof *scores);
    model_score(
        &m, &(struct model_question){ MODEL_PERSONAL, names_find(&m.users, "u4"), NO_NAME, NULL },
        scores);
    assert_int_equal(model_top(scores, m.items.count, best, 5), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(
            (m.items.texts[best[i].item][strlen(m.items.texts[best[i].item]) - 1] - '0') % 2, 0);
        assert_true(i == 0 || best[i - 1].score >= best[i].score);
    }
    model_score(
        &m, &(struct model_question){ MODEL_RELATED, NO_NAME, names_find(&m.items, "i3"), NULL },
        scores);
    assert_true(scores[names_find(&m.items, "i3")] <= 0); /* not similar to itself */
    assert_int_equal(model_top(scores, m.items.count, best, 1), 1);
    assert_int_equal(
        (m.items.texts[best[0].item][strlen(m.items.texts[best[0].item]) - 1] - '0') % 2, 1);
    assert_true(model_affinity(&m, names_find(&m.users, "u1"), names_find(&m.items, "i3")) >
                model_affinity(&m, names_find(&m.users, "u2"), names_find(&m.items, "i3")));
    free(scores);
    model_done(&m);
    interactions_done(&x);
}

/* A click astray is not a taste. Neighbours once counted users only: where each circle strayed once
   to the other's favourite, that favourite was the nearest neighbour of all, and users were
   recommended what they did not like. */
static void test_often_says_more_than_once(void **state)
{
    struct interactions x = { 0 };
    struct model m;
    struct scored best[2];
    float scores[4];

    (void) state;
    for (int u = 0; u < 40; u++) {
        const char *const own[] = { u % 2 ? "odd-1" : "even-1", u % 2 ? "odd-2" : "even-2" };
        char user[16];

        (void) snprintf(user, sizeof user, "u%d", u);
        for (int n = 0; n < 9; n++)
            for (int k = 0; k < 2; k++)
                add(&x, user, own[k], n * 10 + k);
        add(&x, user, u % 2 ? "even-1" : "odd-1", 50);
    }
    interactions_finish(&x);
    model_train(&m, &x, NULL);
    model_score(
        &m,
        &(struct model_question){ MODEL_RELATED, NO_NAME, names_find(&m.items, "even-1"), NULL },
        scores);
    assert_int_equal(model_top(scores, m.items.count, best, 2), 2);
    assert_string_equal(m.items.texts[best[0].item], "even-2");
    model_score(
        &m, &(struct model_question){ MODEL_PERSONAL, names_find(&m.users, "u1"), NO_NAME, NULL },
        scores);
    assert_int_equal(model_top(scores, m.items.count, best, 2), 2);
    assert_memory_equal(m.items.texts[best[0].item], "odd", 3);
    assert_memory_equal(m.items.texts[best[1].item], "odd", 3);
    model_done(&m);
    interactions_done(&x);
}

static void test_top_agrees_with_sorting(void **state)
{
    float scores[500];
    struct scored best[500];
    uint32_t dice = 1;

    (void) state;
    for (size_t i = 0; i < 500; i++) {
        dice = dice * 1664525 + 1013904223;
        scores[i] = (float) (dice >> 24) - 20; /* some below zero, many equal */
    }
    for (size_t n = 0; n <= 500; n += 7) {
        size_t count = model_top(scores, 500, best, n);

        assert_true(count <= n);
        for (size_t i = 0; i < count; i++) {
            size_t better = 0;

            for (size_t k = 0; k < 500; k++)
                better +=
                    scores[k] > best[i].score || (scores[k] == best[i].score && k < best[i].item);
            assert_int_equal(better, i);
        }
    }
}

static void test_measures_of_a_ranking(void **state)
{
    const bool hits[] = { false, true, false, true };
    const struct ranking r = { hits, 4, 2 }, none = { hits, 0, 2 };

    (void) state;
    assert_true(metrics_reciprocal_rank(&r, 25) == 0.5);
    assert_true(metrics_reciprocal_rank(&r, 1) == 0);
    assert_true(metrics_precision(&r, 5) == 2.0 / 5);
    /* (1/log2(3) + 1/log2(5)) / (1 + 1/log2(3)) */
    assert_true(metrics_ndcg(&r, 5) > 0.6508 && metrics_ndcg(&r, 5) < 0.6511);
    assert_true(metrics_ndcg(&none, 5) == 0 && metrics_precision(&none, 5) == 0);
}

static void test_metrics_repeat_and_rank_recipes(void **state)
{
    struct interactions x = { 0 };
    struct metrics personal, again, popular;

    (void) state;
    two_tastes(&x);
    metrics_measure(&x, &(struct metrics_options){ .flavour = MODEL_PERSONAL }, &personal);
    metrics_measure(&x, &(struct metrics_options){ .flavour = MODEL_PERSONAL }, &again);
    metrics_measure(&x, &(struct metrics_options){ .flavour = MODEL_POPULAR }, &popular);
    assert_memory_equal(&personal, &again, sizeof personal);
    assert_int_equal(personal.n_tested, 40);
    assert_true(personal.ndcg[2] > popular.ndcg[2]);
    assert_true(personal.area_under_curve > 0.5);
    interactions_done(&x);
}

static void test_models_go_through_files(void **state)
{
    struct interactions x = { 0 };
    struct model m, back;
    FILE *f = tmpfile();

    (void) state;
    assert_non_null(f);
    two_tastes(&x);
    model_train(&m, &x, NULL);
    assert_true(model_save(&m, f));
    rewind(f);
    assert_true(model_load(&back, f));
    assert_int_equal(back.items.count, m.items.count);
    assert_memory_equal(back.neighbours, m.neighbours,
                        m.items.count * MODEL_NEIGHBOURS * sizeof *m.neighbours);
    assert_memory_equal(back.history, m.history, m.users.count * MODEL_HISTORY * sizeof *m.history);
    model_done(&back);
    assert_int_equal(ftruncate(fileno(f), 200), 0);
    rewind(f);
    assert_false(model_load(&back, f));
    (void) fclose(f);
    model_done(&m);
    interactions_done(&x);
}

static void test_nothing_is_learned_from_nothing(void **state)
{
    struct interactions x = { 0 };
    struct metrics metrics;
    struct model m;

    (void) state;
    interactions_finish(&x);
    model_train(&m, &x, NULL);
    assert_int_equal(m.items.count, 0);
    metrics_measure(&x,
                    &(struct metrics_options){ .flavour = MODEL_PERSONAL, .with_segments = true },
                    &metrics);
    assert_int_equal(metrics.n_tested, 0);
    model_done(&m);
    interactions_done(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_interactions_are_sorted_and_unrepeated),
        cmocka_unit_test(test_tastes_are_learned),
        cmocka_unit_test(test_often_says_more_than_once),
        cmocka_unit_test(test_top_agrees_with_sorting),
        cmocka_unit_test(test_measures_of_a_ranking),
        cmocka_unit_test(test_metrics_repeat_and_rank_recipes),
        cmocka_unit_test(test_models_go_through_files),
        cmocka_unit_test(test_nothing_is_learned_from_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
