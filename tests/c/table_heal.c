/* What a table makes of losses, of a deaf kernel, and of faults. */
#include "follower.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { SMALL_QUEUE = 65536, MORE = 500 }; /* bytes, of which an event takes some 800 */

/* The reader is stalled, and the queue full: what happens until it reads is not told by events. */
static uint64_t fill_queue(struct follower *f)
{
	hear_all(f);
	uint64_t since = now_ns();
	for (int i = 0; i < MORE; i++)
		rename_self(i % 2 ? "full" : "up");
	return since;
}

static bool is_readable(const struct follower *f)
{
	struct pollfd poll_set = { .fd = pc_table_fd(f->table), .events = POLLIN };
	return poll(&poll_set, 1, 0) == 1;
}

/* The changes of this pid, which must all be recovered ones, from the told number `from` on. */
static const char *recovered(const struct follower *f, size_t from, pid_t pid)
{
	static char letters[256];
	size_t length = 0;
	for (size_t i = from; i < f->count && length < sizeof(letters) - 1; i++) {
		if (f->told[i].process.pid != pid)
			continue;
		if (f->told[i].flags != PC_CHANGE_RECOVERED)
			fail(__FILE__, __LINE__, "change %u is not RECOVERED: %s", f->told[i].kind,
			     history(f, pid));
		letters[length++] = letter_of(&f->told[i]);
	}
	letters[length] = '\0';
	return letters;
}

static void check_lost(struct follower *f, uint64_t opened)
{
	uint64_t lost = 0;
	hear_all(f);
	for (size_t i = 0; i < f->count; i++) {
		const struct pc_change *change = &f->told[i];
		if (change->kind == PC_CHANGE_UNSYNCED) {
			CHECK_EQ(change->lost > 0, change->since_ns > 0);
			continue;
		}
		if (change->kind != PC_CHANGE_SYNCED) {
			CHECK_EQ(change->lost, 0);
			CHECK_EQ(change->since_ns, 0);
			continue;
		}
		lost += change->lost;
		CHECK_EQ(change->lost > 0, change->since_ns > 0);
		CHECK(change->lost == 0 ||
		      (change->since_ns >= opened && change->since_ns < change->timestamp_ns));
		CHECK_EQ(change->flags & PC_CHANGE_DEAF, 0);
	}
	CHECK_EQ(lost, table_stats(f).lost);
}

PROMISE(lost, "after a loss the table reports all that happened in it as RECOVERED, then SYNCED with the number lost; it then agrees with /proc")
{
	uint64_t opened = now_ns();
	struct follower f = open_follower(TABLE_OPTIONS(.rcvbuf_bytes = SMALL_QUEUE));
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	struct puppet many = start_puppet(), dying = start_puppet(), orphaning = start_puppet();
	struct puppet leaderless = start_puppet(), thread = start_puppet();
	pid_t orphan = order(&orphaning, 'f');
	await_change(&f, PC_CHANGE_STARTED, orphan);
	struct pc_process old = look_up(&f, many.pid);
	for (const pid_t *pid = (pid_t[]){ many.pid, dying.pid, 0 }; *pid; pid++)
		CHECK_EQ(pc_table_set_user(f.table, *pid, 9), 0);

	uint64_t since = fill_queue(&f);
	size_t from = f.count;
	for (const char *orders = "sugx"; *orders; orders++)
		order(&many, *orders);
	dismiss(&dying, 'q');
	dismiss(&orphaning, 'q');
	order(&leaderless, 'l');
	order(&thread, 'X');
	struct puppet fresh = start_puppet();
	pid_t gone = order(&fresh, 'F');
	uint64_t until = now_ns();
	struct pc_change synced = await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK(synced.lost > 0);
	CHECK(synced.flags & PC_CHANGE_RECOVERED);
	CHECK(synced.since_ns < until && synced.timestamp_ns > until);
	CHECK(synced.since_ns >= since - 1000000000u);
	const char *changes = recovered(&f, from, many.pid);
	if (strlen(changes) != 3 || !strchr(changes, 'X') || !strchr(changes, 'I') ||
	    !strchr(changes, 'C'))
		fail(__FILE__, __LINE__, "\"%s\", not X, I and C in any order", changes);
	CHECK_TEXT(recovered(&f, from, dying.pid), "V");
	CHECK_TEXT(recovered(&f, from, orphaning.pid), "V");
	CHECK_HISTORY(&f, orphan, "SP");
	CHECK_TEXT(recovered(&f, from, leaderless.pid), "");
	CHECK_TEXT(recovered(&f, from, thread.pid), "X");
	CHECK_TEXT(recovered(&f, from, fresh.pid), "S");
	CHECK_TEXT(recovered(&f, from, gone), "");
	struct pc_process now = look_up(&f, many.pid);
	CHECK(now.id == old.id && now.user == 9 && now.session == many.pid);
	CHECK_EQ(look_up(&f, orphan).parent_id, look_up(&f, getpid()).id);
	CHECK_EQ(look_up(&f, fresh.pid).parent_id, look_up(&f, getpid()).id);
	CHECK_EQ(look_up(&f, leaderless.pid).state, PC_PROCESS_LEADER_GONE);
	for (size_t i = from; i < f.count; i++)
		CHECK(f.told[i].process.pid != dying.pid || f.told[i].process.user == 9);
	check_table_is_proc(&f);

	/* From here on events tell again. */
	for (const struct puppet *puppet =
		     (struct puppet[]){ many, leaderless, thread, fresh, { 0 } };
	     puppet->pid; puppet++) {
		CHECK_EQ(dismiss(puppet, 'q'), 3 << 8);
		await_end(&f, puppet->pid);
	}
	kill(orphan, SIGKILL);
	end_child(orphan);
	check_table_is_proc(&f);
	check_lost(&f, opened);
	close_follower(&f);
}

