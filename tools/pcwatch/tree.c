/* The view that shows the tree of processes: live on a terminal, printed once elsewhere. */
#include "pcwatch.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DRAW_MS = 250, MARK_MS = 1000, ENDED = 16384, DEEPEST = 100, NOBODY = -1 };

/*
 * The processes that exited last. When the ring is full, a new one overwrites the oldest: a busy machine
 * fills thousands of places in the second for which an exited process is shown.
 */
static struct pc_change ended[ENDED];
static uint64_t first_drawn_ns[ENDED]; /* 0: not yet; it is shown from then on, however late that is */
static size_t ended_count; /* how many processes exited, overwritten ones included */

static struct {
	uint64_t started, ended;
	unsigned healed, deaf;
} seen;
static bool synced, dirty;
static uint64_t began_ns, drawn_ns, marks_end_ns, clock_drawn_ns;

/* ---- The tree. Node 0 is the root above all processes, which are sorted by pid and id. ---- */

struct node {
	struct pc_process process;
	const struct pc_change *end; /* NULL while the process runs */
	int parent, first_child, next;
};

static struct node *nodes;
static int node_count;

static int by_pid_and_id(const void *left, const void *right)
{
	const struct pc_process *a = &((const struct node *)left)->process;
	const struct pc_process *b = &((const struct node *)right)->process;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static int find(pid_t pid, uint64_t id)
{
	struct node key = { .process = { .pid = pid, .id = id } };
	struct node *node = !id ? NULL : bsearch(&key, nodes + 1, (size_t)node_count - 1, sizeof(key), by_pid_and_id);
	return node ? (int)(node - nodes) : NOBODY;
}

static void collect(uint64_t now)
{
	static size_t room;
	if (room < pc_table_count(table) + ENDED + 1) {
		room = 2 * pc_table_count(table) + ENDED + 1;
		nodes = realloc(nodes, room * sizeof(*nodes));
		if (!nodes)
			abort();
	}
	nodes[0] = (struct node){ .parent = NOBODY };
	node_count = 1;
	for (uint64_t cursor = 0; pc_table_each(table, &cursor, &nodes[node_count].process) == 1;)
		nodes[node_count++].end = NULL;
	size_t first = ended_count > ENDED ? ended_count - ENDED : 0;
	for (size_t i = first; i < ended_count; i++) {
		const struct pc_change *end = &ended[i % ENDED];
		if (first_drawn_ns[i % ENDED] == 0)
			first_drawn_ns[i % ENDED] = now;
		if (first_drawn_ns[i % ENDED] + MARK_MS * NS_PER_MS > now)
			nodes[node_count++] = (struct node){ .process = end->process, .end = end };
	}
	qsort(nodes + 1, (size_t)node_count - 1, sizeof(*nodes), by_pid_and_id);
}

static void link_nodes(void)
{
	for (int i = 0; i < node_count; i++)
		nodes[i].first_child = nodes[i].next = NOBODY;
	for (int i = node_count - 1; i > 0; i--) {
		struct node *node = &nodes[i];
		int parent = find(node->process.parent_pid, node->process.parent_id);
		if (parent == NOBODY && node->end)
			continue; /* the parent is gone, so this process has no place in the tree */
		node->parent = parent == NOBODY ? 0 : parent;
		node->next = nodes[node->parent].first_child;
		nodes[node->parent].first_child = i;
	}
}

/* Leaves only the process with this pid and its descendants. */
static void cut_out(pid_t pid)
{
	nodes[0].first_child = NOBODY;
	for (int i = 1; i < node_count; i++) {
		if (nodes[i].process.pid == pid) {
			nodes[i].parent = 0;
			nodes[i].next = nodes[0].first_child;
			nodes[0].first_child = i;
		}
	}
}

/* Returns the node that follows i and all descendants of i. */
static int after(int i, int *depth)
{
	for (; i != NOBODY && nodes[i].next == NOBODY; i = nodes[i].parent)
		--*depth;
	return i == NOBODY ? NOBODY : nodes[i].next;
}

static int successor(int i, int *depth)
{
	if (nodes[i].first_child == NOBODY)
		return after(i, depth);
	++*depth;
	return nodes[i].first_child;
}

static int count_below(int i)
{
	int ignored = 0, count = 0;
	for (int end = after(i, &ignored); (i = successor(i, &ignored)) != end;)
		count++;
	return count;
}

/* ---- The rows of the tree ---- */

struct row {
	int node, depth;
	int below; /* if not 0, the row shows only how many descendants have no rows of their own */
};

static struct row *rows;
static size_t row_count;

static void lay_out(int deepest)
{
	int depth = -1;
	rows = realloc(rows, 2 * (size_t)node_count * sizeof(*rows));
	if (!rows)
		abort();
	row_count = 0;
	for (int i = successor(0, &depth); i != NOBODY;) {
		rows[row_count++] = (struct row){ i, depth, 0 };
		if (depth == deepest && nodes[i].first_child != NOBODY) {
			rows[row_count++] = (struct row){ i, depth + 1, count_below(i) };
			i = after(i, &depth);
		} else {
			i = successor(i, &depth);
		}
	}
}

static void build(uint64_t now, int deepest)
{
	collect(now);
	link_nodes();
	if (options.root)
		cut_out(options.root);
	lay_out(deepest);
}

static void add_words(struct line *line, const char *words)
{
	line_add(line, words, strlen(words));
}

static void draw_branches(struct line *line, int i, int depth, bool below)
{
	static const char *const UTF8[] = { "│ ", "  ", "├─", "└─" };
	static const char *const ASCII[] = { "| ", "  ", "|-", "`-" };
	const char *const *branches = MB_CUR_MAX > 1 ? UTF8 : ASCII;
	bool last[DEEPEST + 2] = { false };
	int level = depth;
	if (below)
		last[level--] = true;
	for (; level > 0; level--, i = nodes[i].parent)
		last[level] = nodes[i].next == NOBODY;
	for (level = 1; level <= depth; level++)
		add_words(line, branches[(level == depth ? 2 : 0) + last[level]]);
}

/* Returns the escape sequence of the row's style on a terminal. */
static const char *draw_row(struct line *line, const struct row *row, uint64_t now)
{
	const struct node *node = &nodes[row->node];
	const struct pc_process *process = &node->process;
	const char *name = process_name(process);
	bool is_new = (int64_t)(now - process->user) < (int64_t)(MARK_MS * NS_PER_MS);
	char words[96], status[40], time[24];
	add_words(line, row->below ? "  " : node->end ? "- " : is_new && on_terminal ? "+ " : "  ");
	draw_branches(line, row->node, row->depth, row->below);
	if (row->below) {
		snprintf(words, sizeof(words), "(%d more below)", row->below);
		add_words(line, words);
		return "\033[2m";
	}
	line_add_name(line, name ? name : "?");
	snprintf(words, sizeof(words), "(%d)", (int)process->pid);
	add_words(line, words);
	if (node->end) {
		bool known = node->end->flags & PC_CHANGE_EXIT_CODE;
		snprintf(words, sizeof(words), " %s%s after %s",
			 status_text(node->end->exit_code, known, status),
			 is_leaders_status(node->end) ? " (the leader's)" : "",
			 run_time(process->user, node->end->timestamp_ns, time));
		add_words(line, words);
		return node->end->exit_code ? "\033[2;31m" : "\033[2m";
	}
	if (process->state & PC_PROCESS_LEADER_GONE)
		add_words(line, " without its leader");
	return is_new ? "\033[1;32m" : "";
}

/* Returns when the mark of a new or an exited process disappears; NEVER if there is no mark. */
static uint64_t end_of_mark(const struct node *node, uint64_t now)
{
	uint64_t since_ns = node->end ? first_drawn_ns[node->end - ended] : node->process.user;
	int64_t left_ns = (int64_t)(since_ns + MARK_MS * NS_PER_MS - now);
	return left_ns > 0 ? now + (uint64_t)left_ns : NEVER;
}

/* ---- Drawing on a terminal ---- */

static void put_row(size_t row, const char *style, const char *content)
{
	printf("\033[%zu;1H\033[K%s%s\033[m", row, coloured ? style : "", content);
}

static void draw_clock(uint64_t now)
{
	struct pc_stats stats;
	struct line line;
	char words[192], hidden[32] = "";
	uint64_t seconds = (now - began_ns) / NS_PER_S;
	get_table_stats(&stats);
	if (stats.hidden)
		snprintf(hidden, sizeof(hidden), " (%u hidden)", stats.hidden);
	snprintf(words, sizeof(words), "%zu processes%s +%llu -%llu, lost %llu%s%s, healed %u, %llu:%02u:%02u",
		 pc_table_count(table), hidden, (unsigned long long)seen.started, (unsigned long long)seen.ended,
		 (unsigned long long)stats.lost, seen.deaf ? " and more" : "",
		 pc_table_is_synced(table) ? "" : " (healing)", seen.healed,
		 (unsigned long long)(seconds / 3600), (unsigned)(seconds / 60 % 60),
		 (unsigned)(seconds % 60));
	line_begin(&line, screen.columns);
	add_words(&line, words);
	put_row(1, stats.lost || seen.deaf ? "\033[1;31m" : "\033[1m", line.text);
	clock_drawn_ns = now;
}

static size_t scrolled(size_t height)
{
	static long top;
	long last = row_count > height ? (long)(row_count - height) : 0;
	top += screen.scroll;
	screen.scroll = 0;
	top = top > last ? last : top;
	top = top < 0 ? 0 : top;
	return (size_t)top;
}

static void draw(uint64_t now)
{
	struct line line;
	char words[64];
	int deepest = screen.columns < 60 ? 5 : (int)(screen.columns - 40) / 2;
	build(now, deepest < DEEPEST ? deepest : DEEPEST);
	draw_clock(now);
	size_t height = screen.rows - (screen.rows > 1), top = scrolled(height);
	bool more = row_count - top > height;
	marks_end_ns = NEVER;
	for (size_t i = 0; i < height - more && top + i < row_count; i++) {
		const struct row *row = &rows[top + i];
		uint64_t end_ns = end_of_mark(&nodes[row->node], now);
		marks_end_ns = end_ns < marks_end_ns ? end_ns : marks_end_ns;
		line_begin(&line, screen.columns);
		const char *style = draw_row(&line, row, now);
		put_row(2 + i, style, line.text);
	}
	if (more) {
		snprintf(words, sizeof(words), "(%zu more rows)", row_count - top - height + 1);
		put_row(1 + height, "\033[2m", words);
	} else if (row_count - top < height) {
		printf("\033[%zu;1H\033[J", 2 + row_count - top);
	}
	drawn_ns = now;
	dirty = screen.changed = false;
}

/* Returns false while the user holds the terminal with Ctrl-S: drawing would block. */
static bool takes_output(void)
{
	struct pollfd terminal = { STDOUT_FILENO, POLLOUT, 0 };
	return poll(&terminal, 1, 0) == 1;
}

static uint64_t next_drawing_ns(void)
{
	if (!synced || !on_terminal)
		return NEVER;
	if (screen.changed)
		return 0;
	if (dirty)
		return drawn_ns + DRAW_MS * NS_PER_MS;
	return marks_end_ns;
}

/* ---- The view ---- */

static void print_once(void)
{
	struct line line;
	build(now_ns(), DEEPEST);
	for (size_t i = 0; i < row_count && !output_gone; i++) {
		line_begin(&line, MAX_COLUMNS);
		draw_row(&line, &rows[i], now_ns());
		fputs(line.text + 2, out); /* behind the column of marks */
		end_line();
	}
	if (options.root && !row_count) {
		complain("--tree", "there is no such process");
		stop(1);
	}
	stop(0);
}

static void take(const struct pc_change *change)
{
	dirty = true;
	if (change->kind == PC_CHANGE_FOUND || change->kind == PC_CHANGE_STARTED)
		pc_table_set_user(table, change->process.pid, beginning(change));
	seen.started += change->kind == PC_CHANGE_STARTED;
	if (is_end(change)) {
		seen.ended++;
		first_drawn_ns[ended_count % ENDED] = 0;
		ended[ended_count++ % ENDED] = *change;
	}
	if (change->kind != PC_CHANGE_SYNCED)
		return;
	seen.healed += synced;
	seen.deaf += change->flags & PC_CHANGE_DEAF && 1;
	if (!synced && !on_terminal)
		print_once();
	synced = true;
}

static void drain_tree(void)
{
	drain_table(take);
	uint64_t now = now_ns();
	if (!running || !synced || !on_terminal || !takes_output())
		return;
	screen_enter();
	if (next_drawing_ns() <= now)
		draw(now);
	else if (now >= clock_drawn_ns + NS_PER_S)
		draw_clock(now);
}

static int open_tree(void)
{
	began_ns = now_ns();
	if (on_terminal && isatty(STDIN_FILENO))
		listen_to(STDIN_FILENO);
	return open_table();
}

const struct view tree_view = {
	.open = open_tree,
	.check = check_table,
	.drain = drain_tree,
	.get_stats = get_table_stats,
	.wake_ns = next_drawing_ns,
	.close = close_table,
};
