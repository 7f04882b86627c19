package procconnector

// #include <proc_connector.h>
import "C"

import (
	"math"
	"syscall"
)

// A Mask selects the events to receive. Overruns pass every mask.
type Mask uint32

const (
	MaskFork     Mask = C.PC_MASK_FORK
	MaskExec     Mask = C.PC_MASK_EXEC
	MaskExit     Mask = C.PC_MASK_EXIT
	MaskUID      Mask = C.PC_MASK_UID
	MaskGID      Mask = C.PC_MASK_GID
	MaskSID      Mask = C.PC_MASK_SID
	MaskPtrace   Mask = C.PC_MASK_PTRACE
	MaskComm     Mask = C.PC_MASK_COMM
	MaskCoredump Mask = C.PC_MASK_COREDUMP
	MaskUnknown  Mask = C.PC_MASK_UNKNOWN // kernel events that the library does not know
	MaskAll      Mask = C.PC_MASK_ALL     // the nine kinds that kernels send today
)

// Options select the events to receive and the size of the queue. The zero value stands for all
// events and 36 MiB.
type Options struct {
	// Events to receive; 0: everything, unknown kinds included.
	Events Mask
	// NoThreads discards the events of tasks that are not the leader of their process. The exit of a
	// leader is not always the process exit: see [Alive].
	NoThreads bool
	// NonzeroExit discards exits with status 0. It judges tasks, not processes.
	NonzeroExit bool
	// Subscribed is for [Adopt]: the socket's previous owner has subscribed it already.
	Subscribed bool
	// QueueBytes is the budget of the queue: how many bytes of kernel memory the pending events may
	// take, at most 2,147,483,647. The kernel charges 704 to 1,152 bytes per event, depending on the machine.
	// 0: 36 MiB.
	QueueBytes int
}

func (o *Options) c(op string) (C.struct_pc_options, error) {
	options := C.struct_pc_options{size: C.sizeof_struct_pc_options, events: C.uint32_t(o.Events)}
	if o.NoThreads {
		options.flags |= C.PC_FILTER_NO_THREADS
	}
	if o.NonzeroExit {
		options.flags |= C.PC_FILTER_NONZERO_EXIT
	}
	if o.Subscribed {
		options.flags |= C.PC_OPEN_SUBSCRIBED
	}
	bytes, err := queueBytes(op, o.QueueBytes)
	options.rcvbuf_bytes = bytes
	return options, err
}

func queueBytes(op string, bytes int) (C.uint32_t, error) {
	if bytes < 0 || bytes > math.MaxInt32 {
		return 0, &Error{Op: op, Errno: syscall.EINVAL, Option: "QueueBytes"}
	}
	return C.uint32_t(bytes), nil
}

// Stats are the statistics of a connector.
type Stats struct {
	Received   uint64 // kernel events delivered
	Filtered   uint64 // admitted by the kernel, but rejected when they were received
	Lost       uint64 // lost in a full queue: the sum over all overruns
	Foreign    uint64 // forged: the kernel did not send them
	Malformed  uint64 // damaged
	Repaired   uint64 // how often this connector repaired a deaf kernel: when it was opened, in Subscribe and in Check
	QueueBytes uint32 // the budget that the kernel granted
	Hidden     uint32 // from [Table.Stats]: how many processes are [Process.Hidden]
}

func statsOf(s *C.struct_pc_stats) Stats {
	return Stats{
		Received:   uint64(s.received),
		Filtered:   uint64(s.filtered),
		Lost:       uint64(s.lost),
		Foreign:    uint64(s.foreign),
		Malformed:  uint64(s.malformed),
		Repaired:   uint64(s.repaired),
		QueueBytes: uint32(s.rcvbuf_bytes),
		Hidden:     uint32(s.hidden),
	}
}
