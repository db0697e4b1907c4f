/*
 * mailbox.h - messages from any thread to the loop thread, over one uv_async_t.
 *
 * uv_async_send coalesces, so the receiver always drains the whole queue.
 */
#ifndef STEWARD_MAILBOX_H
#define STEWARD_MAILBOX_H

#include <uv.h>

struct mail {
    struct mail *next;
    void (*deliver)(struct mail *m); /* runs on the loop thread and owns m from then on */
};

struct mailbox {
    uv_mutex_t lock;
    uv_async_t async;
    struct mail *head, **tail;
};

int mailbox_init(struct mailbox *box, uv_loop_t *loop); /* 0 or a UV_E… code */
void mailbox_post(struct mailbox *box, struct mail *m); /* from any thread; takes m */
void mailbox_close(struct mailbox *box); /* on the loop thread; pending mail is delivered */

#endif
