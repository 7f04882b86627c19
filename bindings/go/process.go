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
	ID       uint64        // given by the table, and never again: PIDs are reused, IDs are not
	ParentID uint64        // 0: no parent, or not known (yet)
	Start    time.Duration // CLOCK_BOOTTIME, rounded down to 10 ms
	User     uint64        // set by [Table.SetUser]

	PID, ParentPID, Session int32

	Valid Fields // that are known; do not use the others: they may be 0, which is also root

	RUID, EUID, RGID, EGID uint32

	comm  [16]byte
	state uint32
	_     uint32
	_     [3]uint64
}

var _ [C.sizeof_struct_pc_process]byte = [unsafe.Sizeof(Process{})]byte{}

func (p *Process) c() *C.struct_pc_process { return (*C.struct_pc_process)(unsafe.Pointer(p)) }

// Comm is the leader's name: up to 15 bytes of any sort.
func (p *Process) Comm() string { return text(&p.comm) }

// KernelThread: it renames itself without an event, so that Comm is what it was when it was read.
func (p *Process) KernelThread() bool { return p.state&C.PC_PROCESS_KERNEL_THREAD != 0 }

// LeaderGone: its leader has ended, but other threads live on.
func (p *Process) LeaderGone() bool { return p.state&C.PC_PROCESS_LEADER_GONE != 0 }

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
