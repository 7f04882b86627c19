package procconnector

// #include <proc_connector.h>
import "C"

import (
	"time"
	"unsafe"
)

// Fields of a [Process].
type Fields uint32

const (
	FieldParent      Fields = C.PC_FIELD_PARENT
	FieldStart       Fields = C.PC_FIELD_START
	FieldSession     Fields = C.PC_FIELD_SESSION
	FieldComm        Fields = C.PC_FIELD_COMM
	FieldCredentials Fields = C.PC_FIELD_CREDENTIALS
)

// A Process of a [Table], or of [ReadProcess], which leaves ID, ParentID and User 0.
type Process struct {
	ID       uint64        // the table's number for this process; unlike a PID, it is not reused
	ParentID uint64        // 0: there is no parent, or it is not known yet
	Start    time.Duration // CLOCK_BOOTTIME, rounded down to 10 ms
	User     uint64        // set by [Table.SetUser]

	PID, ParentPID, Session int32

	// Valid has the fields that are known and kept up to date. Do not rely on the others: they may be
	// 0, which is also root's id. A name and a start that are not valid are empty.
	Valid Fields

	RUID, EUID, RGID, EGID uint32

	comm  [16]byte
	state uint32
	_     uint32

	// Sequence is the [Change.Sequence] of the last change that Next had reported when this was read: a
	// change with a higher number came later. A program that walks through the table and passes the
	// changes on can put both together. 0 from [ReadProcess].
	Sequence uint64

	// PidfdInode is the inode of the process's pidfds, which no other process has had since the machine booted
	// (on 32-bit machines: among two thousand million processes and threads). 0: not known. That is always so
	// without [TableOptions].PidfdInodes.
	PidfdInode uint64

	_ uint64
}

var _ [C.sizeof_struct_pc_process]byte = [unsafe.Sizeof(Process{})]byte{}

func (p *Process) c() *C.struct_pc_process { return (*C.struct_pc_process)(unsafe.Pointer(p)) }

// Comm is the leader's name: up to 15 bytes of any sort. It is empty if the table could not read it.
func (p *Process) Comm() string { return text(&p.comm) }

// KernelThread: a kernel thread can rename itself without an event, so Comm is the name that was read
// once, and never valid.
func (p *Process) KernelThread() bool { return p.state&C.PC_PROCESS_KERNEL_THREAD != 0 }

// LeaderGone: the leader has exited, but other threads live on.
func (p *Process) LeaderGone() bool { return p.state&C.PC_PROCESS_LEADER_GONE != 0 }

// Hidden: /proc did not show the process when the table wanted to read it (hidepid, a security module).
// Only what events carried is valid.
func (p *Process) Hidden() bool { return p.state&C.PC_PROCESS_HIDDEN != 0 }

// Perhaps: the table reports a family ([TableOptions].Family), and the process may belong to it. The event that
// would show it was lost.
func (p *Process) Perhaps() bool { return p.state&C.PC_PROCESS_PERHAPS != 0 }

// Life is what /proc says of a process.
type Life int

const (
	LifeUnknown Life = -1 // with an error: this does not mean that the process has ended
	Ended       Life = 0  // or a zombie, or it never was
	Running     Life = 1
	LeaderGone  Life = 2 // but other threads live on
)

// Alive looks a process up in /proc: whether the exit of its leader was its end. With an error, the
// result is [LifeUnknown].
func Alive(tgid int32) (Life, error) {
	result := C.pc_process_alive(C.pid_t(tgid))
	return life(result), failure("alive", result)
}

// ReadProcess reads one process from /proc, without a table. Of an [Ended] one, it is zero.
func ReadProcess(pid int32) (Process, Life, error) {
	var process Process
	result := C.pc_process_read(C.pid_t(pid), process.c())
	return process, life(result), failure("read process", result)
}

func life(result C.int) Life {
	if result < 0 {
		return LifeUnknown
	}
	return Life(result)
}
