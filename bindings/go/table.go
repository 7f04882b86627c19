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

// A ChangeKind says what a [Change] is. Later versions of the library may tell others.
type ChangeKind uint32

const (
	ChangeFound       ChangeKind = C.PC_CHANGE_FOUND       // it was running when the table was opened
	ChangeStarted     ChangeKind = C.PC_CHANGE_STARTED     // it began
	ChangeExeced      ChangeKind = C.PC_CHANGE_EXECED      // it runs a new program
	ChangeRenamed     ChangeKind = C.PC_CHANGE_RENAMED     // its leader has another name
	ChangeCredentials ChangeKind = C.PC_CHANGE_CREDENTIALS // it has other user or group ids
	ChangeSession     ChangeKind = C.PC_CHANGE_SESSION     // it is in another session
	ChangeReparented  ChangeKind = C.PC_CHANGE_REPARENTED  // it has another parent
	ChangeExited      ChangeKind = C.PC_CHANGE_EXITED      // it has ended: all its threads have
	ChangeVanished    ChangeKind = C.PC_CHANGE_VANISHED    // it has ended, and no event has told in time
	ChangeSynced      ChangeKind = C.PC_CHANGE_SYNCED      // the table is what /proc is; about no process
	ChangeUnsynced    ChangeKind = C.PC_CHANGE_UNSYNCED    // the table may differ from /proc until the next ChangeSynced; about no process
)

func (k ChangeKind) String() string { return C.GoString(C.pc_change_name(C.uint32_t(k))) }

// A Change of a process.
type Change struct {
	Kind      ChangeKind
	flags     uint32
	Timestamp time.Duration // CLOCK_MONOTONIC
	Lost      uint64        // of ChangeSynced: events lost since the last one
	Since     time.Duration // of ChangeSynced, if events were lost: since when; else 0
	status    syscall.WaitStatus
	_         uint32
	_         [2]uint64
	Process   Process // after the change; of an ended one, as it last was
}

var _ [C.sizeof_struct_pc_change]byte = [unsafe.Sizeof(Change{})]byte{}

// String is one line, for logs, without the fields that are not valid. Its wording may change.
func (c Change) String() string {
	var line [256]C.char
	C.pc_change_format((*C.struct_pc_change)(unsafe.Pointer(&c)), &line[0], C.size_t(len(line)))
	return C.GoString(&line[0])
}

// Recovered: found by reading /proc, after events were lost. The Timestamp is the reading's.
func (c *Change) Recovered() bool { return c.flags&C.PC_CHANGE_RECOVERED != 0 }

// Deaf, of ChangeSynced: the kernel had reported to nobody, so that Lost is not the whole number.
func (c *Change) Deaf() bool { return c.flags&C.PC_CHANGE_DEAF != 0 }

// LeaderStatus, of ChangeExited: the ExitStatus is that of the process's leader. It is the process's
// own too, unless another thread outlived the leader and exited with a different one.
func (c *Change) LeaderStatus() bool { return c.flags&C.PC_CHANGE_LEADER_CODE != 0 }

// ExitStatus of ChangeExited; false if it is not known, which is rare: the exit event was lost, or the
// pid was reused before the event was handled. See [Change.LeaderStatus].
func (c *Change) ExitStatus() (syscall.WaitStatus, bool) {
	return c.status, c.flags&C.PC_CHANGE_EXIT_CODE != 0
}

// TableOptions: the zero value stands for all fields, 32 MiB, and 64 processes.
type TableOptions struct {
	Fields     Fields // to keep up to date; parent and start always are
	QueueBytes int    // as in [Options]
	MaxWork    uint32 // how many processes one step may read from /proc, at 10 to 30 µs each
	// IgnoreThreads leaves out the fork events of threads, for machines that create many thousands of
	// threads a second. Then an exit status that is not read in time is only the leader's.
	IgnoreThreads bool
}

