/* The Rust contestants, in peers/src/lib.rs: our own Rust face, proc-connector 0.3, cnproc 0.2. */
#ifndef PEERS_H
#define PEERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

void *face_open(uint32_t rcvbuf_bytes);
long face_recv(void *handle, long count);
long face_recv_timeout(void *handle, long count);
long face_recv_event(void *handle, long count);
long face_recv_events(void *handle, long count);
void face_close(void *handle);

void *peer_open(uint32_t rcvbuf_bytes);
long peer_recv(void *handle, long count);
long peer_recv_timeout(void *handle, long count);
int peer_fd(void *handle);
/* Counts the EXECs and EXITs of processes until the EXIT of *last. */
long peer_watch(void *handle, const pid_t *last);
void peer_close(void *handle);
/* Both take datagrams of 76 bytes, one behind the other, and return how many were events. */
long face_parse(const void *datagrams, size_t count);
long peer_parse(const void *datagrams, size_t count);

void *cnproc_open(uint32_t rcvbuf_bytes);
long cnproc_recv(void *handle, long count);
void cnproc_close(void *handle);

#endif
