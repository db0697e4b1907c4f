/*
 * feed_private.h - the ring of frames and its streams. Private to feed.c and stream.c.
 */
#ifndef STEWARD_FEED_PRIVATE_H
#define STEWARD_FEED_PRIVATE_H

#include "api_private.h"

#define RING_FRAMES 65536
#define RING_BYTES  (64U << 20)

struct frame {
    int64_t seq;
    char *text; /* the whole SSE frame */
    size_t n;
    char *type, *config, *run_id;
};

struct client; /* stream.c */

struct feed {
    struct api *api;
    uv_timer_t tick;
    struct frame *ring;
    uint64_t first, next; /* frames [first, next), at index % RING_FRAMES */
    size_t ring_bytes;
    int64_t last_seq; /* newest number read; meaningful once started */
    int64_t polled_ms;
    char seq_text[24];
    bool is_started, is_reading, is_poked, is_stopped, is_closed, is_timer_closed;
    struct feed_waiter *waiters;
    struct client *clients;
    size_t n_clients, n_page_readers;
};

/* ---- stream.c ---- */
void feed_pump_all(struct feed *f);
void feed_end_streams(struct feed *f);
/* Event types ("run.*") as a text array literal of LIKE patterns; caller owns. */
char *feed_like_patterns(char *const *types);
/* ---- feed.c ---- */
void feed_release(struct feed *f); /* frees once nothing refers to it any more */

#endif