PROMISE(lost_name, "the table recovers a renaming whose event was lost; and an exec, whichever fields are asked for")
{
	static const uint32_t fields[] = { 0, PC_FIELD_COMM, PC_FIELD_CREDENTIALS, PC_FIELD_PARENT };
	for (size_t i = 0; i < 4; i++) {
		struct follower f = open_follower(
			TABLE_OPTIONS(.rcvbuf_bytes = SMALL_QUEUE, .fields = fields[i]));
		struct puppet renamed = start_puppet(), execed = start_puppet();
		await_change(&f, PC_CHANGE_STARTED, execed.pid);
		hear_all(&f);
		size_t from = f.count;
		pid_t filler;
		for (int n = 0; n < MORE / 4; n++) /* two events each; valgrind is slow at this */
			if ((filler = vfork()) == 0)
				_exit(0);
			else
				end_child(filler);
		order(&renamed, 'n');
		order(&execed, 'x');
		CHECK(await_change(&f, PC_CHANGE_SYNCED, 0).lost > 0);
		CHECK_TEXT(recovered(&f, from, renamed.pid), i < 2 ? "N" : "");
		CHECK_TEXT(recovered(&f, from, execed.pid), "X");
		dismiss(&renamed, 'q');
		dismiss(&execed, 'q');
		close_follower(&f);
	}
}

PROMISE(lost_parent, "an orphan whose parent exited in a loss is reported as REPARENTED and RECOVERED")
{
	struct follower f = open_follower(TABLE_OPTIONS(.rcvbuf_bytes = SMALL_QUEUE));
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	struct puppet puppet = start_puppet();
	pid_t orphan = order(&puppet, 'f');
	await_change(&f, PC_CHANGE_STARTED, orphan);
	fill_queue(&f);
	size_t from = f.count;
	dismiss(&puppet, 'q');
	await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK_HISTORY(&f, orphan, "SP");
	if (strchr(history(&f, puppet.pid), 'V')) /* else its EXIT was not lost */
		CHECK_TEXT(recovered(&f, from, orphan), "P");
	close_follower(&f);
}

PROMISE(lost_leader, "the exit of a process is reported even if its leader exited before or in a loss")
{
	struct follower f = open_follower(TABLE_OPTIONS(.rcvbuf_bytes = SMALL_QUEUE));
	struct puppet puppet = start_puppet();
	order(&puppet, 'l');
	while (state_of(&f, puppet.pid) != PC_PROCESS_LEADER_GONE)
		hear(&f, 1);
	fill_queue(&f);
	int status = dismiss(&puppet, 'q');
	await_change(&f, PC_CHANGE_SYNCED, 0);
	const char *lived = history(&f, puppet.pid);
	CHECK(strcmp(lived, "SE") == 0 || strcmp(lived, "SV") == 0);
	for (size_t i = 0; i < f.count; i++)
		if (f.told[i].kind == PC_CHANGE_EXITED && f.told[i].process.pid == puppet.pid)
			CHECK_CODE(&f.told[i], status);
	close_follower(&f);
}

