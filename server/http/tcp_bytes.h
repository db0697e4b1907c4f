/*
 * tcp_bytes.h - what the kernel has counted on a TCP socket.
 */
#ifndef STEWARD_HTTP_TCP_BYTES_H
#define STEWARD_HTTP_TCP_BYTES_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_bytes {
    uint64_t received;   /* from the peer */
    uint64_t acked;      /* of ours, by the peer */
    bool is_half_closed; /* the peer will send nothing more */
};

/* False when the kernel does not say (no TCP socket, Linux before 4.1). */
bool tcp_bytes_read(int fd, struct tcp_bytes *out);

#endif
