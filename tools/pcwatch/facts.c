/* Reads what /proc shows about a process, besides its name and ids. */
#include "pcwatch.h"

#include <stdlib.h>
#include <string.h>

enum { PATH_ROOM = 4096, TEXTS = 4 };

static void keep(struct text *text, const char *bytes, size_t length)
{
	free(text->bytes);
	text->bytes = malloc(length + 1);
	if (!text->bytes)
		abort();
	memcpy(text->bytes, bytes, length);
	text->bytes[length] = '\0';
	text->length = length;
	text->known = true;
}

/*
 * Reads the command line, for all of pcwatch. pc_process_texts_of() would also check whose it is, with five more
 * system calls. The check is not needed: an event has just named the process, so it still has its pid. And the calls
 * take time in which a short program exits, so its command line would be missed.
 */
void read_command(pid_t pid, struct facts *facts)
{
	static char *buffer;
	if (!buffer && !(buffer = malloc(options.command_bytes + 2)))
		abort();
	size_t length = read_proc(pid, "cmdline", buffer, options.command_bytes + 2);
	facts->command.known = false;
	facts->command_cut = length > options.command_bytes;
	if (length > 0)
		keep(&facts->command, buffer, facts->command_cut ? options.command_bytes : length);
}

/* A kernel thread has no executable: then the text is known, and empty. */
static void take_text(struct text *text, const struct pc_text *read)
{
	text->known = false;
	if (read->error == 0 && read->length < read->size)
		keep(text, read->buffer, read->length);
	else if (read->error == -ENODATA)
		keep(text, "", 0);
}

/* Reads what pc_process_texts_of() can read. All texts are those of one process. */
static void read_paths(pid_t pid, uint32_t wanted, struct facts *facts)
{
	static const struct {
		uint32_t wanted, what;
	} KINDS[TEXTS] = {
		{ SHOW_EXE, PC_TEXT_EXECUTABLE },
		{ SHOW_CWD, PC_TEXT_DIRECTORY },
		{ SHOW_CGROUP | SHOW_CONTAINER, PC_TEXT_CGROUP },
		{ SHOW_NSPID, PC_TEXT_NSPID },
	};
	static char buffers[TEXTS][PATH_ROOM];
	struct text *kept[] = { &facts->executable, &facts->directory, &facts->cgroup, &facts->nspid };
	struct text *asked[TEXTS];
	struct pc_text texts[TEXTS];
	size_t count = 0;
	for (size_t i = 0; i < TEXTS; i++) {
		if (!(wanted & KINDS[i].wanted))
			continue;
		texts[count] = (struct pc_text){ KINDS[i].what, 0, buffers[i], PATH_ROOM, 0 };
		asked[count++] = kept[i];
	}
	/* If an event has just named the process, only the pid is known, and has no other owner yet. */
	struct pc_process process = { .pid = pid,
				      .start_boottime_ns = facts->start_boottime_ns,
				      .pidfd_inode = facts->pidfd_inode };
	if (count == 0 || pc_process_texts_of(&process, texts, count) == -EINVAL)
		return;
	for (size_t i = 0; i < count; i++)
		take_text(asked[i], &texts[i]);
}

/* wanted: SHOW_* bits. What cannot be read is not known afterwards. */
void read_facts(pid_t pid, uint32_t wanted, struct facts *facts)
{
	if (wanted & (SHOW_PARENT | SHOW_TTY | SHOW_SESSION))
		facts->relations = read_relations(pid);
	read_paths(pid, wanted, facts);
}

/* Forgets everything, and keeps the memory for the next process. */
void clear_facts(struct facts *facts)
{
	struct text *texts[] = { &facts->command, &facts->executable, &facts->directory, &facts->cgroup,
				 &facts->nspid };
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		texts[i]->known = false;
	facts->relations = (struct relations){ 0 };
	facts->owner.known = facts->command_cut = false;
	facts->start_boottime_ns = facts->pidfd_inode = 0;
}

void free_facts(struct facts *facts)
{
	free(facts->command.bytes);
	free(facts->executable.bytes);
	free(facts->directory.bytes);
	free(facts->cgroup.bytes);
	free(facts->nspid.bytes);
}