/* Reads /proc in small steps until this process's new name is recovered: the scan stands there. */
static void heal_until_renamed(struct follower *f, pid_t pid)
{
	const struct pc_change *change;
	do
		change = hear(f, 0);
	while (!change || change->kind != PC_CHANGE_RENAMED || change->process.pid != pid);
	CHECK_EQ(change->flags, PC_CHANGE_RECOVERED);
}

PROMISE(reuse_in_scan, "when a pid gets a new owner while the table reads /proc, both owners are reported")
{
	struct follower f = open_follower(
		TABLE_OPTIONS(.rcvbuf_bytes = SMALL_QUEUE, .max_work = 1));
	for (int round = 0; round < 5; round++) {
		struct puppet before = start_puppet();
		pid_t ending = start_child(wait_for_ever, NULL);
		pid_t behind = start_child(wait_for_ever, NULL);
		await_change(&f, PC_CHANGE_STARTED, behind);
		usleep(30000); /* two owners that began in one tick are one */
		fill_queue(&f);
		order(&before, 'n');
		kill(ending, SIGKILL);
		end_child(ending);
		heal_until_renamed(&f, before.pid);
		flood(40); /* the next step of the scan comes before the last of these */
		pid_t again = start_as(ending);
		if (again < 0)
			continue;
		check_table_is_proc(&f);
		if (strcmp(history(&f, ending), "SES") != 0) /* its EXIT came in time after all */
			CHECK_HISTORY(&f, ending, "SVS");
		kill(behind, SIGKILL);
		end_child(behind);
		kill(again, SIGKILL);
		end_child(again);
		dismiss(&before, 'q');
	}
	close_follower(&f);
}

PROMISE(orphan_in_scan, "a process that the table finds while its parent exits is STARTED before it is REPARENTED")
{
	skip_if_instrumented();
	struct follower f = open_follower(
		TABLE_OPTIONS(.rcvbuf_bytes = SMALL_QUEUE, .max_work = 1));
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	for (int round = 0; round < 5; round++) {
		pid_t place = start_child(wait_for_ever, NULL), orphan;
		int pipes[4];
		CHECK_EQ(pipe(pipes), 0);
		CHECK_EQ(pipe(pipes + 2), 0);
		pid_t parent = fork();
		if (parent == 0) {
			read(pipes[0], &orphan, 1);
			orphan = start_as(place);
			write(pipes[3], &orphan, sizeof(orphan));
			wait_for_ever(NULL);
		}
		close(pipes[3]);
		struct puppet behind = start_puppet();
		await_change(&f, PC_CHANGE_STARTED, behind.pid);
		kill(place, SIGKILL);
		end_child(place);
		await_end(&f, place);
		fill_queue(&f);
		order(&behind, 'n');
		write(pipes[1], "x", 1);
		if (read(pipes[2], &orphan, sizeof(orphan)) == 0)
			end_child(parent); /* it has skipped this promise */
		if (orphan < 0)
			continue;
		heal_until_renamed(&f, behind.pid);
		kill(parent, SIGKILL);
		end_child(parent);
		check_table_is_proc(&f);
		const char *lived = history(&f, orphan) + 2; /* behind its pid's first owner */
		CHECK(strcmp(lived, "S") == 0 || strcmp(lived, "SP") == 0);
		kill(orphan, SIGKILL);
		end_child(orphan);
		dismiss(&behind, 'q');
	}
	close_follower(&f);
}

PROMISE(lost_reuse, "the owners of a pid that was reused in a loss are reported one after the other")
{
	struct follower f = open_follower(TABLE_OPTIONS(.rcvbuf_bytes = SMALL_QUEUE));
	for (int round = 0; round < 5; round++) {
		struct puppet puppet = start_puppet();
		await_change(&f, PC_CHANGE_STARTED, puppet.pid);
		/* The kernel's clock of starts has ticks of 10 ms, and two owners of one are one. */
		usleep(30000);
		fill_queue(&f);
		dismiss(&puppet, 'q');
		pid_t again = start_as(puppet.pid);
		if (again < 0)
			continue;
		await_change(&f, PC_CHANGE_SYNCED, 0);
		if (strcmp(history(&f, again), "SES") != 0) /* its EXIT came in time after all */
			CHECK_HISTORY(&f, again, "SVS");
		kill(again, SIGKILL);
		end_child(again);
		await_end(&f, again);
		CHECK_EQ(strlen(history(&f, again)), 4);
	}
	close_follower(&f);
}

