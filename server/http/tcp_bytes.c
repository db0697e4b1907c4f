/*
 * tcp_bytes.c - what the kernel has counted on a TCP socket.
 *
 * A file of its own because the kernel's struct tcp_info (with these fields) and glibc's (without)
 * exclude each other.
 */
#include "tcp_bytes.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define TCP_STATE_CLOSE_WAIT \
    8 /* the kernel's number; no header for programs has it next to these fields */

bool tcp_bytes_read(int fd, struct tcp_bytes *out)
{
    struct tcp_info info;
    socklen_t n = sizeof info;

    memset(&info, 0, sizeof info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0 ||
        n < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
        return false;
    *out = (struct tcp_bytes){ .received = info.tcpi_bytes_received,
                               .acked = info.tcpi_bytes_acked,
                               .is_half_closed = info.tcpi_state == TCP_STATE_CLOSE_WAIT };
    return true;
}
