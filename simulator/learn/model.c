/*
 * model.c - counting is learning: shares, cosines of co-occurrence, and the last things a user
 * touched.
 *
 * Co-occurrence walks item -> users -> items with one dense row of counters, so memory stays
 * linear. Users per item and items per user are bounded; beyond the bound every k-th is taken.
 */
#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "steward/mem.h"

#define USERS_PER_ITEM  400
#define RECENCY         0.9F  /* weight of the next older item of a history */
#define POPULARITY_PART 0.05F /* keeps every item in the race */
#define OWN_PART        0.3F /* of what the user met already: some come back to it, some never do */
#define DOUBT           1.0  /* few meetings prove little */
#define TIMES_MAX       100  /* more visits of one user to one item say no more */
#define TREND_SHARE     10   /* the newest tenth of the time is "now" */

/* Which rows count, item by item: user lists in one array. */
struct index {
    size_t *starts;
    uint32_t *visits; /* places in the histories, item by item */
    uint32_t *counts; /* distinct users per item */
    double *lengths;  /* of the items' vectors of times */
};

static bool is_used(const struct model_options *o, const struct interaction *row)
{
    return !o || !o->is_left_out || !o->is_left_out(o->context, row);
}

static void fill_popularity(struct model *m, const struct interactions *x,
                            const struct model_options *o)
{
    int64_t first = INT64_MAX, last = INT64_MIN, border;
    AUTO_FREE float *recent = xcalloc(m->items.count, sizeof *recent);
    double total = 0, total_recent = 0;

    for (size_t i = 0; i < x->count; i++) {
        first = x->rows[i].time_s < first ? x->rows[i].time_s : first;
        last = x->rows[i].time_s > last ? x->rows[i].time_s : last;
    }
    border = x->count ? last - (last - first) / TREND_SHARE : 0;
    for (size_t i = 0; i < x->count; i++) {
        if (!is_used(o, &x->rows[i]))
            continue;
        m->popularity[x->rows[i].item] += 1;
        total += 1;
        if (x->rows[i].time_s >= border) {
            recent[x->rows[i].item] += 1;
            total_recent += 1;
        }
    }
    for (size_t i = 0; i < m->items.count; i++) {
        double before = total - total_recent, older = m->popularity[i] - recent[i];

        m->trend[i] =
            (float) ((recent[i] + 0.1) / (total_recent + 1) / ((older + 1) / (before + 1)));
        m->popularity[i] = total > 0 ? (float) (m->popularity[i] / total) : 0;
    }
}

/* Newest first, each item once; times: how often it was met, up to TIMES_MAX. */
static void fill_history(struct model *m, const struct interactions *x,
                         const struct model_options *o, uint8_t *times)
{
    for (size_t u = 0; u < m->users.count; u++) {
        uint32_t *history = m->history + u * MODEL_HISTORY;
        size_t n = 0;

        for (size_t i = x->starts[u + 1]; i > x->starts[u] && n < MODEL_HISTORY; i--) {
            const struct interaction *row = &x->rows[i - 1];
            size_t k = 0;

            if (!is_used(o, row))
                continue;
            while (k < n && history[k] != row->item)
                k++;
            if (k == n)
                history[n++] = row->item;
            if (times[u * MODEL_HISTORY + k] < TIMES_MAX)
                times[u * MODEL_HISTORY + k]++;
        }
    }
}

static struct index index_build(const struct model *m, const uint8_t *times)
{
    size_t items = m->items.count, n = m->users.count * MODEL_HISTORY;
    struct index x = { .starts = xcalloc(items + 1, sizeof *x.starts),
                       .counts = xcalloc(items, sizeof *x.counts),
                       .lengths = xcalloc(items, sizeof *x.lengths) };
    AUTO_FREE size_t *fill = NULL;

    for (size_t i = 0; i < n; i++) {
        if (m->history[i] == NO_NAME)
            continue;
        x.counts[m->history[i]]++;
        x.lengths[m->history[i]] += (double) times[i] * times[i];
    }
    for (size_t i = 0; i < items; i++)
        x.starts[i + 1] = x.starts[i] + x.counts[i];
    x.visits = xmalloc((x.starts[items] + 1) * sizeof *x.visits);
    fill = xmalloc((items + 1) * sizeof *fill);
    memcpy(fill, x.starts, (items + 1) * sizeof *fill);
    for (size_t i = 0; i < n; i++)
        if (m->history[i] != NO_NAME)
            x.visits[fill[m->history[i]]++] = (uint32_t) i;
    return x;
}

static void index_done(struct index *x)
{
    free(x->starts);
    free(x->visits);
    free(x->counts);
    free(x->lengths);
}

/* Inserts into a row of neighbours, best first; ties by number. */
static void keep_best(struct neighbour *row, uint32_t item, float similarity)
{
    size_t at = MODEL_NEIGHBOURS;

    while (at > 0 && (row[at - 1].item == NO_NAME || row[at - 1].similarity < similarity ||
                      (row[at - 1].similarity == similarity && row[at - 1].item > item)))
        at--;
    if (at == MODEL_NEIGHBOURS)
        return;
    memmove(row + at + 1, row + at, (MODEL_NEIGHBOURS - at - 1) * sizeof *row);
    row[at] = (struct neighbour){ item, similarity };
}

