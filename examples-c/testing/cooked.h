/*
 * What a packet of a netlink capture begins with (LINKTYPE_NETLINK of tcpdump.org): 16 bytes, of which
 * two pairs are in use, in network byte order.
 */
#ifndef COOKED_H
#define COOKED_H

enum {
	COOKED_SIZE = 16,
	COOKED_HARDWARE = 2, /* ARPHRD_NETLINK */
	COOKED_PROTOCOL = 14, /* here NETLINK_CONNECTOR */
};

#endif