PROMISE(lost_at_first, "events that are lost before the first SYNCED are recovered after it")
{
	uint64_t opened = now_ns();
	struct follower f = open_unheard(TABLE_OPTIONS(.rcvbuf_bytes = SMALL_QUEUE));
	CHECK(hear(&f, -1) != NULL);
	flood(MORE);
	struct puppet puppet = start_puppet();
	order(&puppet, 'n');
	CHECK_EQ(await_change(&f, PC_CHANGE_SYNCED, 0).lost, 0);
	CHECK(await_change(&f, PC_CHANGE_SYNCED, 0).lost > 0);
	check_table_is_proc(&f);
	dismiss(&puppet, 'q');
	await_end(&f, puppet.pid);
	check_lost(&f, opened);
	close_follower(&f);
}

PROMISE(unsynced, "the table reports UNSYNCED when it notices a loss, and tells on request whether it agrees with /proc")
{
	struct follower f = open_unheard(TABLE_OPTIONS(.rcvbuf_bytes = SMALL_QUEUE));
	CHECK_EQ(pc_table_is_synced(NULL), -EINVAL);
	CHECK_EQ(pc_table_is_synced(f.table), 0);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	hear_all(&f);
	CHECK_EQ(pc_table_is_synced(f.table), 1);
	uint64_t since = fill_queue(&f);
	struct pc_change change = await_change(&f, PC_CHANGE_UNSYNCED, 0);
	CHECK(change.lost > 0 && change.since_ns <= change.timestamp_ns);
	CHECK(change.timestamp_ns >= since);
	CHECK_EQ(change.flags, 0);
	CHECK_EQ(pc_table_is_synced(f.table), 0);
	CHECK(await_change(&f, PC_CHANGE_SYNCED, 0).lost >= change.lost);
	hear_all(&f);
	CHECK_EQ(pc_table_is_synced(f.table), 1);
	CHECK_EQ(pc_table_rescan(f.table), 0);
	CHECK_EQ(pc_table_is_synced(f.table), 0);
	change = await_change(&f, PC_CHANGE_UNSYNCED, 0);
	CHECK_EQ(change.lost, 0);
	CHECK_EQ(change.since_ns, 0);
	await_change(&f, PC_CHANGE_SYNCED, 0);
	close_follower(&f);
}

PROMISE(listed_once, "a table that is read until it is synced lists the processes that /proc lists")
{
	struct pc_table_options options = PC_TABLE_OPTIONS_INIT;
	struct follower f = open_unheard(options);
	struct puppet puppet = start_puppet();
	struct pc_change change;
	while (pc_table_is_synced(f.table) == 0)
		CHECK_EQ(pc_table_next(f.table, &change, -1), 1);
	CHECK_EQ(state_of(&f, puppet.pid), 0);
	CHECK_EQ(look_up(&f, puppet.pid).sequence, change.sequence);
	dismiss(&puppet, 'q');
	close_follower(&f);
}

PROMISE(endless_flood, "a flood that never ends does not delay the table's recovery from a loss")
{
	struct follower f = open_follower(
		TABLE_OPTIONS(.rcvbuf_bytes = SMALL_QUEUE, .max_work = 1));
	struct puppet puppet = start_puppet();
	uint64_t deadline = now_ns() + PATIENCE_MS * 1000000ull;
	for (int healed = 0; healed < 2;) {
		flood(40); /* more than the next call takes */
		const struct pc_change *change = hear(&f, 0);
		healed += change && change->kind == PC_CHANGE_SYNCED && change->lost > 0;
		CHECK(now_ns() < deadline);
	}
	CHECK_EQ(state_of(&f, puppet.pid), 0);
	dismiss(&puppet, 'q');
	check_table_is_proc(&f);
	CHECK_EQ(state_of(&f, puppet.pid), -1);
	check_lost(&f, 0);
	close_follower(&f);
}

