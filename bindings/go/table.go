package procconnector

// #include <proc_connector.h>
//
// // As recv_many() in connector.go.
// static int next(uintptr_t table, struct pc_change *change)
// {
//	return pc_table_next((struct pc_table *)table, change, 0);
// }
import "C"

import (
	"context"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// A ChangeKind is what a [Change] reports. Later versions of the library may report other kinds.
type ChangeKind uint32

const (
	ChangeFound       ChangeKind = C.PC_CHANGE_FOUND       // the process was running before the first ChangeSynced
	ChangeStarted     ChangeKind = C.PC_CHANGE_STARTED     // the process started
	ChangeExeced      ChangeKind = C.PC_CHANGE_EXECED      // the process runs a new program
	ChangeRenamed     ChangeKind = C.PC_CHANGE_RENAMED     // the leader has another name
	ChangeCredentials ChangeKind = C.PC_CHANGE_CREDENTIALS // the process has other user or group ids
	ChangeSession     ChangeKind = C.PC_CHANGE_SESSION     // the process is in another session
	ChangeReparented  ChangeKind = C.PC_CHANGE_REPARENTED  // the parent exited, and the process has another one
	ChangeExited      ChangeKind = C.PC_CHANGE_EXITED      // the process exited: its last thread is gone
	ChangeVanished    ChangeKind = C.PC_CHANGE_VANISHED    // the process exited, as a reading of /proc has shown
	ChangeSynced      ChangeKind = C.PC_CHANGE_SYNCED      // the table agrees with /proc; about no process
	ChangeUnsynced    ChangeKind = C.PC_CHANGE_UNSYNCED    // the table may differ from /proc until the next ChangeSynced; about no process
)

func (k ChangeKind) String() string { return C.GoString(C.pc_change_name(C.uint32_t(k))) }

// A Change of a process.
type Change struct {
	Kind      ChangeKind
	flags     uint32
	Timestamp time.Duration // CLOCK_MONOTONIC
	Lost      uint64        // with ChangeSynced: events lost since the last one; with ChangeUnsynced: events lost so far
	Since     time.Duration // with ChangeSynced and ChangeUnsynced, if events were lost: the earliest time at which one may be missing
	status    syscall.WaitStatus
	Hidden    uint32 // with ChangeSynced: how many processes are [Process.Hidden]; if any, there may be others that the table does not know
	Sequence  uint64 // the number of this change: 1 for the first, then one more each time
	_         uint64
	Process   Process // after the change; if the process exited, its last data
}

var _ [C.sizeof_struct_pc_change]byte = [unsafe.Sizeof(Change{})]byte{}

// String is one line, for logs, without the fields that are not valid. Its wording may change.
func (c Change) String() string {
	var line [256]C.char
	C.pc_change_format((*C.struct_pc_change)(unsafe.Pointer(&c)), &line[0], C.size_t(len(line)))
	return C.GoString(&line[0])
}

// Recovered: the change was found by reading /proc, after a loss of events or a [Table.Rescan]. The
// Timestamp is that of the reading. /proc shows a new program shortly before the kernel sends the
// event, so one [ChangeExeced] may be reported twice: first recovered, and then not.
func (c *Change) Recovered() bool { return c.flags&C.PC_CHANGE_RECOVERED != 0 }

// Deaf, with ChangeSynced: the kernel was deaf for a while. Lost does not count the events of that
// time.
func (c *Change) Deaf() bool { return c.flags&C.PC_CHANGE_DEAF != 0 }

// LeaderStatus, with ChangeExited: the ExitStatus is that of the process's leader. It is the process's
// own too, unless another thread outlived the leader and exited with a different one.
func (c *Change) LeaderStatus() bool { return c.flags&C.PC_CHANGE_LEADER_CODE != 0 }

// ExitStatus, with ChangeExited, returns the exit status, which is known however late the table is
// read. Otherwise the bool is false. The status is unknown if the exit event was lost, if the PID
// was reused before the table handled the event, or if the process was reaped so early that the
// event may be another process's (see pc_table_next(3)). [Change.LeaderStatus] returns whether it
// is only the leader's.
func (c *Change) ExitStatus() (syscall.WaitStatus, bool) {
	return c.status, c.flags&C.PC_CHANGE_EXIT_CODE != 0
}

// TableOptions are the options of a table. The zero value stands for all fields, a queue of 36 MiB,
// and 64 for both MaxWork and MaxWatches.
type TableOptions struct {
	Fields     Fields // the fields to keep up to date; parent and start are always kept
	QueueBytes int    // the budget of the queue, as in [Options]: at most 2,147,483,647; 0: 36 MiB
	MaxWork    uint32 // how many processes one step may read from /proc, at 10 to 30 µs each; 0: 64
	// MaxWatches is how many descriptors the table may use to wait for processes that live on without
	// their leaders, one for each process; 0: 64. The table looks at all other such processes ten
	// times a second, 32 at a time. Any user can make such processes.
	MaxWatches uint32
	// Family is the PID of an existing process. The table reports only this process and its
	// descendants by birth, whichever process is their parent now. The process may exit before them.
	// 0: every process. If the event that would decide whether a process belongs to the family was
	// lost, the process is [Process.Perhaps]. [Table.Len] is the number of living processes of the
	// family, including those that are Perhaps, so it may never become 0 after a loss.
	Family int
	// TextBytes is how many bytes of memory the table uses for the command line and the executable's
	// path of each process, terminators included: see [Table.Command]. 0: the table keeps neither. At
	// most 8,388,608.
	TextBytes uint32
	// IgnoreThreads leaves out the fork events of threads. Set it on machines that create many
	// thousands of threads a second. Then an exit status that is not read in time is only the leader's
	// ([Change.LeaderStatus]).
	IgnoreThreads bool

	// PidfdInodes identifies each process by [Process].PidfdInode, from Linux 6.9 on. Then the table
	// also distinguishes two owners of a PID that started within the same 10 ms.
	PidfdInodes bool
	// Subscribed is for [AdoptTable]: the previous owner of the socket has subscribed it, as after
	// [Table.Release].
	Subscribed bool
	// Proc is a directory to read instead of /proc: the host's /proc at another path, or in tests a directory
	// with made-up processes (see [AdoptTable]). A table of the kernel's events refuses a directory that does
	// not show pid 1 and this process (EACCES). The file belongs to the caller. The table opens the
	// directory again, so the caller may close the file once the table is open.
	Proc *os.File
}

// Calls open with these options in C's form. The directory stays open meanwhile.
func (o *TableOptions) c(op string, open func(*C.struct_pc_table_options) error) error {
	bytes, err := queueBytes(op, o.QueueBytes)
	if err != nil {
		return err
	}
	if int(C.pid_t(o.Family)) != o.Family {
		return &Error{Op: op, Errno: syscall.EINVAL, Option: "Family"}
	}
	options := C.struct_pc_table_options{
		size:         C.sizeof_struct_pc_table_options,
		fields:       C.uint32_t(o.Fields),
		rcvbuf_bytes: bytes,
		max_work:     C.uint32_t(o.MaxWork),
		max_watches:  C.uint32_t(o.MaxWatches),
		family:       C.pid_t(o.Family),
		text_bytes:   C.uint32_t(o.TextBytes),
	}
	if o.IgnoreThreads {
		options.flags |= C.PC_TABLE_IGNORE_THREADS
	}
	if o.PidfdInodes {
		options.flags |= C.PC_TABLE_PIDFD_INODES
	}
	if o.Subscribed {
		options.flags |= C.PC_TABLE_SUBSCRIBED
	}
	if o.Proc == nil {
		return open(&options)
	}
	return held(o.Proc, func(fd uintptr) error {
		options.flags |= C.PC_TABLE_PROC_FD
		options.proc_fd = C.int(fd)
		return open(&options)
	})
}

// A Table of all processes, and the connector that keeps it up to date.
//
// Next first reports every process that exists, then ChangeSynced, then every change. The table has
// processes, not threads. It reports each process once as ChangeFound or ChangeStarted, and later once as
// ChangeExited or ChangeVanished, when the last thread is gone.
//
// When the table notices a loss of events, it reports ChangeUnsynced. Then it reads /proc again,
// and reports the differences and ChangeSynced with the number of lost events. From then on, the
// table agrees with /proc.
//
// If /proc hides a process from this one, the table knows only what events carried
// ([Process.Hidden]).
type Table struct {
	mu     sync.Mutex // orders all calls of the library: none of them waits
	handle *C.struct_pc_table
	change Change // C writes here
	poller *poller
}

// OpenTable opens a connector and a table. It needs what [Open] needs, and a /proc that shows all
// processes.
func OpenTable(options TableOptions) (*Table, error) {
	var handle *C.struct_pc_table
	err := options.c("open table", func(o *C.struct_pc_table_options) error {
		return withOption(failure("open table", C.pc_table_open(&handle, o)), C.pc_table_invalid_option(o))
	})
	if err != nil {
		return nil, err
	}
	t, err := newTable(handle)
	if err != nil {
		C.pc_table_close(handle)
	}
	return t, err
}

// AdoptTable opens a table on a socket that exists already. It works on a duplicate: close the file, and do
// not receive from it. If AdoptTable fails, nothing has been received, and the socket can be adopted again.
//
// The socket is one that [Table.Release] returned, or one that [Adopt] would take. After the first ChangeSynced,
// the table reads /proc once more, because a queue does not show what it lost before. So ChangeUnsynced and
// another ChangeSynced follow, with Lost 0 if nothing was lost.
//
// From a netlink socket of the kernel's process events, the table first handles the events that are queued, so a
// restarted daemon misses nothing. The table reports ChangeStarted for each process that started since the
// release, and ChangeExited for each that exited.
//
// Through an AF_UNIX socket (SEQPACKET or DGRAM), a test sends made-up events, without privilege. The test can
// also make up /proc: [TableOptions].Proc is then a directory with PID/stat and PID/status of each process
// (proc_pid_stat(5), proc_pid_status(5)). A process exists as long as its files do. Give each event the current
// time of CLOCK_MONOTONIC, because the table ignores an exec or exit that is older than its reading of the
// process. The start time in stat counts ticks of 10 ms of CLOCK_BOOTTIME.
func AdoptTable(socket *os.File, options TableOptions) (*Table, error) {
	var handle *C.struct_pc_table
	err := options.c("adopt table", func(o *C.struct_pc_table_options) error {
		err := adopt("adopt table", socket, func(fd C.int) C.int {
			return C.pc_table_open_fd(&handle, fd, o)
		})
		return withOption(err, C.pc_table_invalid_option(o))
	})
	if err != nil {
		return nil, err
	}
	t, err := newTable(handle)
	if err != nil && options.Subscribed {
		// Not pc_table_close(): the socket and its subscription still belong to the caller. The table is
		// not busy, because it has not read the queue.
		syscall.Close(int(C.pc_table_release(handle)))
	} else if err != nil {
		C.pc_table_close(handle)
	}
	return t, err
}

// On failure the handle still belongs to the caller.
func newTable(handle *C.struct_pc_table) (*Table, error) {
	poller, err := newPoller(int(C.pc_table_fd(handle)))
	if err != nil {
		return nil, err
	}
	t := &Table{handle: handle, poller: poller}
	runtime.SetFinalizer(t, (*Table).Close) // a safety net; do not rely on it
	return t, nil
}

// Next waits for a change. After an error of the library (EMFILE, ENOMEM) nothing is lost: call again.
// The table then rests for up to 100 ms, and Next waits meanwhile. EPIPE is final: the socket is an adopted
// SEQPACKET socket, and its peer was closed.
//
// While Next waits, other goroutines may call every other method.
func (t *Table) Next(ctx context.Context) (Change, error) {
	if err := ctx.Err(); err != nil {
		return Change{}, err
	}
	if change, ok, err := t.TryNext(); ok || err != nil {
		return change, err
	}
	return t.waitNext(ctx)
}

// Apart, because what the function literal uses is allocated.
func (t *Table) waitNext(ctx context.Context) (change Change, err error) {
	ended := t.poller.wait(ctx, func() (ok bool) {
		change, ok, err = t.TryNext()
		return ok || err != nil
	})
	if ended != nil {
		return Change{}, ended
	}
	return change, err
}

// NextOnThread does what Next does, but waits on the calling goroutine's own thread: see
// [Connector.RecvOnThread].
func (t *Table) NextOnThread(ctx context.Context) (change Change, err error) {
	ended := t.poller.waitOnThread(ctx, func() (ok bool) {
		change, ok, err = t.TryNext()
		return ok || err != nil
	})
	if ended != nil {
		return Change{}, ended
	}
	return change, err
}

// TryNext is Next without waiting. It does a limited amount of work. False means that there is no
// change yet, but work may be left.
func (t *Table) TryNext() (Change, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.handle == nil {
		return Change{}, false, os.ErrClosed
	}
	handle := C.uintptr_t(uintptr(unsafe.Pointer(t.handle)))
	result := C.next(handle, (*C.struct_pc_change)(unsafe.Pointer(&t.change)))
	if result <= 0 {
		return Change{}, false, failure("next", result)
	}
	return t.change, true, nil
}

// Get looks a process up. The result includes the changes reported so far, and no later ones.
func (t *Table) Get(pid int32) (Process, bool) {
	var process Process
	result, _ := t.call("get", func(h *C.struct_pc_table) C.int {
		return C.pc_table_get(h, C.pid_t(pid), process.c())
	})
	return process, result == 1
}

// A Command is the command of a process, as a table keeps it: see [Table.Command].
type Command struct {
	Line       Text // the command line: each argument, followed by a NUL byte
	Executable Text // the path of the program, followed by " (deleted)" if the file was deleted
	Cut        bool // only the beginning of the command line is kept
	Doubtful   bool // events were lost after it was read, so the process may run another program now
}

// Command returns the command of a process that the table has reported, such as [Change.Process].
// The table keeps the command as long as the process is in the table, and after the process's last
// change until the next change. The table reads the command when it handles a fork or an exec of
// the process, when it finds the process, and when it reads /proc again after a loss of events. A
// process that has not called execve(2) shows the command of the process that forked it.
//
// A text that could not be read has an Err: ESRCH (the process exited, or ran another program, before the text
// was read; or its command line is empty), ENODATA (a kernel thread has none), EACCES (this process may not
// read it), ENAMETOOLONG (the path takes more than a quarter of TextBytes, and more than the
// command line leaves free).
//
// Command fails with ESRCH if the process is not in the table and did not leave it with the last change, and with
// ENODATA if the table was opened without TextBytes.
func (t *Table) Command(p *Process) (Command, error) {
	var command Command
	_, err := t.call("command", func(h *C.struct_pc_table) C.int {
		var kept C.struct_pc_command
		result := C.pc_table_command(h, p.c(), &kept)
		if result == 0 {
			command = Command{
				Line:       keptText(kept.command_line, kept.command_line_length, kept.command_line_error),
				Executable: keptText(kept.executable, kept.executable_length, kept.executable_error),
				Cut:        kept.flags&C.PC_COMMAND_CUT != 0,
				Doubtful:   kept.flags&C.PC_COMMAND_DOUBTFUL != 0,
			}
		}
		return result
	})
	return command, err
}

// Copies a text that belongs to the table.
func keptText(bytes *C.char, length C.uint32_t, result C.int32_t) Text {
	if bytes == nil {
		return Text{Err: failure("command", C.int(result))}
	}
	return Text{Value: C.GoStringN(bytes, C.int(length))}
}

// All is an iterator over the table in the order of PIDs, to be called or, from Go 1.23 on, ranged
// over. Changes may be reported in between: a process that stays in the table throughout is visited
// exactly once. The yield function may call methods of the table.
func (t *Table) All() func(yield func(Process) bool) {
	return func(yield func(Process) bool) {
		var cursor C.uint64_t
		var process Process
		each := func(h *C.struct_pc_table) C.int { return C.pc_table_each(h, &cursor, process.c()) }
		for {
			result, _ := t.call("all", each)
			if result != 1 || !yield(process) {
				return
			}
		}
	}
}

// Synced returns whether the table agrees with /proc, apart from events that it has not handled
// yet. This is true from each ChangeSynced to the next ChangeUnsynced. To list all processes once,
// call Next until Synced is true, then All.
func (t *Table) Synced() bool {
	result, _ := t.call("synced", func(h *C.struct_pc_table) C.int { return C.pc_table_is_synced(h) })
	return result == 1
}

// Len returns how many processes are in the table after the changes reported so far. With
// [TableOptions].Family, the number includes the processes that are [Process.Perhaps].
func (t *Table) Len() int {
	n := 0
	t.call("len", func(h *C.struct_pc_table) C.int { n = int(C.pc_table_count(h)); return 0 })
	return n
}

// SetUser stores a value for the caller with a process. From then on, User has this value, also in
// the change that reports the process exit.
func (t *Table) SetUser(pid int32, user uint64) error {
	_, err := t.call("set user", func(h *C.struct_pc_table) C.int {
		return C.pc_table_set_user(h, C.pid_t(pid), C.uint64_t(user))
	})
	return err
}

// Check is [Connector.Check] for the table's connector. After a repair, Next recovers the table. If other
// programs check too, also call [Table.Rescan] about once a minute, because only the first program that checks
// learns of a deafness.
func (t *Table) Check() (repaired bool, err error) {
	result, err := t.call("check", func(h *C.struct_pc_table) C.int { return C.pc_table_check(h) })
	if result > 0 {
		t.poller.wake()
	}
	return result > 0, err
}

// Rescan makes the table read /proc again, as if events had been lost. Next then reports ChangeUnsynced,
// the differences and ChangeSynced. This is for programs that must be sure: the library cannot
// detect a deafness that another listener has repaired.
func (t *Table) Rescan() error {
	_, err := t.call("rescan", func(h *C.struct_pc_table) C.int { return C.pc_table_rescan(h) })
	if err == nil {
		t.poller.wake()
	}
	return err
}

// Stats are the statistics of the table's connector, and the number of processes that are hidden.
func (t *Table) Stats() (Stats, error) {
	var s C.struct_pc_stats
	_, err := t.call("stats", func(h *C.struct_pc_table) C.int {
		return C.pc_table_get_stats(h, &s, C.sizeof_struct_pc_stats)
	})
	return statsOf(&s), err
}

// Release ends the table but not its subscription, and returns the socket, which then belongs to the caller.
// The socket is meant for a successor. The successor gets it as one of exec.Cmd's ExtraFiles, or
// through systemd's FD store, and gives it to [AdoptTable] with Subscribed. Release ends all waits.
//
// While the table has something to report, the error is EBUSY and the table stays open: call
// TryNext until it returns false, then Release again. After EPIPE, close the table instead.
func (t *Table) Release() (*os.File, error) {
	fd, err := t.call("release table", func(h *C.struct_pc_table) C.int {
		fd := C.pc_table_release(h)
		if fd >= 0 {
			t.handle = nil
		}
		return fd
	})
	if err != nil {
		return nil, err
	}
	t.Close()
	return os.NewFile(uintptr(fd), "procconnector"), nil
}

// Close closes the table and ends all waits. Closing again does nothing. Afterwards, Get and Synced return false,
// Len returns 0, and All visits no process. The other methods return [os.ErrClosed].
func (t *Table) Close() error {
	runtime.SetFinalizer(t, nil)
	t.mu.Lock()
	handle := t.handle
	t.handle = nil
	t.mu.Unlock()
	C.pc_table_close(handle)
	t.poller.close()
	return nil
}

// Calls a function of the library on the handle.
func (t *Table) call(op string, f func(*C.struct_pc_table) C.int) (C.int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.handle == nil {
		return 0, os.ErrClosed
	}
	result := f(t.handle)
	return result, failure(op, result)
}
