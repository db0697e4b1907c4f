/*
 * tcp_bytes.h - how many bytes a TCP socket has received so far, as the kernel counts.
 */
#ifndef STEWARD_HTTP_TCP_BYTES_H
#define STEWARD_HTTP_TCP_BYTES_H

#include <stdbool.h>
#include <stdint.h>

/* False when the kernel does not say (no TCP socket, Linux before 4.1). */
bool tcp_bytes_received(int fd, uint64_t *bytes);

#endif
