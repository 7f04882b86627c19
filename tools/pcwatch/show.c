/* Shows what is known about a process: as the columns of --show, or as fields of JSON. */
#include "pcwatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT_ID = 12, WORD_MAX = 512 };

static const struct {
	uint32_t bit;
	int width;
	const char *title;
} COLUMNS[] = {
	{ SHOW_USER, 9, "USER" },
	{ SHOW_PARENT, 24, "PARENT" },
	{ SHOW_TTY, 8, "TTY" },
	{ SHOW_SESSION, 8, "SESSION" },
	{ SHOW_NSPID, 8, "NSPID" },
	{ SHOW_CONTAINER, 13, "CONTAINER" },
	{ SHOW_CGROUP, 32, "CGROUP" },
	{ SHOW_EXE, 24, "EXE" },
	{ SHOW_CWD, 24, "CWD" },
};

void show_header(void)
{
	if (!on_terminal || options.tree)
		return;
	fprintf(out, "%-12s %-8s %7s %7s %-15s ", "TIME", "EVENT", "PID", "TID", "COMM");
	for (size_t i = 0; i < sizeof(COLUMNS) / sizeof(*COLUMNS); i++)
		if (options.show & COLUMNS[i].bit)
			column(COLUMNS[i].width, COLUMNS[i].title, strlen(COLUMNS[i].title));
	fputs("DETAILS", out);
	end_line();
}

static const char *container(const struct facts *facts, char buffer[CONTAINER_MAX])
{
	return facts->cgroup.known ? container_of(facts->cgroup.bytes, buffer) : NULL;
}

/* Shows "-" for what the process does not have, and "?" for what is not known. */
static void word(int width, bool known, const char *word)
{
	word = !known ? "?" : *word ? word : "-";
	column(width, word, strlen(word));
}

/* facts: NULL if the record is about no process. */
static void show_as_text(const struct facts *facts, const char *parent_name)
{
	static const struct facts NOBODY;
	char buffer[CONTAINER_MAX], words[WORD_MAX];
	const struct facts *f = facts ? facts : &NOBODY;
	const struct relations *r = &f->relations;
	const char *name = NULL;
	for (size_t i = 0; i < sizeof(COLUMNS) / sizeof(*COLUMNS); i++) {
		int width = COLUMNS[i].width;
		if (!(options.show & COLUMNS[i].bit))
			continue;
		if (!facts) {
			word(width, true, "");
			continue;
		}
		switch (COLUMNS[i].bit) {
		case SHOW_USER:
			name = f->owner.known ? user_name(f->owner.effective) : NULL;
			snprintf(words, sizeof(words), "%u", f->owner.effective);
			word(width, f->owner.known, name ? name : words);
			break;
		case SHOW_PARENT:
			snprintf(words, sizeof(words), "%d(%s)", (int)r->parent, parent_name ? parent_name : "?");
			word(width, r->parent_known, r->parent ? words : "");
			break;
		case SHOW_TTY:
			word(width, r->terminal_known, terminal_name(r->terminal, buffer));
			break;
		case SHOW_SESSION:
			snprintf(words, sizeof(words), "%d", (int)r->session);
			word(width, r->session_known, r->session ? words : "");
			break;
		case SHOW_NSPID:
			word(width, f->nspid.known, f->nspid.bytes);
			break;
		case SHOW_CONTAINER:
			name = container(f, buffer);
			snprintf(words, sizeof(words), "%.*s", name && strlen(name) == 64 ? SHORT_ID : WORD_MAX - 1,
				 name ? name : "");
			word(width, f->cgroup.known, words);
			break;
		case SHOW_CGROUP:
			word(width, f->cgroup.known, f->cgroup.bytes);
			break;
		case SHOW_EXE:
			word(width, f->executable.known, f->executable.bytes);
			break;
		default:
			word(width, f->directory.known, f->directory.bytes);
			break;
		}
	}
}

static void text_field(uint32_t bit, const char *key, const struct text *text)
{
	if (options.show & bit)
		bytes(key, text->known ? text->bytes : NULL, text->length);
}

static void show_as_json(const struct facts *facts, const char *parent_key, const char *parent_name)
{
	char buffer[CONTAINER_MAX];
	const struct relations *r = &facts->relations;
	if (options.show & SHOW_USER) {
		number("uid", NULL, facts->owner.known, facts->owner.effective);
		string("user", NULL, facts->owner.known ? user_name(facts->owner.effective) : NULL);
	}
	if (options.show & SHOW_PARENT && parent_key) {
		number(parent_key, NULL, r->parent_known, r->parent);
		string("parent_comm", NULL, parent_name);
	}
	if (options.show & SHOW_TTY)
		string("tty", NULL, r->terminal_known ? terminal_name(r->terminal, buffer) : NULL);
	if (options.show & SHOW_SESSION)
		number("session", NULL, r->session_known, r->session);
	if (options.show & SHOW_NSPID)
		number("nspid", NULL, facts->nspid.known, facts->nspid.known ? atoi(facts->nspid.bytes) : 0);
	if (options.show & SHOW_CONTAINER) {
		const char *name = container(facts, buffer);
		string("container", NULL, facts->cgroup.known && !name ? "" : name);
	}
	text_field(SHOW_CGROUP, "cgroup", &facts->cgroup);
	text_field(SHOW_EXE, "exe", &facts->executable);
	text_field(SHOW_CWD, "cwd", &facts->directory);
}

/*
 * facts: NULL if the record is about no process. parent_key: NULL if the record itself has the parent's
 * fields in JSON. parent_name: NULL if it is not known.
 */
void show_facts(const struct facts *facts, const char *parent_key, const char *parent_name)
{
	if (!options.json)
		show_as_text(facts, parent_name);
	else if (facts)
		show_as_json(facts, parent_key, parent_name);
}

/* Arguments end with a NUL, but a process that rewrites its command line may leave the last one out. */
static void command_as_json(const char *arguments, size_t length, bool cut)
{
	bool complete = length == 0 || cut || arguments[length - 1] == '\0';
	fputs(length ? ",\"cmdline\":[" : ",\"cmdline\":null", out);
	for (size_t at = 0, size; at < length; at += size + 1) {
		size = strnlen(arguments + at, length - at);
		fputs(at ? "," : "", out);
		complete &= json_string(arguments + at, size);
	}
	if (length)
		putc(']', out);
	if (cut)
		boolean("cmdline_truncated", true, true);
	if (complete)
		return;
	fputs(",\"cmdline_bytes\":", out);
	json_base64(arguments, length);
}

void show_command(const struct facts *facts)
{
	static struct line line;
	const struct text *command = &facts->command;
	size_t length = command->known ? command->length : 0;
	if (options.json) {
		command_as_json(command->bytes, length, facts->command_cut);
		return;
	}
	line_begin(&line, room_in_line());
	for (size_t at = 0, size; at < length; at += size + 1) {
		size = strnlen(command->bytes + at, length - at);
		line_add(&line, " ", at > 0);
		line_add_argument(&line, command->bytes + at, size);
	}
	if (facts->command_cut && !line.full) /* a line that is full ends with an ellipsis already */
		line_add(&line, MB_CUR_MAX > 1 ? "…" : "...", 3);
	text(length ? line.text : "?");
}
