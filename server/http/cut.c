/*
 * cut.c - ending a connection without an answer, as a broken network would. For the simulator's
 * faults.
 */
#include "internal.h"

void http_cut(struct http_request *rq)
{
    if (rq->conn)
        conn_shutdown(rq->conn);
    http_respond(rq, 500, NULL, NULL, 0); /* ends the request; the bytes go nowhere */
}
