/* What proto/ipaddr.c includes, where the system has no such header: see tools/windows/inet.h. */
#ifndef STELE_TOOLS_WINDOWS_ARPA_INET_H
#define STELE_TOOLS_WINDOWS_ARPA_INET_H

#include "tools/windows/inet.h"

#define AF_INET INET_FOUR
#define AF_INET6 INET_SIX
#define INET6_ADDRSTRLEN INET_TEXT_BYTES
#define inet_pton inet_read
#define inet_ntop inet_write

#endif
