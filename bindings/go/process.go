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
	// 0, which is also root's id. A start that is not valid is 0. A name that is not valid is empty,
	// except for a kernel thread.
	Valid Fields

	RUID, EUID, RGID, EGID uint32

	comm  [16]byte
	state uint32
	_     uint32

	// Sequence is the [Change.Sequence] of the last change that Next had reported when the Process was
	// made; 0 from [ReadProcess]. A program that combines a walk through the table with the changes
	// compares these numbers: a change with a higher number came later.
	Sequence uint64

	// PidfdInode is the inode of the process's pidfds, which no other process has had since the machine booted
	// (on 32-bit machines: among two thousand million processes and threads). 0: not known, as always
	// without [TableOptions].PidfdInodes.
	PidfdInode uint64

	_ uint64
}

var _ [C.sizeof_struct_pc_process]byte = [unsafe.Sizeof(Process{})]byte{}

func (p *Process) c() *C.struct_pc_process { return (*C.struct_pc_process)(unsafe.Pointer(p)) }

// Comm is the leader's name: up to 15 bytes of any sort. It is empty if the table could not read it.
func (p *Process) Comm() string { return text(&p.comm) }

// KernelThread returns whether this is a kernel thread. A kernel thread can rename itself without
// an event, so its Comm is the name that was read once, and is never valid.
func (p *Process) KernelThread() bool { return p.state&C.PC_PROCESS_KERNEL_THREAD != 0 }

// LeaderGone returns whether the leader has exited while other threads live on.
func (p *Process) LeaderGone() bool { return p.state&C.PC_PROCESS_LEADER_GONE != 0 }

// Hidden returns whether /proc did not show the process when the table wanted to read it (hidepid,
// a security module). Then only what events carried is valid.
func (p *Process) Hidden() bool { return p.state&C.PC_PROCESS_HIDDEN != 0 }

// Perhaps returns whether the table reports a family ([TableOptions].Family) and the process may
// belong to it. The event that would decide this was lost. After a loss, processes of other programs are Perhaps
// too: those that started during the loss as children of PID 1 or of an ancestor of the family's root, and the
// descendants of these processes. Such a process remains Perhaps until it exits, unless its fork event arrives
// late and shows that it belongs to the family.
func (p *Process) Perhaps() bool { return p.state&C.PC_PROCESS_PERHAPS != 0 }

// Life is whether a process is alive, according to /proc.
type Life int

const (
	LifeUnknown Life = -1 // with an error: the process may be alive
	Ended       Life = 0  // exited, a zombie, or never existed
	Running     Life = 1
	LeaderGone  Life = 2 // the leader has exited, but other threads live on
)

// Alive looks up in /proc whether a process is alive. The exit of a leader is not always the
// process exit. With an error, the result is [LifeUnknown].
func Alive(tgid int32) (Life, error) {
	result := C.pc_process_alive(C.pid_t(tgid))
	return life(result), failure("alive", result)
}

// ReadProcess reads one process from /proc, without a table. If the process has [Ended], the
// Process is zero.
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