PROMISE(flooded_exit, "a flood that never ends does not hide the exit of a process whose leader exited before")
{
	skip_if_instrumented(); /* valgrind has no pidfd_open */
	struct follower f = open_unheard(TABLE_OPTIONS(.fields = 0, .max_work = 1));
	struct puppet puppet = start_puppet();
	order(&puppet, 'l');
	while (state_of(&f, puppet.pid) != PC_PROCESS_LEADER_GONE)
		hear(&f, 1);
	dismiss(&puppet, 'q');
	while (state_of(&f, puppet.pid) != -1) {
		flood(40); /* more than the next call takes */
		hear(&f, 0);
		CHECK_EQ(table_stats(&f).lost, 0); /* after a loss, /proc would show it */
	}
	close_follower(&f);
}

PROMISE(deaf, "pc_table_check repairs a deaf kernel: the descriptor becomes readable, and the table reports what the kernel did not")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	struct puppet puppet = start_puppet(), dying;
	size_t from;
	uint64_t before;
	bool silent;
	int repaired;
	CHECK_EQ(pc_table_check(f.table), 0);
	do { /* until no other listener repairs it first */
		dying = start_puppet();
		await_change(&f, PC_CHANGE_STARTED, dying.pid);
		deafen();
		hear_all(&f);
		from = f.count;
		order(&puppet, 'n');
		dismiss(&dying, 'q');
		usleep(100000); /* an EXIT may be made after wait(2) has returned */
		silent = hear(&f, 0) == NULL;
		before = now_ns();
		repaired = pc_table_check(f.table);
	} while (repaired == 0);
	CHECK_EQ(repaired, 1);
	CHECK(silent);
	CHECK(is_readable(&f));
	struct pc_change synced = await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK_EQ(synced.flags & PC_CHANGE_DEAF, PC_CHANGE_DEAF);
	CHECK_EQ(synced.lost, 0);
	CHECK(synced.since_ns > 0 && synced.since_ns < before);
	CHECK_TEXT(recovered(&f, from, puppet.pid), "N");
	CHECK_TEXT(recovered(&f, from, dying.pid), "V");
	CHECK_EQ(pc_table_check(f.table), 0);
	CHECK_EQ(table_stats(&f).repaired, 1);
	dismiss(&puppet, 'q');
	await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	check_table_is_proc(&f);
	close_follower(&f);
}

PROMISE(rescan, "pc_table_rescan finds what happened in a deafness that another listener has repaired")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	struct puppet puppet = start_puppet(), dying;
	do { /* until no other listener repairs it too early */
		dying = start_puppet();
		await_change(&f, PC_CHANGE_STARTED, dying.pid);
		hear_all(&f);
		deafen();
		order(&puppet, 'n');
		dismiss(&dying, 'q');
	} while (kernel_listens());
	struct pc_connector *repairer = open_connector(0, 0, 0);
	CHECK_EQ(pc_table_check(f.table), 0);
	hear_all(&f);
	size_t from = f.count;
	CHECK_TEXT(history(&f, dying.pid), "S");
	CHECK_EQ(pc_table_rescan(f.table), 0);
	CHECK(is_readable(&f));
	struct pc_change synced = await_change(&f, PC_CHANGE_SYNCED, 0);
	CHECK_EQ(synced.flags, PC_CHANGE_RECOVERED);
	CHECK_EQ(synced.lost, 0);
	CHECK_TEXT(recovered(&f, from, puppet.pid), "N");
	CHECK_TEXT(recovered(&f, from, dying.pid), "V");
	dismiss(&puppet, 'q');
	await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	check_table_is_proc(&f);
	pc_close(repairer);
	close_follower(&f);
}

PROMISE(deaf_unread, "a level-triggered loop gets the report of a repair by pc_table_check although earlier changes were pending")
{
	struct follower f = open_follower(TABLE_OPTIONS(.fields = 0));
	hear_all(&f);
	rename_self("one");
	rename_self("two");
	await_change(&f, PC_CHANGE_RENAMED, getpid());
	do /* until no other listener repairs it first */
		deafen();
	while (pc_table_check(f.table) == 0);
	size_t synced;
	do {
		CHECK(is_readable(&f));
		hear(&f, 0);
		synced = f.count - 1;
	} while (f.told[synced].kind != PC_CHANGE_SYNCED);
	CHECK_EQ(f.told[synced].flags & PC_CHANGE_DEAF, PC_CHANGE_DEAF);
	close_follower(&f);
}
