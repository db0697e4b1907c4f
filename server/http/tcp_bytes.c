/*
 * tcp_bytes.c - how many bytes a TCP socket has received so far.
 *
 * A file of its own because the kernel's struct tcp_info (with this field) and glibc's (without)
 * exclude each other.
 */
#include "tcp_bytes.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

bool tcp_bytes_received(int fd, uint64_t *bytes)
{
    struct tcp_info info;
    socklen_t n = sizeof info;

    memset(&info, 0, sizeof info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0 ||
        n < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
        return false;
    *bytes = info.tcpi_bytes_received;
    return true;
}
