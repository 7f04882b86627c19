#!/bin/sh
# Prints the address of the Debian mirror that this machine uses.
cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
	tr ' ' '\n' | sed -n 's|^\(http.*/debian\)/*$|\1|p' | head -n 1
