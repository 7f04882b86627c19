package procconnector

// #include <proc_connector.h>
import "C"

import (
	"os"
	"syscall"
)

// held calls use with the descriptor of a file. No other goroutine can close the file meanwhile.
func held(file *os.File, use func(fd uintptr) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = use(fd) }); err != nil {
		return err
	}
	return failed
}

// adopt opens a handle on a duplicate of a socket. If open succeeds, the duplicate belongs to the handle.
func adopt(op string, socket *os.File, open func(fd C.int) C.int) error {
	return held(socket, func(fd uintptr) error {
		dup, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
		if errno != 0 {
			return &Error{Op: op, Errno: errno}
		}
		err := failure(op, open(C.int(dup)))
		if err != nil {
			syscall.Close(int(dup))
		}
		return err
	})
}
