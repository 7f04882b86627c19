package procconnector

// #include <proc_connector.h>
// #include <stdlib.h>
import "C"

import (
	"time"
	"unsafe"
)

// TextKind is a kind of text that a process has.
type TextKind uint32

const (
	// TextCommandLine is the command line, as in /proc/PID/cmdline: a NUL byte follows each argument.
	// If the process has rewritten it, the last NUL byte may be missing, or others may follow.
	TextCommandLine TextKind = C.PC_TEXT_COMMAND_LINE
	// TextExecutable is the path of the executable, followed by " (deleted)" if the file was deleted.
	TextExecutable TextKind = C.PC_TEXT_EXECUTABLE
	// TextDirectory is the path of the working directory.
	TextDirectory TextKind = C.PC_TEXT_DIRECTORY
	// TextCgroup is the path of the cgroup of version 2, or of one of version 1.
	TextCgroup TextKind = C.PC_TEXT_CGROUP
	// TextNSPID is the pid that the process itself sees, for example in its container, in decimal
	// digits.
	TextNSPID TextKind = C.PC_TEXT_NSPID
)

// A Text is a text of a process. If there is none, Err says why: ENODATA (a kernel thread has no
// command line and no executable), EACCES (this process may not read it), ESRCH (the process exited
// before this text was read), EAGAIN (the process is inside execve(2), or its leader is gone),
// ENAMETOOLONG (a path above 4096 bytes).
type Text struct {
	Value string // may contain any bytes
	Err   error
}

// Texts reads texts of the process that has this PID and started at this time ([Process.Start]). A
// start of 0 stands for any process that has the PID. The texts are in the order of the kinds.
//
// Texts fails with ESRCH if the process exited before the library could identify it, if the PID has
// another owner, or if it is the id of a thread. It fails with EACCES if /proc does not show the
// process.
func Texts(pid int32, start time.Duration, kinds ...TextKind) ([]Text, error) {
	return textsOf(&Process{PID: pid, Start: start}, kinds)
}

func textsOf(p *Process, kinds []TextKind) ([]Text, error) {
	texts := make([]Text, len(kinds))
	for size := 4096; ; {
		longest, err := readTexts(p, kinds, texts, size)
		if err != nil {
			return nil, err
		}
		if longest < size {
			return texts, nil
		}
		size = longest + 512
	}
}

// Texts reads texts of this process, as [Texts] does. If PidfdInode is known, it identifies the
// process instead of the start time.
func (p *Process) Texts(kinds ...TextKind) ([]Text, error) {
	return textsOf(p, kinds)
}

// Reads with a buffer of this size for each text. Returns the length of the longest text.
func readTexts(p *Process, kinds []TextKind, texts []Text, size int) (int, error) {
	// In C's memory, because Go must not pass C a pointer to Go pointers.
	heads := len(kinds) * C.sizeof_struct_pc_text
	memory := C.malloc(C.size_t(heads + len(kinds)*size + 1))
	defer C.free(memory)
	asked := unsafe.Slice((*C.struct_pc_text)(memory), len(kinds))
	for i, kind := range kinds {
		buffer := (*C.char)(unsafe.Add(memory, heads+i*size))
		asked[i] = C.struct_pc_text{what: C.uint32_t(kind), buffer: buffer, size: C.size_t(size)}
	}
	result := C.pc_process_texts_of(p.c(), (*C.struct_pc_text)(memory), C.size_t(len(kinds)))
	if result < 0 {
		return 0, failure("texts", result)
	}
	longest := 0
	for i := range asked {
		length := int(asked[i].length)
		if length > longest {
			longest = length
		}
		texts[i] = Text{Err: failure("text", C.int(asked[i].error))}
		if texts[i].Err == nil && length < size {
			texts[i].Value = C.GoStringN(asked[i].buffer, C.int(length))
		}
	}
	return longest, nil
}