// A Table of all processes, that is kept true through a connector of its own.
//
// Next tells every process that is there, then ChangeSynced, then every change. Processes, not
// threads: each begins once (Found or Started) and ends once (Exited or Vanished), when its last
// thread has. When events were lost, the table reads /proc anew, tells what is different, and then
// ChangeSynced with the number of events lost: after that nothing is in doubt.
type Table struct {
	mu     sync.Mutex // orders all calls of the library: none of them waits
	handle *C.struct_pc_table
	change Change // C writes here
	poller *poller
}

// OpenTable opens a connector and a table. It needs what [Open] needs, and a /proc that shows all
// processes.
func OpenTable(options TableOptions) (*Table, error) {
	bytes, err := queueBytes("open table", options.QueueBytes)
	if err != nil {
		return nil, err
	}
	o := C.struct_pc_table_options{
		size:         C.sizeof_struct_pc_table_options,
		fields:       C.uint32_t(options.Fields),
		rcvbuf_bytes: bytes,
		max_work:     C.uint32_t(options.MaxWork),
	}
	if options.IgnoreThreads {
		o.flags |= C.PC_TABLE_IGNORE_THREADS
	}
	var handle *C.struct_pc_table
	if err := failure("open table", C.pc_table_open(&handle, &o)); err != nil {
		return nil, err
	}
	poller, err := newPoller(int(C.pc_table_fd(handle)))
	if err != nil {
		C.pc_table_close(handle)
		return nil, err
	}
	t := &Table{handle: handle, poller: poller}
	runtime.SetFinalizer(t, (*Table).Close) // a net; do not rely on it
	return t, nil
}

// Next waits for a change. After an error of /proc (EMFILE, ENOMEM) nothing is lost: call again.
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

// TryNext is Next without waiting. It does a limited amount of work: false means that there is no
// change yet, but there may be work left.
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

// Get looks a process up, as the changes told so far have left it.
func (t *Table) Get(pid int32) (Process, bool) {
	var process Process
	result, _ := t.call("get", func(h *C.struct_pc_table) C.int {
		return C.pc_table_get(h, C.pid_t(pid), process.c())
	})
	return process, result == 1
}

// All is an iterator over the table in the order of PIDs, to be called or, from Go 1.23 on, ranged
// over. Changes may be told in between: what is there all the time is met once.
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

// Len is how many processes the changes told so far have left in the table.
func (t *Table) Len() int {
	n := 0
	t.call("len", func(h *C.struct_pc_table) C.int { n = int(C.pc_table_count(h)); return 0 })
	return n
}

// SetUser keeps a value of the caller's with a process: it is in its User from then on, also in the
// change that tells its end.
func (t *Table) SetUser(pid int32, user uint64) error {
	_, err := t.call("set user", func(h *C.struct_pc_table) C.int {
		return C.pc_table_set_user(h, C.pid_t(pid), C.uint64_t(user))
	})
	return err
}

// Check is [Connector.Check] for the table's connector; the table heals itself.
func (t *Table) Check() (repaired bool, err error) {
	result, err := t.call("check", func(h *C.struct_pc_table) C.int { return C.pc_table_check(h) })
	if result > 0 {
		t.poller.wake()
	}
	return result > 0, err
}

// Rescan has the table read /proc anew, as if events had been lost: for programs that must be sure
// although a deafness that another listener has repaired leaves no trace.
func (t *Table) Rescan() error {
	_, err := t.call("rescan", func(h *C.struct_pc_table) C.int { return C.pc_table_rescan(h) })
	if err == nil {
		t.poller.wake()
	}
	return err
}

// Stats are the books of the table's connector.
func (t *Table) Stats() (Stats, error) {
	var s C.struct_pc_stats
	_, err := t.call("stats", func(h *C.struct_pc_table) C.int {
		return C.pc_table_get_stats(h, &s, C.sizeof_struct_pc_stats)
	})
	return statsOf(&s), err
}

// Close ends the table and all waits. Closing again does nothing.
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