/* How often each other item was met; only those met are looked at afterwards. */
struct meeting {
    const uint8_t *of; /* the histories: how often */
    uint32_t *times, *met;
    size_t n_met;
};

static void fill_neighbours_of(struct model *m, const struct index *x, uint32_t item,
                               struct meeting *with)
{
    struct neighbour *row = m->neighbours + (size_t) item * MODEL_NEIGHBOURS;
    size_t n = x->counts[item], step = n > USERS_PER_ITEM ? n / USERS_PER_ITEM : 1;

    with->n_met = 0;
    for (size_t i = 0; i < n; i += step) {
        size_t visit = x->visits[x->starts[item] + i], first = visit - visit % MODEL_HISTORY;
        const uint32_t *history = m->history + first;

        for (size_t k = 0; k < MODEL_HISTORY && history[k] != NO_NAME; k++) {
            if (with->times[history[k]] == 0)
                with->met[with->n_met++] = history[k];
            with->times[history[k]] += (uint32_t) with->of[visit] * with->of[first + k];
        }
    }
    for (size_t i = 0; i < with->n_met; i++) {
        uint32_t other = with->met[i];
        double cosine = (double) with->times[other] * (double) step /
                        (sqrt(x->lengths[item] * x->lengths[other]) + DOUBT);

        if (other != item)
            keep_best(row, other, (float) (cosine > 1 ? 1 : cosine));
        with->times[other] = 0;
    }
}

static void copy_names(struct names *to, const struct names *from)
{
    for (size_t i = 0; i < from->count; i++)
        (void) names_add(to, from->texts[i]);
}

static void allocate(struct model *m)
{
    size_t users = m->users.count, items = m->items.count;

    m->popularity = xcalloc(items, sizeof *m->popularity);
    m->trend = xcalloc(items, sizeof *m->trend);
    m->neighbours = xmalloc((items * MODEL_NEIGHBOURS + 1) * sizeof *m->neighbours);
    m->history = xmalloc((users * MODEL_HISTORY + 1) * sizeof *m->history);
    memset(m->neighbours, 0xFF, items * MODEL_NEIGHBOURS * sizeof *m->neighbours);
    memset(m->history, 0xFF, users * MODEL_HISTORY * sizeof *m->history);
}

void model_train(struct model *m, const struct interactions *x, const struct model_options *options)
{
    struct meeting with;
    struct index index;
    AUTO_FREE uint8_t *times = NULL;

    *m = (struct model){ 0 };
    copy_names(&m->users, &x->users);
    copy_names(&m->items, &x->items);
    allocate(m);
    fill_popularity(m, x, options);
    times = xcalloc(m->users.count * MODEL_HISTORY + 1, sizeof *times);
    fill_history(m, x, options, times);
    with.times = xcalloc(m->items.count, sizeof *with.times);
    with.met = xcalloc(m->items.count, sizeof *with.met);
    index = index_build(m, times);
    with.of = times;
    for (uint32_t i = 0; i < m->items.count; i++)
        fill_neighbours_of(m, &index, i, &with);
    index_done(&index);
    free(with.times);
    free(with.met);
}

void model_done(struct model *m)
{
    names_done(&m->users);
    names_done(&m->items);
    free(m->popularity);
    free(m->trend);
    free(m->neighbours);
    free(m->history);
    *m = (struct model){ 0 };
}

/* ---- asking ---- */

static void add_neighbours(const struct model *m, uint32_t item, float weight, float *scores)
{
    const struct neighbour *row = m->neighbours + (size_t) item * MODEL_NEIGHBOURS;

    for (size_t i = 0; i < MODEL_NEIGHBOURS && row[i].item != NO_NAME; i++)
        scores[row[i].item] += weight * row[i].similarity;
}

static void add_share(const struct model *m, float *scores)
{
    for (size_t i = 0; i < m->items.count; i++)
        scores[i] += POPULARITY_PART * m->popularity[i];
}

static void add_tastes(const struct model *m, const uint32_t *history, float *scores)
{
    float weight = 1;

    for (size_t i = 0; i < MODEL_HISTORY && history[i] != NO_NAME; i++) {
        scores[history[i]] += weight * OWN_PART;
        add_neighbours(m, history[i], weight, scores);
        weight *= RECENCY;
    }
}

