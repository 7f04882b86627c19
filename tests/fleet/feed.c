/* Preloaded into pcwatch: events come from the socket of descriptor 9 in place of the kernel's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <proc_connector.h>
#include <string.h>
int pc_open(struct pc_connector **out, const struct pc_options *options) { return pc_open_fd(out, 9, options); }
int pc_table_open(struct pc_table **out, const struct pc_table_options *options)
{ return pc_table_open_fd(out, 9, options); }
/* On a socket pair nothing is lost, so a COMM with this name stands for an overrun. Its pid is how many are lost. */
int pc_recv_many(struct pc_connector *pc, struct pc_event *events, size_t size, int timeout_ms)
{
	int count = ((int (*)(struct pc_connector *, struct pc_event *, size_t, int))dlsym(RTLD_NEXT, "pc_recv_many"))
		(pc, events, size, timeout_ms);
	for (int i = 0; i < count; i++) {
		if (events[i].kind != PC_EVENT_COMM || strcmp(events[i].data.comm.comm, "lost") != 0)
			continue;
		struct pc_event_overrun overrun = { .lost = events[i].data.comm.pid, .since_ns = events[i].timestamp_ns,
			.reason = events[i].data.comm.pid ? PC_LOST_QUEUE : PC_LOST_DEAF };
		events[i].kind = PC_EVENT_OVERRUN;
		events[i].data.overrun = overrun;
	}
	return count;
}
