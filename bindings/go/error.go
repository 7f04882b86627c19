package procconnector

// #include <proc_connector.h>
import "C"

import "syscall"

// An Error says what went wrong and what to do about it. errors.Is compares it with errno values
// (syscall.EPERM), and so with [os.ErrPermission] and the like.
//
// Closed connectors and tables return [os.ErrClosed], and ended contexts their own errors.
type Error struct {
	Op    string // "open", "recv", …
	Errno syscall.Errno
}

func (e *Error) Error() string {
	return "procconnector: " + e.Op + ": " + C.GoString(C.pc_strerror(C.int(e.Errno)))
}

func (e *Error) Unwrap() error { return e.Errno }

// Of what a function of the library returned; nil if it did not fail.
func failure(op string, result C.int) error {
	if result >= 0 {
		return nil
	}
	return &Error{op, syscall.Errno(-result)}
}
