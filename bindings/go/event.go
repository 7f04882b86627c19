package procconnector

// #include <proc_connector.h>
import "C"

import (
	"syscall"
	"time"
	"unsafe"
)

// A Kind is what an event reports. Later versions of the library may deliver other kinds.
type Kind uint32

const (
	KindFork     Kind = C.PC_EVENT_FORK     // a task was created: [Fork]
	KindExec     Kind = C.PC_EVENT_EXEC     // a process runs a new program: [Exec]
	KindExit     Kind = C.PC_EVENT_EXIT     // a task exited: [Exit]
	KindUID      Kind = C.PC_EVENT_UID      // a task's user ids changed: [UID]
	KindGID      Kind = C.PC_EVENT_GID      // a task's group ids changed: [GID]
	KindSID      Kind = C.PC_EVENT_SID      // a process started a session: [SID]
	KindPtrace   Kind = C.PC_EVENT_PTRACE   // a tracer attached or detached: [Ptrace]
	KindComm     Kind = C.PC_EVENT_COMM     // a task was renamed: [Comm]
	KindCoredump Kind = C.PC_EVENT_COREDUMP // a process dumps core: [Coredump]
	KindOverrun  Kind = C.PC_EVENT_OVERRUN  // events were lost: [Overrun]
	KindUnknown  Kind = C.PC_EVENT_UNKNOWN  // a kernel event that this version does not know: [Unknown]
)

func (k Kind) String() string { return C.GoString(C.pc_event_name(C.uint32_t(k))) }

// An Event is 64 bytes without pointers. The method for its Kind returns the data; the methods for
// other kinds return false. PID is the id of a task (gettid), TGID the id of a process (getpid).
type Event struct {
	Kind      Kind
	CPU       uint32        // the CPU that reported the event
	Timestamp time.Duration // CLOCK_MONOTONIC
	Seq       uint32        // per CPU; a gap does not mean a loss
	_         uint32
	data      [5]uint64
}

// The library writes events into Go's memory as they are.
var _ [C.sizeof_struct_pc_event]byte = [unsafe.Sizeof(Event{})]byte{}

func (e *Event) c() *C.struct_pc_event { return (*C.struct_pc_event)(unsafe.Pointer(e)) }

func dataOf[T any](e *Event, kind Kind) (data T, ok bool) {
	if e.Kind != kind {
		return data, false
	}
	return *(*T)(unsafe.Pointer(&e.data)), true
}

// Fork is the data of a [KindFork]. The parent is the real parent. For a thread, that is the parent
// of its process.
type Fork struct{ ParentPID, ParentTGID, ChildPID, ChildTGID int32 }

// Exec is the data of a [KindExec].
type Exec struct{ PID, TGID int32 }

// Exit is the data of a [KindExit]. A leader's exit (PID == TGID) is not always the process exit:
// see [Alive].
type Exit struct {
	PID, TGID             int32
	Status                syscall.WaitStatus
	Signal                int32 // the signal that the parent gets; -1 for a thread
	ParentPID, ParentTGID int32 // 0 when the kernel names no parent
}

// UID is the data of a [KindUID].
type UID struct {
	PID, TGID  int32
	RUID, EUID uint32
}

// GID is the data of a [KindGID].
type GID struct {
	PID, TGID  int32
	RGID, EGID uint32
}

// SID is the data of a [KindSID]. The new session's id is the TGID.
type SID struct{ PID, TGID int32 }

// Ptrace is the data of a [KindPtrace]. A detached task has tracer 0.
type Ptrace struct{ PID, TGID, TracerPID, TracerTGID int32 }

// Comm is the data of a [KindComm].
type Comm struct {
	PID, TGID int32
	name      [16]byte
}

// Name is the new name: up to 15 bytes of any sort.
func (c *Comm) Name() string { return text(&c.name) }

// Coredump is the data of a [KindCoredump].
type Coredump struct{ PID, TGID, ParentPID, ParentTGID int32 }

// Overrun is the data of a [KindOverrun]: events are missing between Since and the event's
// Timestamp.
type Overrun struct {
	Lost   uint64 // the exact number; 0 when it is unknown ([LostDeaf])
	Since  time.Duration
	Reason LostReason
	_      uint32
}

// A LostReason is the reason why events were lost.
type LostReason uint32

const (
	LostQueue LostReason = C.PC_LOST_QUEUE // the queue was full
	LostDeaf  LostReason = C.PC_LOST_DEAF  // the kernel was deaf until Check repaired it, or Unsubscribe failed half-way
)

// Unknown is the data of a [KindUnknown].
type Unknown struct {
	What uint32 // the kernel's number for the kind
	Size uint32 // how many bytes of data the kernel sent
	Raw  [32]byte
}

func (e *Event) Fork() (Fork, bool)         { return dataOf[Fork](e, KindFork) }
func (e *Event) Exec() (Exec, bool)         { return dataOf[Exec](e, KindExec) }
func (e *Event) Exit() (Exit, bool)         { return dataOf[Exit](e, KindExit) }
func (e *Event) UID() (UID, bool)           { return dataOf[UID](e, KindUID) }
func (e *Event) GID() (GID, bool)           { return dataOf[GID](e, KindGID) }
func (e *Event) SID() (SID, bool)           { return dataOf[SID](e, KindSID) }
func (e *Event) Ptrace() (Ptrace, bool)     { return dataOf[Ptrace](e, KindPtrace) }
func (e *Event) Comm() (Comm, bool)         { return dataOf[Comm](e, KindComm) }
func (e *Event) Coredump() (Coredump, bool) { return dataOf[Coredump](e, KindCoredump) }
func (e *Event) Overrun() (Overrun, bool)   { return dataOf[Overrun](e, KindOverrun) }
func (e *Event) Unknown() (Unknown, bool)   { return dataOf[Unknown](e, KindUnknown) }

// TGID is the id of the process that an event is about (for a fork, the child); 0 for overruns and
// unknown kinds.
func (e *Event) TGID() int32 { return int32(C.pc_event_tgid(e.c())) }

// String is one line, for logs. Its wording may change.
func (e *Event) String() string {
	var line [256]C.char
	C.pc_event_format(e.c(), &line[0], C.size_t(len(line)))
	return C.GoString(&line[0])
}

// Parse parses a datagram that the program has received by other means: through io_uring, or from a
// recording. False: a control message, which carries no event.
func Parse(datagram []byte) (Event, bool, error) {
	var event Event
	if len(datagram) == 0 {
		return event, false, &Error{Op: "parse", Errno: syscall.EBADMSG}
	}
	result := C.pc_parse(unsafe.Pointer(&datagram[0]), C.size_t(len(datagram)), event.c())
	return event, result == 1, failure("parse", result)
}

func text(name *[16]byte) string {
	for i, b := range name {
		if b == 0 {
			return string(name[:i])
		}
	}
	return string(name[:])
}
