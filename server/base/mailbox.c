/*
 * mailbox.c - the one way into the loop thread.
 */
#include "steward/mailbox.h"

#include <stddef.h>

static void drain(struct mailbox *box)
{
    struct mail *m;

    uv_mutex_lock(&box->lock);
    m = box->head;
    box->head = NULL;
    box->tail = &box->head;
    uv_mutex_unlock(&box->lock);
    while (m) {
        struct mail *next = m->next;

        m->deliver(m);
        m = next;
    }
}

static void on_async(uv_async_t *async)
{
    drain(async->data);
}

int mailbox_init(struct mailbox *box, uv_loop_t *loop)
{
    int rc = uv_mutex_init(&box->lock);

    if (rc)
        return rc;
    box->head = NULL;
    box->tail = &box->head;
    box->async.data = box;
    return uv_async_init(loop, &box->async, on_async);
}

void mailbox_post(struct mailbox *box, struct mail *m)
{
    m->next = NULL;
    uv_mutex_lock(&box->lock);
    *box->tail = m;
    box->tail = &m->next;
    uv_mutex_unlock(&box->lock);
    (void) uv_async_send(&box->async);
}

void mailbox_close(struct mailbox *box)
{
    drain(box);
    uv_close((uv_handle_t *) &box->async, NULL);
    uv_mutex_destroy(&box->lock);
}
