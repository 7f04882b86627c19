/*
 * The header of each packet in a netlink capture (LINKTYPE_NETLINK of tcpdump.org): 16 bytes, with two
 * fields in use, each of two bytes in network byte order.
 */
#ifndef COOKED_H
#define COOKED_H

enum {
	COOKED_SIZE = 16,
	COOKED_HARDWARE = 2, /* ARPHRD_NETLINK */
	COOKED_PROTOCOL = 14, /* here NETLINK_CONNECTOR */
};

#endif