void model_score(const struct model *m, const struct model_question *q, float *scores)
{
    memset(scores, 0, m->items.count * sizeof *scores);
    switch (q->flavour) {
    case MODEL_POPULAR:
        memcpy(scores, m->popularity, m->items.count * sizeof *scores);
        return;
    case MODEL_TRENDING:
        memcpy(scores, m->trend, m->items.count * sizeof *scores);
        return;
    case MODEL_RELATED:
        if (q->item != NO_NAME)
            add_neighbours(m, q->item, 1, scores);
        for (size_t i = 0; i < m->items.count; i++)
            scores[i] *= sqrtf(sqrtf(m->popularity[i]));
        add_share(m, scores);
        if (q->item != NO_NAME)
            scores[q->item] = 0; /* an item is not similar to itself */
        return;
    case MODEL_PERSONAL:
        if (q->history)
            add_tastes(m, q->history, scores);
        else if (q->user != NO_NAME)
            add_tastes(m, m->history + (size_t) q->user * MODEL_HISTORY, scores);
        add_share(m, scores);
        return;
    }
}

static bool is_better(struct scored a, struct scored b)
{
    return a.score > b.score || (a.score == b.score && a.item < b.item);
}

/* The worst of the best is on top. */
static void sift_down(struct scored *heap, size_t n, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        struct scored t;

        if (child >= n)
            return;
        if (child + 1 < n && is_better(heap[child], heap[child + 1]))
            child++;
        if (!is_better(heap[at], heap[child]))
            return;
        t = heap[at];
        heap[at] = heap[child];
        heap[child] = t;
        at = child;
    }
}

size_t model_top(const float *scores, size_t n_scores, struct scored *out, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n_scores && n; i++) {
        struct scored s = { (uint32_t) i, scores[i] };

        if (s.score <= 0)
            continue;
        if (count < n) {
            out[count++] = s;
            if (count == n)
                for (size_t k = n / 2 + 1; k > 0; k--)
                    sift_down(out, n, k - 1);
        } else if (is_better(s, out[0])) {
            out[0] = s;
            sift_down(out, n, 0);
        }
    }
    if (count < n)
        for (size_t k = count / 2 + 1; k > 0; k--)
            sift_down(out, count, k - 1);
    for (size_t end = count; end > 1; end--) { /* heap sort: best first */
        struct scored t = out[0];

        out[0] = out[end - 1];
        out[end - 1] = t;
        sift_down(out, end - 1, 0);
    }
    return count;
}

float model_affinity(const struct model *m, uint32_t user, uint32_t item)
{
    const struct neighbour *row = m->neighbours + (size_t) item * MODEL_NEIGHBOURS;
    const uint32_t *history = m->history + (size_t) user * MODEL_HISTORY;
    float score = 0, weight = 1;

    for (size_t i = 0; i < MODEL_HISTORY && history[i] != NO_NAME; i++) {
        if (history[i] == item)
            score += weight;
        for (size_t k = 0; k < MODEL_NEIGHBOURS && row[k].item != NO_NAME; k++)
            if (row[k].item == history[i])
                score += weight * row[k].similarity;
        weight *= RECENCY;
    }
    return score;
}

/* ---- files: counts, then names, then arrays; only this program on this machine reads them ---- */

#define MAGIC UINT64_C(0x314C45444F4D5350) /* "PSMODEL1" */

static bool put(FILE *f, const void *data, size_t size)
{
    return size == 0 || fwrite(data, size, 1, f) == 1;
}

static bool get(FILE *f, void *data, size_t size)
{
    return size == 0 || fread(data, size, 1, f) == 1;
}

static bool put_names(FILE *f, const struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        if (!put(f, n->texts[i], strlen(n->texts[i]) + 1))
            return false;
    return true;
}

static bool get_names(FILE *f, struct names *n, size_t count)
{
    char *text = NULL;
    size_t capacity = 0, i;

    for (i = 0; i < count && getdelim(&text, &capacity, '\0', f) > 0; i++)
        if (names_add(n, text) != i)
            break;
    free(text);
    return i == count;
}

bool model_save(const struct model *m, FILE *to)
{
    const uint64_t head[] = { MAGIC, m->users.count, m->items.count };
    size_t users = m->users.count, items = m->items.count;

    return put(to, head, sizeof head) && put_names(to, &m->users) && put_names(to, &m->items) &&
           put(to, m->popularity, items * sizeof *m->popularity) &&
           put(to, m->trend, items * sizeof *m->trend) &&
           put(to, m->neighbours, items * MODEL_NEIGHBOURS * sizeof *m->neighbours) &&
           put(to, m->history, users * MODEL_HISTORY * sizeof *m->history);
}

bool model_load(struct model *m, FILE *from)
{
    uint64_t head[3];
    bool ok;

    *m = (struct model){ 0 };
    if (!get(from, head, sizeof head) || head[0] != MAGIC)
        return false;
    ok = get_names(from, &m->users, head[1]) && get_names(from, &m->items, head[2]);
    if (ok) {
        size_t users = m->users.count, items = m->items.count;

        allocate(m);
        ok = get(from, m->popularity, items * sizeof *m->popularity) &&
             get(from, m->trend, items * sizeof *m->trend) &&
             get(from, m->neighbours, items * MODEL_NEIGHBOURS * sizeof *m->neighbours) &&
             get(from, m->history, users * MODEL_HISTORY * sizeof *m->history);
    }
    if (!ok)
        model_done(m);
    return ok;
}
